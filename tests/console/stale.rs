//! A node that stops answering keeps no live glyph past its timeout: every view, pane and pop-up is drawn and scanned.

use crate::fixture::{Console, DARK, Look, draining, hold, snapshot};
use std::sync::Arc;
use vipdeck::console::keymap::{Context, Keymap};
use vipdeck::console::model::{Link, STALE_AFTER, View};
use vipdeck::console::state::State;
use vipdeck::console::update::Msg;
use vipdeck::status::{HoldKind, Snapshot};

/// What only a node that answers may say of itself, or of a server it serves.
const LIVE: [State; 11] = [
    State::Master,
    State::Backup,
    State::Held,
    State::Yielding,
    State::Split,
    State::Up,
    State::Down,
    State::Falling,
    State::Drain,
    State::Drained,
    State::Rising,
];

/// lvs1 in many states; lvs2 has nothing of its own that could have a glyph.
fn nodes() -> (Snapshot, Snapshot) {
    let (mut first, mut second) = (snapshot(1), snapshot(2));
    let mut third = first.instances[1].clone();
    (third.name, third.vrid, third.hold) = ("VI_3".into(), 53, Some(hold(HoldKind::Demoted)));
    first.instances.push(third);
    first.services[1].serving = Some(true);
    draining(&mut first.services[0].reals[0], 5);
    draining(&mut first.services[1].reals[0], 0);
    second.instances.clear();
    second.services.clear();
    (first, second)
}

fn console(look: Look) -> Console {
    let mut console = Console::live(look);
    let (first, second) = nodes();
    console.show(first, second);
    console
}

/// Every view, each of its panes, alone and with the rest, plain and with what Enter and other readers open.
fn places() -> Vec<String> {
    let map = Keymap::load(None).unwrap();
    let opens = map.entries().iter().filter(|e| e.context == Context::Everywhere && !e.action.is_verb());
    let opens: Vec<String> = opens
        .filter_map(|e| e.keys.first().map(ToString::to_string))
        .filter(|k| k.chars().count() == 1 && !"qfty/:".contains(k.as_str()) && !k.chars().all(|c| c.is_ascii_digit()))
        .collect();
    let mut places = Vec::new();
    for view in 1..=7 {
        for tabs in 0..3 {
            let at = format!("{view}{}", "<Tab>".repeat(tabs));
            places.extend(["", "z", "<Enter>", "j<Enter>", "jj<Enter>"].map(|more| format!("{at}{more}")));
            if tabs == 0 {
                places.extend(opens.iter().map(|open| format!("{at}{open}")));
            }
        }
    }
    places
}

fn live_glyphs(console: &Console) -> Vec<&'static str> {
    let screen = console.screen();
    LIVE.iter().map(|s| s.glyph()).filter(|g| screen.contains(g)).collect()
}

fn silent(console: &mut Console) {
    // lvs2 goes on answering; lvs1's link looks open.
    console.pass(STALE_AFTER + 1);
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(Arc::new(nodes().1)) });
}

fn lost(console: &mut Console) {
    console.tell(Msg::Link { node: 0, link: Link::Lost { since: 0, why: "reset".into() } });
}

// console-design 1.2 2
#[test]
fn no_cell_of_a_node_that_does_not_answer_keeps_a_live_glyph() {
    assert!(View::ALL.iter().all(|v| v.number() <= 7));
    for (width, height) in [(120, 36), (80, 24)] {
        let look = DARK.size(width, height);
        let mut seen = std::collections::BTreeSet::new();
        let few = places().into_iter().filter(|p| width == 120 || !p.contains("<Tab>"));
        for (n, place) in few.enumerate() {
            for cut in [silent, lost].into_iter().skip(n % 2).take(if width == 120 { 2 } else { 1 }) {
                // First there, then cut: what is open stays open. Or the other way round.
                let mut there = console(look);
                there.keys(&place);
                seen.extend(live_glyphs(&there));
                cut(&mut there);
                assert_eq!(live_glyphs(&there), Vec::<&str>::new(), "{place}\n{}", there.screen());
                let mut later = console(look);
                cut(&mut later);
                later.keys(&place);
                assert_eq!(live_glyphs(&later), Vec::<&str>::new(), "{place}\n{}", later.screen());
            }
        }
        let names: Vec<&str> = seen.into_iter().collect();
        assert!(names.len() >= 6, "the scan must find what it scans for while the node answers: {names:?}");
    }
}

// console-design 1.2 2
#[test]
fn the_first_line_and_the_alarms_say_who_is_not_fresh_and_since_when() {
    let mut console = console(DARK);
    assert!(console.screen().contains("2/2 nodes fresh"));
    silent(&mut console);
    let screen = console.screen();
    assert!(
        screen.contains("1/2 nodes fresh") && screen.contains("STALE: lvs1 does not answer, since 12:04:31"),
        "{screen}"
    );
}

/// Every state of a column as a terminal without colour, or without Unicode, shows it: glyph, word and attributes.
// console-design 1.2 20
#[test]
fn without_colour_and_in_ascii_no_two_states_look_alike() {
    use vipdeck::console::state::ascii;
    use vipdeck::console::theme::{self, Depth};
    for theme in theme::all(Depth::None).unwrap() {
        for in_ascii in [false, true] {
            let mut seen = std::collections::BTreeMap::new();
            for state in State::ALL {
                let label: String = if in_ascii { state.label().chars().map(ascii).collect() } else { state.label() };
                assert!(!in_ascii || label.is_ascii(), "{label}");
                let style = theme.style(state.ink());
                assert!(style.fg.is_none() && style.bg.is_none());
                // The word alone must do: a reader may not see the attributes.
                let other = seen.insert(label.to_lowercase(), state);
                assert!(other.is_none(), "{state:?} and {other:?} both look like {label}");
            }
        }
    }
}
