//! What is different in a later snapshot: of a thousand instances and ten thousand servers, most is not.
//!
//! A list whose members are the same in the same order is told by those that changed; of these, what counts and what
//! runs down is told without the rest. Anything else is told whole, so that nothing depends on this being complete.

use super::snapshot::{Heard, Instance, RATE_SAMPLES, Real, Service, Snapshot};
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// From one snapshot to a later one of the same engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// [`Snapshot::revision`] of the snapshot it applies to.
    pub from: u64,
    /// The later one without instances and services.
    pub head: Snapshot,
    #[serde(default, skip_serializing_if = "Listed::is_same")]
    pub instances: Listed<Instance, InstanceTick>,
    #[serde(default, skip_serializing_if = "Listed::is_same")]
    pub services: Listed<Service, ServiceChange>,
}

/// A list that becomes another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listed<T, P> {
    Whole(Vec<T>),
    /// By place: members that are told whole, and those of which a part is enough.
    Places {
        #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
        whole: Vec<(usize, T)>,
        #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
        parts: Vec<(usize, P)>,
    },
}

impl<T, P> Default for Listed<T, P> {
    fn default() -> Self {
        Self::Places { whole: Vec::new(), parts: Vec::new() }
    }
}

/// It does not belong to the snapshot it was to be applied to: the whole is to be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change that belongs to another snapshot")]
pub struct Misplaced;

/// Something that can be told by what changed in it.
pub trait Member: Clone + PartialEq {
    type Part: Clone;

    /// Whether it is the same thing, changed or not.
    fn is_same_as(&self, later: &Self) -> bool;
    /// None: only the whole will do.
    fn part(&self, later: &Self) -> Option<Self::Part>;
    fn take(&mut self, part: &Self::Part) -> Result<(), Misplaced>;
}

impl<T: Member<Part = P>, P: Clone> Listed<T, P> {
    fn between(old: &[T], new: &[T]) -> Self {
        let pairs = || old.iter().zip(new);
        if old.len() != new.len() || !pairs().all(|(a, b)| a.is_same_as(b)) {
            return Self::Whole(new.to_vec());
        }
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        for (place, (a, b)) in pairs().enumerate().filter(|(_, (a, b))| a != b) {
            match a.part(b) {
                Some(part) => parts.push((place, part)),
                None => whole.push((place, b.clone())),
            }
        }
        Self::Places { whole, parts }
    }

    fn apply(&self, list: &mut Vec<T>) -> Result<(), Misplaced> {
        match self {
            Self::Whole(all) => list.clone_from(all),
            Self::Places { whole, parts } => {
                for (place, member) in whole {
                    *list.get_mut(*place).ok_or(Misplaced)? = member.clone();
                }
                for (place, part) in parts {
                    list.get_mut(*place).ok_or(Misplaced)?.take(part)?;
                }
            }
        }
        Ok(())
    }
}

impl<T, P> Listed<T, P> {
    const fn is_same(&self) -> bool {
        matches!(self, Self::Places { whole, parts } if whole.is_empty() && parts.is_empty())
    }
}

impl Change {
    pub fn between(old: &Snapshot, new: &Snapshot) -> Self {
        Self {
            from: old.revision,
            head: new.head(),
            instances: Listed::between(&old.instances, &new.instances),
            services: Listed::between(&old.services, &new.services),
        }
    }

    /// Turns the snapshot it was made from into the later one. After an error the snapshot is neither.
    pub fn apply(&self, snapshot: &mut Snapshot) -> Result<(), Misplaced> {
        if snapshot.revision != self.from {
            return Err(Misplaced);
        }
        let mut instances = std::mem::take(&mut snapshot.instances);
        let mut services = std::mem::take(&mut snapshot.services);
        self.instances.apply(&mut instances)?;
        self.services.apply(&mut services)?;
        snapshot.clone_from(&self.head);
        (snapshot.instances, snapshot.services) = (instances, services);
        Ok(())
    }
}

