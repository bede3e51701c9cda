//! The same seed and the same deeds give the same history.

use std::fmt::Write;
use std::time::Duration;
use vipdeck::sim::{Pace, World, act, scenario, stage};
use vipdeck::status::{Actor, Ask, AtDeadline, Command, DemoteMode, StageAction};

enum Deed {
    Stage(StageAction),
    Command(usize, Command),
}

fn script() -> Vec<(u64, Deed)> {
    let node = || "lvs1".to_owned();
    let instance = || "VI_1".to_owned();
    let web1 = "192.168.10.31:80".parse().unwrap();
    let drain = Command::Drain {
        real: web1,
        service: None,
        deadline_seconds: None,
        then: AtDeadline::Ask,
        ignore_persistence: false,
    };
    vec![
        (12_345, Deed::Command(0, Command::Demote { instance: instance(), seen: None, mode: DemoteMode::Yield })),
        (4000, Deed::Command(0, Command::Restore { instance: instance() })),
        (3333, Deed::Command(1, Command::Takeover { instance: instance(), seen: None })),
        (5000, Deed::Command(1, Command::Restore { instance: instance() })),
        (700, Deed::Command(0, drain)),
        (9000, Deed::Command(0, Command::Return { real: web1, service: None, slow_start_seconds: None })),
        (1, Deed::Stage(StageAction::ToggleServer { server: "web2".into() })),
        (15_000, Deed::Stage(StageAction::ToggleServer { server: "web2".into() })),
        (20_000, Deed::Stage(StageAction::Crash { node: node() })),
        (7777, Deed::Stage(StageAction::Revive { node: node() })),
        (9000, Deed::Stage(StageAction::ToggleLink { node: node() })),
        (9000, Deed::Stage(StageAction::ToggleLink { node: node() })),
        (1500, Deed::Stage(StageAction::Step)),
        (0, Deed::Stage(StageAction::Step)),
        (30_000, Deed::Stage(StageAction::Faster)),
    ]
}

/// Everything that can be seen of a run: replies, events, snapshots and the stage after each deed.
fn history(seed: u64, chunk: Duration) -> String {
    let mut world: World = scenario("dual-master-dr", seed, 1_700_000_000_000_000).unwrap();
    let mut pace = Pace::new(seed);
    let mut text = String::new();
    for (after, deed) in script() {
        let until = world.now() + Duration::from_millis(after);
        while world.now() < until {
            world.run_until(until.min(world.now() + chunk));
        }
        match deed {
            Deed::Stage(action) => {
                let reply = act(&mut world, &mut pace, &action);
                writeln!(text, "{action:?}: {reply:?}").unwrap();
            }
            Deed::Command(host, command) => {
                let actor = Actor { user: "test".into(), from: "test".into() };
                let reply = world.command(host, Ask { actor, ..Ask::new(command.clone()) });
                writeln!(text, "{command}: {reply:?}").unwrap();
            }
        }
        for host in 0..world.hosts.len() {
            for event in world.take_events(host) {
                writeln!(text, "{event:?}").unwrap();
            }
            if let Some(mut snapshot) = world.snapshot(host) {
                // How often somebody looked is no part of the history.
                snapshot.revision = 0;
                writeln!(text, "{snapshot:?}").unwrap();
            }
        }
        writeln!(text, "{:?}", stage(&world, "dual-master-dr", &pace)).unwrap();
    }
    text
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let frame = Duration::from_millis(33);
    let first = history(42, frame);
    assert!(first.contains("MASTER") && first.contains("Accepted") && first.lines().count() > 100, "{first}");
    assert!(first == history(42, frame), "two runs of one seed differ");
    assert!(first != history(43, frame), "another seed gives another run");
}

#[test]
fn the_length_of_the_frames_does_not_matter() {
    let first = history(7, Duration::from_millis(33));
    for (number, (a, b)) in first.lines().zip(history(7, Duration::from_micros(12_345)).lines()).enumerate() {
        assert_eq!(a, b, "line {number}");
    }
}
