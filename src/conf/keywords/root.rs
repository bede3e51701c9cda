//! The top level.

use super::Takes::{Block, Text};
use super::{Keyword, global, group, instance, key, links, noted, old, refused, script, server, tracker, warned};
use crate::conf::model::LinkDelay;
use crate::conf::source::Spanned;
use crate::net::LinkName;

/// Everything that was read, before it is put together.
#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub globals: global::Draft,
    pub scripts: Vec<script::Draft>,
    pub files: Vec<tracker::FileDraft>,
    pub processes: Vec<tracker::ProcessDraft>,
    pub link_delays: Vec<(Spanned<LinkName>, LinkDelay)>,
    pub instances: Vec<instance::Draft>,
    pub groups: Vec<group::Draft>,
    pub servers: Vec<server::Draft>,
    pub net_namespace: Option<Spanned<String>>,
    pub instance: Option<Spanned<String>>,
}

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key("global_defs", "", "Settings of the whole node", Block { head: "", lower: global::lower }),
    key("vrrp_script", "", "A command whose result instances track", Block { head: "NAME", lower: script::lower }),
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
    key("virtual_server", "", "A balanced service", Block { head: "ADDRESS PORT", lower: server::lower }),
    key("vrrp_sync_group", "", "Instances that change state together", Block { head: "NAME", lower: group::lower }),
    refused("virtual_server_group", "NAME { }", "Addresses of one virtual server"),
    refused("static_ipaddress", "{ }", "Addresses that stay while the engine runs"),
    refused("static_routes", "{ }", "Routes that stay while the engine runs"),
    refused("static_rules", "{ }", "Rules that stay while the engine runs"),
    refused("track_group", "NAME { }", "Instances that static objects depend on"),
    refused("bfd_instance", "NAME { }", "A BFD session"),
    warned(
        "linkbeat_interfaces",
        "{ }",
        "Links watched by polling",
        "vipdeck is told of link changes and polls nothing",
    ),
    warned("garp_group", "{ }", "Limits on gratuitous ARP", "gratuitous ARP is sent without these limits"),
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
