//! The configuration as files: what runs is kept to be shown, and compared with the disk now and then, by a thread of
//! its own.

use crate::cli;
use crate::cluster::configuration::{masked, text};
use crate::conf::{self, About, Severity};
use crate::control::Board;
use crate::engine::Input;
use crate::status::{ConfigReport, ConfigText, DiskState};
use crate::sys::clock::{Clock, wall_us};
use crate::sys::files::{Files, Fingerprint, environment, fingerprint};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use tokio::sync::mpsc::UnboundedSender;

/// Between two looks at whether a file is another one.
const LOOK: Duration = Duration::from_secs(2);
/// Then it is read in any case: a pattern of files may match others.
const READ: Duration = Duration::from_secs(300);

/// So many configurations of before are kept.
const PAST: usize = 4;
const NOT_KEPT: &str = "the engine goes on with the configuration of before; its texts are not kept";

/// What the thread is told.
enum Order {
    /// A reload has read this; whether it will run is not known yet.
    Read { id: u64, text: Box<ConfigText> },
    /// The configuration with these digests runs from now on.
    Runs { node: String, about: Box<About> },
    /// That reload has its answer.
    Decided { id: u64 },
}

/// The thread, as far as the engine's knows it.
pub(super) struct Desk {
    orders: Sender<Order>,
}

/// What it begins with.
pub(super) struct Place {
    pub(super) node: String,
    /// As the engine was given it.
    pub(super) file: PathBuf,
    pub(super) reading: cli::Reading,
    /// The digest of what runs, and its texts, if they are known.
    pub(super) effective: String,
    pub(super) running: Option<ConfigText>,
    pub(super) clock: Clock,
}

/// Tells what a reload has read, from its own thread.
pub(super) struct Clerk(Sender<Order>);

impl Clerk {
    pub(super) fn read(&self, id: u64, read: &conf::Read, main: &Path) {
        // An engine that has ended wants nothing.
        let _ = self.0.send(Order::Read { id, text: Box::new(text(read, main)) });
    }
}

impl Desk {
    pub(super) fn start(place: Place, board: Arc<Board>, results: UnboundedSender<Input>) -> io::Result<Self> {
        let (orders, received) = channel();
        let work = move || Work::new(place, board, results).serve(&received);
        std::thread::Builder::new().name("desk".into()).spawn(work)?;
        Ok(Self { orders })
    }

    pub(super) fn clerk(&self) -> Clerk {
        Clerk(self.orders.clone())
    }

    /// The engine has another configuration.
    pub(super) fn runs(&self, node: &str, about: &About) {
        let _ = self.orders.send(Order::Runs { node: node.to_owned(), about: Box::new(about.clone()) });
    }

    /// A reload has its answer.
    pub(super) fn decided(&self, id: u64) {
        let _ = self.orders.send(Order::Decided { id });
    }
}

struct Work {
    place: Place,
    report: ConfigReport,
    board: Arc<Board>,
    results: UnboundedSender<Input>,
    /// Read for a reload that has no answer yet.
    undecided: BTreeMap<u64, ConfigText>,
    /// What ran before, the newest last: a reload may be undone.
    past: VecDeque<ConfigText>,
    /// The files as they were when they were read, and when that was.
    seen: Option<(Vec<(PathBuf, Fingerprint)>, Instant)>,
}

impl Work {
    fn new(place: Place, board: Arc<Board>, results: UnboundedSender<Input>) -> Self {
        let note = place.running.is_none().then(|| NOT_KEPT.to_owned());
        let report = ConfigReport {
            node: place.node.clone(),
            main: place.file.display().to_string(),
            config_id: environment(place.reading.config_id.as_deref(), false).config_id,
            loaded_us: wall_us(),
            masked: false,
            running: place.running.clone().unwrap_or_default(),
            note,
            looked_us: None,
            state: None,
            disk: None,
        };
        Self { place, report, board, results, undecided: BTreeMap::new(), past: VecDeque::new(), seen: None }
    }

