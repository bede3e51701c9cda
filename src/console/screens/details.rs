//! Everything known about a row, each fact with where it is known from: reported, heard, stale.

use super::super::facts::{self, Row};
use super::super::model::{Freshness, Model, NodeView, Picture, RowId};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t, title};
use super::frame::time_of;
use super::{config, log, neighbours};
use crate::status::{
    CheckStatus, Hold, HoldKind, Instance, Kept, Presence, Real, SettingFrom, Snapshot, Takeover, Verdict,
};

/// How many transitions of each node are listed.
const TRANSITIONS: usize = 8;

/// The width of the text in a pop-up.
pub(super) fn width(model: &Model) -> usize {
    usize::from(model.size.width.saturating_sub(6)).min(110)
}

/// How many lines of a pop-up are in sight at most.
pub(super) fn height(model: &Model) -> usize {
    usize::from(model.size.height.saturating_sub(4))
}

pub(super) fn draw(canvas: &mut Canvas, row: &RowId, scroll: usize) {
    let model = canvas.model;
    let lines = lines(model, row, width(model));
    let size = (width(model) as u16 + 4, lines.len().min(height(model)) as u16 + 2);
    let inner = canvas.popup(size, &[title(heading(row))], &[dim("y copy  Esc back")]);
    let shown = usize::from(inner.height);
    for (i, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        canvas.put(line_of(inner, i), line);
    }
    canvas.more(inner, scroll.min(lines.len()), lines.len().saturating_sub(scroll + shown));
}

fn heading(row: &RowId) -> String {
    match row {
        RowId::Instance(vrid, name) => format!("{name} · VRID {vrid}"),
        RowId::Service(key) => key.to_string(),
        RowId::Real(service, real) => format!("{real} of {service}"),
        RowId::StageNode(name) | RowId::StageServer(name) => name.clone(),
        RowId::Wire(_, link, family) => format!("{link} {family}"),
        RowId::Neighbour(_, link, vrid, address) => format!("{address} · VRID {vrid} · {link}"),
        RowId::Event(..) => "Event".into(),
        RowId::Paper(_) => "Line".into(),
        RowId::Audit(..) => "Asked".into(),
        RowId::Change(..) => "Change".into(),
    }
}

pub(super) fn lines(model: &Model, row: &RowId, width: usize) -> Vec<Line> {
    let picture = model.shown();
    match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let found = rows.iter().find(|r| r.id == *row);
            found.map_or_else(|| vec![vec![dim("it is not there any more")]], |r| instance(model, r, width))
        }
        RowId::Service(key) => {
            let of_key = facts::served(picture).into_iter().filter(|s| s.service.id == *key);
            of_key.flat_map(|s| service(&s, width)).collect()
        }
        RowId::Real(key, id) => match facts::real(picture, key, id) {
            Some((served, found)) => real(model, &served, found, width),
            None => vec![vec![dim("no fresh node has it")]],
        },
        RowId::StageNode(name) => {
            let alive =
                picture.stage_node(name).map_or("not on the stage", |n| if n.alive { "runs" } else { "crashed" });
            vec![vec![dim("machine  "), t(alive)]]
        }
        RowId::StageServer(name) => {
            let found = picture.stage.iter().flat_map(|s| &s.stage.servers).find(|s| s.name == *name);
            found.map_or(Vec::new(), |s| vec![vec![dim("web server  "), t(format!("{} {:?}", s.address, s.state))]])
        }
        RowId::Wire(node, link, family) => neighbours::link_lines(model, *node, (link, *family), width),
        RowId::Neighbour(node, ..) => neighbours::lines(model, *node, row, width),
        RowId::Event(node, wall, seq) => event(model, *node, (*wall, *seq), width),
        RowId::Paper(at) => config::lines(model, *at, width),
        RowId::Audit(..) => log::entry(model, row).map_or_else(Vec::new, |e| log::audit_lines(model, e, width)),
        RowId::Change(..) => log::action(model, row).map_or_else(Vec::new, |a| log::change_lines(model, a, width)),
    }
}

/// `label   value`, the value wrapped under itself.
pub(super) fn fact(label: &str, value: &str, width: usize) -> Vec<Line> {
    const LABEL: usize = 13;
    let parts = text::wrap(value, width.saturating_sub(LABEL).max(10));
    let lines = parts.into_iter().enumerate();
    lines.map(|(i, part)| vec![dim(text::left(if i == 0 { label } else { "" }, LABEL)), t(part)]).collect()
}

