//! The program on a pseudo-terminal of its own, with a terminal emulator at the other end.

use crate::page::Page;
use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything asked for comes within a few seconds; this is for machines that do much else.
const PATIENCE: Duration = Duration::from_secs(30);
/// A key that a question ignores (it does so just after it opened) is pressed again after this.
const AGAIN: Duration = Duration::from_millis(400);

/// Around every picture.
const PICTURE_BEGINS: &[u8] = b"\x1b[?2026h";
const PICTURE_ENDS: &[u8] = b"\x1b[?2026l";

/// What is started, and on what.
pub(crate) struct Setup {
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
    size: (u16, u16),
}

impl Setup {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let arguments = std::iter::once("demo").chain(arguments.iter().copied()).map(str::to_owned).collect();
        let variables =
            vec![("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8"), ("TZ", "UTC")];
        Self { arguments, variables, size: (120, 36) }
    }

    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    pub(crate) fn size(self, columns: u16, rows: u16) -> Self {
        Self { size: (columns, rows), ..self }
    }

    pub(crate) fn start(self) -> Console {
        Console::start(self)
    }
}

pub(crate) struct Console {
    child: Child,
    master: File,
    slave: Option<OwnedFd>,
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
    pub(crate) started: Instant,
    /// No settings of whoever runs the tests.
    _home: TempDir,
}

/// What is left when the program has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// All it ever wrote.
    pub(crate) output: Vec<u8>,
    pub(crate) in_alternate_screen: bool,
    pub(crate) cursor_hidden: bool,
    pub(crate) reports_mouse: bool,
    pub(crate) marks_pastes: bool,
    pub(crate) is_raw: bool,
}

#[derive(Default)]
struct Seen {
    picture: Mutex<Picture>,
    changed: Condvar,
}

#[derive(Default)]
struct Picture {
    parser: vt100::Parser,
    /// The beginning of a picture whose end has not come yet.
    unfinished: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
}

impl Picture {
    /// Half a picture is not looked at.
    fn take(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
        self.unfinished.extend(bytes);
        let last = |mark: &[u8]| self.unfinished.windows(mark.len()).rposition(|w| w == mark);
        let whole = match (last(PICTURE_BEGINS), last(PICTURE_ENDS)) {
            (Some(begin), end) if end.is_none_or(|end| end < begin) => begin,
            _ => self.unfinished.len(),
        };
        let rest = self.unfinished.split_off(whole);
        self.parser.process(&self.unfinished);
        self.unfinished = rest;
    }

    fn page(&self) -> Page {
        Page(self.parser.screen().contents().lines().map(str::to_owned).collect())
    }
}

impl Console {
    fn start(setup: Setup) -> Self {
        let (columns, rows) = setup.size;
        let pair = openpty(&winsize(columns, rows), None).unwrap();
        let home = tempfile::tempdir().unwrap();
        let slave = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_vipdeck"));
        command.args(setup.arguments).env_clear().env("HOME", home.path()).envs(setup.variables);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        lead_a_session(&mut command);
        let started = Instant::now();
        let child = command.spawn().unwrap();
        let seen = Arc::new(Seen::default());
        seen.picture.lock().unwrap().parser.set_size(cells(rows), cells(columns));
        let master = File::from(pair.master);
        let reader = std::thread::spawn({
            let (from, seen) = (master.try_clone().unwrap(), seen.clone());
            move || read(from, &seen)
        });
        Self { child, master, slave: Some(pair.slave), seen, reader: Some(reader), started, _home: home }
    }

