//! What the schedulers of one virtual service remember.

use super::homes::Homes;
use super::{Request, Server, hashing, least};
use crate::kernel::Scheduler;

/// Where the scheduler of one virtual service stands. Whoever changes the list of servers says so ([`State::edited`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last server's place; none: before the first.
    pub(super) last: Option<usize>,
    /// wrr: what a weight must reach in the present round; 0: no round has begun.
    pub(super) threshold: u32,
    /// wrr: the weights' common divisor, and a round's first threshold.
    pub(super) divisor: u32,
    pub(super) first: u32,
    /// sh, dh, mh: places in the list of servers; none: to be computed.
    pub(super) buckets: Option<Vec<Option<u32>>>,
    /// lblc, lblcr: the servers of each target.
    pub(super) homes: Homes,
    /// twos: the generator's state.
    pub(super) dice: u64,
}

/// How the list of servers has changed. A new one comes first in the list, as in IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Added,
    /// The one that was at this place.
    Removed(usize),
    Weighed,
}

impl State {
    /// `seed`: any number, for what is drawn (twos).
    pub fn new(seed: u64) -> Self {
        Self { dice: seed, ..Self::default() }
    }

    /// The place of the server for a new connection; none if no server takes it. `servers` are in the order of IPVS,
    /// the newest first.
    ///
    /// Weight 0 and an upper threshold that is reached get nothing from any of them. Servers that did not answer are
    /// passed over, which IPVS cannot know.
    #[must_use]
    pub fn pick(&mut self, servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
        match request.scheduler {
            Scheduler::Rr => self.round_robin(servers, request),
            Scheduler::Wrr => self.weighted_round_robin(servers, request),
            Scheduler::Lc => least::connections(servers, request),
            Scheduler::Wlc => least::weighted_connections(servers, request),
            Scheduler::Lblc => self.homes.one(servers, request),
            Scheduler::Lblcr => self.homes.several(servers, request),
            Scheduler::Sed => least::expected_delay(servers, request),
            Scheduler::Nq => least::never_queue(servers, request),
            Scheduler::Fo => least::failover(servers, request),
            Scheduler::Ovf => least::overflow(servers, request),
            Scheduler::Twos => least::two_choices(servers, request, || draw(&mut self.dice)),
            Scheduler::Sh | Scheduler::Dh | Scheduler::Mh => {
                let buckets = self.buckets.get_or_insert_with(|| hashing::buckets(request.scheduler, servers));
                hashing::pick(buckets, servers, request)
            }
        }
    }

    /// The list of servers, or a weight in it, has changed; `weights` are those of all servers now.
    pub fn edited(&mut self, edit: Edit, scheduler: Scheduler, weights: impl Iterator<Item = u32>) {
        self.last = match (edit, self.last) {
            (Edit::Added, Some(last)) => Some(last + 1),
            (Edit::Removed(place), Some(last)) if place <= last => last.checked_sub(1),
            (_, last) => last,
        };
        self.buckets = None;
        if scheduler == Scheduler::Wrr {
            self.begin_rounds(weights);
        }
    }

    /// Another scheduler begins.
    pub fn restart(&mut self) {
        *self = Self::new(self.dice);
    }
}

/// Xorshift (Marsaglia 2003): good enough to spread load.
fn draw(dice: &mut u64) -> u64 {
    let mut x = *dice | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *dice = x;
    x >> 11
}
