//! The examples of the tutorial as virtual worlds, from the same files that real engines run.

use super::world::World;
use crate::conf::{self, Config, Environment, Memory, Severity, Sources};
use crate::engine::Setup;
use crate::kernel::ServiceKey;
use crate::net::LinkName;
use crate::status::{Dataplane, DataplaneKind};
use crate::time::Duration;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// A client asks so often.
const ASK: Duration = Duration::from_millis(100);

const LVS1: &str = include_str!("../../assets/dual-master-dr/lvs1.conf");
const LVS2: &str = include_str!("../../assets/dual-master-dr/lvs2.conf");
const SERVER1: &str = include_str!("../../assets/vip-pair/server1.conf");
const SERVER2: &str = include_str!("../../assets/vip-pair/server2.conf");

/// The scenarios by name.
pub const SCENARIOS: [&str; 2] = ["dual-master-dr", "vip-pair"];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    #[error("there is no scenario `{name}`; there are: {known}", known = SCENARIOS.join(", "))]
    Unknown { name: String },
    #[error("{file} of the scenario does not load: {message}")]
    Broken { file: String, message: String },
}

/// The world of a scenario: two directors, web servers, and a client that only knows the VIPs.
pub fn scenario(name: &str, seed: u64, wall_zero_us: u64) -> Result<World, ScenarioError> {
    let files = files(name).ok_or_else(|| ScenarioError::Unknown { name: name.to_owned() })?;
    let mut world = World::new(seed, wall_zero_us);
    let mut targets = Vec::new();
    for (index, (file, text)) in files.into_iter().enumerate() {
        let config = load(file, text)?;
        for service in &config.services {
            for (number, real) in service.reals.iter().enumerate() {
                if world.servers.iter().all(|s| s.address != real.key) {
                    world.add_server(&format!("web{}", number + 1), real.key);
                }
            }
            targets.extend(service.entries().iter().filter_map(ServiceKey::address));
        }
        // Without virtual services the nodes themselves serve on the address.
        let vips = config.instances.iter().flat_map(|i| i.addresses.iter().map(|a| a.net.addr()));
        if config.services.is_empty() {
            targets.extend(vips.map(|vip| SocketAddr::new(vip, 80)));
        }
        add(&mut world, index, name, file, config);
    }
    targets.sort();
    targets.dedup();
    for target in targets {
        world.add_client(target, ASK);
    }
    Ok(world)
}

/// The nodes' files with their texts, in the order of the hosts.
pub fn files(name: &str) -> Option<[(&'static str, &'static str); 2]> {
    match name {
        "dual-master-dr" => Some([("lvs1.conf", LVS1), ("lvs2.conf", LVS2)]),
        "vip-pair" => Some([("server1.conf", SERVER1), ("server2.conf", SERVER2)]),
        _ => None,
    }
}

fn load(file: &str, text: &str) -> Result<Config, ScenarioError> {
    let (memory, environment) = (Memory::one(file, text), Environment::default());
    let read = conf::read(Path::new(file), &memory, &environment, Sources::default()).with_about();
    let error = read.diagnostics.into_iter().find(|d| d.severity == Severity::Error);
    error.map_or(Ok(read.config), |d| Err(ScenarioError::Broken { file: file.to_owned(), message: d.message }))
}

fn add(world: &mut World, index: usize, scenario: &str, file: &str, config: Config) {
    let link = config.instances.first().map(|i| i.link.clone());
    let Some(link) = link.or_else(|| LinkName::new("eth0").ok()) else { return };
    let configured = config.instances.iter().find_map(|i| i.source);
    let address = match configured {
        Some(IpAddr::V4(address)) => address,
        _ => Ipv4Addr::new(192, 168, 10, 11 + index as u8),
    };
    let kind = if config.services.is_empty() { DataplaneKind::None } else { DataplaneKind::Ipvs };
    let setup = Setup {
        config,
        host: file.trim_end_matches(".conf").to_owned(),
        config_path: format!("{scenario}/{file}"),
        pid: 0,
        guard: None,
        seed: 0,
        wall_zero_us: 0,
        uptime: Duration::ZERO,
        lease: Some(0),
        probe_addresses: false,
        legacy: None,
        dataplane: Dataplane { kind, note: Some("virtual: this is the simulator's table, no kernel's".into()) },
    };
    world.add_host(address, link, setup);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    #[test]
    fn both_directors_are_master_of_one_address_and_both_servers_answer() {
        let mut world = scenario("dual-master-dr", 42, 0).unwrap();
        world.run_for(Duration::from_secs(12));
        for host in 0..2 {
            let snapshot = world.snapshot(host).unwrap();
            let masters = snapshot.instances.iter().filter(|i| i.state == Role::Master).count();
            assert_eq!(masters, 1, "{}", snapshot.node.name);
        }
        for client in &world.clients {
            let view = client.view(world.now());
            assert!(view.answers.iter().any(|a| a == "web1") && view.answers.iter().any(|a| a == "web2"), "{view:?}");
        }
    }

    #[test]
    fn the_pair_serves_its_address() {
        let mut world = scenario("vip-pair", 42, 0).unwrap();
        world.run_for(Duration::from_secs(12));
        let view = world.clients[0].view(world.now());
        assert_eq!(view.answers.last().map(String::as_str), Some("server1"));
    }

    #[test]
    fn an_unknown_scenario_is_named_with_those_there_are() {
        let error = scenario("triple", 1, 0).unwrap_err().to_string();
        assert!(error.contains("`triple`") && error.contains("dual-master-dr, vip-pair"), "{error}");
    }
}
