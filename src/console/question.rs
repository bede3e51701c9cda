//! A question before something is changed: what would happen, worked out from the state on screen, and what speaks
//! against it. Cancel has the keys first.

use super::facts;
use super::fields::{Fields, Wish};
use super::model::{Model, RowId};
use super::plan::{self, Plan, Risk};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{Ask, AtExpiry, Command, DemoteMode, Mode, Role, StageAction};

/// Input is ignored for this long after a question opens, in microseconds: a held key or a paste confirms nothing.
pub const GUARD: u64 = 300_000;

#[derive(Debug)]
pub struct Question {
    /// What is asked about, in the order in which it is done.
    pub items: Vec<Item>,
    pub plan: Plan,
    pub focus: Field,
    pub fields: Fields,
    /// All of it is in sight, not only the line of a low risk.
    pub is_open: bool,
    /// The first line of the plan in sight.
    pub scroll: usize,
    pub opened: u64,
    /// When the plan was worked out last.
    pub planned: u64,
    /// The cluster changed while this was open.
    pub changed: bool,
}

/// One of the things that are asked about, with the row it was asked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub subject: Subject,
    pub row: RowId,
}

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Instance {
        verb: InstanceVerb,
        node: usize,
        instance: String,
        seen: Role,
    },
    Real {
        verb: RealVerb,
        service: ServiceKey,
        real: DestinationKey,
    },
    /// What the node answered to a dry run.
    Reload {
        node: usize,
        preview: String,
    },
    /// No automatic preemption on any node; or that again.
    Pause {
        resume: bool,
    },
    /// One change by node and number: what was told to several nodes is one change.
    Undo {
        told: Vec<(usize, u64)>,
    },
    Stage(StageAction),
    /// `run`: leaving may stop the engine. Else: something would undo itself.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceVerb {
    Demote,
    Restore,
    Takeover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealVerb {
    Drain,
    Maint,
    /// The rest of a drain.
    Reset,
    Return,
    Weight,
}

impl RealVerb {
    /// Whether the server takes no new connections after it.
    pub const fn takes_out(self) -> bool {
        matches!(self, Self::Drain | Self::Maint)
    }
}

impl Subject {
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Instance { verb: InstanceVerb::Demote, .. } => "demote",
            Self::Instance { verb: InstanceVerb::Restore, .. } => "restore",
            Self::Instance { verb: InstanceVerb::Takeover, .. } => "takeover",
            Self::Real { verb: RealVerb::Drain, .. } => "drain",
            Self::Real { verb: RealVerb::Maint, .. } => "maint",
            Self::Real { verb: RealVerb::Reset, .. } => "reset",
            Self::Real { verb: RealVerb::Return, .. } => "return",
            Self::Real { verb: RealVerb::Weight, .. } => "weight",
            Self::Reload { .. } => "reload",
            Self::Pause { resume: false } => "pause",
            Self::Pause { resume: true } => "resume",
            Self::Undo { .. } => "undo",
            Self::Stage(_) => "stage",
            Self::Leave => "leave",
        }
    }

    /// Whether it changes the cluster: then it has a reason.
    pub const fn is_command(&self) -> bool {
        !matches!(self, Self::Stage(_) | Self::Leave)
    }

    /// Whether what it asks for stands until it is lifted: then it has an end.
    pub const fn holds(&self) -> bool {
        matches!(
            self,
            Self::Instance { verb: InstanceVerb::Demote | InstanceVerb::Takeover, .. }
                | Self::Real { verb: RealVerb::Drain | RealVerb::Maint | RealVerb::Weight, .. }
                | Self::Pause { resume: false }
        )
    }

    /// Whether it can undo itself unless it is kept.
    pub const fn reverts(&self) -> bool {
        self.holds()
            || matches!(
                self,
                Self::Instance { verb: InstanceVerb::Restore, .. }
                    | Self::Real { verb: RealVerb::Return, .. }
                    | Self::Reload { .. }
                    | Self::Pause { resume: true }
                    | Self::Undo { .. }
            )
    }
}

