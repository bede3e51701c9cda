//! Alarms as facts that follow from the snapshots of some or all nodes. Nothing is remembered here: a beginning is what
//! a node says of it, and what nobody can know is left out.

mod routers;
mod services;

use super::routers::routers;
use crate::status::{Acknowledged, Alarm, AlarmKind, Finding, Severity, Snapshot};
use crate::time::Instant;
use std::collections::BTreeSet;

/// One node as whoever judges sees it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub name: &'a str,
    /// Its last word.
    pub snapshot: Option<&'a Snapshot>,
    /// When that came, on the judge's clock, in microseconds.
    pub received: u64,
    pub trust: Trust<'a>,
}

/// How far a node's word can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    Fresh,
    /// With why it does not answer, if that is known.
    Stale(&'a str),
    /// Its machine is known to be crashed.
    Dead,
    /// Not one word yet; with why, once that is a failure.
    Never(Option<&'a str>),
}

impl<'a> Seen<'a> {
    /// Its word, if it can be believed.
    const fn fresh(&self) -> Option<&'a Snapshot> {
        match (self.trust, self.snapshot) {
            (Trust::Fresh, Some(snapshot)) => Some(snapshot),
            _ => None,
        }
    }

    /// A moment of its clock on the judge's.
    fn moment(&self, snapshot: &Snapshot, then: Instant) -> u64 {
        let before = u64::try_from(snapshot.at.since(then).as_micros()).unwrap_or(u64::MAX);
        self.received.saturating_sub(before)
    }
}

/// Everything that is wrong or degraded, the worst first.
pub fn alarms(nodes: &[Seen]) -> Vec<Alarm> {
    let snapshots: Vec<_> = nodes.iter().map(|n| n.snapshot).collect();
    let mut found = Vec::new();
    let mut told = Told::default();
    for router in routers(&snapshots) {
        routers::judge(nodes, &router, &mut told, &mut found);
    }
    services::judge(nodes, &mut found);
    found.extend(services::differ(nodes));
    for node in nodes {
        of_node(node, &told, &mut found);
    }
    let mut seen = BTreeSet::new();
    found.retain(|alarm| seen.insert(alarm.id.clone()));
    let seen: Vec<&Acknowledged> = snapshots.iter().flatten().flat_map(|s| &s.acknowledged).collect();
    for alarm in &mut found {
        alarm.acknowledged = seen.iter().find(|a| a.covers(alarm)).map(|a| (*a).clone());
    }
    found.sort_by(|a, b| (b.severity, a.kind, &a.id).cmp(&(a.severity, b.kind, &b.id)));
    found
}

/// What the alarms of virtual routers say already.
#[derive(Debug, Default)]
struct Told {
    /// Subjects of findings: names and addresses.
    split: BTreeSet<String>,
}

fn of_node(node: &Seen, told: &Told, found: &mut Vec<Alarm>) {
    let name = node.name;
    let unseen = "what it does now is not known; what it did last is shown with its age";
    let last = node.snapshot.map(|s| s.wall_us);
    match node.trust {
        Trust::Fresh | Trust::Never(None) => {}
        Trust::Stale(why) => found.push(Alarm {
            text: format!("{name} does not answer{}", because(why)),
            meaning: unseen.into(),
            advice: format!("look at {name}: is the machine up, does its engine run, is the way to it open?"),
            since_us: last,
            ..alarm(AlarmKind::Stale, Severity::Warning, name, &[name])
        }),
        Trust::Dead => found.push(Alarm {
            text: format!("{name} is DEAD: its machine is crashed"),
            meaning: "one node less to take over".into(),
            advice: format!("V revives {name}"),
            since_us: last,
            ..alarm(AlarmKind::Dead, Severity::Warning, name, &[name])
        }),
        Trust::Never(Some(why)) => found.push(Alarm {
            text: format!("{name} has not said a word{}", because(why)),
            meaning: "nothing is known of it".into(),
            advice: format!("look at {name}: does its engine run, is the way to it open?"),
            since_us: None,
            ..alarm(AlarmKind::Stale, Severity::Warning, name, &[name])
        }),
    }
    let Some(snapshot) = node.fresh() else { return };
    for finding in snapshot.findings.iter().filter(|f| f.severity >= Severity::Warning) {
        found.extend(of_finding(node, snapshot, finding, told));
    }
    for script in &snapshot.scripts {
        let Some(why) = script.last.as_ref().filter(|l| l.detail.starts_with("cannot run")) else { continue };
        found.push(Alarm {
            text: format!("{name}: script {} is as good as disabled: {}", script.name, why.detail),
            meaning: "what it is to watch is not watched".into(),
            advice: format!("repair {} on {name}; Enter on the instance shows what tracks it", script.command),
            since_us: Some(snapshot.wall_of(script.since)),
            ..alarm(AlarmKind::Script, Severity::Warning, &format!("{}@{name}", script.name), &[name])
        });
    }
}

fn of_finding(node: &Seen, snapshot: &Snapshot, finding: &Finding, told: &Told) -> Option<Alarm> {
    let name = node.name;
    let (kind, meaning, advice) = match finding.kind.as_str() {
        "two-masters" | "two-owners" | "own-address" | "duplicate-address" => {
            if told.split.contains(&finding.subject) {
                return None;
            }
            let advice = "find the other machine by its address, and demote or unplug one of the two";
            (AlarmKind::Split, "clients may reach either", advice)
        }
        "table-drift" => {
            let advice = "find who else writes to the table; `table_drift` in the settings says who wins";
            (AlarmKind::Drift, "clients may be sent to other servers than the file says", advice)
        }
        "own-lateness" => {
            let meaning = "flaps at that moment are this machine's own doing, not the network's";
            (AlarmKind::Late, meaning, "look at its load, and at what stopped the process")
        }
        "hold-expired" => {
            (AlarmKind::Hold, "the node is not what the file makes of it", "R lifts it, or hold it for longer")
        }
        "drain-overdue" => {
            let advice = "Services: E ends the rest, D gives it more time, R returns it";
            (AlarmKind::Hold, "maintenance waits for it", advice)
        }
        _ => (AlarmKind::Finding, "", ""),
    };
    let subject = match kind {
        AlarmKind::Finding => format!("{}:{}@{name}", finding.kind, finding.subject),
        _ => format!("{}@{name}", finding.subject),
    };
    let about = if finding.subject == "node" { String::new() } else { format!(" {}", finding.subject) };
    Some(Alarm {
        text: format!("{name}{about}: {}", finding.text),
        meaning: meaning.into(),
        advice: advice.into(),
        since_us: Some(snapshot.wall_of(finding.since)),
        ..alarm(kind, finding.severity, &subject, &[name])
    })
}

/// An alarm that says nothing yet.
fn alarm(kind: AlarmKind, severity: Severity, subject: &str, nodes: &[&str]) -> Alarm {
    Alarm {
        id: format!("{}:{subject}", kind.name()),
        kind,
        severity,
        text: String::new(),
        meaning: String::new(),
        advice: String::new(),
        since_us: None,
        nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
        acknowledged: None,
    }
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

/// "a", "a and b", "a, b and c".
fn listing(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