fn instance(model: &Model, row: &Row, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let mut lines = Vec::new();
    for (node, view) in picture.nodes.iter().enumerate() {
        let source = match picture.freshness(node) {
            Freshness::Fresh => dim("reported"),
            Freshness::Stale(age) => (Ink::Stale, format!("STALE, its last word {} ago", text::age(age))),
            Freshness::Dead => (Ink::Fault, "crashed; its last word before".into()),
            Freshness::Never => dim("has not said a word"),
        };
        let state = row.state(picture, node);
        lines.push(vec![title(view.name().to_owned()), t("  "), (state.ink(), state.label()), t("  "), source]);
        if let (Some(i), Some(snapshot)) = (row.members.get(node).copied().flatten(), view.snapshot.as_deref()) {
            lines.extend(member(model, view, snapshot, i, width));
        }
        lines.push(Vec::new());
    }
    lines.pop();
    lines
}

fn member(model: &Model, view: &NodeView, snapshot: &Snapshot, i: &Instance, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let mut lines = fact(
        "since",
        &format!("{} ({} ago)", time_of(model, snapshot.wall_of(i.since), true), text::age(picture.age(view, i.since))),
        width,
    );
    lines.extend(fact("priority", &format!("{} = {}", i.effective_priority, facts::sum(i)), width));
    lines.extend(i.hold.iter().flat_map(|hold| held(model, snapshot, hold, width)));
    for fault in &i.faults {
        lines.extend(fact("fault", fault, width));
    }
    for (kind, what) in super::tracks::lines(picture, view, snapshot, i) {
        lines.extend(fact(kind, &what, width));
    }
    for vip in &i.vips {
        let there = match vip.present {
            Presence::Yes => "on the link",
            Presence::No => "not on the link",
            Presence::Unknown => "not known",
        };
        let wanted = if vip.wanted { "should be there" } else { "should not be there" };
        lines.extend(fact("vip", &format!("{} {}: {there}, {wanted}", vip.net, vip.link), width));
    }
    lines.extend(i.moves.iter().flat_map(|kept| moving(kept, width)));
    let every = text::took(i.advert_interval.as_micros());
    let timers = format!(
        "advert every {every}, skew {}, acts after {} of silence",
        text::took(i.skew.as_micros()),
        text::took(i.master_down.as_micros())
    );
    lines.extend(fact("timers", &timers, width));
    if let Some(takeover) = &i.takeover {
        lines.extend(fact("takeover", &parts(takeover), width));
    }
    for heard in &i.heard {
        let ago = text::span(picture.age(view, heard.at));
        lines.extend(fact("heard", &format!("{} priority {}, {ago} ago", heard.address, heard.priority), width));
    }
    let counts = [i.adverts_sent, i.adverts_heard, i.adverts_refused, i.announcements_sent].map(text::count);
    let [sent, heard, refused, garp] = counts;
    lines.extend(fact(
        "adverts",
        &format!("{sent} sent, {heard} heard, {refused} refused; {garp} gratuitous ARP sent"),
        width,
    ));
    let from = i.source.map_or("no address yet".into(), |a| a.to_string());
    lines.extend(fact(
        "wire",
        &format!(
            "VRRPv{} on {} from {from}, preempt {}{}",
            i.version,
            i.interface,
            if i.preempt { "on" } else { "off" },
            i.group.as_ref().map(|group| format!(", sync group {group}")).unwrap_or_default()
        ),
        width,
    ));
    for transition in i.transitions.iter().rev().take(TRANSITIONS) {
        let when = time_of(model, snapshot.wall_of(transition.at), true);
        lines.extend(fact(&when, &format!("{} → {}  {}", transition.from, transition.to, transition.cause), width));
    }
    lines.extend(settings(snapshot, i, width));
    lines
}

fn held(model: &Model, snapshot: &Snapshot, hold: &Hold, width: usize) -> Vec<Line> {
    let what = match hold.kind {
        HoldKind::Demoted => "demoted",
        HoldKind::Takeover => "takes over",
        HoldKind::Newer(word) => word.as_str(),
    };
    let why = hold.reason.as_deref().unwrap_or("no reason given");
    let when = time_of(model, snapshot.wall_of(hold.since), false);
    fact("hold", &format!("{what} by {} at {when}: {why}", hold.by), width)
}

