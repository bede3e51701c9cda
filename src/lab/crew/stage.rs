//! All programs of a lab together, and the stage they make.
//!
//! Everything is started from the thread that runs this, and is killed when that thread ends.

use super::engine::Engine;
use super::program::Starter;
use crate::control::StageRequest;
use crate::lab::network;
use crate::lab::report::{Ready, ReadyMachine, ReadyNode, Report};
use crate::lab::scenario::{Machine, Scenario};
use crate::lab::site::Site;
use crate::status::{Reply, ServerState, Stage, StageAction, StageNode, StageServer};
use anyhow::{Context, bail, ensure};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A lab that is set up. Dropping it removes everything.
#[derive(Debug)]
pub(in crate::lab) struct Crew {
    // Before the starter: programs end before their namespaces.
    engines: Vec<Engine>,
    servers: Vec<Server>,
    client: Option<Child>,
    /// Between two requests of the client, milliseconds.
    interval: String,
    client_started: Instant,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    seen: watch::Sender<(Stage, Report)>,
    starter: Starter,
    scenario: &'static Scenario,
}

#[derive(Debug)]
struct Server {
    machine: Machine,
    child: Option<Child>,
}

impl Crew {
    /// Sets everything up below `base`. An engine that does not come up is reported, not fatal: the rest of the stage
    /// is there to find out why. The client asks each address every `interval` milliseconds.
    pub(in crate::lab) async fn raise(scenario: &'static Scenario, base: &Path, interval: u64) -> anyhow::Result<Self> {
        let starter = Starter::new(Site::open(base)?)?;
        network::build(&starter.site, scenario)?;
        let mut crew = Self {
            engines: scenario.directors.iter().map(Engine::new).collect(),
            servers: scenario.servers.iter().map(|m| Server { machine: *m, child: None }).collect(),
            client: None,
            interval: interval.to_string(),
            client_started: Instant::now(),
            reports: mpsc::channel(16),
            seen: watch::Sender::new((Stage::empty(scenario.name), Report::default())),
            starter,
            scenario,
        };
        for server in &mut crew.servers {
            server.start(&crew.starter, scenario.port)?;
        }
        for engine in &mut crew.engines {
            engine.start(&crew.starter)?;
        }
        for engine in &mut crew.engines {
            engine.settle(&crew.starter).await;
        }
        crew.prepare_real_servers().await?;
        crew.start_client()?;
        crew.publish();
        Ok(crew)
    }

    /// Direct routing by the kernel delivers packets for the VIPs to the web servers: they must take them, and keep
    /// silent about it. The balancer connects to the servers' own addresses and needs nothing of it.
    async fn prepare_real_servers(&self) -> anyhow::Result<()> {
        if !self.engines.iter().any(|e| e.dataplane.as_deref() == Some("ipvs")) {
            return Ok(());
        }
        let vips: Vec<_> = self.scenario.vips.iter().map(ToString::to_string).collect();
        let flags = vips.iter().flat_map(|vip| ["--vip", vip]);
        let arguments: Vec<_> = ["real-server", "up"].into_iter().chain(flags).collect();
        for server in &self.servers {
            self.starter.output(server.machine.name, &arguments).await?;
        }
        Ok(())
    }

    fn start_client(&mut self) -> anyhow::Result<()> {
        let targets: Vec<_> = self.scenario.targets().map(|t| t.to_string()).collect();
        let asks = targets.iter().flat_map(|target| ["--ask", target]);
        let arguments: Vec<_> = ["lab-client", "--interval", &self.interval].into_iter().chain(asks).collect();
        self.client_started = Instant::now();
        let mut child = self.starter.start(self.scenario.client.name, &arguments, Stdio::piped())?;
        let stdout = child.stdout.take().context("the client has no standard output")?;
        tokio::spawn(read_reports(stdout, self.reports.0.clone()));
        self.client = Some(child);
        Ok(())
    }

    pub(in crate::lab) fn ready(&self) -> Ready {
        let site = &self.starter.site;
        let machine = |machine: Machine, child: &Option<Child>| ReadyMachine {
            name: machine.name.into(),
            namespace: site.namespace(machine.name),
            pid: child.as_ref().and_then(Child::id),
        };
        let node = |engine: &Engine| ReadyNode {
            machine: machine(engine.director.machine, &engine.child),
            socket: engine.socket(&self.starter),
            dataplane: engine.dataplane.clone(),
            problem: engine.problem.clone(),
        };
        Ready {
            scenario: self.scenario.name.into(),
            directory: site.directory().to_owned(),
            switch: site.namespace(network::SWITCH),
            nodes: self.engines.iter().map(node).collect(),
            servers: self.servers.iter().map(|s| machine(s.machine, &s.child)).collect(),
            client: machine(self.scenario.client, &self.client),
        }
    }

    /// Follows the stage: with every report of the client, and every change.
    pub(in crate::lab) fn watch(&self) -> watch::Receiver<(Stage, Report)> {
        self.seen.subscribe()
    }