    pub(crate) fn page(&self) -> Page {
        self.seen.picture.lock().unwrap().page()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows it.
    pub(crate) fn wait(&self, what: &str, shows: impl Fn(&Page) -> bool) -> Page {
        self.wait_up_to(PATIENCE, &shows).unwrap_or_else(|page| panic!("not seen: {what}\n{}", page.0.join("\n")))
    }

    /// The last screen if it does not show it in time.
    fn wait_up_to(&self, patience: Duration, shows: impl Fn(&Page) -> bool) -> Result<Page, Page> {
        let deadline = Instant::now() + patience;
        let mut picture = self.seen.picture.lock().unwrap();
        loop {
            let page = picture.page();
            let left = deadline.saturating_duration_since(Instant::now());
            if shows(&page) {
                return Ok(page);
            }
            if left.is_zero() || picture.closed {
                return Err(page);
            }
            picture = self.seen.changed.wait_timeout(picture, left).unwrap().0;
        }
    }

    /// Presses again and again, as a person does whose key was not taken.
    pub(crate) fn press_until(&mut self, keys: &str, what: &str, shows: impl Fn(&Page) -> bool) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(page) = self.wait_up_to(Duration::ZERO, &shows) {
                return page;
            }
            self.press(keys);
            match self.wait_up_to(AGAIN, &shows) {
                Ok(page) => return page,
                Err(page) => {
                    assert!(Instant::now() < deadline, "{keys:?} does not lead to: {what}\n{}", page.0.join("\n"));
                }
            }
        }
    }

    /// Opens the question of a verb and presses its button. What happens meanwhile puts the keys back on Cancel, so the
    /// last Enter may miss: then it is asked anew.
    pub(crate) fn confirm(&mut self, verb: &str, button: &str, came_about: impl Fn(&Page) -> bool) -> Page {
        let focused = format!("[[ {button} ]]");
        for _ in 0..5 {
            self.press_until(verb, "its question", |page| page.has("Cancel"));
            self.press_until("\t", "the button", |page| page.has(&focused));
            self.press_until("\r", "the end of the question", |page| !page.has("Cancel"));
            if let Ok(page) = self.wait_up_to(Duration::from_secs(10), &came_about) {
                return page;
            }
        }
        panic!("{button} does nothing\n{}", self.page().0.join("\n"));
    }

    /// The same of a low risk, which is one line.
    pub(crate) fn yes(&mut self, verb: &str, came_about: impl Fn(&Page) -> bool) -> Page {
        for _ in 0..5 {
            self.press_until(verb, "its line", |page| page.has("y does it"));
            self.press_until("y", "the end of the line", |page| !page.has("y does it"));
            if let Ok(page) = self.wait_up_to(Duration::from_secs(10), &came_about) {
                return page;
            }
        }
        panic!("{verb} does nothing\n{}", self.page().0.join("\n"));
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.seen.picture.lock().unwrap().parser.set_size(cells(rows), cells(columns));
        let size = winsize(columns, rows);
        #[expect(unsafe_code, reason = "nix has no call for it; the kernel reads one winsize")]
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn is_raw(&self) -> bool {
        !tcgetattr(&self.master).unwrap().local_flags.contains(LocalFlags::ICANON)
    }

    /// Waits for its end and for the last of its output.
    pub(crate) fn ended(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.page().0.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        };
        let is_raw = self.is_raw();
        self.slave = None;
        self.reader.take().unwrap().join().unwrap();
        let picture = self.seen.picture.lock().unwrap();
        let screen = picture.parser.screen();
        Ended {
            status,
            output: picture.output.clone(),
            in_alternate_screen: screen.alternate_screen(),
            cursor_hidden: screen.hide_cursor(),
            reports_mouse: screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
            marks_pastes: screen.bracketed_paste(),
            is_raw,
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
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

/// Until the other end is closed by all who have it.
fn read(mut from: File, seen: &Seen) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        let mut picture = seen.picture.lock().unwrap();
        if length == 0 {
            let rest = std::mem::take(&mut picture.unfinished);
            picture.parser.process(&rest);
            picture.closed = true;
        } else {
            picture.take(&buffer[..length]);
        }
        drop(picture);
        seen.changed.notify_all();
        if length == 0 {
            return;
        }
    }
}
