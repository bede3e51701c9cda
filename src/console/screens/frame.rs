//! What every screen has: the first line, the tabs, the message line, the hints.
//!
//! ```text
//!  dual-master │ LIVE │ 2/2 nodes fresh │ 2/2 VIPs one owner each │ 4/4 servers up │ ! 1 alarm            12:04:31
//! [1 Overview] 2 Instances  3 Services  4 Timeline                                             / filter  ? help
//! ```

use super::super::action::Action;
use super::super::facts;
use super::super::keymap::Entry;
use super::super::model::{Freshness, Model, Picture, Room, Tone, View};
use super::super::rows;
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Hit, Line, dim, line_of, t, title};
use crate::status::{Mode, Severity};
use ratatui::layout::Rect;

/// Draws the frame and returns the room for the screen itself.
pub(super) fn draw(canvas: &mut Canvas, all: Rect) -> Rect {
    let room = canvas.model.room();
    let hints = if room >= Room::Medium { 2 } else { 1 };
    first_line(canvas, line_of(all, 0));
    tabs(canvas, line_of(all, 1));
    let height = all.height.saturating_sub(3 + hints);
    message(canvas, Rect { y: all.y + 2 + height, height: 1, ..all });
    footer(canvas, Rect { y: all.y + 3 + height, height: hints, ..all });
    Rect { y: all.y + 2, height, ..all }
}

fn first_line(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let clock = clock(model);
    let room = usize::from(area.width).saturating_sub(text::width(&clock) + 2);
    let mode = match model.mode {
        Mode::Lab => (Ink::Lab, " LAB ".to_owned()),
        Mode::Live => (Ink::Live, "LIVE".to_owned()),
        Mode::Replay => (Ink::Lab, " REPLAY ".to_owned()),
    };
    // The order of the line, and what goes first when it gets tight.
    let mut parts: Vec<(u8, Line)> = vec![(9, vec![title(text::cut_middle(&model.title, 24))]), (9, vec![mode])];
    parts.extend(counts(model));
    parts.extend(facts::skews(model.shown()).into_iter().map(|text| (7, vec![(Ink::Warn, text)])));
    if model.view_only && model.replay.is_none() {
        parts.push((8, vec![(Ink::Warn, "VIEW ONLY".into())]));
    }
    if model.needs_arming && model.mode == Mode::Live && !model.view_only {
        let part = match model.armed_until.map(|until| until.saturating_sub(model.now) / 1_000_000) {
            Some(left) => (Ink::Field, format!(" ARMED {:02}:{:02} ", left / 60, left % 60)),
            None => (Ink::Dim, "locked, A arms".into()),
        };
        parts.push((8, vec![part]));
    }
    if let Some(frozen) = &model.frozen {
        let text = format!("FROZEN, {} while frozen", text::plural(frozen.changes as usize, "change"));
        parts.push((9, vec![(Ink::Field, format!(" {text} "))]));
    }
    let width = |parts: &[(u8, Line)]| -> usize {
        parts.iter().map(|(_, l)| l.iter().map(|(_, t)| text::width(t)).sum::<usize>() + 3).sum()
    };
    while width(&parts) > room {
        let Some(least) = parts.iter().map(|(p, _)| *p).min().filter(|p| *p < 9) else { break };
        parts.retain(|(p, _)| *p != least);
    }
    let mut line = vec![t(" ")];
    for (i, (_, part)) in parts.into_iter().enumerate() {
        if i > 0 {
            line.push((Ink::Border, " │ ".into()));
        }
        line.extend(part);
    }
    canvas.put(Rect { width: area.width.saturating_sub(text::width(&clock) as u16 + 1), ..area }, &line);
    canvas.put_right(area, &[title(clock), t(" ")]);
}

