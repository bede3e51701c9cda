//! `vrrp_script`.

use super::Takes::{Command, Nothing, Seconds, User, Weight, Whole};
use super::{Keyword, key, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, Failed, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::time::Duration;
use crate::vrrp::RunAs;

pub(in crate::conf) struct Draft {
    pub name: String,
    pub span: Span,
    pub argv: Option<Spanned<Vec<String>>>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub weight: (i32, bool),
    pub rise: u32,
    pub fall: u32,
    pub user: Option<RunAs>,
    pub init_fail: bool,
    /// Keywords that were written and refused.
    pub failed: Failed,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    let mut draft = Draft {
        name: name.value,
        span: name.span,
        argv: None,
        interval: None,
        timeout: None,
        weight: (0, false),
        rise: 1,
        fall: 1,
        user: None,
        init_fail: false,
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "vrrp_script", TABLE, &mut draft, &body.statements);
    if let Some(first) = root.scripts.iter().find(|s| s.name == draft.name) {
        let message = format!("a second vrrp_script named `{}`", draft.name);
        cx.report(
            Diagnostic::error("duplicate-script", message)
                .at(draft.span, "defined again")
                .at(first.span, "first defined here")
                .help("give it another name, or remove one of them"),
        );
        return;
    }
    root.scripts.push(draft);
}

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "script",
        "",
        "The command; exit status 0 is good. No shell runs it. `<FILE` is good while FILE can be read",
        Command(|d, v| d.argv = Some(v)),
    ),
    key(
        "interval",
        "1",
        "From one run to the next",
        Seconds { min: 1000, max: 1_000_000_000_000, set: |d, v| d.interval = Some(v.value) },
    ),
    key(
        "timeout",
        "the interval",
        "A run that takes longer is stopped and bad",
        Seconds { min: 1000, max: 1_000_000_000_000, set: |d, v| d.timeout = Some(v.value) },
    ),
    key(
        "weight",
        "0",
        "0: bad is a fault. Positive: added while good. Negative: added while bad",
        Weight(|d, v| {
            d.weight = v.value;
        }),
    ),
    key(
        "rise",
        "1",
        "Good results in a row until it counts as good",
        Whole {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.rise = u32::try_from(v.value).unwrap_or(1),
        },
    ),
    key(
        "fall",
        "1",
        "Bad results in a row until it counts as bad",
        Whole {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.fall = u32::try_from(v.value).unwrap_or(1),
        },
    ),
    key("user", "script_user", "Who runs it", User(|d, v| d.user = Some(v.value))),
    key("init_fail", "", "Counts as bad until the first result, which decides", Nothing(|d, _| d.init_fail = true)),
];
