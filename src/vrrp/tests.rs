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
        Output::Advertise { .. } | Output::Announce | Output::Note(_) => None,
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
    assert_eq!(out.last(), Some(&Output::Announce));
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

#[test]
fn nopreempt_accepts_a_lower_master() {
    let mut instance = Instance::new(Spec { preempt: false, ..spec(150) }, ms(0));
    let _ = instance.handle(ms(0), good());
    let _ = instance.handle(ms(1000), heard(LOW, 100, ms(1000)));
    assert_eq!(instance.deadline(), Some(ms(1000) + instance.master_down()));
}

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

#[test]
fn a_master_answers_a_lower_priority_with_an_advert_and_arp() {
    let mut instance = master(150);
    let out = instance.handle(ms(5000), heard(LOW, 100, ms(5000)));
    assert_eq!(&out[1..], [Output::Advertise { priority: 150 }, Output::Announce]);
    assert!(matches!(instance.state(), State::Master { announce_at: Some(at), .. } if *at == ms(10_000)));
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
    assert_eq!(instance.handle(ms(5000), heard(LOW, 0, ms(5000))), [Output::Advertise { priority: 100 }]);
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
        announced += instance.handle(due, Input::Deadline).iter().filter(|o| **o == Output::Announce).count();
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
    let _ = instance.handle(ms(6000), good());
    assert_eq!(instance.deadline(), Some(ms(6000) + instance.spec().master_down(100, Duration::from_secs(1))));
}

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
    let starts =
        [Instance::new(spec(100), ms(0)), backup(100), master(100), master(255), yielding, stopping, stopped, fault];
    let inputs = || {
        let at = ms(9_500);
        let mut inputs = vec![
            good(),
            bad(),
            Input::Deadline,
            Input::Announced,
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
                        State::Master { .. } | State::Yielding { .. } | State::Backup { release_at: Some(_), .. }
                    );
                    assert_eq!(instance.state().wants_addresses(), holds);
                    assert_eq!(
                        instance.deadline().is_some(),
                        holds || matches!(instance.state(), State::Backup { .. })
                    );
                    let terms: i32 = instance.terms().iter().map(|t| t.value).sum();
                    assert_eq!(terms, i32::from(instance.effective_priority()));
                }
            }
        }
    }
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
