//! The balancer's thread and the handle to it.

use super::listener;
use super::table::Live;
use crate::kernel::{Change, ObservedTable, ServiceKey, Table, plan_table};
use crate::sys::clock::Clock;
use crate::sys::limits;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as Task;

/// A running balancer. Dropping it ends its thread, its listeners and all its connections.
#[derive(Debug)]
pub struct Balancer {
    shared: Arc<Shared>,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
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

/// What the thread's tasks and the handle have in common.
#[derive(Debug)]
pub(super) struct Shared {
    live: Mutex<Live>,
    pub(super) clock: Clock,
}

impl Shared {
    /// Held for a few instructions, never across an await.
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Balancer {
    /// Starts with an empty table, in the network namespace of the calling thread.
    pub fn start() -> io::Result<Self> {
        // Each connection takes two descriptors. A limit that cannot be raised is met as an error of accept.
        let _ = limits::raise_open_files();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared { live: Mutex::default(), clock: Clock::start() });
        let (orders, received) = mpsc::channel(16);
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("balancer".into())
            .spawn(move || runtime.block_on(work(received, theirs)))?;
        Ok(Self { shared, orders: Some(orders), thread: Some(thread) })
    }

    /// Carries out one step. A virtual service whose address cannot be listened on is in the table all the same: this
    /// returns the reason, [`Balancer::problems`] goes on saying it, and listening is tried again until it works.
    pub async fn apply(&self, change: &Change) -> Result<(), Refused> {
        let refused = |reason: String| Refused { change: change.clone(), reason };
        let ended = || refused("the balancer's thread has ended".into());
        let (reply, answer) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or_else(ended)?;
        orders.send(Order { change: change.clone(), reply }).await.ok().ok_or_else(ended)?;
        answer.await.ok().ok_or_else(ended)?.map_err(refused)
    }

    /// Brings the whole table to `desired`, and returns what did not work.
    pub async fn set_table(&self, desired: &Table) -> Vec<Refused> {
        let mut refused = Vec::new();
        for change in plan_table(desired, &self.read(), |_| true) {
            refused.extend(self.apply(&change).await.err());
        }
        refused
    }

    /// The table with its counts as they are. Packets are never counted: those fields are 0 and mean nothing.
    pub fn read(&self) -> ObservedTable {
        self.shared.live().observed()
    }

    /// The virtual services that do not take connections at present, and why.
    pub fn problems(&self) -> BTreeMap<ServiceKey, String> {
        self.shared.live().problems()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread: carries out orders until the handle is dropped. Sessions are tasks of the same runtime and end with it.
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

/// One accepting task for each virtual service.
#[derive(Default)]
struct Listeners {
    running: BTreeMap<ServiceKey, Task<()>>,
}

impl Listeners {
    async fn follow(&mut self, change: &Change, shared: &Arc<Shared>) -> Result<(), String> {
        match change {
            Change::AddService(key, _) => {
                let Some(address) = key.address() else { return Err("a mark has no address to listen on".into()) };
                let bound = listener::bind(address).map_err(|error| listener::describe(address, &error));
                shared.live().set_problem(key, bound.as_ref().err().cloned());
                let (listener, result) = match bound {
                    Ok(listener) => (Some(listener), Ok(())),
                    Err(reason) => (None, Err(reason + "; it is tried again until it works")),
                };
                let task = tokio::spawn(listener::serve(*key, address, listener, shared.clone()));
                self.running.insert(*key, task);
                result
            }
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
}
