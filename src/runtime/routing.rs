//! News of routes and rules, on a thread of their own: to read them may take the kernel long where there are many.

use crate::engine::{Engine, Input};
use crate::sys::netlink::RoutingMonitor;
use anyhow::Context;
use tokio::sync::mpsc::UnboundedSender;

/// Starts the thread if there is anything to hear of; whether it runs.
pub(super) fn start_if_needed(engine: &Engine, results: &UnboundedSender<Input>) -> anyhow::Result<bool> {
    if engine.keeps_routing() {
        start(results.clone())?;
    }
    Ok(engine.keeps_routing())
}

/// Starts the thread; it ends with the engine.
pub(super) fn start(results: UnboundedSender<Input>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut monitor = {
        let _entered = runtime.enter();
        RoutingMonitor::open().context("listen for changes of routes")?
    };
    let watch = async move {
        loop {
            let news = monitor.next().await;
            if results.send(Input::Routing(news)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("routing".into())
        .spawn(move || runtime.block_on(watch))
        .context("start the thread for routes")?;
    Ok(())
}
