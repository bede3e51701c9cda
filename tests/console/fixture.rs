//! The dual-master cluster of the tutorial as snapshots, and a console on a clock of its own.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use vipdeck::console::keymap::{Key, Keymap};
use vipdeck::console::model::{Link, Model, Setup};
use vipdeck::console::screens;
use vipdeck::console::theme::{self, Depth};
use vipdeck::console::update::{Effect, Msg, update};
use vipdeck::kernel::{Forwarding, Scheduler, ServiceKey};
use vipdeck::net::{Family, LinkName};
use vipdeck::status::{
    Action, ActionState, Actor, Admin, AtDeadline, AuthSeen, Bfd, CheckResult, ClientView, Counters, Dataplane,
    DataplaneKind, Drain, Election, Event, Health, Heard, Hold, HoldKind, Instance, Mode, Neighbour, Node, Presence,
    Real, Reason, Reasons, Role, SCHEMA, ServerState, Service, Setting, SettingFrom, Severity, Snapshot, Stage,
    StageClock, StageNode, StageServer, Subject, Takeover, Term, Transition, Verdict, Vip, Wire, WireLink,
};
use vipdeck::time::Instant;

/// 2026-11-22 12:04:31 UTC.
pub(crate) const WALL: u64 = 1_795_349_071_000_000;

/// The clock of each engine when its snapshot was made.
pub(crate) const AT: u64 = 725_400_000;

pub(crate) fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

pub(crate) fn vip(instance: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, if instance == 1 { 20 } else { 21 }))
}

pub(crate) fn key(instance: u8) -> ServiceKey {
    ServiceKey::tcp(vip(instance), 80)
}

pub(crate) fn web(n: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10 + n)), 80)
}

pub(crate) fn link() -> LinkName {
    LinkName::new("eth0").unwrap()
}

pub(crate) fn actor() -> Actor {
    Actor { user: "ops1".into(), from: "local socket".into() }
}

/// VI_1 or VI_2 as `lvs1` or `lvs2` reports it.
#[expect(clippy::too_many_lines, reason = "one field a line")]
fn instance(node: u8, which: u8) -> Instance {
    let is_master = node == which;
    let (priority, other) = if is_master { (150, 2 - node + 1) } else { (100, which) };
    let micros = |s: f64| Duration::from_micros((s * 1e6) as u64);
    let skew = micros(f64::from(256 - u16::from(priority)) / 256.0);
    let heard = Heard {
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, other)),
        priority: 150,
        at: at(AT - 420_000),
        interval: Duration::from_secs(1),
    };
    let presence = if is_master { Presence::Yes } else { Presence::No };
    Instance {
        name: format!("VI_{which}"),
        vrid: 50 + which,
        interface: link(),
        version: 2,
        group: None,
        state: if is_master { Role::Master } else { Role::Backup },
        since: at(3_609_375),
        hold: None,
        yielding: false,
        base_priority: priority,
        effective_priority: priority,
        terms: vec![Term { label: "base".into(), value: i32::from(priority), note: None }],
        tracks: vec![],
        preempt: true,
        source: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, node))),
        advert_interval: Duration::from_secs(1),
        skew,
        master_down: Duration::from_secs(3) + skew,
        master: (!is_master).then_some(heard),
        heard: if is_master { vec![] } else { vec![heard] },
        next_advert_at: is_master.then(|| at(AT + 580_000)),
        master_down_at: (!is_master).then(|| at(AT - 420_000) + Duration::from_secs(3) + skew),
        announce_at: None,
        vips: vec![Vip {
            net: format!("{}/24", vip(which)).parse().unwrap(),
            link: link(),
            label: None,
            present: presence,
            wanted: is_master,
        }],
        moves: Vec::new(),
        virtual_links: vec![],
        firewall: None,
        faults: vec![],
        transitions: vec![Transition {
            at: at(3_609_375),
            from: if is_master { Role::Backup } else { Role::Init },
            to: if is_master { Role::Master } else { Role::Backup },
            cause: if is_master { "no advert for 3.414 s; none was ever heard" } else { "start" }.into(),
            reasons: reasons(is_master),
        }],
        takeover: is_master.then(|| Takeover {
            quiet_since: at(195_375),
            expected: Some(Duration::from_millis(3414)),
            noticed_at: at(3_609_375),
            master_at: at(3_609_375),
            added_at: Some(at(3_610_100)),
            announced_at: Some(at(3_610_100)),
        }),
        election: Some(Box::new(Election {
            down_adverts: 3,
            master_interval: Duration::from_secs(1),
            quiet_since: if is_master { at(195_375) } else { at(AT - 420_000) },
            ..Election::default()
        })),
        transitions_total: 1,
        became_master: 0,
        released_master: 0,
        settings: vec![
            setting("priority", if is_master { "150" } else { "100" }, Some((SettingFrom::File, 12))),
            setting("garp_master_delay", "10", Some((SettingFrom::Global, 3))),
        ],
        adverts_sent: if is_master { 722 } else { 0 },
        adverts_heard: if is_master { 0 } else { 722 },
        adverts_refused: 0,
        announcements_sent: if is_master { 10 } else { 0 },
        packets: vipdeck::status::PacketErrors::default(),
    }
}

