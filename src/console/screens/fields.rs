//! The fields of a question, a line each.

use super::super::model::{Model, Room};
use super::super::question::{Field, Question, RealVerb, Subject};
use super::super::text;
use super::super::theme::Ink;
use super::canvas::{Line, dim, t};
use crate::status::{AtExpiry, DemoteMode};

/// In the order of the screen: what describes the deed, then what must be typed, just above the buttons.
pub(super) fn lines(model: &Model, question: &Question, width: usize) -> Vec<(Field, Line)> {
    const ORDER: [Field; 11] = [
        Field::Weight,
        Field::Mode,
        Field::Deadline,
        Field::Then,
        Field::Persistence,
        Field::SlowStart,
        Field::Scope,
        Field::Hold,
        Field::Keep,
        Field::Reason,
        Field::Name,
    ];
    let there = question.tab_order(model);
    let mut out = Vec::new();
    for field in ORDER.into_iter().filter(|f| there.contains(f)) {
        if field == Field::Mode && model.room() == Room::Full {
            out.extend(modes(question).map(|line| (field, line)));
        } else {
            out.push((field, line(model, question, field, width)));
        }
    }
    out
}

fn line(model: &Model, question: &Question, field: Field, width: usize) -> Line {
    let typed = &question.fields;
    let ink = |of: Field| if question.focus == of { Ink::Field } else { Ink::Text };
    let switch = |on: bool| if on { "[x]" } else { "[ ]" };
    match field {
        Field::Weight => vec![dim("Weight   "), (ink(field), boxed(&typed.weight, 5))],
        Field::Deadline => vec![
            dim("Deadline "),
            (ink(field), boxed(&typed.deadline, 6)),
            dim("  90s, 10m, 2h; none: it drains until it is empty"),
        ],
        Field::Then => vec![
            dim("Then     "),
            (ink(field), format!("[{}]", typed.then)),
            dim("  ask, wait, reset the rest, or return; Space"),
        ],
        Field::Persistence => vec![
            dim("Sticky   "),
            (ink(field), switch(typed.ignore_persistence).into()),
            t(" clients that stick to it go elsewhere"),
            dim("  Space"),
        ],
        Field::SlowStart => vec![
            dim("Slowly   "),
            (ink(field), boxed(&typed.slow_start, 6)),
            dim("  90s, 10m: the weight grows for so long; none: at once"),
        ],
        Field::Scope => vec![
            dim("Where    "),
            (ink(field), switch(typed.everywhere).into()),
            t(format!(" {} in every service that has this server", scope(question.subject()))),
            dim("  Space"),
        ],
        Field::Mode => {
            let other = if typed.mode == DemoteMode::Yield { "fence" } else { "yield" };
            let mut line = vec![dim("Mode     "), (ink(field), format!("(•) {}", typed.mode))];
            line.push(t(format!("  ( ) {other}")));
            line.push(dim(format!("  {}", meaning(typed.mode))));
            line
        }
        Field::Hold => hold(question, width),
        Field::Keep => vec![
            dim("Revert   "),
            (
                ink(field),
                format!("{} undo by itself unless kept within {}", switch(typed.reverts), boxed(&typed.keep, 4)),
            ),
        ],
        Field::Reason => {
            let hint = if question.needs_reason(model) { "  needed: goes to the log" } else { "  goes to the log" };
            vec![dim("Reason   "), (ink(field), tail(&typed.reason, width.saturating_sub(38).max(10))), dim(hint)]
        }
        Field::Name => vec![
            dim("Type     "),
            (ink(field), tail(&typed.name, 20)),
            (Ink::Warn, format!("  the name {}, to confirm it", question.plan.name)),
        ],
        Field::Button(_) | Field::After => Vec::new(),
    }
}

/// How long it holds, and what happens then.
fn hold(question: &Question, width: usize) -> Line {
    let typed = &question.fields;
    let ink = |of: Field| if question.focus == of { Ink::Field } else { Ink::Text };
    let (stay, restore) = match typed.at_expiry {
        AtExpiry::Stay => ("(•)", "( )"),
        AtExpiry::Restore => ("( )", "(•)"),
    };
    let (ask, lift) = if width < 70 { ("ask", "restore") } else { ("an alarm asks", "restore by itself") };
    let then = if width < 70 { " then " } else { "  afterwards  " };
    vec![
        dim("Hold     "),
        (ink(Field::Hold), boxed(&typed.hold, 6)),
        dim(then),
        (ink(Field::After), format!("{stay} {ask}  {restore} {lift}")),
    ]
}

fn boxed(text: &str, cells: usize) -> String {
    format!("[ {} ]", text::left(text, cells))
}

/// The end of a long text is what is being typed.
fn tail(text: &str, room: usize) -> String {
    let skip = text.chars().count().saturating_sub(room);
    let tail: String = text.chars().skip(skip).collect();
    format!("[ {tail} ]")
}

/// Both with what they mean, where there is room.
fn modes(question: &Question) -> [Line; 2] {
    let chosen = question.fields.mode;
    let ink = |mode| if question.focus == Field::Mode && mode == chosen { Ink::Field } else { Ink::Text };
    let line = |head: &str, mode: DemoteMode| {
        let mark = if mode == chosen { "(•)" } else { "( )" };
        vec![dim(head), (ink(mode), format!("{mark} {mode}")), dim(format!("   {}", meaning(mode)))]
    };
    [line("Mode     ", DemoteMode::Yield), line("         ", DemoteMode::Fence)]
}

const fn meaning(mode: DemoteMode) -> &'static str {
    match mode {
        DemoteMode::Yield => "it still takes over if every other falls silent",
        DemoteMode::Fence => "it never takes over until it is restored",
    }
}

const fn scope(subject: &Subject) -> &'static str {
    match subject {
        Subject::Real { verb: RealVerb::Weight, .. } => "set it",
        Subject::Real { verb: RealVerb::Return, .. } => "return it",
        Subject::Real { verb: RealVerb::Maint, .. } => "take it down",
        Subject::Real { verb: RealVerb::Reset, .. } => "reset it",
        _ => "drain it",
    }
}