/// How long the last takeover took, part by part, and what the timers had promised.
fn parts(takeover: &Takeover) -> String {
    let ms = |d: std::time::Duration| format!("{:.3} s", d.as_secs_f64());
    let parts: Vec<String> = takeover.parts().into_iter().map(|(name, took)| format!("{name} {}", ms(took))).collect();
    let promised = takeover.expected.map_or(String::new(), |d| format!(" (timers: {})", ms(d)));
    format!("{} in all{promised}: {}", ms(takeover.total()), parts.join(" + "))
}

/// Every value it runs by, and where that comes from: what is written first.
fn settings(snapshot: &Snapshot, i: &Instance, width: usize) -> Vec<Line> {
    const NAME: usize = 28;
    let (default, written): (Vec<_>, Vec<_>) = snapshot.settings(i).partition(|s| s.from == SettingFrom::Default);
    let mut lines = Vec::new();
    for setting in written.into_iter().chain(default) {
        let label = if lines.is_empty() { "runs by" } else { "" };
        let origin = setting.origin();
        let room = width.saturating_sub(13 + NAME + 2 + text::width(&origin));
        lines.push(vec![
            dim(text::left(label, 13)),
            t(text::left(&text::cut(&setting.name, NAME - 1), NAME)),
            t(text::left(&text::cut(&setting.value, room), room)),
            dim(format!("  {origin}")),
        ]);
    }
    lines
}

/// A route, a rule, or an address that is in no advert.
fn moving(kept: &Kept, width: usize) -> Vec<Line> {
    let there = match kept.present {
        Presence::Yes => "there",
        Presence::No => "not there",
        Presence::Unknown => "not known",
    };
    let wanted = if kept.wanted { "should be there" } else { "should not be there" };
    let problem = kept.problem.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    fact(&kept.kind.to_string(), &format!("{}: {there}, {wanted}{problem}", kept.text), width)
}

fn service(served: &facts::Served, width: usize) -> Vec<Line> {
    let (service, plane) = (served.service, &served.snapshot.node.dataplane);
    let serving = match service.serving {
        Some(true) => "serves it: it has the address",
        Some(false) => "ready: another node has the address",
        None => "the address is none of the cluster's",
    };
    let mut lines = vec![vec![title(served.view.name().to_owned()), dim(format!("  {serving}"))]];
    lines.extend(fact("dataplane", &plane.kind.to_string(), width));
    if let Some(note) = &plane.note {
        lines.extend(fact("", note, width));
    }
    let persistence = service.persistence.map_or("none".into(), |s| format!("{s} s"));
    lines.extend(fact(
        "scheduler",
        &format!("{} {}, persistence {persistence}", service.scheduler, service.forwarding),
        width,
    ));
    let present = match service.present {
        Some(true) => "it is there",
        Some(false) => "it is NOT there",
        None => "not read yet",
    };
    lines.extend(fact("table", present, width));
    if let Some(quorum) = service.quorum {
        let word = if quorum.up { "reached" } else { "LOST" };
        let hysteresis = if quorum.hysteresis > 0 { format!(" ± {}", quorum.hysteresis) } else { String::new() };
        let text = format!("{word}: {} up, {}{hysteresis} needed", quorum.weight, quorum.needed);
        lines.extend(fact("quorum", &text, width));
    }
    if let Some(sorry) = service.sorry {
        let now = if sorry.serving { "serves" } else { "waits" };
        lines.extend(fact("sorry server", &format!("{} {}, {now}", sorry.id, sorry.forwarding), width));
    }
    if let Some(group) = &service.group {
        let entries: Vec<_> = group.entries.iter().take(8).map(ToString::to_string).collect();
        let more = group.entries.len().saturating_sub(entries.len());
        let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
        lines.extend(fact("group", &format!("{}: {}{rest}", group.name, entries.join(", ")), width));
    }
    lines.extend(fact("instance", service.instance.as_deref().unwrap_or("none"), width));
    lines
}

