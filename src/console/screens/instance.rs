//! The selected instance: timers as shrinking bars, the priority as a sum, and what would happen if its MASTER died.

use super::super::facts::{self, Row};
use super::super::foresee;
use super::super::model::{Model, Pane, Picture};
use super::super::state::State;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, t, title};
use crate::status::{HoldKind, Instance, Role};
use ratatui::layout::Rect;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let picture = model.shown();
    let rows = facts::rows(picture);
    let found = rows.iter().find(|r| Some(&r.id) == model.selected.get(&Pane::Matrix));
    let Some(row) = found else {
        canvas.pane(area, &[title("No instance selected")], &[], None);
        return;
    };
    let member = row.members.iter().flatten().next();
    let kind = member.map_or(String::new(), |i| format!(" · VRRPv{} · {}", i.version, i.interface));
    let inner = canvas.pane(
        area,
        &[title(row.name), dim(format!(" · VRID {}{kind}", row.vrid))],
        &[dim("Enter details")],
        None,
    );
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    canvas.lines(inner, &lines(model, row, usize::from(inner.width), usize::from(inner.height)));
}

/// What the pane holds, in the order of what matters: with less room, the end is left out.
fn lines(model: &Model, row: &Row, width: usize, height: usize) -> Vec<Line> {
    let picture = model.shown();
    let name = names(picture) + 1;
    let mut lines: Vec<Line> = Vec::new();
    for node in 0..row.members.len() {
        if let Some(line) = timer(picture, row, node, name, width) {
            lines.push(line);
        }
    }
    lines.push(if_dies(model, row, width));
    let mut rest: Vec<Line> = Vec::new();
    for (node, instance) in row.all_fresh(picture) {
        let who = picture.nodes.get(node).map_or("", |v| v.name());
        rest.push(vec![
            dim(text::left(who, name)),
            t(format!("{:>3}", instance.effective_priority)),
            dim(format!(" = {}", text::cut(&facts::sum(instance), width.saturating_sub(name + 6)))),
        ]);
    }
    rest.extend(holds(picture, row, name));
    rest.push(Vec::new());
    rest.extend(facts_of_wire(picture, row));
    if lines.len() + rest.len() < height {
        lines.push(Vec::new());
    }
    lines.extend(rest);
    lines
}

fn names(picture: &Picture) -> usize {
    picture.nodes.iter().map(|n| text::width(n.name())).max().unwrap_or(0).min(12)
}

/// One member's timer: bar, number, what then.
fn timer(picture: &Picture, row: &Row, node: usize, name: usize, width: usize) -> Option<Line> {
    let view = picture.nodes.get(node)?;
    let state = row.state(picture, node);
    let mut line: Line = vec![
        dim(text::left(&text::cut_middle(view.name(), name - 1), name)),
        (state.ink(), text::left(&state.label(), 9)),
    ];
    let Some(i) = row.fresh(picture, node) else {
        let what = match state {
            State::Absent => return None,
            State::Dead => "its machine is crashed",
            State::Unknown => "has not said a word yet",
            _ => "what it does is not known",
        };
        line.push(dim(format!(" {what}")));
        return Some(line);
    };
    let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    // "takes over in 3.11 s if silent" and, where that leaves no bar, without its first words.
    let long = width >= name + 9 + 2 + 30 + 8;
    let cells = width.saturating_sub(name + 9 + 2 + if long { 31 } else { 21 }).clamp(6, 20);
    let words = |whole: &str, short: &str| if long { whole.to_owned() } else { short.to_owned() };
    match (i.state, i.next_advert_at, i.master_down_at) {
        (Role::Master, Some(at), _) => {
            let left = picture.remaining(view, at);
            line.push((Ink::Border, "▕".into()));
            line.push((Ink::Bar, text::bar(left, micros(i.advert_interval), 0, cells)));
            line.push((Ink::Border, "▏".into()));
            line.push(t(format!("{} {} s", words("next advert in", "advert in"), text::seconds_2(left))));
        }
        (Role::Backup, _, Some(at)) => {
            let left = picture.remaining(view, at);
            line.push((Ink::Border, "▕".into()));
            line.push((Ink::Bar, text::bar(left, micros(i.master_down), micros(i.skew), cells)));
            line.push((Ink::Border, "▏".into()));
            line.push(t(format!("{} {} s if silent", words("takes over in", "in"), text::seconds_2(left))));
        }
        (Role::Fault, _, _) => {
            let why = i.faults.first().map_or("no reason given", String::as_str);
            line.push((Ink::Fault, format!(" {why}")));
        }
        _ => line.push(dim(" no timer runs")),
    }
    Some(line)
}

