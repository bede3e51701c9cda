//! One sentence for one thing: for screen readers and logs. Pure.

use super::text::span;
use crate::status::{Admin, Event, Instance, Presence, Real, Role, Service, Severity, Snapshot, Subject, Verdict};

/// What happened, why, and what it means.
pub(super) fn of(event: &Event, snapshot: &Snapshot) -> String {
    let kind = match &event.subject {
        Subject::Node => String::new(),
        Subject::Instance(name) => format!("instance {name}: "),
        Subject::Script(name) => format!("script {name}: "),
        Subject::File(name) => format!("file {name}: "),
        Subject::Process(name) => format!("process {name}: "),
        Subject::Bfd(name) => format!("BFD session {name}: "),
        Subject::Service(key) => format!("service {key}: "),
        Subject::Real(service, real) => format!("server {real} of {service}: "),
        Subject::Newer(name) => format!("{name}: "),
    };
    let why = event.cause.as_deref().map(|cause| format!(", because: {cause}")).unwrap_or_default();
    let meaning = meaning(event, snapshot).map(|text| format!(" {text}")).unwrap_or_default();
    let text = event.text.replace('→', "to");
    format!("{kind}{text}{}.{meaning}", why.trim_end_matches('.'))
}

fn meaning(event: &Event, snapshot: &Snapshot) -> Option<String> {
    let node = &event.node;
    if let (Subject::Instance(name), "state") = (&event.subject, event.kind.as_str()) {
        let addresses = snapshot.instance(name).map_or_else(|| "its addresses".into(), addresses);
        // The state after the arrow; an instance may have moved on since.
        let to = event.text.rsplit(' ').next().unwrap_or_default();
        return Some(match to {
            "MASTER" => format!("{node} answers for {addresses} now."),
            "BACKUP" => format!("{node} stands by for {addresses}."),
            "FAULT" => format!("{node} cannot serve {addresses} until that is repaired."),
            _ => format!("{node} takes no part for {addresses} now."),
        });
    }
    match event.severity {
        Severity::Alarm => Some("ALARM: clients may notice.".into()),
        Severity::Warning => Some("Warning: less is in reserve than was meant, or something was refused.".into()),
        Severity::Info | Severity::Notice => None,
    }
}

fn addresses(instance: &Instance) -> String {
    let all: Vec<_> = instance.vips.iter().map(|vip| vip.net.to_string()).collect();
    if all.is_empty() { "no address".into() } else { all.join(" and ") }
}

/// How things are on a node.
pub(super) fn standing(s: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(skew) = s.skew() {
        lines.push(format!("its engine is of another version than this program: {skew}, {}.", s.node.version));
    }
    lines.extend(s.instances.iter().map(|i| instance(s, i)));
    lines.extend(s.services.iter().map(service));
    lines.extend(s.findings.iter().map(|f| format!("{}, for {}: {}", f.subject, span(s.age(f.since)), f.text)));
    lines
}

fn instance(s: &Snapshot, i: &Instance) -> String {
    let here = i.vips.iter().filter(|v| v.present == Presence::Yes).count();
    let addresses = addresses(i);
    let owns = match i.state {
        Role::Master if here == i.vips.len() => format!("answers for {addresses}"),
        Role::Master => format!("has {here} of the {} addresses {addresses}", i.vips.len()),
        Role::Backup => format!("stands by for {addresses}"),
        _ => format!("does not serve {addresses}"),
    };
    let hold = i.hold.as_ref().map_or_else(String::new, |hold| {
        format!(" It is held by {}, for {}.", hold.by, hold.reason.as_deref().unwrap_or("no reason given"))
    });
    let faults = if i.faults.is_empty() { String::new() } else { format!(" Why: {}.", i.faults.join(", ")) };
    let (state, since, priority) = (i.state, span(s.age(i.since)), i.effective_priority);
    format!("instance {} is {state} since {since}, priority {priority}, and {owns}.{hold}{faults}", i.name)
}

fn service(service: &Service) -> String {
    let up = service.reals.iter().filter(|r| r.health.verdict != Verdict::Down).count();
    let serving = match service.serving {
        Some(true) => "served here",
        Some(false) => "not served here",
        None => "served where its address is",
    };
    let apart: Vec<_> = service.reals.iter().filter_map(apart).collect();
    let apart = if apart.is_empty() { String::new() } else { format!(" Apart: {}.", apart.join(", ")) };
    format!("service {}, {serving}: {up} of {} servers are up.{apart}", service.id, service.reals.len())
}

/// A server that is not simply up and ready.
fn apart(real: &Real) -> Option<String> {
    let health = if real.health.verdict == Verdict::Down { "DOWN" } else { "" };
    let admin = match real.admin {
        Admin::Ready => "",
        Admin::Drain => "draining",
        Admin::Drained => "drained",
        Admin::Maint => "in maintenance",
        Admin::Newer(word) => word.as_str(),
    };
    let words: Vec<_> = [health, admin].into_iter().filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| format!("{} is {}", real.id, words.join(" and ")))
}
