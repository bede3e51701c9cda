//! Many virtual routers: vipdeck and Debian's keepalived one after the other on the same links, and their ratio.
//!
//! The ordinary run is short and asks only that every instance takes part. `VIPDECK_LONG=1 cargo test --release --test
//! scale -- --nocapture` measures 1 000 instances at 1 s and 255 at 0.1 s and asks for the ratios, 16 at 10 ms
//! without keepalived, and 500 at 0.1 s for an hour; `VIPDECK_SCALE=255,100,10` measures another load: instances,
//! milliseconds between adverts, seconds. Needs root, keepalived and tcpdump.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod floor;
#[path = "../punctuality/gaps.rs"]
mod gaps;
mod hour;
mod measure;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod stage;
#[path = "../common/usage.rs"]
mod usage;

use measure::Figures;
use stage::{Load, Program, Stage};
use std::io::Write;

/// A clean stop, with the hand-over done, beyond what the successor waits for.
const STOP_MS: f64 = 100.0;

/// Beyond the master-down time, with adverts every 10 ms.
const TEN_MS_EXCESS: f64 = 1.5;

#[test]
fn many_instances_next_to_keepalived() {
    if !programs::has(&["keepalived", "tcpdump"]) {
        return;
    }
    let is_long = std::env::var_os("VIPDECK_LONG").is_some();
    let given = std::env::var("VIPDECK_SCALE").ok().map(|text| vec![Load::parse(&text)]);
    let full = || vec![Load::new(1000, 1000, 60), Load::new(255, 100, 60)];
    let loads = given.unwrap_or_else(|| if is_long { full() } else { vec![Load::new(48, 1000, 5)] });
    let Some(stage) = Stage::new() else { return };
    let misses: Vec<_> = loads.iter().flat_map(|load| compare(&stage, load)).collect();
    assert!(!is_long || misses.is_empty(), "not reached:\n{}", misses.join("\n"));
}

/// Hundredths of a second are the shortest interval there is. keepalived is not measured: at such loads it is late.
#[test]
fn sixteen_instances_every_ten_milliseconds() {
    if !programs::has(&["tcpdump"]) {
        return;
    }
    let is_long = std::env::var_os("VIPDECK_LONG").is_some();
    let load = Load::new(16, 10, if is_long { 60 } else { 2 });
    let Some(stage) = Stage::new() else { return };
    let figures = measure::pair(&stage, Program::Vipdeck, &load);
    say(&format!("measured: {} instances every {:?}, vipdeck alone", load.instances, load.interval));
    for (row, value, _) in Figures::ROWS.iter().filter(|(row, ..)| *row != measure::FIRST_ADVERT) {
        say(&format!("{row:34}{:11.3}", value(&figures)));
    }
    assert_eq!((figures.senders, figures.taken_over), (load.instances, load.instances), "every instance takes part");
    // A busy machine that keeps a master waiting for its master-down time, 36 ms, has a failover before its end.
    if is_long {
        assert!(figures.failover_earliest > -5.0, "none is taken over before its master-down time");
        let late = figures.failover_median();
        assert!(late <= TEN_MS_EXCESS, "{late:.3} ms late, at most {TEN_MS_EXCESS}");
    }
}

/// Prints both programs' figures; what of the targets was not reached.
fn compare(stage: &Stage, load: &Load) -> Vec<String> {
    let ours = measure::all(stage, Program::Vipdeck, load);
    let theirs = measure::all(stage, Program::Keepalived, load);
    let floor = floor::cpu_a_minute(&stage.pair.a, load);
    let title = format!("{} instances over {} links every {:?}", load.instances, stage::LINKS, load.interval);
    let mut misses = Vec::new();
    say(&title);
    say(&format!("{:34}{:>11}{:>12}{:>8}", "", "vipdeck", "keepalived", "ratio"));
    for (row, value, most) in Figures::ROWS {
        let (ours, theirs) = (value(&ours), value(&theirs));
        let ratio = ours / theirs;
        say(&format!("{row:34}{ours:11.3}{theirs:12.3}{ratio:8.2}"));
        if ratio > *most {
            misses.push(format!("{title}: {row}: {ratio:.2} of keepalived's, at most {most}"));
        }
    }
    say(&format!("{:34}{floor:11.3}", "bare sends of the masters, s/min"));
    let most = STOP_MS + load.successor_waits().as_secs_f64() * 1e3;
    if ours.stop_ms > most {
        misses.push(format!("{title}: clean stop: {:.0} ms, at most {most:.0}", ours.stop_ms));
    }
    for (figures, name) in [(&ours, "vipdeck"), (&theirs, "keepalived")] {
        assert_eq!(figures.senders, load.instances, "{name}: every instance has adverts");
        assert_eq!(figures.taken_over, load.instances, "{name}: every instance is taken over");
        assert!(figures.failover_earliest > -5.0, "{name}: none is taken over before its master-down time");
    }
    misses
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
