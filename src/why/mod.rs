//! Why something on screen is as it is: chains of facts with times, each of which ends in something that came from
//! outside the engine.
//!
//! Pure: everything stands in one snapshot, recorded by the engine when it happened. Nothing is guessed afterwards; what
//! an older engine does not record is said to be so.

mod instance;
mod server;

use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{Event, Reason, Snapshot, Subject};
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// All answers about one subject, by the word of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    pub node: String,
    pub subject: Subject,
    /// The moment of the snapshot, on the clock of the chains and on the wall clock (microseconds since 1970).
    pub at: Instant,
    pub wall_us: u64,
    /// What people ask for first stands first.
    pub answers: Vec<Answer>,
}

/// One fact, and what it follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A sentence without its full stop: "VI_1 is BACKUP".
    pub fact: String,
    /// What follows first, what came from outside last.
    pub chain: Vec<Reason>,
}

impl Why {
    /// A moment of a chain on the wall clock.
    pub const fn wall_of(&self, at: Instant) -> u64 {
        self.wall_us.saturating_sub(self.at.as_micros()).saturating_add(at.as_micros())
    }
}

impl Answer {
    fn new(fact: impl Into<String>, chain: Vec<Reason>) -> Self {
        Self { fact: fact.into(), chain }
    }

    /// Whether it is known down to something from outside.
    pub fn is_whole(&self) -> bool {
        self.chain.last().is_some_and(|last| last.input.is_some())
    }
}

/// The answers about a subject; none: this node does not have it.
pub fn of(snapshot: &Snapshot, subject: &Subject) -> Option<Why> {
    let answers = match subject {
        Subject::Instance(name) => instance::answers(snapshot, snapshot.instance(name)?),
        Subject::Service(key) => server::service(snapshot, snapshot.service(key)?),
        Subject::Real(key, real) => {
            let service = snapshot.service(key)?;
            server::real(snapshot, service, service.reals.iter().find(|r| r.id == *real)?)
        }
        Subject::Node => node(snapshot),
        Subject::Script(name) => vec![tracker(snapshot, "script", name)?],
        Subject::File(name) => vec![tracker(snapshot, "file", name)?],
        Subject::Process(name) => vec![tracker(snapshot, "process", name)?],
        Subject::Bfd(name) => vec![tracker(snapshot, "bfd", name)?],
        Subject::Newer(_) => return None,
    };
    let node = snapshot.node.name.clone();
    Some(Why { node, subject: subject.clone(), at: snapshot.at, wall_us: snapshot.wall_us, answers })
}

/// Why an event happened.
pub fn of_event(event: &Event) -> Answer {
    let told = event.cause.iter().filter(|cause| event.reasons.first().is_none_or(|first| first.text != **cause));
    let mut chain: Vec<Reason> = told.map(|cause| Reason::follows(event.at, cause.clone())).collect();
    chain.extend(event.reasons.iter().cloned());
    if chain.last().is_none_or(|last| last.input.is_none()) {
        chain.push(older(event.at));
    }
    Answer::new(event.text.clone(), chain)
}

/// What somebody has typed: an instance, `ADDRESS:PORT`, `tcp/ADDRESS:PORT`, a tracker by name, `node`.
pub fn find(snapshot: &Snapshot, word: &str) -> Vec<Subject> {
    if let Ok(real) = word.parse::<DestinationKey>() {
        let has = |key: &ServiceKey| snapshot.service(key).is_some_and(|s| s.reals.iter().any(|r| r.id == real));
        let keys = snapshot.services.iter().map(|s| s.id).filter(has);
        return keys.map(|key| Subject::Real(key, real)).collect();
    }
    if let Ok(key) = word.parse::<ServiceKey>() {
        return snapshot.service(&key).map(|_| Subject::Service(key)).into_iter().collect();
    }
    let name = word.to_owned();
    let kinds = [
        Subject::Instance(name.clone()),
        Subject::Script(name.clone()),
        Subject::File(name.clone()),
        Subject::Process(name.clone()),
        Subject::Bfd(name),
    ];
    let mut found: Vec<Subject> = kinds.into_iter().filter(|kind| of(snapshot, kind).is_some()).collect();
    if found.is_empty() && (word == "node" || word == snapshot.node.name) {
        found.push(Subject::Node);
    }
    found
}

