//! Tracked files, on a thread of their own: a file system that hangs holds nothing up.

use crate::conf::FileSpec;
use crate::engine::{FileReading, Input};
use crate::sys::inbox::{Inbox, Outbox, Taken, inbox};
use crate::sys::watched_files::{WatchedFiles, initialise, read};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// FileWatch whose changes cannot be seen are read this often.
const POLL: Duration = Duration::from_secs(1);
/// Between two readings: a file that changes all the time is not read all the time.
const PAUSE: Duration = Duration::from_millis(5);

/// The files that are watched.
pub(super) struct FileWatch {
    thread: Option<Outbox<Vec<FileSpec>>>,
    results: UnboundedSender<Input>,
}

impl FileWatch {
    /// Starts the thread, if there are files; `make`: also makes those that are to be made at the start.
    pub(super) fn start(specs: Vec<FileSpec>, make: bool, results: UnboundedSender<Input>) -> io::Result<Self> {
        let mut files = Self { thread: None, results };
        if !specs.is_empty() {
            files.spawn(specs, make)?;
        }
        Ok(files)
    }

    /// From now on these files.
    pub(super) fn need(&mut self, specs: Vec<FileSpec>) -> Option<Input> {
        let started = match &self.thread {
            Some(thread) if thread.give(specs.clone()) => Ok(()),
            None if specs.is_empty() => Ok(()),
            Some(_) | None => self.spawn(specs, false),
        };
        started.err().map(|error| Input::WatchProblem(format!("files cannot be watched: {error}")))
    }

    fn spawn(&mut self, specs: Vec<FileSpec>, initial: bool) -> io::Result<()> {
        let (orders, received) = inbox()?;
        let results = self.results.clone();
        let work = move || {
            let notes = if initial { initialise_all(&specs) } else { BTreeMap::new() };
            if let Err(error) = watch(specs, &notes, &received, &results) {
                // An engine that has ended wants nothing.
                let _ = results.send(Input::WatchProblem(format!("files cannot be watched: {error}")));
            }
        };
        std::thread::Builder::new().name("files".into()).spawn(work)?;
        self.thread = Some(orders);
        Ok(())
    }
}

/// What went wrong with `init_file`, by name.
fn initialise_all(specs: &[FileSpec]) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    for spec in specs {
        if let Some((value, overwrite)) = spec.init
            && let Err(error) = initialise(&spec.path, value, overwrite)
        {
            notes.insert(spec.name.clone(), format!("init_file could not write it: {error}"));
        }
    }
    notes
}

/// Until the engine has ended.
fn watch(
    mut specs: Vec<FileSpec>,
    notes: &BTreeMap<String, String>,
    orders: &Inbox<Vec<FileSpec>>,
    results: &UnboundedSender<Input>,
) -> io::Result<()> {
    loop {
        let mut files = WatchedFiles::new(specs.iter().map(|spec| spec.path.clone()).collect())?;
        let mut due: Vec<usize> = (0..specs.len()).collect();
        specs = loop {
            for index in std::mem::take(&mut due) {
                // Watched first and read then: no change falls between.
                files.watch(index);
                let Some(spec) = specs.get(index) else { continue };
                let reading = FileReading { polled: files.unseen(index).map(str::to_owned), ..reading(spec, notes) };
                if results.send(Input::FileRead { name: spec.name.clone(), reading }).is_err() {
                    return Ok(());
                }
            }
            orders.wait(None, Some(PAUSE))?;
            let polled = |index: &usize| files.unseen(*index).is_some();
            let polled: Vec<usize> = (0..specs.len()).filter(polled).collect();
            let timeout = (!polled.is_empty()).then_some(POLL);
            due = if orders.wait(Some(files.as_fd()), timeout)? { files.changed()? } else { polled };
            match orders.take() {
                Taken::Order(new) => break new,
                Taken::Closed => return Ok(()),
                Taken::Nothing => {}
            }
        };
    }
}

fn reading(spec: &FileSpec, notes: &BTreeMap<String, String>) -> FileReading {
    let none = |note: String| FileReading { value: Some(0), note: Some(note), polled: None };
    let reading = match read(&spec.path) {
        Ok(text) => FileReading::of(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => none("there is no such file".into()),
        Err(error) => none(format!("it cannot be read: {error}")),
    };
    match (notes.get(&spec.name), reading.note) {
        (Some(first), None) => FileReading { note: Some(first.clone()), ..reading },
        (Some(first), Some(second)) => FileReading { note: Some(format!("{second}; {first}")), ..reading },
        (None, note) => FileReading { note, ..reading },
    }
}
