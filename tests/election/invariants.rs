//! Random clusters and random faults, and what is checked from outside after each twentieth of a second.

use super::cluster::Cluster;
use super::variation::Variation;
use std::time::Duration;
use vipdeck::engine::Random;
use vipdeck::status::{Ask, AtExpiry, Command, DemoteMode, Instance, Role};
use vipdeck::time::Instant;

/// One run's length, and how often it is looked at.
const LENGTH: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Runs one seed; the failure tells what was violated and what happened before.
pub(crate) fn run(seed: u64) -> Result<(), String> {
    play(seed, false).map(|_| ())
}

/// The same with operators who hold, fence, pause and undo.
pub(crate) fn run_with_operators(seed: u64) -> Result<(), String> {
    play(seed, true).map(|_| ())
}

/// Every event of one seed's run, as text.
pub(crate) fn history(seed: u64) -> Vec<String> {
    play(seed, false).unwrap()
}

fn play(seed: u64, operators: bool) -> Result<Vec<String>, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let variation = Variation::random(&mut random);
    let nodes = variation.priorities.len();
    let mut cluster = Cluster::varied(seed, &variation);
    let lan = &mut cluster.world.lan;
    lan.max_delay = Duration::from_millis([1, 20, 200][random.below(3) as usize]);
    lan.loss = [0.0, 0.02, 0.1, 0.2][random.below(4) as usize];
    lan.duplicates = [0.0, 0.1][random.below(2) as usize];
    let mut watcher = Watcher::new(nodes, &variation);
    let mut history = vec![format!("{variation:?} loss {} delay {:?}", lan.loss, lan.max_delay)];
    while cluster.world.now() < Instant::ZERO + LENGTH {
        if random.chance(0.015) {
            let done = disturb(&mut cluster, &mut random, &mut watcher);
            history.push(format!("{} {done}", cluster.world.now()));
            watcher.disturbed_at = cluster.world.now();
        }
        if operators && random.chance(0.03) {
            let done = operate(&mut cluster, &mut random);
            history.push(format!("{} {done}", cluster.world.now()));
            watcher.disturbed_at = cluster.world.now();
        }
        cluster.world.run_for(LOOK);
        for host in 0..nodes {
            let events = cluster.world.take_events(host);
            for event in &events {
                ends_outside(event)?;
            }
            history.extend(events.iter().map(|e| format!("  {} {} {} {:?}", e.at, e.node, e.text, e.cause)));
        }
        if let Err(violation) = watcher.look(&mut cluster, &variation) {
            let tail = history.len().saturating_sub(40);
            return Err(format!("{violation}\n{}\n{}", history[0], history[tail..].join("\n")));
        }
    }
    Ok(history)
}

/// Every change of state is told with a chain that ends in something from outside the engine.
fn ends_outside(event: &vipdeck::status::Event) -> Result<(), String> {
    let known = event.reasons.last().is_some_and(|last| last.input.is_some() && !last.text.contains("unknown"));
    let timer_alone = event.kind == "state" && event.reasons.last().is_some_and(|r| r.input.as_deref() == Some("time"));
    let in_order = event.reasons.windows(2).all(|pair| pair[0].at >= pair[1].at);
    if known && !timer_alone && in_order && event.reasons.iter().all(|r| r.at <= event.at) {
        return Ok(());
    }
    Err(format!("{} {}: its chain is {:#?}", event.node, event.text, event.reasons))
}

/// What an operator does, never by force.
fn operate(cluster: &mut Cluster, random: &mut Random) -> String {
    let host = random.below(cluster.world.hosts.len() as u64) as usize;
    let instance = || "VI_1".to_owned();
    let mode = if random.chance(0.6) { DemoteMode::Fence } else { DemoteMode::Yield };
    let command = match random.below(10) {
        0..=2 => Command::Demote { instance: instance(), seen: None, mode },
        3 => Command::DemoteAll { mode },
        4 => Command::Restore { instance: instance() },
        5 => Command::Takeover { instance: instance(), seen: None },
        6 => Command::Pause {},
        7 => Command::Resume {},
        8 => Command::RestoreAll {},
        _ => Command::Undo { id: None },
    };
    let mut ask = Ask::new(command);
    let holds = matches!(
        ask.command,
        Command::Demote { .. } | Command::DemoteAll { .. } | Command::Takeover { .. } | Command::Pause {}
    );
    if holds && random.chance(0.5) {
        ask.hold_seconds = Some(1 + random.below(20) as u32);
        ask.at_expiry = Some(if random.chance(0.5) { AtExpiry::Stay } else { AtExpiry::Restore });
    }
    ask.keep_seconds = random.chance(0.4).then(|| 1 + random.below(15) as u32);
    let line = ask.to_string();
    format!("{line} on {host}: {:?}", cluster.ask(host, ask))
}

