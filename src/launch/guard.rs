//! The guard: a small process that starts the engine, watches it, and starts it again when it dies or hangs.
//!
//! It holds no socket and knows no protocol, so there is little in it that could fail. What an engine leaves lies in
//! memory that the guard holds; the next engine goes on from there, before the peers have missed more than an advert.

#![expect(clippy::disallowed_methods, reason = "it watches a real process in real time, and decides nothing else")]

use super::run::engine_arguments;
use crate::cli;
use crate::sys::guarded::{self, RESTART, Signals};
use crate::sys::memory;
use crate::sys::succession::Succession;
use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// For an engine to give its first sign of life.
const BEGIN: Duration = Duration::from_secs(30);
/// For an engine to leave after it was asked to; it leaves by itself before, but shutdown_script may take up to 1000 s.
/// One that hangs is noticed by its silence.
const END: Duration = Duration::from_secs(1100);
/// How often an engine is looked at, as a part of what it may be silent for.
const LOOKS: u32 = 5;
/// An engine that lived longer than this had nothing wrong from its start.
const SOUND: Duration = Duration::from_secs(5);
/// So many that did not, one after the other, and what they would go on with is handed over to another node.
const UNSOUND: u32 = 3;
/// Then the next is tried after longer and longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

struct Guard {
    signals: Signals,
    succession: Succession,
    arguments: Vec<OsString>,
    /// SIGTERM or SIGINT came, and when.
    stopping: Option<Instant>,
}

/// How an engine ended.
#[derive(Clone, Copy)]
enum Ended {
    By(ExitStatus),
    Hung { silence: Duration },
    NeverBegan,
}

/// Runs engines until one ends by itself or this process is asked to end. The exit status is the last engine's.
pub(super) fn run(args: &cli::Run, settings: Option<&std::path::Path>) -> anyhow::Result<u8> {
    tracing_subscriber::fmt().with_target(false).with_ansi(false).with_writer(std::io::stderr).init();
    let succession = if args.succeeding { Succession::inherited() } else { Succession::new() };
    let mut arguments = engine_arguments(args, settings);
    arguments.push("--guarded".into());
    let guard = Guard {
        signals: Signals::take().context("take this process's signals")?,
        succession: succession.context("the memory that outlives an engine")?,
        arguments,
        stopping: None,
    };
    guard.run()
}

impl Guard {
    fn run(mut self) -> anyhow::Result<u8> {
        let mut unsound = 0;
        loop {
            let began = Instant::now();
            let lives = self.succession.lives();
            let mut engine = guarded::spawn(&self.arguments, &self.succession).context("start the engine")?;
            let pid = engine.id();
            memory::give_back_free();
            memory::give_back_program();
            let ended = self.attend(&mut engine, lives)?;
            let lived = began.elapsed();
            if let Ended::By(status) = ended {
                match status.code() {
                    Some(code) if code == i32::from(RESTART) && self.stopping.is_none() => {
                        let error = self.become_the_new_program();
                        tracing::error!("the program's file cannot be run: {error}; going on with the old one");
                        continue;
                    }
                    // The end of an engine that was asked to, or an error of its first start, which it has said.
                    Some(code @ (0 | 1)) => return Ok(code as u8),
                    Some(code) if lives == 0 && self.succession.lives() == 0 => return Ok(u8::try_from(code)?),
                    _ => {}
                }
            }
            if self.stopping.is_some() {
                tracing::error!("the engine (pid {pid}) {ended} while it was stopping: handing over what it left");
                self.say_farewell()?;
                return Ok(1);
            }
            unsound = if lived > SOUND { 1 } else { unsound + 1 };
            let lived = lived.as_secs_f64();
            tracing::error!("the engine (pid {pid}) {ended} after {lived:.3} s: starting it again");
            if unsound >= UNSOUND && !self.give_up_for_a_while(unsound)? {
                return Ok(1);
            }
        }
    }

