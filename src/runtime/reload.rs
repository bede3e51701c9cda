//! Reading the configuration anew, off the engine's thread.

use super::start::read;
use super::turn::Turning;
use super::{dataplane, routing};
use crate::cli;
use crate::engine::Input;
use crate::settings;
use crate::status::{Actor, Ask, Command};
use crate::sys::guarded::would_take;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// What is read, and where the result goes.
pub(super) struct Reader {
    pub(super) file: PathBuf,
    pub(super) reading: cli::Reading,
    pub(super) results: mpsc::UnboundedSender<Input>,
    pub(super) balancer: settings::Balancer,
}

impl Turning {
    /// SIGHUP, as keepalived takes it.
    pub(super) fn hang_up(&mut self) {
        self.asked += 1;
        let actor = Actor { user: "SIGHUP".into(), from: "signal".into() };
        let ask = Ask { actor, ..Ask::new(Command::Reload { dry_run: false }) };
        self.audit.asked(self.asked, &ask);
        self.step(Input::Command { id: self.asked, ask });
    }

    /// On a thread of its own: a file may be long, and where it lies slow.
    pub(super) fn read_configuration(&self, id: u64, ask: Ask) -> Option<Input> {
        if matches!(ask.command, Command::Reload { dry_run: false })
            && let Ok(now) = sd_notify::NotifyState::monotonic_usec_now()
        {
            // Without a service manager there is nobody to tell.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading, now]);
        }
        let Reader { file, reading, results, .. } = &self.reader;
        let (file, reading, results) = (file.clone(), reading.clone(), results.clone());
        let refused = ask.clone();
        let (previous, clerk) = (self.keeper.previous(), self.desk.clerk());
        let work = move || {
            let read = match ask.command {
                Command::Undo { .. } => previous(),
                _ => read(&file, &reading).map(|read| {
                    clerk.read(id, &read, &file);
                    read.config
                }),
            };
            let read = read.map(Box::new).map_err(|error| format!("{error:#}"));
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            // An engine that has ended meanwhile wants nothing.
            let _ = results.send(Input::Configured { id, ask, read });
        };
        let started = std::thread::Builder::new().name("reload".into()).spawn(work);
        let refusal = |error| Input::Configured { id, ask: refused, read: Err(format!("start a thread: {error}")) };
        started.err().map(refusal)
    }

    /// On a thread of its own, like everything that reads files.
    pub(super) fn prepare_restart(&self, id: u64) {
        let results = self.reader.results.clone();
        if !self.keeper.is_guarded() {
            let able = Err("this engine has no guard that could start it again: use the service manager".to_owned());
            let _ = results.send(Input::Restartable { id, able });
            return;
        }
        let mut arguments = vec![self.reader.file.clone().into_os_string()];
        if let Some(id) = &self.reader.reading.config_id {
            arguments.extend(["--config-id".into(), id.into()]);
        }
        if self.reader.reading.all_config {
            arguments.push("--all-config".into());
        }
        let refusal_to = results.clone();
        let ask = move || drop(results.send(Input::Restartable { id, able: would_take(&arguments) }));
        if let Err(error) = std::thread::Builder::new().name("restart".into()).spawn(ask) {
            let _ = refusal_to.send(Input::Restartable { id, able: Err(format!("start a thread: {error}")) });
        }
    }

    /// The engine has another configuration: sockets, links and the table's thread follow.
    pub(super) fn relisten(&mut self) {
        self.links.need(&self.engine);
        self.watches.need(&self.engine);
        let known: Vec<_> = self.engine.links().cloned().collect();
        for link in known {
            // What cannot be opened is tried again, and then said, when the next snapshot is published.
            let _ = self.links.update(&link);
        }
        if !self.hears_routing && self.engine.keeps_routing() {
            match routing::start(self.reader.results.clone()) {
                Ok(()) => self.hears_routing = true,
                Err(error) => tracing::error!("routes and rules cannot be watched: {error:#}"),
            }
        }
        if self.table.is_none() && self.engine.has_services() {
            match dataplane::start(self.reader.results.clone(), self.engine.table_namespace(), &self.reader.balancer) {
                Ok((table, kind)) => {
                    self.engine.set_dataplane(self.clock.now(), kind);
                    self.table = Some(table);
                }
                Err(error) => tracing::error!("virtual services cannot be served: {error:#}"),
            }
        }
    }
}
