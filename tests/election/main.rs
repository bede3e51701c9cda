//! Elections on the virtual LAN, watched from outside: seeded faults, and what must hold whatever happens.
//!
//! `VIPDECK_SEEDS=10000 cargo test --test election` runs more seeds; a failure prints its seed and the last events.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

mod cluster;
mod forecast;
mod holds;
mod invariants;
mod reload;
mod variation;

use cluster::Cluster;
use std::time::Duration;
use vipdeck::status::Role;

/// Seeds that once found something.
const KEPT: [u64; 0] = [];

// console-design 1.2 6
#[test]
fn whatever_happens_there_is_one_owner() {
    let seeds = std::env::var("VIPDECK_SEEDS").map_or(2000, |n| n.parse().unwrap());
    for seed in KEPT.into_iter().chain(0..seeds) {
        if let Err(failure) = invariants::run(seed) {
            panic!("seed {seed}: {failure}");
        }
    }
}

/// Fences, holds with an end, pauses, actions that take themselves back and undoing, among the same faults.
#[test]
fn operators_leave_no_address_without_an_owner() {
    let seeds = std::env::var("VIPDECK_SEEDS").map_or(150, |n| n.parse().unwrap());
    for seed in 0..seeds {
        if let Err(failure) = invariants::run_with_operators(seed) {
            panic!("seed {seed}: {failure}");
        }
    }
}

// console-design 1.2 16
#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(invariants::history(7), invariants::history(7));
    assert_ne!(invariants::history(7), invariants::history(8));
}

#[test]
fn the_higher_priority_is_master_after_its_down_time() {
    let mut cluster = Cluster::new(1, &[150, 100]);
    cluster.world.run_for(Duration::from_millis(3410));
    assert_eq!(cluster.roles(), [Role::Backup, Role::Backup]);
    cluster.world.run_for(Duration::from_millis(10));
    assert_eq!(cluster.roles(), [Role::Master, Role::Backup]);
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_crash_costs_three_intervals_and_skew_after_the_last_advert() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let last_advert = cluster.last_advert_heard(1);
    cluster.world.crash(0);
    let moment = cluster.until(|c| c.holders() == [1]);
    let waited = moment.since(last_advert);
    assert!(waited >= Duration::from_micros(3_609_375) && waited < Duration::from_micros(3_609_700), "{waited:?}");
}

#[test]
fn no_hand_over_is_taken_for_a_second_owner_of_the_address() {
    let mut cluster = Cluster::settled(3, &[150, 100]);
    for step in 0..8 {
        match step % 4 {
            0 => cluster.world.stop(0),
            2 => cluster.world.crash(0),
            _ => cluster.world.revive(0),
        }
        cluster.world.run_for(Duration::from_secs(10));
        for host in 0..2 {
            let events = cluster.world.take_events(host);
            assert!(events.iter().all(|e| e.kind != "duplicate-address"), "{events:#?}");
        }
    }
}

#[test]
fn a_stop_costs_no_moment_without_an_owner() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.world.stop(0);
    cluster.watch(Duration::from_secs(3), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [1]);
    assert!(!cluster.world.hosts[0].is_alive());
}

#[test]
fn the_end_of_an_engine_is_no_outage_and_no_change_of_owner() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let since = cluster.world.snapshot(0).unwrap().instances[0].since;
    for gap in [1, 20, 1400] {
        cluster.world.end_engine(0, Duration::from_millis(gap));
        cluster.watch(Duration::from_secs(5), |c| assert_eq!(c.holders(), [0]));
        assert_eq!(cluster.roles(), [Role::Master, Role::Backup]);
    }
    let instance = &cluster.world.snapshot(0).unwrap().instances[0];
    assert_eq!(instance.since, since, "MASTER all the time");
}

#[test]
fn an_engine_that_was_gone_for_too_long_does_not_take_back_what_another_has() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.world.end_engine(0, Duration::from_secs(6));
    cluster.world.run_for(Duration::from_millis(5900));
    assert_eq!(cluster.holders(), [0, 1], "without an engine nobody removes it but the lease");
    cluster.world.run_for(Duration::from_millis(200));
    assert_eq!(cluster.holders(), [1]);
}

