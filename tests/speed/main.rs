//! The console with a thousand instances on three nodes and ten thousand real servers, as somebody at a terminal has
//! it: a real process on a pseudo-terminal, attached to three sockets behind which snapshots change four times a second.
//! `cargo test --release --test speed -- --nocapture` prints the figures; the bounds asserted here are wide, for
//! unoptimised builds on machines that do much else.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "test code")]

#[path = "../console/fixture.rs"]
#[expect(dead_code, clippy::string_slice, reason = "the console's fixture, of which the snapshots are used")]
mod fixture;
mod load;
mod parts;
mod terminal;

use load::Cluster;
use std::time::Duration;
use terminal::Attached;

/// Optimised or not: what is asserted of the one would not hold for the other.
const OPTIMISED: bool = !cfg!(debug_assertions);

#[test]
fn a_large_cluster_is_quick_to_open_to_move_in_and_cheap_to_watch() {
    let cluster = Cluster::start();
    let mut console = Attached::open(&cluster.paths());
    let first = console.first_useful_frame();
    eprintln!("first useful frame: {:.0} ms (goal 200)", ms(first));
    // The link is up and the first snapshots have been read; then nothing changes but the clock.
    console.settle(Duration::from_secs(1));
    let idle = console.cpu_while(Duration::from_secs(2));
    eprintln!("idle: {:.2} % of a core (goal 0.5)", idle * 100.0);
    cluster.begin();
    console.settle(Duration::from_secs(1));
    let before = cluster.cpu();
    let busy = console.cpu_while(Duration::from_secs(3));
    let link = (cluster.cpu() - before) / 3.0 / 3.0;
    eprintln!("four changes a second: {:.2} % of a core (goal 5)", busy * 100.0);
    eprintln!("what the link costs each node: {:.2} % of a core for one console", link * 100.0);
    for (view, keys) in [("overview", "1"), ("services", "3"), ("timeline", "4")] {
        console.press(keys);
        console.settle(Duration::from_millis(700));
        let took = console.key_to_pixels(if OPTIMISED { 150 } else { 6 });
        let at = |share: f64| ms(took[((took.len() - 1) as f64 * share) as usize]);
        eprintln!("key to pixels, {view}: p50 {:.1} ms, p99 {:.1} ms (goal 30)", at(0.5), at(0.99));
        assert!(!OPTIMISED || at(0.5) < 60.0, "{view}: {} ms", at(0.5));
    }
    let (start, share) = if OPTIMISED { (2000.0, 0.25) } else { (20_000.0, 0.7) };
    assert!(ms(first) < start, "the first useful frame after {} ms", ms(first));
    assert!(busy < share, "{busy} of a core");
    assert!(idle < share, "{idle} of a core while idle");
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}
