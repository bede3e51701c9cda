//! `check` of configurations with thousands of real servers.
//!
//! The ordinary run asks that four times the text takes about four times the work, counted in the thread's own processor
//! time. `VIPDECK_LONG=1 cargo test --release --test conf speed -- --nocapture` measures 10 000 real servers in one
//! service and in many, side by side with `keepalived -t`.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vipdeck::conf::{self, Memory};

/// Of quadratic work it would be sixteen.
const MOST: f64 = 8.0;

/// `services` virtual servers with `reals` real servers each, checked by TCP or not at all.
fn text(services: usize, reals: usize, checked: bool) -> String {
    let mut text = String::new();
    for service in 0..services {
        let (a, b, c) = (service / 62_500, (service / 250) % 250, service % 250 + 1);
        writeln!(text, "virtual_server 172.{}.{b}.{c} 80 {{", 16 + a).unwrap();
        text.push_str("    delay_loop 6\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n");
        for real in service * reals..(service + 1) * reals {
            let (a, b, c) = (real / 62_500, (real / 250) % 250, real % 250 + 1);
            writeln!(text, "    real_server 10.{}.{b}.{c} 80 {{\n        weight 1", a + 1).unwrap();
            if checked {
                text.push_str("        TCP_CHECK {\n            connect_timeout 3\n        }\n");
            }
            text.push_str("    }\n");
        }
        text.push_str("}\n");
    }
    text
}

/// The least processor time of three readings.
fn cost(text: &str) -> Duration {
    let loader = Memory::one("keepalived.conf", text);
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let once = || {
        let before = now();
        let (config, diagnostics, _) = conf::parse(Path::new("keepalived.conf"), &loader);
        let cost = now().saturating_sub(before);
        assert!(config.services.iter().map(|service| service.reals.len()).sum::<usize>() >= 500, "{diagnostics:?}");
        cost
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
fn four_times_the_real_servers_take_about_four_times_the_work() {
    // In one service, and in one each; with a check, and with a diagnostic for each.
    for (in_one, checked) in [(true, true), (true, false), (false, true), (false, false)] {
        let text = |count: usize| if in_one { text(1, count, checked) } else { text(count, 1, checked) };
        let (few, many) = (cost(&text(500)), cost(&text(2000)));
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        assert!(ratio < MOST, "in one service: {in_one}, checked: {checked}: {few:?}, then {many:?}");
    }
}

#[test]
fn ten_thousand_real_servers_beside_keepalived() {
    if std::env::var_os("VIPDECK_LONG").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, services, reals) in
        [("one service", 1, 10_000), ("1000 services", 1000, 10), ("10000 services", 10_000, 1)]
    {
        let file = directory.path().join("keepalived.conf");
        std::fs::write(&file, text(services, reals, true)).unwrap();
        let file = file.to_str().unwrap();
        let [mut ours, mut theirs] = [(Duration::MAX, Duration::MAX); 2];
        for _ in 0..7 {
            ours = least(ours, run(&[env!("CARGO_BIN_EXE_vipdeck"), "check", file]));
            theirs = least(theirs, run(&["keepalived", "-t", "-f", file]));
        }
        let ratio = theirs.1.as_secs_f64() / ours.1.as_secs_f64();
        writeln!(
            std::io::stderr(),
            "measured: check of 10000 real servers in {name}: vipdeck {:.0} ms ({:.0} ms of processor), keepalived -t {:.0} ms ({:.0} ms), {ratio:.1} times",
            millis(ours.0), millis(ours.1), millis(theirs.0), millis(theirs.1)
        )
        .unwrap();
        assert!(ours.1 < theirs.1, "{name}: slower than keepalived");
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn least(a: (Duration, Duration), b: (Duration, Duration)) -> (Duration, Duration) {
    (a.0.min(b.0), a.1.min(b.1))
}

/// The time it took, and the processor time of it.
fn run(argv: &[&str]) -> (Duration, Duration) {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(u64::try_from(micros).unwrap())
    };
    let (before, start) = (used(), Instant::now());
    let status = Command::new(argv[0]).args(&argv[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.code().is_some(), "{argv:?}: {status}");
    (start.elapsed(), used().saturating_sub(before))
}