#[test]
fn what_operators_asked_for_outlives_the_engine() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.demote(0).unwrap();
    cluster.world.run_for(Duration::from_millis(300));
    cluster.world.end_engine(0, Duration::from_millis(20));
    cluster.watch(Duration::from_secs(8), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [1], "still demoted");
    cluster.restore(0).unwrap();
    cluster.watch(Duration::from_secs(6), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_demotion_costs_no_moment_without_an_owner_and_none_with_two() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    cluster.demote(0).unwrap();
    let mut both = 0;
    cluster.watch(Duration::from_secs(3), |c| {
        assert!(!c.holders().is_empty());
        both += usize::from(c.holders().len() > 1);
    });
    assert_eq!(cluster.holders(), [1]);
    assert!(both <= 1, "both held the address for {both} ms");
    cluster.restore(0).unwrap();
    cluster.watch(Duration::from_secs(6), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_demotion_that_nobody_answers_changes_nothing_for_clients() {
    let mut cluster = Cluster::settled(1, &[150]);
    cluster.demote(0).unwrap();
    cluster.watch(Duration::from_secs(10), |c| assert_eq!(c.holders(), [0]));
    assert_eq!(cluster.roles(), [Role::Master]);
}

#[test]
fn a_takeover_moves_the_address_without_a_gap_and_restore_gives_it_back() {
    let mut cluster = Cluster::settled(1, &[150, 100, 120]);
    cluster.takeover(1).unwrap();
    cluster.watch(Duration::from_secs(5), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [1]);
    cluster.restore(1).unwrap();
    cluster.watch(Duration::from_secs(6), |c| assert!(!c.holders().is_empty()));
    assert_eq!(cluster.holders(), [0]);
}

#[test]
fn a_failing_script_moves_the_address_and_its_success_brings_it_back() {
    let mut cluster = Cluster::with_script(1, &[110, 100], -20);
    cluster.world.run_for(Duration::from_secs(6));
    assert_eq!(cluster.holders(), [0]);
    cluster.world.failing_scripts.insert((0, "chk".into()));
    cluster.world.run_for(Duration::from_secs(8));
    assert_eq!(cluster.holders(), [1]);
    cluster.world.failing_scripts.clear();
    cluster.world.run_for(Duration::from_secs(8));
    assert_eq!(cluster.holders(), [0]);
}

// parity-virtual: 58
#[test]
fn an_unweighted_script_without_a_result_holds_the_start_back() {
    let mut cluster = Cluster::with_script(1, &[110], 0);
    cluster.world.failing_scripts.insert((0, "chk".into()));
    cluster.world.run_for(Duration::from_secs(6));
    assert_eq!(cluster.roles(), [Role::Fault]);
    cluster.world.failing_scripts.clear();
    cluster.world.run_for(Duration::from_secs(8));
    assert_eq!(cluster.roles(), [Role::Master]);
}

#[test]
fn a_director_that_stops_hands_over_and_leaves_nothing() {
    let mut world = vipdeck::sim::scenario("dual-master-dr", 1, 0).unwrap();
    world.run_for(Duration::from_secs(10));
    world.stop(0);
    // Less than the three seconds after which a real engine gives up.
    world.run_for(Duration::from_millis(2500));
    assert!(!world.hosts[0].is_alive(), "it has ended");
    for vip in ["192.168.10.20", "192.168.10.21"] {
        let vip = vip.parse().unwrap();
        assert!(!world.hosts[0].holds(vip) && world.hosts[1].holds(vip), "{vip}");
    }
    assert!(world.hosts[0].table().services.is_empty(), "its virtual services are gone");
    let late = world.take_events(0).iter().filter(|e| e.kind == "late").count();
    assert_eq!(late, 0);
}

#[test]
fn a_stop_in_the_middle_of_an_unanswered_demotion_ends_in_time() {
    let mut cluster = Cluster::settled(1, &[150]);
    cluster.demote(0).unwrap();
    cluster.world.run_for(Duration::from_millis(300));
    cluster.world.stop(0);
    cluster.world.run_for(Duration::from_millis(1200));
    assert!(!cluster.world.hosts[0].is_alive());
    assert_eq!(cluster.holders(), [] as [usize; 0]);
}
