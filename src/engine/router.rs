//! One virtual router with what the engine keeps beside its machine.

use super::admission::Form;
use super::authentic::Authentic;
use super::legacy::Mark;
use super::origin::CHAINS;
use crate::status::{Actor, PacketErrors, Reasons, Role, Takeover, Transition};
use crate::time::{Duration, Instant};
use crate::vrrp::{Cause, Conditions, Instance, OldUnicast, Peering};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// How many transitions are kept.
const TRANSITIONS: usize = 32;
/// How many are listed: more are a flood, not a cluster.
const SPEAKERS: usize = 64;
/// A router not heard for so long is no longer listed.
const FORGET_SPEAKER: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(super) struct Router {
    pub(super) machine: Instance,
    /// Its deadline as the engine's timers have it.
    pub(super) noted: Option<Instant>,
    /// The same before its last input.
    pub(super) was_due: Option<Instant>,
    /// As a member of a sync group: when its own silence had made it ready to be master.
    pub(super) ready_at: Option<(Instant, Option<Instant>)>,
    pub(super) takeover: Option<Takeover>,
    /// When it announces addresses beside its own link (`garp_extra_if`).
    pub(super) extra_at: Option<Instant>,
    /// What its record was made from last.
    pub(super) marked: Option<Mark>,
    /// It has left the configuration and goes once it has handed over.
    pub(super) retiring: bool,
    /// The engine has ended, and what it answered for stays on purpose.
    pub(super) keeps: bool,
    /// The effective priority that FIFOs were told last, or started from.
    pub(super) told_priority: u8,
    /// Its sync group.
    pub(super) group: Option<usize>,
    /// What its own link and trackers say, without those of its sync group.
    pub(super) own_conditions: Conditions,
    /// Who holds it back or up, since when and why.
    pub(super) held_by: Option<HeldBy>,
    /// Everyone heard for this VRID.
    pub(super) speakers: BTreeMap<IpAddr, Speaker>,
    pub(super) transitions: VecDeque<Transition>,
    pub(super) transitions_total: u64,
    pub(super) became_master: u64,
    pub(super) released_master: u64,
    pub(super) adverts_sent: u64,
    pub(super) adverts_heard: u64,
    pub(super) adverts_refused: u64,
    pub(super) announcements_sent: u64,
    pub(super) packets: PacketErrors,
    pub(super) authentic: Authentic,
    /// What was refused and has been said since the state last changed: the cause and the sender.
    pub(super) told: BTreeSet<(&'static str, IpAddr)>,
    /// Unicast peers whose checksum has the old form (`old_unicast_checksum`).
    old_peers: BTreeSet<IpAddr>,
}

#[derive(Clone, Debug)]
pub(super) struct HeldBy {
    pub(super) since: Instant,
    pub(super) by: Actor,
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub(super) priority: u8,
    pub(super) at: Instant,
    pub(super) interval: Duration,
}

impl Router {
    pub(super) fn new(machine: Instance) -> Self {
        Self {
            own_conditions: machine.conditions().clone(),
            told_priority: machine.effective_priority(),
            machine,
            noted: None,
            was_due: None,
            ready_at: None,
            takeover: None,
            extra_at: None,
            marked: None,
            retiring: false,
            keeps: false,
            group: None,
            held_by: None,
            speakers: BTreeMap::new(),
            transitions: VecDeque::new(),
            transitions_total: 0,
            became_master: 0,
            released_master: 0,
            adverts_sent: 0,
            adverts_heard: 0,
            adverts_refused: 0,
            announcements_sent: 0,
            packets: PacketErrors::default(),
            authentic: Authentic::default(),
            told: BTreeSet::new(),
            old_peers: BTreeSet::new(),
        }
    }

    /// Whether its addresses should be here, and what moves with them.
    pub(super) const fn wants_addresses(&self) -> bool {
        self.keeps || self.machine.state().wants_addresses()
    }

    pub(super) fn hear(&mut self, from: IpAddr, speaker: Speaker) {
        if self.speakers.len() >= SPEAKERS && !self.speakers.contains_key(&from) {
            self.speakers.retain(|_, s| speaker.at.since(s.at) < FORGET_SPEAKER);
            let oldest = self.speakers.iter().min_by_key(|(_, s)| s.at).map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| self.speakers.len() >= SPEAKERS) {
                self.speakers.remove(&oldest);
            }
        }
        self.speakers.insert(from, speaker);
    }

    /// Notes how a unicast peer sums, so that it is answered in the same form.
    pub(super) fn note_form(&mut self, from: IpAddr, form: Form) {
        let Peering::Unicast(unicast) = &self.machine.spec().peering else { return };
        match form {
            Form::Own => {
                self.old_peers.remove(&from);
            }
            Form::Group if unicast.peers.iter().any(|peer| peer.address == from) => {
                self.old_peers.insert(from);
            }
            Form::Group => {}
        }
    }

    /// The form of the checksum in adverts to a peer.
    pub(super) fn form_for(&self, peer: IpAddr) -> Form {
        match self.machine.spec().checksum.old_unicast {
            OldUnicast::Always => Form::Group,
            OldUnicast::Detect if self.old_peers.contains(&peer) => Form::Group,
            OldUnicast::Detect | OldUnicast::Never => Form::Own,
        }
    }

    /// It has become master just now: what of that is known already.
    pub(super) fn takeover_at(&self, now: Instant, cause: &Cause) -> Takeover {
        let waited = matches!(
            cause,
            Cause::Silence { .. } | Cause::MasterResigned { .. } | Cause::Preempting { .. } | Cause::GroupReady { .. }
        );
        // A member of a sync group waits for the others once its own timer has run out.
        let (noticed_at, due) = self.ready_at.filter(|_| waited).unwrap_or((now, self.was_due));
        let quiet_since = if waited { self.machine.quiet_since() } else { now };
        Takeover {
            quiet_since,
            expected: due.filter(|_| waited).map(|due| quiet_since.until(due)),
            noticed_at,
            master_at: now,
            added_at: None,
            announced_at: None,
        }
    }

    pub(super) fn record(&mut self, transition: Transition) {
        if self.transitions.len() == TRANSITIONS {
            self.transitions.pop_front();
        }
        let older = self.transitions.len().saturating_sub(CHAINS - 1);
        self.transitions.iter_mut().take(older).for_each(|t| t.reasons = Reasons::default());
        self.became_master += u64::from(transition.to == Role::Master);
        self.released_master += u64::from(transition.from == Role::Master);
        self.transitions.push_back(transition);
        self.transitions_total += 1;
    }
}
