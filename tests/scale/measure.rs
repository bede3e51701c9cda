//! One program on both sides, and its figures.

use crate::capture::{Capture, wall};
use crate::programs::{Running, signal};
use crate::stage::{LINKS, Load, Program, Stage, many, owner};
use crate::usage::{cpu, resident, tree};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Figures {
    cpu: [f64; 2],
    megabytes: [f64; 2],
    spread_p99: f64,
    failover: [f64; 2],
    pub(crate) failover_earliest: f64,
    first_advert: f64,
    pub(crate) stop_ms: f64,
    /// Instances whose adverts were seen, and that the other side took over.
    pub(crate) senders: usize,
    pub(crate) taken_over: usize,
}

type Row = (&'static str, fn(&Figures) -> f64, f64);

pub(crate) const FIRST_ADVERT: &str = "owner's first advert, ms";

impl Figures {
    pub(crate) const fn failover_median(&self) -> f64 {
        self.failover[0]
    }

    /// What it is, which one, and the most that it may be of keepalived's.
    pub(crate) const ROWS: &'static [Row] = &[
        ("masters, CPU s/min", |f| f.cpu[0], 0.8),
        ("backups, CPU s/min", |f| f.cpu[1], 0.8),
        ("masters, MB resident", |f| f.megabytes[0], 1.3),
        ("backups, MB resident", |f| f.megabytes[1], 1.3),
        ("interval spread p99, ms", |f| f.spread_p99, 0.8),
        ("mass failover p50, ms late", |f| f.failover[0], 0.8),
        ("mass failover p99, ms late", |f| f.failover[1], 0.8),
        (FIRST_ADVERT, |f| f.first_advert, 0.8),
        ("clean stop with successors, ms", |f| f.stop_ms, 1.0),
    ];
}

/// By link and virtual router: when each side's adverts with a priority were seen.
type Seen = BTreeMap<(usize, u8), [Vec<Duration>; 2]>;

pub(crate) fn all(stage: &Stage, program: Program, load: &Load) -> Figures {
    let first_advert = first_advert(stage, program);
    Figures { first_advert, ..pair(stage, program, load) }
}

/// All but the first advert.
pub(crate) fn pair(stage: &Stage, program: Program, load: &Load) -> Figures {
    let mut figures = Figures::default();
    let start = |side| stage.start(program, side, &format!("{program:?}{side}"), &many(load, side));
    let masters = start(0);
    // They have taken over, and have announced what they hold twice, before anything is measured.
    sleep(load.master_down() + Duration::from_secs(7));
    let backups = start(1);
    sleep(Duration::from_secs(3));
    let captures: Vec<_> = (0..LINKS).map(|l| capture(stage, &format!("{program:?}-{l}"), l)).collect();
    let before = [cpu(&masters), cpu(&backups)];
    let from = wall();
    sleep(load.window);
    let to = wall();
    let minutes = (to - from).as_secs_f64() / 60.0;
    figures.cpu = [(cpu(&masters) - before[0]) / minutes, (cpu(&backups) - before[1]) / minutes];
    figures.megabytes = [resident(&masters), resident(&backups)];
    for pid in tree(masters.pid()) {
        signal(pid, Signal::SIGKILL);
    }
    sleep(load.master_down() + Duration::from_secs(2));
    let seen = seen(&captures);
    let steady = |side: &[Duration]| side.iter().filter(|at| (from..to).contains(at)).copied().collect::<Vec<_>>();
    let off = |pair: &[Duration]| ((pair[1] - pair[0]).as_secs_f64() - load.interval.as_secs_f64()).abs() * 1e3;
    let spread = seen.values().flat_map(|s| steady(&s[0]).windows(2).map(off).collect::<Vec<_>>());
    figures.spread_p99 = quantile(spread.collect(), 0.99);
    figures.senders = seen.values().filter(|s| !steady(&s[0]).is_empty()).count();
    let late: Vec<_> = seen.values().filter_map(|s| lateness(s, load)).collect();
    figures.taken_over = late.len();
    figures.failover = [quantile(late.clone(), 0.5), quantile(late.clone(), 0.99)];
    figures.failover_earliest = quantile(late, 0.0);
    // The preferred ones come back, and leave properly.
    let masters = stage.start(program, 0, &format!("{program:?}-again"), &many(load, 0));
    sleep(load.master_down() + Duration::from_secs(3));
    figures.stop_ms = stop(&masters);
    stop(&backups);
    figures
}

/// Milliseconds from SIGTERM to its end; not waited for longer than five seconds.
fn stop(running: &Running) -> f64 {
    let asked = Instant::now();
    signal(running.pid(), Signal::SIGTERM);
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    // It stays a zombie until it is waited for.
    while !stat().contains(") Z ") && asked.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(1));
    }
    asked.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds from the end of the master-down time to the backup's first advert.
fn lateness([masters, backups]: &[Vec<Duration>; 2], load: &Load) -> Option<f64> {
    let due = *masters.last()? + load.master_down();
    Some((backups.first()?.as_secs_f64() - due.as_secs_f64()) * 1e3)
}

/// From the program's start to its advert, the median of five, in milliseconds.
fn first_advert(stage: &Stage, program: Program) -> f64 {
    let one = |round| {
        let name = format!("{program:?}-owner{round}");
        let capture = capture(stage, &name, 0);
        let started = wall();
        let running = stage.start(program, 0, &name, &owner());
        sleep(Duration::from_millis(2500));
        let seen = seen(std::slice::from_ref(&capture));
        running.stop();
        capture.stop();
        (seen.get(&(0, 255)).expect("the owner's advert")[0][0] - started).as_secs_f64() * 1e3
    };
    quantile((0..5).map(one).collect(), 0.5)
}

fn capture(stage: &Stage, name: &str, link: usize) -> Capture {
    Capture::bulk(&stage.pair.b, &format!("l{link}"), stage.directory(), name)
}

fn seen(captures: &[Capture]) -> Seen {
    let mut seen = Seen::new();
    for (link, capture) in captures.iter().enumerate() {
        for frame in capture.frames().iter().filter(|f| f.bytes[12..14] == [8, 0] && f.bytes[23] == 112) {
            let vrrp = 14 + usize::from(frame.bytes[14] & 15) * 4;
            // Priority 0 is a farewell. The sender's last octet is its side.
            if frame.bytes[vrrp + 2] != 0 {
                let side = usize::from(frame.bytes[29]) - 1;
                seen.entry((link, frame.bytes[vrrp + 1])).or_default()[side].push(frame.at);
            }
        }
    }
    seen
}

fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).expect("something was measured");
    values[(last as f64 * at).round() as usize]
}
