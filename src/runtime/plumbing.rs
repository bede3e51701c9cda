//! Virtual links and the firewall, on a thread of their own: both take milliseconds, and no address change waits
//! behind them.

use crate::engine::Input;
use crate::kernel::{Change, FirewallTable};
use crate::sys::netlink::Netlink;
use crate::sys::nft;
use crate::sys::virtual_link::VirtualLinks;
use anyhow::Context;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A link takes milliseconds; more than this, and it is taken for failed and tried again.
const ANSWER: Duration = Duration::from_secs(2);

/// Starts the thread. With a table to `sweep`, the one that an earlier life left under its name goes first.
pub(super) fn start(
    results: UnboundedSender<Input>,
    sweep: Option<FirewallTable>,
) -> anyhow::Result<UnboundedSender<Change>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let netlink = {
        let _entered = runtime.enter();
        Netlink::requests_only().context("open rtnetlink")?
    };
    let (orders, received) = unbounded_channel();
    std::thread::Builder::new()
        .name("plumbing".into())
        .spawn(move || runtime.block_on(work(VirtualLinks::new(netlink), sweep, received, results)))
        .context("start the thread for links and firewall")?;
    Ok(orders)
}

async fn work(
    mut links: VirtualLinks,
    sweep: Option<FirewallTable>,
    mut orders: UnboundedReceiver<Change>,
    results: UnboundedSender<Input>,
) {
    if let Some(table) = sweep {
        match nft::remove(&table).await {
            Ok(true) => tracing::info!("nftables table inet {} of an earlier life is removed", table.name),
            // Where nothing is to be dropped, nft is not needed.
            Ok(false) => {}
            Err(why) => tracing::debug!("no nftables table of an earlier life is looked for: {why}"),
        }
    }
    while let Some(change) = orders.recv().await {
        let result = match &change {
            Change::AddLink(link) => timely(links.make(link)).await,
            Change::RemoveLink(link) => timely(links.remove(link)).await,
            Change::SetFirewall(firewall) => nft::set(firewall).await,
            Change::RemoveFirewall(firewall) => nft::remove(&firewall.table).await.map(drop),
            other => Err(format!("{other} is no change of links or firewall")),
        };
        if results.send(Input::Applied { change, result }).is_err() {
            return;
        }
    }
}

async fn timely(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    match tokio::time::timeout(ANSWER, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("the kernel did not answer within {ANSWER:?}")),
    }
}
