//! Recordings: the same frames as live, stepping, going to a time, damage, stand-ins.

use crate::fixture::{AT, Console, DARK, Look, WALL, events, hold, snapshot, stage};
use ratatui::buffer::Buffer;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vipdeck::console::model::{Link, View};
use vipdeck::console::replay::{Replay, begin, seek};
use vipdeck::console::tape::{self, Shadow};
use vipdeck::console::update::{Effect, Msg};
use vipdeck::recording::{Fed, Header, Moment, Recording, Unreadable};
use vipdeck::sim::{Pace, World, act, scenario, stage as scene};
use vipdeck::status::{
    Actor, Ask, Command, DemoteMode, Event, HoldKind, Mode, Presence, Role, Severity, StageAction, Subject,
};

/// A live console beside its recording, as `app` has it.
struct Live {
    console: Console,
    shadow: Shadow,
    header: Header,
    frames: Vec<(u64, Buffer)>,
}

impl Live {
    fn new(mode: Mode, has_stage: bool) -> Self {
        let header = Header::new("dual-master-dr", mode, vec!["lvs1".into(), "lvs2".into()], has_stage);
        let shadow = Shadow::new(&header, tape::LIMITS).unwrap();
        Self { console: Console::new(DARK, mode, has_stage), shadow, header, frames: vec![] }
    }

    fn tick(&mut self, now: u64) {
        self.console.tell(Msg::Tick { now, wall_us: WALL + now });
    }

    fn feed(&mut self, msg: Msg) {
        let moment = Moment { at: self.console.model.now, wall: self.console.model.wall_us };
        self.shadow.take(moment, tape::fed(&msg).unwrap());
        self.console.tell(msg);
    }

    fn draw(&mut self) {
        self.frames.push((self.console.model.now, self.console.buffer()));
    }

    fn bytes(&self) -> Vec<u8> {
        self.shadow.writer.recording(&self.header, 0).concat()
    }

    fn recording(&self) -> Recording {
        Recording::read(self.bytes()).unwrap()
    }
}

/// The demo for `seconds`, with a crash, a cut, a drain and a demotion; a frame at each tick.
fn demo(seconds: u64) -> Live {
    let mut world = scenario("dual-master-dr", 42, WALL).unwrap();
    world.run_for(Duration::from_secs(10));
    let mut pace = Pace::new(42);
    let mut live = Live::new(Mode::Lab, true);
    let mut alive = [false, false];
    for tick in 1..=seconds * 4 {
        let deed = match tick {
            12 => Some(StageAction::Crash { node: "lvs1".into() }),
            40 => Some(StageAction::Revive { node: "lvs1".into() }),
            60 => Some(StageAction::ToggleServer { server: "web1".into() }),
            80 | 96 => Some(StageAction::ToggleLink { node: "lvs2".into() }),
            _ => None,
        };
        if let Some(deed) = deed {
            act(&mut world, &mut pace, &deed);
        }
        if tick == 70 {
            command(&mut world, Command::Demote { instance: "VI_2".into(), seen: None, mode: DemoteMode::Yield });
        }
        world.run_for(Duration::from_millis(250));
        let now = 1_000_000 + tick * 250_000;
        live.tick(now);
        for (node, alive) in alive.iter_mut().enumerate() {
            let events: Vec<_> = world.take_events(node).into_iter().map(Arc::new).collect();
            if !events.is_empty() {
                live.feed(Msg::Events { node, events });
            }
            let snapshot = world.snapshot(node).map(Arc::new);
            if snapshot.is_some() != *alive {
                *alive = snapshot.is_some();
                let lost = Link::Lost { since: now, why: "the machine is down".into() };
                live.feed(Msg::Link { node, link: if *alive { Link::Live } else { lost } });
            }
            if snapshot.is_some() {
                live.feed(Msg::Snapshot { node, snapshot });
            }
        }
        live.feed(Msg::Stage(scene(&world, "dual-master-dr", &pace)));
        // Between two words of the nodes, too.
        live.tick(now + 90_000);
        live.draw();
    }
    live
}

fn command(world: &mut World, command: Command) {
    let actor = Actor { user: "ops1".into(), from: "demo".into() };
    world.command(1, Ask { reason: Some("kernel patch".into()), actor, ..Ask::new(command) }).unwrap();
}

fn replayed(recording: Recording, look: Look) -> Console {
    let header = recording.header.clone();
    let mut console = Console::new(look, Mode::Replay, header.has_stage);
    begin(&mut console.model, Replay::new(Arc::new(recording), "lb.rec".into()));
    console.tell(Msg::Tick { now: 5, wall_us: 1 });
    console
}