    fn serve(mut self, orders: &Receiver<Order>) {
        self.report.running.effective.clone_from(&self.place.effective);
        self.publish();
        self.look();
        loop {
            match orders.recv_timeout(LOOK) {
                Ok(Order::Read { id, text }) => drop(self.undecided.insert(id, *text)),
                Ok(Order::Runs { node, about }) => self.runs(node, &about),
                Ok(Order::Decided { id }) => {
                    self.undecided.remove(&id);
                    self.seen = None;
                    self.look();
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn runs(&mut self, node: String, about: &About) {
        let is_it = |text: &ConfigText| text.effective == about.effective && text.texts == about.texts;
        let just_read = self.undecided.values().rfind(|text| is_it(text)).cloned();
        let known = just_read.or_else(|| self.past.iter().rfind(|text| is_it(text)).cloned());
        let note = known.is_none().then(|| NOT_KEPT.to_owned());
        let running =
            known.unwrap_or_else(|| ConfigText { effective: about.effective.clone(), ..ConfigText::default() });
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(std::mem::replace(&mut self.report.running, running));
        let loaded_us = wall_us();
        let report =
            ConfigReport { node, loaded_us, note, looked_us: None, state: None, disk: None, ..self.report.clone() };
        self.report = report;
        self.publish();
        self.seen = None;
        self.look();
    }

    /// Reads the files if they are others than the last time.
    fn look(&mut self) {
        let same = self.seen.as_ref().is_some_and(|(files, at)| {
            self.place.clock.now().since(*at) < READ && files.iter().all(|(path, before)| fingerprint(path) == *before)
        });
        if same {
            self.report.looked_us = Some(wall_us());
            self.board.records().looked(wall_us());
            let state = self.report.state.clone();
            if let Some(state) = state {
                let _ = self.results.send(Input::DiskSeen(state));
            }
            return;
        }
        let environment = environment(self.place.reading.config_id.as_deref(), self.place.reading.all_config);
        let now = self.place.clock.now();
        let read = conf::read(&self.place.file, &Files, &environment, conf::Sources::default());
        self.seen = Some((watched(&read, &self.place.file), now));
        let disk = text(&read, &self.place.file);
        if self.report.note.is_some() && self.report.running.effective == disk.effective {
            // What runs is not kept as text, and this means the same.
            self.report.running = disk.clone();
            self.report.note = None;
        }
        let state = self.compare(&read, &disk);
        self.report.looked_us = Some(wall_us());
        self.report.disk = (state != DiskState::Same).then_some(disk);
        self.report.state = Some(state.clone());
        self.publish();
        let _ = self.results.send(Input::DiskSeen(state));
    }

    fn compare(&self, read: &conf::Read, disk: &ConfigText) -> DiskState {
        if read.sources.files().next().is_none() {
            let why = read.diagnostics.first().map_or("it cannot be read", |d| d.message.as_str());
            return DiskState::Unreadable { why: why.to_owned() };
        }
        let running = &self.report.running;
        // By the texts alone: the main file's name may be written in several ways.
        let texts = |text: &'_ ConfigText| text.files.iter().map(|f| f.text.clone()).collect::<Vec<_>>();
        let as_long = running.left_out == disk.left_out && (disk.left_out == 0 || running.texts == disk.texts);
        if self.report.note.is_none() && as_long && texts(running) == texts(disk) {
            return DiskState::Same;
        }
        let errors = read.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        match () {
            () if errors > 0 => DiskState::Broken { errors },
            // Passwords are in no digest.
            () if running.effective == disk.effective && !self.secrets_differ(disk) => DiskState::Rewritten,
            () => DiskState::Differs,
        }
    }

    fn secrets_differ(&self, disk: &ConfigText) -> bool {
        let secrets = |text: &ConfigText| {
            let texts: Vec<&str> = text.files.iter().map(|f| f.text.as_str()).collect();
            conf::secrets::masked(&texts).secrets
        };
        secrets(&self.report.running) != secrets(disk)
    }

    fn publish(&self) {
        self.board.records().set_configuration(self.report.clone(), masked(&self.report));
    }
}

/// Every file that was read, and its directory: a pattern may match one more.
fn watched(read: &conf::Read, main: &Path) -> Vec<(PathBuf, Fingerprint)> {
    let files = read.sources.files().map(|s| s.path.clone()).chain([main.to_owned()]);
    let mut paths: Vec<PathBuf> =
        files.flat_map(|file| [file.parent().map(Path::to_owned).unwrap_or_default(), file]).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().map(|path| (path.clone(), fingerprint(&path))).collect()
}
