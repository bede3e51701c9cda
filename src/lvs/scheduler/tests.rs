use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const FALLBACK: SchedulerFlags = SchedulerFlags { first: true, second: false, third: false };

#[derive(Clone, Copy, Debug)]
struct Real {
    key: DestinationKey,
    weight: u32,
    last_weight: u32,
    active: u32,
    inactive: u32,
    overloaded: bool,
}

impl Server for Real {
    fn key(&self) -> DestinationKey {
        self.key
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn last_weight(&self) -> u32 {
        self.last_weight
    }

    fn active(&self) -> u32 {
        self.active
    }

    fn inactive(&self) -> u32 {
        self.inactive
    }

    fn is_overloaded(&self) -> bool {
        self.overloaded
    }
}

fn key(n: u8) -> DestinationKey {
    SocketAddr::from(([192, 0, 2, n], 80))
}

/// Servers A, B, C, … in the scheduler's order, with these weights.
fn servers(weights: &[u32]) -> Vec<Real> {
    let real = |(n, weight): (u8, &u32)| Real {
        key: key(n),
        weight: *weight,
        last_weight: *weight,
        active: 0,
        inactive: 0,
        overloaded: false,
    };
    (1..).zip(weights).map(real).collect()
}

/// As after the servers have been added one by one, the last one first.
fn state(scheduler: Scheduler, list: &[Real]) -> State {
    let mut state = State::new(7);
    edit(&mut state, Edit::Weighed, scheduler, list);
    state
}

fn edit(state: &mut State, edit: Edit, scheduler: Scheduler, list: &[Real]) {
    state.edited(edit, scheduler, list.iter().map(|real| real.weight));
}

fn request(scheduler: Scheduler) -> Request<'static> {
    Request { scheduler, flags: SchedulerFlags::default(), client: CLIENT, port: 40_000, target: TARGET, except: &[] }
}

fn letter(place: Option<usize>) -> char {
    place.map_or('-', |place| char::from(b'A' + place as u8))
}

fn picks(state: &mut State, scheduler: Scheduler, list: &[Real], count: usize) -> String {
    (0..count).map(|_| letter(state.pick(list, &request(scheduler)))).collect()
}

fn first(scheduler: Scheduler, list: &[Real]) -> char {
    letter(State::default().pick(list, &request(scheduler)))
}

fn client(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n))
}

#[test]
fn round_robin_takes_turns_and_ignores_weights_but_zero() {
    let mut state = State::default();
    assert_eq!(picks(&mut state, Scheduler::Rr, &servers(&[1, 5, 1]), 7), "ABCABCA");
    assert_eq!(picks(&mut state, Scheduler::Rr, &servers(&[1, 0, 1]), 4), "CACA");
    assert_eq!(picks(&mut state, Scheduler::Rr, &servers(&[0, 0]), 2), "--");
    assert_eq!(picks(&mut state, Scheduler::Rr, &[], 1), "-");
}

#[test]
fn round_robin_goes_on_where_it_was_when_servers_come_and_go() {
    let mut state = State::default();
    let mut list = servers(&[1, 1, 1]);
    assert_eq!(picks(&mut state, Scheduler::Rr, &list, 2), "AB");
    list.remove(1);
    edit(&mut state, Edit::Removed(1), Scheduler::Rr, &list);
    assert_eq!(picks(&mut state, Scheduler::Rr, &list, 2), "BA", "C is B now");
    list.insert(0, servers(&[1; 9])[8]);
    edit(&mut state, Edit::Added, Scheduler::Rr, &list);
    assert_eq!(picks(&mut state, Scheduler::Rr, &list, 3), "CAB", "after the old A, which is B now");
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
        let list = servers(weights);
        let got = picks(&mut state(Scheduler::Wrr, &list), Scheduler::Wrr, &list, 8);
        assert_eq!(got, expected, "{weights:?}");
    }
}