    /// Watches an engine until it has ended; one that hangs is killed.
    fn attend(&mut self, engine: &mut Child, lives: u32) -> anyhow::Result<Ended> {
        let started = Instant::now();
        let pid = Pid::from_raw(engine.id().try_into().context("the engine's process id")?);
        // Until then nothing is judged: this process was late itself, and so the whole machine may have been.
        let mut lenient_until = started;
        loop {
            let begun = self.succession.lives() > lives;
            let patience = self.succession.patience();
            let look = if begun { patience / LOOKS } else { Duration::from_millis(100) };
            let asked = Instant::now();
            match self.signals.next(look).context("wait for signals")? {
                Some(number) if is_end(number) => {
                    self.stopping.get_or_insert_with(Instant::now);
                    let _ = kill(pid, Signal::try_from(number).ok());
                }
                Some(number) => guarded::pass_on(pid, number),
                None => {}
            }
            if let Some(status) = engine.try_wait().context("wait for the engine")? {
                return Ok(Ended::By(status));
            }
            let now = Instant::now();
            if now - asked > look * 2 {
                lenient_until = now + patience;
            }
            let silence = self.succession.silence().unwrap_or_default();
            // What runs before an engine begins (startup_script) gives signs of life, too.
            let alive = self.succession.silence().is_some_and(|silence| silence < BEGIN);
            let ended = if !begun && now - started > BEGIN && !alive {
                Ended::NeverBegan
            } else if self.stopping.is_some_and(|at| at.elapsed() > END)
                || (begun && silence > patience && now >= lenient_until)
            {
                Ended::Hung { silence }
            } else {
                continue;
            };
            engine.kill().and_then(|()| engine.wait()).context("end an engine that hangs")?;
            return Ok(ended);
        }
    }

    /// Engines end as soon as they have begun: what they hold goes to another node, and then one is tried from time to
    /// time that holds nothing yet. False: this process was asked to end.
    fn give_up_for_a_while(&mut self, unsound: u32) -> anyhow::Result<bool> {
        if unsound == UNSOUND {
            tracing::error!("{UNSOUND} engines ended soon after their start: handing over what they left");
            self.say_farewell()?;
        }
        self.succession.forget().context("forget what was left")?;
        let pause = Duration::from_secs(1 << (unsound - UNSOUND).min(10)).min(LONGEST_PAUSE);
        tracing::error!("the next engine starts in {} s", pause.as_secs());
        let until = Instant::now() + pause;
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            if self.signals.next(left).context("wait for signals")?.is_some_and(is_end) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An engine that only sends priority 0, keeps the addresses until a successor is heard, and removes them.
    fn say_farewell(&mut self) -> anyhow::Result<()> {
        let lives = self.succession.lives();
        let arguments: Vec<_> = self.arguments.iter().cloned().chain(["--farewell".into()]).collect();
        let mut engine = guarded::spawn(&arguments, &self.succession).context("start the engine that hands over")?;
        self.stopping.get_or_insert_with(Instant::now);
        let ended = self.attend(&mut engine, lives)?;
        self.stopping = None;
        if !matches!(ended, Ended::By(status) if status.success()) {
            tracing::error!("what the engine left was not handed over ({ended}): its addresses end with their lease");
        }
        Ok(())
    }

    /// Returns only if that fails.
    fn become_the_new_program(&self) -> std::io::Error {
        let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
        if !arguments.iter().any(|a| a == "--succeeding") {
            arguments.push("--succeeding".into());
        }
        guarded::replace_self(&arguments, &self.succession)
    }
}

fn is_end(number: i32) -> bool {
    matches!(Signal::try_from(number), Ok(Signal::SIGTERM | Signal::SIGINT))
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::By(status) => match status.signal().and_then(|s| Signal::try_from(s).ok()) {
                Some(signal) => write!(f, "was ended by {signal}"),
                None => write!(f, "ended with {status}"),
            },
            Self::Hung { silence } => write!(f, "hung for {:.3} s and was killed", silence.as_secs_f64()),
            Self::NeverBegan => write!(f, "did not begin within {} s and was killed", BEGIN.as_secs()),
        }
    }
}
