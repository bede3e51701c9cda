//! Effects become verbs, in their order.

use super::turn::Turning;
use super::workers::Job;
use crate::engine::{Effect, Input};
use crate::kernel::Change;
use std::net::IpAddr;
use std::time::Duration;

/// The kernel answers an address change in microseconds. Longer than this, and something is wrong with it.
const KERNEL_ANSWER: Duration = Duration::from_millis(500);

impl Turning {
    /// Performs one effect; what it leads to at once is the next input.
    pub(super) async fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Send { link, source, payload } => {
                let sent = self.links.send(&link, source, &payload);
                sent.err().map(|error| Input::SendFailed { link, error: error.to_string() })
            }
            Effect::Apply(change) => {
                let result = self.apply(&change).await;
                Some(Input::Applied { change, result })
            }
            Effect::Announce { link, address: IpAddr::V4(address) } => {
                let sent = self.links.announce(&link, address);
                sent.err().map(|error| Input::SendFailed { link, error: format!("ARP for {address}: {error}") })
            }
            Effect::Announce { link, address } => {
                Some(Input::SendFailed { link, error: format!("{address}: only IPv4 is announced yet") })
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
            Effect::Reply { id, reply } => {
                if let Some(asker) = self.replies.remove(&id) {
                    // An asker that has left wants no answer.
                    let _ = asker.send(reply);
                }
                None
            }
            Effect::Exit => {
                self.ended = true;
                None
            }
        }
    }

    async fn apply(&self, change: &Change) -> Result<(), String> {
        match tokio::time::timeout(KERNEL_ANSWER, self.netlink.apply(change)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(elapsed) => Err(format!("{change}: the kernel did not answer within 0.5 s ({elapsed})")),
        }
    }

    fn work(&self, job: Job) {
        if self.workers.send(job).is_err() {
            tracing::error!("the thread for checks and scripts has ended: restart vipdeck");
        }
    }
}
