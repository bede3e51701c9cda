//! The top level.

use super::Takes::{Block, Text};
use super::{
    Keyword, bfd, garp_group, global, group, instance, key, links, noted, old, refused, script, server, server_group,
    tracker, warned,
};
use crate::conf::check_routing::RuleLines;
use crate::conf::lower::{Cx, names, walk};
use crate::conf::model::LinkDelay;
use crate::conf::source::Spanned;
use crate::conf::tree::{Body, Statement};
use crate::net::LinkName;

/// Everything that was read, before it is put together.
#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub globals: global::Draft,
    pub scripts: Vec<script::Draft>,
    pub bfds: Vec<bfd::Draft>,
    pub files: Vec<tracker::FileDraft>,
    pub processes: Vec<tracker::ProcessDraft>,
    pub link_delays: Vec<(Spanned<LinkName>, LinkDelay)>,
    pub instances: Vec<instance::Draft>,
    pub groups: Vec<group::Draft>,
    pub servers: Vec<server::Draft>,
    pub server_groups: Vec<server_group::Draft>,
    /// The lines of static objects.
    pub static_addresses: Vec<Statement>,
    pub static_routes: Vec<Statement>,
    pub static_rules: RuleLines,
    pub track_groups: Vec<TrackGroupDraft>,
    pub garp_groups: Vec<garp_group::Draft>,
    pub net_namespace: Option<Spanned<String>>,
    pub instance: Option<Spanned<String>>,
}

/// One `track_group`.
pub(in crate::conf) struct TrackGroupDraft {
    pub name: Spanned<String>,
    pub members: Vec<Spanned<String>>,
}

fn static_addresses(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    draft.static_addresses.extend(body.statements.iter().cloned());
}

fn static_routes(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    draft.static_routes.extend(body.statements.iter().cloned());
}

fn static_rules(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let lines = cx.numbered(body);
    draft.static_rules.extend(lines);
}

fn track_group(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    let mut group = TrackGroupDraft { name, members: Vec::new() };
    walk(cx, "track_group", TRACK_GROUP, &mut group, &body.statements);
    draft.track_groups.push(group);
}

fn members(cx: &mut Cx<'_>, draft: &mut TrackGroupDraft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    names(cx, body, &mut draft.members);
}

pub(in crate::conf) const TRACK_GROUP: &[Keyword<TrackGroupDraft>] = &[key(
    "group",
    "required",
    "The instances that are in FAULT while a static object of this group is not there",
    Block { head: "", lower: members },
)];

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key("global_defs", "", "Settings of the whole node", Block { head: "", lower: global::lower }),
    key("vrrp_script", "", "A command whose result instances track", Block { head: "NAME", lower: script::lower }),
    key("bfd_instance", "", "A BFD session with a neighbour", Block { head: "NAME", lower: bfd::lower }),
    key(
        "track_file",
        "",
        "A number in a file that instances track",
        Block { head: "NAME", lower: tracker::lower_file },
    ),
    old(
        "vrrp_track_file",
        "track_file",
        "",
        "A number in a file that instances track",
        Block { head: "NAME", lower: tracker::lower_file },
    ),
    key(
        "vrrp_track_process",
        "",
        "Processes that instances track",
        Block { head: "NAME", lower: tracker::lower_process },
    ),
    key(
        "interface_up_down_delays",
        "",
        "Lines `INTERFACE DOWN [UP]`: seconds a link must be down, and up, to count",
        Block { head: "", lower: links::delays },
    ),
    key("vrrp_instance", "", "One virtual router", Block { head: "NAME", lower: instance::lower }),
    key(
        "virtual_server",
        "",
        "A balanced service",
        Block { head: "ADDRESS [PORT]|fwmark NUMBER|group NAME", lower: server::lower },
    ),
    key("vrrp_sync_group", "", "Instances that change state together", Block { head: "NAME", lower: group::lower }),
    key(
        "virtual_server_group",
        "",
        "Addresses, ranges and marks of one virtual server, one a line",
        Block { head: "NAME", lower: server_group::lower },
    ),
    key(
        "static_ipaddress",
        "",
        "Addresses that stay while the engine runs, one a line",
        Block { head: "", lower: static_addresses },
    ),
    key(
        "static_routes",
        "",
        "Routes that stay while the engine runs, one a line",
        Block { head: "", lower: static_routes },
    ),
    key(
        "static_rules",
        "",
        "Rules that stay while the engine runs, one a line",
        Block { head: "", lower: static_rules },
    ),
    key("track_group", "", "Instances that static objects bear on", Block { head: "NAME", lower: track_group }),
    warned(
        "linkbeat_interfaces",
        "{ }",
        "Links watched by polling",
        "vipdeck is told of link changes and polls nothing",
    ),
    key("garp_group", "", "Limits on gratuitous ARP that links share", Block { head: "", lower: garp_group::lower }),
    warned("SSL", "{ }", "Client certificates of SSL_GET", "no check of vipdeck uses them yet"),
    key(
        "net_namespace",
        "the one it is started in",
        "Run in this network namespace; --netns wins over it",
        Text { what: "NAME", set: |d, v| d.net_namespace = Some(v) },
    ),
    refused("net_namespace_ipvs", "[NAME]", "IPVS in another network namespace"),
    noted("namespace_with_ipsets", "", "Old kernels: ipsets in namespaces"),
    key(
        "instance",
        "none",
        "Tells this engine from others of the machine: part of the name of its control socket",
        Text { what: "NAME", set: |d, v| d.instance = Some(v) },
    ),
    warned(
        "use_pid_dir",
        "",
        "Where pid files go",
        "vipdeck writes no pid files: `vipdeck status` and systemd know it",
    ),
    warned("linkbeat_use_polling", "", "Poll link states", "vipdeck is told of link changes and polls nothing"),
    noted("child_wait_time", "SECONDS", "How long to wait for children at the end"),
];
