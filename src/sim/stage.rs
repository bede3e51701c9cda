//! The world as the console's stage: what may be done to it, and how it stands.

use super::world::World;
use crate::status::{Reply, ServerState, Stage, StageAction, StageClock, StageNode, StageServer};
use crate::time::{Duration, Instant};

/// Virtual seconds for each real one, slowest first.
const SPEEDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// The clock's settings; the world itself only knows its time.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: usize,
    paused: bool,
    seed: u64,
}

impl Pace {
    pub const fn new(seed: u64) -> Self {
        Self { speed: 4, paused: false, seed }
    }

    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// How much virtual time passes in `real` time.
    pub fn virtual_time(&self, real: Duration) -> Duration {
        if self.paused { Duration::ZERO } else { real.mul_f64(self.speed()) }
    }

    fn speed(&self) -> f64 {
        SPEEDS.get(self.speed).copied().unwrap_or(1.0)
    }
}

/// The stage at this moment.
pub fn stage(world: &World, scenario: &str, pace: &Pace) -> Stage {
    let node = |(index, host): (usize, &super::Host)| StageNode {
        name: host.name.clone(),
        alive: host.is_alive(),
        cut: world.lan.cut.contains(&index),
    };
    let server = |s: &super::Server| StageServer { name: s.name.clone(), address: s.address, state: s.state };
    Stage {
        scenario: scenario.to_owned(),
        clock: Some(StageClock {
            now: world.now().since(Instant::ZERO),
            paused: pace.paused,
            speed: pace.speed(),
            seed: pace.seed,
        }),
        nodes: world.hosts.iter().enumerate().map(node).collect(),
        servers: world.servers.iter().map(server).collect(),
        clients: world.clients.iter().map(|c| c.view(world.now())).collect(),
    }
}

/// Does it, or says why not.
pub fn act(world: &mut World, pace: &mut Pace, action: &StageAction) -> Reply {
    match attempt(world, pace, action) {
        Ok(text) => Reply::accepted(text),
        Err(reason) => Reply::Rejected { reason },
    }
}

fn attempt(world: &mut World, pace: &mut Pace, action: &StageAction) -> Result<String, String> {
    match action {
        StageAction::Crash { node } => {
            let index = host(world, node)?;
            if !world.hosts.get(index).is_some_and(super::Host::is_alive) {
                return Err(format!("{node} is down already; V revives it"));
            }
            world.crash(index);
            Ok(format!("{node} crashed: it says nothing more, and its addresses answer nobody"))
        }
        StageAction::Revive { node } => {
            let index = host(world, node)?;
            if world.hosts.get(index).is_some_and(super::Host::is_alive) {
                return Err(format!("{node} is running"));
            }
            world.revive(index);
            Ok(format!("{node} is switched on and its engine started"))
        }
        StageAction::ToggleLink { node } => {
            let index = host(world, node)?;
            if world.lan.cut.remove(&index) {
                Ok(format!("the link of {node} is healed"))
            } else {
                world.lan.cut.insert(index);
                Ok(format!("the link of {node} is cut: nothing passes, and neither side is told"))
            }
        }
        StageAction::ToggleServer { server } => match world.toggle_server(server) {
            None => Err(format!("there is no web server {server}")),
            Some(ServerState::Running) => Ok(format!("{server} runs again; the next check finds it")),
            Some(ServerState::Stopped) => Ok(format!("{server} is stopped: it refuses connections")),
        },
        StageAction::TogglePause => {
            pace.paused = !pace.paused;
            Ok(if pace.paused { "paused".into() } else { "running".into() })
        }
        StageAction::Step => {
            pace.paused = true;
            for _ in 0..10_000 {
                if world.step() {
                    break;
                }
            }
            Ok(format!("at {}", world.now()))
        }
        StageAction::Slower => change_speed(pace, pace.speed.saturating_sub(1), "slowest"),
        StageAction::Faster => change_speed(pace, (pace.speed + 1).min(SPEEDS.len() - 1), "fastest"),
    }
}

fn change_speed(pace: &mut Pace, to: usize, limit: &str) -> Result<String, String> {
    if to == pace.speed {
        return Err(format!("{} is the {limit}", Rate(pace.speed())));
    }
    pace.speed = to;
    Ok(format!("{} of real time", Rate(pace.speed())))
}

/// "×2", "1/20".
struct Rate(f64);

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 1.0 { write!(f, "1/{:.0}", 1.0 / self.0) } else { write!(f, "×{:.0}", self.0) }
    }
}

fn host(world: &World, name: &str) -> Result<usize, String> {
    let known = || world.hosts.iter().map(|h| h.name.as_str()).collect::<Vec<_>>().join(", ");
    world
        .hosts
        .iter()
        .position(|h| h.name == name)
        .ok_or_else(|| format!("there is no {name} here; there are: {}", known()))
}