#[test]
fn a_change_of_the_list_begins_at_its_head_with_the_threshold_that_was_reached() {
    let mut list = servers(&[3]);
    let mut state = state(Scheduler::Wrr, &list);
    list.insert(0, servers(&[1, 1])[1]);
    edit(&mut state, Edit::Added, Scheduler::Wrr, &list);
    // A threshold of 1, which the one server of weight 3 had: the round goes on with both.
    assert_eq!(picks(&mut state, Scheduler::Wrr, &list, 6), "ABBBAB");
}

#[test]
fn weighted_round_robin_passes_over_what_is_overloaded() {
    let mut list = servers(&[9, 6, 3]);
    list[0].overloaded = true;
    assert_eq!(picks(&mut state(Scheduler::Wrr, &list), Scheduler::Wrr, &list, 6), "BBCBBC");
    list[1].overloaded = true;
    assert_eq!(picks(&mut state(Scheduler::Wrr, &list), Scheduler::Wrr, &list, 3), "CCC");
    list[2].overloaded = true;
    assert_eq!(picks(&mut state(Scheduler::Wrr, &list), Scheduler::Wrr, &list, 2), "--");
}

#[test]
fn least_connections_counts_an_active_one_as_256_others() {
    let mut list = servers(&[1, 1]);
    list[0].active = 1;
    list[1].inactive = 255;
    assert_eq!(first(Scheduler::Lc, &list), 'B');
    list[1].inactive = 257;
    assert_eq!(first(Scheduler::Lc, &list), 'A');
}

#[test]
fn sed_and_nq_differ_when_a_weak_server_is_idle() {
    let mut list = servers(&[10, 1]);
    list[0].active = 2;
    assert_eq!(first(Scheduler::Sed, &list), 'A', "3/10 is less than 1/1");
    assert_eq!(first(Scheduler::Nq, &list), 'B', "idle");
    list[1].active = 1;
    assert_eq!(first(Scheduler::Nq, &list), 'A');
}

#[test]
fn fo_takes_the_greatest_weight_and_ovf_what_it_cannot_hold() {
    let mut list = servers(&[2, 5, 5, 1]);
    assert_eq!((first(Scheduler::Fo, &list), first(Scheduler::Ovf, &list)), ('B', 'B'));
    list[1].active = 6;
    assert_eq!((first(Scheduler::Fo, &list), first(Scheduler::Ovf, &list)), ('B', 'C'));
    list[2].active = 6;
    assert_eq!(first(Scheduler::Ovf, &list), 'A');
    list[1].weight = 0;
    assert_eq!(first(Scheduler::Fo, &list), 'C');
    for real in &mut list {
        real.active = 100;
    }
    assert_eq!(first(Scheduler::Ovf, &list), '-');
}

#[test]
fn lblc_stays_at_home_until_it_is_overloaded_and_somebody_is_idle() {
    let mut state = State::default();
    let mut list = servers(&[4, 4]);
    let home = state.pick(&list, &request(Scheduler::Lblc)).unwrap();
    list[home].active = 5;
    list[1 - home].active = 2;
    assert_eq!(state.pick(&list, &request(Scheduler::Lblc)), Some(home), "nobody has fewer than half");
    list[1 - home].active = 1;
    assert_eq!(state.pick(&list, &request(Scheduler::Lblc)), Some(1 - home));
    list[1 - home].active = 4;
    list[home].active = 0;
    assert_eq!(state.pick(&list, &request(Scheduler::Lblc)), Some(1 - home), "that is the home now");
}

#[test]
fn lblcr_adds_a_second_home_and_uses_the_less_loaded() {
    let mut state = State::default();
    let mut list = servers(&[4, 4]);
    let home = state.pick(&list, &request(Scheduler::Lblcr)).unwrap();
    list[home].active = 5;
    list[1 - home].active = 1;
    assert_eq!(state.pick(&list, &request(Scheduler::Lblcr)), Some(1 - home));
    list[home].active = 0;
    assert_eq!(state.pick(&list, &request(Scheduler::Lblcr)), Some(home), "it still is one");
}