/// What is counted on the first line, each with its weight when space is short.
fn counts(model: &Model) -> Vec<(u8, Line)> {
    let picture = model.shown();
    let fresh = (0..picture.nodes.len()).filter(|n| picture.is_fresh(*n)).count();
    let of = picture.nodes.len();
    let mut parts = vec![(4, vec![(shade(fresh == of), format!("{fresh}/{of} nodes fresh"))])];
    let rows = facts::rows(picture);
    if !rows.is_empty() {
        let vips: usize = rows.iter().map(|r| r.vips.len()).sum();
        let owned: usize = rows.iter().filter(|r| has_one_owner(picture, r)).map(|r| r.vips.len()).sum();
        parts.push((3, vec![(shade(owned == vips), format!("{owned}/{vips} VIPs one owner each"))]));
    }
    let served = facts::served(picture);
    let reals: Vec<_> = served.iter().flat_map(|s| &s.service.reals).collect();
    if !reals.is_empty() {
        let up = reals.iter().filter(|r| facts::is_good(r)).count();
        parts.push((2, vec![(shade(up == reals.len()), format!("{up}/{} servers up", reals.len()))]));
    }
    let draining = reals.iter().filter(|r| r.drain.is_some()).count();
    if draining > 0 {
        parts.push((5, vec![(Ink::Drain, format!("⇣ {draining} draining"))]));
    }
    let alarms = facts::alarms(picture);
    let seen = alarms.iter().filter(|a| a.acknowledged.is_some()).count();
    let new = alarms.len() - seen;
    let count = |mark: &str| {
        let seen = if seen == 0 { String::new() } else { format!(", {seen} seen") };
        format!("{mark}{}{seen}", text::plural(new, "alarm"))
    };
    let worst = alarms.iter().find(|a| a.acknowledged.is_none()).map(|a| a.severity);
    parts.push(match worst {
        None if seen > 0 => (9, vec![dim(format!("✓ {} seen", text::plural(seen, "alarm")))]),
        None if (0..of).all(|n| picture.freshness(n) == Freshness::Never) => (8, vec![dim("no word yet")]),
        None => (9, vec![(Ink::Good, "✓ no alarm".into())]),
        Some(Severity::Alarm) => (9, vec![(Ink::Split, format!(" {} ", count("! ")))]),
        Some(_) => (9, vec![(Ink::Warn, count("! "))]),
    });
    parts
}

/// By the word of the nodes; where none has the addresses, by what they hear.
fn has_one_owner(picture: &Picture, row: &facts::Row) -> bool {
    match row.owners(picture).len() {
        0 => row.heard_master(picture).is_some(),
        owners => owners == 1,
    }
}

const fn shade(good: bool) -> Ink {
    if good { Ink::Text } else { Ink::Warn }
}

/// The time of day; in LAB the virtual time, its speed and its seed.
fn clock(model: &Model) -> String {
    let picture = model.shown();
    if model.replay.is_some() {
        return text::date_time(picture.wall_us, &model.zone);
    }
    match picture.stage.as_ref().and_then(|s| s.stage.clock) {
        Some(clock) => {
            let now = picture.clock();
            let speed = if clock.paused { "PAUSED".to_owned() } else { format!("×{}", clock.speed) };
            let (minutes, seconds) = (now / 60_000_000, now / 1_000_000 % 60);
            // A step is shorter than a second: only a clock that stands shows its fraction.
            let fraction = if clock.paused { format!(".{:03}", now / 1000 % 1000) } else { String::new() };
            let seed = if model.room() > Room::Strip { format!("seed {}  ", clock.seed) } else { String::new() };
            format!("{speed}  {seed}t {minutes:02}:{seconds:02}{fraction}")
        }
        None => time_of(model, picture.wall_us, false),
    }
}

/// A moment on the wall's clock.
pub(super) fn time_of(model: &Model, wall_us: u64, millis: bool) -> String {
    let Ok(stamp) = jiff::Timestamp::from_microsecond(i64::try_from(wall_us).unwrap_or(0)) else {
        return "--:--:--".into();
    };
    let zoned = stamp.to_zoned(model.zone.clone());
    let time = zoned.time();
    let base = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    if millis { format!("{base}.{:03}", time.millisecond()) } else { base }
}

