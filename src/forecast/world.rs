//! Machines on a wire and a clock of their own.

use super::Hypothesis;
use crate::time::{Duration, Instant};
use crate::vrrp::{
    Conditions, Heard, Input, Instance, Note, Order, Output, Role, State, Track, Tracker, all_ready, follows,
    has_yielded, weigh, weigh_number, with_others,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// From one node to another.
const WIRE: Duration = Duration::from_micros(200);
/// What one node may hear later than another.
const JITTER: Duration = Duration::from_micros(400);
/// A world that goes on for longer than this is given up.
const STEPS: u32 = 60_000;

/// One instance on one node, or a router that is only heard.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its node; none: it is only heard.
    pub(super) node: Option<String>,
    /// The virtual router of the cluster that it is part of.
    pub(super) row: usize,
    pub(super) name: String,
    pub(super) address: Option<IpAddr>,
    pub(super) machine: Instance,
    /// It has counted what arrived before.
    pub(super) known_at: Instant,
    pub(super) group: Option<String>,
    /// The instance's own conditions, without those of its group.
    pub(super) own: Conditions,
    pub(super) link: String,
    pub(super) tracks: Vec<Track>,
    /// Whom it sends to; empty: to all.
    pub(super) peers: Vec<IpAddr>,
    pub(super) gone: bool,
}

/// Who hears the same advert first: it decides between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum First {
    #[default]
    All,
    Lowest,
    Highest,
}

#[derive(Clone, Debug)]
enum Arrival {
    Advert(Heard),
    Announcement,
}

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) members: Vec<Member>,
    queue: BTreeMap<(Instant, u64), (usize, Arrival)>,
    queued: u64,
    /// Nothing passes between these: sender and receiver.
    pub(super) deaf: BTreeSet<(usize, usize)>,
    pub(super) first: First,
    /// Nothing passes to or from this node.
    cut: Option<String>,
    /// When somebody became master, and who; and the last advert of a master.
    pub(super) became: Vec<(Instant, usize)>,
    pub(super) last_advert: Option<(Instant, usize)>,
    steps: u32,
}

