//! The machine, rule by rule, and every input in every state.

use super::*;
use crate::kernel::Address;
use crate::net::LinkName;
use crate::time::{Duration, Instant};
use std::net::{IpAddr, Ipv4Addr};

const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 10, 12));
const LOW: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 10, 11));
const HIGH: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 10, 13));

fn spec(priority: u8) -> Spec {
    let link = LinkName::new("eth0").unwrap();
    Spec {
        priority,
        addresses: vec![Address::new(link.clone(), "192.168.10.20/24".parse().unwrap())],
        ..Spec::new("VI_1", link, Vrid::new(51).unwrap())
    }
}

fn ms(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn good() -> Input {
    Input::Conditions(Conditions { source: Some(OWN), ..Conditions::default() })
}

fn bad() -> Input {
    Input::Conditions(Conditions { source: Some(OWN), faults: vec!["eth0 is down".into()], ..Conditions::default() })
}

fn heard(from: IpAddr, priority: u8, at: Instant) -> Input {
    Input::Heard(Heard { from, priority, interval: Duration::from_secs(1), at })
}

fn backup(priority: u8) -> Instance {
    let mut instance = Instance::new(spec(priority), ms(0));
    let _ = instance.handle(ms(0), good());
    instance
}

fn master(priority: u8) -> Instance {
    let mut instance = backup(priority);
    let due = instance.deadline().unwrap();
    let _ = instance.handle(due, Input::Deadline);
    assert_eq!(instance.state().role(), Role::Master);
    instance
}

fn changed(out: &[Output]) -> Option<(Role, Role)> {
    out.iter().find_map(|o| match o {
        Output::Changed { from, to, .. } => Some((*from, *to)),
        Output::Advertise { .. }
        | Output::Hasten { .. }
        | Output::Announce { .. }
        | Output::Ready
        | Output::Note(_) => None,
    })
}

#[test]
fn a_backup_waits_three_intervals_plus_skew() {
    let mut instance = backup(100);
    assert_eq!(instance.deadline(), Some(Instant::from_micros(3_609_375)));
    assert!(instance.handle(Instant::from_micros(3_609_374), Input::Deadline).is_empty());
    let out = instance.handle(Instant::from_micros(3_609_375), Input::Deadline);
    assert_eq!(out[0], Output::Advertise { priority: 100 });
    assert_eq!(changed(&out), Some((Role::Backup, Role::Master)));
    assert_eq!(out.last(), Some(&Output::Announce { repeat: 5 }));
}

#[test]
fn an_owner_that_wishes_is_master_at_once() {
    let mut instance = Instance::new(Spec { wishes_master: true, ..spec(255) }, ms(0));
    let out = instance.handle(ms(0), good());
    assert_eq!(out[0], Output::Advertise { priority: 255 });
    assert_eq!(instance.state().role(), Role::Master);
}

#[test]
fn a_resignation_shortens_the_wait_to_the_skew() {
    let mut instance = backup(100);
    let _ = instance.handle(ms(500), heard(HIGH, 150, ms(500)));
    let _ = instance.handle(ms(1000), heard(HIGH, 0, ms(1000)));
    assert_eq!(instance.deadline(), Some(ms(1000) + Duration::from_micros(609_375)));
    let out = instance.handle(ms(1700), Input::Deadline);
    let cause = Cause::MasterResigned { from: HIGH, waited: Duration::from_millis(700) };
    assert!(out.contains(&Output::Changed { from: Role::Backup, to: Role::Master, cause }));
}

#[test]
fn a_lower_priority_does_not_hold_a_preempting_backup() {
    let mut instance = backup(150);
    let due = instance.deadline();
    let _ = instance.handle(ms(1000), heard(LOW, 100, ms(1000)));
    assert_eq!(instance.deadline(), due);
    let out = instance.handle(due.unwrap(), Input::Deadline);
    let cause = Cause::Preempting { from: LOW, theirs: 100, ours: 150 };
    assert!(out.contains(&Output::Changed { from: Role::Backup, to: Role::Master, cause }));
}

// parity-virtual: 21
#[test]
fn nopreempt_accepts_a_lower_master() {
    let mut instance = Instance::new(Spec { preempt: false, ..spec(150) }, ms(0));
    let _ = instance.handle(ms(0), good());
    let _ = instance.handle(ms(1000), heard(LOW, 100, ms(1000)));
    assert_eq!(instance.deadline(), Some(ms(1000) + instance.master_down()));
}

// parity-virtual: 23
#[test]
fn a_master_yields_to_a_higher_priority_or_a_higher_address() {
    for (from, priority, yields) in [(LOW, 101, true), (HIGH, 100, true), (LOW, 100, false), (HIGH, 99, false)] {
        let mut instance = master(100);
        let out = instance.handle(ms(5000), heard(from, priority, ms(5000)));
        assert_eq!(changed(&out) == Some((Role::Master, Role::Backup)), yields, "{from} {priority}");
        assert!(instance.state().wants_addresses());
        let _ = instance.handle(ms(5001), Input::Announced);
        assert_eq!(instance.state().wants_addresses(), !yields);
    }
}

#[test]
fn addresses_are_released_in_time_also_without_an_announcement() {
    let mut instance = master(100);
    let _ = instance.handle(ms(5000), heard(HIGH, 150, ms(5000)));
    let release = instance.deadline().unwrap();
    assert_eq!(release, ms(5100));
    let _ = instance.handle(ms(5090), heard(HIGH, 150, ms(5090)));
    assert_eq!(instance.deadline(), Some(release), "another advert does not keep them longer");
    let _ = instance.handle(release, Input::Deadline);
    assert!(!instance.state().wants_addresses());
    assert_eq!(instance.deadline(), Some(ms(5090) + instance.spec().master_down(100, Duration::from_secs(1))));
}

// parity-virtual: 50
#[test]
fn a_master_answers_a_lower_priority_with_an_advert_and_arp() {
    let mut instance = master(150);
    let out = instance.handle(ms(5000), heard(LOW, 100, ms(5000)));
    assert_eq!(&out[1..], [Output::Advertise { priority: 150 }, Output::Announce { repeat: 5 }]);
    assert!(matches!(instance.state(), State::Master { announce_at: Some((at, 5)), .. } if *at == ms(10_000)));
}

#[test]
fn two_masters_that_answer_each_other_make_no_storm() {
    let mut instance = master(150);
    let answers = |out: Vec<Output>| out.contains(&Output::Advertise { priority: 150 });
    let answered: Vec<_> =
        (0..100).map(|n| answers(instance.handle(ms(5000 + n), heard(LOW, 100, ms(5000 + n))))).collect();
    assert_eq!(answered.iter().filter(|a| **a).count(), 10);
    assert!(answered[0], "the first is answered at once");
}

#[test]
fn a_master_answers_a_resignation_with_an_advert() {
    let mut instance = master(100);
    assert_eq!(
        instance.handle(ms(5000), heard(LOW, 0, ms(5000))),
        [Output::Advertise { priority: 100 }, Output::Announce { repeat: 5 }]
    );
}

#[test]
fn adverts_keep_their_beat_when_one_is_late() {
    let mut instance = master(100);
    let first = instance.deadline().unwrap();
    let late = first + Duration::from_millis(300);
    assert_eq!(instance.handle(late, Input::Deadline), [Output::Advertise { priority: 100 }]);
    assert_eq!(instance.deadline(), Some(first + Duration::from_secs(1)));
    let very_late = first + Duration::from_secs(10);
    let _ = instance.handle(very_late, Input::Deadline);
    let State::Master { next_advert_at, .. } = instance.state() else { panic!("not master") };
    assert_eq!(*next_advert_at, very_late + Duration::from_secs(1));
}

#[test]
fn arp_is_repeated_once_after_the_delay() {
    let mut instance = master(100);
    let start = instance.since();
    let mut announced = 0;
    while let Some(due) = instance.deadline().filter(|due| *due < start + Duration::from_secs(20)) {
        announced +=
            instance.handle(due, Input::Deadline).iter().filter(|o| matches!(o, Output::Announce { .. })).count();
    }
    assert_eq!(announced, 1);
}

#[test]
fn a_demoted_master_keeps_the_addresses_until_a_successor_is_heard() {
    let mut instance = master(150);
    let out = instance.handle(ms(5000), Input::Demote);
    assert_eq!(out[0], Output::Advertise { priority: 0 });
    assert_eq!(changed(&out), Some((Role::Master, Role::Backup)));
    assert!(instance.state().wants_addresses());
    assert_eq!(instance.effective_priority(), 1);
    let out = instance.handle(ms(5600), heard(LOW, 100, ms(5600)));
    let after = Duration::from_millis(600);
    assert_eq!(out, [Output::Note(Note::HandedOver { to: LOW, priority: 100, after })]);
    assert!(instance.state().wants_addresses(), "until the successor has announced them");
    let _ = instance.handle(ms(5601), Input::Announced);
    assert!(!instance.state().wants_addresses());
    assert_eq!(instance.deadline(), Some(ms(5600) + instance.spec().master_down(1, Duration::from_secs(1))));
}

#[test]
fn a_demoted_master_that_nobody_follows_serves_on() {
    let mut instance = master(150);
    let _ = instance.handle(ms(5000), Input::Demote);
    let due = instance.deadline().unwrap();
    assert_eq!(due, ms(5000) + instance.spec().master_down(1, Duration::from_secs(1)));
    let out = instance.handle(due, Input::Deadline);
    assert_eq!(out[0], Output::Advertise { priority: 1 });
    let waited = due.since(ms(5000));
    let cause = Cause::NobodyTookOver { waited };
    assert!(out.contains(&Output::Changed { from: Role::Backup, to: Role::Master, cause }));
}

#[test]
fn a_restored_router_preempts_again() {
    let mut instance = master(150);
    let _ = instance.handle(ms(5000), Input::Demote);
    let _ = instance.handle(ms(5600), heard(LOW, 100, ms(5600)));
    let _ = instance.handle(ms(7000), Input::Restore);
    assert_eq!(instance.effective_priority(), 150);
    let due = instance.deadline().unwrap();
    let _ = instance.handle(ms(7600), heard(LOW, 100, ms(7600)));
    assert_eq!(instance.deadline(), Some(due), "a lower advert no longer restarts the timer");
}

#[test]
fn a_takeover_is_immediate_and_outranks() {
    let mut instance = backup(100);
    let _ = instance.handle(ms(500), heard(HIGH, 150, ms(500)));
    let out = instance.handle(ms(600), Input::Takeover);
    assert_eq!(out[0], Output::Advertise { priority: 254 });
    assert_eq!(instance.state().role(), Role::Master);
}

#[test]
fn a_takeover_from_an_owner_is_refused() {
    let mut instance = backup(100);
    let _ = instance.handle(ms(500), heard(HIGH, 255, ms(500)));
    let refusal = Refusal::Outranked { from: HIGH, priority: 255 };
    assert_eq!(instance.permits(&Input::Takeover), Err(refusal));
    assert!(instance.handle(ms(600), Input::Takeover).is_empty());
    assert_eq!(instance.state().role(), Role::Backup);
}

#[test]
fn an_owner_cannot_be_demoted() {
    assert_eq!(master(255).permits(&Input::Demote), Err(Refusal::Owner));
}

#[test]
fn a_stopping_master_resigns_and_waits_for_a_successor_within_bounds() {
    let mut instance = master(150);
    let out = instance.handle(ms(5000), Input::Stop);
    assert_eq!(out[0], Output::Advertise { priority: 0 });
    assert!(instance.state().wants_addresses());
    let mut other = instance.clone();
    let _ = instance.handle(ms(5300), heard(LOW, 100, ms(5300)));
    assert!(instance.state().wants_addresses());
    let _ = instance.handle(ms(5301), Input::Announced);
    assert_eq!(*instance.state(), State::Stopped);
    let due = other.deadline().unwrap();
    assert!(due.since(ms(5000)) < Duration::from_millis(1150));
    let _ = other.handle(due, Input::Deadline);
    assert_eq!(*other.state(), State::Stopped);
}

#[test]
fn a_fault_gives_up_and_comes_back_as_backup() {
    let mut instance = master(100);
    let out = instance.handle(ms(5000), bad());
    assert_eq!(out[0], Output::Advertise { priority: 0 });
    assert_eq!(instance.state().role(), Role::Fault);
    let _ = instance.handle(ms(6100), Input::Deadline);
    assert!(!instance.state().wants_addresses());
    let _ = instance.handle(ms(6000), good());
    assert_eq!(instance.deadline(), Some(ms(6000) + instance.spec().master_down(100, Duration::from_secs(1))));
}

// parity-virtual: 57
#[test]
fn priorities_add_up_and_stay_in_bounds() {
    let with = |values: &[i32]| {
        let mut instance = backup(100);
        let terms = values.iter().map(|v| Term { label: "script".into(), value: *v, note: None }).collect();
        let conditions = Conditions { source: Some(OWN), terms, ..Conditions::default() };
        let _ = instance.handle(ms(1), Input::Conditions(conditions));
        let sum: i32 = instance.terms().iter().map(|t| t.value).sum();
        assert_eq!(sum, i32::from(instance.effective_priority()), "the terms explain the priority");
        instance.effective_priority()
    };
    assert_eq!(with(&[]), 100);
    assert_eq!(with(&[20]), 120);
    assert_eq!(with(&[-30, -30]), 40);
    assert_eq!(with(&[-253]), 1);
    assert_eq!(with(&[253]), 254);
    assert_eq!(with(&[253, -253]), 100);
}

/// Every input in every state: nothing panics, the deadline fits the state, and addresses are held exactly by a
/// master and by one who yields.
#[test]
fn every_input_is_decided_in_every_state() {
    let mut yielding = master(150);
    let _ = yielding.handle(ms(4000), Input::Demote);
    let mut stopping = master(150);
    let _ = stopping.handle(ms(4000), Input::Stop);
    let mut stopped = stopping.clone();
    let _ = stopped.handle(ms(9000), Input::Deadline);
    let mut fault = backup(100);
    let _ = fault.handle(ms(1), bad());
    let adopting = |was| Instance::adopting(spec(100), ms(0), was);
    let starts = [
        Instance::new(spec(100), ms(0)),
        adopting(Was::Master(ms(0))),
        adopting(Was::Answering),
        backup(100),
        master(100),
        master(255),
        yielding,
        stopping,
        stopped,
        fault,
    ];
    let inputs = || {
        let at = ms(9_500);
        let mut inputs = vec![
            good(),
            bad(),
            Input::Deadline,
            Input::Announced,
            Input::Overslept(Duration::from_secs(5)),
            Input::Group(Order::Master { group: "G".into() }),
            Input::Group(Order::Backup { group: "G".into(), member: "VI_2".into() }),
            Input::Demote,
            Input::Takeover,
            Input::Restore,
            Input::Stop,
        ];
        for from in [LOW, OWN, HIGH] {
            inputs.extend([0, 1, 100, 150, 254, 255].map(|priority| heard(from, priority, at)));
        }
        inputs
    };
    for start in &starts {
        for first in inputs() {
            for second in inputs() {
                let mut instance = start.clone();
                for input in [first.clone(), second.clone()] {
                    let before = instance.state().role();
                    let out = instance.handle(ms(10_000), input.clone());
                    let after = instance.state().role();
                    let expected = (before != after).then_some((before, after));
                    assert_eq!(changed(&out), expected);
                    let holds = matches!(
                        instance.state(),
                        State::Adopting { .. }
                            | State::Master { .. }
                            | State::Yielding { .. }
                            | State::Backup { release_at: Some(_), .. }
                            | State::Fault { release_at: Some(_) }
                    );
                    assert_eq!(instance.state().wants_addresses(), holds);
                    assert_eq!(
                        instance.deadline().is_some(),
                        (holds && !matches!(instance.state(), State::Adopting { .. }))
                            || matches!(instance.state(), State::Backup { .. })
                    );
                    let terms: i32 = instance.terms().iter().map(|t| t.value).sum();
                    assert_eq!(terms, i32::from(instance.effective_priority()));
                }
            }
        }
    }
}

#[test]
fn an_engine_that_goes_on_advertises_at_once_and_keeps_its_role() {
    let mut instance = Instance::adopting(spec(100), ms(9000), Was::Master(ms(4000)));
    assert!(instance.state().wants_addresses(), "before anything is known");
    let waiting = Conditions { source: Some(OWN), waiting: vec!["script".into()], ..Conditions::default() };
    let out = instance.handle(ms(9001), Input::Conditions(waiting));
    assert_eq!(out.first(), Some(&Output::Advertise { priority: 100 }));
    assert_eq!(changed(&out), Some((Role::Init, Role::Master)));
    assert_eq!(instance.since(), ms(4000), "MASTER all the time");
}

#[test]
fn an_engine_that_goes_on_in_mid_handover_answers_until_a_successor_is_heard() {
    let adopted = || {
        let mut instance = Instance::adopting(spec(100), ms(9000), Was::Answering).held(Some(Hold::Demoted));
        let _ = instance.handle(ms(9001), good());
        instance
    };
    let mut instance = adopted();
    assert_eq!((instance.state().role(), instance.effective_priority()), (Role::Backup, 1));
    let _ = instance.handle(ms(9300), heard(LOW, 90, ms(9300)));
    let _ = instance.handle(ms(9301), Input::Announced);
    assert!(!instance.state().wants_addresses());
    let mut alone = adopted();
    let due = alone.deadline().unwrap();
    let _ = alone.handle(due, Input::Deadline);
    assert_eq!(alone.state().role(), Role::Master, "nobody else took over");
}

#[test]
fn an_engine_that_goes_on_into_a_fault_keeps_the_addresses_for_a_successor() {
    let mut instance = Instance::adopting(spec(100), ms(9000), Was::Master(ms(4000)));
    let _ = instance.handle(ms(9001), bad());
    assert_eq!(instance.state().role(), Role::Fault);
    assert!(instance.state().wants_addresses());
}

#[test]
fn a_version_3_master_that_resigns_makes_its_backups_hurry() {
    let mut instance = Instance::new(v3(150, 1000), ms(0));
    let _ = instance.handle(ms(0), good());
    let _ = instance.handle(instance.deadline().unwrap(), Input::Deadline);
    let out = instance.handle(ms(9000), Input::Demote);
    let hasty = Duration::from_millis(100);
    assert_eq!(
        out[..2],
        [Output::Hasten { priority: 150, interval: hasty }, Output::Advertise { priority: 0 }],
        "with the priority that the backups follow"
    );
    let mut backup = Instance::new(v3(100, 1000), ms(0));
    let _ = backup.handle(ms(0), good());
    let _ = backup.handle(ms(9000), beat(HIGH, 150, 100, ms(9000)));
    let _ = backup.handle(ms(9000), beat(HIGH, 0, 1000, ms(9000)));
    // 156/256 of a tenth of a second.
    assert_eq!(backup.deadline(), Some(ms(9000) + Duration::from_micros(60_937)));
}

#[test]
fn the_only_peer_takes_over_without_skew() {
    let peers = vec![Peer { address: HIGH, min_ttl: 0, max_ttl: 255 }];
    let unicast = Peering::Unicast(Unicast { peers, check_source: true, hop_limit: 255 });
    let mut instance = Instance::new(Spec { peering: unicast, ..spec(100) }, ms(0));
    let _ = instance.handle(ms(0), good());
    let _ = instance.handle(ms(1000), heard(HIGH, 150, ms(1000)));
    let _ = instance.handle(ms(1500), heard(HIGH, 0, ms(1500)));
    assert_eq!(instance.deadline(), Some(ms(1500)));
}

#[test]
fn a_fault_during_a_stop_ends_it() {
    let mut instance = master(150);
    let _ = instance.handle(ms(5000), Input::Stop);
    let _ = instance.handle(ms(5100), bad());
    assert_eq!(*instance.state(), State::Stopped);
    let _ = instance.handle(ms(5200), good());
    assert_eq!(*instance.state(), State::Stopped, "it takes no part any more");
}

#[test]
fn a_fault_keeps_the_addresses_until_a_successor_has_announced_them() {
    let mut instance = master(150);
    let _ = instance.handle(ms(5000), bad());
    assert!(instance.state().wants_addresses(), "the link is good: a successor will be heard");
    let _ = instance.handle(ms(5600), heard(LOW, 100, ms(5600)));
    let _ = instance.handle(ms(5601), Input::Announced);
    assert!(!instance.state().wants_addresses());
    let mut deaf = master(150);
    let down = Conditions { faults: vec!["eth0 is down".into()], ..Conditions::default() };
    let _ = deaf.handle(ms(5000), Input::Conditions(down));
    assert!(!deaf.state().wants_addresses(), "nobody can be heard");
}

#[test]
fn a_short_fault_that_nobody_answered_is_no_gap() {
    let mut instance = master(150);
    let _ = instance.handle(ms(5000), bad());
    let out = instance.handle(ms(5200), good());
    assert_eq!(changed(&out), Some((Role::Fault, Role::Backup)));
    assert!(instance.state().wants_addresses());
    let due = instance.deadline().unwrap();
    let _ = instance.handle(due, Input::Deadline);
    assert_eq!(instance.state().role(), Role::Master);
}

fn v3(priority: u8, interval: u64) -> Spec {
    Spec { version: Version::V3, interval: Duration::from_millis(interval), ..spec(priority) }
}

fn beat(from: IpAddr, priority: u8, interval: u64, at: Instant) -> Input {
    Input::Heard(Heard { from, priority, interval: Duration::from_millis(interval), at })
}

// parity-virtual: 25
#[test]
fn version_3_counts_in_the_masters_interval_and_its_own_as_master() {
    let mut instance = Instance::new(v3(100, 1000), ms(0));
    let _ = instance.handle(ms(0), good());
    // 3 s + 156/256 of the interval.
    assert_eq!(instance.deadline(), Some(Instant::from_micros(3_609_375)));
    let _ = instance.handle(ms(100), beat(HIGH, 150, 100, ms(100)));
    assert_eq!(instance.deadline(), Some(ms(100) + Duration::from_micros(360_937)));
    let due = instance.deadline().unwrap();
    let _ = instance.handle(due, Input::Deadline);
    assert_eq!(instance.deadline(), Some(due + Duration::from_secs(1)));
    assert_eq!(instance.master_interval(), Duration::from_secs(1));
}

#[test]
fn version_2_knows_one_interval() {
    let mut instance = backup(100);
    let _ = instance.handle(ms(100), beat(HIGH, 150, 100, ms(100)));
    assert_eq!(instance.deadline(), Some(ms(100) + Duration::from_micros(3_609_375)));
}

// parity-virtual: 26
#[test]
fn more_missed_adverts_make_the_wait_longer() {
    let mut instance = Instance::new(Spec { down_adverts: 5, ..spec(100) }, ms(0));
    let _ = instance.handle(ms(0), good());
    assert_eq!(instance.deadline(), Some(Instant::from_micros(5_609_375)));
}

// parity-virtual: 22
#[test]
fn preempt_delay_runs_from_the_first_lower_advert_and_a_higher_one_ends_it() {
    let mut instance = Instance::new(Spec { preempt_delay: Duration::from_secs(30), ..spec(150) }, ms(0));
    let _ = instance.handle(ms(0), good());
    for second in 1..=30 {
        let _ = instance.handle(ms(second * 1000), heard(LOW, 100, ms(second * 1000)));
        assert!(instance.deadline() > Some(ms(second * 1000 + 3000)), "second {second}");
    }
    let due = instance.deadline();
    let _ = instance.handle(ms(31_000), heard(LOW, 100, ms(31_000)));
    assert_eq!(instance.deadline(), due, "the delay is over: the timer runs on");
    let mut reset = Instance::new(Spec { preempt_delay: Duration::from_secs(30), ..spec(150) }, ms(0));
    let _ = reset.handle(ms(0), good());
    let _ = reset.handle(ms(1000), heard(LOW, 100, ms(1000)));
    assert_eq!(reset.preempt_at(), Some(ms(31_000)));
    let _ = reset.handle(ms(2000), heard(LOW, 150, ms(2000)));
    assert_eq!(reset.preempt_at(), None);
}

// parity-virtual: 37
#[test]
fn nothing_is_heard_and_nothing_taken_over_before_the_startup_delay() {
    let mut instance = Instance::new(spec(100), ms(0)).not_before(ms(10_000));
    let _ = instance.handle(ms(0), good());
    let _ = instance.handle(ms(5000), heard(HIGH, 150, ms(5000)));
    assert_eq!(instance.master(), None);
    assert_eq!(instance.deadline(), Some(Instant::from_micros(13_609_375)));
    let mut owner = Instance::new(Spec { wishes_master: true, ..spec(255) }, ms(0)).not_before(ms(10_000));
    let _ = owner.handle(ms(0), good());
    assert_eq!((owner.state().role(), owner.deadline()), (Role::Backup, Some(ms(10_000))));
}

// parity-virtual: 24
#[test]
fn of_two_owners_the_lower_address_yields_and_the_higher_gives_in_if_it_does_not() {
    let mut lower = master(255);
    let _ = lower.handle(ms(5000), heard(HIGH, 255, ms(5000)));
    assert_eq!(lower.state().role(), Role::Backup);
    let mut higher = master(255);
    let out = higher.handle(ms(5000), heard(LOW, 255, ms(5000)));
    assert_eq!(out.iter().filter(|o| **o == Output::Advertise { priority: 255 }).count(), 2);
    let _ = higher.handle(ms(6000), heard(LOW, 255, ms(6000)));
    assert_eq!(higher.state().role(), Role::Master, "1.2 intervals are not over");
    let _ = higher.handle(ms(6300), heard(LOW, 255, ms(6300)));
    assert_eq!((higher.state().role(), higher.effective_priority()), (Role::Backup, 254));
    let _ = higher.handle(ms(6400), Input::Announced);
    let due = higher.deadline().unwrap();
    let out = higher.handle(due, Input::Deadline);
    assert_eq!(out[0], Output::Advertise { priority: 255 }, "the rival is gone");
    let mut deaf = Instance::new(Spec { owner_ignore_adverts: true, wishes_master: true, ..spec(255) }, ms(0));
    let _ = deaf.handle(ms(0), good());
    assert!(deaf.handle(ms(5000), heard(HIGH, 255, ms(5000))).is_empty());
}

#[test]
fn a_master_says_so_to_a_higher_priority_first_if_asked_to_and_nothing_to_a_lower_one() {
    let mut instance = master(100);
    instance.spec.higher_prio_send_advert = true;
    let out = instance.handle(ms(5000), heard(HIGH, 150, ms(5000)));
    assert_eq!(out[0], Output::Advertise { priority: 100 });
    let mut quiet = master(150);
    quiet.spec.lower_prio_no_advert = true;
    let out = quiet.handle(ms(5000), heard(LOW, 100, ms(5000)));
    assert_eq!(&out[1..], [Output::Announce { repeat: 5 }]);
    quiet.spec.garp.lower_priority_repeat = 0;
    let out = quiet.handle(ms(9000), heard(LOW, 100, ms(9000)));
    assert_eq!(out.len(), 1, "only the note");
}

// parity-virtual: 48
#[test]
fn announcements_are_refreshed_from_the_delay_on() {
    let garp = Garp { refresh: Duration::from_secs(10), refresh_repeat: 2, ..Garp::default() };
    let mut instance = Instance::new(Spec { garp, ..spec(100) }, ms(0));
    let _ = instance.handle(ms(0), good());
    let start = instance.deadline().unwrap();
    let mut sets = Vec::new();
    while let Some(due) = instance.deadline().filter(|due| due.since(start) < Duration::from_secs(26)) {
        for output in instance.handle(due, Input::Deadline) {
            if let Output::Announce { repeat } = output {
                sets.push((due.since(start).as_secs(), repeat));
            }
        }
    }
    assert_eq!(sets, [(0, 5), (5, 5), (15, 2), (25, 2)]);
}

#[test]
fn a_backup_that_slept_gives_the_master_the_time_for_one_more_advert() {
    let mut instance = backup(100);
    let _ = instance.handle(ms(1000), heard(HIGH, 150, ms(1000)));
    let _ = instance.handle(ms(20_000), Input::Overslept(Duration::from_secs(15)));
    assert!(instance.handle(ms(20_000), Input::Deadline).is_empty());
    assert_eq!(instance.deadline(), Some(ms(21_000) + instance.skew()));
    let mut briefly = backup(100);
    let due = briefly.deadline();
    let _ = briefly.handle(due.unwrap() + Duration::from_millis(60), Input::Overslept(Duration::from_millis(60)));
    assert_eq!(briefly.deadline(), due, "less than an interval changes nothing");
}

// parity-virtual: 35 36
#[test]
fn a_master_that_slept_says_so_announces_again_and_without_preemption_yields() {
    let mut instance = master(150);
    let out = instance.handle(ms(20_000), Input::Overslept(Duration::from_secs(10)));
    assert_eq!(out, [Output::Note(Note::Overslept { late: Duration::from_secs(10) })]);
    let out = instance.handle(ms(20_000), Input::Deadline);
    assert_eq!(out[0], Output::Advertise { priority: 150 });
    assert!(out.contains(&Output::Announce { repeat: 5 }));
    let mut modest = master(150);
    modest.spec.preempt = false;
    let _ = modest.handle(ms(20_000), Input::Overslept(Duration::from_secs(10)));
    let _ = modest.handle(ms(20_000), heard(LOW, 100, ms(19_000)));
    assert_eq!(modest.state().role(), Role::Backup, "the other became master meanwhile");
    let mut strict = master(150);
    (strict.spec.preempt, strict.spec.timer_expired_backup) = (false, Some(254));
    let out = strict.handle(ms(20_000), Input::Overslept(Duration::from_secs(10)));
    assert_eq!(changed(&out), Some((Role::Master, Role::Backup)));
    assert!(!out.contains(&Output::Advertise { priority: 0 }));
}

// parity-virtual: 62
#[test]
fn a_member_of_a_sync_group_asks_before_it_takes_over() {
    let mut instance = backup(100);
    instance.set_grouping(Grouping::Member { all_owners: false });
    let due = instance.deadline().unwrap();
    assert_eq!(instance.handle(due, Input::Deadline), [Output::Ready]);
    assert_eq!(instance.state().role(), Role::Backup);
    assert_eq!(instance.deadline(), Some(due + instance.master_down()));
    let mut heard_again = instance.clone();
    let _ = heard_again.handle(due, heard(HIGH, 150, due));
    assert!(!heard_again.is_ready());
    let out = instance.handle(due, Input::Group(Order::Master { group: "G".into() }));
    assert_eq!(changed(&out), Some((Role::Backup, Role::Master)));
    let out = instance.handle(ms(9000), Input::Group(Order::Backup { group: "G".into(), member: "VI_2".into() }));
    assert_eq!(changed(&out), Some((Role::Master, Role::Backup)));
    assert!(!out.contains(&Output::Advertise { priority: 0 }));
    assert!(instance.state().wants_addresses(), "until the successor has announced them");
}

#[test]
fn a_reload_keeps_state_and_timers_and_tells_what_can_be_seen() {
    let mut instance = master(150);
    let before = instance.clone();
    assert!(instance.reconfigure(ms(5000), before.spec().clone()).is_empty());
    assert_eq!(instance.deadline(), before.deadline());
    let out = instance.reconfigure(ms(5000), Spec { priority: 120, ..before.spec().clone() });
    assert_eq!(out, [Output::Advertise { priority: 120 }]);
    assert_eq!((instance.since(), instance.state().role()), (before.since(), Role::Master));
    let mut waiting = backup(100);
    let _ = waiting.handle(ms(1000), heard(HIGH, 150, ms(1000)));
    assert!(waiting.reconfigure(ms(1500), Spec { priority: 110, ..spec(100) }).is_empty());
    assert_eq!(waiting.deadline(), Some(ms(1000) + waiting.master_down()));
}
