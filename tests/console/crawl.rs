//! Random keys: nothing panics, Esc always gets out, nothing is sent without a question.

use crate::fixture::{Console, DARK, snapshot};
use proptest::prelude::*;
use std::sync::Arc;
use vipdeck::console::keymap::Keymap;
use vipdeck::console::model::Link;
use vipdeck::console::update::Msg;
use vipdeck::status::Mode;

/// Every key of the table, letters, and what comes from outside.
#[derive(Clone, Debug)]
enum Step {
    Keys(String),
    Pass(u64),
    Lose(usize),
    Word(u8),
    Silence(usize),
    Resize(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let map = Keymap::load(None).unwrap();
    let named = |k: &vipdeck::console::keymap::Keys| match k.to_string() {
        one if one.chars().count() == 1 => match one.as_str() {
            "↑" => "<Up>".into(),
            "↓" => "<Down>".into(),
            "←" => "<Left>".into(),
            "→" => "<Right>".into(),
            _ => one,
        },
        two if two == "gg" => two,
        word => format!("<{word}>"),
    };
    let keys: Vec<String> = map.entries().iter().flat_map(|e| e.keys.iter().map(named)).collect();
    prop_oneof![
        12 => prop::sample::select(keys).prop_map(Step::Keys),
        2 => "[a-z0-9]".prop_map(Step::Keys),
        2 => (0u64..4_000_000).prop_map(Step::Pass),
        1 => (0usize..2).prop_map(Step::Lose),
        2 => (1u8..3).prop_map(Step::Word),
        1 => (0usize..2).prop_map(Step::Silence),
        1 => (1u16..200, 1u16..60).prop_map(|(w, h)| Step::Resize(w, h)),
    ]
}

fn take(console: &mut Console, step: &Step) {
    match step {
        Step::Keys(keys) => drop(console.keys(keys)),
        Step::Pass(micros) => console.pass(*micros),
        Step::Lose(node) => {
            console.tell(Msg::Link { node: *node, link: Link::Lost { since: 0, why: "cut".into() } });
        }
        Step::Word(node) => {
            let at = usize::from(*node) - 1;
            console.tell(Msg::Link { node: at, link: Link::Live });
            console.tell(Msg::Snapshot { node: at, snapshot: Some(Arc::new(snapshot(*node))) });
        }
        Step::Silence(node) => console.tell(Msg::Snapshot { node: *node, snapshot: None }),
        Step::Resize(width, height) => {
            console.tell(Msg::Resize(ratatui::layout::Size { width: *width, height: *height }));
        }
    }
}

/// Between a resize and its message the terminal and the model disagree.
#[test]
fn a_terminal_of_another_size_than_the_model_thinks_is_drawn_all_the_same() {
    use ratatui::{Terminal, backend::TestBackend};
    for (width, height) in [(1, 1), (10, 3), (59, 15), (119, 30), (250, 80)] {
        for keys in ["", "2", "3", "4", "?", "D", "<Enter>", "3jD", "z", "<Tab>"] {
            for size in [(120, 36), (100, 30), (80, 24), (60, 16), (20, 5)] {
                let mut console = Console::staged(DARK.size(size.0, size.1), Mode::Lab);
                console.keys(keys);
                let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
                terminal.draw(|frame| vipdeck::console::screens::draw(&console.model, frame)).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_keys_at_any_size_draw_and_esc_gets_out(steps in prop::collection::vec(step(), 1..120), lab: bool) {
        let mut console = Console::staged(DARK, if lab { Mode::Lab } else { Mode::Live });
        for step in &steps {
            take(&mut console, step);
            let _picture = console.buffer();
        }
        console.tell(Msg::Resize(ratatui::layout::Size { width: 80, height: 24 }));
        console.keys("<Esc><Esc><Esc><Esc><Esc><Esc><Esc>");
        let model = &console.model;
        prop_assert!(model.modal.is_none() && !model.filtering && model.filter.is_empty());
        prop_assert!(model.frozen.is_none() && !model.zoomed && model.column.is_none() && model.marked.is_empty());
    }
}
