use super::*;
use crate::kernel::{Forwarding, Table, plan_table};
use std::net::{IpAddr, Ipv4Addr};

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)), 40_000);
const NOW: Instant = Instant::from_micros(1_000_000);

fn vip() -> ServiceKey {
    ServiceKey::tcp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 80)
}

fn real(n: u8) -> DestinationKey {
    SocketAddr::from(([192, 0, 2, n], 80))
}

fn table(scheduler: Scheduler, persistence: Option<u32>, weights: &[u32]) -> Table {
    let numbered = (31..).zip(weights);
    let destinations = numbered.map(|(n, weight)| (real(n), Destination::new(Forwarding::Dr, *weight))).collect();
    let persistence = persistence.map(|seconds| Persistence::of(&vip(), seconds));
    Table { services: [(vip(), Service { scheduler, persistence, destinations, ..Service::default() })].into() }
}

fn bring_to(live: &mut Live, desired: &Table) {
    for change in plan_table(desired, &live.observed(NOW), |_| true) {
        live.change(&change).expect("a planned change applies");
    }
    assert_eq!(plan_table(desired, &live.observed(NOW), |_| true), []);
}

fn choose(live: &mut Live) -> Option<Choice> {
    live.choose(&vip(), CLIENT, NOW, &[])
}

fn counts(live: &Live, n: u8) -> (u32, u32, u64) {
    let seen = live.observed(NOW).services[&vip()].destinations[&real(n)];
    (seen.active, seen.inactive, seen.counters.connections)
}

#[test]
fn any_planned_change_leads_to_the_desired_table() {
    let mut live = Live::new(1);
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1, 1]));
    bring_to(&mut live, &table(Scheduler::Wlc, Some(50), &[3]));
    bring_to(&mut live, &table(Scheduler::Wlc, Some(50), &[0, 2, 2]));
    bring_to(&mut live, &Table::default());
}

#[test]
fn a_change_that_cannot_be_is_refused_with_a_reason() {
    let mut live = Live::new(1);
    let mark = "fwmark/7".parse().unwrap();
    let refused = live.change(&Change::AddService(mark, Service::default())).unwrap_err();
    assert!(refused.contains("cannot listen on a firewall mark"), "{refused}");
    assert_eq!(live.change(&Change::RemoveService(vip())), Err(NO_SERVICE.into()));
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1]));
    assert_eq!(live.change(&Change::RemoveDestination(vip(), real(99))), Err(NO_DESTINATION.into()));
}

#[test]
fn a_connection_is_counted_by_what_it_is() {
    let mut live = Live::new(1);
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1]));
    let choice = choose(&mut live).unwrap();
    assert_eq!(counts(&live, 31), (0, 1, 0));
    choice.place.established();
    assert_eq!(counts(&live, 31), (1, 0, 1));
    choice.place.closing();
    choice.place.closing();
    assert_eq!(counts(&live, 31), (0, 1, 1));
    drop(choice);
    assert_eq!(counts(&live, 31), (0, 0, 1));
}

#[test]
fn connections_of_a_server_that_left_count_again_when_it_returns() {
    let mut live = Live::new(1);
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1]));
    let choice = choose(&mut live).unwrap();
    choice.place.established();
    bring_to(&mut live, &table(Scheduler::Rr, None, &[]));
    assert!(choose(&mut live).is_none());
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1]));
    assert_eq!(counts(&live, 31), (1, 0, 1));
    drop(choice);
    assert_eq!(counts(&live, 31), (0, 0, 1));
}

#[test]
fn weight_zero_takes_no_new_connection_and_keeps_the_old() {
    let mut live = Live::new(1);
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1, 1]));
    let first = choose(&mut live).unwrap();
    first.place.established();
    assert_eq!(first.real, real(32), "the newest comes first, as in IPVS");
    bring_to(&mut live, &table(Scheduler::Rr, None, &[1, 0]));
    for _ in 0..4 {
        assert_eq!(choose(&mut live).map(|c| c.real), Some(real(31)));
    }
    assert_eq!(counts(&live, 32), (1, 0, 1));
}

#[test]
fn a_persistent_client_stays_until_its_server_is_drained_or_does_not_answer() {
    let mut live = Live::new(1);
    bring_to(&mut live, &table(Scheduler::Rr, Some(50), &[1, 1]));
    for _ in 0..4 {
        assert_eq!(choose(&mut live).map(|c| c.real), Some(real(32)));
    }
    let late = NOW + Duration::from_secs(50);
    assert_eq!(live.choose(&vip(), CLIENT, late, &[]).map(|c| c.real), Some(real(31)));
    assert_eq!(live.choose(&vip(), CLIENT, late, &[real(31)]).map(|c| c.real), Some(real(32)));
    bring_to(&mut live, &table(Scheduler::Rr, Some(50), &[1, 0]));
    assert_eq!(live.choose(&vip(), CLIENT, late, &[]).map(|c| c.real), Some(real(31)));
}

#[test]
fn thresholds_are_read_back_and_hold() {
    let mut live = Live::new(1);
    let mut desired = table(Scheduler::Rr, None, &[1, 1]);
    for service in desired.services.values_mut() {
        service
            .destinations
            .insert(real(31), Destination { upper: 2, lower: 1, ..Destination::new(Forwarding::Nat, 1) });
    }
    bring_to(&mut live, &desired);
    let held: Vec<_> = (0..6).map(|_| choose(&mut live).unwrap()).collect();
    assert_eq!(held.iter().filter(|choice| choice.real == real(31)).count(), 2);
}
