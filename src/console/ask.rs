//! From a verb's key to its question, or to the stage at once.

use super::action::Action;
use super::changes::{Batch, Part};
use super::facts::{self, Row};
use super::model::{Modal, Model, RowId, Tone, View};
use super::papers::Preview;
use super::question::{InstanceVerb, Item, Question, RealVerb, Subject};
use super::update::{About, Effect, say};
use crate::status::{Ask, Command, Mode, Role, StageAction};

/// Opens the question of a verb for the row that has the keys, or for every marked one; or says why there is none.
pub(super) fn open(model: &mut Model, verb: Action) {
    match items(model, verb) {
        Ok(items) => ask(model, items),
        Err(why) => say(model, Tone::Info, why),
    }
}

pub(super) fn ask(model: &mut Model, items: Vec<Item>) {
    model.message = None;
    model.modal = Some(Modal::Question(Box::new(Question::new(model, items))));
}

fn items(model: &Model, verb: Action) -> Result<Vec<Item>, String> {
    may_change(model)?;
    let rows = model.meant();
    if rows.is_empty() {
        return Err("nothing is selected".into());
    }
    if verb == Action::PausePreemption {
        return Ok(vec![Item { subject: pause(model), row: whole() }]);
    }
    rows.into_iter().map(|row| Ok(Item { subject: subject(model, verb, &row)?, row })).collect()
}

/// The row of what is about no row.
const fn whole() -> RowId {
    RowId::StageNode(String::new())
}

/// On or off: off only if every node that can be asked has paused it.
fn pause(model: &Model) -> Subject {
    let mut fresh = (0..model.live.nodes.len()).filter_map(|n| model.live.fresh(n)).peekable();
    let resume = fresh.peek().is_some() && fresh.all(|s| s.intents.paused.is_some());
    Subject::Pause { resume }
}

/// The last change from here that can be undone, as a question.
pub(super) fn undo_last(model: &mut Model) {
    match may_change(model).map(|()| model.last_undoable()) {
        Err(why) => say(model, Tone::Info, why),
        Ok(None) => say(model, Tone::Info, "nothing from this console can be undone; U lists every change"),
        Ok(Some(told)) => ask(model, vec![Item { subject: Subject::Undo { told }, row: whole() }]),
    }
}

/// The change that is selected in the list.
pub(super) fn undo_listed(model: &mut Model, told: Vec<(usize, u64)>) {
    match may_change(model) {
        Err(why) => say(model, Tone::Info, why),
        Ok(()) => ask(model, vec![Item { subject: Subject::Undo { told }, row: whole() }]),
    }
}

/// Announces the addresses again from where they are: it changes nothing, so nothing is asked.
pub(super) fn announce(model: &mut Model) -> Vec<Effect> {
    let chosen = may_change(model).and_then(|()| masters(model));
    let parts = match chosen {
        Ok(parts) => parts,
        Err(why) => {
            say(model, Tone::Info, why);
            return Vec::new();
        }
    };
    super::changes::begin(model, Batch::new("announce", parts))
}

/// Who holds the addresses of the rows that are meant.
fn masters(model: &Model) -> Result<Vec<Part>, String> {
    let rows = facts::rows(&model.live);
    let mut parts = Vec::new();
    for (item, id) in model.meant().into_iter().enumerate() {
        let row = rows.iter().find(|r| r.id == id).ok_or("select an instance: its addresses are announced")?;
        let owners = row.masters(&model.live);
        let chosen = owners.iter().find(|(n, _)| model.column.is_none_or(|c| c == *n));
        let (node, member) = chosen.ok_or_else(|| format!("nobody known is MASTER of {} there", row.name))?;
        let mut ask = Ask::new(Command::Announce { instance: member.name.clone() });
        ask.session = Some(model.session.clone());
        let name = member.name.clone();
        parts.push(Part { item, node: *node, before: looks(model, &id, *node), row: id, name, ask, answer: None });
    }
    Ok(parts)
}

/// Asks a node what a reload would change there.
pub(super) fn preview(model: &mut Model) -> Vec<Effect> {
    match node_to_reload(model) {
        Ok(node) => {
            let name = model.live.nodes.get(node).map_or("?", |n| n.name());
            let text = format!("{name} reads its file: what a reload would change comes as a question");
            say(model, Tone::Info, text);
            let command = Command::Reload { dry_run: true };
            vec![Effect::Send { node, ask: Box::new(Ask::new(command)), about: About::Preview { node } }]
        }
        Err(why) => {
            say(model, Tone::Info, why);
            Vec::new()
        }
    }
}

