//! The routes, as any HTTP client sees them.

use crate::fake::{Fake, World};
use crate::raw::{self, Lines};
use serde_json::Value;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vipdeck::control::server::serve;
use vipdeck::control::{Access, Board};
use vipdeck::status::Snapshot;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn the_status_is_the_snapshot() {
    let fake = Fake::start(World::Obliging);
    let (code, body) = raw::get(&fake.path, "/v1/status");
    assert_eq!(code, 200);
    let snapshot: Snapshot = serde_json::from_str(&body).unwrap();
    assert_eq!(snapshot.node.name, "lvs1");
    assert_eq!(raw::get(&fake.path, "/v1").0, 200);
}

#[test]
fn curl_can_ask_as_documented() {
    if Command::new("curl").arg("--version").output().is_err() {
        writeln!(std::io::stderr(), "skipped: there is no curl").unwrap();
        return;
    }
    let fake = Fake::start(World::Obliging);
    let socket = fake.path.to_str().unwrap();
    let curl = |arguments: &[&str]| {
        let output =
            Command::new("curl").args(["-s", "--max-time", "10", "--unix-socket", socket]).args(arguments).output();
        json(std::str::from_utf8(&output.unwrap().stdout).unwrap())
    };
    assert_eq!(curl(&["http://x/v1/status"])["node"]["name"], "lvs1");
    let reply = curl(&["-d", r#"{"command":"demote","instance":"VI_1","reason":"patch"}"#, "http://x/v1/commands"]);
    assert_eq!(reply["result"], "accepted");
    assert_eq!(fake.asked.lock().unwrap().first().unwrap().reason.as_deref(), Some("patch"));
}

#[test]
fn without_a_snapshot_or_an_engine_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let (requests, inbox) = tokio::sync::mpsc::channel(1);
    drop(inbox);
    let _server = serve(Arc::new(Board::default()), requests, &path, &Access::default()).unwrap();
    let (code, body) = raw::get(&path, "/v1/status");
    assert_eq!((code, json(&body)["error"].as_str().unwrap().contains("no snapshot yet")), (503, true));
    let (code, body) = raw::post(&path, br#"{"command":"restore","instance":"VI_1"}"#);
    assert_eq!((code, json(&body)["error"].as_str().unwrap().contains("stopping")), (503, true));
}

#[test]
fn commands_are_accepted_rejected_or_explained_and_the_actor_is_the_peer() {
    let fake = Fake::start(World::Obliging);
    let lie = br#"{"command":"demote","instance":"VI_1","actor":{"user":"mallory","from":"nowhere"}}"#;
    let (code, body) = raw::post(&fake.path, lie);
    assert_eq!((code, json(&body)["result"].as_str()), (200, Some("accepted")));
    let actor = fake.asked.lock().unwrap().first().unwrap().actor.clone();
    assert_eq!(actor.from, "local socket");
    assert_ne!(actor.user, "mallory");
    let (code, body) = raw::post(&fake.path, br#"{"command":"demote","instance":"VI_9"}"#);
    assert_eq!((code, json(&body)["result"].as_str()), (409, Some("rejected")));
    let (code, body) = raw::post(&fake.path, br#"{"command":"demolish"}"#);
    assert_eq!((code, json(&body)["error"].as_str().unwrap().contains("expected one of")), (400, true));
    assert_eq!(fake.asked.lock().unwrap().len(), 2, "what is not understood does not reach the engine");
}

#[test]
fn mistakes_are_json_with_a_sentence() {
    let fake = Fake::start(World::Obliging);
    for (uri, code) in [
        ("/v2", 404),
        ("/v1/commands", 405),
        ("/v1/events?after=x", 400),
        ("/v1/events?folow=true", 400),
        ("/v1/stream?after=-1", 400),
    ] {
        let (got, body) = raw::get(&fake.path, uri);
        assert_eq!(got, code, "{uri}");
        assert!(json(&body)["error"].is_string(), "{uri}: {body}");
    }
}

#[test]
fn events_come_as_an_array_after_a_number() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=5);
    let (code, body) = raw::get(&fake.path, "/v1/events?after=3");
    let numbers: Vec<_> = json(&body).as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!((code, numbers), (200, vec![4, 5]));
}

#[test]
fn a_live_stream_resumes_after_the_last_event_id() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=5);
    let mut lines = Lines::of(&fake.path, "/v1/events?follow=true", "Last-Event-ID: 3\r\n");
    assert_eq!(lines.next("id:").unwrap(), "4");
    assert_eq!(lines.next("id:").unwrap(), "5");
    fake.record(6..=6);
    assert_eq!(lines.next("event:").unwrap(), "event");
    assert_eq!(json(&lines.next("data:").unwrap())["seq"], 6);
    assert_eq!(lines.next(": "), Some("still here".into()), "an idle stream says so");
}

