//! Services: the real servers of each virtual service on the node that serves it, the drain panel, and why.
//!
//! ```text
//!   SERVER              FWD  WEIGHT   HEALTH   ADMIN    ACTIVE  INACT  CONN/S  60 s          CHECK
//! ▾ tcp/10.0.0.20:80    rr   on lvs1, ipvs     2/2 up
//!     web1 10.0.0.11    DR    1 →  1  ▲ UP     ready        12      3     101  ▃▄▅▅▆▅▅       connected in 1 ms
//! ```

use super::super::facts::{self, Served};
use super::super::model::{Model, Pane, Picture, RowId};
use super::super::rows;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, first_shown, line_of, t, title};
use crate::status::{Admin, AtDeadline, DataplaneKind, Drain, Real, Service};
use ratatui::layout::Rect;

/// How wide each column is; zero: left out.
struct Columns {
    server: usize,
    fwd: usize,
    weight: usize,
    health: usize,
    admin: usize,
    active: usize,
    inactive: usize,
    rate: usize,
    spark: usize,
    check: usize,
}

impl Columns {
    /// Drops in a fixed order until the rest fits: CHECK, 60 s, INACT, FWD, CONN/S.
    fn fit(width: usize, model: &Model) -> Self {
        let mut c = Self {
            server: 22,
            fwd: 5,
            weight: 10,
            health: 14,
            admin: 10,
            active: 8,
            inactive: 7,
            rate: 9,
            spark: 12,
            check: 19,
        };
        let hidden = |name: &str, width: &mut usize| {
            if !model.shows(Pane::Servers, name) {
                *width = 0;
            }
        };
        hidden("FWD", &mut c.fwd);
        hidden("WEIGHT", &mut c.weight);
        hidden("ACTIVE", &mut c.active);
        hidden("INACT", &mut c.inactive);
        hidden("CONN/S", &mut c.rate);
        hidden("60 s", &mut c.spark);
        hidden("CHECK", &mut c.check);
        let drops: [fn(&mut Self); 6] = [
            |c| c.check = 0,
            |c| c.spark = 0,
            |c| c.inactive = 0,
            |c| c.fwd = 0,
            |c| c.rate = 0,
            |c| (c.server, c.weight) = (15, c.weight.min(9)),
        ];
        for drop in drops {
            if c.total() <= width {
                break;
            }
            drop(&mut c);
        }
        let spare = width.saturating_sub(c.total());
        c.server += spare.min(14);
        if c.check > 0 {
            c.check += spare - spare.min(14);
        }
        c
    }

    const fn total(&self) -> usize {
        let left = 2 + self.server + self.fwd + self.weight + self.health + self.admin;
        left + self.active + self.inactive + self.rate + self.spark + self.check
    }
}

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let panels = if area.height >= 18 && !canvas.model.zoomed { 9 } else { 0 };
    let table_area = Rect { height: area.height - panels, ..area };
    table(canvas, table_area);
    if panels == 0 {
        return;
    }
    let below = Rect { y: table_area.bottom(), height: panels, ..area };
    let left = Rect { width: below.width / 2 + below.width % 2, ..below };
    let right = Rect { x: left.right(), width: below.width - left.width, ..below };
    if area.width >= 100 {
        drain(canvas, left);
        why(canvas, right);
    } else if chosen_drain(canvas.model).is_some() {
        drain(canvas, below);
    } else {
        why(canvas, below);
    }
}

