//! What is typed and chosen in a question.

use super::model::Model;
use super::plan;
use super::question::{Field, Item, RealVerb, Subject};
use crate::status::{AtDeadline, AtExpiry, DemoteMode};
use crate::time::typed_seconds;

/// How long a reason may be.
const REASON_LIMIT: usize = 200;

/// A hold without an end: this must be chosen.
const NEVER: &str = "never";

/// As typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub name: String,
    pub reason: String,
    pub mode: DemoteMode,
    pub weight: String,
    /// The time of a drain; none: it has no end.
    pub deadline: String,
    /// What happens then.
    pub then: AtDeadline,
    pub ignore_persistence: bool,
    /// The time of a slow start; none: the whole weight at once.
    pub slow_start: String,
    /// Drain, return, weight: in every service that has the server, not only in this one.
    pub everywhere: bool,
    /// How long it holds, or "never".
    pub hold: String,
    pub at_expiry: AtExpiry,
    /// It undoes itself unless it is kept.
    pub reverts: bool,
    pub keep: String,
    /// Fields that nobody has typed into yet: they hold what is usual.
    given: Vec<Field>,
}

/// What has been typed and chosen, as far as it makes sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub mode: DemoteMode,
    pub everywhere: bool,
    pub weight: Option<u32>,
    pub deadline: Option<u32>,
    pub then: AtDeadline,
    pub ignore_persistence: bool,
    pub slow_start: Option<u32>,
    /// Seconds; none: it never ends by itself.
    pub hold: Option<u32>,
    pub at_expiry: AtExpiry,
    /// Seconds; none: it does not undo itself.
    pub keep: Option<u32>,
}

impl Fields {
    pub(super) fn of(model: &Model, items: &[Item]) -> Self {
        let first = items.first().map(|i| &i.subject);
        let weight = first.map_or(String::new(), |s| plan::weight_now(model, s));
        // A server is worked on for a shift, a node for as long as a patch takes.
        let hold = if matches!(first, Some(Subject::Real { .. })) { "8h" } else { "30m" };
        let at_expiry = if matches!(first, Some(Subject::Pause { .. })) { AtExpiry::Restore } else { AtExpiry::Stay };
        Self {
            name: String::new(),
            reason: String::new(),
            mode: DemoteMode::Yield,
            weight,
            deadline: String::new(),
            then: AtDeadline::Ask,
            ignore_persistence: false,
            slow_start: String::new(),
            everywhere: false,
            hold: hold.into(),
            at_expiry,
            reverts: true,
            keep: "60s".into(),
            given: vec![Field::Weight, Field::Hold, Field::Keep],
        }
    }

    fn text(&mut self, field: Field) -> Option<&mut String> {
        Some(match field {
            Field::Name => &mut self.name,
            Field::Reason => &mut self.reason,
            Field::Weight => &mut self.weight,
            Field::Deadline => &mut self.deadline,
            Field::SlowStart => &mut self.slow_start,
            Field::Hold => &mut self.hold,
            Field::Keep => &mut self.keep,
            _ => return None,
        })
    }

    /// Types into a field; false: it takes no such text. What was there from the start gives way.
    pub(super) fn type_char(&mut self, field: Field, c: char) -> bool {
        let fits = match field {
            Field::Name | Field::Reason => !c.is_control(),
            Field::Weight => c.is_ascii_digit(),
            Field::Hold => c.is_ascii_digit() || "smhnevr".contains(c),
            _ => c.is_ascii_digit() || "smh".contains(c),
        };
        let is_first = self.given.contains(&field);
        let limit = if field.is_text() { REASON_LIMIT } else { 6 };
        let Some(text) = self.text(field) else { return false };
        if !fits {
            return field.is_text();
        }
        if is_first {
            text.clear();
        }
        if text.chars().count() < limit {
            text.push(c);
        }
        self.given.retain(|f| *f != field);
        true
    }

    pub(super) fn erase(&mut self, field: Field) {
        self.given.retain(|f| *f != field);
        self.text(field).and_then(String::pop);
    }

    /// Turns a switch, or goes to the next of several words; false: that field is neither.
    pub(super) fn toggle(&mut self, field: Field) -> bool {
        match field {
            Field::Scope => self.everywhere = !self.everywhere,
            Field::Persistence => self.ignore_persistence = !self.ignore_persistence,
            Field::Keep => self.reverts = !self.reverts,
            Field::Mode => {
                self.mode = match self.mode {
                    DemoteMode::Yield => DemoteMode::Fence,
                    DemoteMode::Fence => DemoteMode::Yield,
                }
            }
            Field::After => {
                self.at_expiry = match self.at_expiry {
                    AtExpiry::Stay => AtExpiry::Restore,
                    AtExpiry::Restore => AtExpiry::Stay,
                }
            }
            Field::Then => {
                let all = AtDeadline::ALL;
                let next = all.iter().position(|a| *a == self.then).map_or(0, |at| (at + 1) % all.len());
                self.then = all.get(next).copied().unwrap_or_default();
            }
            _ => return false,
        }
        true
    }

    pub fn wish(&self) -> Wish {
        let seconds = |text: &str| typed_seconds(text).ok();
        Wish {
            mode: self.mode,
            everywhere: self.everywhere,
            weight: self.weight.parse::<u16>().ok().map(u32::from),
            deadline: seconds(&self.deadline),
            then: self.then,
            ignore_persistence: self.ignore_persistence,
            slow_start: seconds(&self.slow_start),
            hold: seconds(&self.hold),
            at_expiry: self.at_expiry,
            keep: seconds(&self.keep).filter(|_| self.reverts),
        }
    }

    /// The first that is typed and makes no sense.
    pub(super) fn wrong(&self, subject: &Subject) -> Option<(Field, &'static str)> {
        let is_time = |text: &str| typed_seconds(text).is_ok();
        let asks_weight = matches!(subject, Subject::Real { verb: RealVerb::Weight, .. });
        let time = "a time is 90s, 10m or 2h";
        let all = [
            (Field::Weight, !asks_weight || self.wish().weight.is_some(), "a weight is a number from 0 to 65535"),
            (Field::Deadline, self.deadline.is_empty() || is_time(&self.deadline), time),
            (Field::SlowStart, self.slow_start.is_empty() || is_time(&self.slow_start), time),
            (
                Field::Hold,
                !subject.holds() || self.hold == NEVER || is_time(&self.hold),
                "a hold ends after 30m or 2h, or `never`: that must be typed",
            ),
            (Field::Keep, !subject.reverts() || !self.reverts || is_time(&self.keep), time),
        ];
        all.into_iter().find(|(_, good, _)| !good).map(|(field, _, why)| (field, why))
    }

    pub fn reason(&self) -> Option<String> {
        let reason = self.reason.trim();
        (!reason.is_empty()).then(|| reason.to_owned())
    }
}
