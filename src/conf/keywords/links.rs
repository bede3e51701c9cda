//! Blocks about links.

use super::root;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, lines, link};
use crate::conf::model::LinkDelay;
use crate::conf::source::Spanned;
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::time::Duration;

/// keepalived's limit of a delay, in microseconds.
const LONGEST: u64 = 255_000_000;

/// `interface_up_down_delays`.
pub(super) fn delays(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    lines(cx, body, |cx, line| {
        let Some(first) = line.words.first() else { return Ok(()) };
        let name = link(first)?;
        let Some(down) = line.words.get(1) else {
            return Err(Diagnostic::error("missing-argument", format!("`{name}` needs a delay"))
                .at(first.span, "write `INTERFACE DOWN [UP]`, in seconds"));
        };
        let down = value::duration("the down delay", down, 0, LONGEST)?;
        // As keepalived has it; its manual says: as long as the down delay.
        let up = match line.words.get(2) {
            Some(up) => value::duration("the up delay", up, 0, LONGEST)?,
            None => Duration::ZERO,
        };
        cx.no_more_words(line, 3);
        root.link_delays.push((Spanned { value: name, span: first.span }, LinkDelay { down, up }));
        Ok(())
    });
}