/// Why an instance is what it is.
fn reasons(is_master: bool) -> Reasons {
    if is_master {
        return [
            Reason::follows(at(3_609_375), "no advert heard for 3.414 s"),
            Reason::follows(
                at(3_609_375),
                "the master-down timer of 3.414 s ran out: 3 adverts missed and the skew of 150",
            ),
            Reason::input(at(195_375), "silence", "from here on it listened, and heard no advert"),
        ]
        .into();
    }
    [
        Reason::follows(at(3_609_375), "link and trackers are good"),
        Reason::input(at(3_609_375), "link", "the kernel told: eth0 is up"),
    ]
    .into()
}

/// Each node hears the other's adverts.
fn wire(node: u8) -> Wire {
    let free = WireLink {
        link: link(),
        family: Family::V4,
        groups: vec![IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18))],
        free_vrid: Some(1),
    };
    let other = 3 - node;
    let peer = neighbour(50 + other, other, Some(format!("VI_{other}")));
    Wire { links: vec![free], neighbours: vec![peer], untold: 0 }
}

/// Somebody at 10.0.0.`last` who advertises `vrid`.
pub(crate) fn neighbour(vrid: u8, last: u8, instance: Option<String>) -> Neighbour {
    Neighbour {
        link: link(),
        vrid,
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
        version: 2,
        priority: 150,
        interval: Duration::from_secs(1),
        auth: AuthSeen::None,
        multicast: true,
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, vrid - 31))],
        address_count: 1,
        first: at(3_609_375),
        at: at(AT - 420_000),
        adverts: 722,
        lost: 0,
        counts: instance.is_some(),
        instance,
        conflict: None,
    }
}

fn setting(name: &'static str, value: &'static str, written: Option<(SettingFrom, u32)>) -> Setting {
    let place = written.map(|(_, line)| format!("/etc/keepalived/keepalived.conf:{line}"));
    let from = written.map_or(SettingFrom::Default, |(from, _)| from);
    Setting { name: name.into(), value: value.into(), from, place }
}

fn real(n: u8, serving: bool) -> Real {
    let rates: Vec<u32> =
        (0..60u32).map(|i| if serving { 20 + i.abs_diff(20 + u32::from(n) * 9) + i * 5 % 7 } else { 0 }).collect();
    Real {
        id: web(n),
        forwarding: Forwarding::Dr,
        weight_configured: 1,
        weight_asked: None,
        weight_effective: Some(1),
        weight_kernel: Some(1),
        health: Health {
            verdict: Verdict::Up,
            since: at(1_200_000),
            method: Some("TCP_CHECK".into()),
            last: Some(CheckResult {
                at: at(AT - 2_100_000),
                good: true,
                detail: "connected in 1.3 ms".into(),
                took: Duration::from_micros(1300),
            }),
            failing: 0,
            retry: 2,
            next_at: Some(at(AT + 3_900_000)),
            reasons: [Reason::input(at(1_200_000), "check", "TCP_CHECK: connected in 1.3 ms")].into(),
        },
        checks: Vec::new(),
        admin: Admin::Ready,
        drain: None,
        active: Some(if serving { 12 } else { 0 }),
        inactive: Some(if serving { 31 } else { 0 }),
        sticky: Some(0),
        rising: None,
        rate: Some(if serving { 49.0 + f64::from(n) } else { 0.0 }),
        rates,
        connections_total: Some(if serving { 35_120 } else { 0 }),
        bytes_in: Some(9_412_000),
        bytes_out: None,
        packets_in: Some(61_000),
        packets_out: None,
        counted_at: Some(at(AT - 200_000)),
    }
}

