//! `vrrp_instance`.

use super::Takes::{Block, Ip, Line, Link, Nothing, OneOf, Script, Seconds, Switch, Text, Whole};
use super::options::Options;
use super::signed::{self, Signed};
use super::{Keyword, key, noted, old, root, virtual_link, warned};
use crate::conf::check_routing::RuleLines;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, Failed, addresses, peer_lines, script, track_line, track_lines, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::kernel::{Address, AddressFlags, Scope};
use crate::net::{IpNet, LinkName};
use crate::time::Duration;
use crate::vrrp::{Notify, OldUnicast};
use std::net::{IpAddr, Ipv4Addr};

pub(in crate::conf) struct Draft {
    pub name: Spanned<String>,
    pub master: Option<Span>,
    pub link: Option<Spanned<LinkName>>,
    /// `lvs_sync_daemon_interface`.
    pub sync_link: Option<Spanned<LinkName>>,
    pub vrid: Option<Spanned<i64>>,
    pub priority: Option<Spanned<i64>>,
    pub interval: Option<Spanned<Duration>>,
    /// Where `nopreempt` is written.
    pub nopreempt: Option<Span>,
    pub preempt_delay: Option<Spanned<Duration>>,
    pub authentication: Option<Authentication>,
    /// `auth_hmac`.
    pub signed: Option<Signed>,
    pub source: Option<Spanned<IpAddr>>,
    pub addresses: Vec<Vip>,
    pub no_addresses: bool,
    pub excluded: Vec<Vip>,
    pub options: Options,
    pub scripts: Vec<Track>,
    pub bfds: Vec<Track>,
    pub links: Vec<Track>,
    pub files: Vec<Track>,
    pub processes: Vec<Track>,
    pub native_ipv6: Option<Span>,
    pub group: Option<Spanned<IpAddr>>,
    pub peers: Vec<(Spanned<IpAddr>, u8, u8)>,
    /// Where `unicast_peer` is written.
    pub unicast: Option<Span>,
    pub unicast_ttl: Option<u8>,
    pub old_checksum: Option<OldUnicast>,
    pub no_peer: Option<Span>,
    pub track_source: bool,
    pub ignore_link: bool,
    /// `timer_expired_backup`.
    pub slept: Option<Spanned<i64>>,
    /// `accept` or `no_accept`, the last of them.
    pub accept: Option<Spanned<bool>>,
    pub virtual_link: Option<virtual_link::Written>,
    /// Where `use_vmac_addr` is written.
    pub address_links: Option<Span>,
    pub xmit_base: Option<Span>,
    pub notify: Notify,
    /// The lines of `virtual_routes` and `virtual_rules`.
    pub routes: Vec<Statement>,
    pub rules: RuleLines,
    pub promote_secondaries: bool,
    /// Keywords that were written and refused.
    pub failed: Failed,
}

#[derive(Default)]
pub(in crate::conf) struct Authentication {
    pub span: Option<Span>,
    /// `PASS` or `AH`.
    pub kind: Option<Spanned<&'static str>>,
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
    pub peer: Option<Spanned<IpNet>>,
    pub flags: AddressFlags,
    /// Seconds; none: for ever.
    pub preferred: Option<u32>,
    pub tracked: bool,
    /// Of a static address.
    pub track_group: Option<Spanned<String>>,
    /// Where `use_vmac` is written: on a virtual link over the one it names.
    pub virtual_link: Option<Span>,
}

