//! Random faults, and what is checked from outside after each twentieth of a second.

use super::cluster::Cluster;
use std::time::Duration;
use vipdeck::engine::Random;
use vipdeck::time::Instant;

/// One run's length, and how often it is looked at.
const LENGTH: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// The longest a reachable set of nodes may be without an owner: the longest master-down time, 3 + 255/256 s, and the
/// wire's delay.
const NOBODY: Duration = Duration::from_millis(4400);
/// The longest two nodes that hear each other may both be owners: the loser must hear one advert, of which a fifth at
/// most is lost.
const BOTH: Duration = Duration::from_secs(6);

/// Runs one seed; the failure tells what was violated and what happened before.
pub(crate) fn run(seed: u64) -> Result<(), String> {
    play(seed).map(|_| ())
}

/// Every event of one seed's run, as text.
pub(crate) fn history(seed: u64) -> Vec<String> {
    play(seed).unwrap()
}

fn play(seed: u64) -> Result<Vec<String>, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let nodes = 2 + random.below(3) as usize;
    let priorities: Vec<u8> = (0..nodes).map(|_| [100, 150, 100, 90, 200, 254][random.below(6) as usize]).collect();
    let preempt = random.chance(0.8);
    let mut cluster = Cluster::build(seed, &priorities, |config| config.instances[0].preempt = preempt);
    let lan = &mut cluster.world.lan;
    lan.max_delay = Duration::from_millis([1, 20, 200][random.below(3) as usize]);
    lan.loss = [0.0, 0.02, 0.1, 0.2][random.below(4) as usize];
    lan.duplicates = [0.0, 0.1][random.below(2) as usize];
    let mut watcher = Watcher::default();
    let mut history = vec![format!("{nodes} nodes {priorities:?} preempt {preempt} loss {}", cluster.world.lan.loss)];
    let mut paused_until = vec![Instant::ZERO; nodes];
    while cluster.world.now() < Instant::ZERO + LENGTH {
        if random.chance(0.015) {
            let done = disturb(&mut cluster, &mut random, &mut paused_until);
            history.push(format!("{} {done}", cluster.world.now()));
            watcher.disturbed_at = cluster.world.now();
        }
        cluster.world.run_for(LOOK);
        for host in 0..nodes {
            let events = cluster.world.take_events(host);
            history.extend(events.iter().map(|e| format!("  {} {} {} {:?}", e.at, e.node, e.text, e.cause)));
        }
        if let Err(violation) = watcher.look(&mut cluster, &paused_until) {
            let tail = history.len().saturating_sub(40);
            return Err(format!("{violation}\n{}\n{}", history[0], history[tail..].join("\n")));
        }
    }
    Ok(history)
}

/// One random fault, or the end of one.
fn disturb(cluster: &mut Cluster, random: &mut Random, paused_until: &mut [Instant]) -> String {
    let host = random.below(cluster.world.hosts.len() as u64) as usize;
    let world = &mut cluster.world;
    match random.below(10) {
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
            paused_until[host] = paused_until[host].max(world.now() + span);
            format!("pause {host} for {span:?}")
        }
        7 => format!("demote {host}: {:?}", cluster.demote(host)),
        8 => format!("takeover {host}: {:?}", cluster.takeover(host)),
        _ => format!("restore {host}: {:?}", cluster.restore(host)),
    }
}

/// What is held against the cluster.
#[derive(Default)]
struct Watcher {
    disturbed_at: Instant,
    nobody_since: Option<Instant>,
    both_since: Option<Instant>,
}

impl Watcher {
    fn look(&mut self, cluster: &mut Cluster, paused_until: &[Instant]) -> Result<(), String> {
        let now = cluster.world.now();
        addresses_fit_states(cluster)?;
        // Nodes that hear each other: alive, not cut, and awake for long enough to have read what arrived.
        let connected: Vec<_> = (0..cluster.world.hosts.len())
            .filter(|i| cluster.world.hosts[*i].is_alive() && !cluster.world.lan.cut.contains(i))
            .filter(|i| paused_until[*i] < now)
            .collect();
        if paused_until.iter().any(|until| now.since(*until) < LOOK) {
            self.disturbed_at = now;
        }
        let holders = connected.iter().filter(|i| cluster.world.hosts[**i].holds(cluster.vip)).count();
        let since = |condition: bool, since: &mut Option<Instant>, disturbed: Instant| {
            *since = condition.then(|| since.unwrap_or(now));
            since.map_or(Duration::ZERO, |at| now.since(at.max(disturbed)))
        };
        let nobody = since(!connected.is_empty() && holders == 0, &mut self.nobody_since, self.disturbed_at);
        let both = since(holders > 1, &mut self.both_since, self.disturbed_at);
        if nobody > NOBODY {
            return Err(format!("{now}: nobody of {connected:?} has held the address for {nobody:?}"));
        }
        if both > BOTH {
            return Err(format!("{now}: {holders} of {connected:?} have held the address for {both:?}"));
        }
        Ok(())
    }
}

/// An address stands on a node exactly while its state calls for it, and on no machine without an engine.
fn addresses_fit_states(cluster: &mut Cluster) -> Result<(), String> {
    for host in 0..cluster.world.hosts.len() {
        let there = cluster.world.hosts[host].holds(cluster.vip);
        let called_for = cluster.world.snapshot(host).is_some_and(|s| s.instances[0].vips[0].wanted);
        if there != called_for {
            return Err(format!("node {host}: address there {there}, called for {called_for}"));
        }
    }
    Ok(())
}