pub(crate) fn snapshot(node: u8) -> Snapshot {
    let service = |which: u8| Service {
        id: key(which),
        scheduler: Scheduler::Rr,
        forwarding: Forwarding::Dr,
        persistence: None,
        present: Some(true),
        serving: Some(node == which),
        instance: Some(format!("VI_{which}")),
        group: None,
        quorum: None,
        quorum_reasons: Reasons::default(),
        sorry: None,
        reals: vec![real(1, node == which), real(2, node == which)],
    };
    Snapshot {
        schema: SCHEMA,
        api: vipdeck::status::API,
        revision: 4000,
        at: at(AT),
        wall_us: WALL,
        node: Node {
            name: format!("lvs{node}"),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: 4000 + u32::from(node),
            engine_pid: 4001 + u32::from(node),
            guarded: true,
            restarts: 0,
            started_at: Instant::ZERO,
            uptime: Duration::from_micros(AT),
            dataplane: Dataplane { kind: DataplaneKind::Ipvs, note: None },
            config: format!("/etc/keepalived/lvs{node}.conf"),
            links: vec![],
            stopping: false,
        },
        instances: vec![instance(node, 1), instance(node, 2)],
        defaults: [("priority", "100"), ("advert_int", "1"), ("preempt", "on"), ("garp_master_delay", "5")]
            .map(|(name, value)| setting(name, value, None))
            .to_vec(),
        services: vec![service(1), service(2)],
        scripts: vec![],
        bfd: Bfd::default(),
        wire: wire(node),
        files: vec![],
        processes: vec![],
        statics: vec![],
        findings: vec![],
        alarms: vec![],
        acknowledged: vec![],
        intents: vipdeck::status::Intents::default(),
        configuration: None,
        actions: Vec::new(),
        locks: Vec::new(),
        counters: Counters::default(),
        last_event: 3,
        unread: Vec::new(),
    }
}

pub(crate) fn events(node: u8) -> Vec<Arc<Event>> {
    let name = format!("lvs{node}");
    let event = |seq: u64, at_us: u64, subject: Subject, kind: &str, text: &str, cause: &str| {
        Arc::new(Event {
            seq,
            at: at(at_us),
            wall_us: WALL - AT + at_us + u64::from(node) * 1000,
            node: name.clone(),
            subject,
            severity: if kind == "state" { Severity::Notice } else { Severity::Info },
            kind: kind.into(),
            text: text.into(),
            cause: (!cause.is_empty()).then(|| cause.into()),
            reasons: match kind {
                "state" => reasons(true),
                "start" => [Reason::input(at(at_us), "start", "this engine started")].into(),
                _ => [Reason::input(at(at_us), "kernel", format!("the kernel did: {text}"))].into(),
            },
        })
    };
    let own = Subject::Instance(format!("VI_{node}"));
    let address = format!("+ {}/24 on eth0", vip(node));
    vec![
        event(1, 200_000, Subject::Node, "start", "engine started", "configuration lvs.conf, 2 instances"),
        event(2, 3_609_375, own.clone(), "state", "BACKUP → MASTER", "no advert for 3.414 s; none was ever heard"),
        event(3, 3_610_100, own, "address", &address, "MASTER"),
    ]
}

pub(crate) fn hold(kind: HoldKind) -> Hold {
    Hold::new(kind, at(AT - 63_000_000), actor(), Some("kernel patch".into()))
}

/// Something that an operator did a minute ago, and that can be undone.
pub(crate) fn action(id: u64, verb: &str, on: &str, line: &str) -> Action {
    Action {
        id,
        verb: verb.into(),
        on: on.into(),
        line: line.into(),
        by: actor(),
        reason: Some("kernel patch".into()),
        at_us: WALL - 60_000_000,
        state: ActionState::Done,
        keep_until_us: None,
        gives_back: Some("priority 150 and eligibility".into()),
        does_not: Some("bring back sessions that were reset".into()),
        since: vec![],
    }
}

pub(crate) fn draining(real: &mut Real, active: u32) {
    real.weight_asked = Some(0);
    real.weight_effective = Some(0);
    real.weight_kernel = Some(0);
    real.admin = if active == 0 { Admin::Drained } else { Admin::Drain };
    real.active = Some(active);
    real.drain = Some(Drain {
        since: at(AT - 21_000_000),
        by: actor(),
        reason: Some("CHG-1042".into()),
        active_at_start: Some(12),
        drained_at: (active == 0).then(|| at(AT - 4_000_000)),
        before: Duration::ZERO,
        drained_before: Duration::ZERO,
        deadline_at: None,
        then: AtDeadline::Ask,
        overdue: false,
        ignores_persistence: false,
        ending_per_second: (active > 0).then_some(0.25),
        empty_in: (active > 0).then(|| Duration::from_secs(u64::from(active) * 4)),
    });
}

pub(crate) fn down(real: &mut Real) {
    real.health.verdict = Verdict::Down;
    real.health.since = at(AT - 9_000_000);
    real.health.failing = 0;
    real.weight_effective = None;
    real.weight_kernel = None;
    real.health.last = Some(CheckResult {
        at: at(AT - 1_000_000),
        good: false,
        detail: "connection refused".into(),
        took: Duration::from_micros(400),
    });
    (real.active, real.inactive, real.rate, real.rates) = (None, None, None, vec![]);
}

