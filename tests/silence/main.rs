//! How long a client goes without an answer, and how long two nodes answer: vipdeck and Debian's keepalived, one after
//! the other on the same network, case by case.
//!
//! A client asks the address each millisecond (ICMP echo; the kernel of whoever has the address answers). The ordinary
//! run is short: vipdeck alone, once, with bounds that hold on a busy machine. `VIPDECK_LONG=1 cargo test --release
//! --test silence -- --nocapture` measures both programs ten times and asks for the goals;
//! `VIPDECK_SILENCE=host-dies,stop VIPDECK_REPEAT=3` picks cases and how often; `VIPDECK_BUSY=1` gives both programs
//! real-time priority, on a machine that has other work. Needs root and keepalived.

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
mod cases;
mod client;
#[path = "../common/ear.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod ear;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod figures;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod stage;
#[path = "../interop/watch.rs"]
mod watch;

use cases::{Case, SHORT};
use figures::Figures;
use stage::{Program, Stage};
use std::io::Write;

#[test]
fn clients_are_left_without_an_answer_no_longer_than_allowed() {
    let is_long = std::env::var_os("VIPDECK_LONG").is_some();
    let chosen = std::env::var("VIPDECK_SILENCE").ok().map(|text| Case::parse(&text));
    let compares = is_long || chosen.is_some();
    if !programs::has(if compares { &["keepalived", "ip", "bridge"] } else { &["ip", "bridge"] }) {
        return;
    }
    let cases = chosen.unwrap_or_else(|| if is_long { Case::ALL.to_vec() } else { SHORT.to_vec() });
    let repeat = std::env::var("VIPDECK_REPEAT").map_or(if is_long { 10 } else { 1 }, |n| n.parse().expect("a number"));
    let ours = [Program::Vipdeck; 2];
    let all = [ours, [Program::Keepalived; 2], [Program::Vipdeck, Program::Keepalived]];
    let pairs = if compares { &all[..] } else { &all[..1] };
    let mut figures = Figures::default();
    for pair in pairs {
        for group in cases::groups(&cases, *pair) {
            let Some(mut stage) = Stage::new(*pair, group.kind()) else { return };
            group.run(&mut stage, repeat, &mut figures);
        }
    }
    for line in figures.table(&cases) {
        say(&line);
    }
    let misses = if is_long { figures.missed_goals() } else { figures.missed_bounds() };
    assert!(misses.is_empty(), "not reached:\n{}", misses.join("\n"));
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