/// Asks every fresh node that has the real server to run its checks; what they find comes with the next snapshots.
pub(super) fn check_now(model: &mut Model) -> Vec<Effect> {
    let chosen = may_change(model).and_then(|()| match model.row() {
        Some(RowId::Real(service, real)) => Ok((*service, *real)),
        _ => Err("select a real server: its checks run at once".to_owned()),
    });
    let (service, real) = match chosen {
        Ok(chosen) => chosen,
        Err(why) => {
            say(model, Tone::Info, why);
            return Vec::new();
        }
    };
    let nodes = facts::holders(&model.live, Some(&service), &real);
    if nodes.is_empty() {
        say(model, Tone::Bad, "nothing was sent: no fresh node to tell");
    }
    let command = Command::CheckNow { real, service: Some(service) };
    let verb = command.verb();
    let ask = Ask::new(command);
    let send = |node: usize| {
        let row = RowId::Real(service, real);
        Effect::Send { node, ask: Box::new(ask.clone()), about: About::Command { node, row, verb } }
    };
    nodes.into_iter().map(send).collect()
}

/// Whose file is shown, the chosen column, or the only node.
fn node_to_reload(model: &Model) -> Result<usize, String> {
    may_change(model)?;
    let shown = (model.view == View::Config).then_some(model.papers.node);
    let node = match (shown.or(model.column), model.live.nodes.len()) {
        (Some(node), _) => node,
        (None, 1) => 0,
        (None, _) => return Err("reload of which node? choose one with ← →".into()),
    };
    let name = model.live.nodes.get(node).map_or("?", |n| n.name());
    if model.live.is_fresh(node) {
        Ok(node)
    } else {
        Err(format!("{name} cannot be asked: there is no fresh word of it"))
    }
}

/// The answer to a dry run opens the question, unless something else has been opened meanwhile.
pub(super) fn previewed(model: &mut Model, node: usize, preview: String) {
    let lines = preview.trim_start_matches("this would change: ").split("; ").map(str::to_owned).collect();
    model.papers.preview = Some(Preview { node, wall_us: model.wall_us, lines });
    if model.modal.is_some() {
        return say(model, Tone::Info, format!("{preview}; L asks again"));
    }
    ask(model, vec![Item { subject: Subject::Reload { node, preview }, row: whole() }]);
}

fn may_change(model: &Model) -> Result<(), String> {
    if model.replay.is_some() {
        return Err("this is a recording: no key reaches an engine".into());
    }
    if model.view_only {
        return Err("view only: this console changes nothing".into());
    }
    if !model.is_armed() {
        return Err("the verbs are locked (arm = true): A arms them for 5 minutes".into());
    }
    if model.frozen.is_some() {
        return Err("the display is frozen: f thaws it, then ask again".into());
    }
    Ok(())
}

fn subject(model: &Model, verb: Action, row: &RowId) -> Result<Subject, String> {
    Ok(match (row, verb) {
        (RowId::Instance(..), Action::Demote) => instance(model, row, InstanceVerb::Demote)?,
        (RowId::Instance(..), Action::Restore) => instance(model, row, InstanceVerb::Restore)?,
        (RowId::Instance(..), Action::Takeover) => instance(model, row, InstanceVerb::Takeover)?,
        (
            RowId::Real(service, real),
            Action::Drain | Action::Return | Action::Weight | Action::Maint | Action::Reset,
        ) => {
            let verb = match verb {
                Action::Drain => RealVerb::Drain,
                Action::Return => RealVerb::Return,
                Action::Maint => RealVerb::Maint,
                Action::Reset => RealVerb::Reset,
                _ => RealVerb::Weight,
            };
            Subject::Real { verb, service: *service, real: *real }
        }
        (_, Action::Demote | Action::Restore | Action::Takeover) => {
            return Err("select an instance: this verb acts on one".into());
        }
        _ => return Err("select a real server: this verb acts on one".into()),
    })
}

fn instance(model: &Model, id: &RowId, verb: InstanceVerb) -> Result<Subject, String> {
    let picture = &model.live;
    let rows = facts::rows(picture);
    let row = rows.iter().find(|r| r.id == *id).ok_or("this instance is not there any more")?;
    let node = match model.column {
        Some(node) => node,
        None => default_node(model, row, verb)?,
    };
    let name = picture.nodes.get(node).map_or("?", |n| n.name());
    // Of a node that is stale its last word says what is meant; the question says why it is not asked.
    let member = row.members.get(node).copied().flatten();
    let member = member.ok_or_else(|| format!("{name} is not a member of {}", row.name))?;
    match (verb, &member.hold) {
        (InstanceVerb::Restore, None) => {
            Err(format!("{name} is neither demoted nor taking over in {}: nothing to restore", row.name))
        }
        (InstanceVerb::Takeover, _) if member.state == Role::Master && picture.is_fresh(node) => {
            Err(format!("{name} is MASTER of {} already; → chooses another node", row.name))
        }
        _ => Ok(Subject::Instance { verb, node, instance: member.name.clone(), seen: member.state }),
    }
}

