//! What comes before what: firewall, virtual link, address; and back at the end.

use crate::conf::{self, Memory};
use crate::engine::{Effect, Engine, Input, Setup};
use crate::kernel::{Change, Link};
use crate::net::LinkName;
use crate::status::{Dataplane, DataplaneKind, Role};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::path::Path;

const TEXT: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\npriority 150\nno_accept\nuse_vmac\n\
                    virtual_ipaddress {\n192.0.2.10/24\n}\n}\n";

/// An engine, and the changes it has asked for and not been answered.
struct Bench {
    engine: Engine,
    now: Instant,
    asked: Vec<Change>,
    ended: bool,
}

fn link(name: &str, addresses: &[&str]) -> Link {
    let addresses = addresses.iter().map(|a| (a.parse().unwrap(), 0)).collect::<BTreeMap<_, _>>();
    Link { name: LinkName::new(name).unwrap(), index: 2, up: true, mac: None, mtu: 1500, addresses }
}

impl Bench {
    fn new(text: &str) -> Self {
        let (config, _, _) = conf::parse(Path::new("x"), &Memory::one("x", text));
        let engine = Engine::new(Setup {
            config,
            host: "n1".into(),
            config_path: "x".into(),
            pid: 1,
            guard: None,
            seed: 1,
            wall_zero_us: 0,
            dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            uptime: Duration::ZERO,
            lease: Some(0),
            probe_addresses: false,
            legacy: None,
        });
        Self { engine, now: Instant::ZERO, asked: Vec::new(), ended: false }
    }

    fn give(&mut self, input: Input) -> &mut Self {
        for effect in self.engine.handle(self.now, input) {
            self.ended |= effect == Effect::Exit;
            if let Effect::Apply(change) = effect {
                self.asked.push(change);
            }
        }
        self
    }

    fn answer(&mut self, result: Result<(), String>) -> Change {
        let change = self.asked.remove(0);
        self.give(Input::Applied { change: change.clone(), result });
        change
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now + Duration::from_secs(seconds);
        self.give(Input::Deadline)
    }

    fn texts(&self) -> Vec<String> {
        self.asked.iter().map(ToString::to_string).collect()
    }

    fn role(&mut self) -> Role {
        self.engine.snapshot(self.now).instances[0].state
    }

    /// Firewall and link are there.
    fn ready() -> Self {
        let mut bench = Self::new(TEXT);
        bench.give(Input::Link(link("eth0", &["192.0.2.1/24"])));
        bench.answer(Ok(()));
        bench.answer(Ok(()));
        bench.give(Input::Link(link("vrrp.51", &[])));
        bench
    }
}

const FIREWALL: &str = "set nftables table inet keepalived: 1 address not accepted, 1 virtual link(s) kept quiet";
const MAKE: &str = "make macvlan vrrp.51 over eth0 with 00:00:5e:00:01:33";
const ADD: &str = "add 192.0.2.10/24 to vrrp.51";

#[test]
fn the_firewall_comes_before_the_link_and_the_link_before_the_state() {
    let mut bench = Bench::new(TEXT);
    bench.give(Input::Link(link("eth0", &["192.0.2.1/24"])));
    assert_eq!(bench.texts(), [FIREWALL]);
    assert_eq!(bench.role(), Role::Init);
    bench.answer(Ok(()));
    assert_eq!(bench.texts(), [MAKE]);
    bench.answer(Ok(()));
    assert_eq!(bench.role(), Role::Backup);
    bench.give(Input::Link(link("vrrp.51", &[])));
    bench.wait(1).wait(3);
    assert_eq!((bench.role(), bench.texts()), (Role::Master, vec![ADD.to_owned()]));
    bench.answer(Ok(()));
    assert_eq!(bench.texts(), [""; 0], "a state changes nothing about firewall and link");
}

#[test]
fn an_address_waits_for_the_answer_about_its_firewall_and_comes_without_it_if_that_is_no() {
    let mut bench = Bench::new(&TEXT.replace("use_vmac\n", ""));
    bench.give(Input::Link(link("eth0", &["192.0.2.1/24"])));
    bench.wait(1).wait(3);
    assert_eq!(bench.role(), Role::Master);
    assert_eq!(bench.asked.len(), 1, "{:?}", bench.texts());
    bench.answer(Err("nft: no".into()));
    assert_eq!(bench.texts(), ["add 192.0.2.10/24 to eth0"]);
    bench.answer(Ok(()));
    let snapshot = bench.engine.snapshot(bench.now);
    assert!(snapshot.findings.iter().any(|f| f.kind == "firewall" && f.text.contains("nft: no")));
    assert!(!snapshot.instances[0].firewall.as_ref().unwrap().in_force);
    bench.wait(5);
    assert_eq!(bench.texts(), ["set nftables table inet keepalived: 1 address not accepted"], "tried again");
    bench.answer(Ok(()));
    assert!(bench.engine.snapshot(bench.now).instances[0].firewall.as_ref().unwrap().in_force);
}

#[test]
fn a_link_that_cannot_be_made_is_a_fault_until_it_is() {
    let mut bench = Bench::new(TEXT);
    bench.give(Input::Link(link("eth0", &["192.0.2.1/24"])));
    bench.answer(Ok(()));
    bench.answer(Err("a port of a bridge".into()));
    assert_eq!(bench.role(), Role::Fault);
    let faults = bench.engine.snapshot(bench.now).instances[0].faults.join(" ");
    assert!(faults.contains("vrrp.51 could not be made: a port of a bridge"), "{faults}");
    bench.wait(5);
    assert_eq!(bench.texts(), [MAKE]);
    bench.answer(Ok(()));
    assert_eq!(bench.role(), Role::Backup);
}

#[test]
fn a_deleted_link_is_made_again_and_the_state_stays() {
    let mut bench = Bench::ready();
    bench.wait(1).wait(3);
    bench.answer(Ok(()));
    let name = LinkName::new("vrrp.51").unwrap();
    bench.give(Input::Link(link("vrrp.51", &["192.0.2.10/24"]))).give(Input::LinkGone(name));
    assert_eq!(bench.texts(), [MAKE]);
    bench.answer(Ok(()));
    bench.give(Input::Link(link("vrrp.51", &[])));
    assert_eq!(bench.texts(), [ADD]);
    assert_eq!(bench.role(), Role::Master);
    // One that somebody set down is brought up.
    bench.answer(Ok(()));
    bench.give(Input::Link(Link { up: false, ..link("vrrp.51", &["192.0.2.10/24"]) }));
    assert_eq!(bench.texts(), [MAKE]);
}

#[test]
fn at_the_end_the_address_goes_first_and_the_firewall_last() {
    let mut bench = Bench::ready();
    bench.wait(1).wait(3);
    bench.answer(Ok(()));
    bench.give(Input::Stop).wait(2);
    let mut order = Vec::new();
    while !bench.asked.is_empty() {
        order.push(bench.answer(Ok(())).to_string());
    }
    assert_eq!(
        order,
        [
            "remove 192.0.2.10/24 from vrrp.51",
            "remove macvlan vrrp.51 over eth0 with 00:00:5e:00:01:33",
            "remove nftables table inet keepalived"
        ]
    );
    assert!(bench.ended);
}
