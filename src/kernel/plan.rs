//! From what is observed to what is desired, as ordered steps.

use super::change::Change;
use super::ipvs::{
    Destination, ObservedDestination, ObservedService, ObservedTable, Service, ServiceKey, SyncDaemon, SyncRole, Table,
};
use std::collections::BTreeMap;

/// The steps from the observed table to the desired one. Services in `observed` that are neither desired nor in
/// `ours` belong to somebody else and are left alone.
pub fn plan_table(desired: &Table, observed: &ObservedTable, ours: impl Fn(&ServiceKey) -> bool) -> Vec<Change> {
    let mut steps = Vec::new();
    for key in observed.services.keys() {
        if !desired.services.contains_key(key) && ours(key) {
            steps.push(Change::RemoveService(*key));
        }
    }
    for (key, service) in &desired.services {
        match observed.services.get(key) {
            None => {
                steps.push(Change::AddService(*key, without_destinations(service)));
                let all = service.destinations.iter();
                steps.extend(all.map(|(to, d)| Change::AddDestination(*key, *to, *d)));
            }
            Some(seen) => plan_service(*key, service, seen, &mut steps),
        }
    }
    steps
}

/// The steps from the observed daemons to the desired ones.
pub fn plan_daemons(
    desired: &BTreeMap<SyncRole, SyncDaemon>,
    observed: &BTreeMap<SyncRole, SyncDaemon>,
) -> Vec<Change> {
    let mut steps = Vec::new();
    for (role, seen) in observed {
        if desired.get(role).is_none_or(|wanted| !is_daemon(*role, seen, wanted)) {
            steps.push(Change::StopDaemon(*role));
        }
    }
    for (role, wanted) in desired {
        if observed.get(role).is_none_or(|seen| !is_daemon(*role, seen, wanted)) {
            steps.push(Change::StartDaemon(*role, wanted.clone()));
        }
    }
    steps
}

/// What is not wanted otherwise is as the kernel took it. One that learns takes messages of at least 1024 bytes, and of
/// more if the link carries them.
fn is_daemon(role: SyncRole, seen: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    let agrees = |seen, wanted: Option<u16>| wanted.is_none_or(|wanted| seen == Some(wanted));
    (&seen.link, seen.id) == (&wanted.link, wanted.id)
        && (role == SyncRole::Backup || agrees(seen.max_length, wanted.max_length))
        && agrees(seen.port, wanted.port)
        && (wanted.group.is_none() || seen.group == wanted.group)
        && (wanted.ttl.is_none() || seen.ttl == wanted.ttl)
}

fn plan_service(key: ServiceKey, desired: &Service, seen: &ObservedService, steps: &mut Vec<Change>) {
    if !is_as(seen, desired) {
        steps.push(Change::EditService(key, without_destinations(desired)));
    }
    for (to, wanted) in &desired.destinations {
        match seen.destinations.get(to) {
            None => steps.push(Change::AddDestination(key, *to, *wanted)),
            Some(there) if !agrees(there, *wanted) => steps.push(Change::EditDestination(key, *to, *wanted)),
            Some(_) => {}
        }
    }
    let gone = seen.destinations.keys().filter(|to| !desired.destinations.contains_key(to));
    steps.extend(gone.map(|to| Change::RemoveDestination(key, *to)));
}

/// But for its real servers.
fn is_as(seen: &ObservedService, desired: &Service) -> bool {
    seen.scheduler == desired.scheduler.name()
        && seen.flags == desired.flags
        && seen.one_packet == desired.one_packet
        && seen.persistence == desired.persistence
}

fn agrees(seen: &ObservedDestination, wanted: Destination) -> bool {
    let Destination { forwarding, weight, upper, lower } = wanted;
    seen.forwarding == Some(forwarding) && (seen.weight, seen.upper, seen.lower) == (weight, upper, lower)
}

