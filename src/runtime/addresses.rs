//! Address changes, on a thread of their own: the kernel serialises them with everything else that touches its links,
//! and may keep whoever asks waiting.

use crate::engine::Input;
use crate::kernel::Change;
use crate::sys::netlink::Netlink;
use anyhow::Context;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The kernel answers in microseconds. Longer than this, and the change is taken for failed and tried again.
const ANSWER: Duration = Duration::from_secs(1);

/// Starts the thread; changes are carried out one after another, and each result comes back as an input.
pub(super) fn start(results: UnboundedSender<Input>) -> anyhow::Result<UnboundedSender<Change>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let netlink = {
        let _entered = runtime.enter();
        Netlink::requests_only().context("open rtnetlink")?
    };
    let (orders, received) = unbounded_channel();
    std::thread::Builder::new()
        .name("addresses".into())
        .spawn(move || runtime.block_on(work(netlink, received, results)))
        .context("start the thread for addresses")?;
    Ok(orders)
}

async fn work(netlink: Netlink, mut orders: UnboundedReceiver<Change>, results: UnboundedSender<Input>) {
    while let Some(change) = orders.recv().await {
        let result = match tokio::time::timeout(ANSWER, netlink.apply(&change)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(elapsed) => Err(format!("{change}: the kernel did not answer within 1 s ({elapsed})")),
        };
        if results.send(Input::Applied { change, result }).is_err() {
            return;
        }
    }
}