impl Item {
    /// What the operator calls it.
    pub fn name(&self, model: &Model) -> String {
        match &self.subject {
            Subject::Instance { instance, .. } => instance.clone(),
            Subject::Real { real, .. } => facts::server_name(&model.live, real),
            Subject::Reload { node, .. } => model.live.nodes.get(*node).map_or("?", |n| n.name()).to_owned(),
            other => other.verb().to_owned(),
        }
    }
}

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The buttons, Cancel first.
    Button(usize),
    /// The name, typed where the risk is high.
    Name,
    Reason,
    Mode,
    Weight,
    Deadline,
    Then,
    Persistence,
    SlowStart,
    Scope,
    /// How long it is to hold.
    Hold,
    /// What happens then.
    After,
    /// It undoes itself unless it is kept.
    Keep,
}

impl Field {
    /// Takes whatever is typed.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Reason)
    }

    /// A number or a time is typed.
    pub const fn is_value(self) -> bool {
        matches!(self, Self::Weight | Self::Deadline | Self::SlowStart | Self::Hold)
    }
}

impl Question {
    pub fn new(model: &Model, items: Vec<Item>) -> Self {
        let fields = Fields::of(model, &items);
        let plan = plan::of(model, &items, fields.wish());
        let asks_weight =
            matches!(items.as_slice(), [Item { subject: Subject::Real { verb: RealVerb::Weight, .. }, .. }]);
        let focus = if asks_weight { Field::Weight } else { Field::Button(0) };
        Self {
            items,
            plan,
            focus,
            fields,
            is_open: false,
            scroll: 0,
            opened: model.now,
            planned: model.now,
            changed: false,
        }
    }

    /// The first of what is asked about: all have the same verb.
    pub fn subject(&self) -> &Subject {
        self.items.first().map_or(&Subject::Leave, |i| &i.subject)
    }

    /// One line at the bottom is all there is of it.
    pub fn is_line(&self) -> bool {
        self.plan.risk == Some(Risk::Low) && !self.is_open && self.subject().is_command()
    }

    fn is_at_least(&self, risk: Risk) -> bool {
        self.plan.risk >= Some(risk)
    }

    /// In the demo nothing is at stake, and nobody reads the log.
    pub fn needs_reason(&self, model: &Model) -> bool {
        self.is_at_least(Risk::Medium) && self.subject().is_command() && model.mode == Mode::Live
    }

    pub fn needs_name(&self) -> bool {
        self.plan.risk == Some(Risk::High)
    }

    pub fn is_refused(&self) -> bool {
        self.plan.risk == Some(Risk::Refused)
    }

    /// The fields in the order of Tab: Cancel, what must be typed, the deed, then what describes it.
    pub fn tab_order(&self, model: &Model) -> Vec<Field> {
        if self.is_refused() {
            return vec![Field::Button(0)];
        }
        let subject = self.subject();
        let mut first = vec![Field::Button(0)];
        let mut rest = Vec::new();
        if self.needs_name() {
            first.push(Field::Name);
        }
        if self.needs_reason(model) {
            first.push(Field::Reason);
        } else if subject.is_command() {
            rest.push(Field::Reason);
        }
        first.extend((1..self.plan.buttons.len()).map(Field::Button));
        match subject {
            Subject::Instance { verb: InstanceVerb::Demote, .. } => first.push(Field::Mode),
            Subject::Real { verb, .. } => {
                match verb {
                    RealVerb::Weight => first.insert(0, Field::Weight),
                    RealVerb::Drain => {
                        first.extend([Field::Deadline, Field::Then]);
                        if self.plan.is_persistent {
                            first.push(Field::Persistence);
                        }
                    }
                    RealVerb::Return => first.push(Field::SlowStart),
                    RealVerb::Maint | RealVerb::Reset => {}
                }
                first.push(Field::Scope);
            }
            _ => {}
        }
        if subject.holds() {
            first.extend([Field::Hold, Field::After]);
        }
        if subject.reverts() && self.is_at_least(Risk::Medium) {
            first.push(Field::Keep);
        }
        first.extend(rest);
        first
    }

    pub fn move_focus(&mut self, model: &Model, by: isize) {
        let fields = self.tab_order(model);
        let at = fields.iter().position(|f| *f == self.focus).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(fields.len().max(1) as isize) as usize;
        self.focus = fields.get(next).copied().unwrap_or(Field::Button(0));
    }

