//! How the program runs: priorities, processors, memory, names (`vrrp_priority` and its like). A refusal of the kernel
//! is an event; the engine goes on without.

use crate::conf::{ProcessOptions, ThreadOptions};
use crate::engine::Input;
use crate::status::Severity;
use crate::sys::process;
use crate::sys::sched::{self, Thread};
use crate::time::Duration;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

/// keepalived's limit of real-time processor time without a pause, microseconds.
const RTTIME: u64 = 10_000;
/// The lateness that raises the engine's thread, unless another is given.
const LATE: Duration = Duration::from_secs(1);
/// After that limit, the engine's thread does without real time for so long.
const REST: Duration = Duration::from_secs(5);

/// For the threads that were started last to begin.
const BEGUN: Duration = Duration::from_millis(50);

/// The threads of checks and of the table, and the one of BFD, as they are called when they start.
const CHECKERS: &[&str] = &["workers", "checkers", "checker", "dataplane", "balancer"];
const BFD: &[&str] = &["bfd"];

/// What holds at present. Lives on the engine's thread.
pub(super) struct Scheduling {
    engine: Thread,
    checkers: Vec<Thread>,
    bfd: Vec<Thread>,
    options: ProcessOptions,
    /// The engine's real-time priority; 0: none.
    level: Arc<AtomicU8>,
    /// The task that hears of real time used up.
    watches: bool,
    reports: UnboundedSender<Input>,
}

impl Scheduling {
    /// On the engine's thread, within its runtime, once the other threads are there: those that a thread starts begin
    /// as it is.
    pub(super) fn start(options: &ProcessOptions, reports: UnboundedSender<Input>) -> Self {
        let mut scheduling = Self {
            engine: Thread::current(),
            checkers: Vec::new(),
            bfd: Vec::new(),
            options: ProcessOptions::default(),
            level: Arc::new(AtomicU8::new(0)),
            watches: false,
            reports,
        };
        if *options != ProcessOptions::default() && !Thread::all_are_named(BEGUN).unwrap_or(false) {
            let text =
                format!("the other threads have not begun within {BEGUN:?}: checker_* and bfd_* may not hold for all");
            scheduling.say(Severity::Warning, text);
        }
        scheduling.need(options);
        scheduling
    }

    /// From now on these options; what is the same is left alone.
    pub(super) fn need(&mut self, wanted: &ProcessOptions) {
        let before = std::mem::replace(&mut self.options, wanted.clone());
        if before == *wanted {
            return;
        }
        process::set_supplementary_groups(wanted.supplementary_groups);
        if let Some(mask) = wanted.umask.filter(|_| before.umask != wanted.umask) {
            sched::set_umask(mask);
        }
        if wanted.lock_memory && !before.lock_memory {
            self.tried("no_swap: lock the memory", sched::lock_memory());
        }
        self.limit_realtime(wanted);
        self.checkers.extend(self.find(CHECKERS));
        self.bfd.extend(self.find(BFD));
        self.apply("vrrp", &[self.engine], &before.engine, &wanted.engine);
        self.apply("checker", &self.checkers, &before.checker, &wanted.checker);
        self.apply("bfd", &self.bfd, &before.bfd, &wanted.bfd);
        self.level.store(wanted.engine.realtime.unwrap_or(0), Ordering::Relaxed);
    }

    fn find(&self, names: &[&str]) -> Vec<Thread> {
        Thread::named(names).unwrap_or_else(|error| {
            self.say(Severity::Warning, format!("find the threads {}: {error}", names.join(", ")));
            Vec::new()
        })
    }

