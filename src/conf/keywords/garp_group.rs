//! `garp_group`.

use super::Takes::{Block, Link, Seconds};
use super::{Keyword, key, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, names, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::net::LinkName;
use crate::time::Duration;

#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub span: Option<Span>,
    pub garp_interval: Option<Duration>,
    pub gna_interval: Option<Duration>,
    pub link: Option<Spanned<LinkName>>,
    pub links: Vec<Spanned<LinkName>>,
    /// Something in it was refused: what is missing has been told.
    pub is_faulty: bool,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let mut draft = Draft { span: statement.words.first().map(|word| word.span), ..Draft::default() };
    draft.is_faulty |= !walk(cx, "garp_group", TABLE, &mut draft, &body.statements).is_empty();
    let link = draft.link.take();
    draft.links.extend(link);
    root.garp_groups.push(draft);
}

fn links(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let mut words = Vec::new();
    names(cx, body, &mut words);
    for word in words {
        match LinkName::new(&word.value) {
            Ok(link) => draft.links.push(Spanned { value: link, span: word.span }),
            Err(error) => {
                cx.report(Diagnostic::error("bad-interface", error.to_string()).at(word.span, ""));
                draft.is_faulty = true;
            }
        }
    }
}

/// The largest number of microseconds that keepalived takes.
const LONGEST: u64 = 4_294_967_295;

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "garp_interval",
        "none",
        "The least time between two gratuitous ARPs of these links together",
        Seconds { min: 1, max: LONGEST, set: |d, v| d.garp_interval = Some(v.value) },
    ),
    key(
        "gna_interval",
        "none",
        "The least time between two unsolicited neighbour advertisements of these links together",
        Seconds { min: 1, max: LONGEST, set: |d, v| d.gna_interval = Some(v.value) },
    ),
    key("interface", "", "One of the links", Link(|d, v| d.link = Some(v))),
    key("interfaces", "", "The links", Block { head: "", lower: links }),
];