/// The standing forecast: a range, for it depends on when the last advert was.
fn if_dies(model: &Model, row: &Row, width: usize) -> Line {
    let picture = model.shown();
    let name = |n: usize| picture.nodes.get(n).map_or("?", |v| v.name());
    let Some((master, _)) = row.master(picture) else {
        let split = row.is_split(picture);
        if let (false, Some((by, heard))) = (split, row.heard_master(picture)) {
            let who = row.sender(picture, heard.address).map_or(String::new(), |n| format!("{n} "));
            let text = format!("heard by {}: {who}{} is MASTER at {}", name(by), heard.address, heard.priority);
            return vec![t(text)];
        }
        let why = if split { "Two nodes are MASTER: clients may reach either" } else { "No MASTER is known" };
        return vec![(if split { Ink::Split } else { Ink::Warn }, why.into())];
    };
    let master = name(master);
    let found = foresee::standing(model, row).filter(|s| s.master == master);
    let outcome = match found.as_ref().map(|s| &s.answer) {
        Some(Ok(forecast)) => forecast.instances.iter().find(|o| o.vrid == row.vrid),
        Some(Err(why)) => return vec![(Ink::Warn, format!("If {master} dies now: {why}"))],
        None => None,
    };
    let start = format!("If {master} dies now ");
    match outcome.map(|o| (o.after.as_slice(), o.when, o.certain)) {
        None => vec![dim(format!("{start}…"))],
        Some(([], ..)) => vec![(Ink::Warn, format!("{start}nobody is known to take over"))],
        Some(([next], Some(span), certain)) => {
            let start = format!("{start}{next} serves after ");
            let range = span.to_string();
            let room = width.saturating_sub(text::width(&start) + text::width(&range));
            let source = match certain {
                false if room >= 13 => (Ink::Warn, " (uncertain)".to_owned()),
                true if room >= 14 => dim(" (from timers)"),
                _ => dim(""),
            };
            vec![t(start), title(range), source]
        }
        Some((several, ..)) => vec![(Ink::Warn, format!("{start}{} serve", text::listing(several)))],
    }
}

fn holds(picture: &Picture, row: &Row, name: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (node, instance) in row.all_fresh(picture) {
        let (Some(hold), Some(view)) = (&instance.hold, picture.nodes.get(node)) else { continue };
        let what = match hold.kind {
            HoldKind::Demoted => "HELD",
            HoldKind::Takeover => "TAKES OVER",
            HoldKind::Newer(word) => word.as_str(),
        };
        let why = hold.reason.as_ref().map_or(String::new(), |r| format!(", {r}"));
        let ago = text::age(picture.age(view, hold.since));
        lines.push(vec![
            dim(text::left(view.name(), name)),
            (Ink::Held, what.into()),
            t(format!(" by {} for {ago}{why}", hold.by.user)),
        ]);
    }
    lines
}

/// Whether the addresses go home by themselves, and where home is.
fn preempt(picture: &Picture, row: &Row, master: &str) -> String {
    let members = row.members.iter().enumerate().filter_map(|(n, i)| Some((n, (*i)?)));
    let Some((node, home)) = members.max_by_key(|(_, i)| i.base_priority) else { return "–".into() };
    let name = picture.nodes.get(node).map_or("?", |v| v.name());
    match (home.preempt, name == master) {
        (false, _) => "off: who serves goes on serving".into(),
        (true, true) => format!("on: {name} takes the VIPs back if it returns"),
        (true, false) => format!("on: {name} ({}) takes the VIPs back when it can", home.base_priority),
    }
}

/// Adverts, announcements, preemption, addresses: by the word of the MASTER, and of a BACKUP for what it hears.
fn facts_of_wire(picture: &Picture, row: &Row) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let said = |(n, i): (usize, &Instance)| Some((picture.nodes.get(n)?.name().to_owned(), n, i.clone()));
    let master = row.master(picture).and_then(said);
    let backup = row.stand_in(picture, master.as_ref().map(|m| m.1)).and_then(said);
    if let Some((name, n, i)) = &backup
        && let (Some(heard), Some(view)) = (&i.master, picture.nodes.get(*n))
    {
        let ago = text::seconds_2(picture.age(view, heard.at));
        let every = text::took(i.advert_interval.as_micros());
        lines.push(vec![dim("adverts  "), t(format!("{name} heard {} {ago} s ago, every {every}", heard.address))]);
    }
    let refused: u64 = row.all_fresh(picture).iter().map(|(_, i)| i.adverts_refused).sum();
    if refused > 0 {
        lines.push(vec![
            dim("refused  "),
            (Ink::Warn, format!("{} adverts dropped: Enter, or 4 for why", text::count(refused))),
        ]);
    }
    if let Some((name, n, i)) = &master {
        lines.push(vec![dim("preempt  "), t(preempt(picture, row, name))]);
        let next = match (i.announce_at, picture.nodes.get(*n)) {
            (Some(at), Some(view)) => format!(", next in {}", text::span(picture.remaining(view, at))),
            _ => String::new(),
        };
        lines.push(vec![dim("GARP     "), t(format!("{} sent{next}", text::count(i.announcements_sent)))]);
    }
    lines.extend(plumbing(picture, row));
    let vips: Vec<String> = row.vips.iter().map(ToString::to_string).collect();
    lines.push(vec![dim("VIPs     "), t(vips.join(", "))]);
    lines
}

/// Virtual links and the firewall, node by node; nothing where there is neither.
fn plumbing(picture: &Picture, row: &Row) -> Vec<Line> {
    let mut lines = Vec::new();
    for (node, i) in row.all_fresh(picture) {
        let Some(view) = picture.nodes.get(node) else { continue };
        for link in &i.virtual_links {
            let ink = if link.error.is_some() || link.up != Some(true) { Ink::Warn } else { Ink::Text };
            lines.push(vec![dim("link     "), (ink, format!("{}: {link}", view.name()))]);
        }
        if let Some(firewall) = &i.firewall {
            let ink = if firewall.in_force { Ink::Text } else { Ink::Warn };
            lines.push(vec![dim("firewall "), (ink, format!("{}: {firewall}", view.name()))]);
        }
    }
    lines
}
