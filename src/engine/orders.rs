//! The orders of operators as a list, and as the text of their journal.
//!
//! The journal has one order a line, each behind a checksum of its own, so that what of a damaged file is whole can
//! be read. The first line says how many there are.

use super::actions::Deeds;
use crate::status::{Order, Slot};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What is in force, in the order it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Grows with every change: of two, the one with more is newer.
    pub revision: u64,
    list: Vec<Order>,
    /// What operators did, with what it takes to undo it.
    #[serde(default)]
    pub(super) deeds: Deeds,
}

/// The first line of a journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    revision: u64,
    orders: usize,
    #[serde(default)]
    deeds: Deeds,
}

/// A journal as far as it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) orders: Orders,
    /// What cannot, a sentence for each, with its line.
    pub(super) damage: Vec<String>,
}

impl Orders {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a journal can be read without loss.
    pub fn is_whole(journal: &[u8]) -> bool {
        Self::read(journal).damage.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Order> {
        self.list.iter_mut()
    }

    pub(super) fn get(&self, slot: &Slot) -> Option<&Order> {
        self.list.iter().find(|o| o.asked.slot() == *slot)
    }

    /// In place of another of its slot.
    pub(super) fn set(&mut self, order: Order) {
        let slot = order.asked.slot();
        match self.list.iter_mut().find(|o| o.asked.slot() == slot) {
            Some(place) => *place = order,
            None => self.list.push(order),
        }
    }

    pub(super) fn lift(&mut self, slot: &Slot) -> Option<Order> {
        let place = self.list.iter().position(|o| o.asked.slot() == *slot)?;
        Some(self.list.remove(place))
    }

    /// The text of the journal.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let head = Head { revision: self.revision, orders: self.list.len(), deeds: self.deeds.clone() };
        let lines = std::iter::once(serde_json::to_string(&head)).chain(self.list.iter().map(serde_json::to_string));
        for line in lines.map(Result::unwrap_or_default) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {line}", checksum(line.as_bytes()));
        }
        text
    }

    /// Reads a journal; what cannot be read is told.
    pub(super) fn read(bytes: &[u8]) -> Read {
        let mut read = Read::default();
        let mut head: Option<Head> = None;
        let mut lost = 0;
        let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        for (index, line) in lines {
            let number = index + 1;
            match whole(line) {
                Err(why) => {
                    lost += 1;
                    read.damage.push(format!("line {number}: {why}"));
                }
                Ok(json) if head.is_none() && index == 0 => match serde_json::from_slice(json) {
                    Ok(read) => head = Some(read),
                    Err(error) => read.damage.push(format!("line {number}: not the first line of a journal: {error}")),
                },
                Ok(json) => match serde_json::from_slice::<Order>(json) {
                    Ok(order) => read.orders.set(order),
                    Err(error) => {
                        lost += 1;
                        read.damage.push(format!("line {number}: not an order that this version knows: {error}"));
                    }
                },
            }
        }
        match head {
            Some(head) => {
                (read.orders.revision, read.orders.deeds) = (head.revision, head.deeds);
                let found = read.orders.list.len();
                if found + lost < head.orders {
                    read.damage
                        .push(format!("the end is missing: {} orders were written, {found} are read", head.orders));
                }
            }
            None if bytes.is_empty() => read.damage.push("the file is empty".into()),
            None if read.damage.is_empty() => read.damage.push("line 1: the first line is missing".into()),
            None => {}
        }
        read
    }
}

/// What stands behind the checksum, if that is right.
fn whole(line: &[u8]) -> Result<&[u8], &'static str> {
    let (sum, json) = line.split_first_chunk::<8>().ok_or("too short")?;
    let json = json.strip_prefix(b" ").ok_or("the checksum is cut")?;
    if sum.as_slice() == checksum(json).as_bytes() {
        Ok(json)
    } else {
        Err("its checksum is wrong: the bytes have changed")
    }
}