impl Vip {
    /// The address, on its link.
    pub(in crate::conf) fn address(&self, link: LinkName) -> Address {
        Address {
            label: self.label.clone(),
            scope: self.scope,
            broadcast: self.broadcast,
            peer: self.peer.as_ref().map(|peer| peer.value),
            flags: self.flags,
            preferred: self.preferred,
            tracked: self.tracked,
            ..Address::new(link, self.net.value)
        }
    }
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
        sync_link: None,
        vrid: None,
        priority: None,
        interval: None,
        nopreempt: None,
        preempt_delay: None,
        authentication: None,
        signed: None,
        source: None,
        addresses: Vec::new(),
        no_addresses: false,
        excluded: Vec::new(),
        options: Options::default(),
        scripts: Vec::new(),
        bfds: Vec::new(),
        links: Vec::new(),
        files: Vec::new(),
        processes: Vec::new(),
        native_ipv6: None,
        group: None,
        peers: Vec::new(),
        unicast: None,
        unicast_ttl: None,
        old_checksum: None,
        no_peer: None,
        track_source: false,
        ignore_link: false,
        slept: None,
        accept: None,
        virtual_link: None,
        address_links: None,
        xmit_base: None,
        notify: Notify::default(),
        routes: Vec::new(),
        rules: Vec::new(),
        promote_secondaries: false,
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

fn peers(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    draft.unicast = statement.span();
    peer_lines(cx, body, &mut draft.peers);
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

fn announced(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    addresses(cx, body, &mut draft.addresses);
}

fn excluded(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    addresses(cx, body, &mut draft.excluded);
}

fn routes(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    draft.routes.extend(body.statements.iter().cloned());
}

fn rules(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let lines = cx.numbered(body);
    draft.rules.extend(lines);
}

fn deleted(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let command = if statement.words.len() > 1 { Some(script(cx, "notify_deleted", statement)?) } else { None };
    draft.notify.deleted = Some(command.map(|c| c.value));
    Ok(())
}

/// `old_unicast_checksum [never]`.
fn old_checksum(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    cx.no_more_words(statement, 2);
    draft.old_checksum = Some(match statement.words.get(1) {
        None => OldUnicast::Always,
        Some(word) => {
            value::one_of("old_unicast_checksum", word, &["never"], false)?;
            OldUnicast::Never
        }
    });
    Ok(())
}

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "state",
        "BACKUP",
        "A wish: below priority 255 every instance starts as BACKUP",
        OneOf {
            words: &["MASTER", "BACKUP"],

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
    key("virtual_ipaddress", "", "The addresses that move, one a line", Block { head: "", lower: announced }),
    key("track_script", "", "Scripts that change priority or state, one a line", Block { head: "", lower: scripts }),
    key(
        "garp_master_delay",
        "vrrp_garp_master_delay",
        "From the first set of gratuitous ARP to the second; 0: no second",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_delay = Some(v.value) },
    ),
    key(
        "garp_master_repeat",
        "vrrp_garp_master_repeat",
        "Gratuitous ARPs in a set",
        Whole {
            min: 1,
            max: 1000,
            unit: "",
            bare: None,
            set: |d, v| d.options.garp_repeat = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "garp_master_refresh",
        "vrrp_garp_master_refresh",
        "Gratuitous ARP again and again while MASTER, this far apart; 0: not",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_refresh = Some(v.value) },
    ),
    key(
        "garp_master_refresh_repeat",
        "vrrp_garp_master_refresh_repeat",
        "Gratuitous ARPs in each of those sets",
        Whole {
            min: 1,
            max: 1000,
            unit: "",
            bare: None,
            set: |d, v| d.options.garp_refresh_repeat = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "garp_lower_prio_delay",
        "vrrp_garp_lower_prio_delay",
        "The second set after a lower priority was heard",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_lower_delay = Some(v.value) },
    ),
    key(
        "garp_lower_prio_repeat",
        "vrrp_garp_lower_prio_repeat",
        "Gratuitous ARPs in the sets after a lower priority was heard; 0: none",
        Whole {
            min: 0,
            max: 1000,
            unit: "",
            bare: None,
            set: |d, v| d.options.garp_lower_repeat = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "down_timer_adverts",
        "vrrp_down_timer_adverts",
        "Adverts missed until the master is down",
        Whole {
            min: 1,
            max: 100,
            unit: "",
            bare: None,
            set: |d, v| d.options.down_adverts = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "skip_check_adv_addr",
        "vrrp_skip_check_adv_addr",
        "Compare the address list only when the sender is another",
        Switch(|d, v| d.options.skip_check_adv_addr = Some(v.value)),
    ),
    key(
        "lower_prio_no_advert",
        "vrrp_lower_prio_no_advert",
        "As master, do not answer a lower priority with an advert",
        Switch(|d, v| d.options.lower_prio_no_advert = Some(v.value)),
    ),
    key(
        "higher_prio_send_advert",
        "vrrp_higher_prio_send_advert",
        "As master, send an advert before yielding to a higher priority",
        Switch(|d, v| d.options.higher_prio_send_advert = Some(v.value)),
    ),
    key(
        "owner_ignore_adverts",
        "vrrp_owner_ignore_adverts",
        "With priority 255, adverts of others are not looked at",
        Switch(|d, v| d.options.owner_ignore_adverts = Some(v.value)),
    ),
    key(
        "version",
        "vrrp_version",
        "The protocol",
        Whole { min: 2, max: 3, unit: "", bare: None, set: |d, v| d.options.version = Some(v) },
    ),
    key("no_virtual_ipaddress", "", "Without addresses on purpose", Nothing(|d, _| d.no_addresses = true)),
    key(
        "preempt_delay",
        "0",
        "Wait before taking over from a lower priority",
        Seconds { min: 0, max: 1_000_000_000, set: |d, v| d.preempt_delay = Some(v) },
    ),
    key("strict_mode", "vrrp_strict", "Conform to the RFC", Switch(|d, v| d.options.strict = Some(v))),
    key("native_ipv6", "", "IPv6 also without an IPv6 address", Nothing(|d, at| d.native_ipv6 = Some(at))),
    key(
        "unicast_src_ip",
        "the link's first address",
        "The source address of unicast adverts",
        Ip(|d, v| d.source = Some(v)),
    ),
    key(
        "mcast_dst_ip",
        "vrrp_mcast_group4, vrrp_mcast_group6",
        "The group adverts go to",
        Ip(|d, v| d.group = Some(v)),
    ),
    key("unicast_peer", "", "Send adverts to these instead of the group, one a line", Block { head: "", lower: peers }),
    key(
        "unicast_ttl",
        "255",
        "The TTL of unicast adverts",
        Whole { min: 0, max: 255, unit: "", bare: None, set: |d, v| d.unicast_ttl = u8::try_from(v.value).ok() },
    ),
    key(
        "check_unicast_src",
        "vrrp_check_unicast_src",
        "Drop unicast adverts of others than the peers",
        Nothing(|d, _| d.options.check_unicast_source = Some(true)),
    ),
    key(
        "unicast_fault_no_peer",
        "off",
        "Without peers, in FAULT instead of multicast",
        Nothing(|d, at| d.no_peer = Some(at)),
    ),
    key(
        "track_src_ip",
        "off",
        "In FAULT while the link does not have the source address",
        Nothing(|d, _| d.track_source = true),
    ),
    key("dont_track_primary", "off", "Go on whatever the state of the link is", Nothing(|d, _| d.ignore_link = true)),
    key(
        "v3_checksum_as_v2",
        "global",
        "The checksum of VRRPv3 over IPv4 leaves the pseudo-header out, against the RFC",
        Switch(|d, v| d.options.v3_checksum_as_v2 = Some(v.value)),
    ),
    key(
        "old_unicast_checksum",
        "as the peer does",
        "VRRPv3 over IPv4 to unicast peers is summed as by keepalived before 1.3.6, or never",
        Line { argument: "[never]", read: old_checksum },
    ),
    key(
        "auth_hmac",
        "none",
        "Adverts are signed (HMAC-SHA-256), as keepalived does from 2.4 on",
        Block { head: "", lower: signed::lower },
    ),
    key(
        "timer_expired_backup",
        "off",
        "With nopreempt, a master that slept longer than a router of this priority waits becomes BACKUP",
        Whole { min: 1, max: 254, unit: "", bare: Some(254), set: |d, v| d.slept = Some(v) },
    ),
    old(
        "thread_timer_expired",
        "timer_expired_backup",
        "off",
        "With nopreempt, a master that slept too long becomes BACKUP",
        Whole { min: 1, max: 254, unit: "", bare: Some(254), set: |d, v| d.slept = Some(v) },
    ),
    key(
        "virtual_ipaddress_excluded",
        "",
        "Addresses that move and are in no advert, one a line",
        Block { head: "", lower: excluded },
    ),
    key("track_file", "", "Files that change priority or state, one a line", Block { head: "", lower: files }),
    key(
        "track_process",
        "",
        "Processes that change priority or state, one a line",
        Block { head: "", lower: processes },
    ),
    key("track_interface", "", "Links that change priority or state, one a line", Block { head: "", lower: links }),
    key(
        "notify",
        "",
        "Run on every change of state; INSTANCE, name, state and priority are appended",
        Script(|d, c| d.notify.any = Some(c.value)),
    ),
    key("notify_master", "", "Run on becoming MASTER", Script(|d, c| d.notify.master = Some(c.value))),
    key("notify_backup", "", "Run on becoming BACKUP", Script(|d, c| d.notify.backup = Some(c.value))),
    key("notify_fault", "", "Run on a fault", Script(|d, c| d.notify.fault = Some(c.value))),
    key("notify_stop", "", "Run at the end", Script(|d, c| d.notify.stop = Some(c.value))),
    key(
        "notify_master_rx_lower_pri",
        "",
        "Run when a master hears a lower priority",
        Script(|d, c| d.notify.master_rx_lower_pri = Some(c.value)),
    ),
    key(
        "notify_deleted",
        "",
        "Told as DELETED, not as FAULT, when a reload removes the instance; perhaps with a command to run",
        Line { argument: "[\"COMMAND\" [USER [GROUP]]]", read: deleted },
    ),
    key(
        "notify_priority_changes",
        "vrrp_notify_priority_changes",
        "Changes of the effective priority to the FIFOs",
        Switch(|d, v| d.options.priority_changes = Some(v.value)),
    ),
    key(
        "smtp_alert",
        "smtp_alert_vrrp, smtp_alert",
        "Mail when the state changes",
        Switch(|d, v| d.options.smtp_alert = Some(v.value)),
    ),
    noted("debug", "[LEVEL]", "Without effect in keepalived too"),
    noted("kernel_rx_buf_size", "BYTES", "Receive buffers"),
    key(
        "garp_extra_if",
        "vrrp_garp_extra_if",
        "Gratuitous ARP again and again for addresses on virtual links beside the instance's own; all: on every link",
        Line {
            argument: virtual_link::EXTRA,
            read: |cx, d, s| {
                d.options.garp_extra = Some(virtual_link::extra(cx, s, "garp_extra_if")?);
                Ok(())
            },
        },
    ),
    old(
        "vmac_garp_intvl",
        "garp_extra_if",
        "vrrp_garp_extra_if",
        "Gratuitous ARP again and again for addresses on other virtual links",
        Line {
            argument: virtual_link::EXTRA,
            read: |cx, d, s| {
                d.options.garp_extra = Some(virtual_link::extra(cx, s, "vmac_garp_intvl")?);
                Ok(())
            },
        },
    ),
    key(
        "accept",
        "on; in strict mode for owners (255)",
        "Packets to the addresses are accepted by whoever is MASTER",
        Nothing(|d, span| d.accept = Some(Spanned { value: true, span })),
    ),
    key(
        "no_accept",
        "",
        "Packets to the addresses are dropped unless this node owns them (255); takes nftables",
        Nothing(|d, span| d.accept = Some(Spanned { value: false, span })),
    ),
    key(
        "use_vmac",
        "off",
        "A virtual link with the virtual router's hardware address, for adverts and addresses; takes nftables",
        Line {
            argument: virtual_link::VMAC,
            read: |cx, d, s| {
                d.virtual_link = Some(virtual_link::vmac(cx, s)?);
                Ok(())
            },
        },
    ),
    key("use_vmac_addr", "off", "The same for addresses on other links", Nothing(|d, at| d.address_links = Some(at))),
    key(
        "vmac_xmit_base",
        "off; on with unicast_peer",
        "Adverts leave on the link below the virtual one",
        Nothing(|d, at| d.xmit_base = Some(at)),
    ),
    key(
        "use_ipvlan",
        "off",
        "An ipvlan link for adverts and addresses; over IPv4 it needs an address of its own",
        Line {
            argument: virtual_link::IPVLAN,
            read: |cx, d, s| {
                d.virtual_link = Some(virtual_link::ipvlan(cx, s)?);
                Ok(())
            },
        },
    ),
    warned("linkbeat_use_polling", "", "Poll the link's state", "vipdeck is told of link changes and polls nothing"),
    warned(
        "vrf",
        "INTERFACE",
        "The VRF of an instance without an interface",
        "an instance works in the VRF that its `interface` belongs to; keepalived clears this beside one",
    ),
    key(
        "promote_secondaries",
        "off",
        "Sets that sysctl on the link: the kernel keeps addresses whose first of a prefix goes",
        Nothing(|d, _| d.promote_secondaries = true),
    ),
    key("virtual_routes", "", "The routes that move with the addresses, one a line", Block { head: "", lower: routes }),
    key("virtual_rules", "", "The rules that move with the addresses, one a line", Block { head: "", lower: rules }),
    key("track_bfd", "", "BFD sessions that change priority or state, one a line", Block { head: "", lower: bfds }),
    old(
        "lvs_sync_daemon_interface",
        "lvs_sync_daemon INTERFACE INSTANCE",
        "none",
        "Share IPVS connections between directors as this instance is MASTER or BACKUP",
        Link(|d, v| d.sync_link = Some(v)),
    ),
];

pub(in crate::conf) const AUTHENTICATION: &[Keyword<Authentication>] = &[
    key(
        "auth_type",
        "none",
        "PASS: a password in clear text; AH: HMAC-MD5-96 in an IP authentication header, over IPv4",
        OneOf { words: &["PASS", "AH"], any_case: false, set: |d, v| d.kind = Some(v) },
    ),
    key(
        "auth_pass",
        "",
        "The password; eight bytes count",
        Text { what: "PASSWORD", set: |d, v| d.password = Some(v) },
    ),
];
