//! The stage of demo and lab: machines, links, web servers, and what the client sees.

use super::super::model::{Model, Pane, RowId};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Canvas, Line, dim, line_of, t, title};
use crate::status::{ClientView, ServerState, StageNode, StageServer};
use ratatui::layout::Rect;

/// How high the pane wants to be.
pub(super) fn height(model: &Model) -> u16 {
    let stage = model.shown().stage.as_ref();
    stage.map_or(3, |s| s.stage.nodes.len() + s.stage.servers.len() + 2 * s.stage.clients.len() + 2) as u16
}

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let model = canvas.model;
    let Some(stage) = &model.shown().stage else {
        let inner = canvas.pane(area, &[title("Stage")], &[], Some(Pane::Stage));
        canvas.put(line_of(inner, 0), &[dim("  not seen yet")]);
        return;
    };
    let stage = &stage.stage;
    let note = if stage.clock.is_some() { "nothing here is real" } else { "real packets, this machine only" };
    let inner =
        canvas.pane(area, &[title("Stage"), dim(format!(" · {}", stage.scenario))], &[dim(note)], Some(Pane::Stage));
    let mut lines: Vec<(Option<RowId>, Line)> = Vec::new();
    lines.extend(stage.nodes.iter().map(|n| (Some(RowId::StageNode(n.name.clone())), node(n))));
    lines.extend(stage.servers.iter().map(|s| (Some(RowId::StageServer(s.name.clone())), server(s))));
    let room = usize::from(inner.width);
    lines.extend(stage.clients.iter().flat_map(|c| client(c, room)).map(|l| (None, l)));
    let shown = usize::from(inner.height);
    for (i, (row, line)) in lines.iter().take(shown).enumerate() {
        let at = line_of(inner, i);
        match row {
            Some(row) => canvas.row(at, Pane::Stage, row, line.clone()),
            None => drop(canvas.put(Rect { x: at.x + 2, width: at.width.saturating_sub(2), ..at }, line)),
        }
    }
    canvas.more(inner, 0, lines.len().saturating_sub(shown));
}

fn node(node: &StageNode) -> Line {
    let alive = if node.alive { t(text::left("runs", 10)) } else { (Ink::Dead, text::left("╳ CRASHED", 10)) };
    let link = if node.cut { (Ink::Fault, "✗ link CUT".to_owned()) } else { dim("link joined") };
    vec![t(text::left(&text::cut_middle(&node.name, 9), 10)), alive, t(" "), link]
}

fn server(server: &StageServer) -> Line {
    let state = match server.state {
        ServerState::Running => t(text::left("runs", 10)),
        ServerState::Stopped => (Ink::Fault, text::left("▼ STOPPED", 10)),
    };
    vec![t(text::left(&text::cut_middle(&server.name, 9), 10)), state, dim(format!(" {}", server.address))]
}

/// Who answered last, and how long nobody did.
fn client(client: &ClientView, room: usize) -> Vec<Line> {
    let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let error = format!("± {}", text::took(client.interval.as_micros()));
    let now = match client.outage_now {
        Some(outage) => (Ink::Fault, format!("NO ANSWER for {} s", text::seconds_2(micros(outage)))),
        None if client.answered == 0 => dim("no answer yet"),
        None => (Ink::Good, "answers".to_owned()),
    };
    let last = client
        .last_outage
        .map_or(", no outage so far".to_owned(), |o| format!(", last outage {} s", text::seconds_2(micros(o))));
    let last = if client.outage_now.is_some() { String::new() } else { last };
    let worst = if client.last_outage.is_some() || client.outage_now.is_some() {
        format!("  worst {} s, {error}", text::seconds_2(micros(client.worst_outage)))
    } else {
        String::new()
    };
    let mut answers = client.answers.clone();
    let width = |names: &[String]| names.iter().map(|n| text::width(n) + 1).sum::<usize>();
    // The newest are last: what does not fit goes at the front.
    while width(&answers) + text::width(&worst) + 6 > room && answers.len() > 1 {
        answers.remove(0);
    }
    vec![
        vec![dim("client "), t(format!("{}  ", client.address)), now, dim(last)],
        vec![dim("  "), t(answers.join(" ")), dim(worst)],
    ]
}