/// What changes in an instance with every advert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceTick {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    master: Option<Heard>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heard: Vec<Heard>,
    /// [`Instance::next_advert_at`], [`Instance::master_down_at`], [`Instance::announce_at`].
    at: [Option<Instant>; 3],
    /// Adverts sent, heard, refused; announcements sent.
    counts: [u64; 4],
    /// [`super::Election::quiet_since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet_since: Option<Instant>,
}

impl InstanceTick {
    fn of(i: &Instance) -> Self {
        Self {
            master: i.master,
            heard: i.heard.clone(),
            at: [i.next_advert_at, i.master_down_at, i.announce_at],
            counts: [i.adverts_sent, i.adverts_heard, i.adverts_refused, i.announcements_sent],
            quiet_since: i.election.as_ref().map(|e| e.quiet_since),
        }
    }
}

impl Member for Instance {
    type Part = InstanceTick;

    fn is_same_as(&self, later: &Self) -> bool {
        (self.vrid, &self.name, &self.interface) == (later.vrid, &later.name, &later.interface)
    }

    fn part(&self, later: &Self) -> Option<InstanceTick> {
        let tick = InstanceTick::of(later);
        let mut told = self.clone();
        told.take(&tick).ok()?;
        (told == *later).then_some(tick)
    }

    fn take(&mut self, tick: &InstanceTick) -> Result<(), Misplaced> {
        self.master = tick.master;
        self.heard.clone_from(&tick.heard);
        [self.next_advert_at, self.master_down_at, self.announce_at] = tick.at;
        [self.adverts_sent, self.adverts_heard, self.adverts_refused, self.announcements_sent] = tick.counts;
        if let (Some(election), Some(at)) = (&mut self.election, tick.quiet_since) {
            election.quiet_since = at;
        }
        Ok(())
    }
}

/// A service whose servers are the same ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// Without its servers; none: nothing but servers changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Service>,
    reals: Listed<Real, RealTick>,
}

impl Service {
    fn head(&self) -> Self {
        Self {
            group: self.group.clone(),
            instance: self.instance.clone(),
            reals: Vec::new(),
            quorum_reasons: self.quorum_reasons.clone(),
            ..*self
        }
    }
}

impl Member for Service {
    type Part = ServiceChange;

    fn is_same_as(&self, later: &Self) -> bool {
        self.id == later.id
    }

    fn part(&self, later: &Self) -> Option<ServiceChange> {
        let reals = Listed::between(&self.reals, &later.reals);
        let (before, after) = (self.head(), later.head());
        Some(ServiceChange { head: (before != after).then_some(after), reals })
    }

    fn take(&mut self, part: &ServiceChange) -> Result<(), Misplaced> {
        part.reals.apply(&mut self.reals)?;
        if let Some(head) = &part.head {
            let reals = std::mem::take(&mut self.reals);
            self.clone_from(head);
            self.reals = reals;
        }
        Ok(())
    }
}

/// What is counted of a server, in a short form: connections now, their rate, the newest sample, the totals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealTick(
    [Option<u32>; 3],
    Option<f64>,
    /// The sample that came; none: none did.
    Option<u32>,
    [Option<u64>; 5],
    Option<Instant>,
);

impl RealTick {
    fn of(r: &Real, sample: Option<u32>) -> Self {
        let totals = [r.connections_total, r.bytes_in, r.bytes_out, r.packets_in, r.packets_out];
        Self([r.active, r.inactive, r.sticky], r.rate, sample, totals, r.counted_at)
    }
}

impl Member for Real {
    type Part = RealTick;

    fn is_same_as(&self, later: &Self) -> bool {
        self.id == later.id
    }

    fn part(&self, later: &Self) -> Option<RealTick> {
        let sample = later.rates.last().copied().filter(|_| self.rates != later.rates);
        let tick = RealTick::of(later, sample);
        let mut told = self.clone();
        told.take(&tick).ok()?;
        (told == *later).then_some(tick)
    }

