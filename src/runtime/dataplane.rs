//! What serves the virtual services: the kernel's IPVS, or the embedded balancer where there is none. On a thread of
//! its own, since a large table takes its time.

use super::embedded::Embedded;
use crate::conf::TableNamespace;
use crate::engine::Input;
use crate::kernel::{Change, ObservedTable};
use crate::settings;
use crate::status::{Dataplane, DataplaneKind};
use crate::sys::clock::Clock;
use crate::sys::ipvs::{Ipvs, IpvsError};
use crate::sys::netns;
use anyhow::Context;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// The table is read back so often, and after each change.
const READ: Duration = Duration::from_secs(1);
/// A large one less often: reading takes at most one part in so many of the time,
const SHARE: u32 = 20;
/// and a second more for so many real servers, since the engine takes in all their counts.
const READ_AT_ONCE: usize = 2000;

/// Starts the thread and says what serves. Each batch of changes comes back as what failed, then the table.
pub(super) fn start(
    results: UnboundedSender<Input>,
    namespace: &TableNamespace,
    balancer: &settings::Balancer,
) -> anyhow::Result<(Sender<Vec<Change>>, Dataplane)> {
    let (table, dataplane) = match namespace {
        TableNamespace::Same => open(balancer)?,
        other => open_in(other.clone(), balancer.clone()).context("net_namespace_ipvs")?,
    };
    let (orders, received) = channel();
    std::thread::Builder::new()
        .name("dataplane".into())
        .spawn(move || table.serve(&received, &results))
        .context("start the dataplane's thread")?;
    Ok((orders, dataplane))
}

enum Table {
    Ipvs(Ipvs),
    Balancer(Embedded),
}

/// In another namespace: a thread goes there, and what it opens stays.
fn open_in(namespace: TableNamespace, balancer: settings::Balancer) -> anyhow::Result<(Table, Dataplane)> {
    let there = move || {
        match (namespace, netns::started_in()) {
            (TableNamespace::Named(name), _) => netns::enter(&name)?,
            (TableNamespace::Start, Some(start)) => netns::enter_file(start)?,
            (TableNamespace::Start, None) | (TableNamespace::Same, _) => {}
        }
        open(&balancer)
    };
    let thread = std::thread::Builder::new().name("dataplane".into()).spawn(there).context("start a thread")?;
    thread.join().unwrap_or_else(|_| anyhow::bail!("the thread that opens the table has ended"))
}

fn open(balancer: &settings::Balancer) -> anyhow::Result<(Table, Dataplane)> {
    let embedded = |note: String| {
        let dataplane = Dataplane { kind: DataplaneKind::Balancer, note: Some(note) };
        anyhow::Ok((Table::Balancer(Embedded::start(balancer)?), dataplane))
    };
    if balancer.always {
        return embedded("`balancer.always` is set: the embedded balancer serves, in user space".into());
    }
    match Ipvs::open() {
        Ok(ipvs) => {
            let proxied = balancer.proxy_v1.iter().chain(&balancer.proxy_v2).next().is_some();
            let idle = "`balancer.proxy_v1` and `proxy_v2` have no effect: the kernel's ip_vs serves, and real servers \
                        see the client itself (`balancer.always = true` has the balancer serve)";
            let dataplane = Dataplane { kind: DataplaneKind::Ipvs, note: proxied.then(|| idle.to_owned()) };
            Ok((Table::Ipvs(ipvs), dataplane))
        }
        Err(missing @ IpvsError::NoModule) => {
            let missing = missing.to_string().replace('\n', "; ");
            embedded(format!("{missing}; until then the embedded balancer serves, in user space"))
        }
        Err(other) => Err(other).context("open the kernel's IPVS table"),
    }
}

impl Table {
    /// Until the engine drops its end.
    fn serve(mut self, orders: &Receiver<Vec<Change>>, results: &UnboundedSender<Input>) {
        let clock = Clock::start();
        loop {
            let begun = clock.now();
            let reals = self.report(results);
            let took = clock.now().since(begun);
            let pause = READ * u32::try_from(1 + reals / READ_AT_ONCE).unwrap_or(u32::MAX);
            match orders.recv_timeout(pause.max(took * SHARE)) {
                Ok(changes) => {
                    if results.send(Input::TableDone(self.apply(changes))).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// How many real servers there are in it.
    fn report(&mut self, results: &UnboundedSender<Input>) -> usize {
        match self.read(results) {
            Ok(table) => {
                let reals = table.services.values().map(|service| service.destinations.len()).sum();
                let _ = results.send(Input::Table(table));
                reals
            }
            // The last table stays, with its age; the next reading may work.
            Err(error) => {
                tracing::warn!("the table could not be read back: {error}");
                0
            }
        }
    }

    fn read(&mut self, results: &UnboundedSender<Input>) -> Result<ObservedTable, IpvsError> {
        match self {
            Self::Ipvs(ipvs) => ipvs.read(),
            Self::Balancer(embedded) => Ok(embedded.read(results)),
        }
    }

    /// Those that failed, with the reason.
    fn apply(&mut self, changes: Vec<Change>) -> Vec<(Change, String)> {
        match self {
            Self::Ipvs(ipvs) => {
                ipvs.apply_all(changes).into_iter().map(|(change, error)| (change, error.to_string())).collect()
            }
            Self::Balancer(embedded) => changes
                .into_iter()
                .filter_map(|change| embedded.apply(&change).err().map(|reason| (change, reason)))
                .collect(),
        }
    }
}