/// Without a chosen column: demote the MASTER, restore who is held, let the next best take over.
fn default_node(model: &Model, row: &Row, verb: InstanceVerb) -> Result<usize, String> {
    let picture = &model.live;
    match verb {
        InstanceVerb::Demote => row
            .master(picture)
            .map(|(n, _)| n)
            .ok_or_else(|| format!("{} has not exactly one MASTER: choose a node with ← →", row.name)),
        InstanceVerb::Restore => {
            let held: Vec<usize> =
                row.all_fresh(picture).into_iter().filter(|(_, i)| i.hold.is_some()).map(|(n, _)| n).collect();
            match held.as_slice() {
                [one] => Ok(*one),
                [] => Err(format!("nobody is demoted or taking over in {}: nothing to restore", row.name)),
                _ => Err("several nodes are held: choose one with ← →".into()),
            }
        }
        InstanceVerb::Takeover => {
            let master = row.master(picture).map(|(n, _)| n);
            let next = row.stand_in(picture, master);
            next.map(|(n, _)| n).ok_or_else(|| format!("no BACKUP of {} is known to take over", row.name))
        }
    }
}

/// What a subject looks like on one node: when this changes, a command has shown its effect.
pub(super) fn looks(model: &Model, row: &RowId, node: usize) -> String {
    let picture = &model.live;
    match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let member = rows.iter().find(|r| r.id == *row).and_then(|r| r.members.get(node).copied().flatten());
            member.map_or(String::new(), |i| {
                format!("{} {} {:?}", i.state, i.yielding, i.hold.as_ref().map(|h| (h.kind, h.since)))
            })
        }
        RowId::Real(service, real) => {
            let snapshot = picture.nodes.get(node).and_then(|n| n.snapshot.as_ref());
            let found = snapshot.and_then(|s| s.service(service)?.reals.iter().find(|r| r.id == *real));
            found.map_or(String::new(), |r| {
                format!(
                    "{:?} {:?} {:?} {:?}",
                    r.admin,
                    r.weight_asked,
                    r.weight_effective,
                    r.drain.as_ref().map(|d| (d.deadline_at, d.then, d.ignores_persistence))
                )
            })
        }
        _ => String::new(),
    }
}

/// Acts on the stage: at once, but in LIVE a crash and a cut ask first.
pub(super) fn stage(model: &mut Model, action: Action) -> Vec<Effect> {
    let chosen = stage_action(model, action);
    let action = match chosen {
        Ok(action) => action,
        Err(why) => {
            say(model, Tone::Info, why);
            return Vec::new();
        }
    };
    let asks = matches!(action, StageAction::Crash { .. } | StageAction::ToggleLink { .. });
    if model.mode == Mode::Live && asks {
        ask(model, vec![Item { subject: Subject::Stage(action), row: whole() }]);
        return Vec::new();
    }
    vec![Effect::Stage(action)]
}

fn stage_action(model: &Model, action: Action) -> Result<StageAction, String> {
    if model.replay.is_some() {
        return Err("this is a recording: no key reaches an engine".into());
    }
    if model.view_only {
        return Err("view only: this console changes nothing".into());
    }
    if !model.has_stage {
        return Err("there is no stage here".into());
    }
    Ok(match action {
        Action::Crash => StageAction::Crash { node: node(model, |n| n.alive, "alive")? },
        Action::Revive => StageAction::Revive { node: node(model, |n| !n.alive, "crashed")? },
        Action::ToggleLink => StageAction::ToggleLink { node: node(model, |n| n.cut, "cut")? },
        Action::ToggleServer => StageAction::ToggleServer { server: server(model)? },
        Action::Step => StageAction::Step,
        Action::Slower => StageAction::Slower,
        Action::Faster => StageAction::Faster,
        _ => StageAction::TogglePause,
    })
}

/// The node that a stage key means: the selected one, else the only one that the key can mean, else the MASTER of the
/// selected instance.
fn node(model: &Model, fits: impl Fn(&crate::status::StageNode) -> bool, word: &str) -> Result<String, String> {
    let picture = &model.live;
    if let Some(RowId::StageNode(name)) = model.row() {
        return Ok(name.clone());
    }
    if let Some(node) = model.column.and_then(|c| picture.nodes.get(c)) {
        return Ok(node.name().to_owned());
    }
    let stage = picture.stage.as_ref().ok_or("the stage has not been seen yet")?;
    let fitting: Vec<&str> = stage.stage.nodes.iter().filter(|n| fits(n)).map(|n| n.name.as_str()).collect();
    if let [one] = fitting.as_slice() {
        return Ok((*one).to_owned());
    }
    let rows = facts::rows(picture);
    let master = rows.iter().find(|r| Some(&r.id) == model.row()).and_then(|r| r.master(picture));
    match master.and_then(|(n, _)| picture.nodes.get(n)) {
        Some(view) if word != "crashed" => Ok(view.name().to_owned()),
        _ if fitting.is_empty() => Err(format!("no node is {word}")),
        _ => Err("choose a node: ← → or the stage pane (Tab)".into()),
    }
}

fn server(model: &Model) -> Result<String, String> {
    let stage = model.live.stage.as_ref().ok_or("the stage has not been seen yet")?;
    match model.row() {
        Some(RowId::StageServer(name)) => Ok(name.clone()),
        Some(RowId::Real(_, real)) => {
            let found = stage.stage.servers.iter().find(|s| s.address == *real);
            found.map(|s| s.name.clone()).ok_or_else(|| format!("{real} is not a server of the stage"))
        }
        _ => Err("choose a web server: in the stage pane or among the services (Tab)".into()),
    }
}
