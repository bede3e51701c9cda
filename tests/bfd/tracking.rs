//! What sessions mean to the instances that track them; no network is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use vipdeck::bfd::{Cause, Change, News, Sessions, Status};
use vipdeck::conf::{self, Memory};
use vipdeck::engine::{Engine, Input, Legacy, Setup};
use vipdeck::kernel::Link;
use vipdeck::net::{LinkName, Mac};
use vipdeck::status::{Dataplane, DataplaneKind, Instance, Role};
use vipdeck::time::{Duration, Instant};
use vipdeck::wire::bfd::{Diagnostic, State};

const NEIGHBOR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

struct Node {
    engine: Engine,
    now: Instant,
}

impl Node {
    fn new(text: &str) -> Self {
        Self::after(text, None)
    }

    /// After an engine that left something, if one did.
    fn after(text: &str, legacy: Option<Legacy>) -> Self {
        let now = legacy.as_ref().map_or(Instant::ZERO, |l| l.now);
        let (config, diagnostics, _) = conf::parse(Path::new("x"), &Memory::one("x", text));
        assert!(conf::worst(&diagnostics) < Some(conf::Severity::Error), "{diagnostics:?}");
        let setup = Setup {
            config,
            host: "node".into(),
            config_path: "x".into(),
            pid: 1,
            guard: None,
            seed: 1,
            wall_zero_us: 0,
            dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            uptime: Duration::ZERO,
            lease: None,
            probe_addresses: false,
            legacy,
        };
        let mut node = Self { engine: Engine::new(setup), now };
        let addresses = BTreeMap::from([("192.0.2.1/24".parse().unwrap(), 0)]);
        let mac = Some(Mac([2, 0, 0, 0, 0, 1]));
        let link = Link { name: LinkName::new("eth0").unwrap(), index: 2, up: true, mac, mtu: 1500, addresses };
        node.give(Input::Link(link));
        node
    }

    fn give(&mut self, input: Input) {
        self.now = self.now + Duration::from_millis(1);
        let _ = self.engine.handle(self.now, input);
    }

    /// As the thread with the sessions tells it.
    fn told(&mut self, name: &str, from: State, to: State) {
        let spec = vipdeck::bfd::Spec::new(name, NEIGHBOR);
        let mut sessions = Sessions::new(1);
        let _ = sessions.need(self.now, std::slice::from_ref(&spec));
        let News::Status { sessions, .. } = sessions.status(self.now) else { panic!("a status") };
        let cause = if to == State::Up { Cause::Handshake } else { Cause::NeighborDown(Diagnostic::NONE) };
        let status = Status { state: to, cause, good: to == State::Up, ..sessions[0].clone() };
        self.give(Input::Bfd(News::Changed { status: Box::new(status), change: Change { from, to, cause } }));
    }

    fn instance(&mut self, name: &str) -> Instance {
        self.engine.snapshot(self.now).instance(name).unwrap().clone()
    }
}

fn text(track: &str) -> String {
    format!(
        "bfd_instance B {{\nneighbor_ip 192.0.2.9\n}}\nvrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\n\
         priority 100\nvirtual_ipaddress {{\n192.0.2.20/24\n}}\ntrack_bfd {{\nB {track}\n}}\n}}\n"
    )
}

/// keepalived's arithmetic: base 100; up, then down.
#[test]
fn weights_count_up_or_down_and_reverse_turns_them() {
    for (track, up, down) in [
        ("weight 20", 120, 100),
        ("weight -30", 100, 70),
        ("weight 20 reverse", 80, 100),
        ("weight -30 reverse", 100, 130),
        ("weight 253", 254, 100),
        ("weight -253", 100, 1),
    ] {
        let mut node = Node::new(&text(track));
        node.told("B", State::Down, State::Up);
        assert_eq!(node.instance("V").effective_priority, up, "{track}, up");
        node.told("B", State::Up, State::Down);
        assert_eq!(node.instance("V").effective_priority, down, "{track}, down");
        assert_eq!(node.instance("V").state, Role::Backup);
    }
}

#[test]
fn without_a_weight_down_is_a_fault_and_reversed_up_is_one() {
    for (track, good, bad) in [("", State::Up, State::Down), ("weight 0 reverse", State::Down, State::Up)] {
        let mut node = Node::new(&text(track));
        let before = node.instance("V");
        assert_eq!((before.state, before.faults), (Role::Init, vec!["BFD B has not begun".to_owned()]));
        node.told("B", State::Down, bad);
        assert_eq!(node.instance("V").state, Role::Fault, "{track}");
        node.told("B", bad, good);
        assert_eq!(node.instance("V").state, Role::Backup, "{track}");
    }
    let mut node = Node::new(&text(""));
    node.told("B", State::Up, State::Down);
    assert_eq!(node.instance("V").faults, ["BFD B: down: the neighbour says that the session is down"]);
}

#[test]
fn an_engine_after_another_takes_the_path_for_good_until_it_knows_or_should() {
    let mut first = Node::new(&text(""));
    first.told("B", State::Down, State::Up);
    let node = first.engine.take_node_record().unwrap();
    let legacy = Legacy { node, now: first.now, lives: 1, planned: true, ..Legacy::default() };
    let mut silent = Node::after(&text(""), Some(legacy.clone()));
    let mut sessions = Sessions::new(1);
    let _ = sessions.need(silent.now, &[vipdeck::bfd::Spec::new("B", NEIGHBOR)]);
    silent.give(Input::Bfd(sessions.status(silent.now)));
    let state = silent.instance("V");
    assert_eq!((state.state, state.faults), (Role::Backup, vec![]));
    silent.now = silent.now + Duration::from_secs(3);
    silent.give(Input::Deadline);
    let state = silent.instance("V");
    let why = "BFD B: down: nothing heard from the neighbour yet".to_owned();
    assert_eq!((state.state, state.faults), (Role::Fault, vec![why]));

    let mut told = Node::after(&text(""), Some(legacy));
    told.told("B", State::Up, State::Down);
    assert_eq!(told.instance("V").state, Role::Fault, "it was up in this life, and is down");
}

#[test]
fn a_group_gives_its_sessions_to_every_member() {
    let instance = |name: &str, id: u8| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\nvirtual_ipaddress {{\n192.0.2.2{id}/24\n}}\n}}\n"
        )
    };
    let group = "vrrp_sync_group G {\ngroup {\nV1\nV2\n}\ntrack_bfd {\nB\n}\n}\n";
    let bfd = "bfd_instance B {\nneighbor_ip 192.0.2.9\n}\n";
    let mut node = Node::new(&[bfd, &instance("V1", 1), &instance("V2", 2), group].concat());
    node.told("B", State::Down, State::Up);
    assert_eq!(["V1", "V2"].map(|name| node.instance(name).state), [Role::Backup; 2]);
    node.told("B", State::Up, State::Down);
    assert_eq!(["V1", "V2"].map(|name| node.instance(name).state), [Role::Fault; 2]);
    let snapshot = node.engine.snapshot(node.now);
    assert_eq!(snapshot.bfd.sessions[0].tracked_by, ["V1", "V2"]);
}