fn table(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let c = Columns::fit(usize::from(area.width.saturating_sub(2)), model);
    let inner =
        canvas.pane(area, &[title("Services")], &[dim("weight: in the file → in the table")], Some(Pane::Servers));
    header(canvas, line_of(inner, 0), &c);
    let lines = rows::servers(model, &model.filter.to_lowercase());
    if lines.is_empty() {
        canvas.put(line_of(inner, 1), &[dim(nothing(model))]);
    }
    let room = usize::from(inner.height).saturating_sub(1);
    let selected = lines.iter().position(|l| model.selected.get(&Pane::Servers) == Some(&l.row));
    let top = first_shown(lines.len(), room, selected);
    for (i, l) in lines.iter().skip(top).take(room).enumerate() {
        let line = match l.real {
            Some(real) => server(model, real, &l.row, &c),
            None => service(model, &l.served, &l.row, &c),
        };
        canvas.row(line_of(inner, i + 1), Pane::Servers, &l.row, line);
    }
    canvas.more(inner, top, lines.len().saturating_sub(top + room));
}

fn nothing(model: &Model) -> String {
    if !model.filter.is_empty() {
        return "  the filter lets no server through".into();
    }
    "  no fresh node has a virtual service".into()
}

/// Before a service: whether its servers are shown, or how many are not.
fn fold_mark(model: &Model, row: &RowId, servers: usize) -> String {
    if model.folded.contains(row) { format!("▸ {} folded  ", text::plural(servers, "server")) } else { "▾ ".into() }
}

fn header(canvas: &mut Canvas, area: Rect, c: &Columns) {
    let model = canvas.model;
    let head = |name: &str| model.head(Pane::Servers, name);
    let mut line = vec![dim(format!("  {}", text::left(&head("SERVER"), c.server)))];
    let mut column = |width: usize, name: &str, is_number: bool| {
        if width > 0 {
            let text = head(name);
            // The arrow of a sorted number takes one of the two blanks behind it.
            let arrow = text::width(&text) - text::width(name);
            let text = if is_number {
                format!("{}{}", text::right(&text, width - 2 + arrow), " ".repeat(2 - arrow))
            } else {
                text::left(&text, width)
            };
            line.push(dim(text));
        }
    };
    column(c.fwd, "FWD", false);
    column(c.weight, "WEIGHT", false);
    column(c.health, "HEALTH", false);
    column(c.admin, "ADMIN", false);
    column(c.active, "ACTIVE", true);
    column(c.inactive, "INACT", true);
    column(c.rate, "CONN/S", true);
    column(c.spark, "60 s", false);
    column(c.check, "CHECK", false);
    canvas.put(area, &line);
}

fn service(model: &Model, served: &Served, row: &RowId, c: &Columns) -> Line {
    let service = served.service;
    let up = service.reals.iter().filter(|r| facts::is_good(r)).count();
    let of = service.reals.len();
    let ink = if up == of { Ink::Text } else { Ink::Warn };
    let persistence = service.persistence.map_or(String::new(), |s| format!(", persistent {s} s"));
    let (id, room) = (service.id.to_string(), c.server - 4);
    let id = if text::width(&id) > room { id } else { text::left(&id, room) };
    let mut line = vec![dim(fold_mark(model, row, of)), title(format!("{id}  "))];
    line.push((ink, format!("{up}/{of} up  ")));
    line.push(dim(format!("{} {}{persistence}  ", service.scheduler, service.forwarding)));
    line.extend(quorum(service));
    line.extend(place(served));
    line
}

/// What is worth saying of the quorum: that it is lost, and who serves then.
fn quorum(service: &Service) -> Line {
    let mut line = Vec::new();
    if let Some(quorum) = service.quorum.filter(|quorum| !quorum.up) {
        line.push((Ink::Fault, format!("quorum lost, {} of {}  ", quorum.weight, quorum.needed)));
    }
    if let Some(sorry) = service.sorry.filter(|sorry| sorry.serving) {
        line.push((Ink::Warn, format!("sorry server {} serves  ", sorry.id)));
    }
    line
}

/// Where it is served, and by what.
fn place(served: &Served) -> Line {
    let plane = &served.snapshot.node.dataplane;
    let name = served.view.name();
    let mut line = match served.service.serving {
        Some(true) => vec![dim(format!("on {name}, "))],
        Some(false) => vec![dim(format!("ready on {name}, "))],
        None => vec![dim(format!("on {name}, no address of its own, "))],
    };
    let ink = if plane.kind == DataplaneKind::Balancer { Ink::Warn } else { Ink::Dim };
    line.push((ink, plane.kind.to_string()));
    if served.service.present == Some(false) {
        line.push((Ink::Fault, ", not in the table".into()));
    }
    line
}

