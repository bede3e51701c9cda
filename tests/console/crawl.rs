//! Random keys: nothing panics, Esc always gets out, nothing is sent without a question.

use crate::fixture::{Console, DARK, down, draining, hold, snapshot};
use proptest::prelude::*;
use std::sync::Arc;
use vipdeck::console::keymap::Keymap;
use vipdeck::console::model::{Link, Modal};
use vipdeck::console::update::{Effect, Msg};
use vipdeck::status::{Command, HoldKind, Mode, Role, Snapshot};

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

/// Every key of the table, as the fixture takes them.
fn keys() -> Vec<String> {
    let map = Keymap::load(None).unwrap();
    let named = |k: &vipdeck::console::keymap::Keys| match k.to_string() {
        one if one.chars().count() == 1 => match one.as_str() {
            "↑" => "<Up>".into(),
            "↓" => "<Down>".into(),
            "←" => "<Left>".into(),
            "→" => "<Right>".into(),
            _ => one,
        },
        two if two == "gg" || two == "gt" => two,
        word => format!("<{word}>"),
    };
    map.entries().iter().flat_map(|e| e.keys.iter().map(named)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let keys = keys();
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

/// Numbers that are the same on every machine (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A word of a node in another situation.
fn changed(node: u8, dice: &mut Dice) -> Snapshot {
    let mut s = snapshot(node);
    s.revision += dice.below(1000) as u64;
    let roles = [Role::Master, Role::Backup, Role::Fault, Role::Init];
    for i in &mut s.instances {
        match dice.below(5) {
            0 => i.state = roles[dice.below(4)],
            1 => i.hold = Some(hold(if dice.below(2) == 0 { HoldKind::Demoted } else { HoldKind::Takeover })),
            2 => i.effective_priority = dice.below(255) as u8 + 1,
            _ => {}
        }
    }
    if dice.below(4) == 0 {
        s.instances.truncate(dice.below(3));
    }
    for real in s.services.iter_mut().flat_map(|s| &mut s.reals) {
        match dice.below(6) {
            0 => draining(real, dice.below(3) as u32),
            1 => down(real),
            2 => real.weight_kernel = None,
            _ => {}
        }
    }
    if dice.below(4) == 0 {
        s.services.truncate(dice.below(2));
    }
    s
}

/// What is sent without an answered question: it changes nothing, and a lock only tells what is open.
fn is_harmless(command: &Command) -> bool {
    ["acknowledge", "announce", "check-now", "lock", "unlock"].contains(&command.verb())
        || matches!(command, Command::Note { .. } | Command::Reload { dry_run: true })
}

fn crawl(seed: u64, steps: usize) {
    let mut dice = Dice(seed);
    let sizes = [(120, 36), (100, 30), (80, 24), (60, 16), (30, 8), (200, 60)];
    let keys = keys();
    let mode = if seed.is_multiple_of(2) { Mode::Lab } else { Mode::Live };
    let mut console = Console::staged(DARK, mode);
    for n in 0..steps {
        let asked = matches!(console.model.modal, Some(Modal::Question(_)));
        let opened = console.model.modal.is_some();
        console.effects.clear();
        match dice.below(24) {
            0 => console.pass(dice.below(4_000_000) as u64),
            1 => {
                let node = dice.below(2);
                console.tell(Msg::Link { node, link: Link::Live });
                let word = changed(node as u8 + 1, &mut dice);
                console.tell(Msg::Snapshot { node, snapshot: Some(Arc::new(word)) });
            }
            2 if dice.below(3) == 0 => take(&mut console, &Step::Lose(dice.below(2))),
            3 if dice.below(4) == 0 => {
                let (width, height) = sizes[dice.below(sizes.len())];
                take(&mut console, &Step::Resize(width, height));
            }
            _ => drop(console.keys(&keys[dice.below(keys.len())])),
        }
        for effect in &console.effects {
            if let Effect::Send { ask, .. } = effect {
                assert!(
                    asked || is_harmless(&ask.command),
                    "seed {seed}, step {n}: {} without a question",
                    ask.command
                );
            }
        }
        // A picture after whatever opened or closed, and now and then.
        if opened != console.model.modal.is_some() && n.is_multiple_of(8) || n.is_multiple_of(64) {
            let _picture = console.buffer();
        }
        if n % 1000 == 999 {
            out(&mut console, &format!("seed {seed}, step {n}"));
        }
    }
}

fn out(console: &mut Console, when: &str) {
    take(console, &Step::Resize(80, 24));
    console.keys("<Esc><Esc><Esc><Esc><Esc><Esc><Esc><Esc><Esc>");
    let model = &console.model;
    assert!(model.modal.is_none() && !model.filtering && model.filter.is_empty(), "{when}");
    assert!(model.frozen.is_none() && !model.zoomed && model.column.is_none(), "{when}");
}

#[test]
fn a_hundred_thousand_random_steps_panic_nowhere_and_send_nothing_without_a_question() {
    let threads: Vec<_> = (1..=4).map(|seed| std::thread::spawn(move || crawl(seed, 25_000))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

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
