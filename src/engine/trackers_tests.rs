use super::*;
use crate::conf::{ArgumentsMatch, Globals, LinkDelay};
use crate::engine::{Input, Legacy, Setup};
use crate::kernel::Link;
use crate::net::LinkName;
use crate::status::{Dataplane, DataplaneKind, Role, Snapshot};
use crate::vrrp::{Spec, Vrid};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn eth0() -> LinkName {
    LinkName::new("eth0").unwrap()
}

fn link(up: bool) -> Input {
    let addresses = BTreeMap::from([("192.0.2.1/24".parse().unwrap(), 0)]);
    Input::Link(Link { name: eth0(), index: 2, up, mac: None, mtu: 1500, addresses })
}

fn config(tracks: Vec<Track>) -> Config {
    let mut spec = Spec::new("A", eth0(), Vrid::new(1).unwrap());
    spec.tracks = tracks;
    let file = FileSpec { name: "f".into(), path: PathBuf::from("/f"), weight: 1, reverse: false, init: None };
    let process = ProcessSpec {
        name: "p".into(),
        program: "p".into(),
        arguments: Vec::new(),
        arguments_match: ArgumentsMatch::Any,
        full_command: false,
        weight: 0,
        reverse: false,
        quorum: 2,
        quorum_max: Some(3),
        fork_delay: Duration::from_secs(2),
        terminate_delay: Duration::from_secs(1),
    };
    Config { instances: vec![spec], files: vec![file], processes: vec![process], ..Config::default() }
}

fn engine(config: Config) -> Engine {
    engine_after(None, config)
}

fn engine_after(legacy: Option<Legacy>, config: Config) -> Engine {
    let dataplane = Dataplane { kind: DataplaneKind::None, note: None };
    Engine::new(Setup {
        config,
        host: "n".into(),
        config_path: "x".into(),
        pid: 1,
        seed: 1,
        wall_zero_us: 0,
        dataplane,
        uptime: Duration::ZERO,
        lease: None,
        probe_addresses: false,
        guard: None,
        legacy,
    })
}

fn track(kind: Tracker, weight: i32, reverse: bool) -> Track {
    let name = if kind == Tracker::File { "f" } else { "p" };
    Track { kind, name: name.into(), weight, reverse }
}

fn read(engine: &mut Engine, now: Instant, text: &str) {
    let reading = FileReading::of(text);
    let _ = engine.handle(now, Input::FileRead { name: "f".into(), reading });
}

fn count(engine: &mut Engine, now: Instant, count: u32, by: Counted) {
    let _ = engine.handle(now, Input::ProcessesCounted { counts: vec![("p".into(), count)], by });
}

fn shown(engine: &mut Engine, now: Instant) -> (Role, u8) {
    let Snapshot { instances, .. } = engine.snapshot(now);
    (instances[0].state, instances[0].effective_priority)
}

#[test]
fn numbers_are_read_as_keepalived_reads_them() {
    for (text, value, noted) in [
        ("5\n", Some(5), false),
        ("-5", Some(-5), false),
        (" +7 \n", Some(7), false),
        ("0x10", Some(16), false),
        ("010", Some(8), false),
        ("0", Some(0), false),
        ("5x", Some(5), true),
        ("0xg", Some(0), true),
        ("x", Some(0), true),
        ("-", Some(0), true),
        ("", Some(0), true),
        ("2147483647", Some(2_147_483_647), false),
        ("2147483648", None, true),
        ("99999999999999999999", None, true),
        ("日本", Some(0), true),
    ] {
        let reading = FileReading::of(text);
        assert_eq!((reading.value, reading.note.is_some()), (value, noted), "{text:?}: {reading:?}");
    }
}

/// keepalived 2.2.7 at base 100, as logged by it.
// parity-virtual: 59
#[test]
fn the_number_in_a_file_counts_as_in_keepalived() {
    for (weight, reverse, number, expected) in [
        (1, false, "5", Some(105)),
        (2, false, "5", Some(110)),
        (2, true, "5", Some(90)),
        (-1, false, "5", Some(95)),
        (254, false, "1", Some(254)),
        (254, false, "-1", None),
        (1, false, "-253", Some(1)),
        (1, false, "-254", None),
        (1, false, "-300", None),
        (1, false, "300", Some(254)),
        (2, false, "-127", None),
        (2, true, "127", None),
        (-254, false, "1", None),
        (-254, false, "-1", Some(254)),
        (1, false, "2147483647", Some(254)),
        (-254, false, "2147483647", None),
        (0, false, "0", Some(100)),
        (0, false, "1", None),
        (0, false, "-1", None),
        (0, true, "0", None),
        (0, true, "1", Some(100)),
    ] {
        let mut engine = engine(config(vec![track(Tracker::File, weight, reverse)]));
        let _ = engine.handle(at(0), link(true));
        assert_eq!(shown(&mut engine, at(0)).0, Role::Init, "not before it was read");
        read(&mut engine, at(1), number);
        let (role, priority) = shown(&mut engine, at(1));
        let found = (role != Role::Fault).then_some(priority);
        assert_eq!(found, expected, "weight {weight} reverse {reverse} number {number}");
    }
}