fn node(snapshot: &Snapshot) -> Vec<Answer> {
    let node = &snapshot.node;
    let begun = match node.restarts {
        0 => format!("engine {} started, process {}", node.version, node.engine_pid),
        n => format!("engine {} started, process {}, after {n} before it had ended", node.version, node.engine_pid),
    };
    let mut answers = vec![Answer::new(
        format!("{} reports", node.name),
        vec![
            Reason::follows(snapshot.at, format!("its word number {}", snapshot.revision)),
            Reason::input(node.started_at, "start", begun),
        ],
    )];
    for link in &node.links {
        answers.extend(tracker(snapshot, "interface", link.name.as_str()));
    }
    for finding in &snapshot.findings {
        let seen = format!("seen {} times, the last time then", finding.count);
        let chain = vec![Reason::follows(finding.last, seen), Reason::input(finding.since, "finding", "seen first")];
        answers.push(Answer::new(format!("{}: {}", finding.subject, finding.text), chain));
    }
    answers
}

/// What a tracker or a link stands at; none: the node has no such thing.
fn tracker(snapshot: &Snapshot, kind: &str, name: &str) -> Option<Answer> {
    match kind {
        "script" => {
            let script = snapshot.scripts.iter().find(|s| s.name == name)?;
            let word = match script.good {
                None => return Some(Answer::new(format!("script {name} has no result yet"), waits(script.since))),
                Some(true) => "passes",
                Some(false) => "fails",
            };
            Some(Answer::new(format!("script {name} {word}"), recorded(script.since, &script.reasons)))
        }
        "file" => {
            let file = snapshot.files.iter().find(|f| f.name == name)?;
            let Some(value) = file.value else {
                return Some(Answer::new(format!("file {name} has not been read yet"), waits(file.since)));
            };
            let note = file.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let read = Reason::input(file.since, "file", format!("{} holds {value}{note}", file.path));
            Some(Answer::new(format!("file {name} is {value}"), vec![read]))
        }
        "process" => {
            let process = snapshot.processes.iter().find(|p| p.name == name)?;
            let (Some(count), Some(good)) = (process.count, process.good) else {
                let fact = format!("processes of {name} have not been counted yet");
                return Some(Answer::new(fact, waits(process.since)));
            };
            let word = if good { "enough" } else { "not as wanted" };
            let fact = format!("{count} processes of {name} run: {word}");
            Some(Answer::new(fact, recorded(process.since, &process.reasons)))
        }
        "interface" => {
            let link = snapshot.node.links.iter().find(|l| l.name.as_str() == name)?;
            let word = match link.up {
                None => "not there",
                Some(true) => "up",
                Some(false) => "down",
            };
            Some(Answer::new(format!("{name} is {word}"), recorded(snapshot.node.started_at, &link.reasons)))
        }
        "bfd" => {
            let session = snapshot.bfd.sessions.iter().find(|b| b.name == name)?;
            let why = Reason::input(session.since, "bfd", session.cause.clone());
            Some(Answer::new(format!("BFD session {name} is {}", session.state), vec![why]))
        }
        _ => None,
    }
}

/// A chain that the engine has recorded.
fn recorded(since: Instant, reasons: &[Reason]) -> Vec<Reason> {
    if reasons.is_empty() { vec![older(since)] } else { reasons.to_vec() }
}

fn waits(since: Instant) -> Vec<Reason> {
    vec![Reason::input(since, "start", "this engine started, and waits for the first")]
}

/// The engine is of a version that keeps no chains.
fn older(at: Instant) -> Reason {
    Reason::follows(at, "this engine is of an older version and does not record why")
}
