//! `vrrp_sync_group`.

use super::Takes::{Block, Nothing, Script, Switch};
use super::instance::Track;
use super::{Keyword, key, old, root};
use crate::conf::lower::{Cx, names, track_line, track_lines, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::vrrp::Notify;

pub(in crate::conf) struct Draft {
    pub name: Spanned<String>,
    pub members: Vec<Spanned<String>>,
    pub scripts: Vec<Track>,
    pub bfds: Vec<Track>,
    pub links: Vec<Track>,
    pub files: Vec<Track>,
    pub processes: Vec<Track>,
    /// Weighted trackers of members count.
    pub weights: Option<Span>,
    pub notify: Notify,
    pub smtp_alert: Option<bool>,
    pub priority_changes: Option<bool>,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    let mut draft = Draft {
        name,
        members: Vec::new(),
        scripts: Vec::new(),
        bfds: Vec::new(),
        links: Vec::new(),
        files: Vec::new(),
        processes: Vec::new(),
        weights: None,
        notify: Notify::default(),
        smtp_alert: None,
        priority_changes: None,
    };
    walk(cx, "vrrp_sync_group", TABLE, &mut draft, &body.statements);
    root.groups.push(draft);
}

fn members(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    names(cx, body, &mut draft.members);
}

fn scripts(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    track_line(cx, statement, body, &mut draft.scripts);
}

fn bfds(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    track_line(cx, statement, body, &mut draft.bfds);
}

fn links(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    track_line(cx, statement, body, &mut draft.links);
}

fn files(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    track_lines(cx, statement, body, 254, &mut draft.files);
}

fn processes(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    track_lines(cx, statement, body, 254, &mut draft.processes);
}

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key("group", "required", "The instances that are master together", Block { head: "", lower: members }),
    key("track_script", "", "Scripts that every member tracks, one a line", Block { head: "", lower: scripts }),
    key("track_interface", "", "Links that every member tracks, one a line", Block { head: "", lower: links }),
    key("track_file", "", "Files that every member tracks, one a line", Block { head: "", lower: files }),
    key("track_process", "", "Processes that every member tracks, one a line", Block { head: "", lower: processes }),
    key(
        "sync_group_tracking_weight",
        "off",
        "Weights of the members' trackers count; else only faults do",
        Nothing(|d, at| d.weights = Some(at)),
    ),
    old(
        "global_tracking",
        "sync_group_tracking_weight",
        "off",
        "Weights of the members' trackers count",
        Nothing(|d, at| d.weights = Some(at)),
    ),
    key(
        "notify",
        "",
        "Run on every change of state; GROUP, name, state and 0 are appended",
        Script(|d, c| {
            d.notify.any = Some(c.value);
        }),
    ),
    key("notify_master", "", "Run on becoming MASTER", Script(|d, c| d.notify.master = Some(c.value))),
    key("notify_backup", "", "Run on becoming BACKUP", Script(|d, c| d.notify.backup = Some(c.value))),
    key("notify_fault", "", "Run on a fault", Script(|d, c| d.notify.fault = Some(c.value))),
    key("notify_stop", "", "Run at the end", Script(|d, c| d.notify.stop = Some(c.value))),
    key(
        "smtp_alert",
        "smtp_alert_vrrp, smtp_alert",
        "Mail when the state of the group changes",
        Switch(|d, v| d.smtp_alert = Some(v.value)),
    ),
    key(
        "notify_priority_changes",
        "the members'",
        "Changes of the members' effective priorities to the FIFOs",
        Switch(|d, v| d.priority_changes = Some(v.value)),
    ),
    key("track_bfd", "", "BFD sessions that every member tracks, one a line", Block { head: "", lower: bfds }),
];
