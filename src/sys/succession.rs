//! The memory that outlives an engine: an anonymous file that its guard holds and hands to the next engine as standard
//! input.
//!
//! ```text
//! 0      header: what it is, the clock, the last sign of life, where the blobs are
//! 4096   slots of 1 KiB, one for each router
//! 64 MiB blobs, each in two places written in turn
//! ```
//!
//! An engine can be killed between any two system calls. Each write lies within one page, which the kernel copies
//! whole, or is made valid by such a write; what is torn all the same does not match its sum and is left out.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

const MAGIC: u64 = u64::from_le_bytes(*b"vipdeck1");
const HEADER: u64 = 4096;
/// A record longer than this is not kept.
pub const SLOT: usize = 1024 - SLOT_HEAD;
const SLOT_HEAD: usize = 12;
const BLOBS: u64 = 64 << 20;
const PLACE: u64 = 64 << 20;
/// More slots than there are virtual router identifiers on a thousand links are no slots.
const MOST_SLOTS: u64 = 1 << 16;

/// Words of the header.
#[derive(Clone, Copy)]
enum Word {
    Magic,
    Zero,
    Beat,
    Patience,
    Slots,
    Lives,
    Planned,
}

/// What is kept whole beside the slots.
#[derive(Clone, Copy, Debug)]
pub enum Blob {
    Node,
    Configuration,
    /// The configuration before.
    Previous,
}

#[derive(Debug)]
pub struct Succession {
    file: File,
}

impl Succession {
    /// An empty one, for the first engine.
    pub fn new() -> io::Result<Self> {
        let file = File::from(memfd_create("vipdeck", MFdFlags::MFD_CLOEXEC)?);
        let new = Self { file };
        new.write(Word::Magic, MAGIC)?;
        Ok(new)
    }

    /// The one that this process was given as its standard input.
    pub fn inherited() -> io::Result<Self> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let given = Self { file };
        if given.word(Word::Magic) == MAGIC { Ok(given) } else { Err(io::Error::other("not given by a guard")) }
    }

    /// As the standard input of the next engine.
    pub fn stdin(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.file.try_clone()?))
    }

    /// The moment that an engine's clock counts from, which is the first engine's start; none: there was no engine.
    pub fn zero(&self) -> Option<Instant> {
        let zero = self.word(Word::Zero);
        let now = monotonic_us();
        (zero > 0).then(|| Instant::now().checked_sub(Duration::from_micros(now.saturating_sub(zero)))).flatten()
    }

    /// Says that this engine's clock counts from `zero`, and that its guard may wait `patience` for a sign of life.
    pub fn begin(&self, zero: Instant, patience: Duration) -> io::Result<()> {
        let age = u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.write(Word::Zero, monotonic_us().saturating_sub(age).max(1))?;
        self.write(Word::Planned, 0)?;
        self.write(Word::Lives, u64::from(self.lives().saturating_add(1)))?;
        self.set_patience(patience)?;
        self.beat()
    }

    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.write(Word::Patience, u64::try_from(patience.as_micros()).unwrap_or(u64::MAX))
    }

    pub fn patience(&self) -> Duration {
        Duration::from_micros(self.word(Word::Patience))
    }

    /// A sign of life.
    pub fn beat(&self) -> io::Result<()> {
        self.write(Word::Beat, monotonic_us())
    }

    /// How long ago the last sign of life was; none: there was no engine yet.
    pub fn silence(&self) -> Option<Duration> {
        let beat = self.word(Word::Beat);
        (beat > 0).then(|| Duration::from_micros(monotonic_us().saturating_sub(beat)))
    }

    /// How many engines have begun.
    pub fn lives(&self) -> u32 {
        u32::try_from(self.word(Word::Lives)).unwrap_or(u32::MAX)
    }

    /// The engine ends on an operator's word, to be started again.
    pub fn set_planned(&self) -> io::Result<()> {
        self.write(Word::Planned, 1)
    }

    pub fn is_planned(&self) -> bool {
        self.word(Word::Planned) == 1
    }

    /// Nothing that was left counts any more.
    pub fn forget(&self) -> io::Result<()> {
        self.write(Word::Slots, 0)?;
        self.write_blob_place(Blob::Node, [0; 24])
    }

    pub fn set_slots(&self, slots: usize) -> io::Result<()> {
        self.write(Word::Slots, slots as u64)
    }

    /// False: it is too long to be kept.
    pub fn keep(&self, slot: usize, record: &[u8]) -> io::Result<bool> {
        if record.len() > SLOT {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(SLOT_HEAD + record.len());
        bytes.extend(u32::try_from(record.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(sum(record).to_le_bytes());
        bytes.extend(record);
        self.file.write_all_at(&bytes, slot_at(slot as u64))?;
        Ok(true)
    }

    /// The records of all slots that are whole.
    pub fn records(&self) -> Vec<Vec<u8>> {
        let slots = self.word(Word::Slots).min(MOST_SLOTS);
        (0..slots).filter_map(|slot| self.record(slot)).collect()
    }

    fn record(&self, slot: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; SLOT_HEAD + SLOT];
        let read = self.file.read_at(&mut bytes, slot_at(slot)).ok()?;
        bytes.truncate(read);
        let (head, rest) = bytes.split_at_checked(SLOT_HEAD)?;
        let length = u32::from_le_bytes(head.get(..4)?.try_into().ok()?) as usize;
        let record = rest.get(..length).filter(|record| !record.is_empty())?;
        (sum(record).to_le_bytes() == *head.get(4..)?).then(|| record.to_vec())
    }

    /// Replaces a blob. The one before is valid until this one is.
    pub fn set_blob(&self, blob: Blob, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > PLACE {
            return Err(io::Error::other("too long to be kept"));
        }
        let place = self.blob_place(blob).map_or(0, |(place, ..)| 1 - place);
        self.file.write_all_at(bytes, blob_at(blob, place))?;
        let mut described = [0; 24];
        for (to, word) in described.chunks_mut(8).zip([place + 1, bytes.len() as u64, sum(bytes)]) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        self.write_blob_place(blob, described)
    }

    pub fn blob(&self, blob: Blob) -> Option<Vec<u8>> {
        let (place, length, expected) = self.blob_place(blob)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, blob_at(blob, place)).ok()?;
        (sum(&bytes) == expected).then_some(bytes)
    }

    fn blob_place(&self, blob: Blob) -> Option<(u64, u64, u64)> {
        let mut words = [0; 24];
        self.file.read_exact_at(&mut words, described_at(blob)).ok()?;
        let word = |index: usize| words.chunks(8).nth(index).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let place = word(0)?.checked_sub(1).filter(|place| *place < 2)?;
        Some((place, word(1).filter(|length| *length <= PLACE)?, word(2)?))
    }

    fn write_blob_place(&self, blob: Blob, words: [u8; 24]) -> io::Result<()> {
        self.file.write_all_at(&words, described_at(blob))
    }

    fn word(&self, word: Word) -> u64 {
        let mut bytes = [0; 8];
        // What was never written is zero.
        let _ = self.file.read_exact_at(&mut bytes, word as u64 * 8);
        u64::from_le_bytes(bytes)
    }

    fn write(&self, word: Word, value: u64) -> io::Result<()> {
        self.file.write_all_at(&value.to_le_bytes(), word as u64 * 8)
    }
}