#[test]
fn a_number_that_cannot_be_used_leaves_the_last_one_and_a_deletion_is_0() {
    let mut engine = engine(config(vec![track(Tracker::File, 2, false)]));
    let _ = engine.handle(at(0), link(true));
    read(&mut engine, at(1), "5");
    read(&mut engine, at(2), "99999999999");
    assert_eq!(shown(&mut engine, at(2)).1, 110);
    let snapshot = engine.snapshot(at(10));
    let file = &snapshot.files[0];
    assert_eq!((file.value, file.since, file.read_at), (Some(5), at(1), Some(at(2))));
    assert!(file.note.as_ref().is_some_and(|note| note.contains("beyond 32 bits")), "{file:?}");
    let gone = FileReading { value: Some(0), note: Some("there is no such file".into()), polled: None };
    let _ = engine.handle(at(11), Input::FileRead { name: "f".into(), reading: gone });
    assert_eq!(shown(&mut engine, at(11)).1, 100);
}

#[test]
fn a_quorum_is_lost_and_gained_after_its_delays_but_at_once_when_a_program_starts() {
    let mut engine = engine(config(vec![track(Tracker::Process, 0, false)]));
    let _ = engine.handle(at(0), link(true));
    assert_eq!(shown(&mut engine, at(0)).0, Role::Init, "not before they were counted");
    count(&mut engine, at(1), 2, Counted::Scan);
    assert_eq!(shown(&mut engine, at(1)).0, Role::Backup);
    // Back within the delay: nothing has happened.
    count(&mut engine, at(100), 1, Counted::End);
    assert_eq!(engine.snapshot(at(100)).processes[0].changes_at, Some(at(1100)));
    count(&mut engine, at(1000), 2, Counted::Exec);
    let _ = engine.handle(at(1200), Input::Deadline);
    assert_eq!(shown(&mut engine, at(1200)).0, Role::Backup);
    // Gone for longer.
    count(&mut engine, at(1300), 1, Counted::End);
    count(&mut engine, at(1500), 0, Counted::End);
    assert!(engine.deadline().is_some_and(|due| due <= at(2300)));
    let _ = engine.handle(at(2299), Input::Deadline);
    assert_eq!(shown(&mut engine, at(2299)).0, Role::Backup);
    let _ = engine.handle(at(2300), Input::Deadline);
    assert_eq!(shown(&mut engine, at(2300)).0, Role::Fault);
    // A program that starts counts at once, a fork after its delay; more than the greatest number is as bad.
    count(&mut engine, at(2400), 2, Counted::Exec);
    assert_eq!(shown(&mut engine, at(2400)).0, Role::Backup);
    count(&mut engine, at(2500), 4, Counted::Fork);
    assert_eq!(shown(&mut engine, at(2500)).0, Role::Backup);
    let _ = engine.handle(at(4500), Input::Deadline);
    assert_eq!(shown(&mut engine, at(4500)).0, Role::Fault);
}

#[test]
fn weights_of_processes_count_while_there_is_a_quorum_or_none() {
    for (weight, reverse, enough, few) in
        [(20, false, 120, 100), (-30, false, 100, 70), (20, true, 80, 100), (-30, true, 100, 130)]
    {
        for (running, priority) in [(2, enough), (1, few)] {
            let mut engine = engine(config(vec![track(Tracker::Process, weight, reverse)]));
            let _ = engine.handle(at(0), link(true));
            assert_eq!(shown(&mut engine, at(0)), (Role::Backup, 100), "a weight does not delay the start");
            count(&mut engine, at(1), running, Counted::Scan);
            assert_eq!(shown(&mut engine, at(1)).1, priority, "{weight} {reverse} {running}");
        }
    }
}

#[test]
fn a_reload_keeps_what_is_known_of_trackers_that_stay() {
    let tracks = vec![track(Tracker::File, 2, false), track(Tracker::Process, 20, false)];
    let mut engine = engine(config(tracks.clone()));
    let _ = engine.handle(at(0), link(true));
    read(&mut engine, at(1), "5");
    count(&mut engine, at(1), 2, Counted::Scan);
    assert_eq!(shown(&mut engine, at(2)).1, 130);
    let reload = |engine: &mut Engine, config: Config| {
        let actor = crate::status::Actor { user: "u".into(), from: "test".into() };
        let command = crate::status::Command::Reload { dry_run: false };
        let ask = crate::status::Ask { actor, ..crate::status::Ask::new(command) };
        let _ = engine.handle(at(10), Input::Configured { id: 1, ask, read: Ok(Box::new(config)) });
    };
    let mut other = config(vec![track(Tracker::File, 2, true), track(Tracker::Process, 20, true)]);
    other.processes[0].quorum = 3;
    reload(&mut engine, other);
    // 5 × −2; two of three is no quorum, and `reverse` takes 20 away only while there is one.
    assert_eq!(shown(&mut engine, at(10)).1, 90);
    let mut other = config(tracks);
    other.files[0].path = PathBuf::from("/g");
    reload(&mut engine, other);
    assert_eq!(engine.snapshot(at(10)).files[0].value, None, "another file");
}