#[test]
fn sh_refuses_the_clients_of_a_drained_server_and_moves_them_with_the_flag() {
    let before = servers(&[1, 1, 1]);
    let mut after = before.clone();
    after[1].weight = 0;
    for n in 0..500 {
        let one = Request { client: client(n), ..request(Scheduler::Sh) };
        let was = State::default().pick(&before, &one);
        let is = State::default().pick(&after, &one);
        let moved = State::default().pick(&after, &Request { flags: FALLBACK, ..one });
        match was {
            Some(1) => assert!(is.is_none() && moved.is_some_and(|place| place != 1)),
            _ => assert!(was == is && was == moved),
        }
    }
}

#[test]
fn a_server_that_did_not_answer_is_passed_over_by_hashes_too() {
    let list = servers(&[1, 1, 1]);
    for scheduler in [Scheduler::Sh, Scheduler::Mh, Scheduler::Dh] {
        for n in 0..200 {
            let one = Request { client: client(n), target: client(n), ..request(scheduler) };
            let own = State::default().pick(&list, &one).unwrap();
            let except = [list[own].key];
            let other = State::default().pick(&list, &Request { except: &except, ..one });
            assert!(other.is_some_and(|place| place != own), "{scheduler}");
            let all: Vec<_> = list.iter().map(|real| real.key).collect();
            assert_eq!(State::default().pick(&list, &Request { except: &all, ..one }), None);
        }
    }
}

#[test]
fn mh_gives_shares_by_weight_and_moves_few_when_a_server_leaves() {
    let list = servers(&[1, 1, 2]);
    let mut count = BTreeMap::new();
    let mut moved = 0;
    let mut without = list.clone();
    without.remove(0);
    for n in 0..4000 {
        let one = Request { client: client(n), ..request(Scheduler::Mh) };
        let was = State::default().pick(&list, &one).unwrap();
        *count.entry(was).or_insert(0_u32) += 1;
        let is = State::default().pick(&without, &one).unwrap() + 1;
        moved += u32::from(was != 0 && was != is);
    }
    for (share, expected) in count.values().zip([1000_u32, 1000, 2000]) {
        assert!(share.abs_diff(expected) < expected / 10, "{count:?}");
    }
    assert!(moved < 400, "{moved} of 3000 clients moved though their server stayed");
}

#[test]
fn the_source_port_counts_with_the_second_flag_alone() {
    let list = servers(&[1, 1]);
    let with_port = SchedulerFlags { second: true, ..SchedulerFlags::default() };
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        for (flags, expected) in [(SchedulerFlags::default(), 1), (with_port, 2)] {
            let ports =
                (1..200).map(|port| State::default().pick(&list, &Request { flags, port, ..request(scheduler) }));
            assert_eq!(ports.collect::<std::collections::BTreeSet<_>>().len(), expected, "{scheduler}");
        }
    }
}

#[test]
fn ipv6_clients_are_spread() {
    let list = servers(&[1, 1, 1]);
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        let clients = (0..300_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | n)));
        let chosen = clients.map(|client| State::default().pick(&list, &Request { client, ..request(scheduler) }));
        assert_eq!(chosen.collect::<std::collections::BTreeSet<_>>().len(), 3, "{scheduler}");
    }
}

#[test]
fn twos_follows_the_load() {
    let mut list = servers(&[1, 1, 1, 1]);
    let mut state = State::new(7);
    for _ in 0..400 {
        let chosen = state.pick(&list, &request(Scheduler::Twos)).unwrap();
        list[chosen].active += 1;
    }
    assert!(list.iter().all(|real| real.active.abs_diff(100) < 15), "{list:?}");
}