    /// Left and right go along the buttons, and along the words of a choice.
    pub fn move_button(&mut self, by: isize) -> bool {
        if let Field::Button(at) = self.focus {
            let last = self.plan.buttons.len().saturating_sub(1);
            self.focus = Field::Button(at.saturating_add_signed(by).min(last));
            return false;
        }
        self.fields.toggle(self.focus)
    }

    /// Types into the field that has the keys; false: that field takes no text. What must be typed need not be gone to.
    pub fn type_char(&mut self, model: &Model, c: char) -> bool {
        let starts = c.is_alphanumeric() && c != 'y' && matches!(self.focus, Field::Button(_)) && !self.is_refused();
        if starts && (self.needs_name() || self.needs_reason(model)) {
            let lacks_name = self.needs_name() && !self.has_name();
            self.focus = if lacks_name { Field::Name } else { Field::Reason };
        }
        self.fields.type_char(self.focus, c)
    }

    pub fn has_name(&self) -> bool {
        self.fields.name.trim() == self.plan.name
    }

    /// What has to be typed before the button does anything, and why.
    pub fn missing(&self, model: &Model) -> Option<(Field, String)> {
        if self.needs_name() && !self.has_name() {
            return Some((Field::Name, format!("HIGH risk: type {} to confirm it", self.plan.name)));
        }
        if self.needs_reason(model) && self.fields.reason().is_none() {
            return Some((Field::Reason, "a reason goes to the log: type it, Tab goes on to the button".into()));
        }
        self.fields.wrong(self.subject()).map(|(field, why)| (field, format!("nothing was sent: {why}")))
    }

    /// Works the plan out again after something the operator changed in the question.
    pub fn replan(&mut self, model: &Model) {
        self.plan = plan::of(model, &self.items, self.fields.wish());
        self.planned = model.now;
    }

    /// Works the plan out again after something the cluster changed; if that matters, the keys go back to Cancel and
    /// the name has to be typed again.
    pub fn refresh(&mut self, model: &Model) {
        let before = std::mem::take(&mut self.plan);
        self.replan(model);
        if before != self.plan {
            self.changed = true;
            self.focus = Field::Button(0);
            self.fields.name.clear();
            self.opened = model.now;
        }
    }

    /// What is sent for each item; none for what is no command, and while a number or a time is none.
    pub fn asks(&self, model: &Model) -> Vec<(usize, usize, Ask)> {
        if self.fields.wrong(self.subject()).is_some() {
            return Vec::new();
        }
        let told = self.plan.tells.iter();
        told.filter_map(|(at, node)| Some((*at, *node, self.ask(model, self.items.get(*at)?, *node)?))).collect()
    }

    fn ask(&self, model: &Model, item: &Item, node: usize) -> Option<Ask> {
        let (wish, subject) = (self.fields.wish(), &item.subject);
        let mut ask = Ask::new(command(subject, wish, node)?);
        ask.reason = self.fields.reason();
        ask.session = Some(model.session.clone());
        if subject.holds() {
            ask.hold_seconds = wish.hold;
            // Only what is not usual is said.
            let usual = if matches!(subject, Subject::Pause { .. }) { AtExpiry::Restore } else { AtExpiry::Stay };
            ask.at_expiry = wish.hold.and(Some(wish.at_expiry)).filter(|then| *then != usual);
        }
        if subject.reverts() && self.is_at_least(Risk::Medium) {
            ask.keep_seconds = wish.keep;
        }
        if let Command::Demote { instance, mode: DemoteMode::Fence, seen: Some(Role::Master) } = &ask.command {
            ask.stand_in = stand_in(model, node, instance);
        }
        Some(ask)
    }

