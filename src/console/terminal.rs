//! This process's terminal: what it can show, taken over and given back.
//!
//! Writing to a terminal can take as long as its reader pleases, so a thread of its own does it: the console goes on
//! reading keys, feeds and signals, and draws again when the last picture has gone out.

use super::theme::Depth;
use crate::settings::Notice;
use anyhow::Context;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
};
use crossterm::{cursor, queue};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a terminal that reads nothing may hold up the way out.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the surroundings promise of the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) depth: Depth,
    pub(super) ascii: bool,
}

impl Promise {
    /// Reads `NO_COLOR`, `COLORTERM` and the locale; refuses what is no terminal.
    pub(super) fn read() -> anyhow::Result<Self> {
        let variable =
            |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()).filter(|v| !v.is_empty());
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        anyhow::ensure!(
            is_terminal && variable("TERM").is_none_or(|t| t != "dumb"),
            "the console needs a terminal: standard input or output is none, or TERM is `dumb`; try `vipdeck status`"
        );
        let depth = match (variable("NO_COLOR"), variable("COLORTERM")) {
            (Some(_), _) => Depth::None,
            (None, Some(term)) if term == "truecolor" || term == "24bit" => Depth::Rgb,
            (None, _) => Depth::Sixteen,
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
        let ascii = locale.is_some_and(|l| !l.to_uppercase().replace('-', "").contains("UTF8"));
        Ok(Self { depth, ascii })
    }
}

/// The terminal while the console has it.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Outlet>>,
    state: Arc<State>,
    title: String,
}

/// What the writing thread tells.
#[derive(Debug, Default)]
struct State {
    outstanding: AtomicUsize,
    failed: AtomicBool,
    written: Notify,
}

/// Collects what is drawn, and hands it to the writing thread when flushed.
struct Outlet {
    buffer: Vec<u8>,
    to: mpsc::Sender<Vec<u8>>,
    state: Arc<State>,
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.state.outstanding.fetch_add(1, Ordering::SeqCst);
            let bytes = std::mem::take(&mut self.buffer);
            self.to.send(bytes).map_err(|_gone| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
        }
        Ok(())
    }
}

/// Whether a panic must give the terminal back.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Screen {
    pub(super) fn open(mouse: bool) -> anyhow::Result<Self> {
        let state = Arc::new(State::default());
        let (to, from) = mpsc::channel::<Vec<u8>>();
        let thread = Arc::clone(&state);
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || write_out(&from, &thread))
            .context("start the thread that writes to the terminal")?;
        restore_on_panic();
        crossterm::terminal::enable_raw_mode().context("put the terminal into raw mode")?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut outlet = Outlet { buffer: Vec::new(), to, state: Arc::clone(&state) };
        queue!(outlet, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if mouse {
            queue!(outlet, EnableMouseCapture)?;
        }
        let terminal = Terminal::new(CrosstermBackend::new(outlet)).inspect_err(|_| restore())?;
        Ok(Self { terminal, state, title: String::new() })
    }

    /// Whether the last picture has gone out.
    pub(super) fn is_idle(&self) -> bool {
        self.state.outstanding.load(Ordering::SeqCst) == 0
    }

    /// Waits until something has gone out.
    pub(super) async fn written(&self) {
        self.state.written.notified().await;
    }

    /// Whether the terminal takes no more output.
    pub(super) fn has_failed(&self) -> bool {
        self.state.failed.load(Ordering::SeqCst)
    }

    pub(super) fn draw(&mut self, title: String, render: impl FnOnce(&mut ratatui::Frame)) -> anyhow::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        if title != self.title {
            queue!(self.terminal.backend_mut(), SetTitle(&title))?;
            self.title = title;
        }
        self.terminal.draw(render)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())?;
        Ok(())
    }

    pub(super) fn size(&self) -> std::io::Result<Size> {
        self.terminal.size()
    }

    /// Everything is drawn anew next time: after a stop somebody else may have written there.
    pub(super) fn repaint(&mut self) -> anyhow::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        // Not `clear`: that asks the terminal where its cursor is, and waits for the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())?;
        Ok(())
    }

    pub(super) fn copy(&mut self, text: &str) -> anyhow::Result<()> {
        queue!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))?;
        Write::flush(self.terminal.backend_mut())?;
        Ok(())
    }

    /// Calls for whoever does not look: the bell, and the desktop's notice (OSC 9, OSC 777).
    pub(super) fn ring(&mut self, bell: bool, notice: Notice, title: &str, text: &str) -> anyhow::Result<()> {
        let bytes = called(bell, notice, title, text);
        self.terminal.backend_mut().write_all(&bytes)?;
        Write::flush(self.terminal.backend_mut())?;
        Ok(())
    }

    /// Gives the terminal back, waiting a little for one that is slow to read.
    pub(super) async fn close(mut self) {
        let backend = self.terminal.backend_mut();
        if farewell(backend).is_ok() && !self.has_failed() {
            let all_out = async {
                while !self.is_idle() {
                    self.written().await;
                }
            };
            // What has not gone out by then would only hold up the way out.
            let _late = tokio::time::timeout(FAREWELL, all_out).await;
        }
        TAKEN.store(false, Ordering::SeqCst);
        let _gone = crossterm::terminal::disable_raw_mode();
    }
}

/// Without what could end or steer the sequence: the words come from engines.
fn called(bell: bool, notice: Notice, title: &str, text: &str) -> Vec<u8> {
    let clean = |s: &str| s.chars().filter(|c| !c.is_control() && *c != ';').take(200).collect::<String>();
    let mut bytes = if bell { vec![0x07] } else { Vec::new() };
    match notice {
        Notice::Off => {}
        Notice::Osc9 => bytes.extend(format!("\x1b]9;{}: {}\x1b\\", clean(title), clean(text)).bytes()),
        Notice::Osc777 => bytes.extend(format!("\x1b]777;notify;{};{}\x1b\\", clean(title), clean(text)).bytes()),
    }
    bytes
}

fn farewell(out: &mut impl Write) -> std::io::Result<()> {
    queue!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show)?;
    out.flush()
}

fn write_out(from: &mpsc::Receiver<Vec<u8>>, state: &State) {
    let mut out = std::io::stdout();
    while let Ok(bytes) = from.recv() {
        if !state.failed.load(Ordering::SeqCst) && out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
            state.failed.store(true, Ordering::SeqCst);
        }
        state.outstanding.fetch_sub(1, Ordering::SeqCst);
        state.written.notify_one();
    }
}

/// At once and without the writing thread.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _gone = farewell(&mut std::io::stdout());
        let _gone = crossterm::terminal::disable_raw_mode();
    }
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

/// Whether the other end of the terminal is gone.
pub(super) fn is_hung_up() -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds.iter().any(|f| f.revents().is_some_and(|r| r.intersects(gone)))
}

/// Puts a silent end in the place of standard input. crossterm's reader (0.29) takes the end of a terminal for "nothing
/// yet" and would read without pause for as long as the process lives, which in `run` may be years.
pub(super) fn silence_input() {
    let Ok((silent, other_end)) = std::os::unix::net::UnixStream::pair() else { return };
    if silent.set_nonblocking(true).is_ok() && nix::unistd::dup2_stdin(&silent).is_ok() {
        // Closed, it would be the end of input again.
        std::mem::forget(other_end);
    }
}