pub(crate) fn stage(lab: bool) -> Stage {
    let client = |which: u8| ClientView {
        address: key(which).address().unwrap(),
        asked: 3100,
        answered: 3080,
        answers: ["web1", "web2", "web1", "web2", "web1", "web2", "web1", "web2"].map(String::from).to_vec(),
        last_answer: Some(Duration::from_millis(12)),
        worst_outage: Duration::from_millis(3610),
        last_outage: (which == 1).then(|| Duration::from_millis(612)),
        outage_now: None,
        interval: Duration::from_millis(20),
    };
    Stage {
        scenario: "dual-master-dr".into(),
        clock: lab.then(|| StageClock { now: Duration::from_micros(AT), paused: false, speed: 1.0, seed: 42 }),
        nodes: [1, 2].map(|n| StageNode { name: format!("lvs{n}"), alive: true, cut: false }).into(),
        servers: [1, 2]
            .map(|n| StageServer { name: format!("web{n}"), address: web(n), state: ServerState::Running })
            .into(),
        clients: vec![client(1), client(2)],
    }
}

/// A console that is driven by hand.
pub(crate) struct Console {
    pub(crate) model: Model,
    pub(crate) effects: Vec<Effect>,
}

/// How a console looks.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) size: (u16, u16),
    pub(crate) theme: &'static str,
    pub(crate) depth: Depth,
    pub(crate) ascii: bool,
}

pub(crate) const DARK: Look = Look { size: (120, 36), theme: "dark", depth: Depth::Sixteen, ascii: false };

impl Look {
    pub(crate) const fn size(self, width: u16, height: u16) -> Self {
        Self { size: (width, height), ..self }
    }
}

impl Console {
    pub(crate) fn new(look: Look, mode: Mode, stage: bool) -> Self {
        Self::of(look, mode, stage, &["lvs1", "lvs2"])
    }

    pub(crate) fn of(look: Look, mode: Mode, stage: bool, labels: &[&str]) -> Self {
        let setup = Setup {
            title: "dual-master-dr".into(),
            mode,
            owns_engine: false,
            view_only: false,
            ascii: look.ascii,
            has_stage: stage,
            labels: labels.iter().map(|l| (*l).into()).collect(),
            themes: theme::all(look.depth).unwrap(),
            theme: look.theme.into(),
            keymap: Keymap::load(None).unwrap(),
            zone: jiff::tz::TimeZone::UTC,
            size: Size { width: look.size.0, height: look.size.1 },
        };
        let mut console = Self { model: Model::new(setup).unwrap(), effects: vec![] };
        console.pass(1_000_000);
        console
    }

    /// The healthy cluster, attached to.
    pub(crate) fn live(look: Look) -> Self {
        let mut console = Self::new(look, Mode::Live, false);
        console.connect();
        console.show(snapshot(1), snapshot(2));
        console
    }

    /// The healthy cluster in the demo (`Mode::Lab`) or in the lab.
    pub(crate) fn staged(look: Look, mode: Mode) -> Self {
        let mut console = Self::new(look, mode, true);
        console.connect();
        console.tell(Msg::Stage(stage(mode == Mode::Lab)));
        console.show(snapshot(1), snapshot(2));
        console
    }

    fn connect(&mut self) {
        for node in 0..2 {
            self.tell(Msg::Link { node, link: Link::Live });
            self.tell(Msg::Events { node, events: events(node as u8 + 1) });
        }
    }

    pub(crate) fn show(&mut self, first: Snapshot, second: Snapshot) {
        for (node, snapshot) in [first, second].into_iter().enumerate() {
            self.tell(Msg::Snapshot { node, snapshot: Some(Arc::new(snapshot)) });
        }
    }

    pub(crate) fn tell(&mut self, msg: Msg) {
        self.effects.extend(update(&mut self.model, msg));
    }

    pub(crate) fn pass(&mut self, micros: u64) {
        let now = self.model.now + micros;
        self.tell(Msg::Tick { now, wall_us: WALL - 1_000_000 + now });
    }

    /// Keys as in `jD<Tab><Enter>`; `~` lets 400 ms pass.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            if first == '~' {
                self.pass(400_000);
                rest = &rest[1..];
                continue;
            }
            let (word, after) = match rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
                Some(split) => split,
                None => rest.split_at(first.len_utf8()),
            };
            rest = after;
            let key: Key = word.parse().unwrap();
            self.tell(Msg::Key(key));
        }
        self
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let size = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
        terminal.draw(|frame| screens::draw(&self.model, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The screen as text, without blanks at line ends.
    pub(crate) fn screen(&self) -> String {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width);
        let lines = buffer.content.chunks(width).map(|row| {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
