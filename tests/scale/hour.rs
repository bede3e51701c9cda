//! Five hundred virtual routers at a tenth of a second: whether anybody takes over who should not.

use crate::engine::status;
use crate::gaps::Witness;
use crate::programs::{Running, has};
use crate::say;
use crate::stage::{Load, Program, Stage, many};
use crate::usage::cpu;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use vipdeck::status::Role;

const HOUR: Duration = Duration::from_secs(3600);
/// keepalived's cost is known after a minute.
const MINUTE: Duration = Duration::from_secs(60);
/// A machine that keeps a thread waiting for so long may keep an engine from three adverts.
const STALL: Duration = Duration::from_millis(150);

#[test]
fn five_hundred_at_a_tenth_of_a_second_have_no_false_failover() {
    let is_long = std::env::var_os("VIPDECK_LONG").is_some();
    if !has(&["tcpdump"]) || is_long && !has(&["keepalived"]) {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    let load = Load::new(500, 100, 5);
    let window = if is_long { HOUR } else { load.window };
    let ours = {
        let (masters, backups) = both(&stage, Program::Vipdeck, &load);
        let socket = |side: usize| stage.directory().join(format!("hour-Vipdeck{side}.sock"));
        let before = [Role::Master, Role::Backup].map(|role| changes(&socket(usize::from(role == Role::Backup)), role));
        let witness = Witness::start();
        let cost = cost(&masters, &backups, window);
        let after = [Role::Master, Role::Backup].map(|role| changes(&socket(usize::from(role == Role::Backup)), role));
        let stall = witness.end();
        say(&format!(
            "measured: 500 instances every 100 ms for {window:?}: changes of state {before:?}, then {after:?}"
        ));
        if stall > STALL {
            say(&format!("this machine stood still for {stall:?}: a failover would not be a false one"));
        } else {
            assert_eq!(before, after, "changes of state of masters and backups; none if all are what they should be");
        }
        cost
    };
    say(&format!("{:34}{:11.3}{:11.3}", "masters, backups, CPU s/min", ours[0], ours[1]));
    if is_long {
        let (masters, backups) = both(&stage, Program::Keepalived, &load);
        let theirs = cost(&masters, &backups, MINUTE);
        say(&format!("{:34}{:11.3}{:11.3}", "keepalived's", theirs[0], theirs[1]));
        assert!(ours[0] < theirs[0] && ours[1] < theirs[1], "{ours:?} are below {theirs:?}");
    }
}

fn both(stage: &Stage, program: Program, load: &Load) -> (Running, Running) {
    let start = |side| stage.start(program, side, &format!("hour-{program:?}{side}"), &many(load, side));
    let masters = start(0);
    sleep(load.master_down() + Duration::from_secs(3));
    let backups = start(1);
    sleep(Duration::from_secs(3));
    (masters, backups)
}

/// CPU seconds a minute.
fn cost(masters: &Running, backups: &Running, window: Duration) -> [f64; 2] {
    let before = [cpu(masters), cpu(backups)];
    sleep(window);
    let minutes = window.as_secs_f64() / 60.0;
    [(cpu(masters) - before[0]) / minutes, (cpu(backups) - before[1]) / minutes]
}

/// How often the instances have changed their state; none unless all of them have this role.
fn changes(socket: &Path, role: Role) -> Option<u64> {
    let snapshot = status(socket).expect("an answer");
    let all = snapshot.instances.len() == 500 && snapshot.instances.iter().all(|i| i.state == role);
    all.then(|| snapshot.instances.iter().map(|i| i.transitions_total).sum())
}