    /// The same as command lines: one for all nodes that are told the same, else one for each.
    pub fn command_lines(&self, model: &Model) -> Vec<String> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for (_, node, mut ask) in self.asks(model) {
            // A node that cannot be reached refuses nothing: there is nothing to force.
            ask.force |= self.is_refused() && model.live.is_fresh(node);
            let at = model.live.nodes.get(node).map_or("?", |n| n.label.as_str());
            let quoted =
                ask.reason.as_ref().map_or(String::new(), |r| format!(" --reason '{}'", r.replace('\'', "'\\''")));
            let (head, tail) = (format!("vipdeck {ask}"), quoted);
            let is_real = ask.command.real().is_some();
            match lines.iter_mut().find(|(line, _)| is_real && line.starts_with(&head)) {
                Some((line, _)) => line.extend([" --at ", at]),
                None => lines.push((format!("{head} --at {at}"), tail)),
            }
        }
        lines.into_iter().map(|(head, tail)| head + &tail).collect()
    }

    /// What others are kept from while this is open: where, and what.
    pub fn subjects_to_lock(&self, model: &Model) -> Vec<(usize, String)> {
        let mut all: Vec<(usize, String)> = Vec::new();
        for item in &self.items {
            let ons: Vec<(usize, String)> = match &item.subject {
                Subject::Instance { node, instance, .. } => {
                    let rows = facts::rows(&model.live);
                    let is_it =
                        |r: &&facts::Row| r.members.get(*node).copied().flatten().is_some_and(|i| i.name == *instance);
                    let row = rows.iter().find(is_it);
                    let members = row.map(|r| r.all_fresh(&model.live)).unwrap_or_default();
                    members.into_iter().map(|(n, i)| (n, i.name.clone())).collect()
                }
                Subject::Real { real, .. } => {
                    facts::holders(&model.live, None, real).into_iter().map(|n| (n, real.to_string())).collect()
                }
                Subject::Reload { node, .. } => vec![(*node, "node".into())],
                Subject::Pause { .. } => {
                    let nodes = 0..model.live.nodes.len();
                    nodes.filter(|n| model.live.is_fresh(*n)).map(|n| (n, "node".into())).collect()
                }
                Subject::Undo { told } => {
                    let of = |(n, id): &(usize, u64)| Some((*n, facts::action(&model.live, *n, *id)?.on.clone()));
                    told.iter().filter_map(of).collect()
                }
                Subject::Stage(_) | Subject::Leave => Vec::new(),
            };
            all.extend(ons);
        }
        all.sort();
        all.dedup();
        all
    }
}

/// Who would take an instance from a node, as the plan says.
fn stand_in(model: &Model, node: usize, instance: &str) -> Option<String> {
    let picture = &model.live;
    let rows = facts::rows(picture);
    let row = rows.iter().find(|r| r.members.get(node).copied().flatten().is_some_and(|i| i.name == instance))?;
    let (next, _) = row.stand_in(picture, Some(node))?;
    picture.nodes.get(next).map(|n| n.name().to_owned())
}

fn command(subject: &Subject, wish: Wish, node: usize) -> Option<Command> {
    Some(match subject.clone() {
        Subject::Instance { verb, instance, seen, .. } => match verb {
            InstanceVerb::Demote => Command::Demote { instance, seen: Some(seen), mode: wish.mode },
            InstanceVerb::Restore => Command::Restore { instance },
            InstanceVerb::Takeover => Command::Takeover { instance, seen: Some(seen) },
        },
        Subject::Real { verb, service, real } => {
            let service = (!wish.everywhere).then_some(service);
            match verb {
                RealVerb::Drain => Command::Drain {
                    real,
                    service,
                    deadline_seconds: wish.deadline,
                    then: wish.then,
                    ignore_persistence: wish.ignore_persistence,
                },
                RealVerb::Maint => Command::Maint { real, service },
                RealVerb::Reset => Command::Reset { real, service },
                RealVerb::Return => Command::Return { real, service, slow_start_seconds: wish.slow_start },
                RealVerb::Weight => Command::Weight { real, service, weight: wish.weight? },
            }
        }
        Subject::Reload { .. } => Command::Reload { dry_run: false },
        Subject::Pause { resume: false } => Command::Pause {},
        Subject::Pause { resume: true } => Command::Resume {},
        Subject::Undo { told } => Command::Undo { id: Some(told.iter().find(|(n, _)| *n == node)?.1) },
        Subject::Stage(_) | Subject::Leave => return None,
    })
}
