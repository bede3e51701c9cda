//! The connection that listens.

use super::requests::Netlink;
use super::view::{LinkEvent, View};
use futures_util::{FutureExt, Stream, StreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;
use rtnetlink::MulticastGroup;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

const GROUPS: [MulticastGroup; 3] = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
/// Room for some thousand notifications until the engine comes round; beyond it all is read anew.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Notifications that are taken together.
const AT_ONCE: usize = 256;
/// How many events may wait for the engine.
const QUEUE: usize = 256;
/// Between two attempts to read the kernel's state.
const RETRY: Duration = Duration::from_secs(1);

type Notifications = Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>;

/// Reports the links of the namespace: first all of them, then each change, its own and foreign ones alike.
///
/// The reading is a task of its own on the runtime, so that waiting here may be cancelled at any moment.
#[derive(Debug)]
pub struct Monitor {
    events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
    /// Ends its thread, if it has one of its own.
    thread: Option<oneshot::Sender<()>>,
}

impl Monitor {
    /// Subscribes first and reads afterwards, so that nothing falls between.
    pub(super) fn start(netlink: Netlink) -> io::Result<Self> {
        let notifications = subscribe()?;
        let (sender, events) = mpsc::channel(QUEUE);
        let task = tokio::spawn(watch(netlink, notifications, sender));
        Ok(Self { events, task, thread: None })
    }

    /// The same on a thread of its own, where thousands of notifications at once cost nobody else time.
    pub fn on_thread() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut monitor = {
            let _entered = runtime.enter();
            Self::start(Netlink::requests_only()?)?
        };
        let (thread, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("links".into()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        monitor.thread = Some(thread);
        Ok(monitor)
    }

    /// The next event; waits for it. May be cancelled.
    pub async fn next(&mut self) -> LinkEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The task ends only with the runtime, and so does whoever waits here.
            None => std::future::pending().await,
        }
    }

    /// The next event that has been read already, or none; never waits.
    pub fn try_next(&mut self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn subscribe() -> io::Result<Notifications> {
    let (mut connection, _, messages) = rtnetlink::new_multicast_connection(&GROUPS)?;
    connection.socket_mut().socket_mut().set_rx_buf_sz(RECEIVE_BUFFER as libc::c_int)?;
    tokio::spawn(connection);
    Ok(messages.map(|(message, _)| message).boxed())
}

async fn watch(netlink: Netlink, mut notifications: Notifications, events: mpsc::Sender<LinkEvent>) {
    let mut view = View::default();
    loop {
        for event in read_all(&netlink, &mut view).await {
            if events.send(event).await.is_err() {
                return;
            }
        }
        if follow(&mut notifications, &mut view, &events).await == Lost::Everything {
            notifications = resubscribe().await;
        }
    }
}

/// Why notifications cannot be followed further.
#[derive(PartialEq, Eq)]
enum Lost {
    /// The kernel dropped some: read all anew.
    Some,
    /// The connection ended.
    Everything,
}

async fn follow(notifications: &mut Notifications, view: &mut View, events: &mpsc::Sender<LinkEvent>) -> Lost {
    while let Some(first) = notifications.next().await {
        // Whatever has arrived with it, so that a link that changed a hundred times is told once.
        let mut messages = vec![first];
        while let Some(Some(message)) = notifications.next().now_or_never() {
            messages.push(message);
            if messages.len() == AT_ONCE {
                break;
            }
        }
        let (mut news, mut has_lost) = (Vec::with_capacity(messages.len()), false);
        for message in messages {
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => news.push(inner),
                NetlinkPayload::Overrun(_) => has_lost = true,
                _ => {}
            }
        }
        for event in view.notice_all(&news) {
            if events.send(event).await.is_err() {
                return Lost::Everything;
            }
        }
        if has_lost {
            return Lost::Some;
        }
    }
    Lost::Everything
}

async fn read_all(netlink: &Netlink, view: &mut View) -> Vec<LinkEvent> {
    loop {
        let read =
            async { Ok::<_, super::NetlinkError>((netlink.dump_links().await?, netlink.dump_addresses().await?)) };
        match read.await {
            Ok((links, addresses)) => return view.replace(&links, &addresses),
            Err(error) => {
                tracing::warn!("{error}; tried again in 1 s");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn resubscribe() -> Notifications {
    loop {
        tracing::warn!("the netlink connection for notifications ended and is opened again");
        match subscribe() {
            Ok(notifications) => return notifications,
            Err(error) => tracing::warn!("listen for link changes: {error}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
