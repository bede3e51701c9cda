//! Who has the VIP, at every moment: a thread that the kernel tells of each address that comes or goes.

use crate::capture::wall;
use crate::namespaces::inside;
use crate::stage::VIP;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// `RTMGRP_IPV4_IFADDR` of rtnetlink(7).
const GROUP: u32 = 0x10;

/// From `at` (wall clock) on, these servers have the VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) owners: [bool; 2],
}

pub(crate) struct Watch {
    moments: Arc<Mutex<Vec<Moment>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins while neither has it.
    pub(crate) fn start(namespaces: [&str; 2]) -> Self {
        let sockets = namespaces.map(|namespace| {
            inside(namespace, || {
                let protocol = SockProtocol::NetlinkRoute;
                let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_NONBLOCK, protocol).unwrap();
                bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP)).unwrap();
                socket
            })
        });
        let moments = Arc::new(Mutex::new(vec![Moment { at: wall(), owners: [false; 2] }]));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, end) = (moments.clone(), stop.clone());
        let thread = std::thread::spawn(move || watch(&sockets, &to, &end));
        Self { moments, stop, thread: Some(thread) }
    }

    pub(crate) fn owners(&self) -> [bool; 2] {
        self.moments.lock().unwrap().last().unwrap().owners
    }

    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap().clone()
    }

    /// Waits until `owners` have it, and says since when.
    pub(crate) fn until(&self, what: &str, owners: [bool; 2], limit: Duration) -> Duration {
        let end = Instant::now() + limit;
        loop {
            let last = *self.moments.lock().unwrap().last().unwrap();
            if last.owners == owners {
                return last.at;
            }
            assert!(Instant::now() < end, "not within {limit:?}: {what}; owners are {:?}", last.owners);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the watcher failed");
        }
    }
}

/// Both namespaces by one thread: if it is late, it is late for both, and invents no gap between them.
fn watch(sockets: &[OwnedFd; 2], moments: &Mutex<Vec<Moment>>, stop: &AtomicBool) {
    let mut buffer = [0; 8192];
    while !stop.load(Ordering::SeqCst) {
        let mut fds = sockets.each_ref().map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::from(20_u8)).unwrap();
        let at = wall();
        for (server, socket) in sockets.iter().enumerate() {
            while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                if let Some(has) = news(&buffer[..length]) {
                    let mut moments = moments.lock().unwrap();
                    let mut owners = moments.last().unwrap().owners;
                    // A lease that was renewed is news, too, and changes no owner.
                    if std::mem::replace(&mut owners[server], has) != has {
                        moments.push(Moment { at, owners });
                    }
                }
            }
        }
    }
}

/// Whether the VIP came or went; none: another address.
fn news(bytes: &[u8]) -> Option<bool> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).unwrap();
    let is_vip = |m: &AddressMessage| m.attributes.contains(&AddressAttribute::Local(VIP.into()));
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(m)) if is_vip(&m) => Some(true),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(m)) if is_vip(&m) => Some(false),
        _ => None,
    }
}