#[test]
fn the_engine_after_one_that_died_goes_on_with_its_numbers_and_verdicts() {
    let tracks = vec![track(Tracker::File, 2, false), track(Tracker::Process, 20, false)];
    let mut first = engine(config(tracks.clone()));
    let _ = first.handle(at(0), link(true));
    read(&mut first, at(1), "5");
    count(&mut first, at(1), 2, Counted::Scan);
    assert!(first.makes_files());
    let node = first.take_node_record().unwrap();
    let legacy = Legacy { node, now: at(50), lives: 1, ..Legacy::default() };
    let mut second = engine_after(Some(legacy), config(tracks));
    let _ = second.handle(at(50), link(true));
    assert_eq!(shown(&mut second, at(50)), (Role::Backup, 130), "nothing was read or counted yet");
    assert!(!second.makes_files(), "what an operator has written meanwhile stays");
    read(&mut second, at(51), "6");
    assert_eq!(shown(&mut second, at(51)).1, 132);
}

#[test]
fn what_a_tracker_says_before_the_links_are_known_is_no_fault() {
    let mut engine = engine(config(vec![track(Tracker::File, 1, false)]));
    read(&mut engine, at(0), "5");
    assert_eq!(shown(&mut engine, at(0)).0, Role::Init);
    let _ = engine.handle(at(1), link(true));
    assert_eq!(shown(&mut engine, at(1)), (Role::Backup, 105));
    let mut without = self::engine(config(Vec::new()));
    let _ = without.handle(at(0), Input::LinksRead);
    assert_eq!(shown(&mut without, at(0)).0, Role::Fault);
}

fn delayed(down: u64, up: u64) -> Engine {
    let mut config = config(Vec::new());
    let delay = LinkDelay { down: Duration::from_millis(down), up: Duration::from_millis(up) };
    config.globals = Globals { link_delays: BTreeMap::from([(eth0(), delay)]), ..Globals::default() };
    let mut engine = engine(config);
    let _ = engine.handle(at(0), link(true));
    let _ = engine.handle(at(0), Input::LinksRead);
    engine
}

// parity-virtual: 41
#[test]
fn a_flap_within_the_delay_is_invisible_and_a_longer_one_counts_when_it_is_over() {
    let mut engine = delayed(500, 200);
    let _ = engine.handle(at(1000), link(false));
    assert_eq!(engine.snapshot(at(1000)).node.links[0].up, Some(false), "what is, is shown");
    assert_eq!(engine.snapshot(at(1000)).node.links[0].counts_at, Some(at(1500)));
    let _ = engine.handle(at(1300), link(true));
    let _ = engine.handle(at(1500), Input::Deadline);
    assert_eq!(shown(&mut engine, at(1500)).0, Role::Backup);
    assert_eq!(engine.snapshot(at(1500)).instances[0].transitions_total, 1);
    let _ = engine.handle(at(2000), link(false));
    // Other news of the link do not start the delay anew.
    let _ = engine.handle(at(2400), link(false));
    assert!(engine.deadline().is_some_and(|due| due <= at(2500)));
    let _ = engine.handle(at(2500), Input::Deadline);
    assert_eq!(shown(&mut engine, at(2500)).0, Role::Fault);
    let _ = engine.handle(at(3000), link(true));
    let _ = engine.handle(at(3100), link(false));
    let _ = engine.handle(at(3300), Input::Deadline);
    assert_eq!(shown(&mut engine, at(3300)).0, Role::Fault, "up for too short a time");
    let _ = engine.handle(at(4000), link(true));
    let _ = engine.handle(at(4200), Input::Deadline);
    assert_eq!(shown(&mut engine, at(4200)).0, Role::Backup);
}

#[test]
fn a_link_that_is_deleted_does_not_wait_and_no_delay_outlasts_the_others_patience() {
    let mut engine = delayed(250_000, 0);
    let _ = engine.handle(at(1000), link(false));
    // Two adverts of a second, less a 256th.
    assert_eq!(engine.snapshot(at(1000)).node.links[0].counts_at, Some(Instant::from_micros(2_996_093)));
    let _ = engine.handle(at(1100), Input::LinkGone(eth0()));
    assert_eq!(shown(&mut engine, at(1100)).0, Role::Fault);
}
