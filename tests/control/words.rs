//! A snapshot and events to serve.

use std::net::SocketAddr;
use vipdeck::kernel::{Forwarding, Scheduler, ServiceKey};
use vipdeck::net::LinkName;
use vipdeck::status::{
    Admin, Dataplane, DataplaneKind, Event, Health, Heard, Instance, Node, Presence, Real, Role, SCHEMA, Service,
    Severity, Snapshot, Subject, Term, Verdict, Vip,
};
use vipdeck::time::{Duration, Instant};

pub(crate) const WALL_US: u64 = 1_700_000_000_000_000;

/// A MASTER with one address and one virtual service of two real servers.
pub(crate) fn snapshot(name: &str, pid: u32) -> Snapshot {
    let at = Instant::from_micros(100_000_000);
    Snapshot {
        schema: SCHEMA,
        api: vipdeck::status::API,
        revision: 1,
        at,
        wall_us: WALL_US + at.as_micros(),
        node: Node {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid,
            engine_pid: pid,
            guarded: true,
            restarts: 0,
            started_at: Instant::ZERO,
            uptime: Duration::from_secs(100),
            dataplane: Dataplane { kind: DataplaneKind::Ipvs, note: None },
            config: "/etc/keepalived/keepalived.conf".into(),
            links: Vec::new(),
            stopping: false,
        },
        instances: vec![instance()],
        defaults: Vec::new(),
        services: vec![service()],
        scripts: Vec::new(),
        bfd: vipdeck::status::Bfd::default(),
        wire: vipdeck::status::Wire::default(),
        files: Vec::new(),
        processes: Vec::new(),
        statics: Vec::new(),
        findings: Vec::new(),
        alarms: vec![],
        acknowledged: vec![],
        intents: vipdeck::status::Intents::default(),
        configuration: None,
        actions: Vec::new(),
        locks: Vec::new(),
        counters: vipdeck::status::Counters::default(),
        last_event: 0,
        unread: Vec::new(),
    }
}

fn instance() -> Instance {
    Instance {
        name: "VI_1".into(),
        vrid: 51,
        interface: LinkName::new("eth0").unwrap(),
        version: 2,
        group: None,
        state: Role::Master,
        since: Instant::from_micros(4_000_000),
        hold: None,
        takeover: None,
        election: None,
        yielding: false,
        base_priority: 150,
        effective_priority: 150,
        terms: vec![Term { label: "base".into(), value: 150, note: None }],
        tracks: Vec::new(),
        preempt: true,
        source: Some("192.0.2.11".parse().unwrap()),
        advert_interval: Duration::from_secs(1),
        skew: Duration::from_millis(414),
        master_down: Duration::from_millis(3414),
        master: None,
        heard: Vec::new(),
        next_advert_at: None,
        master_down_at: None,
        announce_at: None,
        vips: vec![Vip {
            net: "192.0.2.10/24".parse().unwrap(),
            link: LinkName::new("eth0").unwrap(),
            label: None,
            present: Presence::Yes,
            wanted: true,
        }],
        moves: Vec::new(),
        virtual_links: Vec::new(),
        firewall: None,
        faults: Vec::new(),
        transitions: Vec::new(),
        transitions_total: 0,
        became_master: 0,
        released_master: 0,
        settings: Vec::new(),
        adverts_sent: 0,
        adverts_heard: 0,
        adverts_refused: 0,
        announcements_sent: 0,
        packets: vipdeck::status::PacketErrors::default(),
    }
}

pub(crate) fn peer(at: Instant) -> Heard {
    let address = "192.0.2.12".parse().unwrap();
    Heard { address, priority: 100, at, interval: Duration::from_secs(1) }
}

fn service() -> Service {
    Service {
        id: ServiceKey::tcp("192.0.2.10".parse().unwrap(), 80),
        scheduler: Scheduler::Rr,
        forwarding: Forwarding::Dr,
        persistence: None,
        present: Some(true),
        serving: Some(true),
        instance: Some("VI_1".into()),
        group: None,
        quorum: None,
        quorum_reasons: std::sync::Arc::default(),
        sorry: None,
        reals: vec![real("192.0.2.21:80"), real("192.0.2.22:80")],
    }
}

fn real(address: &str) -> Real {
    let id: SocketAddr = address.parse().unwrap();
    Real {
        id,
        forwarding: Forwarding::Dr,
        weight_configured: 1,
        weight_asked: None,
        weight_effective: Some(1),
        weight_kernel: Some(1),
        health: Health {
            verdict: Verdict::Up,
            since: Instant::from_micros(5_000_000),
            method: Some("TCP_CHECK".into()),
            last: None,
            failing: 0,
            retry: 1,
            next_at: None,
            reasons: std::sync::Arc::default(),
        },
        checks: Vec::new(),
        admin: Admin::Ready,
        drain: None,
        active: Some(7),
        inactive: None,
        sticky: None,
        rising: None,
        rate: None,
        rates: Vec::new(),
        connections_total: None,
        bytes_in: None,
        bytes_out: None,
        packets_in: None,
        packets_out: None,
        counted_at: None,
    }
}

pub(crate) fn event(seq: u64) -> Event {
    Event {
        seq,
        reasons: std::sync::Arc::default(),
        at: Instant::from_micros(seq * 1000),
        wall_us: WALL_US + seq * 1000,
        node: "lvs1".into(),
        subject: Subject::Instance("VI_1".into()),
        severity: Severity::Notice,
        kind: "state".into(),
        text: format!("event number {seq}"),
        cause: Some("the test".into()),
    }
}
