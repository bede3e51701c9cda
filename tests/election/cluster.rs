//! A cluster of nodes that share one address.

use super::variation::{Variation, node_address};
use std::time::Duration;
use vipdeck::conf::{Config, ScriptSpec};
use vipdeck::engine::Setup;
use vipdeck::kernel::Address;
use vipdeck::net::LinkName;
use vipdeck::sim::World;
use vipdeck::status::{Actor, Ask, Command, Dataplane, DataplaneKind, DemoteMode, Reply, Role};
use vipdeck::time::Instant;
use vipdeck::vrrp::{Spec, Track, Tracker, Vrid};

pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) vip: std::net::IpAddr,
}

impl Cluster {
    pub(crate) fn new(seed: u64, priorities: &[u8]) -> Self {
        Self::build(seed, priorities, |_| {})
    }

    pub(crate) fn with_script(seed: u64, priorities: &[u8], weight: i32) -> Self {
        Self::build(seed, priorities, |config| {
            let second = Duration::from_secs(1);
            config.scripts.push(ScriptSpec {
                name: "chk".into(),
                argv: vec!["/bin/true".into()],
                interval: second,
                timeout: second,
                weight,
                reverse: false,
                rise: 1,
                fall: 2,
                user: None,
                init_fail: false,
            });
            let track = Track { kind: Tracker::Script, name: "chk".into(), weight, reverse: false };
            config.instances[0].tracks.push(track);
        })
    }

    pub(crate) fn varied(seed: u64, variation: &Variation) -> Self {
        let mut cluster =
            Self::build_each(seed, &variation.priorities, |node, config| variation.configure(node, config));
        cluster.vip = variation.vip(0).addr();
        cluster
    }

    pub(crate) fn build(seed: u64, priorities: &[u8], adjust: impl Fn(&mut Config)) -> Self {
        Self::build_each(seed, priorities, |_, config| adjust(config))
    }

    fn build_each(seed: u64, priorities: &[u8], adjust: impl Fn(usize, &mut Config)) -> Self {
        let mut world = World::new(seed, 1_700_000_000_000_000);
        let link = LinkName::new("eth0").unwrap();
        for (index, priority) in priorities.iter().enumerate() {
            let mut config = Config { router_id: Some(format!("node{index}")), ..Config::default() };
            config.instances.push(spec(&link, *priority));
            adjust(index, &mut config);
            let setup = Setup {
                config,
                host: "unused".into(),
                config_path: "test".into(),
                pid: 1,
                guard: None,
                seed: 0,
                wall_zero_us: 0,
                uptime: Duration::ZERO,
                lease: Some(0),
                probe_addresses: true,
                legacy: None,
                dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            };
            world.add_host(node_address(index), link.clone(), setup);
        }
        Self { world, vip: "192.168.10.200".parse().unwrap() }
    }

    /// A cluster whose first node has been master for a while.
    pub(crate) fn settled(seed: u64, priorities: &[u8]) -> Self {
        let mut cluster = Self::new(seed, priorities);
        cluster.world.run_for(Duration::from_millis(10_300));
        assert_eq!(cluster.holders(), [0]);
        cluster
    }

    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..self.world.hosts.len()).filter(|i| self.world.hosts[*i].holds(self.vip)).collect()
    }

    pub(crate) fn role(&mut self, host: usize) -> Option<Role> {
        self.world.snapshot(host).map(|s| s.instances[0].state)
    }

    pub(crate) fn roles(&mut self) -> Vec<Role> {
        (0..self.world.hosts.len()).filter_map(|i| self.role(i)).collect()
    }

    /// When `host` last heard an advert, on the world's clock.
    pub(crate) fn last_advert_heard(&mut self, host: usize) -> Instant {
        let snapshot = self.world.snapshot(host).unwrap();
        let age = snapshot.age(snapshot.instances[0].master.unwrap().at);
        self.world.now() - age
    }

    /// Runs millisecond by millisecond and looks after each.
    pub(crate) fn watch(&mut self, span: Duration, mut look: impl FnMut(&Self)) {
        for _ in 0..span.as_millis() {
            self.world.run_for(Duration::from_millis(1));
            look(self);
        }
    }

    /// Lets things happen one by one until `done`; the moment it became true.
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) -> Instant {
        for _ in 0..100_000 {
            if done(self) {
                return self.world.now();
            }
            self.world.step();
        }
        panic!("it never happened");
    }

    pub(crate) fn demote(&mut self, host: usize) -> Result<String, String> {
        self.command(host, Command::Demote { instance: "VI_1".into(), seen: None, mode: DemoteMode::Yield })
    }

    pub(crate) fn takeover(&mut self, host: usize) -> Result<String, String> {
        self.command(host, Command::Takeover { instance: "VI_1".into(), seen: None })
    }

    pub(crate) fn restore(&mut self, host: usize) -> Result<String, String> {
        self.command(host, Command::Restore { instance: "VI_1".into() })
    }

    /// Gives a node another configuration and has it reloaded.
    pub(crate) fn reload(&mut self, host: usize, config: Config) -> Result<String, String> {
        self.world.set_configuration(host, config);
        self.command(host, Command::Reload { dry_run: false })
    }

    pub(crate) fn preview(&mut self, host: usize, config: Config) -> Result<String, String> {
        self.world.set_configuration(host, config);
        self.command(host, Command::Reload { dry_run: true })
    }

    pub(crate) fn command(&mut self, host: usize, command: Command) -> Result<String, String> {
        self.ask(host, Ask::new(command)).map(|(text, _)| text)
    }

    /// The answer, and the number of the action if there is anything to undo.
    pub(crate) fn ask(&mut self, host: usize, ask: Ask) -> Result<(String, Option<u64>), String> {
        let actor = Actor { user: "test".into(), from: "test".into() };
        match self.world.command(host, Ask { actor, ..ask }) {
            Some(Reply::Accepted { text, action }) => Ok((text, action)),
            Some(Reply::Rejected { reason }) => Err(reason),
            None => Err("no engine".into()),
        }
    }
}

fn spec(link: &LinkName, priority: u8) -> Spec {
    Spec {
        priority,
        addresses: vec![Address::new(link.clone(), "192.168.10.200/24".parse().unwrap())],
        ..Spec::new("VI_1", link.clone(), Vrid::new(51).unwrap())
    }
}
