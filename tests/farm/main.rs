//! Thousands of real servers and their checks: vipdeck and Debian's keepalived one after the other on one kernel with
//! ip_vs, and their ratio.
//!
//! On a kernel without ip_vs the test runs itself again under `tests/uml/run`. The ordinary run is short and asks only
//! that both see what happens. `VIPDECK_LONG=1 cargo test --release --test farm -- --nocapture` measures 1 000 and
//! 5 000 checks, and tables of 1 000 and 10 000 real servers; `VIPDECK_FARM=checks` or `tables` does one of them. Needs root,
//! keepalived and ipvsadm.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::explicit_write,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/guest.rs"]
mod guest;
mod measure;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod programs;
mod servers;
#[path = "../common/usage.rs"]
mod usage;

use measure::{Program, Row};
use std::io::Write;
use vipdeck::sys::ipvs::{Ipvs, IpvsError};

#[test]
fn a_farm_next_to_keepalived() {
    if !programs::has(&["keepalived", "ipvsadm"]) {
        return;
    }
    let is_long = std::env::var_os("VIPDECK_LONG").is_some();
    match Ipvs::open() {
        Ok(_) => {}
        Err(IpvsError::NoModule) if !guest::is_inside() => {
            let limits = ("2048M", if is_long { 3000 } else { 280 });
            return match guest::run("a_farm_next_to_keepalived", limits, "measured:") {
                Ok(text) => text.lines().filter(|line| line.starts_with("measured:")).for_each(say),
                Err(reason) => namespaces::skipped(&reason),
            };
        }
        Err(error) => panic!("{error}"),
    }
    let (checks, tables): (&[usize], &[usize]) =
        if is_long { (&[1000, 5000], &[1000, 10_000]) } else { (&[100], &[300]) };
    let only = std::env::var("VIPDECK_FARM").unwrap_or_default();
    let checks = checks.iter().filter(|_| only != "tables");
    let tables = tables.iter().filter(|_| only != "checks");
    for count in checks {
        compare(&format!("{count} TCP checks every 2 s"), |program| measure::checks(program, *count, is_long));
    }
    for count in tables {
        compare(&format!("a table of {count} real servers"), |program| measure::table(program, *count));
    }
}

fn compare(title: &str, measure: impl Fn(Program) -> Vec<Row>) {
    let (ours, theirs) = (measure(Program::Vipdeck), measure(Program::Keepalived));
    say(&format!("measured: {title}{:14}{:>11}{:>12}{:>8}", "", "vipdeck", "keepalived", "ratio"));
    for ((row, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
        say(&format!("measured: {row:40}{ours:11.3}{theirs:12.3}{:8.2}", ours / theirs));
    }
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
