//! The IPVS schedulers: which real server gets the next connection.
//!
//! Pure and deterministic: the balancer asks with its connection counts, the simulator with its own. Weight 0 gets no
//! new connection from any of them.

use crate::kernel::{DestinationKey, Scheduler};
use std::net::IpAddr;

/// A real server as a scheduler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub key: DestinationKey,
    pub weight: u32,
    /// Established connections.
    pub active: u32,
    /// Connections in any other state.
    pub inactive: u32,
}

/// Whether [`Rotation::pick`] has this scheduler.
pub const fn serves(scheduler: Scheduler) -> bool {
    matches!(scheduler, Scheduler::Rr | Scheduler::Wrr | Scheduler::Lc | Scheduler::Wlc | Scheduler::Sh)
}

/// Where the round-robin schedulers of one virtual service stand. It remembers the server, not its place in the list,
/// so servers may come and go between two picks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    last: Option<DestinationKey>,
    /// wrr: what a weight must reach in the present round.
    threshold: u32,
}

impl Rotation {
    /// The server for a new connection from `client`; none if no server takes any. `candidates` are in the order of
    /// their keys.
    #[must_use]
    pub fn pick(&mut self, scheduler: Scheduler, candidates: &[Candidate], client: IpAddr) -> Option<DestinationKey> {
        match scheduler {
            Scheduler::Rr => self.round_robin(candidates),
            Scheduler::Wrr => self.weighted_round_robin(candidates),
            Scheduler::Lc => least(candidates, |_| 1),
            Scheduler::Wlc => least(candidates, |c| c.weight),
            Scheduler::Sh => source_hash(candidates, client),
            Scheduler::Lblc
            | Scheduler::Lblcr
            | Scheduler::Mh
            | Scheduler::Dh
            | Scheduler::Fo
            | Scheduler::Ovf
            | Scheduler::Sed
            | Scheduler::Nq
            | Scheduler::Twos => None,
        }
    }

    fn round_robin(&mut self, candidates: &[Candidate]) -> Option<DestinationKey> {
        let (before, after) = candidates.split_at(self.next_place(candidates));
        let chosen = after.iter().chain(before).find(|c| c.weight > 0)?.key;
        self.last = Some(chosen);
        Some(chosen)
    }

    /// Rounds through the list with a threshold that sinks from the greatest weight by the weights' common divisor:
    /// 3 and 1 give A A A B, 4 and 2 and 2 give A A B C.
    fn weighted_round_robin(&mut self, candidates: &[Candidate]) -> Option<DestinationKey> {
        let greatest = candidates.iter().map(|c| c.weight).max().filter(|w| *w > 0)?;
        let divisor = candidates.iter().map(|c| c.weight).fold(0, common_divisor).max(1);
        let mut place = self.next_place(candidates);
        if self.threshold == 0 || self.threshold > greatest {
            self.threshold = greatest;
        }
        // The threshold is at most the greatest weight, so a pass from the start of the list always finds a server.
        loop {
            let rest = candidates.get(place..).unwrap_or_default();
            if let Some(chosen) = rest.iter().find(|c| c.weight >= self.threshold) {
                self.last = Some(chosen.key);
                return Some(chosen.key);
            }
            place = 0;
            self.threshold = self.threshold.saturating_sub(divisor);
            if self.threshold == 0 {
                self.threshold = greatest;
            }
        }
    }

    /// Where the server after the last one stands; the end of the list if that was the last.
    fn next_place(&self, candidates: &[Candidate]) -> usize {
        self.last.map_or(0, |last| candidates.partition_point(|c| c.key <= last))
    }
}

/// The least load for its share, the first among equals. IPVS counts an established connection as 256 others.
fn least(candidates: &[Candidate], share: impl Fn(&Candidate) -> u32) -> Option<DestinationKey> {
    let load = |c: &Candidate| u128::from(c.active) * 256 + u128::from(c.inactive);
    let mut best: Option<&Candidate> = None;
    for c in candidates.iter().filter(|c| c.weight > 0) {
        // load / share < best's load / share, without a division.
        if best.is_none_or(|b| load(c) * u128::from(share(b)) < load(b) * u128::from(share(c))) {
            best = Some(c);
        }
    }
    best.map(|c| c.key)
}

/// The same client always comes to the same server while the list stands. Every server takes part with its weight, one
/// of weight 0 as if it were 1, so that draining a server of weight 1 moves nobody else's clients. IPVS refuses the
/// clients of a server with weight 0 unless it is given the flag `sh-fallback`; here they go on to the next server
/// that takes connections.
fn source_hash(candidates: &[Candidate], client: IpAddr) -> Option<DestinationKey> {
    let share = |c: &Candidate| u64::from(c.weight.max(1));
    let total: u64 = candidates.iter().map(share).sum();
    let mut point = hash(client).checked_rem(total)?;
    let place = candidates.iter().position(|c| {
        let here = point < share(c);
        point = point.saturating_sub(share(c));
        here
    })?;
    let (before, from) = candidates.split_at(place);
    from.iter().chain(before).find(|c| c.weight > 0).map(|c| c.key)
}

/// Multiplicative hashing (Knuth, 6.4) of the address folded to 32 bits; the high half is the well-mixed one.
fn hash(client: IpAddr) -> u64 {
    let folded = match client {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits ^ (bits >> 32) ^ (bits >> 64) ^ (bits >> 96)) as u32
        }
    };
    u64::from(folded).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