fn real(model: &Model, served: &facts::Served, r: &Real, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let name = facts::server_name(picture, &r.id);
    let (health, admin) = (facts::health_of(r), facts::admin_of(r));
    let mut lines: Vec<Line> = vec![vec![
        title(name),
        t("  "),
        (health.ink(), health.label()),
        t("  "),
        (admin.ink(), admin.label().trim_start().to_owned()),
        dim(format!("  by {}, {}", served.view.name(), served.snapshot.node.dataplane.kind)),
    ]];
    let shown = |w: Option<u32>| w.map_or("–".to_owned(), |w| w.to_string());
    let agrees = if r.weight_effective == r.weight_kernel { "agrees" } else { "DIFFERS from what it should be" };
    let weights = format!(
        "file {}, asked {}, should be {}, in the table {}: {agrees}",
        r.weight_configured,
        shown(r.weight_asked),
        shown(r.weight_effective),
        shown(r.weight_kernel)
    );
    lines.extend(fact("weight", &weights, width));
    let method = r.health.method.as_deref().unwrap_or("no check");
    let since = text::age(picture.age(served.view, r.health.since));
    let failing = if r.health.failing > 0 {
        format!(", {} of {} tries failed", r.health.failing, r.health.retry + 1)
    } else {
        String::new()
    };
    lines.extend(fact("health", &format!("{method}, {} for {since}{failing}", health.word()), width));
    if let Some(last) = &r.health.last {
        let ago = text::age(picture.age(served.view, last.at));
        let next = r
            .health
            .next_at
            .map_or(String::new(), |at| format!(", next in {}", text::age(picture.remaining(served.view, at))));
        lines.extend(fact("last check", &format!("{}, {ago} ago{next}", last.detail), width));
    }
    // One check is told above.
    for check in r.checks.iter().filter(|_| r.checks.len() > 1) {
        lines.extend(fact(&check.method.to_lowercase(), &told(picture, served.view, check), width));
    }
    let sticky = served.service.persistence.map_or(String::new(), |_| format!(", {} sticky", shown(r.sticky)));
    let total = r.connections_total.map_or("–".into(), text::count);
    let bytes = |n: Option<u64>| n.map_or("–".into(), text::count);
    lines.extend(fact(
        "connections",
        &format!("{} active, {} inactive{sticky}, {total} in all", shown(r.active), shown(r.inactive)),
        width,
    ));
    lines.extend(fact("bytes", &format!("{} in, {} out", bytes(r.bytes_in), bytes(r.bytes_out)), width));
    if let Some(drain) = &r.drain {
        let why = drain.reason.as_deref().unwrap_or("no reason given");
        lines.extend(fact(
            "drain",
            &format!(
                "by {}, {} ago: {why}",
                drain.by,
                text::age(picture.age(served.view, drain.since) + drain.before.as_micros() as u64)
            ),
            width,
        ));
    }
    lines.extend(stand_ins(model, served, r, width));
    lines
}

/// One check of several.
fn told(picture: &Picture, view: &NodeView, check: &CheckStatus) -> String {
    let word = match check.verdict {
        Verdict::Up => "passes",
        Verdict::Down => "FAILS",
        Verdict::Unchecked | Verdict::NoCheck => "not checked yet",
        Verdict::Newer(word) => word.as_str(),
    };
    let last = check.last.as_ref().map_or(String::new(), |last| {
        format!(": {}, {} ago", last.found.text(), text::age(picture.age(view, last.at)))
    });
    let waits = if check.suspended { ", waits until the address is here" } else { "" };
    format!("{} {word}{last}{waits}", check.target)
}

/// The same server by the word of the other nodes.
fn stand_ins(model: &Model, served: &facts::Served, r: &Real, width: usize) -> Vec<Line> {
    let picture = model.shown();
    let shown = |w: Option<u32>| w.map_or("–".to_owned(), |w| w.to_string());
    let mut lines = Vec::new();
    for (node, view) in picture.nodes.iter().enumerate().filter(|(n, _)| *n != served.node) {
        let Some(other) =
            picture.fresh(node).and_then(|s| s.service(&served.service.id)?.reals.iter().find(|o| o.id == r.id))
        else {
            continue;
        };
        let (h, a) = (facts::health_of(other), facts::admin_of(other));
        lines.extend(fact(
            "stand-in",
            &format!("{}: {}, {}, weight {} there", view.name(), h.word(), a.word(), shown(other.weight_effective)),
            width,
        ));
    }
    lines
}

fn event(model: &Model, node: usize, id: (u64, u64), width: usize) -> Vec<Line> {
    let Some(e) = model.shown().event(node, id.0, id.1) else {
        return vec![vec![dim("it is not kept any more")]];
    };
    let mut lines = fact("what", &e.text, width);
    lines.extend(fact("why", e.cause.as_deref().unwrap_or("not given"), width));
    let when = format!(
        "{} on {}, {} after its engine started",
        time_of(model, super::super::clocks::corrected(model.shown(), node, e.wall_us), true),
        e.node,
        text::span(e.at.as_micros())
    );
    lines.extend(fact("when", &when, width));
    lines.extend(fact("subject", &format!("{}, {} ({}), number {}", e.subject, e.kind, e.severity, e.seq), width));
    lines
}
