//! `vipdeck demo`: the console on a virtual cluster.
//!
//! The world lives on a thread of its own, which moves the virtual clock along with the real one and publishes on the
//! same boards that real engines publish on.

use crate::cli;
use crate::cluster;
use crate::conf::{self, Environment, Memory, Sources};
use crate::console::{self, Start};
use crate::control::{Board, Connection, Feed, Request, StageFeed, StageRequest};
use crate::report::watch as told;
use crate::settings::{Settings, look};
use crate::sim::{Pace, World, act, files, scenario, stage};
use crate::status::{Actor, Ask, AuditEntry, AuditList, ConfigReport, Mode, Stage};
use crate::sys::clock::wall_us;
use anyhow::Context;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// The world moves in steps of this, and is shown after each.
const FRAME: Duration = Duration::from_millis(33);
/// A machine that was asleep does not make up for hours at once.
const LONGEST_STEP: Duration = Duration::from_secs(1);

pub fn run(args: &cli::Demo, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut world = scenario(&args.scenario, args.seed, wall_us())?;
    // The first picture shows a cluster that has elected its masters and served for a while.
    world.run_for(Duration::from_secs(10));
    let pace = Pace::new(args.seed);
    if let Some(file) = &args.picture {
        let stage = stage(&world, &args.scenario, &pace);
        super::picture::write(file, &mut world, &stage)?;
        writeln!(out, "wrote {}", file.display())?;
        return Ok(0);
    }
    let (nodes, feeds): (Vec<_>, Vec<_>) = world.hosts.iter().map(|host| node(&host.name)).unzip();
    show_files(&args.scenario, &world, &nodes);
    let (stage_in, stage_out) = watch::channel(stage(&world, &args.scenario, &pace));
    let (asks, asked) = mpsc::channel(64);
    let theatre = Theatre { world, pace, scenario: args.scenario.clone(), nodes, stage: stage_in, asked, audited: 0 };
    std::thread::Builder::new()
        .name("world".into())
        .spawn(move || theatre.play())
        .context("start the virtual world")?;
    if args.plain {
        let ended = told::sentences(feeds, out);
        drop((stage_out, asks));
        return ended;
    }
    let look = look(&settings.console, &args.look);
    let stage = Some(StageFeed { stage: stage_out, requests: asks });
    let start = Start { title: args.scenario.clone(), mode: Mode::Lab, feeds, stage, look, owns_engine: false };
    console::run(start)?;
    Ok(0)
}

/// The world's end of one feed.
struct Node {
    board: Arc<Board>,
    connection: watch::Sender<Connection>,
    requests: mpsc::Receiver<Request>,
}

fn node(name: &str) -> (Node, Feed) {
    let board = Arc::new(Board::default());
    let (connection_in, connection) = watch::channel(Connection::Live);
    let (requests_in, requests) = mpsc::channel(16);
    let feed = Feed { label: name.to_owned(), board: board.clone(), connection, requests: requests_in };
    (Node { board, connection: connection_in, requests }, feed)
}

/// The configurations are part of the program: nothing on a disk can differ from them.
fn show_files(scenario: &str, world: &World, nodes: &[Node]) {
    for (host, (node, (file, text))) in world.hosts.iter().zip(nodes.iter().zip(files(scenario).into_iter().flatten()))
    {
        let main = Path::new(file);
        let environment = Environment::default();
        let read = conf::read(main, &Memory::one(main, text), &environment, Sources::default());
        let report = ConfigReport {
            node: host.name.clone(),
            main: file.to_owned(),
            config_id: String::new(),
            loaded_us: wall_us(),
            masked: false,
            running: cluster::configuration::text(&read, main),
            note: None,
            looked_us: None,
            state: None,
            disk: None,
        };
        node.board.records().set_configuration(report.clone(), report);
        node.board.records().begin_audit(AuditList {
            node: host.name.clone(),
            file: None,
            entries: Vec::new(),
            earlier: false,
        });
    }
}

struct Theatre {
    world: World,
    pace: Pace,
    scenario: String,
    nodes: Vec<Node>,
    stage: watch::Sender<Stage>,
    asked: mpsc::Receiver<StageRequest>,
    /// Entries of the audit log so far; no disk keeps it.
    audited: u64,
}

impl Theatre {
    /// Until the console is gone.
    #[expect(clippy::disallowed_methods, reason = "the virtual clock follows the real one here, and nowhere else")]
    fn play(mut self) {
        let mut last = Instant::now();
        while !self.stage.is_closed() {
            let now = Instant::now();
            let real = now.duration_since(last).min(LONGEST_STEP);
            last = now;
            self.obey();
            self.world.run_for(self.pace.virtual_time(real));
            self.publish();
            std::thread::sleep(FRAME.saturating_sub(now.elapsed()));
        }
    }

    fn obey(&mut self) {
        while let Ok(request) = self.asked.try_recv() {
            let reply = act(&mut self.world, &mut self.pace, &request.action);
            let _ = request.reply.send(reply);
        }
        for (index, node) in self.nodes.iter_mut().enumerate() {
            while let Ok(request) = node.requests.try_recv() {
                // Dropped without an answer when no engine runs there, as a broken link would do.
                let actor = Actor { user: "you".into(), from: "demo".into() };
                let ask = Ask { actor, ..request.ask };
                let reply = self.world.command(index, ask.clone());
                self.audited += 1;
                let name = self.world.hosts.get(index).map_or("", |h| h.name.as_str());
                let entry =
                    AuditEntry { seq: self.audited, ..AuditEntry::new(name, wall_us(), &ask, reply.as_ref(), 0) };
                node.board.records().add_audit(vec![entry]);
                if let Some(reply) = reply {
                    let _ = request.reply.send(reply);
                }
            }
        }
    }

    fn publish(&mut self) {
        for (index, node) in self.nodes.iter().enumerate() {
            node.board.record(self.world.take_events(index));
            let snapshot = self.world.snapshot(index);
            let alive = snapshot.is_some();
            if let Some(snapshot) = snapshot {
                node.board.publish(snapshot);
            }
            node.connection.send_if_modified(|connection| note(connection, alive));
        }
        self.stage.send_replace(stage(&self.world, &self.scenario, &self.pace));
    }
}

/// Brings the connection up to date; true if it changed.
#[expect(clippy::disallowed_methods, reason = "the console's clock, for the age of what it last saw")]
fn note(connection: &mut Connection, alive: bool) -> bool {
    match (&connection, alive) {
        (Connection::Live, false) => {
            *connection = Connection::Lost { since: Instant::now(), why: "the machine is down".into() };
            true
        }
        (Connection::Lost { .. } | Connection::Connecting, true) => {
            *connection = Connection::Live;
            true
        }
        _ => false,
    }
}
