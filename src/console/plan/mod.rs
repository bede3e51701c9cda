//! What a command would do, step by step, from the state on screen, with times from the timers; what speaks for it and
//! against it; and how dangerous that makes it.
//!
//! Nothing in a plan moves by itself: two plans differ only if the cluster does, and then the question says so. Ages
//! and counts are drawn beside it (see [`Live`]).

mod check;
mod handover;
mod locks;
mod others;
mod pause;
mod server;
mod undo;

pub use check::{Check, Live, Mark};
pub(super) use locks::sentence as others_plan;

use super::facts;
use super::fields::Wish;
use super::model::{Model, Picture};
use super::question::{Item, RealVerb, Subject};
use super::text;

/// How much is asked before it is done. Worked out from the plan, never from the verb alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// One line; `y` does it.
    Low,
    /// The button, and a reason.
    Medium,
    /// The button, a reason, and the name typed.
    High,
    /// Not from here.
    Refused,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub title: String,
    /// None: nothing of the cluster is changed by it.
    pub risk: Option<Risk>,
    /// How much it is about: "1 instance, 2 VIPs".
    pub scale: String,
    /// All of it in one sentence, for a line of its own.
    pub effect: String,
    pub steps: Vec<String>,
    /// The worst first.
    pub checks: Vec<Check>,
    /// What undo gives back, and what not.
    pub undo: Vec<String>,
    pub notes: Vec<String>,
    /// Cancel first.
    pub buttons: Vec<String>,
    /// Who is told: the number of the item, and the node, in the order of sending.
    pub tells: Vec<(usize, usize)>,
    /// What has to be typed where the risk is high.
    pub name: String,
    /// Clients stick to the servers of the service.
    pub is_persistent: bool,
}

impl Plan {
    /// The class that the checks make of `least`, and the worst check first.
    fn classed(mut self, least: Risk) -> Self {
        let worst = self.checks.iter().filter_map(|c| c.mark.risk()).max();
        self.risk = Some(worst.map_or(least, |w| w.max(least)));
        self.checks.sort_by_key(|c| std::cmp::Reverse(c.mark));
        if self.risk == Some(Risk::Refused) {
            self.buttons.truncate(1);
        }
        self
    }

    fn told(mut self, nodes: impl IntoIterator<Item = usize>) -> Self {
        self.tells = nodes.into_iter().map(|node| (0, node)).collect();
        self
    }
}

/// One plan for all that is asked about; the worst risk counts.
pub(super) fn of(model: &Model, items: &[Item], wish: Wish) -> Plan {
    let mut plan = match items {
        [] => gone("nothing is selected"),
        [one] => single(model, one, items, wish),
        several => together(model, several, wish),
    };
    if !items.iter().all(|i| i.subject.is_command()) {
        return plan;
    }
    let least = plan.risk.unwrap_or(Risk::Low);
    let locked = locks::check(model, items);
    // Who only looks at one line has told nobody, and needs no word of the locks that there are not.
    if locked.mark != Mark::Good || least > Risk::Low {
        plan.checks.push(locked);
    }
    plan.checks.extend(model.locks.refused().map(Check::stop));
    plan.classed(least)
}

fn single(model: &Model, item: &Item, all: &[Item], wish: Wish) -> Plan {
    let picture = &model.live;
    match &item.subject {
        Subject::Instance { verb, node, instance, .. } => handover::plan(model, *verb, *node, instance, wish),
        Subject::Real { verb, service, real } => server::plan(picture, *verb, service, real, all, wish),
        Subject::Stage(action) => others::stage(model, action),
        Subject::Reload { node, preview } => others::reload(picture, *node, preview),
        Subject::Pause { resume } => pause::plan(picture, *resume),
        Subject::Undo { told } => undo::plan(model, told, wish),
        Subject::Leave => others::leave(model),
    }
}

/// A step for each, in the order in which they are told; what each check is about is said.
fn together(model: &Model, items: &[Item], wish: Wish) -> Plan {
    let mut whole = Plan::default();
    let mut names = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let part = single(model, item, items, wish);
        let name = item.name(model);
        whole.risk = whole.risk.max(part.risk);
        whole.steps.push(part.effect);
        whole.checks.extend(part.checks.into_iter().map(|c| c.of(&name)));
        whole.tells.extend(part.tells.into_iter().map(|(_, node)| (at, node)));
        whole.is_persistent |= part.is_persistent;
        if whole.undo.is_empty() {
            (whole.undo, whole.notes) = (part.undo, part.notes);
        }
        names.push(name);
    }
    let verb = items.first().map_or("", |i| i.subject.verb());
    let count = items.len().to_string();
    whole.title = format!("{} {count}: {}", capital(verb), text::listing(&names));
    whole.scale = format!("{count} rows");
    whole.effect = whole.steps.join("; ");
    whole.name = count;
    whole.buttons = vec!["Cancel".into(), format!("{} all {}", capital(verb), whole.name)];
    whole.notes.push("They are told one after the other, in this order; each answer is shown.".into());
    let least = whole.risk.unwrap_or(Risk::Low);
    whole.classed(least)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// What the weight field starts with: the weight in force.
pub(super) fn weight_now(model: &Model, subject: &Subject) -> String {
    match subject {
        Subject::Real { verb: RealVerb::Weight, service, real } => facts::real(&model.live, service, real)
            .map_or(String::new(), |(_, r)| r.weight_asked.unwrap_or(r.weight_configured).to_string()),
        _ => String::new(),
    }
}

fn gone(what: &str) -> Plan {
    let plan = Plan {
        title: "Nothing to do".into(),
        effect: what.into(),
        checks: vec![Check::stop(what)],
        buttons: vec!["Cancel".into()],
        ..Plan::default()
    };
    plan.classed(Risk::Low)
}

fn cancel_or(deed: impl Into<String>) -> Vec<String> {
    vec!["Cancel".into(), deed.into()]
}

fn name(picture: &Picture, node: usize) -> &str {
    picture.nodes.get(node).map_or("?", |n| n.name())
}

fn seconds(duration: std::time::Duration) -> String {
    text::took(duration.as_micros())
}
