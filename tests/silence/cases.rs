//! What is done to the nodes, and how each is measured.

use crate::capture::wall;
use crate::client::ANSWER;
use crate::engine::PROGRAM;
use crate::figures::{Figure, Figures};
use crate::programs::signal;
use crate::stage::{ADDRESSES, Kind, Program, Stage};
use nix::sys::signal::Signal;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    HostDies,
    Stop,
    Return,
    Demote,
    Restore,
    Restart,
    Upgrade,
    Reload,
    KillEngine,
    KillAll,
    FastHostDies,
}

/// What the ordinary run does.
pub(crate) const SHORT: [Case; 7] =
    [Case::HostDies, Case::Return, Case::Stop, Case::Demote, Case::Restore, Case::KillEngine, Case::Upgrade];

/// After the event that ends a case, for what may still follow.
const SETTLE: Duration = Duration::from_secs(1);
/// Both are watched for so long after all processes of one were killed.
const KILLED: Duration = Duration::from_secs(14);

impl Case {
    pub(crate) const ALL: [Self; 11] = [
        Self::HostDies,
        Self::Stop,
        Self::Return,
        Self::Demote,
        Self::Restore,
        Self::Restart,
        Self::Upgrade,
        Self::Reload,
        Self::KillEngine,
        Self::KillAll,
        Self::FastHostDies,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HostDies => "host-dies",
            Self::Stop => "stop",
            Self::Return => "return",
            Self::Demote => "demote",
            Self::Restore => "restore",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Reload => "reload",
            Self::KillEngine => "kill-engine",
            Self::KillAll => "kill-all",
            Self::FastHostDies => "host-dies-10ms",
        }
    }

    /// A list of names.
    pub(crate) fn parse(text: &str) -> Vec<Self> {
        let find = |name| Self::ALL.into_iter().find(|c| c.name() == name);
        text.split(',').map(|name| find(name).unwrap_or_else(|| panic!("no case is called {name}"))).collect()
    }

    /// Whether the programs can do it. A mixed pair answers one question: what is lost when keepalived succeeds.
    fn applies(self, pair: [Program; 2]) -> bool {
        match (self, pair) {
            (Self::Stop | Self::Demote, [Program::Vipdeck, Program::Keepalived]) => true,
            (_, [Program::Vipdeck, Program::Keepalived])
            | (Self::Demote | Self::Restore | Self::Upgrade, [Program::Keepalived, _]) => false,
            (Self::Upgrade, _) => knows("restart"),
            _ => true,
        }
    }
}

/// Cases that share a stage.
pub(crate) struct Group {
    kind: Kind,
    cases: Vec<Case>,
}

pub(crate) fn groups(cases: &[Case], pair: [Program; 2]) -> Vec<Group> {
    let (fast, second): (Vec<_>, Vec<_>) =
        cases.iter().copied().filter(|c| c.applies(pair)).partition(|c| *c == Case::FastHostDies);
    let groups = [Group { kind: Kind::Second, cases: second }, Group { kind: Kind::Fast, cases: fast }];
    groups.into_iter().filter(|g| !g.cases.is_empty()).collect()
}

impl Group {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn run(&self, stage: &mut Stage, repeat: usize, figures: &mut Figures) {
        for round in 0..repeat {
            for case in &self.cases {
                let measured = one(stage, *case, round);
                stage.no_second_owner_was_suspected();
                for (case, figure) in measured {
                    if self.cases.contains(&case) {
                        crate::say(&format!("{:?} {}: {figure}", stage.programs, case.name()));
                        figures.add(stage.programs, case, figure);
                    }
                }
            }
        }
    }
}