    /// The process has one limit: the largest that is asked for.
    fn limit_realtime(&mut self, wanted: &ProcessOptions) {
        let threads = [&wanted.engine, &wanted.checker, &wanted.bfd];
        if threads.iter().all(|t| t.realtime.is_none()) && wanted.auto_realtime.is_none() {
            return;
        }
        let limit = threads.iter().filter_map(|t| t.rlimit_rttime).max().unwrap_or(RTTIME);
        // Before the limit: its signal would end the process.
        if !self.watches {
            match watch(self.engine, limit, self.level.clone(), self.reports.clone()) {
                Ok(()) => self.watches = true,
                Err(error) => {
                    self.say(Severity::Warning, format!("real time is not limited: listen for SIGXCPU: {error}"));
                    return;
                }
            }
        }
        self.tried("rlimit_rttime: limit real time", sched::limit_realtime(limit));
    }

    fn apply(&self, whose: &str, threads: &[Thread], before: &ThreadOptions, wanted: &ThreadOptions) {
        for thread in threads {
            if before.cpus != wanted.cpus {
                let what = format!("{whose}_cpu_affinity: keep to processors {:?}", wanted.cpus);
                self.tried(&what, thread.processors(&wanted.cpus));
            }
            if before.realtime != wanted.realtime {
                let result = wanted.realtime.map_or_else(|| thread.ordinary(), |priority| thread.realtime(priority));
                self.tried(&format!("{whose}_rt_priority: run at real-time priority"), result);
            }
            if before.nice != wanted.nice {
                let nice = wanted.nice.unwrap_or(0);
                self.tried(&format!("{whose}_priority: take nice value {nice}"), thread.nice(nice));
            }
            if let Some(name) = wanted.name.as_ref().filter(|name| before.name.as_ref() != Some(name)) {
                self.tried(&format!("{whose}_process_name: take the name {name}"), thread.rename(name));
            }
        }
    }

    /// The engine woke so late: with `max_auto_priority` its thread goes one real-time priority up.
    pub(super) fn late(&self, by: Duration) {
        let enough = self.options.auto_realtime_after.unwrap_or(LATE);
        let Some(most) = self.options.auto_realtime.filter(|_| by >= enough) else { return };
        let level = self.level.load(Ordering::Relaxed);
        if level >= most {
            return;
        }
        let by = by.as_secs_f64();
        match self.engine.realtime(level + 1) {
            Ok(()) => {
                self.level.store(level + 1, Ordering::Relaxed);
                let text = format!(
                    "the engine woke {by:.3} s late: it runs at real-time priority {} from now on (max_auto_priority {most})",
                    level + 1
                );
                self.say(Severity::Warning, text);
            }
            Err(error) => self.tried("max_auto_priority: run at real-time priority", Err(error)),
        }
    }

    fn tried(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            self.say(Severity::Warning, format!("{what}: refused by the kernel, the engine goes on without: {error}"));
        }
    }

    fn say(&self, severity: Severity, text: String) {
        let _ = self.reports.send(Input::Report { severity, kind: "process", text, cause: None });
    }
}

/// Real time that is used up must not stop the machine: the engine's thread runs as others do for a while.
fn watch(engine: Thread, limit: u64, level: Arc<AtomicU8>, reports: UnboundedSender<Input>) -> io::Result<()> {
    let mut starved = signal(SignalKind::from_raw(nix::libc::SIGXCPU))?;
    tokio::spawn(async move {
        while starved.recv().await.is_some() {
            let rest = REST.as_secs();
            let text = format!("real-time starvation: more than {limit} µs of processor time without a pause");
            let cause = format!("rlimit_rttime; the engine's thread does without real time for {rest} s");
            let say = |severity, text: String, cause| {
                let _ = reports.send(Input::Report { severity, kind: "process", text, cause: Some(cause) });
            };
            say(Severity::Warning, text, cause);
            if let Err(error) = engine.ordinary() {
                say(Severity::Warning, "real time could not be given up".to_owned(), error.to_string());
            }
            tokio::time::sleep(REST).await;
            let priority = level.load(Ordering::Relaxed);
            if priority > 0
                && let Err(error) = engine.realtime(priority)
            {
                say(Severity::Warning, "real time could not be taken again".to_owned(), error.to_string());
            }
        }
    });
    Ok(())
}