impl World {
    pub(super) fn run_until(&mut self, until: Instant) {
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            if !self.step(at) {
                return;
            }
        }
        self.now = self.now.max(until);
    }

    /// Runs until a master of `row` has sent its next advert; false if none does before `until`.
    pub(super) fn run_to_advert(&mut self, row: usize, until: Instant) -> bool {
        self.last_advert = None;
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            if !self.step(at) {
                return false;
            }
            if self.last_advert.is_some_and(|(_, m)| self.members.get(m).is_some_and(|m| m.row == row)) {
                return true;
            }
        }
        false
    }

    /// It did not come to rest.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.steps >= STEPS
    }

    fn next_at(&self) -> Option<Instant> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let due = self.members.iter().filter(|m| !m.gone).filter_map(|m| m.machine.deadline()).min();
        crate::time::earliest(queued, due)
    }

    fn step(&mut self, at: Instant) -> bool {
        self.steps += 1;
        if self.is_exhausted() {
            return false;
        }
        self.now = self.now.max(at);
        if self.queue.first_key_value().is_some_and(|((due, _), _)| *due <= at) {
            if let Some((_, (to, arrival))) = self.queue.pop_first() {
                self.arrive(to, arrival);
            }
            return true;
        }
        let is_due = |m: &Member| !m.gone && m.machine.deadline().is_some_and(|due| due <= at);
        if let Some(index) = self.members.iter().position(is_due) {
            self.drive(index, Input::Deadline);
        }
        true
    }

    fn arrive(&mut self, to: usize, arrival: Arrival) {
        let now = self.now;
        if self.members.get(to).is_none_or(|m| m.gone || now <= m.known_at) {
            return;
        }
        match arrival {
            Arrival::Advert(heard) => self.drive(to, Input::Heard(Heard { at: now, ..heard })),
            Arrival::Announcement => self.drive(to, Input::Announced),
        }
    }

    pub(super) fn drive(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(member) = self.members.get_mut(index) else { return };
        for output in member.machine.handle(now, input) {
            match output {
                Output::Advertise { priority } => self.advertise(index, priority, None),
                Output::Hasten { priority, interval } => self.advertise(index, priority, Some(interval)),
                Output::Announce { repeat } if repeat > 0 => self.send(index, &Arrival::Announcement),
                Output::Announce { .. } => {}
                Output::Ready => self.member_ready(index),
                Output::Changed { from, to, .. } => {
                    if to == Role::Master {
                        self.became.push((now, index));
                    }
                    self.group_follows(index, from);
                }
                Output::Note(Note::HandedOver { .. }) => self.group_follows(index, Role::Master),
                Output::Note(_) => {}
            }
        }
    }

    fn advertise(&mut self, index: usize, priority: u8, interval: Option<Duration>) {
        let Some(member) = self.members.get(index) else { return };
        let Some(from) = member.machine.conditions().source else { return };
        let interval = interval.unwrap_or(member.machine.spec().interval);
        if priority > 0 {
            self.last_advert = Some((self.now, index));
        }
        self.send(index, &Arrival::Advert(Heard { from, priority, interval, at: self.now }));
    }

    fn send(&mut self, from: usize, arrival: &Arrival) {
        let Some(sender) = self.members.get(from) else { return };
        let is_cut = |m: &Member| self.cut.is_some() && m.node == self.cut;
        if is_cut(sender) {
            return;
        }
        let hears = |(to, m): &(usize, &Member)| {
            let meant = sender.peers.is_empty() || m.address.is_some_and(|address| sender.peers.contains(&address));
            *to != from && m.row == sender.row && !m.gone && meant && !is_cut(m) && !self.deaf.contains(&(from, *to))
        };
        let receivers: Vec<usize> = self.members.iter().enumerate().filter(hears).map(|(to, _)| to).collect();
        for to in receivers {
            let later = match self.first {
                First::All => 0,
                First::Lowest => to,
                First::Highest => self.members.len().saturating_sub(to),
            };
            let at = self.now + WIRE + JITTER.saturating_mul(u32::try_from(later).unwrap_or(u32::MAX));
            self.queued += 1;
            self.queue.insert((at, self.queued), (to, arrival.clone()));
        }
    }

    /// A member and those that change state with it.
    fn together_with(&self, index: usize) -> Vec<usize> {
        let Some(member) = self.members.get(index) else { return Vec::new() };
        if member.group.is_none() {
            return vec![index];
        }
        let same = |m: &Member| m.node == member.node && m.group == member.group;
        (0..self.members.len()).filter(|i| self.members.get(*i).is_some_and(same)).collect()
    }

    fn member_ready(&mut self, index: usize) {
        let Some(group) = self.members.get(index).and_then(|m| m.group.clone()) else { return };
        let together = self.together_with(index);
        if !all_ready(together.iter().filter_map(|m| self.members.get(*m)).map(|m| &m.machine)) {
            return;
        }
        for member in together {
            if self.members.get(member).is_some_and(|m| m.machine.is_ready()) {
                self.drive(member, Input::Group(Order::Master { group: group.clone() }));
            }
        }
    }

    fn group_follows(&mut self, index: usize, from: Role) {
        let Some(member) = self.members.get(index) else { return };
        let (Some(group), true) = (member.group.clone(), has_yielded(from, &member.machine)) else { return };
        let name = member.name.clone();
        for other in self.together_with(index) {
            if self.members.get(other).is_some_and(|m| follows(&m.machine)) {
                self.drive(other, Input::Group(Order::Backup { group: group.clone(), member: name.clone() }));
            }
        }
    }

    /// Does what the hypothesis says. The error says why it cannot be done.
    pub(super) fn apply(&mut self, hypothesis: &Hypothesis) -> Result<(), String> {
        match hypothesis {
            Hypothesis::Crash { node } => {
                for member in self.members.iter_mut().filter(|m| m.node.as_ref() == Some(node)) {
                    member.gone = true;
                }
            }
            Hypothesis::Cut { node } => self.cut = Some(node.clone()),
            Hypothesis::Demote { node, instance, fence } => {
                let is_it = |m: &Member| m.node.as_ref() == Some(node) && m.name == *instance;
                let Some(index) = self.members.iter().position(is_it) else { return Ok(()) };
                let input = if *fence { Input::Fence { force: false } } else { Input::Demote };
                let together = self.together_with(index);
                for member in together.iter().filter_map(|m| self.members.get(*m)) {
                    member
                        .machine
                        .permits(&input)
                        .map_err(|refusal| format!("{} on {node}: {refusal}", member.name))?;
                }
                for member in together {
                    self.drive(member, input.clone());
                }
            }
            Hypothesis::Fail { node, kind, name, number } => self.fail(node, (kind, name), *number),
            Hypothesis::Drain { .. } | Hypothesis::Down { .. } => {}
        }
        Ok(())
    }

    fn fail(&mut self, node: &str, (kind, name): (&str, &str), number: Option<i64>) {
        for index in 0..self.members.len() {
            let Some(member) = self.members.get_mut(index).filter(|m| m.node.as_deref() == Some(node)) else {
                continue;
            };
            let before = member.own.clone();
            for track in
                member.tracks.iter().filter(|t| t.name == name && t.kind.to_string().eq_ignore_ascii_case(kind))
            {
                let label = format!("{} {}", track.kind, track.name);
                let of_it = |text: &String| text.starts_with(&format!("{label}:"));
                member.own.terms.retain(|term| term.label != label);
                member.own.faults.retain(|fault| !of_it(fault));
                if track.kind == Tracker::File {
                    let usual = i64::from((track.weight == 0) != track.reverse);
                    weigh_number(track, number.unwrap_or(usual), "what if", &mut member.own);
                } else {
                    weigh(track, false, "what if", &mut member.own);
                }
            }
            if kind == "interface" && member.link == name && !member.own.faults.iter().any(|f| f.contains(name)) {
                member.own.faults.push(format!("{name} is down"));
                member.own.source = None;
            }
            if member.own != before {
                self.spread(index);
            }
        }
    }

    /// Gives every member of a group its conditions, as the engine does.
    fn spread(&mut self, index: usize) {
        let together = self.together_with(index);
        for member in &together {
            let Some(own) = self.members.get(*member).map(|m| m.own.clone()) else { continue };
            let others = together.iter().filter(|o| *o != member).filter_map(|o| self.members.get(*o));
            let group = self.members.get(*member).and_then(|m| m.group.as_deref()).unwrap_or_default();
            let whole = with_others(own, group, others.map(|m| (m.name.as_str(), &m.own)));
            if self.members.get(*member).is_some_and(|m| *m.machine.conditions() != whole) {
                self.drive(*member, Input::Conditions(whole));
            }
        }
    }

    /// The members of a row that are master now, whatever others think.
    pub(super) fn masters(&self, row: usize) -> Vec<usize> {
        let is_master = |m: &Member| m.row == row && !m.gone && matches!(m.machine.state(), State::Master { .. });
        self.members.iter().enumerate().filter(|(_, m)| is_master(m)).map(|(i, _)| i).collect()
    }

    /// How long it may take until nothing moves any more.
    pub(super) fn rest(&self) -> Duration {
        let of = |m: &Member| {
            let spec = m.machine.spec();
            let down = spec.master_down(1, m.machine.master_interval().max(spec.interval));
            down.saturating_mul(3) + spec.preempt_delay + self.now.until(m.machine.moment().not_before)
        };
        self.members.iter().map(of).max().unwrap_or_default()
    }
}
