//! `vipdeck attach` on a pseudo-terminal: when its pictures are complete, and what it takes.

use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PICTURE_ENDS: &[u8] = b"\x1b[?2026l";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Attached {
    child: Child,
    master: File,
    bytes: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    /// The end of a picture may come in two pieces.
    tail: Vec<u8>,
    started: Instant,
    _home: tempfile::TempDir,
}

impl Attached {
    pub(crate) fn open(sockets: &[PathBuf]) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let home = tempfile::tempdir().unwrap();
        let slave = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_vipdeck"));
        command.arg("attach").args(sockets).env_clear().env("HOME", home.path());
        command.envs([("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")]);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        lead_a_session(&mut command);
        let started = Instant::now();
        let child = command.spawn().unwrap();
        let master = File::from(pair.master);
        let (to, bytes) = channel();
        let mut from = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            while let Ok(count) = from.read(&mut piece) {
                if count == 0 || to.send((Instant::now(), piece[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let cells = |n| NonZeroU16::new(n).unwrap();
        let screen = vt100::Parser::new(cells(50), cells(160), 0);
        Self { child, master, bytes, screen, tail: vec![], started, _home: home }
    }

    /// Until all three nodes are on the screen.
    pub(crate) fn first_useful_frame(&mut self) -> Duration {
        let began = self.started;
        self.until(|screen| screen.contains("3/3 nodes fresh") && screen.contains("MASTER")) - began
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads what comes for so long.
    pub(crate) fn settle(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok((_, bytes)) = self.bytes.recv_timeout(left) {
                self.screen.process(&bytes);
            }
        }
    }

    /// The share of a core that the program takes.
    pub(crate) fn cpu_while(&mut self, time: Duration) -> f64 {
        let (before, began) = (self.cpu(), Instant::now());
        self.settle(time);
        (self.cpu() - before) / began.elapsed().as_secs_f64()
    }

    fn cpu(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks.filter_map(Result::ok).map(|task| seconds(&task.path())).sum()
    }

    /// From a press of `j` or `k` to the complete picture in which another row is selected, sorted.
    pub(crate) fn key_to_pixels(&mut self, presses: usize) -> Vec<Duration> {
        let mut took: Vec<Duration> = (0..presses)
            .map(|n| {
                // Not in step with anything.
                self.settle(Duration::from_millis(23 + n as u64 * 7 % 31));
                let before = selected(&self.screen.screen().contents());
                let pressed = Instant::now();
                self.press(if n % 10 < 7 { "j" } else { "k" });
                self.until(|screen| selected(screen) != before) - pressed
            })
            .collect();
        took.sort_unstable();
        took
    }

    /// When the first complete picture had come that shows it.
    fn until(&mut self, shows: impl Fn(&str) -> bool) -> Instant {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((at, bytes)) = self.bytes.recv_timeout(left) else {
                panic!("not seen\n{}", self.screen.screen().contents());
            };
            self.screen.process(&bytes);
            self.tail.extend(&bytes);
            let is_whole = self.tail.windows(PICTURE_ENDS.len()).any(|w| w == PICTURE_ENDS);
            self.tail.drain(..self.tail.len().saturating_sub(PICTURE_ENDS.len() - 1));
            if is_whole && shows(&self.screen.screen().contents()) {
                return at;
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the selected row, without what changes by itself.
fn selected(screen: &str) -> Option<String> {
    let line = screen.lines().find(|l| l.contains('▸'))?;
    Some(line.split_once('▸')?.1.trim_start().chars().take(24).collect())
}

/// Seconds that a thread has run (proc(5), schedstat).
pub(crate) fn seconds(task: &Path) -> f64 {
    let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

pub(crate) fn thread_cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().num_nanoseconds() as f64 / 1e9
}

/// With the terminal on its standard input as the one that controls it.
#[expect(unsafe_code, reason = "between fork and exec: two system calls, no allocation")]
fn lead_a_session(command: &mut Command) {
    let lead = || {
        nix::unistd::setsid()?;
        let result = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    unsafe { command.pre_exec(lead) };
}
