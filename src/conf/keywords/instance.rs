//! `vrrp_instance`.

use super::Takes::{Block, Ip, Link, Nothing, OneOf, Seconds, Switch, Text, Whole};
use super::{Keyword, key, noted, refused, root, warned};
use crate::conf::lower::{Cx, Failed, addresses, tracks, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::kernel::Scope;
use crate::net::{IpNet, LinkName};
use crate::time::Duration;
use std::net::{IpAddr, Ipv4Addr};

pub(in crate::conf) struct Draft {
    pub name: Spanned<String>,
    pub master: Option<Span>,
    pub link: Option<Spanned<LinkName>>,
    pub vrid: Option<Spanned<i64>>,
    pub priority: Option<Spanned<i64>>,
    pub interval: Option<Spanned<Duration>>,
    /// Where `nopreempt` is written.
    pub nopreempt: Option<Span>,
    pub preempt_delay: Option<Spanned<Duration>>,
    pub authentication: Option<Authentication>,
    pub source: Option<Spanned<IpAddr>>,
    pub addresses: Vec<Vip>,
    pub no_addresses: bool,
    pub garp_delay: Option<Duration>,
    pub garp_repeat: Option<u32>,
    pub scripts: Vec<Track>,
    pub down_adverts: Option<u32>,
    pub version: Option<Spanned<i64>>,
    pub strict: Option<Spanned<bool>>,
    /// Keywords that were written and refused.
    pub failed: Failed,
}

#[derive(Default)]
pub(in crate::conf) struct Authentication {
    pub span: Option<Span>,
    pub pass: bool,
    pub password: Option<Spanned<String>>,
    pub failed: Failed,
}

/// One line of `virtual_ipaddress`.
pub(in crate::conf) struct Vip {
    pub net: Spanned<IpNet>,
    pub link: Option<LinkName>,
    pub label: Option<String>,
    pub scope: Scope,
    pub broadcast: Option<Ipv4Addr>,
}

/// One line of `track_script`.
pub(in crate::conf) struct Track {
    pub name: Spanned<String>,
    pub weight: Option<(i32, bool)>,
    pub below_comment: bool,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    let mut draft = Draft {
        name,
        master: None,
        link: None,
        vrid: None,
        priority: None,
        interval: None,
        nopreempt: None,
        preempt_delay: None,
        authentication: None,
        source: None,
        addresses: Vec::new(),
        no_addresses: false,
        garp_delay: None,
        garp_repeat: None,
        scripts: Vec::new(),
        down_adverts: None,
        version: None,
        strict: None,
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "vrrp_instance", TABLE, &mut draft, &body.statements);
    root.instances.push(draft);
}

fn authentication(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    let mut authentication = Authentication { span: statement.span(), ..Authentication::default() };
    authentication.failed = walk(cx, "authentication", AUTHENTICATION, &mut authentication, &body.statements);
    draft.authentication = Some(authentication);
}

const GARP: &str = "gratuitous ARP is sent on becoming MASTER and once more, not at other times";

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "state",
        "BACKUP",
        "A wish: below priority 255 every instance starts as BACKUP",
        OneOf {
            words: &["MASTER", "BACKUP"],
            others: &[],
            any_case: false,
            set: |d, v| d.master = (v.value == "MASTER").then_some(v.span),
        },
    ),
    key("interface", "required", "The link adverts are sent on", Link(|d, v| d.link = Some(v))),
    key(
        "virtual_router_id",
        "required",
        "The same on all nodes of this virtual router, and only there",
        Whole { min: 1, max: 255, unit: "", bare: None, set: |d, v| d.vrid = Some(v) },
    ),
    key(
        "priority",
        "100",
        "The highest becomes MASTER; 255 owns the addresses",
        Whole { min: 1, max: 255, unit: "", bare: None, set: |d, v| d.priority = Some(v) },
    ),
    key(
        "advert_int",
        "1",
        "From one advert to the next; whole seconds in VRRPv2",
        Seconds { min: 10_000, max: 255_000_000, set: |d, v| d.interval = Some(v) },
    ),
    key("preempt", "on", "Take over from a lower priority", Nothing(|d, _| d.nopreempt = None)),
    key("nopreempt", "", "Leave a master of lower priority alone", Nothing(|d, at| d.nopreempt = Some(at))),
    key("authentication", "none", "How adverts are authenticated", Block { head: "", lower: authentication }),
    key("mcast_src_ip", "the link's first address", "The source address of adverts", Ip(|d, v| d.source = Some(v))),
    key("virtual_ipaddress", "", "The addresses that move, one a line", Block { head: "", lower: addresses }),
    key("track_script", "", "Scripts that change priority or state, one a line", Block { head: "", lower: tracks }),
    key(
        "garp_master_delay",
        "vrrp_garp_master_delay",
        "From the first set of gratuitous ARP to the second",
        Seconds { min: 0, max: 3_600_000_000, set: |d, v| d.garp_delay = Some(v.value) },
    ),
    key(
        "garp_master_repeat",
        "vrrp_garp_master_repeat",
        "Gratuitous ARPs in a set",
        Whole { min: 1, max: 1000, unit: "", bare: None, set: |d, v| d.garp_repeat = u32::try_from(v.value).ok() },
    ),
    key(
        "down_timer_adverts",
        "vrrp_down_timer_adverts",
        "Adverts missed until the master is down",
        Whole { min: 1, max: 100, unit: "", bare: None, set: |d, v| d.down_adverts = u32::try_from(v.value).ok() },
    ),
    key(
        "version",
        "vrrp_version",
        "The protocol",
        Whole { min: 2, max: 3, unit: "", bare: None, set: |d, v| d.version = Some(v) },
    ),
    key("no_virtual_ipaddress", "", "Without addresses on purpose", Nothing(|d, _| d.no_addresses = true)),
    key(
        "preempt_delay",
        "0",
        "Wait before taking over from a lower priority",
        Seconds { min: 0, max: 1_000_000_000, set: |d, v| d.preempt_delay = Some(v) },
    ),
    key("strict_mode", "vrrp_strict", "Conform to the RFC: no authentication", Switch(|d, v| d.strict = Some(v))),
    noted("notify", "\"COMMAND\" [USER [GROUP]]", "Run on every change of state"),
    noted("notify_master", "\"COMMAND\" [USER [GROUP]]", "Run on becoming MASTER"),
    noted("notify_backup", "\"COMMAND\" [USER [GROUP]]", "Run on becoming BACKUP"),
    noted("notify_fault", "\"COMMAND\" [USER [GROUP]]", "Run on a fault"),
    noted("notify_stop", "\"COMMAND\" [USER [GROUP]]", "Run at the end"),
    noted("notify_deleted", "[\"COMMAND\" [USER [GROUP]]]", "Run when a reload removes the instance"),
    noted("notify_master_rx_lower_pri", "\"COMMAND\" [USER [GROUP]]", "Run when a lower priority is heard"),
    noted("notify_priority_changes", "[on|off]", "Priority changes to the FIFO"),
    noted("smtp_alert", "[on|off]", "Mail about this instance"),
    noted("debug", "[LEVEL]", "Without effect in keepalived too"),
    noted("accept", "", "Packets to the addresses are accepted; they are"),
    noted("skip_check_adv_addr", "[on|off]", "Compare address lists less often"),
    noted("check_unicast_src", "", "Check the source of unicast adverts"),
    noted("v3_checksum_as_v2", "[on|off]", "An old VRRPv3 checksum"),
    noted("old_unicast_checksum", "[never]", "An old VRRPv3 checksum"),
    noted("kernel_rx_buf_size", "BYTES", "Receive buffers"),
    warned("garp_master_refresh", "SECONDS", "Gratuitous ARP from time to time while MASTER", GARP),
    noted("garp_master_refresh_repeat", "COUNT", "Gratuitous ARPs in each of those"),
    warned("garp_lower_prio_delay", "SECONDS", "Gratuitous ARP after a lower priority was heard", GARP),
    warned("garp_lower_prio_repeat", "COUNT", "Gratuitous ARPs in such a set", GARP),
    warned("garp_extra_if", "[all] SECONDS", "Gratuitous ARP on other interfaces", GARP),
    warned("vmac_garp_intvl", "[all] SECONDS", "The old name of garp_extra_if", GARP),
    warned("linkbeat_use_polling", "", "Poll the link's state", "vipdeck is told of link changes and polls nothing"),
    refused("no_accept", "", "Drop packets to the addresses unless their owner"),
    refused("lower_prio_no_advert", "[on|off]", "A master does not answer lower priorities"),
    refused("higher_prio_send_advert", "[on|off]", "A master answers a higher priority before it yields"),
    refused("owner_ignore_adverts", "[on|off]", "An owner ignores adverts"),
    refused("timer_expired_backup", "[PRIORITY]", "A master that ran late becomes BACKUP"),
    refused("thread_timer_expired", "[PRIORITY]", "The old name of timer_expired_backup"),
    refused("native_ipv6", "", "IPv6 without addresses"),
    refused("unicast_src_ip", "ADDRESS", "The source address of adverts"),
    refused("unicast_peer", "{ }", "Send adverts to these instead of the group"),
    refused("unicast_fault_no_peer", "", "Without peers: a fault"),
    refused("unicast_ttl", "0..255", "The TTL of unicast adverts"),
    refused("mcast_dst_ip", "ADDRESS", "The group adverts go to"),
    refused("track_src_ip", "", "Without the source address: a fault"),
    refused("vrf", "INTERFACE", "Work inside a VRF"),
    refused("dont_track_primary", "", "Go on when the link is down"),
    refused("virtual_ipaddress_excluded", "{ }", "Addresses that move and are not in adverts"),
    refused("promote_secondaries", "", "Sets that sysctl on the link"),
    refused("virtual_routes", "{ }", "Routes that move"),
    refused("virtual_rules", "{ }", "Rules that move"),
    refused("use_vmac", "[INTERFACE] [MAC]", "A virtual MAC address"),
    refused("use_vmac_addr", "", "Virtual MAC addresses on other links too"),
    refused("vmac_xmit_base", "", "Send adverts from the link below the virtual MAC"),
    refused("use_ipvlan", "[INTERFACE] [ADDRESS]", "An ipvlan link for the addresses"),
    refused("auth_hmac", "{ }", "Signed adverts"),
    refused("track_interface", "{ }", "Links that change priority or state"),
    refused("track_file", "{ }", "Files that change priority"),
    refused("track_process", "{ }", "Processes that change priority or state"),
    refused("track_bfd", "{ }", "BFD sessions that change priority or state"),
    refused("lvs_sync_daemon_interface", "INTERFACE", "Share IPVS connections between directors"),
];

pub(in crate::conf) const AUTHENTICATION: &[Keyword<Authentication>] = &[
    key(
        "auth_type",
        "none",
        "PASS: a password in clear text",
        OneOf { words: &["PASS"], others: &["AH"], any_case: false, set: |d, _| d.pass = true },
    ),
    key(
        "auth_pass",
        "",
        "The password; eight bytes count",
        Text { what: "PASSWORD", set: |d, v| d.password = Some(v) },
    ),
];