/// The first four bytes of SHA-256, in hexadecimal.
fn checksum(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    let first = sum.first_chunk::<4>().copied().unwrap_or_default();
    format!("{:08x}", u32::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Actor, Asked, AtDeadline, AtExpiry, DemoteMode};
    use proptest::prelude::*;

    fn order() -> impl Strategy<Value = Order> {
        let service = (1..4_u8).prop_map(|n| format!("tcp/192.0.2.{n}:80").parse().unwrap());
        let real = (1..5_u8).prop_map(|n| format!("198.51.100.{n}:80").parse().unwrap());
        let place = || (service.clone(), real.clone());
        let then = prop::sample::select(AtDeadline::ALL.to_vec());
        let drain = (place(), prop::option::of(any::<u64>()), then, any::<bool>()).prop_map(
            |((service, real), deadline_us, then, ignore_persistence)| Asked::Drain {
                service,
                real,
                deadline_us,
                then,
                ignore_persistence,
                overdue: false,
                drained_us: None,
            },
        );
        let asked = prop_oneof![
            drain,
            place().prop_map(|(service, real)| Asked::Maint { service, real }),
            (place(), 0..70_000_u32).prop_map(|((service, real), weight)| Asked::Weight { service, real, weight }),
            (place(), 1..900_u32).prop_map(|((service, real), seconds)| Asked::SlowStart { service, real, seconds }),
            "[a-zA-Z_0-9]{1,8}".prop_map(|instance| Asked::Demote { instance, mode: DemoteMode::Fence }),
            Just(Asked::Pause {}),
        ];
        let reason = prop::option::of("\\PC{0,20}");
        let ends = prop::option::of(any::<u64>());
        (asked, any::<u64>(), reason, ends).prop_map(|(asked, since_us, reason, expires_us)| Order {
            asked,
            since_us,
            expires_us,
            at_expiry: AtExpiry::Restore,
            expired: false,
            action: Some(3),
            by: Actor { user: "ann".into(), from: "local socket".into() },
            reason,
        })
    }

    fn orders() -> impl Strategy<Value = Orders> {
        (any::<u64>(), prop::collection::vec(order(), 0..8)).prop_map(|(revision, all)| {
            let mut orders = Orders { revision, ..Orders::default() };
            for order in all {
                orders.set(order);
            }
            orders
        })
    }

    proptest! {
        #[test]
        fn a_journal_reads_back(orders in orders()) {
            prop_assert_eq!(Orders::read(orders.text().as_bytes()), Read { orders, damage: Vec::new() });
        }

        /// However it is torn: the lines that are whole are read, and that something is missing is said.
        #[test]
        fn a_torn_journal_gives_what_is_whole(orders in orders(), at: prop::sample::Index) {
            let text = orders.text();
            let cut = at.index(text.len());
            let read = Orders::read(&text.as_bytes()[..cut]);
            let whole = text.bytes().take(cut).filter(|b| *b == b'\n').count();
            // A last line that lacks nothing but its end is whole.
            let lines = whole + usize::from(text.as_bytes()[cut] == b'\n' && cut > 0 && text.as_bytes()[cut - 1] != b'\n');
            prop_assert_eq!(read.orders.list.len(), lines.saturating_sub(1));
            prop_assert!(read.orders.list.iter().zip(&orders.list).all(|(a, b)| a == b));
            prop_assert_eq!(read.damage.is_empty(), lines == orders.list.len() + 1);
        }

        /// Wherever a byte changes: the other orders are read, and the line is named.
        #[test]
        fn a_changed_byte_costs_one_line(orders in orders(), at: prop::sample::Index, change in 1..=255_u8) {
            let mut bytes = orders.text().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] ^= change;
            let read = Orders::read(&bytes);
            prop_assert!(!read.damage.is_empty());
            prop_assert!(read.orders.list.len() + 2 >= orders.list.len());
            prop_assert!(read.orders.list.iter().all(|o| orders.list.contains(o)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = Orders::read(&bytes);
        }
    }
}