/// All but the first line, which says REPLAY and the date, and the two of the keys.
fn body(frame: &Buffer) -> Vec<ratatui::buffer::Cell> {
    let width = usize::from(frame.area.width);
    frame.content[width..frame.content.len() - 2 * width].to_vec()
}

fn text(frame: &Buffer) -> String {
    let lines = frame.content.chunks(usize::from(frame.area.width));
    lines.map(|l| l.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n").collect()
}

// console-design 1.2 15
#[test]
fn a_recording_has_the_frames_of_then() {
    let live = demo(30);
    let recording = live.recording();
    assert!(recording.parts.len() > 2, "{} parts", recording.parts.len());
    // What was fed gives every cell of every frame again.
    let mut again = Console::new(DARK, Mode::Lab, true);
    let mut feeds = recording.feeds().peekable();
    for (now, frame) in &live.frames {
        while let Some(entry) = feeds.next_if(|e| e.moment.at <= *now) {
            again.tell(Msg::Tick { now: entry.moment.at, wall_us: entry.moment.wall });
            again.tell(tape::message(entry.what));
        }
        again.tell(Msg::Tick { now: *now, wall_us: WALL + *now });
        assert_eq!(text(&again.buffer()), text(frame), "at {now}");
        assert_eq!(again.buffer(), *frame, "the styles at {now}");
    }
    // And so does REPLAY, but for the lines that say so: forwards, backwards, and to anywhere.
    // The last frame is from after the last word.
    let mut replay = replayed(recording, DARK);
    let count = live.frames.len() - 1;
    let jumps = (0..count).map(|n| n * 37 % count);
    for n in (0..count).chain((0..count).rev()).chain(jumps) {
        let (now, frame) = &live.frames[n];
        seek(&mut replay.model, *now);
        replay.tell(Msg::Resize(replay.model.size));
        let shown = replay.buffer();
        assert!(body(&shown) == body(frame), "at {now}, live:\n{}\nreplayed:\n{}", text(frame), text(&shown));
        assert!(text(&shown).lines().next().unwrap().contains("REPLAY"));
    }
    let all = text(&live.frames[20].1) + &text(&live.frames[110].1);
    assert!(all.contains("DEAD") && all.contains("HELD"), "it has something to tell:\n{all}");
}

/// A quiet cluster, a failover in the middle, and a note; two seconds from word to word.
fn quiet(seconds: u64) -> Live {
    let mut live = Live::new(Mode::Live, false);
    for second in (0..=seconds).step_by(2) {
        live.tick(1_000_000 + second * 1_000_000);
        if second == 0 {
            for node in 0..2 {
                live.feed(Msg::Link { node, link: Link::Live });
                live.feed(Msg::Events { node, events: events(node as u8 + 1) });
            }
        }
        if second == seconds / 2 {
            let event = |seq: u64, kind: &str, severity, text: &str, cause: &str| {
                Arc::new(Event {
                    reasons: Arc::default(),
                    seq,
                    at: vipdeck::time::Instant::from_micros(AT + second * 1_000_000),
                    wall_us: live.console.model.wall_us,
                    node: "lvs2".into(),
                    subject: Subject::Instance("VI_1".into()),
                    severity,
                    kind: kind.into(),
                    text: text.into(),
                    cause: Some(cause.into()),
                })
            };
            let state = event(4, "state", Severity::Notice, "BACKUP → MASTER", "no advert for 3.609 s");
            let alarm = event(5, "late", Severity::Alarm, "woke 1.9 s late", "local scheduling");
            live.feed(Msg::Events { node: 1, events: vec![state, alarm] });
        }
        for node in 0..2u8 {
            let mut snapshot = snapshot(node + 1);
            let passed = Duration::from_secs(second);
            snapshot.at = snapshot.at + passed;
            snapshot.wall_us += second * 1_000_000;
            snapshot.revision += second;
            snapshot.instances[usize::from(node)].adverts_sent += second;
            snapshot.instances[usize::from(node)].hold = (second > seconds / 2).then(|| hold(HoldKind::Demoted));
            if second >= seconds / 2 && node == 1 {
                snapshot.instances[0].state = Role::Master;
                snapshot.instances[0].since = snapshot.at;
                snapshot.instances[0].vips[0].present = Presence::Yes;
                snapshot.last_event = 5;
            }
            if second >= seconds / 2 && node == 0 {
                snapshot.instances[0].state = Role::Backup;
                snapshot.instances[0].vips[0].present = Presence::No;
            }
            live.feed(Msg::Snapshot { node: node.into(), snapshot: Some(Arc::new(snapshot)) });
        }
    }
    live
}

#[test]
fn the_keys_of_a_recording() {
    let mut console = replayed(quiet(120).recording(), DARK);
    let at = |console: &Console| console.model.now / 1000;
    assert_eq!(at(&console), 1000, "it stands at its beginning");
    let has_failed_over = |console: &Console| text(&console.buffer()).contains("woke 1.9 s late");
    assert!(!has_failed_over(&console), "what is to come is not known");
    console.keys("..");
    assert_eq!(at(&console), 5000, "two words later");
    console.keys(",");
    assert_eq!(at(&console), 3000);
    console.keys("}");
    assert_eq!(at(&console), 61_000, "the change of state");
    assert!(has_failed_over(&console));
    console.keys(",");
    assert!(!has_failed_over(&console), "before it, it has not happened");
    console.keys("}{");
    assert_eq!(at(&console), 1000, "the start of the engine");
    // Playing follows the console's own clock, at its speed.
    let pass = |console: &mut Console, now: u64| console.tell(Msg::Tick { now, wall_us: 0 });
    console.keys("p");
    pass(&mut console, 2_000_005);
    assert_eq!(at(&console), 3000);
    console.keys("]]");
    pass(&mut console, 4_000_005);
    assert_eq!(at(&console), 13_000, "five times as fast");
    console.keys("p");
    pass(&mut console, 9_000_000);
    assert_eq!(at(&console), 13_000, "paused");
    // The recording's first word was at WALL + 1 s, 12:04:32.
    console.keys("gt12:05:32<Enter>");
    assert_eq!(at(&console), 61_000);
    console.keys("gt+7.5s<Enter>");
    assert_eq!(at(&console), 68_500);
    console.keys("gt13:00<Enter>");
    assert!(console.screen().contains("the recording is from 2026-11-22 12:04:32 to"), "{}", console.screen());
    console.keys("<Esc>gg");
    assert_eq!(at(&console), 68_500, "gg is the first row, as ever");
    console.keys("pp").keys("gt+1m<Enter><Esc>");
    // No key can reach an engine.
    console.effects.clear();
    for key in "DRTWCMELXV|Oamo".chars() {
        console.keys(&key.to_string()).keys("<Enter><Esc>");
    }
    assert!(console.effects.is_empty(), "{:?}", console.effects);
    console.keys("D");
    assert!(console.screen().contains("this is a recording: no key reaches an engine"), "{}", console.screen());
    console.keys("q");
    assert!(matches!(console.effects.as_slice(), [Effect::Leave(_)]));
}

#[test]
fn a_recording_on_screen() {
    let console = |look: Look| {
        let mut console = replayed(quiet(120).recording(), look);
        console.keys("}");
        console
    };
    insta::assert_snapshot!("replay_120x36", console(DARK).screen());
    insta::assert_snapshot!("replay_80x24", console(DARK.size(80, 24)).screen());
    insta::assert_snapshot!("replay_60x16", console(DARK.size(60, 16)).screen());
    let mut asking = console(DARK.size(80, 24));
    asking.keys("gtnoon<Enter>");
    insta::assert_snapshot!("replay_go_to_80x24", asking.screen());
    let mut live = quiet(20);
    live.shadow.take(Moment { at: 22_000_000, wall: WALL + 22_000_000 }, Fed::Stage(stage(false)));
    let mut bytes = live.bytes();
    bytes.truncate(bytes.len() - 30);
    // The place in the file depends on how well it packs.
    let damaged = replayed(Recording::read(bytes).unwrap(), DARK.size(80, 24)).screen();
    assert!(damaged.contains("! not whole: it plays as far as it goes; part at byte"), "{damaged}");
}

#[test]
fn steps_back_are_quick_in_a_long_recording() {
    let mut console = replayed(quiet(1200).recording(), DARK);
    seek(&mut console.model, 1_100_000_000);
    let began = Instant::now();
    for _ in 0..20 {
        console.keys(",");
    }
    let each = began.elapsed() / 20;
    assert_eq!(console.model.now, 1_061_000_000);
    eprintln!("a step back: {each:?}");
    // Unoptimised and beside other tests; a part is unpacked at most twice.
    assert!(each < Duration::from_millis(500), "{each:?}");
}

#[test]
fn a_note_goes_to_an_engine_or_stays_here() {
    let mut live = Console::live(DARK);
    live.keys("acable pulled<Enter>");
    let [Effect::Send { node: 0, ask, .. }] = live.effects.as_slice() else { panic!("{:?}", live.effects) };
    assert_eq!(ask.command, Command::Note { text: Some("cable pulled".into()) });
    live.effects.clear();
    live.keys("m");
    let [Effect::Send { ask, about, .. }] = live.effects.as_slice() else { panic!("{:?}", live.effects) };
    assert_eq!(ask.command, Command::Note { text: None });
    let (about, no) = (about.clone(), vipdeck::status::Reply::Rejected { reason: "you may look".into() });
    live.effects.clear();
    live.tell(Msg::Reply { about, answer: vipdeck::console::update::Answer::Reply(no) });
    assert!(matches!(live.effects.as_slice(), [Effect::Record(note)] if note.kind == "mark"), "{:?}", live.effects);
    assert!(live.screen().contains("kept in this console alone"), "{}", live.screen());
    let mut looking = Console::live(DARK);
    looking.model.view_only = true;
    looking.keys("alook here<Enter>4");
    assert!(matches!(looking.effects.as_slice(), [Effect::Record(_)]));
    assert!(looking.screen().contains("look here"), "{}", looking.screen());
    looking.effects.clear();
    looking.keys("a<Enter>a   <Enter>aforget me<Esc>o");
    assert_eq!(looking.effects, [Effect::Save]);
}

/// Everything that a recording, its frames and its report say, without the originals.
#[test]
fn stand_ins_leave_nothing_of_the_originals() {
    let mut live = quiet(20);
    live.tick(22_000_000);
    live.feed(Msg::Stage(stage(false)));
    live.feed(Msg::Link { node: 0, link: Link::Lost { since: 1, why: "lvs1: no route to 10.0.0.1".into() } });
    let recording = live.recording();
    let private = Recording::read(tape::private(&recording).unwrap().concat()).unwrap();
    let mut said = format!("{:?}", private.header);
    for part in &private.parts {
        writeln!(said, "{:?}", private.play(part).unwrap()).unwrap();
    }
    let story = vipdeck::report::story::Story::of(&private, (None, None));
    let mut markdown = Vec::new();
    story.markdown(&mut markdown).unwrap();
    said += &serde_json::to_string(&story).unwrap();
    said += std::str::from_utf8(&markdown).unwrap();
    let mut console = replayed(private, DARK);
    for view in View::ALL {
        console.model.view = view;
        console.keys("G<Enter>");
        said += &console.screen();
        console.keys("<Esc>");
    }
    for original in [
        "lvs1",
        "lvs2",
        "VI_1",
        "VI_2",
        "web1",
        "web2",
        "ops1",
        "kernel patch",
        "CHG-1042",
        "dual-master-dr",
        "keepalived",
        "10.0.0.",
        "fe80",
    ] {
        let place = said.find(original).map(|at| said.get(at.saturating_sub(80)..at + 40));
        assert!(place.is_none(), "{original}: {place:?}");
    }
    assert!(said.contains("instance-1") && said.contains("node-2") && said.contains("192.0.2."));
    assert!(said.contains("MASTER"), "our own words stay");
}

#[test]
fn what_is_damaged_plays_as_far_as_it_goes() {
    let live = quiet(120);
    let bytes = live.bytes();
    let whole = Recording::read(bytes.clone()).unwrap();
    assert_eq!(whole.damage, None);
    // Cut anywhere: what is before is there, and the rest is said.
    let mut played = 0;
    for cut in (0..bytes.len()).step_by(bytes.len() / 60) {
        match Recording::read(bytes[..cut].to_vec()) {
            Ok(part) => {
                assert!(part.span().1 <= whole.span().1);
                let is_border = whole.parts.len() > part.parts.len() && part.damage.is_none();
                assert!(is_border || part.damage.as_ref().unwrap().why.contains("cut off"), "{cut}: {:?}", part.damage);
                played += part.feeds().count();
            }
            Err(Unreadable::Foreign(_) | Unreadable::Damaged(_) | Unreadable::Empty) => {}
            Err(other) => panic!("{cut}: {other}"),
        }
    }
    assert!(played > 500, "{played}");
    // A flipped bit in the last part is found and said with its place.
    let mut flipped = bytes.clone();
    let at = bytes.len() - 400;
    flipped[at] ^= 1;
    let damage = Recording::read(flipped).unwrap().damage.unwrap();
    assert!(damage.to_string().contains("part at byte"), "{damage}");
    // What is none of ours, and what is newer.
    for (bytes, said) in [
        (b"PK\x03\x04".to_vec(), "no recording of vipdeck"),
        (packed(b"{\"a\":1}\n"), "does not say so"),
        (packed(b"{\"vipdeck\":\"recording\",\"format\":99,\"version\":\"9.9\"}\n"), "newer vipdeck (9.9, format 99)"),
        (Vec::new(), "no recording of vipdeck"),
    ] {
        let error = Recording::read(bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn packed(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