    fn take(&mut self, tick: &RealTick) -> Result<(), Misplaced> {
        let RealTick(now, rate, sample, totals, counted_at) = tick;
        [self.active, self.inactive, self.sticky] = *now;
        self.rate = *rate;
        if let Some(sample) = sample {
            if self.rates.len() >= RATE_SAMPLES {
                self.rates.remove(0);
            }
            self.rates.push(*sample);
        }
        [self.connections_total, self.bytes_in, self.bytes_out, self.packets_in, self.packets_out] = *totals;
        self.counted_at = *counted_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As much of a snapshot as its reader needs.
    fn snapshot() -> Snapshot {
        let real = |n: u8| {
            json!({"id": format!("10.0.0.{n}:80"), "forwarding": "dr", "weight_configured": 1, "weight_asked": null,
                "weight_effective": 1, "weight_kernel": 1, "admin": "ready", "drain": null, "active": 3, "inactive": 4,
                "rate": 1.5, "rates": [1, 2, 3], "connections_total": 10, "bytes_in": 1, "bytes_out": 2,
                "packets_in": 3, "packets_out": 4, "counted_at": 7,
                "health": {"verdict": "up", "since": 0, "method": null, "last": null, "failing": 0, "retry": 0, "next_at": null}})
        };
        let service = |n: u8| {
            json!({"id": format!("tcp/10.0.1.{n}:80"), "scheduler": "rr", "forwarding": "dr", "persistence": null,
                "present": true, "serving": true, "instance": null, "reals": [real(1), real(2), real(3)]})
        };
        let text = json!({"schema": 1, "revision": 1, "at": 5, "wall_us": 9,
            "node": {"name": "a", "version": "1", "pid": 1, "uptime": {"secs": 1, "nanos": 0},
                "dataplane": {"kind": "ipvs", "note": null}, "config": "c", "links": [], "stopping": false},
            "instances": [], "services": [service(1), service(2)], "scripts": [], "findings": [],
            "counters": {"malformed": 0, "unknown_vrid": 0, "send_errors": 0, "change_errors": 0, "late_wakeups": 0,
                "worst_lateness": {"secs": 0, "nanos": 0}},
            "last_event": 0});
        serde_json::from_value(text).unwrap()
    }

    fn applied(old: &Snapshot, new: &Snapshot) -> (Snapshot, String) {
        let text = serde_json::to_string(&Change::between(old, new)).unwrap();
        let mut snapshot = old.clone();
        serde_json::from_str::<Change>(&text).unwrap().apply(&mut snapshot).unwrap();
        (snapshot, text)
    }

    #[test]
    fn whatever_changes_is_the_same_on_the_other_side() {
        let old = snapshot();
        let edits: [fn(&mut Snapshot); 9] = [
            |_| (),
            |s| s.services[0].reals[1].active = Some(9),
            |s| {
                let real = &mut s.services[1].reals[0];
                (real.rates, real.rate) = (vec![1, 2, 3, 8], Some(8.0));
            },
            |s| s.services[1].reals[0].rates = vec![9],
            |s| s.services[1].reals[0].weight_kernel = None,
            |s| s.services[1].present = None,
            |s| drop(s.services.remove(0)),
            |s| s.services[0].reals.reverse(),
            |s| s.services.swap(0, 1),
        ];
        for (which, edit) in edits.iter().enumerate() {
            let mut new = old.clone();
            edit(&mut new);
            (new.revision, new.last_event) = (2, which as u64);
            let (there, text) = applied(&old, &new);
            assert_eq!(there, new, "edit {which}: {text}");
        }
    }

    #[test]
    fn counters_are_told_without_the_rest() {
        let old = snapshot();
        let mut new = old.clone();
        new.services[0].reals[1].active = Some(9);
        let (_, text) = applied(&old, &new);
        assert!(!text.contains("weight_kernel") && !text.contains("tcp/"), "{text}");
    }

    #[test]
    fn samples_go_on_when_the_oldest_is_dropped() {
        let mut old = snapshot();
        old.services[0].reals[0].rates = (0..RATE_SAMPLES as u32).collect();
        let mut new = old.clone();
        new.services[0].reals[0].rates = (1..=RATE_SAMPLES as u32).collect();
        assert_eq!(applied(&old, &new).0, new);
    }

    #[test]
    fn a_change_of_another_snapshot_is_refused() {
        let old = snapshot();
        let change = Change::between(&old, &old);
        let mut other = Snapshot { revision: 7, ..old };
        assert_eq!(change.apply(&mut other), Err(Misplaced));
    }
}