fn common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, SocketAddr};

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

    fn key(n: u8) -> DestinationKey {
        SocketAddr::from(([192, 0, 2, n], 80))
    }

    /// Servers 1, 2, 3, … with these weights.
    fn servers(weights: &[u32]) -> Vec<Candidate> {
        let numbered = (1..).zip(weights);
        numbered.map(|(n, weight)| Candidate { key: key(n), weight: *weight, active: 0, inactive: 0 }).collect()
    }

    fn picks(rotation: &mut Rotation, scheduler: Scheduler, list: &[Candidate], count: usize) -> String {
        let letter = |k: DestinationKey| match k.ip() {
            IpAddr::V4(ip) => char::from(b'A' + ip.octets()[3] - 1),
            IpAddr::V6(_) => '?',
        };
        (0..count).map(|_| rotation.pick(scheduler, list, CLIENT).map_or('-', letter)).collect()
    }

    #[test]
    fn round_robin_takes_turns_and_ignores_weights_but_zero() {
        let mut rotation = Rotation::default();
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &servers(&[1, 5, 1]), 7), "ABCABCA");
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &servers(&[1, 0, 1]), 4), "CACA");
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &servers(&[0, 0]), 2), "--");
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &[], 1), "-");
    }

    #[test]
    fn round_robin_goes_on_behind_a_server_that_left() {
        let mut rotation = Rotation::default();
        let all = servers(&[1, 1, 1]);
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &all, 2), "AB");
        let without_b: Vec<_> = all.iter().copied().filter(|c| c.key != key(2)).collect();
        assert_eq!(picks(&mut rotation, Scheduler::Rr, &without_b, 3), "CAC");
    }

    #[test]
    fn weighted_round_robin_interleaves_by_the_common_divisor() {
        for (weights, expected) in [
            (&[3, 1][..], "AAABAAAB"),
            (&[4, 2, 2], "AABCAABC"),
            (&[1, 1], "ABABABAB"),
            (&[2, 0, 1], "AACAACAA"),
            (&[1, 3], "BBABBBAB"),
            (&[0, 0], "--------"),
        ] {
            let got = picks(&mut Rotation::default(), Scheduler::Wrr, &servers(weights), 8);
            assert_eq!(got, expected, "{weights:?}");
        }
    }

    #[test]
    fn weighted_round_robin_survives_any_change_of_weights() {
        let mut rotation = Rotation::default();
        for weights in [&[7, 5][..], &[100, 100], &[1], &[0, 65_535, 2], &[0], &[6, 4]] {
            let got = picks(&mut rotation, Scheduler::Wrr, &servers(weights), 50);
            assert_eq!(got.contains('-'), weights == [0], "{weights:?}");
        }
    }

    #[test]
    fn weighted_round_robin_gives_each_its_share() {
        let list = servers(&[5, 3, 2]);
        let mut rotation = Rotation::default();
        let mut count = BTreeMap::new();
        for _ in 0..1000 {
            *count.entry(rotation.pick(Scheduler::Wrr, &list, CLIENT)).or_insert(0) += 1;
        }
        assert_eq!(count.into_values().collect::<Vec<_>>(), [500, 300, 200]);
    }

    #[test]
    fn least_connections_counts_an_active_one_as_256_others() {
        let mut list = servers(&[1, 1]);
        list[0].active = 1;
        list[1].inactive = 255;
        assert_eq!(picks(&mut Rotation::default(), Scheduler::Lc, &list, 1), "B");
        list[1].inactive = 257;
        assert_eq!(picks(&mut Rotation::default(), Scheduler::Lc, &list, 1), "A");
    }

    #[test]
    fn weighted_least_connections_fills_in_proportion() {
        let mut list = servers(&[3, 1, 0]);
        for _ in 0..400 {
            let chosen = Rotation::default().pick(Scheduler::Wlc, &list, CLIENT);
            list.iter_mut().filter(|c| Some(c.key) == chosen).for_each(|c| c.active += 1);
        }
        assert_eq!(list.iter().map(|c| c.active).collect::<Vec<_>>(), [300, 100, 0]);
    }

    #[test]
    fn source_hash_keeps_a_client_and_spreads_clients() {
        let list = servers(&[1, 1, 2]);
        let clients = (0..4000u32).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)));
        let mut count = BTreeMap::new();
        for client in clients {
            let chosen = Rotation::default().pick(Scheduler::Sh, &list, client);
            assert_eq!(chosen, Rotation::default().pick(Scheduler::Sh, &list, client));
            *count.entry(chosen).or_insert(0u32) += 1;
        }
        let shares: Vec<_> = count.into_values().collect();
        for (share, expected) in shares.iter().zip([1000u32, 1000, 2000]) {
            assert!(share.abs_diff(expected) < expected / 5, "{shares:?}");
        }
    }

    #[test]
    fn draining_moves_only_the_clients_of_that_server() {
        let before = servers(&[1, 1, 1]);
        let mut after = before.clone();
        after[1].weight = 0;
        for n in 0..500u32 {
            let client = IpAddr::V4(Ipv4Addr::from_bits(0xc0a8_0000 + n));
            let was = Rotation::default().pick(Scheduler::Sh, &before, client);
            let is = Rotation::default().pick(Scheduler::Sh, &after, client);
            assert!(is.is_some() && is != Some(key(2)));
            assert!(was == is || was == Some(key(2)));
        }
    }
}
