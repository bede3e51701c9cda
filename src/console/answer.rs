//! Keys inside a question, and what is sent when it is answered.

use super::action::Action;
use super::ask;
use super::changes::{Batch, Part};
use super::model::{Modal, Model, Tone};
use super::plan::Risk;
use super::question::{Field, Question, Subject};
use super::update::{Effect, say};
use crate::console::Left;

pub(super) fn act_in_question(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Modal::Question(mut question)) = model.modal.take() else { return Vec::new() };
    let mut pressed = None;
    match action {
        Action::Back => return Vec::new(),
        // The line of a low risk opens first: its button has the keys then.
        Action::NextField | Action::PreviousField | Action::Press if question.is_line() => question.is_open = true,
        Action::NextField => question.move_focus(model, 1),
        Action::PreviousField => question.move_focus(model, -1),
        Action::Left if question.move_button(-1) => question.replan(model),
        Action::Right if question.move_button(1) => question.replan(model),
        Action::HalfPageDown => {
            question.scroll = (question.scroll + 5).min(super::screens::question_scroll_limit(model, &question));
        }
        Action::HalfPageUp => question.scroll = question.scroll.saturating_sub(5),
        Action::Toggle if question.fields.toggle(question.focus) => question.replan(model),
        Action::Press => match question.focus {
            Field::Button(button) => pressed = Some(button),
            field if field.is_text() => {
                say(model, Tone::Info, "Tab goes on to the button: Enter here does nothing, so that a held key cannot");
            }
            field if field.is_value() => question.move_focus(model, 1),
            field => {
                question.fields.toggle(field);
                question.replan(model);
            }
        },
        Action::Confirm if question.plan.risk == Some(Risk::Low) => pressed = Some(1),
        Action::Confirm => say(model, Tone::Info, "y answers low-risk questions only: Tab to the button, then Enter"),
        _ => {}
    }
    match pressed {
        None => model.modal = Some(Modal::Question(question)),
        Some(0) => {}
        Some(button) => return confirmed(model, question, button),
    }
    Vec::new()
}

fn confirmed(model: &mut Model, mut question: Box<Question>, button: usize) -> Vec<Effect> {
    // What was worked out a moment ago may hold no more: a node can have gone silent since.
    question.refresh(model);
    if question.opened == model.now && question.changed {
        say(model, Tone::Bad, "nothing was sent: the cluster has changed, look again");
        model.modal = Some(Modal::Question(question));
        return Vec::new();
    }
    if let Some((field, why)) = question.missing(model) {
        say(model, Tone::Info, why);
        question.is_open = true;
        question.focus = field;
        model.modal = Some(Modal::Question(question));
        return Vec::new();
    }
    match question.subject() {
        Subject::Leave if button == 1 => vec![Effect::Leave(Left::Detached)],
        Subject::Leave => vec![Effect::Leave(Left::StopEngine)],
        Subject::Stage(action) => vec![Effect::Stage(action.clone())],
        _ if !model.is_armed() => {
            say(model, Tone::Bad, "nothing was sent: the time of arming is over, A arms again");
            Vec::new()
        }
        _ => send(model, &question),
    }
}

fn send(model: &mut Model, question: &Question) -> Vec<Effect> {
    let asks = question.asks(model);
    if asks.is_empty() {
        say(model, Tone::Bad, "nothing was sent: no fresh node to tell");
        return Vec::new();
    }
    let verb = question.subject().verb();
    // What was marked was marked for this.
    model.marked.clear();
    let parts = asks.into_iter().filter_map(|(at, node, ask)| {
        let item = question.items.get(at)?;
        let before = ask::looks(model, &item.row, node);
        Some(Part { item: at, node, row: item.row.clone(), name: item.name(model), before, ask, answer: None })
    });
    let batch = Batch::new(verb, parts.collect());
    super::changes::begin(model, batch)
}
