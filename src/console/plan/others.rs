//! What is asked about neither an instance nor a server: reload, the stage, leaving.

use super::{Plan, Risk, cancel_or, gone, name};
use crate::console::facts;
use crate::console::model::{Model, Picture};
use crate::console::text;
use crate::status::{Mode, Role, StageAction};

pub(super) fn stage(model: &Model, action: &StageAction) -> Plan {
    let (title, button, step) = match action {
        StageAction::Crash { node } => (
            format!("Crash {node}"),
            format!("Crash {node}"),
            format!("the engine of {node} gets SIGKILL: no priority 0, and the machine is off the network"),
        ),
        StageAction::ToggleLink { node } => {
            let cut = model.live.stage_node(node).is_some_and(|n| n.cut);
            let verb = if cut { "Heal" } else { "Cut" };
            let effect = if cut {
                format!("{node} hears the others again; the lower priority steps down")
            } else {
                format!("{node} hears nobody and nobody hears it")
            };
            (format!("{verb} the link of {node}"), format!("{verb} the link"), effect)
        }
        other => (format!("{other:?}"), "Do it".into(), "on the stage only".into()),
    };
    let note = if model.mode == Mode::Lab {
        "nothing is real here"
    } else {
        "the lab's own machines; nothing outside is touched"
    };
    let notes = vec![note.into()];
    Plan { title, effect: step.clone(), steps: vec![step], notes, buttons: cancel_or(button), ..Plan::default() }
        .classed(Risk::Medium)
}

/// The node has read its file and said what would change; only it can know.
pub(super) fn reload(picture: &Picture, node: usize, preview: &str) -> Plan {
    let Some(view) = picture.nodes.get(node) else { return gone("the node is not there any more") };
    let me = name(picture, node);
    let moves = preview.contains("may ") || preview.contains("removed") || preview.contains("leaves");
    let file = view.snapshot.as_ref().map_or("its file", |s| s.node.config.as_str());
    let steps: Vec<String> = preview.trim_start_matches("this would change: ").split("; ").map(str::to_owned).collect();
    Plan {
        title: format!("Reload {me}"),
        name: me.to_owned(),
        scale: text::plural(steps.len(), "change"),
        effect: format!("reload {me}: {}", steps.join("; ")),
        steps,
        undo: vec!["Undo (u) runs the configuration of before again. The file stays as it is: the next reload or start reads it.".into()],
        notes: vec![format!("{file} as it was read just now; what does not differ is not touched.")],
        buttons: cancel_or(format!("Reload {me}")),
        ..Plan::default()
    }
    .classed(if moves { Risk::Medium } else { Risk::Low })
    .told([node])
}

/// What each answer does. Who only looks in is asked only if something would undo itself.
pub(super) fn leave(model: &Model) -> Plan {
    let picture = &model.live;
    let unkept: Vec<String> = model.changes_to_keep().iter().map(|c| c.line.clone()).collect();
    let mut plan = Plan { title: "Leave the console".into(), buttons: vec!["Cancel".into()], ..Plan::default() };
    if !unkept.is_empty() {
        let what = text::listing(&unkept);
        plan.checks.push(super::Check::warn(format!("{what}: undoes itself in time, unless it is kept (Enter)")));
    }
    plan.steps.push("Leave it running: the engine goes on without a screen; `vipdeck attach` opens one again".into());
    plan.buttons.push("Leave it running".into());
    if !model.owns_engine {
        return plan;
    }
    let rows = facts::rows(picture);
    let served: Vec<String> = rows
        .iter()
        .filter(|r| r.all_fresh(picture).iter().any(|(_, i)| i.state == Role::Master))
        .map(|r| r.name.to_owned())
        .collect();
    plan.steps.push(if served.is_empty() {
        "Stop the engine: it is MASTER of nothing, no address moves".to_owned()
    } else {
        format!(
            "Stop the engine: priority 0 for {}; addresses go when a successor is heard, or after about a second",
            text::listing(&served)
        )
    });
    plan.buttons.push("Stop the engine".into());
    plan
}