#[test]
fn lost_events_are_a_gap() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=5000);
    let mut lines = Lines::of(&fake.path, "/v1/events?follow=true&after=10", "");
    assert_eq!(lines.next("event:").unwrap(), "gap");
    let gap = json(&lines.next("data:").unwrap());
    assert_eq!((&gap["after"], &gap["next"], &gap["lost"]), (&10.into(), &905.into(), &894.into()));
    assert_eq!(lines.next("id:").unwrap(), "905");
}

#[test]
fn a_number_of_an_earlier_life_starts_over() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=3);
    let mut lines = Lines::of(&fake.path, "/v1/stream?after=999", "");
    // The papers of the node come between them as they are made.
    let all = std::iter::from_fn(|| Some(lines.next("event:").unwrap()));
    let names: Vec<_> = all.filter(|name| name != "audit" && name != "configuration").take(6).collect();
    assert_eq!(names, ["snapshot", "gap", "event", "event", "event", "snapshot"]);
}

#[test]
fn snapshots_come_at_most_ten_times_a_second_and_the_latest_wins() {
    let fake = Fake::start(World::Obliging);
    let mut lines = Lines::of(&fake.path, "/v1/stream", "");
    let began = Instant::now();
    let mut revisions = Vec::new();
    while began.elapsed() < Duration::from_secs(1) {
        fake.record(1..=1);
        if let Some(text) = lines.next("data: {\"schema\"") {
            let revision = text.split("\"revision\":").nth(1).and_then(|t| t.split(',').next());
            revisions.push(revision.unwrap().parse::<u64>().unwrap());
        }
    }
    assert!(revisions.len() <= 14, "{revisions:?}");
    assert!(revisions.is_sorted() && revisions.last() > revisions.first(), "{revisions:?}");
}

#[test]
fn stopping_ends_the_streams_and_removes_the_socket() {
    let mut fake = Fake::start(World::Obliging);
    let mut streams: Vec<_> = (0..5).map(|_| Lines::of(&fake.path, "/v1/stream", "")).collect();
    for stream in &mut streams {
        assert_eq!(stream.next("event:").unwrap(), "snapshot");
    }
    let began = Instant::now();
    fake.stop_serving();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    for stream in &mut streams {
        while stream.next("event:").is_some() {}
    }
    assert_eq!(std::fs::read_dir(fake.directory()).unwrap().count(), 0, "socket and lock are gone");
}

#[test]
fn a_second_engine_at_the_same_socket_is_told_who_is_there() {
    let fake = Fake::start(World::Obliging);
    let (requests, _inbox) = tokio::sync::mpsc::channel(1);
    let error = serve(Arc::new(Board::default()), requests, &fake.path, &Access::default()).unwrap_err();
    assert!(format!("{error:#}").contains(&format!("pid {}", std::process::id())), "{error:#}");
    assert_eq!(raw::get(&fake.path, "/v1/status").0, 200, "the first one goes on");
}
