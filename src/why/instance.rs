//! Why an instance is what it is, has the priority it has, and is not MASTER.

use super::{Answer, older, recorded, tracker};
use crate::status::{HoldKind, Instance, Presence, Reason, Role, Setting, SettingFrom, Snapshot};

pub(super) fn answers(snapshot: &Snapshot, i: &Instance) -> Vec<Answer> {
    let mut answers: Vec<Answer> = not_master(snapshot, i).into_iter().collect();
    answers.push(Answer::new(format!("{} is {}", i.name, state(i)), state_chain(snapshot, i)));
    answers.extend(i.faults.iter().map(|fault| Answer::new(fault.clone(), fault_chain(snapshot, i, fault))));
    answers.push(priority(snapshot, i));
    answers.extend(i.terms.iter().skip(1).map(|term| {
        let note = term.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        Answer::new(format!("{:+} for {}{note}", term.value, term.label), term_chain(snapshot, i, &term.label))
    }));
    answers.extend(i.vips.iter().map(|vip| {
        let there = match vip.present {
            Presence::Yes => "is on",
            Presence::No => "is not on",
            Presence::Unknown => "may or may not be on",
        };
        let wanted = if vip.wanted { "calls for it" } else { "does not call for it" };
        let mut chain = vec![Reason::follows(i.since, format!("{} here {wanted}", state(i)))];
        if let Some(at) = i.takeover.filter(|_| vip.wanted).and_then(|t| t.added_at) {
            chain.insert(0, Reason::follows(at, "every address was there"));
        }
        chain.extend(state_chain(snapshot, i));
        Answer::new(format!("{} {there} {}", vip.net, vip.link), chain)
    }));
    answers
}

fn state(i: &Instance) -> String {
    if i.yielding { format!("{} (still answers)", i.state) } else { i.state.to_string() }
}

fn state_chain(snapshot: &Snapshot, i: &Instance) -> Vec<Reason> {
    match i.transitions.last() {
        Some(last) if !last.reasons.is_empty() => last.reasons.to_vec(),
        Some(last) => vec![Reason::follows(last.at, last.cause.clone()), older(last.at)],
        None => {
            let waits = i.faults.iter().map(|waiting| Reason::follows(i.since, waiting.clone()));
            let start = Reason::input(snapshot.node.started_at, "start", "this engine started");
            waits.chain([start]).collect()
        }
    }
}

/// The answer to the question of the night; none: it is MASTER.
fn not_master(snapshot: &Snapshot, i: &Instance) -> Option<Answer> {
    let fact = format!("{} is not MASTER here", i.name);
    let ours = i.effective_priority;
    let chain = match (i.state, &i.hold, i.master) {
        (Role::Master, ..) => return None,
        (Role::Init | Role::Fault, ..) => {
            let first = i.faults.first().cloned();
            let mut chain = first.iter().flat_map(|fault| fault_chain(snapshot, i, fault)).collect::<Vec<_>>();
            chain.extend(if first.is_none() { state_chain(snapshot, i) } else { Vec::new() });
            if let Some(fault) = first {
                chain.insert(0, Reason::follows(i.since, fault));
            }
            chain
        }
        (Role::Backup, Some(hold), _) if hold.kind == HoldKind::Demoted => {
            vec![Reason::follows(hold.since, "it is held at priority 1 until restored"), operator(i)?]
        }
        (Role::Backup, _, Some(heard)) if heard.priority > 0 => {
            let advert = Reason::input(heard.at, "advert", format!("advert of {}", heard.address));
            let theirs = heard.priority;
            let equal = if theirs == ours { ": among equals the higher address wins" } else { "" };
            let mut chain = Vec::new();
            if theirs >= ours {
                let text = format!("{} is MASTER at priority {theirs}, ours is {ours}{equal}", heard.address);
                chain.push(Reason::follows(heard.at, text));
            } else if !i.preempt {
                let text = format!("{} is MASTER at {theirs}, below our {ours}, and preempt is off", heard.address);
                chain.push(Reason::follows(heard.at, text));
            } else if let Some(until) = i.election.as_ref().and_then(|e| e.preempt_at) {
                let left = snapshot.at.until(until).as_secs_f64();
                let text = format!("{} at {theirs} is put up with for {left:.1} s more (preempt_delay)", heard.address);
                chain.push(Reason::follows(heard.at, text));
            } else {
                let text = format!("{} is MASTER at {theirs}, below our {ours}: it takes over", heard.address);
                chain.push(Reason::follows(heard.at, text));
            }
            chain.push(advert);
            chain
        }
        (Role::Newer(_), ..) => state_chain(snapshot, i),
        (Role::Backup, ..) => {
            let since = i.election.as_ref().map_or(i.since, |e| e.quiet_since);
            let due = i.master_down_at.map_or(0.0, |at| snapshot.at.until(at).as_secs_f64());
            let text = format!("nobody is heard; it takes over in {due:.2} s if that stays so");
            vec![
                Reason::follows(snapshot.at, text),
                Reason::input(since, "silence", "from here on it listened, and heard no advert"),
            ]
        }
    };
    Some(Answer::new(fact, chain))
}

