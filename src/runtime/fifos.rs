//! Lines to named pipes (`notify_fifo`), on a thread of their own: no reader holds the engine up.

use super::readers::Reader;
use crate::conf::{FifoKind, FifoSpec};
use crate::engine::{Input, Topic};
use crate::status::Severity;
use crate::sys::fifo::Fifo;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Lines that wait for a reader of one pipe, beyond the 64 KiB that the kernel keeps; the newest are lost.
const WAITING: usize = 1024;
/// Lines and lists on their way to the thread.
const COMING: usize = 4096;
/// A full pipe is tried again after this.
const AGAIN: Duration = Duration::from_millis(50);

enum Task {
    Need(Vec<FifoSpec>),
    Line(Topic, String),
}

/// Where lines go.
pub(super) struct Fifos {
    tasks: Option<SyncSender<Task>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Fifos {
    /// Starts the thread and opens the pipes; what goes wrong with one comes back as an input.
    /// `nul`: a NUL byte follows each line about services.
    pub(super) fn start(specs: &[FifoSpec], nul: bool, problems: UnboundedSender<Input>) -> io::Result<Self> {
        let (tasks, received) = sync_channel(COMING);
        let (end, ended) = oneshot::channel();
        let work = move || {
            write_lines(&received, nul, &problems);
            // Nobody may wait for the end.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("fifos".into()).spawn(work)?;
        let fifos = Self { tasks: Some(tasks), ended: Some(ended) };
        let _ = fifos.give(Task::Need(specs.to_vec()));
        Ok(fifos)
    }

    /// From now on these pipes; those that stay are not closed, so that no reader sees an end.
    pub(super) fn need(&self, specs: &[FifoSpec]) -> Option<Input> {
        self.give(Task::Need(specs.to_vec()))
    }

    pub(super) fn tell(&self, topic: Topic, line: String) -> Option<Input> {
        self.give(Task::Line(topic, line))
    }

    fn give(&self, task: Task) -> Option<Input> {
        let why = match self.tasks.as_ref()?.try_send(task) {
            Ok(()) => return None,
            Err(TrySendError::Full(_)) => "its thread does not keep up",
            Err(TrySendError::Disconnected(_)) => "its thread has ended: restart vipdeck",
        };
        Some(problem(format!("notify_fifo: a line is lost: {why}")))
    }

    /// Writes what fits, removes the pipes that were made here, and ends the thread.
    pub(super) async fn close(&mut self) {
        self.tasks = None;
        if let Some(ended) = self.ended.take() {
            // An error is a thread that has ended.
            let _ = ended.await;
        }
    }
}

fn problem(text: String) -> Input {
    Input::Report { severity: Severity::Warning, kind: "notify", text, cause: None }
}

/// What is to read the pipes.
pub(super) fn readers(specs: &[FifoSpec]) -> Vec<Reader> {
    let reader = |spec: &FifoSpec| Some(Reader { command: spec.script.clone()?, path: spec.path.clone() });
    specs.iter().filter_map(reader).collect()
}

/// One pipe, and what waits for it.
struct Pipe {
    spec: FifoSpec,
    fifo: Fifo,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
}

fn write_lines(tasks: &Receiver<Task>, nul: bool, problems: &UnboundedSender<Input>) {
    // The engine has ended: nobody wants to know.
    let say = |text: String| drop(problems.send(problem(text)));
    let mut pipes: Vec<Pipe> = Vec::new();
    loop {
        let task = if pipes.iter().any(|p| !p.waiting.is_empty()) {
            tasks.recv_timeout(AGAIN)
        } else {
            tasks.recv().map_err(|_ended| RecvTimeoutError::Disconnected)
        };
        match task {
            Ok(Task::Need(specs)) => pipes = reopen(pipes, specs, &say),
            Ok(Task::Line(topic, mut line)) => {
                if nul && topic == Topic::Lvs {
                    line.push('\0');
                }
                pipes.iter_mut().filter(|pipe| pipe.takes(topic)).for_each(|pipe| pipe.queue(&line, &say));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        for pipe in &mut pipes {
            pipe.flush(&say);
        }
    }
}

fn reopen(mut before: Vec<Pipe>, specs: Vec<FifoSpec>, say: &impl Fn(String)) -> Vec<Pipe> {
    let mut pipes = Vec::new();
    let mut fresh = Vec::new();
    for spec in specs {
        match before.iter().position(|p| is_same(&p.spec, &spec)) {
            Some(place) => pipes.push(Pipe { spec, ..before.swap_remove(place) }),
            None => fresh.push(spec),
        }
    }
    // Those that go are removed before one of the same path is made.
    drop(before);
    for spec in fresh {
        let (user, group) = spec.owner.as_ref().map_or((None, None), |o| (Some(o.user.as_str()), o.group.as_deref()));
        match Fifo::open(&spec.path, user, group) {
            Ok(fifo) => pipes.push(Pipe { spec, fifo, waiting: VecDeque::new(), lost: 0 }),
            Err(why) => {
                let path = spec.path.display();
                say(format!("notify_fifo {path} cannot be used: {why}; nothing is written to it; mend it and reload"));
            }
        }
    }
    pipes
}

/// What reads a pipe does not matter to it.
fn is_same(one: &FifoSpec, other: &FifoSpec) -> bool {
    (one.kind, &one.path, &one.owner) == (other.kind, &other.path, &other.owner)
}

impl Pipe {
    const fn takes(&self, topic: Topic) -> bool {
        match self.spec.kind {
            FifoKind::All => true,
            FifoKind::Vrrp => matches!(topic, Topic::Vrrp),
            FifoKind::Lvs => matches!(topic, Topic::Lvs),
        }
    }

    fn queue(&mut self, line: &str, say: &impl Fn(String)) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(line.as_bytes().to_vec());
            return;
        }
        if self.lost == 0 {
            let path = self.spec.path.display();
            say(format!("notify_fifo {path} is full and {WAITING} lines wait: lines are lost until somebody reads it"));
        }
        self.lost += 1;
    }

    fn flush(&mut self, say: &impl Fn(String)) {
        while let Some(line) = self.waiting.front_mut() {
            match self.fifo.write(line) {
                Ok(written) if written >= line.len() => drop(self.waiting.pop_front()),
                Ok(written) => drop(line.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.waiting.pop_front();
                    say(format!("notify_fifo {}: a line is lost: {error}", self.spec.path.display()));
                }
            }
        }
        if self.lost > 0 {
            say(format!("notify_fifo {} is read again; {} lines were lost", self.spec.path.display(), self.lost));
            self.lost = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::FifoKind;
    use std::cell::RefCell;
    use std::io::Read;

    #[test]
    fn what_nobody_reads_waits_and_beyond_that_is_counted_and_said_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let spec = FifoSpec { kind: FifoKind::Vrrp, path, owner: None, script: None };
        let said = RefCell::new(Vec::new());
        let say = |text: String| said.borrow_mut().push(text);
        let mut pipes = reopen(Vec::new(), vec![spec.clone()], &say);
        let pipe = pipes.first_mut().unwrap();
        let mut reader = std::fs::File::open(&spec.path).unwrap();
        let line = format!("{}\n", "x".repeat(4095));
        // 16 pages fit into the pipe.
        for _ in 0..16 + WAITING + 3 {
            pipe.queue(&line, &say);
            pipe.flush(&say);
        }
        assert_eq!(pipe.lost, 3);
        assert_eq!(said.borrow().len(), 1, "{said:?}");
        let mut page = [0; 4096];
        for _ in 0..16 + WAITING {
            reader.read_exact(&mut page).unwrap();
            pipe.flush(&say);
        }
        assert!(said.borrow().last().unwrap().ends_with("3 lines were lost"), "{said:?}");
        drop(pipes);
        assert!(!spec.path.exists());
    }
}