/// Does it once; what is measured on the way back counts, too. The preferred node has the address before and after.
fn one(stage: &mut Stage, case: Case, round: usize) -> Vec<(Case, Figure)> {
    match case {
        Case::HostDies | Case::FastHostDies => host_dies(stage, case),
        Case::Stop => {
            let figure = taken_over(stage, |stage| stage.stop(0));
            let back = comes_back(stage, |stage| stage.start(0));
            vec![(Case::Stop, figure), (Case::Return, back)]
        }
        Case::Demote => {
            let figure = taken_over(stage, |stage| stage.ask(0, "demote", &["VI_1"]));
            let back = comes_back(stage, |stage| stage.ask(0, "restore", &["VI_1"]));
            vec![(Case::Demote, figure), (Case::Restore, back)]
        }
        // Measured after a stop and the death of the host, and after a demotion.
        Case::Return | Case::Restore => Vec::new(),
        Case::Restart => vec![(case, stays(stage, restart))],
        Case::Upgrade => {
            let figure = stays(stage, |stage| stage.ask(0, "restart", &[]));
            stage.the_lease_was_renewed(0);
            vec![(case, figure)]
        }
        Case::Reload => vec![(case, stays(stage, |stage| stage.reload(0, round + 1)))],
        Case::KillEngine => {
            let figure = stays(stage, |stage| signal(stage.engine_pid(0), Signal::SIGKILL));
            stage.the_lease_was_renewed(0);
            vec![(case, figure)]
        }
        Case::KillAll => vec![(case, kill_all(stage))],
    }
}

/// The successor's first answer is counted from the end of the master-down time after the last advert.
fn host_dies(stage: &mut Stage, case: Case) -> Vec<(Case, Figure)> {
    let dead = stage.mac(0);
    let from = wall();
    stage.port(0, false);
    stage.kill_everything(0);
    let limit = stage.kind.master_down() + Duration::from_secs(3);
    stage.watch.until("the other node takes over", [true, true], limit);
    sleep(SETTLE);
    let last = *stage.client.adverts(ADDRESSES[0], from - Duration::from_secs(2)).last().expect("the last advert");
    let due = last + stage.kind.master_down();
    let answer = stage.client.first_answer(from, dead).expect("the successor answers");
    let advert = stage.client.adverts(ADDRESSES[1], from)[0];
    let silence = stage.client.silence(from - Duration::from_millis(50));
    let excess = |at: Duration| (at.as_secs_f64() - due.as_secs_f64()) * 1e3;
    let figure = Figure { excess: Some(excess(answer)), advert: Some(excess(advert)), ..Figure::of(silence, None) };
    stage.clear(0);
    stage.port(0, true);
    let back = comes_back(stage, |stage| stage.start(0));
    vec![(case, figure), (Case::Return, back)]
}

/// The other node gets the address.
fn taken_over(stage: &mut Stage, cause: impl FnOnce(&mut Stage)) -> Figure {
    let from = wall();
    cause(stage);
    stage.watch.until("the other node alone has it", [false, true], Duration::from_secs(8));
    sleep(SETTLE);
    measured(stage, from)
}

/// The preferred node gets it back.
fn comes_back(stage: &mut Stage, cause: impl FnOnce(&mut Stage)) -> Figure {
    let from = wall();
    cause(stage);
    stage.rest();
    measured(stage, from)
}

/// The preferred node has it all the while, or again soon.
fn stays(stage: &mut Stage, cause: impl FnOnce(&mut Stage)) -> Figure {
    let from = wall();
    cause(stage);
    sleep(SETTLE);
    stage.rest();
    measured(stage, from)
}

/// As systemd does it: the end is awaited, then it is started.
fn restart(stage: &mut Stage) {
    stage.stop(0);
    stage.start(0);
}

fn kill_all(stage: &mut Stage) -> Figure {
    let from = wall();
    stage.kill_everything(0);
    sleep(KILLED);
    let figure = measured(stage, from);
    stage.clear(0);
    stage.start(0);
    stage.rest();
    figure
}

fn measured(stage: &Stage, from: Duration) -> Figure {
    sleep(ANSWER);
    let silence = stage.client.silence(from);
    assert!(silence.asked > 100, "the client asked {} times only", silence.asked);
    Figure::of(silence, Some(stage.two_owners(from)))
}

/// Whether this vipdeck has the verb.
fn knows(verb: &str) -> bool {
    let status = Command::new(PROGRAM).args([verb, "--help"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.unwrap().success()
}
