#![expect(clippy::wildcard_enum_match_arm, reason = "what is not looked at")]

use super::*;
use crate::conf::{self, Memory};
use crate::engine::{Effect, Input, Legacy, Setup};
use crate::health::Found;
use crate::kernel::{Change, ObservedTable};
use crate::status::{Dataplane, DataplaneKind};
use crate::time::Duration;
use std::fmt::Write;
use std::path::Path;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn engine(globals: &str, service: &str) -> Engine {
    engine_of(&text(globals, service))
}

fn text(globals: &str, service: &str) -> String {
    format!(
        "global_defs {{\nrouter_id n\n{globals}\n}}\nvirtual_server 192.0.2.10 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
         warmup 0\ndelay_loop 1\n{service}\nreal_server 192.0.2.21 80 {{\nretry 1\nTCP_CHECK {{\n}}\n}}\n}}\n"
    )
}

fn engine_of(text: &str) -> Engine {
    engine_after(text, None)
}

fn engine_after(text: &str, legacy: Option<Legacy>) -> Engine {
    let (config, diagnostics, _) = conf::parse(Path::new("x"), &Memory::one("x", text));
    assert!(diagnostics.iter().all(|d| d.severity < conf::Severity::Error), "{diagnostics:?}");
    Engine::new(Setup {
        config,
        host: "n".into(),
        config_path: "x".into(),
        pid: 1,
        seed: 1,
        wall_zero_us: 0,
        dataplane: Dataplane { kind: DataplaneKind::Ipvs, note: None },
        uptime: Duration::ZERO,
        lease: None,
        probe_addresses: false,
        guard: None,
        legacy,
    })
}

/// The table's side: carries out what is asked for and shows it.
fn settle(engine: &mut Engine, now: Instant, table: &mut ObservedTable, effects: Vec<Effect>) {
    for effect in effects {
        let Effect::Table(steps) = effect else { continue };
        for step in &steps {
            match step {
                Change::AddService(key, service) => {
                    let entry = table.services.entry(*key).or_default();
                    entry.scheduler = service.scheduler.to_string();
                }
                Change::AddDestination(key, to, how) | Change::EditDestination(key, to, how) => {
                    let entry = table.services.entry(*key).or_default().destinations.entry(*to).or_default();
                    (entry.forwarding, entry.weight) = (Some(how.forwarding), how.weight);
                }
                Change::RemoveDestination(key, to) => {
                    table.services.entry(*key).or_default().destinations.remove(to);
                }
                other => panic!("{other}"),
            }
        }
        let _ = engine.handle(now, Input::TableDone(Vec::new()));
    }
    let _ = engine.handle(now, Input::Table(table.clone()));
}

/// Ten thousand real servers, in one service and in many.
#[test]
fn a_large_table_is_compared_in_little_time() {
    for (services, reals) in [(1_u32, 10_000_u32), (1000, 10)] {
        let mut text = String::new();
        for service in 0..services {
            let vip = std::net::Ipv4Addr::from(0x0a00_0001 + service);
            let _ = writeln!(text, "virtual_server {vip} 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP");
            for real in 0..reals {
                let address = std::net::Ipv4Addr::from(0x0b00_0001 + service * reals + real);
                let _ = writeln!(text, "real_server {address} 80 {{\n}}");
            }
            text.push_str("}\n");
        }
        let (mut engine, mut table) = (engine_of(&text), ObservedTable::default());
        let effects = engine.handle(at(0), Input::Table(table.clone()));
        settle(&mut engine, at(1), &mut table, effects);
        let begun = crate::sys::clock::Clock::start();
        table.fingerprint = Some(table.structure());
        let _ = engine.handle(at(2), Input::Table(table.clone()));
        for second in 1..11 {
            assert_eq!(engine.handle(at(second * 1000), Input::Table(table.clone())), []);
        }
        let each = begun.now().since(Instant::ZERO) / 10;
        println!("{services} services: {each:?} a reading");
        assert!(each < Duration::from_millis(250), "{each:?}");
    }
}

fn fail(engine: &mut Engine, now: Instant) -> Vec<Effect> {
    let started = engine.handle(now, Input::Deadline);
    let Some(Effect::Check { id, .. }) = started.iter().find(|e| matches!(e, Effect::Check { .. })) else {
        panic!("{started:?}")
    };
    engine.handle(now, Input::Checked { id: *id, found: Found::bad("connection refused") })
}

