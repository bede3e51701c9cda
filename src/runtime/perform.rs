//! Effects become verbs, in their order.

use super::checkers::Job;
use super::intents;
use super::turn::{Ended, Turning};
use crate::engine::{Effect, Input};
use crate::health::Found;
use crate::kernel::Change;
use crate::status::{Command, Reply};
use crate::time::Duration;
use std::sync::mpsc::SendError;

/// For the answer to whoever asked for the end of this engine.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Announcements made in one turn, at most: so many take less than a tenth of a millisecond.
const ANNOUNCEMENTS: usize = 32;

impl Turning {
    /// Sends the adverts among the effects, several at a time: nothing of the same step goes before them.
    pub(super) fn send(&mut self, effects: &[Effect]) -> Vec<Input> {
        let adverts = effects.iter().filter_map(|e| if let Effect::Send(advert) = e { Some(advert) } else { None });
        let adverts: Vec<_> = adverts.collect();
        if adverts.is_empty() {
            return Vec::new();
        }
        let failed = self.links.send_all(&adverts).into_iter();
        failed.map(|(a, error)| Input::SendFailed { link: a.link.clone(), error: error.to_string() }).collect()
    }

    /// Makes some of the announcements that wait, which thousands may do: adverts that are due meanwhile go first.
    pub(super) fn announce_some(&mut self) {
        let count = self.unannounced.len().min(ANNOUNCEMENTS);
        if count == 0 {
            return;
        }
        let some: Vec<_> = self.unannounced.drain(..count).collect();
        for ((link, address), error) in self.links.announce_all(&some) {
            let error = format!("announcement of {address}: {error}");
            self.step(Input::SendFailed { link: link.clone(), error });
        }
    }

    /// Performs one effect; what it leads to at once is the next input.
    pub(super) fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            // Gone already, before anything else: see `send`.
            Effect::Send(_) => None,
            Effect::Apply(change) => self.apply_or_end(change),
            Effect::Announce { link, address } => {
                self.unannounced.push_back((link, address));
                None
            }
            Effect::Probe { link, address, source } => {
                let asked = self.links.probe(&link, address, source);
                asked.err().map(|error| Input::SendFailed { link, error: format!("probe for {address}: {error}") })
            }
            Effect::Table(changes) => {
                let sent = match &self.table {
                    Some(table) => table.send(changes),
                    None => Err(SendError(changes)),
                };
                let gone = "the dataplane's thread has ended: restart vipdeck";
                let failed = |unsent: Vec<Change>| unsent.into_iter().map(|change| (change, gone.to_owned())).collect();
                sent.err().map(|SendError(unsent)| Input::TableDone(failed(unsent)))
            }
            Effect::Check { id, method, step } => {
                let gone = || Found::bad("the threads of checks have ended: restart vipdeck");
                let told = self.checkers.send(Job { id, method, step }).is_ok();
                (!told).then(|| Input::Checked { id, found: gone() })
            }
            Effect::RunScript(spec) => {
                if self.workers.send(spec).is_err() {
                    tracing::error!("the thread for scripts has ended: restart vipdeck");
                }
                None
            }
            Effect::KeepIntents { revision, text } => {
                let told = self.intents.send(intents::Order { revision, text }).is_ok();
                let result = Err("the thread for the journal has ended: restart vipdeck".to_owned());
                (!told).then_some(Input::IntentsKept { revision, result })
            }
            Effect::ReadConfiguration { id, ask } => self.read_configuration(id, ask),
            Effect::KeepConfiguration(config) => {
                self.desk.runs(self.engine.name(), &config.about);
                self.keeper.keep_configuration(*config, true);
                None
            }
            Effect::Notify(notice) => {
                self.beside.notifier.tell(notice);
                None
            }
            Effect::Tell(topic, line) => self.beside.fifos.tell(topic, line),
            Effect::Mail(letter) => self.beside.mailer.send(letter),
            Effect::Relisten => {
                self.relisten();
                let problem = self.bfd.need(self.engine.bfds());
                self.beside.follow(&self.engine).or(problem)
            }
            Effect::Reply { id, reply } => {
                self.answer(id, reply);
                None
            }
            Effect::Exit => {
                self.ended = Some(Ended::Released);
                None
            }
            Effect::PrepareRestart { id } => {
                self.prepare_restart(id);
                None
            }
            Effect::Restart => {
                self.restart_at = Some(self.clock.now() + LAST_WORDS);
                None
            }
        }
    }

    /// The audit log has it first; and after a reload the file is looked at again.
    fn answer(&mut self, id: u64, reply: Reply) {
        let asker = self.replies.remove(&id);
        let asked = self.audit.answered(self.engine.name(), id, reply, asker, self.clock.now());
        if asked.is_some_and(|ask| matches!(ask.command, Command::Reload { .. } | Command::Undo { .. })) {
            self.desk.decided(id);
        }
    }

    fn apply_or_end(&mut self, change: Change) -> Option<Input> {
        if self.apply(change.clone()) {
            return None;
        }
        // Without it nothing can be moved or renewed: another engine can.
        self.ended = Some(Ended::Failed);
        Some(Input::Applied { change, result: Err("the thread for such changes has ended".into()) })
    }

    /// Hands a change of the kernel to its thread; false if that has ended.
    pub(super) fn apply(&self, change: Change) -> bool {
        let thread = if change.is_plumbing() { &self.plumbing } else { &self.addresses };
        thread.send(change).is_ok()
    }
}
