use super::*;
use crate::health::{Connection, Http, Protocol, Url};

fn tcp() -> Method {
    Method::Tcp(Connection::to("192.168.10.31:80".parse().unwrap(), Duration::from_secs(1)))
}

fn pages(count: usize, fast_recovery: bool) -> Method {
    let url = |path: usize| Url {
        path: format!("/{path}"),
        host: None,
        server_name: None,
        digest: None,
        statuses: vec![(200, 299)],
        regex: None,
    };
    let to = Connection::to("192.168.10.31:80".parse().unwrap(), Duration::from_secs(1));
    let urls = (0..count).map(url).collect();
    Method::Http(Arc::new(Http { to, tls: None, protocol: Protocol::V10, urls, fast_recovery }))
}

fn spec(retry: u32) -> Spec {
    Spec {
        method: tcp(),
        period: Duration::from_secs(6),
        retry,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::from_secs(6),
        alpha: false,
        log_all_failures: false,
        ha_suspend: false,
    }
}

fn found(good: bool) -> Found {
    if good { Found::good("as told") } else { Found::bad("as told") }
}

fn secs(s: u64) -> Instant {
    Instant::from_micros(s * 1_000_000)
}

/// One run that ends at once; whether the verdict changed.
fn run(check: &mut Check, at: Instant, good: bool) -> bool {
    assert!(check.start(at, 7));
    check.finish(at, found(good)).verdict
}

/// Runs whenever it is due, with these results; how the check stands after each.
fn follow(check: &mut Check, results: &str) -> String {
    let mut story = Vec::new();
    for good in results.chars() {
        let at = check.deadline().unwrap();
        let step = check.step();
        run(check, at, good == '+');
        let pause = check.deadline().unwrap().since(at).as_secs();
        let state = if check.is_down() { "down" } else { "up" };
        story.push(format!("{step}{good}{state}/{pause}"));
    }
    story.join(" ")
}

#[test]
fn the_first_run_starts_within_the_warm_up() {
    assert_eq!(Check::new(spec(1), secs(10), 0.5).deadline(), Some(secs(13)));
    assert_eq!(Check::new(spec(1), secs(10), 7.0).deadline(), Some(secs(16)));
}

#[test]
fn the_first_failure_decides_at_once() {
    let mut check = Check::new(spec(3), secs(0), 0.0);
    assert!(run(&mut check, secs(0), false));
    assert!(check.is_down());
    assert_eq!(check.deadline(), Some(secs(6)));
}

#[test]
fn the_first_success_is_no_change() {
    let mut check = Check::new(spec(3), secs(0), 0.0);
    assert!(!run(&mut check, secs(0), true));
    assert_eq!(check.good(), Some(true));
}

#[test]
fn alpha_is_down_until_the_first_success_and_its_first_failure_is_no_change() {
    let mut check = Check::new(Spec { alpha: true, ..spec(1) }, secs(0), 0.0);
    assert!(check.is_down() && check.good().is_none());
    assert!(!run(&mut check, secs(0), false));
    assert!(run(&mut check, secs(6), true));
    assert_eq!((check.is_down(), check.since()), (false, secs(6)));
}

#[test]
fn a_failure_while_up_is_tried_again_before_it_counts() {
    let mut check = Check::new(spec(2), secs(0), 0.0);
    run(&mut check, secs(0), true);
    assert!(!run(&mut check, secs(6), false));
    assert_eq!((check.failing(), check.deadline()), (1, Some(secs(7))));
    assert!(!run(&mut check, secs(7), false));
    assert!(run(&mut check, secs(8), false));
    assert_eq!((check.is_down(), check.since(), check.deadline()), (true, secs(8), Some(secs(14))));
    let attempts: Vec<_> = check.history().iter().map(|r| (r.attempt, r.verdict)).collect();
    assert_eq!(attempts, [(1, Some(true)), (1, Some(true)), (2, Some(true)), (3, Some(false))]);
}

#[test]
fn one_success_is_enough_while_down() {
    let mut check = Check::new(spec(2), secs(0), 0.0);
    run(&mut check, secs(0), false);
    assert!(!run(&mut check, secs(6), false));
    assert!(run(&mut check, secs(12), true));
    assert_eq!(check.good(), Some(true));
}

#[test]
fn a_success_forgets_the_failures_before_it() {
    let mut check = Check::new(spec(1), secs(0), 0.0);
    run(&mut check, secs(0), true);
    for turn in 1..10 {
        assert!(!run(&mut check, secs(20 * turn), false));
        assert!(!run(&mut check, secs(20 * turn + 10), true));
    }
}

#[test]
fn nothing_starts_twice() {
    let mut check = Check::new(spec(1), secs(0), 0.0);
    assert!(check.start(secs(0), 1));
    assert!(!check.start(secs(100), 2));
    assert_eq!((check.deadline(), check.run()), (None, Some(1)));
    assert!(!check.run_at(secs(100)));
}

#[test]
fn several_pages_are_asked_for_in_turn_and_a_failed_one_alone_until_it_passes() {
    let http = Spec { method: pages(3, false), delay_before_retry: Duration::from_secs(3), ..spec(1) };
    let mut check = Check::new(http, secs(0), 0.0);
    // Up; then page 1 fails twice and is asked for alone, at the longer of the two pauses; once it passes, all are.
    assert_eq!(follow(&mut check, "+++0".replace('0', "+--").as_str()), "0+up/6 1+up/6 2+up/6 0+up/6 1-up/3 1-down/6");
    assert_eq!(follow(&mut check, "-++++"), "1-down/6 1+down/6 0+down/6 1+down/6 2+up/6");
}

#[test]
fn with_alpha_all_pages_must_pass_and_fast_recovery_makes_no_pauses() {
    let http = Spec { method: pages(3, true), alpha: true, ..spec(1) };
    let mut check = Check::new(http, secs(0), 0.0);
    assert_eq!(follow(&mut check, "+++"), "0+down/0 1+down/0 2+up/6");
}

#[test]
fn the_last_twenty_runs_are_kept_and_no_more() {
    let mut check = Check::new(spec(1), secs(0), 0.0);
    let shown = check.history().clone();
    for turn in 0..50 {
        run(&mut check, secs(10 * turn), true);
    }
    assert_eq!((check.history().len(), check.last().unwrap().at), (KEPT, secs(490)));
    assert!(shown.is_empty(), "what is shown somewhere stays as it was");
}

#[test]
fn what_is_told_runs_at_no_time_of_its_own() {
    let method = Method::Bfd { session: "s".into() };
    let mut check = Check::new(Spec { method, retry: 0, ..spec(0) }, secs(0), 0.0);
    assert_eq!(check.deadline(), None);
    assert!(check.finish(secs(1), found(false)).verdict);
    assert!(check.finish(secs(2), found(true)).verdict);
    assert_eq!(check.deadline(), None);
}

#[test]
fn a_weight_counts_while_the_check_is_good() {
    let mut check = Check::new(spec(0), secs(0), 0.0);
    let says = |weight| Found { weight: Weight::Is(weight), ..Found::good("exit status") };
    check.start(secs(0), 1);
    assert!(check.finish(secs(0), says(198)).weight);
    assert_eq!(check.weight().more_than(100), 98);
    check.start(secs(6), 2);
    assert!(!check.finish(secs(6), says(198)).weight);
    check.start(secs(12), 3);
    assert_eq!(check.finish(secs(12), found(false)), Change { verdict: true, weight: true });
    assert_eq!(check.weight().more_than(100), 0);
}
