//! `vipdeck watch` and the plain sentences: each event once, gaps told, no engine waiting for a reader.

use crate::fake::{Fake, World};
use crate::words;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vipdeck::control::Access;

pub(crate) struct Watch {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watch {
    fn start(arguments: &[&str]) -> Self {
        Self::spawned(spawn(arguments))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        Self::spawned(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn spawned(mut child: Child) -> Self {
        let out = child.stdout.take().unwrap();
        let (heard, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = heard.send(line);
            }
        });
        Self { child, lines }
    }

    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(15)).expect("a line")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// The first line with these words.
    pub(crate) fn until(&self, words: &str) -> String {
        std::iter::repeat_with(|| self.line()).find(|line| line.contains(words)).unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[&str]) -> Child {
    let program = env!("CARGO_BIN_EXE_vipdeck");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn one_json_line_for_each_event_each_gap_and_each_change_of_the_link() {
    let mut fake = Fake::start(World::Obliging);
    fake.record(1..=3);
    let at = fake.path.to_str().unwrap().to_owned();
    let watch = Watch::start(&["watch", "--after", "1", "--at", &at]);
    let first = watch.json();
    assert_eq!((&first["type"], &first["state"], &first["last_event"]), (&"link".into(), &"live".into(), &3.into()));
    for seq in [2, 3] {
        let event = watch.json();
        assert_eq!((&event["type"], &event["seq"], &event["node"]), (&"event".into(), &seq.into(), &"lvs1".into()));
    }
    // The engine's own numbers jump: these are lost to everybody.
    fake.record(10..=10);
    let gap = watch.json();
    let parts = (&gap["type"], &gap["after"], &gap["next"], &gap["lost"], &gap["restarted"]);
    assert_eq!(parts, (&"gap".into(), &3.into(), &10.into(), &6.into(), &false.into()));
    assert_eq!(watch.json()["seq"], 10);
    fake.stop_serving();
    let lost = watch.json();
    assert_eq!((&lost["type"], &lost["state"]), (&"link".into(), &"lost".into()));
    fake.record(11..=11);
    fake.serve_again();
    assert_eq!(watch.json()["state"], "live");
    assert_eq!(watch.json()["seq"], 11, "each event once");
}

#[test]
fn a_restarted_engine_begins_its_numbers_again_and_that_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lvs1.sock");
    let engine = |pid| Fake::at(&path, World::Obliging, Access::default(), words::snapshot("lvs1", pid));
    let mut first = engine(1001);
    first.record(1..=5);
    let watch = Watch::start(&["watch", "--after", "5", "--at", path.to_str().unwrap()]);
    assert_eq!(watch.json()["state"], "live");
    first.stop_serving();
    assert_eq!(watch.json()["state"], "lost");
    let second = engine(1002);
    second.record(1..=2);
    let rest: Vec<Value> = (0..4).map(|_| watch.json()).collect();
    assert!(rest.iter().any(|line| line["type"] == "gap" && line["restarted"] == true), "{rest:?}");
    assert!(rest.iter().any(|line| line["seq"] == 2), "{rest:?}");
}

#[test]
fn a_reader_that_stands_still_holds_no_engine_up() {
    let fake = Fake::start(World::Obliging);
    let at = fake.path.to_str().unwrap().to_owned();
    let mut child = spawn(&["watch", "--after", "0", "--at", &at]);
    // Far more than fits into the pipe.
    for block in 0..20_u64 {
        fake.record(block * 500 + 1..=block * 500 + 500);
        assert_eq!(crate::raw::get(&fake.path, "/v1/events?after=999999").0, 200);
    }
    std::thread::sleep(Duration::from_millis(300));
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut last = (0, 0);
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).unwrap();
            match line["type"].as_str() {
                Some("gap") => last.0 += line["lost"].as_u64().unwrap(),
                Some("event") => {
                    last.1 += 1;
                    if line["seq"] == 10_000 {
                        return last;
                    }
                }
                _ => {}
            }
        }
        last
    });
    let (lost, told) = reader.join().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    // What was dropped before the first line was read has no gap: nothing was asked to begin after it.
    assert!(lost + told <= 10_000 && told >= 4000, "{lost} lost, {told} told");
}

#[test]
fn plain_sentences_say_how_things_are_what_happens_and_what_it_means() {
    let mut fake = Fake::start(World::Obliging);
    let at = fake.path.to_str().unwrap().to_owned();
    let watch = Watch::start(&["attach", "--plain", &at]);
    let line = watch.until("instance VI_1 is MASTER");
    assert!(line.contains("lvs1: ") && line.contains("answers for"), "{line}");
    watch.until("2 of 2 servers are up");
    fake.record(1..=1);
    let line = watch.until("event number 1");
    assert!(line.contains("because: the test."), "{line}");
    fake.stop_serving();
    watch.until("does not answer: ");
    assert!(watch.lines.try_recv().is_err(), "once");
    drop(watch);
    let watch = Watch::start(&["demo", "--plain"]);
    let line = watch.until("is MASTER since");
    assert!(line.is_ascii() || !line.contains('→'), "{line}");
}

#[test]
fn without_a_terminal_attach_prints_the_status_once() {
    let fake = Fake::start(World::Obliging);
    let mut child = spawn(&["attach", fake.path.to_str().unwrap()]);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success() && text.contains("VI_1") && !text.contains('\u{1b}'), "{text}");
}
