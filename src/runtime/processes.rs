//! Tracked processes, on a thread of their own: as the kernel tells of them, or by looking every second where it does not.

use crate::conf::ProcessSpec;
use crate::engine::{Counted, Input};
use crate::sys::inbox::{Inbox, Outbox, Taken, inbox};
use crate::sys::process_events::{ProcessEvent, ProcessEvents, Received};
use crate::sys::process_list::{all, look};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Without the kernel's word, all processes are looked at this often.
const SCAN: Duration = Duration::from_secs(1);
/// With it, too, but seldom: another program can make the kernel silent.
const RESCAN: Duration = Duration::from_secs(30);

/// The processes that are counted.
pub(super) struct ProcessWatch {
    thread: Option<Outbox<Vec<ProcessSpec>>>,
    results: UnboundedSender<Input>,
}

impl ProcessWatch {
    /// Starts the thread, if there is anything to count.
    pub(super) fn start(specs: Vec<ProcessSpec>, results: UnboundedSender<Input>) -> io::Result<Self> {
        let mut processes = Self { thread: None, results };
        if !specs.is_empty() {
            processes.spawn(specs)?;
        }
        Ok(processes)
    }

    /// From now on these processes.
    pub(super) fn need(&mut self, specs: Vec<ProcessSpec>) -> Option<Input> {
        let started = match &self.thread {
            Some(thread) if thread.give(specs.clone()) => Ok(()),
            None if specs.is_empty() => Ok(()),
            Some(_) | None => self.spawn(specs),
        };
        started.err().map(|error| Input::WatchProblem(format!("processes cannot be counted: {error}")))
    }

    fn spawn(&mut self, specs: Vec<ProcessSpec>) -> io::Result<()> {
        let (orders, received) = inbox()?;
        let results = self.results.clone();
        let work = move || {
            if let Err(error) = watch(specs, &received, &results) {
                // An engine that has ended wants nothing.
                let _ = results.send(Input::WatchProblem(format!("processes cannot be counted: {error}")));
            }
        };
        std::thread::Builder::new().name("processes".into()).spawn(work)?;
        self.thread = Some(orders);
        Ok(())
    }
}

/// The processes that count, each with the specs it counts for.
struct Table {
    specs: Vec<ProcessSpec>,
    with_command: bool,
    counting: BTreeMap<u32, Vec<usize>>,
    told: Option<Vec<u32>>,
}

impl Table {
    fn new(specs: Vec<ProcessSpec>) -> Self {
        let with_command = specs.iter().any(|spec| spec.full_command);
        Self { specs, with_command, counting: BTreeMap::new(), told: None }
    }

    fn scan(&mut self) -> io::Result<()> {
        self.counting.clear();
        for pid in all()? {
            self.look(pid);
        }
        Ok(())
    }

    fn look(&mut self, pid: u32) {
        self.counting.remove(&pid);
        let Some(process) = look(pid, self.with_command) else { return };
        let matches =
            |(index, spec): (usize, &ProcessSpec)| spec.matches(&process.name, &process.command).then_some(index);
        let counts_for: Vec<usize> = self.specs.iter().enumerate().filter_map(matches).collect();
        if !counts_for.is_empty() {
            self.counting.insert(pid, counts_for);
        }
    }

    fn take(&mut self, event: ProcessEvent) -> Counted {
        match event {
            // A child is what its parent is, until it becomes another program.
            ProcessEvent::Fork { parent, child } => {
                if let Some(counts_for) = self.counting.get(&parent).cloned() {
                    self.counting.insert(child, counts_for);
                }
                Counted::Fork
            }
            ProcessEvent::Exec(pid) => {
                self.look(pid);
                Counted::Exec
            }
            ProcessEvent::End(pid) => {
                self.counting.remove(&pid);
                Counted::End
            }
        }
    }

    /// The counts, if they are others than the last ones told or `again` is asked for.
    fn news(&mut self, by: Counted, again: bool) -> Option<Input> {
        let mut counts = vec![0_u32; self.specs.len()];
        for index in self.counting.values().flatten() {
            if let Some(count) = counts.get_mut(*index) {
                *count += 1;
            }
        }
        if !again && self.told.as_ref() == Some(&counts) {
            return None;
        }
        self.told = Some(counts.clone());
        let names = self.specs.iter().map(|spec| spec.name.clone());
        Some(Input::ProcessesCounted { counts: names.zip(counts).collect(), by })
    }
}

/// Why one way of watching came to its end.
enum End {
    Orders(Vec<ProcessSpec>),
    EngineEnded,
}

fn watch(
    mut specs: Vec<ProcessSpec>,
    orders: &Inbox<Vec<ProcessSpec>>,
    results: &UnboundedSender<Input>,
) -> io::Result<()> {
    let mut events = ProcessEvents::open();
    loop {
        let scanned = events.as_ref().err().cloned();
        if results.send(Input::ProcessesWatched { scanned }).is_err() {
            return Ok(());
        }
        let mut table = Table::new(specs);
        let ended = match &mut events {
            Ok(events) => follow(&mut table, events, orders, results)?,
            Err(_told) => look_again(&mut table, orders, results)?,
        };
        match ended {
            End::Orders(new) => specs = new,
            End::EngineEnded => return Ok(()),
        }
        if events.is_err() {
            events = ProcessEvents::open();
        }
    }
}

fn follow(
    table: &mut Table,
    events: &mut ProcessEvents,
    orders: &Inbox<Vec<ProcessSpec>>,
    results: &UnboundedSender<Input>,
) -> io::Result<End> {
    // What is told of meanwhile waits in the socket.
    table.scan()?;
    let mut news = table.news(Counted::Scan, true);
    loop {
        if news.take().is_some_and(|news| results.send(news).is_err()) {
            return Ok(End::EngineEnded);
        }
        if orders.wait(Some(events.as_fd()), Some(RESCAN))? {
            match events.receive()? {
                Received::Events(list) => {
                    for event in list {
                        let by = table.take(event);
                        if table.news(by, false).is_some_and(|news| results.send(news).is_err()) {
                            return Ok(End::EngineEnded);
                        }
                    }
                }
                Received::Lost => {
                    table.scan()?;
                    news = table.news(Counted::Scan, false);
                }
            }
        } else {
            table.scan()?;
            news = table.news(Counted::Scan, true);
        }
        match orders.take() {
            Taken::Order(new) => return Ok(End::Orders(new)),
            Taken::Closed => return Ok(End::EngineEnded),
            Taken::Nothing => {}
        }
    }
}

fn look_again(
    table: &mut Table,
    orders: &Inbox<Vec<ProcessSpec>>,
    results: &UnboundedSender<Input>,
) -> io::Result<End> {
    loop {
        table.scan()?;
        if table.news(Counted::Scan, true).is_some_and(|news| results.send(news).is_err()) {
            return Ok(End::EngineEnded);
        }
        orders.wait(None, Some(SCAN))?;
        match orders.take() {
            Taken::Order(new) => return Ok(End::Orders(new)),
            Taken::Closed => return Ok(End::EngineEnded),
            Taken::Nothing => {}
        }
    }
}
