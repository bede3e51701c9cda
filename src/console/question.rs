//! A question before something is changed: what would happen, worked out from the state on screen, and what speaks
//! against it. Cancel has the keys first.

use super::model::{Model, RowId};
use super::plan::{self, Plan};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{AtDeadline, Command, DemoteMode, Role, StageAction};
use crate::time::typed_seconds;

/// Input is ignored for this long after a question opens, in microseconds: a held key or a paste confirms nothing.
pub const GUARD: u64 = 300_000;

/// How long a reason may be.
const REASON_LIMIT: usize = 200;

#[derive(Debug)]
pub struct Question {
    pub subject: Subject,
    pub row: RowId,
    pub plan: Plan,
    pub focus: Field,
    pub reason: String,
    /// The weight as typed.
    pub weight: String,
    /// The time of a drain as typed; none: it has no end.
    pub deadline: String,
    /// What happens then.
    pub then: AtDeadline,
    pub ignore_persistence: bool,
    /// The time of a slow start as typed; none: the whole weight at once.
    pub slow_start: String,
    /// Drain, return, weight: in every service that has the server, not only in this one.
    pub everywhere: bool,
    pub opened: u64,
    /// The cluster changed while this was open.
    pub changed: bool,
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
    Stage(StageAction),
    /// `run`: leaving may stop the engine.
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

/// Low: `y` does it. Medium: only the button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    Low,
    Medium,
}

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The buttons, Cancel first.
    Button(usize),
    Reason,
    Weight,
    Deadline,
    Then,
    Persistence,
    SlowStart,
    Scope,
}

/// What has been typed and chosen, as far as it makes sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub everywhere: bool,
    pub weight: Option<u32>,
    pub deadline: Option<u32>,
    pub then: AtDeadline,
    pub ignore_persistence: bool,
    pub slow_start: Option<u32>,
}

impl Question {
    pub fn new(model: &Model, subject: Subject, row: RowId) -> Self {
        let weight = plan::weight_now(model, &subject);
        let wish = Wish { weight: parse_weight(&weight), ..Wish::default() };
        let plan = plan::of(model, &subject, wish);
        let focus = match subject {
            Subject::Real { verb: RealVerb::Weight, .. } => Field::Weight,
            _ => Field::Button(0),
        };
        Self {
            subject,
            row,
            plan,
            focus,
            reason: String::new(),
            weight,
            deadline: String::new(),
            then: AtDeadline::Ask,
            ignore_persistence: false,
            slow_start: String::new(),
            everywhere: false,
            opened: model.now,
            changed: false,
        }
    }