#[test]
fn a_server_that_was_down_stays_out_in_the_next_life() {
    let text = text("", "");
    let mut before = engine_of(&text);
    let _ = before.handle(at(0), Input::Table(ObservedTable::default()));
    let _ = fail(&mut before, at(0));
    let _ = before.handle(at(1000), Input::Table(ObservedTable::default()));
    let legacy = Legacy { node: before.take_node_record().unwrap(), now: at(2000), lives: 1, ..Legacy::default() };
    let mut after = engine_after(&text, Some(legacy));
    let effects = after.handle(at(2000), Input::Table(ObservedTable::default()));
    let Some(Effect::Table(steps)) = effects.iter().find(|e| matches!(e, Effect::Table(_))) else {
        panic!("{effects:?}")
    };
    assert!(!steps.iter().any(|step| matches!(step, Change::AddDestination(..))), "{steps:?}");
    // It is asked again at once, and comes back by its own answer.
    let started = after.handle(at(2000), Input::Deadline);
    assert!(started.iter().any(|e| matches!(e, Effect::Check { .. })), "{started:?}");
}

/// As keepalived 2.2.7 words them, but for the cause.
#[test]
fn mail_about_servers_and_services_has_keepalived_s_words() {
    let globals = "smtp_server 127.0.0.1\nnotification_email {\na@example.org\n}";
    let mut engine = engine(globals, "smtp_alert\nsorry_server 192.0.2.99 80");
    let subjects = |effects: &[Effect]| -> Vec<String> {
        let of = |effect: &Effect| match effect {
            Effect::Mail(letter) => Some(format!("{} / {}", letter.subject, letter.body.join(" "))),
            _ => None,
        };
        effects.iter().filter_map(of).collect()
    };
    let first = engine.handle(at(0), Input::Table(ObservedTable::default()));
    let up = "[n] Virtualserver [192.0.2.10]:tcp:80 - UP / => Starting with quorum up 1+0=1 <= 1 <=";
    assert_eq!(subjects(&first), [up]);
    let down = fail(&mut engine, at(0));
    let expected = [
        "[n] Realserver [192.0.2.21]:tcp:80 of virtual server [192.0.2.10]:tcp:80 - DOWN / => TCP CHECK failed on service <= \
         Cause: connection refused",
        "[n] Virtualserver [192.0.2.10]:tcp:80 - DOWN / => Lost quorum 1-0=1 > 0 <=",
    ];
    assert_eq!(subjects(&down), expected);
}

#[test]
fn what_somebody_else_changed_is_left_so_when_that_is_set() {
    let mut engine = engine("", "");
    engine.adopt_drift(true);
    let mut table = ObservedTable::default();
    let effects = engine.handle(at(0), Input::Table(table.clone()));
    settle(&mut engine, at(1), &mut table, effects);
    let key = "tcp/192.0.2.10:80".parse().unwrap();
    let real = "192.0.2.21:80".parse().unwrap();
    let entry = |table: &mut ObservedTable| *table.services[&key].destinations.get(&real).unwrap();
    assert_eq!(entry(&mut table).weight, 1);
    // Somebody sets another weight.
    table.services.get_mut(&key).unwrap().destinations.get_mut(&real).unwrap().weight = 7;
    for second in 1..30 {
        let effects = engine.handle(at(second * 1000), Input::Table(table.clone()));
        assert_eq!(effects, [], "it is left so");
    }
    let snapshot = engine.snapshot(at(30_000));
    assert_eq!(snapshot.counters.table_drifts, 1);
    assert!(snapshot.findings.iter().any(|f| f.kind == "table-drift"), "{:?}", snapshot.findings);
    // Until it is to change anyway.
    let effects = fail(&mut engine, at(31_000));
    settle(&mut engine, at(31_001), &mut table, effects);
    assert!(!table.services[&key].destinations.contains_key(&real));
}

#[test]
fn what_somebody_else_changed_is_repaired_and_told() {
    let mut engine = engine("", "");
    let mut table = ObservedTable::default();
    let effects = engine.handle(at(0), Input::Table(table.clone()));
    settle(&mut engine, at(1), &mut table, effects);
    let key = "tcp/192.0.2.10:80".parse().unwrap();
    table.services.get_mut(&key).unwrap().destinations.clear();
    let effects = engine.handle(at(1000), Input::Table(table.clone()));
    assert!(matches!(&effects[..], [Effect::Table(steps)] if steps.len() == 1), "{effects:?}");
    settle(&mut engine, at(1001), &mut table, effects);
    let events = engine.take_events();
    let told = events.iter().find(|e| e.kind == "drift").expect("an event");
    assert!(told.text.contains("repaired: add real server 192.0.2.21:80"), "{}", told.text);
    assert!(engine.handle(at(2000), Input::Table(table.clone())).is_empty());
}
