//! Effects become verbs, in their order.

use super::turn::{Ended, Turning};
use super::workers::Job;
use crate::engine::{Effect, Input};
use crate::time::Duration;

/// For the answer to whoever asked for the end of this engine.
const LAST_WORDS: Duration = Duration::from_millis(50);

impl Turning {
    /// Performs one effect; what it leads to at once is the next input.
    pub(super) fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Send(advert) => {
                let sent = self.links.send(&advert);
                sent.err().map(|error| Input::SendFailed { link: advert.link, error: error.to_string() })
            }
            Effect::Apply(change) => {
                let gone = "the thread for addresses has ended".to_owned();
                let told = self.addresses.send(change.clone()).is_ok();
                if !told {
                    // Without it no address can be moved or renewed: another engine can.
                    self.ended = Some(Ended::Failed);
                }
                (!told).then_some(Input::Applied { change, result: Err(gone) })
            }
            Effect::Announce { link, address } => {
                let sent = self.links.announce(&link, address);
                sent.err().map(|error| Input::SendFailed { link, error: format!("announcement of {address}: {error}") })
            }
            Effect::Table(changes) => {
                let told = self.table.as_ref().is_some_and(|table| table.send(changes.clone()).is_ok());
                let gone = "the dataplane's thread has ended: restart vipdeck";
                (!told).then(|| Input::TableDone(changes.into_iter().map(|c| (c, gone.to_owned())).collect()))
            }
            Effect::Check { id, method } => {
                self.work(Job::Check { id, method });
                None
            }
            Effect::RunScript(spec) => {
                self.work(Job::Script(spec));
                None
            }
            Effect::ReadConfiguration { id, ask } => {
                self.read_configuration(id, ask);
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
                self.beside.follow(&self.engine)
            }
            Effect::Reply { id, reply } => {
                if let Some(asker) = self.replies.remove(&id) {
                    // An asker that has left wants no answer.
                    let _ = asker.send(reply);
                }
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

    fn work(&self, job: Job) {
        if self.workers.send(job).is_err() {
            tracing::error!("the thread for checks and scripts has ended: restart vipdeck");
        }
    }
}