const fn slot_at(slot: u64) -> u64 {
    HEADER + slot * (SLOT + SLOT_HEAD) as u64
}

const fn described_at(blob: Blob) -> u64 {
    512 + blob as u64 * 64
}

const fn blob_at(blob: Blob, place: u64) -> u64 {
    BLOBS + (blob as u64 * 2 + place) * PLACE
}

/// FNV-1a: tells what was torn, not what was forged.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn monotonic_us() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_engine_keeps_the_next_one_finds() {
        let kept = Succession::new().unwrap();
        assert!(kept.zero().is_none() && kept.silence().is_none() && kept.records().is_empty());
        let zero = Instant::now().checked_sub(Duration::from_secs(7)).unwrap();
        kept.begin(zero, Duration::from_millis(1250)).unwrap();
        kept.set_slots(3).unwrap();
        assert!(kept.keep(0, b"first").unwrap() && kept.keep(2, b"third").unwrap());
        assert!(!kept.keep(1, &[1; SLOT + 1]).unwrap(), "too long");
        assert_eq!(kept.records(), [b"first".to_vec(), b"third".to_vec()]);
        assert!(kept.zero().unwrap().max(zero) - kept.zero().unwrap().min(zero) < Duration::from_millis(1));
        assert_eq!(kept.patience(), Duration::from_millis(1250));
        for text in [&b"one"[..], b"two, and longer", b"3"] {
            kept.set_blob(Blob::Configuration, text).unwrap();
            assert_eq!(kept.blob(Blob::Configuration).unwrap(), text);
        }
        assert!(kept.blob(Blob::Node).is_none());
        kept.forget().unwrap();
        assert!(kept.records().is_empty() && kept.blob(Blob::Configuration).is_some());
    }

    #[test]
    fn what_was_torn_is_left_out() {
        let kept = Succession::new().unwrap();
        kept.set_slots(2).unwrap();
        kept.keep(0, b"whole").unwrap();
        kept.keep(1, b"torn").unwrap();
        kept.file.write_all_at(b"T", slot_at(1) + SLOT_HEAD as u64).unwrap();
        assert_eq!(kept.records(), [b"whole".to_vec()]);
        kept.set_blob(Blob::Node, b"kept").unwrap();
        kept.file.write_all_at(b"K", blob_at(Blob::Node, 0)).unwrap();
        assert!(kept.blob(Blob::Node).is_none());
    }

    #[test]
    fn a_file_that_was_never_finished_is_read_without_harm() {
        let kept = Succession { file: File::from(memfd_create("x", MFdFlags::MFD_CLOEXEC).unwrap()) };
        kept.write(Word::Slots, u64::MAX).unwrap();
        assert!(kept.records().is_empty() && kept.zero().is_none());
        kept.write_blob_place(Blob::Node, [0xff; 24]).unwrap();
        assert!(kept.blob(Blob::Node).is_none());
    }
}
