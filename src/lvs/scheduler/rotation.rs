//! Those that take turns: rr and wrr.

use super::{Candidate, Edit, Request, Server, State};
use crate::kernel::{DestinationKey, Scheduler, SchedulerFlags};
use std::net::IpAddr;

impl State {
    pub(super) fn round_robin(&mut self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        let start = self.last.map_or(0, |last| last + 1);
        let order = (start..servers.len()).chain(0..start.min(servers.len()));
        let chosen = order.into_iter().find(|place| servers.get(*place).is_some_and(|s| request.may_have(s)))?;
        self.last = Some(chosen);
        Some(chosen)
    }

    /// Rounds through the list with a threshold that sinks by the weights' common divisor: 3 and 1 give A A A B, 4 and
    /// 2 and 2 give A A B C. A change of the list begins anew at its head, with the threshold that was reached.
    pub(super) fn weighted_round_robin(&mut self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        let divisor = self.divisor.max(1);
        let start = self.last.map_or(0, |last| last + 1);
        let reaches = |place: &usize, threshold: u32| {
            servers.get(*place).is_some_and(|s| s.weight() >= threshold && request.may_have(s))
        };
        let rest = (start..servers.len()).find(|place| reaches(place, self.threshold));
        let chosen = if let Some(chosen) = rest {
            chosen
        } else {
            // The next round that has a server, without those between: its greatest weight says which.
            let greatest = servers.iter().filter(|s| request.may_have(*s)).map(Server::weight).max()?;
            let next = self.threshold.checked_sub(divisor).filter(|t| *t > 0).unwrap_or(self.first);
            let above = next.saturating_sub(greatest).div_ceil(divisor);
            self.threshold = next.saturating_sub(above * divisor).max(1);
            (0..servers.len()).find(|place| reaches(place, self.threshold))?
        };
        self.last = Some(chosen);
        Some(chosen)
    }

    pub(super) fn begin_rounds(&mut self, weights: impl Iterator<Item = u32>) {
        let add =
            |(divisor, greatest): (u32, u32), weight: u32| (common_divisor(divisor, weight), greatest.max(weight));
        let (divisor, greatest) = weights.fold((0, 0), add);
        self.divisor = divisor.max(1);
        self.first = greatest.saturating_sub(self.divisor - 1);
        self.last = None;
        self.threshold = match self.threshold {
            reached if reached == 0 || reached > self.first => self.first,
            reached if self.divisor == 1 => reached,
            reached => reached / self.divisor * self.divisor + 1,
        };
    }
}

pub(super) fn common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A scheduler for whoever keeps no list of servers and tells of no edits: it finds them out by itself.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    state: State,
    scheduler: Option<Scheduler>,
    /// As they were at the last pick.
    servers: Vec<(DestinationKey, u32)>,
}

impl Rotation {
    /// The server for a new connection from `client` to `target`; none if no server takes any.
    #[must_use]
    pub fn pick(
        &mut self,
        (scheduler, flags): (Scheduler, SchedulerFlags),
        candidates: &[Candidate],
        client: IpAddr,
        target: IpAddr,
    ) -> Option<DestinationKey> {
        if self.scheduler.replace(scheduler) != Some(scheduler) {
            self.state.restart();
            self.servers.clear();
        }
        self.compare(scheduler, candidates);
        let request = Request { scheduler, flags, client, port: 0, target, except: &[] };
        let place = self.state.pick(candidates, &request)?;
        candidates.get(place).map(|c| c.key)
    }

    fn compare(&mut self, scheduler: Scheduler, candidates: &[Candidate]) {
        let is: Vec<_> = candidates.iter().map(|c| (c.key, c.weight)).collect();
        if is == self.servers {
            return;
        }
        let place_in = |list: &[(DestinationKey, u32)], key| list.iter().position(|(other, _)| *other == key);
        for place in (0..self.servers.len()).rev() {
            if self.servers.get(place).is_some_and(|(key, _)| place_in(&is, *key).is_none()) {
                self.servers.remove(place);
                self.state.edited(Edit::Removed(place), Scheduler::Rr, std::iter::empty());
            }
        }

        // New ones are anywhere in this list; the last one keeps its turn.
        let last = self.state.last.and_then(|last| self.servers.get(last));
        self.state.last = last.and_then(|(key, _)| place_in(&is, *key));
        self.state.edited(Edit::Weighed, scheduler, is.iter().map(|(_, weight)| *weight));
        self.servers = is;
    }
}