fn without_destinations(service: &Service) -> Service {
    Service {
        scheduler: service.scheduler,
        flags: service.flags,
        one_packet: service.one_packet,
        persistence: service.persistence.clone(),
        destinations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{
        Checksum, Counters, DestinationKey, Forwarding, Persistence, Scheduler, SchedulerFlags, Tunnel,
    };
    use proptest::prelude::*;

    fn key(n: u8) -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, n].into(), 80)
    }

    fn real(n: u8) -> DestinationKey {
        ([198, 51, 100, n], 80).into()
    }

    fn table() -> impl Strategy<Value = Table> {
        let forwarding = prop_oneof![
            Just(Forwarding::Dr),
            Just(Forwarding::Nat),
            (1..3_u16).prop_map(|port| Forwarding::Tun(Tunnel::Gue { port, checksum: Checksum::Yes })),
        ];
        let destination = (forwarding, 0..3_u32, 0..2_u32, 0..2_u32)
            .prop_map(|(forwarding, weight, upper, lower)| Destination { forwarding, weight, upper, lower });
        let destinations = prop::collection::btree_map((0..4_u8).prop_map(real), destination, 0..4);
        let scheduler = prop_oneof![Just(Scheduler::Rr), Just(Scheduler::Wlc)];
        let engine = prop::option::of(Just("sip".to_owned()));
        let persistence = (1..3_u32, 24..26_u8, engine).prop_map(|(timeout, granularity, engine)| Persistence {
            timeout,
            granularity,
            engine,
        });
        let flags = any::<(bool, bool)>().prop_map(|(first, second)| SchedulerFlags { first, second, third: false });
        let service = (scheduler, flags, any::<bool>(), prop::option::of(persistence), destinations).prop_map(
            |(scheduler, flags, one_packet, persistence, destinations)| Service {
                scheduler,
                flags,
                one_packet,
                persistence,
                destinations,
            },
        );
        prop::collection::btree_map((0..4_u8).prop_map(key), service, 0..4).prop_map(|services| Table { services })
    }

    fn as_observed(service: &Service) -> ObservedService {
        let seen = |d: &Destination| ObservedDestination {
            forwarding: Some(d.forwarding),
            weight: d.weight,
            upper: d.upper,
            lower: d.lower,
            ..ObservedDestination::default()
        };
        ObservedService {
            scheduler: service.scheduler.name().into(),
            flags: service.flags,
            one_packet: service.one_packet,
            persistence: service.persistence.clone(),
            counters: Counters::default(),
            destinations: service.destinations.iter().map(|(to, d)| (*to, seen(d))).collect(),
        }
    }

    fn observe(table: &Table) -> ObservedTable {
        let services = table.services.iter().map(|(key, s)| (*key, as_observed(s))).collect();
        ObservedTable { services, ..ObservedTable::default() }
    }

    /// As a kernel would: what is added must be new, what is edited or removed must be there.
    fn apply(change: &Change, table: &mut ObservedTable) {
        let services = &mut table.services;
        match change {
            Change::AddService(key, s) => assert!(services.insert(*key, as_observed(s)).is_none()),
            Change::EditService(key, s) => {
                let entry = services.get_mut(key).unwrap();
                let destinations = std::mem::take(&mut entry.destinations);
                *entry = ObservedService { destinations, ..as_observed(s) };
            }
            Change::RemoveService(key) => assert!(services.remove(key).is_some()),
            Change::AddDestination(key, to, d) | Change::EditDestination(key, to, d) => {
                let one = Service { destinations: BTreeMap::from([(*to, *d)]), ..Service::default() };
                let before =
                    services.get_mut(key).unwrap().destinations.insert(*to, as_observed(&one).destinations[to]);
                assert_eq!(before.is_none(), matches!(change, Change::AddDestination(..)));
            }
            Change::RemoveDestination(key, to) => {
                assert!(services.get_mut(key).unwrap().destinations.remove(to).is_some());
            }
            other => panic!("{other} in a table's plan"),
        }
    }

    #[test]
    fn a_daemon_that_speaks_otherwise_is_started_anew() {
        let link = crate::net::LinkName::new("eth0").unwrap();
        let wanted = SyncDaemon { link, id: 7, max_length: Some(1400), group: None, port: None, ttl: Some(3) };
        let seen = SyncDaemon { group: Some([224, 0, 0, 81].into()), port: Some(8848), ..wanted.clone() };
        let one = |daemon: &SyncDaemon| BTreeMap::from([(SyncRole::Master, daemon.clone())]);
        assert_eq!(plan_daemons(&one(&wanted), &one(&seen)), []);
        let other = SyncDaemon { id: 8, ..wanted };
        let start = Change::StartDaemon(SyncRole::Master, other.clone());
        assert_eq!(plan_daemons(&one(&other), &one(&seen)), [Change::StopDaemon(SyncRole::Master), start]);
        assert_eq!(plan_daemons(&BTreeMap::new(), &one(&seen)), [Change::StopDaemon(SyncRole::Master)]);
    }

    proptest! {
        #[test]
        fn a_table_becomes_what_is_desired(desired in table(), before in table()) {
            let mut table = observe(&before);
            for change in plan_table(&desired, &table.clone(), |_| true) {
                apply(&change, &mut table);
            }
            prop_assert_eq!(&table, &observe(&desired));
            prop_assert_eq!(plan_table(&desired, &table, |_| true), []);
        }

        #[test]
        fn somebody_elses_service_is_left_alone(before in table()) {
            prop_assert_eq!(plan_table(&Table::default(), &observe(&before), |_| false), []);
        }
    }
}