fn tabs(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let short = area.width < 100;
    let mut x = area.x;
    for view in View::ALL {
        let (long_name, short_name) = view.names();
        let label = format!("{} {}", view.number(), if short { short_name } else { long_name });
        let on = view == model.view;
        let (ink, text) = if on { (Ink::Title, format!("[{label}]")) } else { (Ink::Dim, format!(" {label} ")) };
        let at = Rect { x, width: area.right().saturating_sub(x), ..area };
        let end = canvas.put(at, &[(ink, text)]);
        canvas.hits.push((Rect { width: end - x, ..at }, Hit::View(view)));
        x = end;
    }
    let right: Line = if model.filtering {
        vec![(Ink::Key, "/".into()), (Ink::Title, model.filter.clone()), (Ink::Field, " ".into()), t(" ")]
    } else if model.filter.is_empty() {
        vec![dim(if short { "? help  : command " } else { "/ filter  : command  ? help " })]
    } else {
        let (hits, of) = (rows::of(model, model.pane).len(), rows::total(model, model.pane));
        vec![(Ink::Warn, format!("/{}", model.filter)), dim(format!("  {hits} of {of} shown, n N, Esc clears "))]
    };
    canvas.put_right(Rect { x, width: area.right().saturating_sub(x), ..area }, &right);
}

/// How many rows are marked, before anything else: the next verb means all of them.
fn marked(model: &Model) -> Line {
    if model.marked.is_empty() {
        return Vec::new();
    }
    let seen: std::collections::BTreeSet<_> = model.panes().into_iter().flat_map(|p| rows::of(model, p)).collect();
    let hidden = model.marked.iter().filter(|row| !seen.contains(row)).count();
    let hidden = if hidden > 0 { format!(", {hidden} not in sight") } else { String::new() };
    let count = text::plural(model.marked.len(), "row");
    vec![t(" "), (Ink::Held, format!("■ {count} marked{hidden}")), dim(", Esc unmarks │")]
}

/// The last message; else the worst alarm; else that all is well.
fn message(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    if keep_banner(canvas, area) {
        return;
    }
    let alarms = facts::alarms(model.shown());
    let mut whole = marked(model);
    let taken: usize = whole.iter().map(|(_, t)| text::width(t)).sum();
    let new = alarms.iter().find(|a| a.acknowledged.is_none());
    let line: Line = match (&model.message, new.or_else(|| alarms.first())) {
        (Some(m), _) => {
            let (mark, ink) = match m.tone {
                Tone::Info => ("", Ink::Text),
                Tone::Good => ("✓ ", Ink::Good),
                Tone::Bad => ("! ", Ink::Warn),
            };
            vec![(ink, format!(" {mark}{}", m.text))]
        }
        (None, None) => vec![dim(calm(model))],
        (None, Some(worst)) => {
            let more = alarms.len() - 1;
            let more = if more == 0 { "  ! list".to_owned() } else { format!("  (and {more} more: !)") };
            let room = usize::from(area.width).saturating_sub(text::width(&more) + 3 + taken);
            let mark = if worst.acknowledged.is_some() { "✓ acknowledged" } else { "!" };
            let sentence = format!(" {mark} {}", super::alarms::sentence(model, worst));
            vec![(super::alarms::ink(worst), text::cut(&sentence, room)), dim(more)]
        }
    };
    whole.extend(line);
    canvas.put(area, &whole);
}

/// What was changed from here and undoes itself unless it is kept. A message of the last seconds comes first.
fn keep_banner(canvas: &mut Canvas, area: Rect) -> bool {
    const FRESH: u64 = 2_000_000;
    let model = canvas.model;
    let is_new = model.message.as_ref().is_some_and(|m| model.now.saturating_sub(m.at) < FRESH);
    if !model.asks_to_keep() || is_new {
        return false;
    }
    let waiting = model.changes_to_keep();
    let Some(left) = waiting.iter().map(|c| c.left).min() else { return false };
    let lines: Vec<String> = waiting.into_iter().map(|c| c.line).collect();
    let head = format!(" keep? {} s ", left / 1_000_000);
    let what = format!(" {} undoes itself then  ", text::listing(&lines));
    let keys = [(Ink::Key, "Enter".to_owned()), dim(" keeps it  "), (Ink::Key, "u".into()), dim(" undoes it now")];
    let used = text::width(&head) + keys.iter().map(|(_, t)| text::width(t)).sum::<usize>();
    let mut line = vec![(Ink::Split, head), t(text::cut(&what, usize::from(area.width).saturating_sub(used + 1)))];
    line.extend(keys);
    canvas.put(area, &line);
    true
}

