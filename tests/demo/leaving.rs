//! The end: the terminal is as it was.

use crate::cluster::settled;
use crate::terminal::{Ended, Setup};
use nix::sys::signal::Signal;

fn is_as_before(ended: &Ended) {
    let Ended { in_alternate_screen, cursor_hidden, reports_mouse, marks_pastes, is_raw, .. } = ended;
    let left = [*in_alternate_screen, *cursor_hidden, *reports_mouse, *marks_pastes, *is_raw];
    assert_eq!(left, [false; 5], "alternate screen, hidden cursor, mouse, paste, raw mode");
    let has = |sequence: &[u8]| ended.output.windows(sequence.len()).any(|w| w == sequence);
    assert!(has(b"\x1b[?1049h") && has(b"\x1b[?1049l") && has(b"\x1b[?25h"));
}

#[test]
fn q_and_control_c_leave_at_once() {
    for key in ["q", "\x03"] {
        let mut console = settled();
        assert!(console.is_raw());
        console.press(key);
        let ended = console.ended();
        assert!(ended.status.success(), "{:?}", ended.status);
        is_as_before(&ended);
    }
}

#[test]
fn signals_end_it_in_good_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let console = settled();
        console.signal(signal);
        let ended = console.ended();
        assert!(ended.status.success(), "{signal}: {:?}", ended.status);
        is_as_before(&ended);
    }
}

#[test]
fn a_signal_ends_it_in_the_middle_of_a_question() {
    let mut console = settled();
    console.press_until("D", "the question", |page| page.has("[[ Cancel ]]"));
    console.signal(Signal::SIGTERM);
    is_as_before(&console.ended());
}

#[test]
fn an_unknown_scenario_is_an_error_without_a_screen() {
    let ended = Setup::new(&["triple-master"]).start().ended();
    assert_eq!(ended.status.code(), Some(2));
    let text = String::from_utf8_lossy(&ended.output);
    assert!(
        text.contains("triple-master") && text.contains("dual-master-dr") && !text.contains("\x1b[?1049h"),
        "{text}"
    );
}

#[test]
fn a_terminal_that_can_show_nothing_is_refused() {
    let ended = Setup::new(&[]).variable("TERM", "dumb").start().ended();
    assert!(!ended.status.success());
    let text = String::from_utf8_lossy(&ended.output);
    assert!(text.contains("needs a terminal") && !text.contains('\x1b'), "{text}");
}