fn operator(i: &Instance) -> Option<Reason> {
    let hold = i.hold.as_ref()?;
    let what = match hold.kind {
        HoldKind::Demoted => "demote",
        HoldKind::Takeover => "takeover",
        HoldKind::Newer(_) => "hold",
    };
    let reason = hold.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    Some(Reason::input(hold.since, "operator", format!("{what} {}, asked by {}{reason}", i.name, hold.by)))
}

fn priority(snapshot: &Snapshot, i: &Instance) -> Answer {
    let sum: String = i
        .terms
        .iter()
        .map(|term| match term.value {
            value if term.label == "base" => format!("{value} base"),
            value if value < 0 => format!(" − {} {}", value.unsigned_abs(), term.label),
            value => format!(" + {value} {}", term.label),
        })
        .collect();
    let written = i.settings.iter().chain(&snapshot.defaults).find(|s| s.name == "priority");
    let place = written.map_or_else(|| snapshot.node.config.clone(), Setting::origin);
    let text = match written.map(|s| s.from) {
        Some(SettingFrom::Default) => format!("priority {} by default", i.base_priority),
        _ => format!("priority {} in {place}", i.base_priority),
    };
    let base = Reason::input(snapshot.node.started_at, "configuration", text);
    Answer::new(format!("{} has priority {} = {sum}", i.name, i.effective_priority), vec![base])
}

/// What a term of the priority is made of.
fn term_chain(snapshot: &Snapshot, i: &Instance, label: &str) -> Vec<Reason> {
    if matches!(label, "demoted" | "takeover") {
        return operator(i).into_iter().collect();
    }
    if let Some(chain) = tracked(snapshot, i, |word| word == label) {
        return chain;
    }
    match (label, i.master) {
        ("rival owner", Some(heard)) => {
            vec![Reason::input(heard.at, "advert", format!("advert of {}, priority {}", heard.address, heard.priority))]
        }
        // The limits of 1 to 254 follow from the other terms.
        _ => priority(snapshot, i).chain,
    }
}

/// What a fault follows from: the tracker or the link it names, or what it was in when it entered FAULT.
fn fault_chain(snapshot: &Snapshot, i: &Instance, fault: &str) -> Vec<Reason> {
    if let Some(rest) = fault.strip_prefix("sync group ").and_then(|rest| rest.split_once(": ")) {
        let other = rest.1.split_once(": ").and_then(|(name, text)| Some((snapshot.instance(name)?, text)));
        if let Some((other, text)) = other.filter(|(other, _)| other.name != i.name) {
            let mut chain =
                vec![Reason::follows(other.since, format!("{} of the same sync group: {text}", other.name))];
            chain.extend(own_fault_chain(snapshot, other, text));
            return chain;
        }
    }
    own_fault_chain(snapshot, i, fault)
}

fn own_fault_chain(snapshot: &Snapshot, i: &Instance, fault: &str) -> Vec<Reason> {
    let named = |word: &str| fault.strip_prefix(word).is_some_and(|rest| rest.starts_with([':', ' ']));
    if let Some(chain) = tracked(snapshot, i, named) {
        return chain;
    }
    let link = snapshot.node.links.iter().find(|l| named(l.name.as_str()));
    match link {
        Some(link) => recorded(i.since, &link.reasons),
        None => state_chain(snapshot, i),
    }
}

/// The chain of the tracker whose label (`script chk`) is meant.
fn tracked(snapshot: &Snapshot, i: &Instance, is_meant: impl Fn(&str) -> bool) -> Option<Vec<Reason>> {
    let label = |kind: &str, name: &str| format!("{} {name}", if kind == "bfd" { "BFD" } else { kind });
    let track = i.tracks.iter().find(|t| is_meant(&label(&t.kind, &t.name)))?;
    tracker(snapshot, &track.kind, &track.name).map(|answer| answer.chain)
}