/// A count of which nothing is known is a dash, never a zero.
fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".into())
}

fn server(model: &Model, real: &Real, row: &RowId, c: &Columns) -> Line {
    let name = name_and_address(model, real, c.server - 3);
    let mut line = vec![t(format!("  {}", text::left(&name, c.server - 2)))];
    if c.fwd > 0 {
        line.push(dim(text::left(real.forwarding.name(), c.fwd)));
    }
    if c.weight > 0 {
        line.push(weight(real, c.weight));
    }
    line.push(health(real, c.health));
    let admin = facts::admin_of(real);
    line.push(match (model.asked(row, None), real.rising) {
        (Some(_), _) => (Ink::Changing, text::left("asked", c.admin)),
        (None, Some(r)) => (admin.ink(), text::left(&format!("{} {}/{}", admin.glyph(), r.step, r.steps), c.admin)),
        (None, None) => (admin.ink(), text::left(admin.label().trim_start(), c.admin)),
    });
    let number = |value: Option<String>, width: usize| t(format!("{}  ", text::right(&known(value), width - 2)));
    if c.active > 0 {
        line.push(number(real.active.map(|n| text::count(u64::from(n))), c.active));
    }
    if c.inactive > 0 {
        line.push(number(real.inactive.map(|n| text::count(u64::from(n))), c.inactive));
    }
    if c.rate > 0 {
        line.push(number(real.rate.map(|r| format!("{r:.0}")), c.rate));
    }
    if c.spark > 0 {
        line.push((Ink::Bar, format!("{}  ", text::sparkline(&real.rates, c.spark - 2))));
    }
    if c.check > 0 {
        line.push(dim(check(real)));
    }
    line
}

fn name_and_address(model: &Model, real: &Real, width: usize) -> String {
    let name = facts::server_name(model.shown(), &real.id);
    let address = real.id.to_string();
    if name == address || text::width(&name) + text::width(&address) + 1 > width {
        return text::cut_middle(&name, width);
    }
    format!("{name} {address}")
}

fn weight(real: &Real, width: usize) -> (Ink, String) {
    let kernel = known(real.weight_kernel.map(|w| w.to_string()));
    let drift = real.weight_effective != real.weight_kernel;
    let ink = match () {
        () if drift => Ink::Warn,
        () if real.weight_asked.is_some() => Ink::Held,
        () => Ink::Text,
    };
    let mark = if drift { "!" } else { "" };
    (ink, text::left(&format!("{:>2} → {kernel:>2}{mark}", real.weight_configured), width))
}

fn health(real: &Real, width: usize) -> (Ink, String) {
    let state = facts::health_of(real);
    let detail = if real.health.failing > 0 {
        format!(" {}/{}", real.health.failing, real.health.retry + 1)
    } else {
        String::new()
    };
    (state.ink(), text::left(&format!("{}{detail}", state.label()), width))
}

fn check(real: &Real) -> String {
    match &real.health.last {
        None if real.health.method.is_none() => "none configured".into(),
        None => "not yet".into(),
        Some(last) => last.detail.clone(),
    }
}

/// The services of the overview: the same rows with fewer columns.
pub(super) fn summary(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let lines = rows::servers(model, &model.filter.to_lowercase());
    let inner = canvas.pane(area, &[title("Services")], &[dim("on the node that serves")], Some(Pane::Summary));
    if lines.is_empty() {
        canvas.put(line_of(inner, 0), &[dim(nothing(model))]);
    }
    let room = usize::from(inner.height);
    let selected = lines.iter().position(|l| model.selected.get(&Pane::Summary) == Some(&l.row));
    let top = first_shown(lines.len(), room, selected);
    let width = usize::from(inner.width);
    for (i, l) in lines.iter().skip(top).take(room).enumerate() {
        let line = match l.real {
            Some(real) => short(model, real, &l.row, width),
            None => heading(model, &l.served, &l.row, width),
        };
        canvas.row(line_of(inner, i), Pane::Summary, &l.row, line);
    }
    canvas.more(inner, top, lines.len().saturating_sub(top + room));
}