    /// The fields in the order of Tab: Cancel, the deed, then what describes it.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = (0..self.plan.buttons.len()).map(Field::Button).collect();
        match self.subject {
            Subject::Instance { .. } | Subject::Reload { .. } => fields.push(Field::Reason),
            Subject::Real { verb: RealVerb::Weight, .. } => {
                fields.extend([Field::Scope, Field::Reason]);
                fields.insert(0, Field::Weight);
            }
            Subject::Real { verb: RealVerb::Drain, .. } => {
                fields.extend([Field::Deadline, Field::Then]);
                if self.plan.is_persistent {
                    fields.push(Field::Persistence);
                }
                fields.extend([Field::Scope, Field::Reason]);
            }
            Subject::Real { verb: RealVerb::Return, .. } => {
                fields.extend([Field::SlowStart, Field::Scope, Field::Reason]);
            }
            Subject::Real { .. } => fields.extend([Field::Scope, Field::Reason]),
            Subject::Stage(_) | Subject::Leave => {}
        }
        fields
    }

    pub fn move_focus(&mut self, by: isize) {
        let fields = self.fields();
        let at = fields.iter().position(|f| *f == self.focus).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(fields.len().max(1) as isize) as usize;
        self.focus = fields.get(next).copied().unwrap_or(Field::Button(0));
    }

    /// Left and right go along the buttons only.
    pub fn move_button(&mut self, by: isize) {
        if let Field::Button(at) = self.focus {
            let last = self.plan.buttons.len().saturating_sub(1);
            self.focus = Field::Button(at.saturating_add_signed(by).min(last));
        }
    }

    /// Types into the field that has the keys; false: that field takes no text.
    pub fn type_char(&mut self, c: char) -> bool {
        match self.focus {
            Field::Reason => {
                if !c.is_control() && self.reason.chars().count() < REASON_LIMIT {
                    self.reason.push(c);
                }
                true
            }
            Field::Weight => {
                let is_digit = c.is_ascii_digit() && self.weight.len() < 5;
                if is_digit {
                    self.weight.push(c);
                }
                is_digit
            }
            Field::Deadline | Field::SlowStart => {
                let text = if self.focus == Field::Deadline { &mut self.deadline } else { &mut self.slow_start };
                let fits = (c.is_ascii_digit() || "smh".contains(c)) && text.len() < 6;
                if fits {
                    text.push(c);
                }
                fits
            }
            Field::Button(_) | Field::Scope | Field::Then | Field::Persistence => false,
        }
    }

    /// Turns a switch, or goes to the next of several words; false: that field is neither.
    pub fn toggle(&mut self) -> bool {
        match self.focus {
            Field::Scope => self.everywhere = !self.everywhere,
            Field::Persistence => self.ignore_persistence = !self.ignore_persistence,
            Field::Then => {
                let all = AtDeadline::ALL;
                let next = all.iter().position(|a| *a == self.then).map_or(0, |at| (at + 1) % all.len());
                self.then = all.get(next).copied().unwrap_or_default();
            }
            Field::Button(_) | Field::Reason | Field::Weight | Field::Deadline | Field::SlowStart => return false,
        }
        true
    }

    pub fn erase(&mut self) {
        match self.focus {
            Field::Reason => drop(self.reason.pop()),
            Field::Weight => drop(self.weight.pop()),
            Field::Deadline => drop(self.deadline.pop()),
            Field::SlowStart => drop(self.slow_start.pop()),
            Field::Button(_) | Field::Scope | Field::Then | Field::Persistence => {}
        }
    }

    fn wish(&self) -> Wish {
        let seconds = |text: &str| typed_seconds(text).ok();
        Wish {
            everywhere: self.everywhere,
            weight: parse_weight(&self.weight),
            deadline: seconds(&self.deadline),
            then: self.then,
            ignore_persistence: self.ignore_persistence,
            slow_start: seconds(&self.slow_start),
        }
    }

    /// What is typed and no time.
    fn has_no_time(&self) -> bool {
        [&self.deadline, &self.slow_start].into_iter().any(|text| !text.is_empty() && typed_seconds(text).is_err())
    }

    /// Works the plan out again after something the operator changed in the question.
    pub fn replan(&mut self, model: &Model) {
        self.plan = plan::of(model, &self.subject, self.wish());
    }

    /// Works the plan out again after something the cluster changed; if that matters, the keys go back to Cancel.
    pub fn refresh(&mut self, model: &Model) {
        let before = std::mem::take(&mut self.plan);
        self.replan(model);
        if before != self.plan {
            self.changed = true;
            self.focus = Field::Button(0);
            self.opened = model.now;
        }
    }

    /// The command as it is sent; none for what is no command, and while a number or a time is none.
    pub fn command(&self) -> Option<Command> {
        if self.has_no_time() { None } else { command(&self.subject, self.wish()) }
    }

    pub fn reason(&self) -> Option<String> {
        let reason = self.reason.trim();
        (!reason.is_empty()).then(|| reason.to_owned())
    }

    /// The same as command lines: one for all nodes that are told of a real server, else one for each.
    pub fn command_lines(&self, model: &Model) -> Vec<String> {
        let Some(command) = self.command() else { return Vec::new() };
        let quoted = self.reason().map_or(String::new(), |r| format!(" --reason '{}'", r.replace('\'', "'\\''")));
        let label = |n: &usize| Some(model.live.nodes.get(*n)?.label.clone());
        let nodes = self.plan.nodes.iter().filter_map(label);
        if matches!(self.subject, Subject::Real { .. }) {
            let all: Vec<String> = nodes.map(|at| format!(" --at {at}")).collect();
            return vec![format!("vipdeck {command}{}{quoted}", all.concat())];
        }
        nodes.map(|at| format!("vipdeck {command} --at {at}{quoted}")).collect()
    }
}

fn parse_weight(text: &str) -> Option<u32> {
    text.parse::<u16>().ok().map(u32::from)
}

fn command(subject: &Subject, wish: Wish) -> Option<Command> {
    Some(match subject.clone() {
        Subject::Instance { verb, instance, seen, .. } => match verb {
            InstanceVerb::Demote => Command::Demote { instance, seen: Some(seen), mode: DemoteMode::Yield },
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
        Subject::Stage(_) | Subject::Leave => return None,
    })
}
