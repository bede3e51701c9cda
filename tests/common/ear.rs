//! What a link hears, with the kernel's timestamps, in this process.

use crate::capture::{Frame, wall};
use crate::namespaces::inside;
use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A packet socket for all links of a namespace: what arrives there and what leaves.
pub(crate) fn open(namespace: &str) -> Socket {
    inside(namespace, || {
        // ETH_P_ALL, in network order.
        let all = Protocol::from(i32::from(3_u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap();
        socket.set_recv_buffer_size(16 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        setsockopt(&socket, ReceiveTimestampns, &true).unwrap();
        socket
    })
}

/// Gives each frame to `note`, with the moment on the wall clock, until it is to stop.
pub(crate) fn listen(socket: &Socket, stop: &AtomicBool, mut note: impl FnMut(&[u8], Duration)) {
    let mut buffer = [0; 512];
    let mut control = cmsg_space!(TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
        let Ok(received) = received else { continue };
        let stamp = received.cmsgs().unwrap().find_map(|c| match c {
            ControlMessageOwned::ScmTimestampns(at) => Some(at),
            _ => None,
        });
        let at = stamp.map_or_else(wall, |at| Duration::new(at.tv_sec() as u64, at.tv_nsec() as u32));
        let length = received.bytes;
        note(&buffer[..length.min(buffer.len())], at);
    }
}

/// Keeps everything it hears.
pub(crate) struct Ear {
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    pub(crate) fn start(namespace: &str) -> Self {
        let socket = open(namespace);
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, end) = (frames.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            listen(&socket, &end, |bytes, at| to.lock().unwrap().push(Frame { at, bytes: bytes.to_vec() }));
        });
        Self { frames, stop, thread: Some(thread) }
    }

    /// `read` of each frame that it makes something of, with the moment.
    pub(crate) fn heard<T>(&self, read: impl Fn(&Frame) -> Option<T>) -> Vec<(Duration, T)> {
        let frames = self.frames.lock().unwrap();
        frames.iter().filter_map(|frame| Some((frame.at, read(frame)?))).collect()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the listener failed");
        }
    }
}
