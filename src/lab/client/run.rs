//! The schedule: requests start on time however many are still under way, each on a connection of its own, so an
//! outage is seen to within the time between two requests.

use super::ask;
use super::tally::{Ended, Tally};
use crate::cli;
use crate::lab::report::Report;
use crate::settings::Settings;
use crate::sys::clock::Clock;
use crate::sys::{clock, limits};
use anyhow::ensure;
use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval_at, timeout};

pub fn run(args: &cli::LabClient, _settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    ensure!(args.interval > 0, "--interval is a number of milliseconds, at least 1");
    // An outage leaves a second's worth of requests waiting for each address.
    let _ = limits::raise_open_files(0);
    let every = Duration::from_millis(args.interval);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let clock = Clock::start();
        let seen: Vec<_> = args.targets.iter().map(|target| Seen::start(*target, every, clock)).collect();
        let mut ticks = interval_at(tokio::time::Instant::now() + REPORT, REPORT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // The reader went away: so does the client.
            let line = serde_json::to_string(&report(&seen))?;
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                return Ok(0);
            }
        }
    })
}

fn report(seen: &[Seen]) -> Report {
    let targets = seen.iter().map(|s| s.tally.borrow_mut().target(s.clock.now())).collect();
    let worst_lateness = seen.iter().map(|s| s.tally.borrow().worst_lateness()).max().unwrap_or_default();
    Report { targets, worst_lateness }
}

/// One address, asked by tasks of its own.
#[derive(Clone)]
struct Seen {
    target: SocketAddr,
    clock: Clock,
    tally: Rc<RefCell<Tally>>,
}

impl Seen {
    fn start(target: SocketAddr, every: Duration, clock: Clock) -> Self {
        let seen = Self { target, clock, tally: Rc::new(RefCell::new(Tally::new(target, every))) };
        spawn_local(seen.clone().ask_without_pause(every));
        spawn_local(seen.clone().download_without_pause());
        seen
    }

    async fn ask_without_pause(self, every: Duration) {
        let mut ticks = interval_at(tokio::time::Instant::now(), every);
        // A client that was held up goes on from where it is: a burst would ask nothing that is not asked anyway.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let due = ticks.tick().await;
            let (now, lateness) = (self.clock.now(), due.elapsed());
            self.tally.borrow_mut().asked(now, lateness);
            spawn_local(self.clone().ask_once());
        }
    }

    async fn ask_once(self) {
        if let Some(name) = self.answer().await {
            self.tally.borrow_mut().answered(self.clock.now(), clock::wall_us(), name);
        } else {
            let saved = self.answer().await.is_some();
            self.tally.borrow_mut().lost(saved);
        }
    }

    /// The name that answers; none: an error, or nothing in time.
    async fn answer(&self) -> Option<String> {
        timeout(PATIENCE, ask::name(self.target)).await.ok()?.ok()
    }

    async fn download_without_pause(self) {
        let mut ticks = interval_at(tokio::time::Instant::now() + SLOW_EVERY, SLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let one = self.clone();
            one.tally.borrow_mut().began();
            spawn_local(async move {
                let whole = matches!(timeout(SLOW_PATIENCE, ask::download(one.target)).await, Ok(Ok(())));
                one.tally.borrow_mut().ended(if whole { Ended::Whole } else { Ended::Broken });
            });
        }
    }
}

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(1);
const REPORT: Duration = Duration::from_millis(200);
/// With the default interval 26 requests go between two downloads, so that round robin gives each server its downloads.
const SLOW_EVERY: Duration = Duration::from_millis(520);
const SLOW_PATIENCE: Duration = Duration::from_secs(10);