fn heading(model: &Model, served: &Served, row: &RowId, width: usize) -> Line {
    let service = served.service;
    let up = service.reals.iter().filter(|r| facts::is_good(r)).count();
    let of = service.reals.len();
    let folded = if model.folded.contains(row) { vec![dim(fold_mark(model, row, of))] } else { Vec::new() };
    let mut line = folded;
    line.push(title(format!("{}  ", service.id)));
    line.push((if up == of { Ink::Text } else { Ink::Warn }, format!("{up}/{of} up  ")));
    if width >= 54 {
        line.push(dim(format!("{} {}  ", service.scheduler, service.forwarding)));
    }
    line.extend(place(served));
    line
}

fn short(model: &Model, real: &Real, row: &RowId, width: usize) -> Line {
    let name = facts::server_name(model.shown(), &real.id);
    let state = facts::health_of(real);
    let admin = facts::admin_of(real);
    let shown = if admin == super::super::state::State::Ready { state } else { admin };
    let (ink, label) = match model.asked(row, None) {
        Some(_) => (Ink::Changing, "asked".to_owned()),
        None if !facts::is_good(real) => (state.ink(), state.label()),
        None => (shown.ink(), shown.label()),
    };
    let longest = model.shown().stage.as_ref().map_or(18, |_| 13);
    let mut line = vec![
        t(format!("  {}", text::left(&text::cut_middle(&name, longest - 1), longest))),
        (ink, text::left(&label, 11)),
    ];
    if !facts::is_good(real) {
        line.push(dim(check(real)));
        return line;
    }
    let rate = known(real.rate.map(|r| format!("{r:.0}")));
    let active = known(real.active.map(|n| text::count(u64::from(n))));
    line.push(t(text::right(&active, 5)));
    line.push(dim(" open"));
    // What is left of the line is the sparkline's: a piece of one would say nothing.
    line.push(t(text::right(&rate, 5)));
    line.push(dim("/s"));
    let spark = width.saturating_sub(2 + 2 + longest + 11 + 10 + 7 + 2).min(14);
    if spark >= 6 {
        line.push((Ink::Bar, format!("  {}", text::sparkline(&real.rates, spark))));
    }
    line
}

/// The draining server to show: the selected one, or else the first.
fn chosen_drain(model: &Model) -> Option<(Served<'_>, &Real)> {
    let picture = model.shown();
    if let Some(RowId::Real(service, id)) = model.selected.get(&Pane::Servers)
        && let Some((served, real)) = facts::real(picture, service, id)
        && real.drain.is_some()
    {
        return Some((served, real));
    }
    facts::served(picture).into_iter().find_map(|s| {
        let real = s.service.reals.iter().find(|r| r.drain.is_some())?;
        Some((s, real))
    })
}

