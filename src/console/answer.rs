//! Keys inside a question, and what is sent when it is answered.

use super::action::Action;
use super::ask;
use super::model::{Asked, Modal, Model, Tone};
use super::question::{Field, Question, Risk, Subject};
use super::update::{About, Effect, say};
use crate::console::Left;
use crate::status::Ask;

pub(super) fn act_in_question(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Modal::Question(mut question)) = model.modal.take() else { return Vec::new() };
    let mut pressed = None;
    match action {
        Action::Back => return Vec::new(),
        Action::NextField => question.move_focus(1),
        Action::PreviousField => question.move_focus(-1),
        Action::Left => question.move_button(-1),
        Action::Right => question.move_button(1),
        Action::Toggle if question.toggle() => question.replan(model),
        Action::Press => match question.focus {
            Field::Button(button) => pressed = Some(button),
            Field::Scope | Field::Then | Field::Persistence => {
                question.toggle();
                question.replan(model);
            }
            Field::Reason | Field::Weight | Field::Deadline | Field::SlowStart => question.move_focus(1),
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

fn confirmed(model: &mut Model, question: Box<Question>, button: usize) -> Vec<Effect> {
    match &question.subject {
        Subject::Leave if button == 1 => vec![Effect::Leave(Left::Detached)],
        Subject::Leave => vec![Effect::Leave(Left::StopEngine)],
        Subject::Stage(action) => vec![Effect::Stage(action.clone())],
        Subject::Instance { .. } | Subject::Real { .. } | Subject::Reload { .. } => {
            let Some(command) = question.command() else {
                say(model, Tone::Bad, "nothing was sent: a weight is a number, a time is 90s, 10m or 2h");
                model.modal = Some(Modal::Question(question));
                return Vec::new();
            };
            let verb = command.verb();
            let ask = Ask { reason: question.reason(), ..Ask::new(command) };
            if question.plan.nodes.is_empty() {
                say(model, Tone::Bad, "nothing was sent: no fresh node to tell");
            }
            let mut effects = Vec::new();
            for &node in &question.plan.nodes {
                let (row, before) = (question.row.clone(), ask::looks(model, &question.row, node));
                model.asked.push(Asked { node, row: row.clone(), verb, at: model.now, before });
                effects.push(Effect::Send {
                    node,
                    ask: Box::new(ask.clone()),
                    about: About::Command { node, row, verb },
                });
            }
            effects
        }
    }
}
