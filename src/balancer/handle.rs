//! The balancer's handle, and the task that carries out orders.

use super::descriptors::Descriptors;
use super::shared::{Options, Shared};
use super::workers::{self, Running};
use super::{datagrams, listener};
use crate::kernel::{Change, DestinationKey, ObservedTable, Protocol, ServiceKey, Table, plan_table};
use crate::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as Task;
use tokio::time::sleep;

/// A running balancer. Dropping it ends its threads, its listeners and all its connections.
#[derive(Debug)]
pub struct Balancer {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    _running: Running,
}

/// A change that was not carried out as asked, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change}: {reason}")]
pub struct Refused {
    pub change: Change,
    pub reason: String,
}

#[derive(Debug)]
struct Order {
    change: Change,
    reply: oneshot::Sender<Result<(), String>>,
}

impl Balancer {
    /// Starts with an empty table, in the network namespace of the calling thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let (workers, running) = workers::start(options.threads)?;
        let shared = Arc::new(Shared::new(workers, Descriptors::of_this_process()?, options));
        let (orders, received) = mpsc::channel(16);
        let ours = shared.clone();
        // Both end with the threads.
        drop(shared.workers.spawn_listener(|_| work(received, ours.clone())));
        drop(shared.workers.spawn_listener(|_| count_seconds(ours.clone())));
        Ok(Self { shared, orders, _running: running })
    }

    /// Carries out one step. A virtual service whose address cannot be listened on is in the table all the same: this
    /// returns the reason, [`Balancer::problems`] goes on saying it, and listening is tried again until it works.
    pub async fn apply(&self, change: &Change) -> Result<(), Refused> {
        let refused = |reason: String| Refused { change: change.clone(), reason };
        let ended = || refused("the balancer's threads have ended".into());
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order { change: change.clone(), reply }).await.ok().ok_or_else(ended)?;
        answer.await.ok().ok_or_else(ended)?.map_err(refused)
    }

    /// Brings the whole table to `desired`, and returns what did not work. What stays is not touched: no listener is
    /// closed, no connection ends.
    pub async fn set_table(&self, desired: &Table) -> Vec<Refused> {
        let mut refused = Vec::new();
        for change in plan_table(desired, &self.read(), |_| true) {
            refused.extend(self.apply(&change).await.err());
        }
        refused
    }

    /// The table with its counts as they are.
    pub fn read(&self) -> ObservedTable {
        let now = self.shared.clock.now();
        self.shared.live().observed(now)
    }

    /// The virtual services that do not take connections at present, and why.
    pub fn problems(&self) -> BTreeMap<ServiceKey, String> {
        self.shared.live().problems()
    }

    /// Ends all connections of this real server in this virtual service, both sides with RST, also if it has left the
    /// table. Returns how many there were.
    pub fn reset(&self, key: &ServiceKey, real: DestinationKey) -> u32 {
        self.shared.live().cut(key, real)
    }
}

/// Carries out orders until the handle is dropped.
async fn work(mut orders: mpsc::Receiver<Order>, shared: Arc<Shared>) {
    let mut listeners = Listeners::default();
    while let Some(Order { change, reply }) = orders.recv().await {
        let changed = shared.live().change(&change);
        let result = match changed {
            Ok(()) => listeners.follow(&change, &shared).await,
            Err(reason) => Err(reason),
        };
        // The asker may have gone; the change stands.
        let _ = reply.send(result);
    }
}

async fn count_seconds(shared: Arc<Shared>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        shared.seconds.fetch_add(1, Relaxed);
    }
}

/// One task for each virtual service.
#[derive(Default)]
struct Listeners {
    running: BTreeMap<ServiceKey, Task<()>>,
}

impl Listeners {
    async fn follow(&mut self, change: &Change, shared: &Arc<Shared>) -> Result<(), String> {
        match change {
            Change::AddService(key, _) => match (key.protocol(), key.address()) {
                (Some(protocol), Some(address)) => self.listen(*key, protocol, address, shared),
                _ => Ok(()),
            },
            Change::RemoveService(key) => {
                if let Some(task) = self.running.remove(key) {
                    task.abort();
                    // Its socket is closed when it has ended: the next step may want the same address.
                    let _ = task.await;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn listen(
        &mut self,
        key: ServiceKey,
        protocol: Protocol,
        address: SocketAddr,
        shared: &Arc<Shared>,
    ) -> Result<(), String> {
        let bound = listener::bind(protocol, address).map_err(|error| listener::describe(address, &error));
        shared.live().set_problem(&key, bound.as_ref().err().cloned());
        let (socket, result) = match bound {
            Ok(socket) => (Some(socket), Ok(())),
            Err(reason) => (None, Err(reason + "; it is tried again until it works")),
        };
        let task = if protocol == Protocol::Udp {
            shared.workers.spawn_listener(|_| datagrams::serve(key, address, socket, shared.clone()))
        } else {
            shared.workers.spawn_listener(|home| listener::serve(key, address, socket, shared.clone(), home))
        };
        self.running.extend(task.map(|task| (key, task)));
        result
    }
}
