//! From what is observed to what is desired, as ordered steps.

use super::change::Change;
use super::ipvs::{Destination, ObservedDestination, ObservedService, ObservedTable, Service, ServiceKey, Table};
use super::state::{Address, Link};
use std::collections::BTreeMap;

/// The steps that make the addresses in `managed` stand on `links` if and only if `desired` has them.
///
/// `managed` is every address the configuration names: nothing outside it is ever touched. Additions come first, in
/// the order given, then removals. Addresses of a link that is not there are left out: there is nothing to do yet.
pub fn plan_addresses(desired: &[Address], managed: &[Address], links: &BTreeMap<String, Link>) -> Vec<Change> {
    let present = |a: &Address| links.get(a.link.as_str()).is_some_and(|l| l.addresses.contains_key(&a.net));
    let wanted = |a: &Address| desired.iter().any(|d| d.link == a.link && d.net == a.net);
    let add = desired
        .iter()
        .filter(|a| links.contains_key(a.link.as_str()) && !present(a))
        .map(|a| Change::AddAddress(a.clone()));
    let remove = managed.iter().filter(|a| present(a) && !wanted(a)).map(|a| Change::RemoveAddress(a.clone()));
    add.chain(remove).collect()
}

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