    /// Carries out requests until all who could ask are gone, or the caller drops this.
    pub(in crate::lab) async fn play(&mut self, requests: &mut mpsc::Receiver<StageRequest>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(StageRequest { action, reply }) = request else { return };
                    // The asker may have gone; it is done all the same.
                    let _ = reply.send(self.act(&action).await);
                }
                Some(report) = self.reports.1.recv() => self.seen.send_modify(|seen| seen.1 = report),
                _ = ticks.tick() => self.look_after(),
            }
            self.publish();
        }
    }

    /// Carries out one action.
    async fn act(&mut self, action: &StageAction) -> Reply {
        let done = match action {
            StageAction::Crash { node } => self.crash(node).await,
            StageAction::Revive { node } => self.revive(node),
            StageAction::ToggleLink { node } => self.toggle_link(node),
            StageAction::ToggleServer { server } => self.toggle_server(server).await,
            StageAction::TogglePause | StageAction::Step | StageAction::Slower | StageAction::Faster => {
                Err(anyhow::anyhow!("the lab runs in real time; only the demo has a clock of its own"))
            }
        };
        match done {
            Ok(text) => Reply::accepted(text),
            Err(error) => Reply::Rejected { reason: format!("{error:#}") },
        }
    }

    /// The machine is switched off: its engine is killed (SIGKILL) and it vanishes from the network in the same
    /// moment, with everything its kernel held.
    async fn crash(&mut self, node: &str) -> anyhow::Result<String> {
        let engine = find(&mut self.engines, node)?;
        ensure!(engine.child.is_some(), "{node}'s engine is not running");
        network::set_cut(&self.starter.site, node, true)?;
        engine.crash().await?;
        network::forget_addresses(&self.starter.site, engine.director.machine)?;
        Ok(format!("{node} crashed: its engine was killed and the machine is off the network"))
    }

    fn revive(&mut self, node: &str) -> anyhow::Result<String> {
        let engine = find(&mut self.engines, node)?;
        ensure!(engine.child.is_none(), "{node}'s engine is running");
        network::set_cut(&self.starter.site, node, engine.cut)?;
        engine.start(&self.starter)?;
        Ok(format!("{node} is back on the network and its engine starts"))
    }

    fn toggle_link(&mut self, node: &str) -> anyhow::Result<String> {
        let engine = find(&mut self.engines, node)?;
        network::set_cut(&self.starter.site, node, !engine.cut)?;
        engine.cut = !engine.cut;
        Ok(if engine.cut { format!("{node} is cut off") } else { format!("{node} is connected again") })
    }

    async fn toggle_server(&mut self, name: &str) -> anyhow::Result<String> {
        let Some(server) = self.servers.iter_mut().find(|s| s.machine.name == name) else {
            bail!("there is no server {name}");
        };
        if let Some(mut child) = server.child.take() {
            child.kill().await?;
            return Ok(format!("{name}'s web server was stopped"));
        }
        server.start(&self.starter, self.scenario.port)?;
        Ok(format!("{name}'s web server starts"))
    }

    /// Notices programs that ended by themselves. The client is only an observer: it is started again.
    fn look_after(&mut self) {
        for engine in &mut self.engines {
            engine.has_ended(&self.starter);
        }
        for server in &mut self.servers {
            if matches!(server.child.as_mut().map(Child::try_wait), Some(Ok(Some(_)))) {
                server.child = None;
            }
        }
        if matches!(self.client.as_mut().map(Child::try_wait), Some(Ok(Some(_)))) {
            self.client = None;
        }
        if self.client.is_none()
            && self.client_started.elapsed() > CLIENT_PAUSE
            && let Err(error) = self.start_client()
        {
            tracing::warn!("the lab's client ended: {error:#}");
        }
    }

    fn publish(&self) {
        let nodes =
            self.engines.iter().map(|e| StageNode { name: e.name().into(), alive: e.child.is_some(), cut: e.cut });
        let nodes: Vec<_> = nodes.collect();
        let servers: Vec<_> = self.servers.iter().map(|s| s.on_stage(self.scenario.port)).collect();
        self.seen.send_if_modified(|(stage, report)| {
            let clients = report.targets.iter().map(|t| t.view.clone()).collect();
            let now = Stage { nodes, servers, clients, ..Stage::empty(self.scenario.name) };
            let changed = *stage != now;
            *stage = now;
            changed
        });
    }

    /// Takes everything down and says what could not be removed.
    pub(in crate::lab) fn strike(self) -> anyhow::Result<()> {
        let Self { engines, servers, client, starter, .. } = self;
        drop((engines, servers, client));
        starter.site.close()
    }
}

impl Server {
    fn start(&mut self, starter: &Starter, port: u16) -> anyhow::Result<()> {
        let listen = format!("0.0.0.0:{port}");
        let name = self.machine.name;
        let arguments = ["lab-server", "--name", name, "--listen", &listen];
        self.child = Some(starter.start(name, &arguments, Stdio::null())?);
        Ok(())
    }

    fn on_stage(&self, port: u16) -> StageServer {
        StageServer {
            name: self.machine.name.into(),
            address: SocketAddr::new(IpAddr::V4(self.machine.address), port),
            state: if self.child.is_some() { ServerState::Running } else { ServerState::Stopped },
        }
    }
}

fn find<'a>(engines: &'a mut [Engine], node: &str) -> anyhow::Result<&'a mut Engine> {
    engines.iter_mut().find(|e| e.name() == node).with_context(|| format!("there is no node {node}"))
}

/// A line that is no report ends this: the client is looked after elsewhere.
async fn read_reports(stdout: tokio::process::ChildStdout, to: mpsc::Sender<Report>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(report) => {
                if to.send(report).await.is_err() {
                    return;
                }
            }
            Err(_no_report) => return,
        }
    }
}

/// How often programs are looked after.
const LOOK: Duration = Duration::from_millis(200);

/// A client that ends at once is started again no more often than this.
const CLIENT_PAUSE: Duration = Duration::from_secs(1);