fn drain(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let Some((served, real)) = chosen_drain(model) else {
        let inner = canvas.pane(area, &[title("Drain")], &[], None);
        canvas.put(line_of(inner, 0), &[dim(" nothing is draining (D on a real server begins)")]);
        return;
    };
    let Some(drain) = &real.drain else { return };
    let name = facts::server_name(model.shown(), &real.id);
    let head = match real.admin {
        Admin::Maint => "In maintenance:",
        Admin::Drained => "Drained",
        Admin::Drain | Admin::Ready | Admin::Newer(_) => "Draining",
    };
    let inner = canvas.pane(
        area,
        &[(Ink::Drained, format!("{head} {name}")), dim(format!(" of {}", served.service.id))],
        &[],
        None,
    );
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let picture = model.shown();
    let now = known(real.active.map(|n| n.to_string()));
    let start = known(drain.active_at_start.map(|n| n.to_string()));
    let mut lines: Vec<Line> = Vec::new();
    let mut active = vec![dim("active    "), t(format!("{now} of {start}  "))];
    if let (Some(now), Some(start)) = (real.active, drain.active_at_start) {
        active.push((Ink::Bar, text::progress(u64::from(start.saturating_sub(now)), u64::from(start), 24)));
    }
    lines.push(active);
    let sticky = known(real.sticky.map(|n| n.to_string()));
    let sticky = match (served.service.persistence, drain.ignores_persistence) {
        (None, _) => dim("  waiting out their timers"),
        (Some(_), false) => t(format!(", {sticky} clients stick to it")),
        (Some(_), true) => t(", who sticks to it goes elsewhere"),
    };
    lines.push(vec![dim("others    "), t(format!("{} inactive", known(real.inactive.map(|n| n.to_string())))), sticky]);
    let why = drain.reason.as_ref().map_or(String::new(), |r| format!(", {r}"));
    let ago = text::age(picture.age(served.view, drain.since) + drain.before.as_micros() as u64);
    lines.push(vec![dim("asked     "), t(format!("by {} {ago} ago{why}", drain.by))]);
    let health = facts::health_of(real);
    if !facts::is_good(real) {
        lines.push(vec![dim("health    "), (health.ink(), health.label()), t(format!("  {}", check(real)))]);
    }
    lines.extend(ending(picture, &served, real, drain));
    let elsewhere = facts::in_service_elsewhere(picture, &served, real);
    if !elsewhere.is_empty() {
        let warning = format!("! not asked of {}: a failover there ends it; D tells", text::listing(&elsewhere));
        lines.push(vec![(Ink::Warn, warning)]);
    }
    lines.push(vec![dim(match real.admin {
        Admin::Drain => format!("K ends the rest; R returns it: weight → {}", real.weight_configured),
        _ => format!("R returns it: weight → {}", real.weight_configured),
    })]);
    canvas.lines(inner, &lines);
}

/// When it is over, as far as can be told.
fn ending(picture: &Picture, served: &Served, real: &Real, drain: &Drain) -> Vec<Line> {
    if real.admin == Admin::Maint {
        return vec![vec![(Ink::Drained, "⊘ MAINT".into()), t("  its connections were reset")]];
    }
    if let Some(at) = drain.drained_at {
        let ago = text::age(picture.age(served.view, at) + drain.drained_before.as_micros() as u64);
        return vec![vec![
            (Ink::Drained, "⊥ DRAINED".into()),
            t(format!(" {ago} ago: no connection is left, safe to touch")),
        ]];
    }
    let empty = match (drain.empty_in, drain.ending_per_second) {
        (Some(left), Some(rate)) => {
            t(format!("in about {}: {rate:.1} end a second", text::age(left.as_micros() as u64)))
        }
        _ => dim("no telling: none has ended in the last minute"),
    };
    let deadline = match (drain.deadline_at, drain.overdue) {
        (None, _) => dim("none: DRAINED when no connection is left"),
        (Some(_), true) if drain.then == AtDeadline::Ask => {
            (Ink::Warn, "has passed: K ends the rest, D gives time, R returns".into())
        }
        (Some(_), true) => (Ink::Warn, format!("has passed: {}", drain.then)),
        (Some(at), false) => t(format!("in {}: {}", text::age(picture.remaining(served.view, at)), drain.then)),
    };
    vec![vec![dim("empty     "), empty], vec![dim("deadline  "), deadline]]
}

/// The selected server's three weights, its health and its admin state, each with its source.
fn why(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let row = model.selected.get(&Pane::Servers).cloned();
    let inner = canvas.pane(area, &[title("Selected")], &[dim("Enter everything")], None);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(row) = row else { return };
    canvas.lines(inner, &super::details::lines(model, &row, usize::from(inner.width)));
}