fn calm(model: &Model) -> String {
    let picture = model.shown();
    if let Some(sentence) = super::super::plan::others_plan(model) {
        return format!(" {sentence}");
    }
    let waiting: Vec<String> = (0..picture.nodes.len())
        .filter(|n| picture.freshness(*n) == Freshness::Never)
        .filter_map(|n| Some(picture.nodes.get(n)?.name().to_owned()))
        .collect();
    if !waiting.is_empty() {
        return format!(" waiting for the first word of {}", text::listing(&waiting));
    }
    let rows = facts::rows(picture);
    let holds = rows.iter().flat_map(|r| r.all_fresh(picture)).filter(|(_, i)| i.hold.is_some()).count();
    let served = facts::served(picture);
    let by_hand = |r: &&crate::status::Real| r.drain.is_some() || r.weight_asked.is_some();
    let drains = served.iter().flat_map(|s| &s.service.reals).filter(by_hand).count();
    if holds + drains == 0 {
        return " Everything is as configured.".into();
    }
    let counted = [(holds, "instance"), (drains, "server")];
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, w)| text::plural(*n, w)).collect();
    format!(" Changed by hand: {}. R lifts it.", text::listing(&parts))
}

/// The hints of the keys that work here, from the key table; what does not fit is in the help.
fn footer(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let contexts = model.contexts();
    // The verbs' line, and where there is only one, all of it.
    if model.replay.is_some() {
        super::scrubber::draw(canvas, line_of(area, 0));
        if area.height < 2 {
            return;
        }
    }
    let acts = |e: &Entry| e.action.is_verb() || e.action.is_stage();
    let hinted = model.keymap.here(&contexts).filter(|e| e.hint.is_some() && !(model.view_only && acts(e)));
    let (verbs, looks): (Vec<&Entry>, Vec<&Entry>) = hinted.partition(|e| acts(e));
    // How to get help and how to get out are always in sight, at the right end of the last line.
    let (ends, looks): (Vec<&Entry>, Vec<&Entry>) =
        looks.into_iter().partition(|e| matches!(e.action, Action::Help | Action::Leave));
    let width: u16 = ends.iter().map(|e| hint_width(e) + 2).sum();
    let last = line_of(area, usize::from(area.height) - 1);
    let main = Rect { width: last.width.saturating_sub(width + 1), ..last };
    if area.height >= 2 {
        if model.replay.is_none() {
            hints(canvas, line_of(area, 0), verbs.into_iter(), model.view_only);
        }
        hints(canvas, main, looks.into_iter(), false);
    } else {
        hints(canvas, main, verbs.into_iter().chain(looks), model.view_only);
    }
    hints(canvas, Rect { x: main.right(), width: width + 1, ..last }, ends.into_iter(), false);
}

fn hint_width(entry: &Entry) -> u16 {
    let key = entry.keys.first().map_or(0, |k| text::width(&k.to_string()));
    (key + 1 + entry.hint.as_deref().map_or(0, text::width)) as u16
}

fn hints<'a>(canvas: &mut Canvas, area: Rect, entries: impl Iterator<Item = &'a Entry>, view_only: bool) {
    let mut x = area.x + 1;
    if view_only {
        x = canvas.put(Rect { x, ..area }, &[dim("view only: the verbs are taken away  ")]);
    }
    for entry in entries {
        let key = entry.keys.first().map_or(String::new(), ToString::to_string);
        let hint = entry.hint.clone().unwrap_or_default();
        let width = hint_width(entry);
        if x + width > area.right() {
            break;
        }
        let at = Rect { x, width, ..area };
        canvas.put(at, &[(Ink::Key, key), dim(format!(" {hint}"))]);
        canvas.hits.push((at, Hit::Action(entry.action)));
        x += width + 2;
    }
}
