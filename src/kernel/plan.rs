//! From what is observed to what is desired, as ordered steps.

use super::change::Change;
use super::ipvs::{Destination, ObservedDestination, ObservedService, ObservedTable, Service, ServiceKey, Table};
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

fn plan_service(key: ServiceKey, desired: &Service, seen: &ObservedService, steps: &mut Vec<Change>) {
    if seen.scheduler != desired.scheduler.name() || seen.persistence != desired.persistence {
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

fn agrees(seen: &ObservedDestination, wanted: Destination) -> bool {
    seen.forwarding == Some(wanted.forwarding) && seen.weight == wanted.weight
}

fn without_destinations(service: &Service) -> Service {
    Service { destinations: BTreeMap::new(), ..*service }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Counters, DestinationKey, Forwarding, Scheduler};
    use proptest::prelude::*;

    fn key(n: u8) -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, n].into(), 80)
    }

    fn real(n: u8) -> DestinationKey {
        ([198, 51, 100, n], 80).into()
    }

    fn table() -> impl Strategy<Value = Table> {
        let destination = (any::<bool>(), 0..3_u32).prop_map(|(dr, weight)| Destination {
            forwarding: if dr { Forwarding::Dr } else { Forwarding::Nat },
            weight,
        });
        let destinations = prop::collection::btree_map((0..4_u8).prop_map(real), destination, 0..4);
        let scheduler = prop_oneof![Just(Scheduler::Rr), Just(Scheduler::Wlc)];
        let service = (scheduler, prop::option::of(1..3_u32), destinations)
            .prop_map(|(scheduler, persistence, destinations)| Service { scheduler, persistence, destinations });
        prop::collection::btree_map((0..4_u8).prop_map(key), service, 0..4).prop_map(|services| Table { services })
    }

    fn as_observed(service: &Service) -> ObservedService {
        let seen = |d: &Destination| ObservedDestination {
            forwarding: Some(d.forwarding),
            weight: d.weight,
            ..ObservedDestination::default()
        };
        ObservedService {
            scheduler: service.scheduler.name().into(),
            persistence: service.persistence,
            counters: Counters::default(),
            destinations: service.destinations.iter().map(|(to, d)| (*to, seen(d))).collect(),
        }
    }

    fn observe(table: &Table) -> ObservedTable {
        ObservedTable { services: table.services.iter().map(|(key, s)| (*key, as_observed(s))).collect() }
    }

    /// As a kernel would: what is added must be new, what is edited or removed must be there.
    fn apply(change: &Change, table: &mut ObservedTable) {
        let services = &mut table.services;
        match change {
            Change::AddService(key, s) => assert!(services.insert(*key, as_observed(s)).is_none()),
            Change::EditService(key, s) => {
                let entry = services.get_mut(key).unwrap();
                (entry.scheduler, entry.persistence) = (s.scheduler.name().into(), s.persistence);
            }
            Change::RemoveService(key) => assert!(services.remove(key).is_some()),
            Change::AddDestination(key, to, d) | Change::EditDestination(key, to, d) => {
                let one =
                    Service { scheduler: Scheduler::Rr, persistence: None, destinations: BTreeMap::from([(*to, *d)]) };
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
