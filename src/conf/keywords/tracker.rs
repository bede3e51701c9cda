//! `track_file` and `vrrp_track_process`.

use super::Takes::{Factor, Nothing, Seconds, Text, Whole, Words};
use super::{Keyword, key, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, Failed, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::time::Duration;

pub(in crate::conf) struct FileDraft {
    pub name: String,
    pub span: Span,
    pub path: Option<Spanned<String>>,
    /// None: not written.
    pub weight: Option<(i32, bool)>,
    pub init: Option<Spanned<Vec<String>>>,
    pub failed: Failed,
}

pub(super) fn lower_file(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(Spanned { value: name, span }) = cx.name(statement) else { return };
    let mut draft = FileDraft { name, span, path: None, weight: None, init: None, failed: Failed::new() };
    draft.failed = walk(cx, "track_file", FILE, &mut draft, &body.statements);
    if let Some(first) = root.files.iter().find(|f| f.name == draft.name) {
        cx.report(twice("duplicate-file", "track_file", &draft.name, draft.span, first.span));
        return;
    }
    root.files.push(draft);
}

pub(in crate::conf) const FILE: &[Keyword<FileDraft>] = &[
    key(
        "file",
        "required",
        "The file; the number in it counts. Missing, empty or no number: 0",
        Text { what: "PATH", set: |d, v| d.path = Some(v) },
    ),
    key(
        "weight",
        "1",
        "The number is multiplied by it and added to the priority; −254 and less is a fault. 0: any number but 0 is a fault",
        Factor(|d, v| d.weight = Some(v.value)),
    ),
    key(
        "init_file",
        "0",
        "Written at the start, not at a reload, where there is no file; with `overwrite` in any case",
        Words { what: "[VALUE] [overwrite]", set: |d, v| d.init = Some(v) },
    ),
];

pub(in crate::conf) struct ProcessDraft {
    pub name: String,
    pub span: Span,
    pub command: Option<Spanned<Vec<String>>>,
    /// `param_match`: one word, or none.
    pub matching: Option<Spanned<Vec<String>>>,
    pub full_command: bool,
    pub weight: (i32, bool),
    pub quorum: Option<u32>,
    pub quorum_max: Option<Spanned<i64>>,
    pub fork_delay: Duration,
    pub terminate_delay: Duration,
    pub failed: Failed,
}

pub(super) fn lower_process(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(Spanned { value: name, span }) = cx.name(statement) else { return };
    let mut draft = ProcessDraft {
        name,
        span,
        command: None,
        matching: None,
        full_command: false,
        weight: (0, false),
        quorum: None,
        quorum_max: None,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "vrrp_track_process", PROCESS, &mut draft, &body.statements);
    if let Some(first) = root.processes.iter().find(|p| p.name == draft.name) {
        cx.report(twice("duplicate-process", "vrrp_track_process", &draft.name, draft.span, first.span));
        return;
    }
    root.processes.push(draft);
}

fn twice(id: &'static str, block: &str, name: &str, at: Span, before: Span) -> Diagnostic {
    Diagnostic::error(id, format!("a second {block} named `{name}`"))
        .at(at, "defined again")
        .at(before, "first defined here")
        .help("give it another name, or remove one of them")
}

/// keepalived's limits of its delays: a microsecond and an hour.
const DELAY: (u64, u64) = (1, 3_600_000_000);

pub(in crate::conf) const PROCESS: &[Keyword<ProcessDraft>] = &[
    key(
        "process",
        "required",
        "What is counted: processes of this name; with arguments, of this command as it was started",
        Words { what: "PROGRAM [ARGUMENT …]", set: |d, v| d.command = Some(v) },
    ),
    key(
        "param_match",
        "exact",
        "How arguments count: all of them; `partial`: the first ones; `initial`: the last one may go on, and more may follow",
        Words { what: "[initial|partial]", set: |d, v| d.matching = Some(v) },
    ),
    key(
        "full_command",
        "off",
        "Compares the command as it was started, not the process's name",
        Nothing(|d, _| d.full_command = true),
    ),
    key(
        "weight",
        "0",
        "0: without the quorum a fault. Positive: added while there is a quorum. Negative: added while there is none",
        Factor(|d, v| d.weight = v.value),
    ),
    key(
        "quorum",
        "1, or 0 with a quorum_max of 0",
        "The least number of processes",
        Whole { min: 1, max: 65535, unit: "", bare: None, set: |d, v| d.quorum = u32::try_from(v.value).ok() },
    ),
    key(
        "quorum_max",
        "none",
        "The greatest number of processes; 0 without a quorum: none may run",
        Whole { min: 0, max: 65535, unit: "", bare: None, set: |d, v| d.quorum_max = Some(v) },
    ),
    key(
        "fork_delay",
        "0",
        "From a fork that changes the verdict until that counts",
        Seconds { min: DELAY.0, max: DELAY.1, set: |d, v| d.fork_delay = v.value },
    ),
    key(
        "terminate_delay",
        "0",
        "From an end that changes the verdict until that counts",
        Seconds { min: DELAY.0, max: DELAY.1, set: |d, v| d.terminate_delay = v.value },
    ),
    key(
        "delay",
        "0",
        "Both delays",
        Seconds { min: DELAY.0, max: DELAY.1, set: |d, v| (d.fork_delay, d.terminate_delay) = (v.value, v.value) },
    ),
];
