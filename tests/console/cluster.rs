//! A console on three engines of the simulator: what the screen says beside what is so.

use crate::fixture::{Console, DARK};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use vipdeck::conf::Config;
use vipdeck::console::facts;
use vipdeck::console::model::Link;
use vipdeck::console::state::State;
use vipdeck::console::update::Msg;
use vipdeck::engine::Setup;
use vipdeck::kernel::Address;
use vipdeck::net::LinkName;
use vipdeck::sim::World;
use vipdeck::status::{AlarmKind, Dataplane, DataplaneKind, Mode, Role, Snapshot};
use vipdeck::vrrp::{Spec, Vrid};

const NAMES: [&str; 3] = ["lb-a", "lb-b", "lb-c"];
const PRIORITIES: [u8; 3] = [150, 120, 80];
const INTERVAL: Duration = Duration::from_secs(1);
/// Engines publish at most once in this, consoles draw as often.
const STEP: Duration = Duration::from_millis(100);

struct Watched {
    world: World,
    console: Console,
    /// A host that is crashed: its link is closed.
    dead: Option<usize>,
}

fn setup(node: usize) -> Setup {
    let link = LinkName::new("eth0").unwrap();
    let mut spec = Spec::new("edge", link.clone(), Vrid::new(51).unwrap());
    (spec.priority, spec.interval) = (PRIORITIES[node], INTERVAL);
    spec.addresses = vec![Address::new(link, "192.168.10.200/24".parse().unwrap())];
    let mut config = Config { router_id: Some(NAMES[node].into()), ..Config::default() };
    config.instances.push(spec);
    Setup {
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
    }
}

impl Watched {
    fn settled() -> Self {
        let mut world = World::new(7, 1_795_349_071_000_000);
        for node in 0..NAMES.len() {
            let address = Ipv4Addr::new(192, 168, 10, 11 + node as u8);
            let host = world.add_host(address, LinkName::new("eth0").unwrap(), setup(node));
            world.start(host);
        }
        let mut watched = Self { world, console: Console::of(DARK, Mode::Live, false, &NAMES), dead: None };
        for node in 0..NAMES.len() {
            watched.console.tell(Msg::Link { node, link: Link::Live });
        }
        watched.go_on(Duration::from_secs(12));
        assert_eq!(watched.masters(), ["lb-a"]);
        watched
    }

    /// Runs the world, and tells the console what each engine that lives publishes.
    fn go_on(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / STEP.as_millis() {
            self.world.run_for(STEP);
            self.console.pass(STEP.as_micros() as u64);
            for node in 0..NAMES.len() {
                let events = self.world.take_events(node).into_iter().map(Arc::new).collect();
                if let Some(snapshot) = self.said(node) {
                    self.console.tell(Msg::Events { node, events });
                    self.console.tell(Msg::Snapshot { node, snapshot: Some(Arc::new(snapshot)) });
                }
            }
        }
    }

    fn said(&mut self, node: usize) -> Option<Snapshot> {
        (self.dead != Some(node)).then(|| self.world.snapshot(node))?
    }

    fn kill(&mut self, node: usize) {
        self.world.crash(node);
        self.dead = Some(node);
        self.console.tell(Msg::Link { node, link: Link::Lost { since: 0, why: "the link broke".into() } });
    }

    /// By the engines themselves.
    fn masters(&mut self) -> Vec<&'static str> {
        let is_master = |s: &Snapshot| s.instances[0].state == Role::Master;
        (0..NAMES.len()).filter(|n| self.said(*n).is_some_and(|s| is_master(&s))).map(|n| NAMES[n]).collect()
    }

    /// By the screen: the row of the one instance.
    fn row(&self) -> String {
        self.console.screen().lines().find(|l| l.contains("edge")).unwrap().to_owned()
    }

    fn shown_masters(&self) -> usize {
        self.row().matches(&State::Master.label()).count()
    }
}

// console-design 1.2 1
#[test]
fn of_three_nodes_one_is_killed_and_the_screen_is_right_within_two_intervals() {
    let mut watched = Watched::settled();
    assert!(watched.row().contains("● MASTER 150") && watched.console.screen().contains("3/3 nodes fresh"));
    watched.kill(0);
    watched.go_on(INTERVAL * 2);
    let row = watched.row();
    assert!(row.contains("? STALE") && watched.shown_masters() == 0, "nobody is MASTER yet: {row}");
    let mut waited = Duration::ZERO;
    while watched.masters().is_empty() {
        watched.go_on(STEP);
        waited += STEP;
        assert!(waited < INTERVAL * 4, "lb-b takes over");
    }
    watched.go_on(INTERVAL * 2);
    let row = watched.row();
    assert!(row.contains("● MASTER 120") && row.contains("? STALE") && row.contains("○ BACKUP 80"), "{row}");
    assert!(row.contains("lb-b") && watched.console.screen().contains("2/3 nodes fresh"), "{row}");
    // It comes back, and takes the address back.
    watched.world.revive(0);
    watched.dead = None;
    watched.console.tell(Msg::Link { node: 0, link: Link::Live });
    while watched.masters() != ["lb-a"] {
        watched.go_on(STEP);
    }
    watched.go_on(INTERVAL * 2);
    let row = watched.row();
    assert!(row.contains("● MASTER 150") && row.contains("○ BACKUP 120") && !row.contains("STALE"), "{row}");
}

// console-design 1.2 14
#[test]
fn an_engine_that_was_stopped_for_two_seconds_says_that_it_was_its_own_doing() {
    let mut watched = Watched::settled();
    watched.world.pause(1, Duration::from_secs(5));
    watched.go_on(Duration::from_secs(6));
    let alarms = facts::alarms(&watched.console.model.live);
    let late: Vec<_> = alarms.iter().filter(|a| a.kind == AlarmKind::Late).collect();
    assert!(late.len() == 1 && late[0].nodes == ["lb-b"] && late[0].meaning.contains("own doing"), "{alarms:?}");
    assert_eq!(watched.masters(), ["lb-a"], "it took nothing over for it");
    let screen = watched.console.keys("4").screen();
    assert!(screen.contains("woke") && screen.contains("late"), "{screen}");
}
