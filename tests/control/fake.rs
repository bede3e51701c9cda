//! An engine without a network: it reports, ticks, and carries commands out on paper.

use crate::words;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use vipdeck::control::server::{self, Server};
use vipdeck::control::{Access, Board, Request, Target};
use vipdeck::status::{Actor, Admin, Ask, Command, Event, Hold, HoldKind, Real, Reply, Role, Snapshot};
use vipdeck::time::Instant;

/// Between two snapshots of the fake; each counts as [`STEP`] of the engine's time.
const TICK: Duration = Duration::from_millis(25);
const STEP: Duration = Duration::from_millis(500);

/// How the surroundings of the engine behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum World {
    /// Whatever is asked comes about.
    #[default]
    Obliging,
    /// Nobody takes over, connections never end, the table keeps its weights.
    Stubborn,
}

pub(crate) struct Fake {
    pub(crate) board: Arc<Board>,
    pub(crate) path: PathBuf,
    /// The commands as they arrived.
    pub(crate) asked: Arc<Mutex<Vec<Ask>>>,
    pub(crate) state: Arc<Mutex<Snapshot>>,
    server: Option<Server>,
    requests: mpsc::Sender<Request>,
    access: Access,
    directory: Option<TempDir>,
}

impl Fake {
    pub(crate) fn start(world: World) -> Self {
        Self::with_access(world, Access::default())
    }

    pub(crate) fn with_access(world: World, access: Access) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lvs1.sock");
        let mut fake = Self::at(&path, world, access, words::snapshot("lvs1", std::process::id()));
        fake.directory = Some(directory);
        fake
    }

    /// An engine that reports `first` at this socket.
    pub(crate) fn at(path: &Path, world: World, access: Access, first: Snapshot) -> Self {
        let board = Arc::new(Board::default());
        let (requests, inbox) = mpsc::channel(8);
        let (asked, state) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(first)));
        board.publish(state.lock().unwrap().clone());
        let engine = Engine { world, board: Arc::downgrade(&board), state: state.clone(), asked: asked.clone() };
        std::thread::spawn(move || engine.run(inbox));
        let server = server::serve(board.clone(), requests.clone(), path, &access).unwrap();
        Self { board, path: path.to_owned(), asked, state, server: Some(server), requests, access, directory: None }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }

    pub(crate) fn target(&self) -> Target {
        let word = self.path.display().to_string();
        vipdeck::control::resolve(&[word], Path::new("/nonexistent")).unwrap().remove(0)
    }

    /// Ends the server, as an engine that leaves does; the engine behind it goes on.
    pub(crate) fn stop_serving(&mut self) {
        self.server = None;
    }

    pub(crate) fn serve_again(&mut self) {
        let served = server::serve(self.board.clone(), self.requests.clone(), &self.path, &self.access);
        self.server = Some(served.unwrap());
    }

    /// Records events of these numbers, with this process's in their kind.
    pub(crate) fn record(&self, numbers: std::ops::RangeInclusive<u64>) {
        let mut state = self.state.lock().unwrap();
        state.last_event = *numbers.end();
        let kind = format!("of-{}", state.node.pid);
        self.board.record(numbers.map(|seq| Event { kind: kind.clone(), ..words::event(seq) }));
        state.revision += 1;
        self.board.publish(state.clone());
    }
}

struct Engine {
    world: World,
    /// The engine ends with its fake.
    board: std::sync::Weak<Board>,
    state: Arc<Mutex<Snapshot>>,
    asked: Arc<Mutex<Vec<Ask>>>,
}

impl Engine {
    fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            loop {
                match tokio::time::timeout(TICK, inbox.recv()).await {
                    Ok(None) => return,
                    Ok(Some(request)) => {
                        self.asked.lock().unwrap().push(request.ask.clone());
                        let reply = self.carry_out(&request.ask);
                        self.publish(|_| ());
                        let _ = request.reply.send(reply);
                    }
                    Err(_) => self.publish(|s| self.go_on(s)),
                }
            }
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut state = self.state.lock().unwrap();
        state.revision += 1;
        state.at = state.at + STEP;
        state.wall_us = words::WALL_US + state.at.as_micros();
        change(&mut state);
        if let Some(board) = self.board.upgrade() {
            board.publish(state.clone());
        }
    }

    fn carry_out(&self, ask: &Ask) -> Reply {
        let mut s = self.state.lock().unwrap();
        let at = s.at;
        let accepted = Reply::accepted(format!("{} begins", ask.command));
        if ask.command.instance().is_some_and(|name| s.instance(name).is_none()) {
            return Reply::Rejected { reason: "there is no such instance; there is VI_1".into() };
        }
        let instance = s.instances.first_mut().unwrap();
        match &ask.command {
            Command::Demote { .. } => {
                instance.hold = Some(hold(HoldKind::Demoted, at));
                instance.yielding = instance.state == Role::Master;
                instance.effective_priority = 1;
            }
            Command::Takeover { .. } => instance.hold = Some(hold(HoldKind::Takeover, at)),
            Command::Restore { .. } => instance.hold = None,
            Command::Drain { real, .. } => reals(&mut s, *real, |r| {
                r.admin = Admin::Drain;
                r.weight_effective = Some(0);
            }),
            Command::Maint { real, .. } => reals(&mut s, *real, |r| {
                r.admin = Admin::Maint;
                r.weight_effective = None;
            }),
            Command::Return { real, .. } => reals(&mut s, *real, |r| {
                r.admin = Admin::Ready;
                r.weight_asked = None;
                r.weight_effective = Some(1);
            }),
            Command::Weight { real, weight, .. } => reals(&mut s, *real, |r| {
                r.weight_asked = Some(*weight);
                r.weight_effective = Some(*weight);
            }),
            // Nothing here comes from a file, or is remembered.
            _ => {}
        }
        accepted
    }

    /// What follows from the state, one step later.
    fn go_on(&self, s: &mut Snapshot) {
        let at = s.at;
        let obliging = self.world == World::Obliging;
        let instance = s.instances.first_mut().unwrap();
        match (instance.hold.as_ref().map(|h| h.kind), obliging) {
            (Some(HoldKind::Demoted), true) => {
                instance.state = Role::Backup;
                instance.yielding = false;
                instance.master = Some(words::peer(at));
            }
            (Some(HoldKind::Demoted), false) => instance.yielding = false,
            (Some(HoldKind::Takeover), true) => instance.state = Role::Master,
            (Some(HoldKind::Takeover), false) | (Some(HoldKind::Newer(_)) | None, _) => {}
        }
        for real in s.services.iter_mut().flat_map(|v| &mut v.reals).filter(|_| obliging) {
            real.weight_kernel = real.weight_effective;
            if real.admin == Admin::Drain {
                real.admin = Admin::Drained;
                real.active = Some(0);
            }
        }
    }
}

fn hold(kind: HoldKind, since: Instant) -> Hold {
    Hold::new(kind, since, Actor { user: "root".into(), from: "local socket".into() }, None)
}

fn reals(s: &mut Snapshot, id: std::net::SocketAddr, change: impl Fn(&mut Real)) {
    s.services.iter_mut().flat_map(|v| &mut v.reals).filter(|r| r.id == id).for_each(change);
}
