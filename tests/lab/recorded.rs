//! A failover of real engines, recorded as a console is fed it, and played again.

use crate::harness::{Lab, PROGRAM, eventually, has_root, vipdeck};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;
use vipdeck::console::keymap::Keymap;
use vipdeck::console::model::{Link, Model, Setup};
use vipdeck::console::replay::{Replay, begin, seek};
use vipdeck::console::screens;
use vipdeck::console::tape::{self, Shadow};
use vipdeck::console::theme::{self, Depth};
use vipdeck::console::update::{Msg, update};
use vipdeck::control::{Connection, Feed, client, resolve};
use vipdeck::recording::{Header, Moment, Recording};
use vipdeck::status::{Mode, StageAction};

const SIZE: Size = Size { width: 120, height: 36 };

fn model(header: &Header) -> Model {
    Model::new(Setup {
        title: header.title.clone(),
        mode: Mode::Live,
        owns_engine: false,
        view_only: false,
        ascii: false,
        has_stage: header.has_stage,
        labels: header.nodes.clone(),
        themes: theme::all(Depth::Rgb).unwrap(),
        theme: "dark".into(),
        keymap: Keymap::load(None).unwrap(),
        zone: jiff::tz::TimeZone::UTC,
        size: SIZE,
    })
    .unwrap()
}

