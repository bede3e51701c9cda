//! The edges of the quorum, and who is in the table when.

use super::*;
use crate::health::{self, Connection, Found, Method};
use crate::kernel::{DestinationKey, Forwarding};
use crate::lvs::{Drain, Group, RealSpec, Sorry};

const NOW: Instant = Instant::from_micros(5_000_000);

fn real(n: u8) -> DestinationKey {
    ([10, 0, 0, n], 80).into()
}

fn check() -> health::Spec {
    let second = Duration::from_secs(1);
    health::Spec {
        method: Method::Tcp(Connection::to(real(1), second)),
        period: second,
        retry: 0,
        delay_before_retry: second,
        warmup: Duration::ZERO,
        alpha: false,
        log_all_failures: false,
        ha_suspend: false,
    }
}

/// Servers 1, 2, 3, … of these weights with a sorry server 99.
fn spec(weights: &[u32]) -> ServiceSpec {
    let reals = (1..).zip(weights).map(|(n, weight)| RealSpec {
        weight: *weight,
        checks: vec![check()],
        ..RealSpec::new(real(n), Forwarding::Nat)
    });
    let sorry = Sorry { key: real(99), forwarding: Forwarding::Nat, inhibit: false };
    let key = "tcp/192.0.2.10:80".parse().unwrap();
    ServiceSpec { reals: reals.collect(), sorry: Some(sorry), ..ServiceSpec::new(key) }
}

fn service(spec: ServiceSpec) -> Service {
    let mut service = Service::new(spec, Instant::ZERO, || 0.0);
    let first = service.judge(Instant::ZERO).unwrap();
    assert!(first.first);
    service
}

fn set(service: &mut Service, n: usize, good: bool) {
    for check in &mut service.reals[n - 1].checks {
        let at = check.deadline().unwrap();
        assert!(check.start(at, 1));
        let _ = check.finish(at, if good { Found::good("as told") } else { Found::bad("as told") });
    }
}

/// `1:3 2:1`: who is in the table with which weight.
fn table(service: &Service) -> String {
    let desired = service.desired(&service.spec.key);
    let octet = |to: &DestinationKey| to.ip().to_string().rsplit('.').next().unwrap().to_owned();
    let one = |(to, how): (&DestinationKey, &Destination)| format!("{}:{}", octet(to), how.weight);
    desired.destinations.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// As keepalived 2.2.7 does it with the same file and the same failures.
fn drain(real: &mut Real) {
    real.intent.drain = Some(Drain::new(NOW, Duration::ZERO));
}

#[test]
fn quorum_is_lost_below_and_regained_above_by_the_hysteresis() {
    let mut service = service(ServiceSpec { quorum: 3, hysteresis: 1, ..spec(&[1, 1, 2]) });
    assert_eq!((service.quorum().unwrap().up, table(&service)), (true, "1:1 2:1 3:2".into()));
    set(&mut service, 1, false);
    assert_eq!((service.judge(NOW), table(&service)), (None, "2:1 3:2".into()));
    set(&mut service, 2, false);
    assert_eq!((service.judge(NOW), table(&service)), (None, "3:2".into()));
    set(&mut service, 3, false);
    let lost = QuorumChange { up: false, first: false, weight: 0, threshold: 2 };
    assert_eq!((service.judge(NOW), table(&service)), (Some(lost), "99:1".into()));
    set(&mut service, 3, true);
    set(&mut service, 2, true);
    assert_eq!((service.judge(NOW), table(&service)), (None, "99:1".into()));
    set(&mut service, 1, true);
    let gained = QuorumChange { up: true, first: false, weight: 4, threshold: 4 };
    assert_eq!((service.judge(NOW), table(&service)), (Some(gained), "1:1 2:1 3:2".into()));
}

#[test]
fn without_a_sorry_server_whatever_is_up_stays() {
    let mut service = service(ServiceSpec { quorum: 3, sorry: None, ..spec(&[1, 2]) });
    set(&mut service, 2, false);
    assert!(service.judge(NOW).is_some_and(|change| !change.up));
    assert_eq!(table(&service), "1:1");
    set(&mut service, 1, false);
    assert_eq!((service.judge(NOW), table(&service)), (None, String::new()));
}

#[test]
fn inhibit_keeps_servers_and_the_sorry_server_with_weight_0() {
    let mut spec = ServiceSpec { quorum: 3, hysteresis: 1, ..spec(&[1, 1, 2]) };
    spec.reals.iter_mut().for_each(|real| real.inhibit_on_failure = true);
    spec.sorry.iter_mut().for_each(|sorry| sorry.inhibit = true);
    let mut service = service(spec);
    assert_eq!(table(&service), "1:1 2:1 3:2 99:0");
    set(&mut service, 1, false);
    assert_eq!((service.judge(NOW), table(&service)), (None, "1:0 2:1 3:2 99:0".into()));
    set(&mut service, 2, false);
    set(&mut service, 3, false);
    let _ = service.judge(NOW);
    assert_eq!(table(&service), "1:0 2:0 3:0 99:1");
    set(&mut service, 3, true);
    assert_eq!((service.judge(NOW), table(&service)), (None, "1:0 2:0 3:0 99:1".into()));
}

#[test]
fn alpha_begins_with_the_sorry_server() {
    let mut spec = spec(&[1]);
    spec.reals[0].checks[0].alpha = true;
    let mut service = service(spec);
    assert_eq!((service.quorum().unwrap().up, table(&service)), (false, "99:1".into()));
    set(&mut service, 1, true);
    assert!(service.judge(NOW).is_some_and(|change| change.up));
    assert_eq!(table(&service), "1:1");
}

#[test]
fn a_drained_server_keeps_its_connections_and_the_quorum() {
    let mut service = service(ServiceSpec { quorum: 2, ..spec(&[1, 1]) });
    drain(&mut service.reals[0]);
    assert_eq!((service.judge(NOW), table(&service)), (None, "1:0 2:1".into()));
    drain(&mut service.reals[1]);
    assert_eq!((service.judge(NOW), table(&service)), (None, "1:0 2:0 99:1".into()));
    set(&mut service, 2, false);
    assert!(service.judge(NOW).is_some_and(|change| !change.up));
    assert_eq!(table(&service), "1:0 99:1");
}

#[test]
fn a_group_has_the_servers_in_every_entry() {
    let keys = ["tcp/192.0.2.10:80", "tcp/192.0.2.10:443", "fwmark/7"].map(|key| key.parse().unwrap());
    let group = Group { name: "G".into(), entries: keys.to_vec() };
    let mut spec = ServiceSpec { group: Some(group), sorry: None, ..spec(&[1]) };
    spec.reals[0].forwarding = Forwarding::Dr;
    let service = service(spec);
    let table = desired_table([&service].into_iter());
    let ports: Vec<_> = table.services.values().map(|s| s.destinations.keys().next().unwrap().port()).collect();
    assert_eq!(ports, [80, 443, 0], "what keeps the port arrives at that of the entry");
    let mut seen = ObservedTable::default();
    for (key, wanted) in &table.services {
        let entry = seen.services.entry(*key).or_default();
        for to in wanted.destinations.keys() {
            entry.destinations.insert(*to, ObservedDestination { active: 2, ..ObservedDestination::default() });
        }
    }
    let mut service = service;
    assert_eq!(service.observe(NOW, &seen), [0_usize; 0]);
    assert_eq!(service.reals[0].observed.map(|o| o.active), Some(6));
}
