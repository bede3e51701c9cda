//! Address changes, on a thread of their own: the kernel serialises them with everything else that touches its links,
//! and may keep whoever asks waiting.

use crate::engine::Input;
use crate::kernel::Change;
use crate::sys::netlink::{Batches, Netlink};
use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The kernel answers in microseconds. Longer than this, and the change is taken for failed and tried again.
const ANSWER: Duration = Duration::from_secs(1);
/// How many changes are taken from the queue together.
const BATCH: usize = 256;
/// Addresses that are changed with one system call: their results are there within a fraction of a millisecond.
const TOGETHER: usize = 32;
/// How many wait for the kernel's answer at once: their answers fit into the socket's default receive buffer.
const AT_ONCE: usize = 16;

/// Starts the thread; changes reach the kernel in their order, and each result comes back as an input.
pub(super) fn start(results: UnboundedSender<Input>) -> anyhow::Result<UnboundedSender<Change>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let netlink = {
        let _entered = runtime.enter();
        Netlink::requests_only().context("open rtnetlink")?
    };
    let batches = Batches::open().context("open rtnetlink")?;
    let (orders, received) = unbounded_channel();
    std::thread::Builder::new()
        .name("addresses".into())
        .spawn(move || runtime.block_on(work(netlink, batches, received, results)))
        .context("start the thread for addresses")?;
    Ok(orders)
}

async fn work(
    netlink: Netlink,
    mut batches: Batches,
    mut orders: UnboundedReceiver<Change>,
    results: UnboundedSender<Input>,
) {
    let mut batch = Vec::new();
    while orders.recv_many(&mut batch, BATCH).await > 0 {
        // In the order given. The engine has one change of an address under way at a time, so none of a batch depends
        // on another.
        let (addresses, others): (Vec<_>, Vec<_>) = batch.drain(..).partition(Batches::takes);
        for together in addresses.chunks(TOGETHER) {
            let outcomes = batches.apply(together);
            for (change, outcome) in together.iter().zip(outcomes) {
                // Of what is renewed again and again only failures are news.
                if matches!((change, &outcome), (Change::RenewAddress(..), Ok(_))) {
                    continue;
                }
                let result = outcome.map(drop).map_err(|error| error.to_string());
                if results.send(Input::Applied { change: change.clone(), result }).is_err() {
                    return;
                }
            }
        }
        // Without waiting for the answer before the next is asked.
        let mut answers = stream::iter(others).map(|change| carry_out(&netlink, change)).buffered(AT_ONCE);
        while let Some(applied) = answers.next().await {
            if results.send(applied).is_err() {
                return;
            }
        }
    }
}

async fn carry_out(netlink: &Netlink, change: Change) -> Input {
    let result = match tokio::time::timeout(ANSWER, netlink.apply(&change)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(elapsed) => Err(format!("{change}: the kernel did not answer within 1 s ({elapsed})")),
    };
    Input::Applied { change, result }
}