/// One random fault, or the end of one.
fn disturb(cluster: &mut Cluster, random: &mut Random, watcher: &mut Watcher) -> String {
    let host = random.below(cluster.world.hosts.len() as u64) as usize;
    let world = &mut cluster.world;
    match random.below(13) {
        0 | 1 => {
            if world.lan.cut.remove(&host) {
                return format!("heal {host}");
            }
            world.lan.cut.insert(host);
            format!("cut {host}")
        }
        2 | 3 if world.hosts[host].is_alive() => {
            world.crash(host);
            format!("crash {host}")
        }
        2..=4 => {
            world.revive(host);
            format!("revive {host}")
        }
        5 => {
            world.stop(host);
            format!("stop {host}")
        }
        6 => {
            let span = Duration::from_millis(100 + random.below(6000));
            world.pause(host, span);
            watcher.paused_until[host] = watcher.paused_until[host].max(world.now() + span);
            format!("pause {host} for {span:?}")
        }
        7 => format!("demote {host}: {:?}", cluster.demote(host)),
        8 => format!("takeover {host}: {:?}", cluster.takeover(host)),
        9 | 10 => {
            let script = (host, "chk".to_owned());
            if world.failing_scripts.remove(&script) {
                return format!("script of {host} passes");
            }
            world.failing_scripts.insert(script);
            format!("script of {host} fails")
        }
        11 => {
            // Shorter than the time between two looks.
            let gap = Duration::from_millis(1 + random.below(45));
            world.end_engine(host, gap);
            format!("the engine of {host} ends, the next one comes after {gap:?}")
        }
        _ => format!("restore {host}: {:?}", cluster.restore(host)),
    }
}

fn is_fenced(instance: &Instance) -> bool {
    instance.state == Role::Backup && instance.hold.as_ref().is_some_and(|h| h.mode == DemoteMode::Fence)
}

/// What is held against the cluster.
struct Watcher {
    disturbed_at: Instant,
    paused_until: Vec<Instant>,
    /// Of each instance.
    nobody_since: [Option<Instant>; 2],
    both_since: [Option<Instant>; 2],
    /// Of each node: since when the members of its sync group have different states.
    apart_since: Vec<Option<Instant>>,
    faulty: usize,
    nobody: Duration,
    both: Duration,
}

impl Watcher {
    fn new(nodes: usize, variation: &Variation) -> Self {
        Self {
            disturbed_at: Instant::ZERO,
            paused_until: vec![Instant::ZERO; nodes],
            nobody_since: [None; 2],
            both_since: [None; 2],
            apart_since: vec![None; nodes],
            faulty: 0,
            nobody: variation.nobody(),
            both: variation.both(),
        }
    }

    fn look(&mut self, cluster: &mut Cluster, variation: &Variation) -> Result<(), String> {
        let now = cluster.world.now();
        let nodes = cluster.world.hosts.len();
        let snapshots: Vec<_> = (0..nodes).map(|host| cluster.world.snapshot(host)).collect();
        // Nodes that hear each other: alive, not cut, and awake for long enough to have read what arrived.
        let connected: Vec<_> = (0..nodes)
            .filter(|i| snapshots[*i].is_some() && !cluster.world.lan.cut.contains(i))
            .filter(|i| self.paused_until[*i] < now)
            .collect();
        let states = |host: usize| snapshots[host].iter().flat_map(|s| s.instances.iter().map(|i| i.state));
        let able: Vec<_> = connected
            .iter()
            .copied()
            .filter(|i| states(*i).all(|s| matches!(s, Role::Backup | Role::Master)))
            // Whoever is fenced and has handed over stays away, whatever happens.
            .filter(|i| !snapshots[*i].iter().flat_map(|s| &s.instances).any(is_fenced))
            .collect();
        let faulty = connected.len() - able.len();
        if faulty != self.faulty || self.paused_until.iter().any(|until| now.since(*until) < LOOK) {
            self.faulty = faulty;
            self.disturbed_at = now;
        }
        let disturbed = self.disturbed_at;
        let lasting = |condition: bool, since: &mut Option<Instant>| {
            *since = condition.then(|| since.unwrap_or(now));
            since.map_or(Duration::ZERO, |at| now.since(at.max(disturbed)))
        };
        for number in 0..variation.instances() {
            let index = usize::from(number);
            let vip = variation.vip(number).addr();
            // An address stands on a node exactly while its state calls for it, and on no machine without an engine.
            for (host, snapshot) in snapshots.iter().enumerate() {
                let there = cluster.world.hosts[host].holds(vip);
                let called_for = snapshot.as_ref().is_some_and(|s| s.instances[index].vips[0].wanted);
                if there != called_for {
                    return Err(format!("node {host}: {vip} there {there}, called for {called_for}"));
                }
            }
            let holders = connected.iter().filter(|i| cluster.world.hosts[**i].holds(vip)).count();
            let nobody = lasting(!able.is_empty() && holders == 0, &mut self.nobody_since[index]);
            if nobody > self.nobody {
                return Err(format!("{now}: nobody of {able:?} has held {vip} for {nobody:?}"));
            }
            let both = lasting(holders > 1, &mut self.both_since[index]);
            if both > self.both {
                return Err(format!("{now}: {holders} of {connected:?} have held {vip} for {both:?}"));
            }
        }
        for (host, snapshot) in snapshots.iter().enumerate() {
            let roles: Vec<_> = states(host).collect();
            // Each member that stops leaves once its own successor is heard.
            let stopping = snapshot.as_ref().is_some_and(|s| s.node.stopping);
            let apart = !stopping && roles.iter().any(|r| *r != roles[0]);
            let apart = lasting(apart, &mut self.apart_since[host]);
            if apart > Duration::from_millis(200) {
                return Err(format!("{now}: node {host}: the members of its sync group are {roles:?} for {apart:?}"));
            }
        }
        Ok(())
    }
}
