//! keepalived's dump files, written when a signal asks for them: formatted and written on a thread of their own.

use crate::conf::DumpSpec;
use crate::engine::Input;
use crate::report::dump::{self, Dump};
use crate::status::Severity;
use crate::sys::guarded::{json_signal, stats_clear_signal};
use crate::sys::small_files;
use crate::time::Instant;
use anyhow::Context;
use nix::libc;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Data,
    Stats,
    /// The statistics, which then begin anew.
    StatsClear,
    Json,
}

/// The signals, and the thread.
pub(super) struct Dumps {
    asked: mpsc::Receiver<Wanted>,
    /// What waits for a moment in which nothing is due, and since when.
    pub(super) waiting: Option<(Wanted, Instant)>,
    orders: std::sync::mpsc::Sender<(Wanted, Box<Dump>)>,
}

impl Dumps {
    /// Within the engine's runtime, before its thread is given its options.
    pub(super) fn start(results: mpsc::UnboundedSender<Input>) -> anyhow::Result<Self> {
        let (asks, asked) = mpsc::channel(4);
        let signals = [
            (libc::SIGUSR1, Wanted::Data),
            (libc::SIGUSR2, Wanted::Stats),
            (json_signal(), Wanted::Json),
            (stats_clear_signal(), Wanted::StatsClear),
        ];
        for (number, wanted) in signals {
            let mut signals = signal(SignalKind::from_raw(number)).context("listen for signals")?;
            let asks = asks.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    let _ = asks.try_send(wanted);
                }
            });
        }
        let (orders, received) = std::sync::mpsc::channel::<(Wanted, Box<Dump>)>();
        std::thread::Builder::new()
            .name("dumps".into())
            .spawn(move || {
                for (wanted, dump) in received {
                    if results.send(written(wanted, &dump)).is_err() {
                        return;
                    }
                }
            })
            .context("start the thread for dumps")?;
        Ok(Self { asked, waiting: None, orders })
    }

    pub(super) async fn asked(&mut self) -> Option<Wanted> {
        self.asked.recv().await
    }

    /// What it leads to at once: the thread has ended.
    pub(super) fn write(&self, wanted: Wanted, dump: Dump) -> Option<Input> {
        let told = self.orders.send((wanted, Box::new(dump)));
        told.is_err().then(|| report(Severity::Warning, "no dump: the thread for dumps has ended".into(), None))
    }
}

fn written(wanted: Wanted, dump: &Dump) -> Input {
    if wanted == Wanted::Data && !dump.config.services.is_empty() {
        let path = std::env::temp_dir().join(format!("{}.data", name("keepalived_check", dump)));
        if let Err(error) = small_files::replace_private(&path, &dump::services(dump)) {
            let text = "virtual services could not be written".to_owned();
            return report(Severity::Warning, text, Some(format!("{error:#}")));
        }
    }
    let spec = &dump.config.globals.dumps;
    let path = path(wanted, dump);
    let text = match wanted {
        Wanted::Data => dump::data(dump),
        Wanted::Stats | Wanted::StatsClear => dump::stats(dump),
        Wanted::Json => dump::json(dump, if spec.json_v2 { 2 } else { 1 }),
    };
    let what = match wanted {
        Wanted::Data => "configuration and state",
        Wanted::Stats => "statistics",
        Wanted::StatsClear => "statistics, which begin anew,",
        Wanted::Json => "JSON",
    };
    match small_files::replace_private(&path, &text) {
        Ok(()) => report(Severity::Info, format!("{what} written to {}, as a signal asked for", path.display()), None),
        Err(error) => report(Severity::Warning, format!("{what} could not be written"), Some(format!("{error:#}"))),
    }
}

fn report(severity: Severity, text: String, cause: Option<String>) -> Input {
    Input::Report { severity, kind: "dump", text, cause }
}

/// As keepalived names them.
fn path(wanted: Wanted, dump: &Dump) -> PathBuf {
    let globals = &dump.config.globals;
    let DumpSpec { data, stats, json, .. } = &globals.dumps;
    let (given, extension) = match wanted {
        Wanted::Data => (data, "data"),
        Wanted::Stats | Wanted::StatsClear => (stats, "stats"),
        Wanted::Json => (json, "json"),
    };
    given.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("{}.{extension}", name("keepalived", dump))))
}

/// With namespace and name of the engine, if that is asked for.
fn name(stem: &str, dump: &Dump) -> String {
    let globals = &dump.config.globals;
    let parts = [&globals.net_namespace, &globals.instance_name].into_iter().flatten();
    let parts = parts.filter(|_| globals.dumps.by_instance);
    parts.fold(stem.to_owned(), |name, part| format!("{name}_{part}"))
}
