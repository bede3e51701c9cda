//! Engines of other versions than the program that asks them.

use crate::verbs::run;
use crate::words;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use vipdeck::control::{Connection, client, resolve};
use vipdeck::status::{API, Event, Role, Severity, Skew, Snapshot, Subject};

/// Answers as an engine of that version would.
#[derive(Clone)]
struct Other {
    snapshot: Value,
    events: Vec<Value>,
    /// What it says of its version, as header lines.
    headers: &'static str,
    /// To any command.
    refusal: &'static str,
}

impl Other {
    /// Serves until the test ends.
    fn serve(self) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let other = self.clone();
                std::thread::spawn(move || other.answer(&stream));
            }
        });
        (directory, path)
    }

    fn answer(&self, stream: &UnixStream) -> Option<()> {
        let mut lines = BufReader::new(stream);
        let mut request = String::new();
        lines.read_line(&mut request).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).ok()?;
            if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        lines.read_exact(&mut vec![0; length]).ok()?;
        let path = request.split(' ').nth(1)?;
        let (status, body) = match path.split('?').next()? {
            "/v1/status" => ("200 OK", self.snapshot.to_string()),
            "/v1/events" => ("200 OK", Value::from(self.events.clone()).to_string()),
            "/v1/stream" => {
                let mut stream = stream;
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").ok()?;
                write!(stream, "event: snapshot\ndata: {}\n\n", self.snapshot).ok()?;
                for event in &self.events {
                    write!(stream, "event: event\ndata: {event}\n\n").ok()?;
                }
                write!(stream, "event: hologram\ndata: {{\"depth\":3}}\n\n").ok()?;
                write!(stream, "event: snapshot\ndata: {}\n\n", self.snapshot).ok()?;
                std::thread::sleep(Duration::from_secs(3));
                return Some(());
            }
            "/v1/commands" => ("400 Bad Request", json!({ "error": self.refusal }).to_string()),
            _ => ("404 Not Found", json!({ "error": "there is nothing here" }).to_string()),
        };
        let (mut stream, headers, length) = (stream, self.headers, body.len());
        write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").ok()
    }
}

fn newer() -> Other {
    let mut snapshot = serde_json::to_value(words::snapshot("lb-a", 7)).unwrap();
    snapshot["api"] = json!(API + 5);
    snapshot["node"]["version"] = json!("9.1.0");
    snapshot["node"]["dataplane"]["kind"] = json!("quantum");
    snapshot["galaxy"] = json!({ "arms": [1, 2] });
    snapshot["instances"][0]["state"] = json!("ORACLE");
    snapshot["instances"][0]["vips"][0]["present"] = json!("perhaps");
    snapshot["services"][0]["reals"][0]["health"]["verdict"] = json!("tired");
    snapshot["services"][0]["reals"][0]["admin"] = json!("moved");
    // Not a word but another shape: this real server cannot be shown, all others can.
    snapshot["services"][0]["reals"][1]["weight_configured"] = json!({ "per_client": 3 });
    let mut event = serde_json::to_value(words::event(1)).unwrap();
    event["subject"] = json!({ "tunnel": "t0" });
    event["severity"] = json!("catastrophe");
    event["colour"] = json!("green");
    let headers = "server: vipdeck/9.1.0\r\nvipdeck-api: 99\r\n";
    Other { snapshot, events: vec![event], headers, refusal: "not a command: missing field `oracle`" }
}

#[test]
fn what_a_newer_engine_says_is_shown_in_its_words_and_the_rest_stays_readable() {
    let (_directory, path) = newer().serve();
    let output = run(&["status", "--at", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expected in [
        "ORACLE (newer engine)",
        "dataplane quantum (newer engine)",
        "newer engine: its API level is",
        "tired",
        "moved",
        "not understood, and left out: services[0].reals[1].weight_configured",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let output = run(&["status", "--json", "--at", path.to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["instances"][0]["state"], "ORACLE", "its word is passed on as it was");
    assert_eq!(json["services"][0]["reals"].as_array().unwrap().len(), 1);
    let output = run(&["events", "--at", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("tunnel:t0") && text.contains("alarm"), "{text}");
}

#[test]
fn a_console_follows_a_newer_engine() {
    let (_directory, path) = newer().serve();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let target = resolve(&[path.display().to_string()], &path).unwrap().remove(0);
    let mut feed = client::connect(target, runtime.handle());
    runtime.block_on(async {
        let live = feed.connection.wait_for(|c| *c == Connection::Live);
        tokio::time::timeout(Duration::from_secs(10), live).await.expect("it is live").unwrap();
        let mut news = feed.board.news();
        tokio::time::timeout(Duration::from_secs(10), news.wait_for(|n| *n == 1)).await.expect("its event").unwrap();
    });
    let snapshot = feed.board.latest().unwrap();
    assert_eq!(snapshot.skew(), Some(Skew::Newer));
    assert!(matches!(snapshot.instances[0].state, Role::Newer(word) if word.as_str() == "ORACLE"));
    assert!(!snapshot.unread.is_empty());
}

#[test]
fn an_older_engine_that_lacks_a_command_is_told_as_such() {
    let mut snapshot = serde_json::to_value(words::snapshot("lb-b", 8)).unwrap();
    snapshot.as_object_mut().unwrap().remove("api");
    snapshot["node"]["version"] = json!("0.0.9");
    // What came later than its version is not there.
    for field in ["defaults", "files", "processes", "statics", "bfd", "intents"] {
        snapshot.as_object_mut().unwrap().remove(field);
    }
    let refusal = "not a command: unknown variant `check-now`; expected one of demote";
    let (_directory, path) = Other { snapshot, events: Vec::new(), headers: "", refusal }.serve();
    let at = path.to_str().unwrap();
    let output = run(&["status", "--at", at]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("older engine: its API level is 1"), "{text}");
    assert!(text.contains("MASTER"), "{text}");
    let output = run(&["check-now", "192.0.2.21:80", "--at", at]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("this engine is older (an early version, API level 1"), "{text}");
    assert!(text.contains("does not know this check-now"), "{text}");
}

#[test]
fn the_present_version_says_so_with_each_answer() {
    let fake = crate::fake::Fake::start(crate::fake::World::Obliging);
    let mut stream = crate::raw::open(&fake.path);
    write!(stream, "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let head = answer.split("\r\n\r\n").next().unwrap();
    assert!(head.contains(&format!("vipdeck-api: {API}")) && head.contains("server: vipdeck/"), "{head}");
    let snapshot = Snapshot::read(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((snapshot.skew(), snapshot.unread.len()), (None, 0));
}

#[test]
fn a_subject_of_the_future_stays_what_it_was_when_it_is_passed_on() {
    let mut event = serde_json::to_value(words::event(1)).unwrap();
    event["subject"] = json!({ "tunnel": "t0" });
    let read: Event = serde_json::from_value(event).unwrap();
    assert_eq!(read.subject, Subject::Newer("tunnel:t0".into()));
    let again: Event = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
    assert_eq!(again, read);
    let future: Severity = serde_json::from_value(json!("catastrophe")).unwrap();
    assert_eq!(future, Severity::Alarm);
}