#[test]
fn a_rotation_finds_out_what_changed() {
    let candidate = |n| Candidate { key: key(n), weight: 1, active: 0, inactive: 0 };
    let mut rotation = Rotation::default();
    let rr = (Scheduler::Rr, SchedulerFlags::default());
    let mut pick = |list: &[Candidate]| rotation.pick(rr, list, CLIENT, TARGET);
    let all = [candidate(1), candidate(2), candidate(3)];
    assert_eq!([pick(&all), pick(&all)], [Some(key(1)), Some(key(2))]);
    assert_eq!(pick(&[all[0], all[2]]), Some(key(3)));
    assert_eq!(pick(&all), Some(key(1)));
}

fn any_real() -> impl Strategy<Value = (u32, u32, u32, bool)> {
    (prop_oneof![Just(0), 1..5_u32, Just(65_535)], 0..4_u32, 0..4_u32, prop::bool::weighted(0.2))
}

proptest! {
    /// Whatever the table and its history: who takes nothing is never picked, and where anybody takes something,
    /// somebody is (hashes with fallback).
    #[test]
    fn only_who_takes_is_picked(
        steps in prop::collection::vec((prop::collection::vec(any_real(), 0..6), 0..3_usize), 1..6),
        scheduler in prop::sample::select(Scheduler::ALL.to_vec()),
    ) {
        let mut state = State::new(1);
        for (reals, edit) in steps {
            let mut list = servers(&reals.iter().map(|real| real.0).collect::<Vec<_>>());
            for (real, (_, active, inactive, overloaded)) in list.iter_mut().zip(&reals) {
                (real.active, real.inactive, real.overloaded) = (*active, *inactive, *overloaded);
                real.last_weight = real.last_weight.max(1);
            }
            let edits = [Edit::Added, Edit::Removed(0), Edit::Weighed];
            state.edited(edits[edit], scheduler, list.iter().map(|real| real.weight));
            for _ in 0..20 {
                let takes = |real: &Real| real.weight > 0 && !real.overloaded;
                if let Some(place) = state.pick(&list, &Request { flags: FALLBACK, ..request(scheduler) }) {
                    prop_assert!(takes(&list[place]));
                    continue;
                }
                // A hash walks by hashes, and overflow is for those with room.
                let may_refuse = [Scheduler::Ovf, Scheduler::Sh, Scheduler::Mh, Scheduler::Dh];
                prop_assert!(may_refuse.contains(&scheduler) || !list.iter().any(takes));
            }
        }
    }

    /// wrr: in each whole round, each server has its weight divided by the common divisor.
    #[test]
    fn a_round_of_wrr_is_exact(weights in prop::collection::vec(0..30_u32, 1..6)) {
        let list = servers(&weights);
        let divisor = weights.iter().fold(0, |a, b| rotation::common_divisor(a, *b)).max(1);
        let round: u32 = weights.iter().map(|w| w / divisor).sum();
        let mut state = state(Scheduler::Wrr, &list);
        let mut count = vec![0; weights.len()];
        for _ in 0..round {
            count[state.pick(&list, &request(Scheduler::Wrr)).unwrap()] += 1;
        }
        let expected: Vec<_> = weights.iter().map(|w| w / divisor).collect();
        prop_assert_eq!(count, expected);
    }

    /// wlc: filled one by one, each server has its share.
    #[test]
    fn wlc_fills_in_proportion(weights in prop::collection::vec(1..20_u32, 1..6)) {
        let mut list = servers(&weights);
        let total: u32 = weights.iter().sum();
        for _ in 0..total * 3 {
            let chosen = State::default().pick(&list, &request(Scheduler::Wlc)).unwrap();
            list[chosen].active += 1;
        }
        let full: Vec<_> = list.iter().map(|real| real.active).collect();
        prop_assert_eq!(full, weights.iter().map(|w| w * 3).collect::<Vec<_>>());
    }
}