fn frame(model: &Model) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(SIZE.width, SIZE.height)).unwrap();
    terminal.draw(|frame| screens::draw(model, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(frame: &Buffer) -> String {
    let lines = frame.content.chunks(usize::from(SIZE.width));
    lines.map(|l| l.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n").collect()
}

/// A console without a terminal, fed by real engines, and its recording.
struct Watcher {
    model: Model,
    shadow: Shadow,
    header: Header,
    zero: Instant,
    frames: Vec<(Moment, Buffer)>,
}

impl Watcher {
    fn new(labels: Vec<String>) -> Self {
        let header = Header::new("lab", Mode::Live, labels, false);
        let shadow = Shadow::new(&header, tape::LIMITS).unwrap();
        Self { model: model(&header), shadow, header, zero: Instant::now(), frames: vec![] }
    }

    fn tick(&mut self) -> Moment {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
        let moment = Moment { at: self.zero.elapsed().as_micros() as u64, wall };
        update(&mut self.model, Msg::Tick { now: moment.at, wall_us: moment.wall });
        moment
    }

    fn take(&mut self, msg: Msg) {
        let moment = self.tick();
        self.shadow.take(moment, tape::fed(&msg).unwrap());
        update(&mut self.model, msg);
    }

    /// What has come since the last look, then a picture.
    fn look(&mut self, feeds: &mut [Feed], seen: &mut [u64]) {
        for (node, feed) in feeds.iter_mut().enumerate() {
            if feed.connection.has_changed().unwrap_or(false) {
                let link = match &*feed.connection.borrow_and_update() {
                    Connection::Connecting => Link::Connecting,
                    Connection::Live => Link::Live,
                    Connection::Lost { why, .. } => Link::Lost { since: self.model.now, why: why.clone() },
                };
                self.take(Msg::Link { node, link });
            }
            let Some(snapshot) = feed.board.latest() else { continue };
            let events = feed.board.events_after(seen[node]);
            seen[node] = events.last().map_or(seen[node], |e| e.seq);
            if !events.is_empty() {
                self.take(Msg::Events { node, events });
            }
            let known = self.model.live.nodes[node].snapshot.as_ref().map(|s| s.revision);
            if known != Some(snapshot.revision) {
                self.take(Msg::Snapshot { node, snapshot: Some(snapshot) });
            }
        }
        let moment = self.tick();
        self.frames.push((moment, frame(&self.model)));
    }
}

fn watch(lab: &mut Lab, runtime: &Runtime) -> Watcher {
    let sockets: Vec<String> = lab.ready.nodes.iter().map(|n| n.socket.display().to_string()).collect();
    let targets = resolve(&sockets, std::path::Path::new("/nonexistent")).unwrap();
    let mut feeds: Vec<Feed> = targets.into_iter().map(|target| client::connect(target, runtime.handle())).collect();
    for feed in &mut feeds {
        feed.connection.mark_changed();
    }
    let mut watcher = Watcher::new(feeds.iter().map(|f| f.label.clone()).collect());
    let mut seen = vec![0; feeds.len()];
    let mut until = |watcher: &mut Watcher, what: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        while !text(&watcher.frames.last().map_or_else(|| Buffer::empty(ratatui::layout::Rect::ZERO), |f| f.1.clone()))
            .contains(what)
        {
            assert!(Instant::now() < end, "never: {what}");
            watcher.look(&mut feeds, &mut seen);
            std::thread::sleep(Duration::from_millis(40));
        }
    };
    until(&mut watcher, "2/2 nodes fresh");
    let crashed = lab.ready.nodes[0].machine.name.clone();
    lab.must(&StageAction::Crash { node: crashed });
    until(&mut watcher, "1/2 nodes fresh");
    until(&mut watcher, "no advert heard for");
    watcher
}

// console-design 1.2 15
#[test]
fn a_recorded_failover_has_the_same_frames() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    let sockets: Vec<String> = lab.ready.nodes.iter().map(|n| n.socket.display().to_string()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let watcher = watch(&mut lab, &runtime);
    let recording = Recording::read(watcher.shadow.writer.recording(&watcher.header, 0).concat()).unwrap();
    // Every cell, by what was fed.
    let mut again = model(&watcher.header);
    let mut feeds = recording.feeds().peekable();
    for (moment, live) in &watcher.frames {
        while let Some(entry) = feeds.next_if(|e| e.moment.at <= moment.at) {
            update(&mut again, Msg::Tick { now: entry.moment.at, wall_us: entry.moment.wall });
            update(&mut again, tape::message(entry.what));
        }
        update(&mut again, Msg::Tick { now: moment.at, wall_us: moment.wall });
        assert!(frame(&again) == *live, "live:\n{}\nagain:\n{}", text(live), text(&frame(&again)));
    }
    // And as REPLAY, between its own lines.
    let end = recording.span().1.at;
    let mut replay = model(&watcher.header);
    begin(&mut replay, Replay::new(Arc::new(recording), "lab.rec".into()));
    for (moment, live) in watcher.frames.iter().rev().filter(|f| f.0.at <= end).step_by(5) {
        seek(&mut replay, moment.at);
        update(&mut replay, Msg::Resize(SIZE));
        let (replayed, live) = (text(&frame(&replay)), text(live));
        let body = |t: &str| t.lines().skip(1).take(33).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(body(&replayed), body(&live));
    }
    eprintln!("{} frames of a failover are the same", watcher.frames.len());
    journals(&sockets);
}

/// The journal of the survivor on the command line: recorded, told, and not overwritten.
fn journals(sockets: &[String]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("failover.rec");
    let name = file.to_str().unwrap();
    let at: Vec<&str> = sockets.iter().skip(1).flat_map(|s| ["--at", s]).collect();
    vipdeck(&[&["note", "cable pulled", "--reason", "test"][..], &at[..]].concat());
    let owned = |name: &str, story: &serde_json::Value| {
        let all = story["instances"].as_array().unwrap();
        all.iter().any(|i| i["name"] == name && !i["owners"].as_array().unwrap().is_empty())
    };
    let mut report = String::new();
    eventually("the journal has the failover and the note", || {
        let _ = std::fs::remove_file(&file);
        let recorded = vipdeck(&[&["record", "--last", "10m", "-o", name][..], &at[..]].concat());
        assert!(recorded.status.success(), "{recorded:?}");
        report = String::from_utf8(vipdeck(&["report", name]).stdout).unwrap();
        let story = serde_json::from_slice(&vipdeck(&["report", name, "--json"]).stdout).unwrap();
        report.contains("cable pulled") && owned("VI_1", &story) && owned("VI_2", &story)
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(report.contains("BACKUP → MASTER") && report.contains("no advert heard for"), "{report}");
    let before = std::fs::read(&file).unwrap();
    let again = vipdeck(&[&["record", "-o", name][..], &at[..]].concat());
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("stays as it is"), "{again:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // From now on, with stand-ins.
    let private = directory.path().join("private.rec");
    let args = ["record", "--for", "2s", "--privacy", "-o", private.to_str().unwrap()];
    let live = Command::new(PROGRAM).args(args).args(&at).output().unwrap();
    assert!(live.status.success(), "{live:?}");
    let told = String::from_utf8(vipdeck(&["report", private.to_str().unwrap()]).stdout).unwrap();
    assert!(told.contains("instance-1") && !told.contains("VI_1") && !told.contains("lvs2"), "{told}");
}
