//! `vipdeck run` with its console in a pseudo-terminal that is read, or not.

use crate::engine::PROGRAM;
use crate::programs::signal;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub(crate) struct Console {
    child: Child,
    /// None: the terminal is closed.
    terminal: Option<Terminal>,
}

struct Terminal {
    master: File,
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    is_paused: AtomicBool,
    is_closed: AtomicBool,
    read: AtomicU64,
    said: Mutex<Vec<u8>>,
}

impl Console {
    pub(crate) fn start(namespace: &str, config: &Path, socket: &Path) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        for end in [&pty.master, &pty.slave] {
            // Else the program would hold its own terminal open.
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let slave = File::from(pty.slave);
        // setsid(1) makes the terminal the controlling one and replaces itself with the program.
        let child = Command::new("setsid")
            .args(["--ctty", PROGRAM, "--netns", namespace, "run", "-f"])
            .arg(config)
            .arg("--control")
            .arg(socket)
            .env("TERM", "xterm-256color")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let master = File::from(pty.master);
        let shared = Arc::new(Shared::default());
        let (from, to) = (master.try_clone().unwrap(), shared.clone());
        let reader = std::thread::spawn(move || read(from, &to));
        Self { child, terminal: Some(Terminal { master, shared, reader }) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn shared(&self) -> &Shared {
        &self.terminal.as_ref().expect("an open terminal").shared
    }

    /// How many bytes have been read of it.
    pub(crate) fn read(&self) -> u64 {
        self.shared().read.load(Ordering::SeqCst)
    }

    /// The end of what has been read of it.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.shared().said.lock().unwrap()).into_owned()
    }

    pub(crate) fn pause_reading(&self, is_paused: bool) {
        self.shared().is_paused.store(is_paused, Ordering::SeqCst);
    }

    pub(crate) fn press(&self, keys: &str) {
        let mut master = &self.terminal.as_ref().expect("an open terminal").master;
        master.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether a thread of it is waiting in write(2) for its terminal.
    pub(crate) fn is_blocked(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let is_in_write = |task: std::fs::DirEntry| {
            let call = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
            let write = format!("{} 0x1 ", nix::libc::SYS_write);
            call.starts_with(&write)
        };
        tasks.map_while(Result::ok).any(is_in_write)
    }

    /// Closes the terminal: its processes get SIGHUP.
    pub(crate) fn close_terminal(&mut self) {
        let terminal = self.terminal.take().expect("an open terminal");
        terminal.shared.is_closed.store(true, Ordering::SeqCst);
        terminal.reader.join().unwrap();
        drop(terminal.master);
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(self.pid(), what);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(terminal) = self.terminal.take() {
            terminal.shared.is_closed.store(true, Ordering::SeqCst);
            let _ = terminal.reader.join();
        }
    }
}

fn read(mut master: File, shared: &Shared) {
    let mut buffer = [0; 4096];
    while !shared.is_closed.load(Ordering::SeqCst) {
        let is_paused = shared.is_paused.load(Ordering::SeqCst);
        let wanted = if is_paused { PollFlags::empty() } else { PollFlags::POLLIN };
        let has_some = {
            let mut fds = [PollFd::new(master.as_fd(), wanted)];
            poll(&mut fds, PollTimeout::from(20_u8)).unwrap();
            fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLIN))
        };
        if is_paused || !has_some {
            // Without a sleep the end of the other side would be reported without pause.
            std::thread::sleep(std::time::Duration::from_millis(5));
            continue;
        }
        let Ok(length) = master.read(&mut buffer) else { continue };
        shared.read.fetch_add(length as u64, Ordering::SeqCst);
        let mut said = shared.said.lock().unwrap();
        said.extend_from_slice(&buffer[..length]);
        let surplus = said.len().saturating_sub(64 * 1024);
        said.drain(..surplus);
    }
}
