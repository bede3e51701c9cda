//! `global_defs`.

use super::Takes::{Block, Fifo, Ip, Line, Link, Nothing, Script, Seconds, Switch, Text, User, Whole, Words};
use super::options::Options;
use super::{Keyword, key, lvs, mail, noted, noted_why, old, process, root, virtual_link, warned};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, walk};
use crate::conf::model::DumpSpec;
use crate::conf::source::Spanned;
use crate::conf::tree::{Body, Statement};
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Command, RunAs};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub router_id: Option<String>,
    pub script_user: Option<RunAs>,
    pub script_security: bool,
    pub options: Options,
    /// `dynamic_interfaces` with its words.
    pub dynamic_interfaces: Option<Spanned<Vec<String>>>,
    pub default_interface: Option<LinkName>,
    pub log_unknown: bool,
    pub group4: Option<Spanned<IpAddr>>,
    pub group6: Option<Spanned<IpAddr>>,
    pub startup_delay: Option<Duration>,
    pub delay_after_boot: Option<Duration>,
    pub garp_interval: Option<Duration>,
    pub gna_interval: Option<Duration>,
    /// `notify_fifo`, and whose it is.
    pub fifo: Option<(PathBuf, Option<RunAs>)>,
    pub vrrp_fifo: Option<(PathBuf, Option<RunAs>)>,
    pub lvs_fifo: Option<(PathBuf, Option<RunAs>)>,
    pub fifo_script: Option<Spanned<Command>>,
    pub vrrp_fifo_script: Option<Spanned<Command>>,
    pub lvs_fifo_script: Option<Spanned<Command>>,
    pub startup: Option<Command>,
    pub startup_timeout: Option<i64>,
    pub shutdown: Option<Command>,
    pub shutdown_timeout: Option<i64>,
    pub mail: mail::Draft,
    pub lvs: lvs::Draft,
    pub process: process::Draft,
    pub states_on_reload: bool,
    /// Where iproute2 keeps its names, and the administrator those of the machine.
    pub iproute_usr: Option<String>,
    pub iproute_etc: Option<String>,
    pub virtual_prefix: Option<Spanned<String>>,
    pub address_prefix: Option<Spanned<String>>,
    /// `nftables` and what belongs to it.
    pub table: Option<String>,
    pub table_priority: Option<i32>,
    pub table_counters: bool,
    pub dumps: DumpSpec,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let failed = walk(cx, "global_defs", TABLE, &mut root.globals, &body.statements);
    root.globals.mail.failed.extend(failed);
}

fn recipients(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    mail::recipients(cx, &mut draft.mail, statement, body);
}

fn flush_on_stop(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    cx.no_more_words(statement, 2);
    draft.lvs.flush_on_stop = match statement.words.get(1) {
        None => true,
        Some(word) => {
            crate::conf::value::one_of("lvs_flush_on_stop", word, &["VS"], false)?;
            false
        }
    };
    Ok(())
}

const NFT: &str = "vipdeck keeps packets out with nftables: see `nftables`";
const SNMP: &str = "vipdeck serves its state on its control socket, not by SNMP or D-Bus";

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "router_id",
        "the host's name",
        "This node's name",
        Text { what: "NAME", set: |d, v| d.router_id = Some(v.value) },
    ),
    key("script_user", "the engine's own user", "Who runs scripts", User(|d, v| d.script_user = Some(v.value))),
    key(
        "enable_script_security",
        "off",
        "Refuse scripts run as root that others may change",
        Nothing(|d, _| {
            d.script_security = true;
        }),
    ),
    key(
        "vrrp_garp_master_delay",
        "5",
        "From the first set of gratuitous ARP to the second; 0: no second",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_delay = Some(v.value) },
    ),
    key(
        "vrrp_garp_master_repeat",
        "5",
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
        "vrrp_garp_master_refresh",
        "0",
        "Gratuitous ARP again and again while MASTER, this far apart; 0: not",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_refresh = Some(v.value) },
    ),
    key(
        "vrrp_garp_master_refresh_repeat",
        "1",
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
        "vrrp_garp_lower_prio_delay",
        "garp_master_delay",
        "The second set after a lower priority was heard",
        Seconds { min: 0, max: 86_400_000_000, set: |d, v| d.options.garp_lower_delay = Some(v.value) },
    ),
    key(
        "vrrp_garp_lower_prio_repeat",
        "garp_master_repeat",
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
        "vrrp_down_timer_adverts",
        "3",
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
        "vrrp_lower_prio_no_advert",
        "off",
        "A master does not answer a lower priority with an advert",
        Switch(|d, v| d.options.lower_prio_no_advert = Some(v.value)),
    ),
    key(
        "vrrp_higher_prio_send_advert",
        "off",
        "A master sends an advert before it yields to a higher priority",
        Switch(|d, v| d.options.higher_prio_send_advert = Some(v.value)),
    ),
    key(
        "vrrp_owner_ignore_adverts",
        "off",
        "An owner (255) ignores the adverts of others",
        Switch(|d, v| d.options.owner_ignore_adverts = Some(v.value)),
    ),
    key(
        "vrrp_skip_check_adv_addr",
        "off",
        "Compare the address list only when the sender is another",
        Switch(|d, v| d.options.skip_check_adv_addr = Some(v.value)),
    ),
    key(
        "vrrp_version",
        "2",
        "The protocol of instances that name none",
        Whole { min: 2, max: 3, unit: "", bare: None, set: |d, v| d.options.version = Some(v) },
    ),
    key("vrrp_strict", "off", "Conform to the RFC: no authentication", Switch(|d, v| d.options.strict = Some(v))),
    key(
        "vrrp_min_garp",
        "off",
        "One gratuitous ARP an address and no second set, unless said otherwise",
        Switch(|d, v| d.options.min_garp = Some(v.value)),
    ),
    key(
        "vrrp_check_unicast_src",
        "off",
        "Drop unicast adverts of others than the peers",
        Nothing(|d, _| d.options.check_unicast_source = Some(true)),
    ),
    key(
        "v3_checksum_as_v2",
        "off",
        "The checksum of VRRPv3 over IPv4 leaves the pseudo-header out, against the RFC",
        Switch(|d, v| d.options.v3_checksum_as_v2 = Some(v.value)),
    ),
    key(
        "log_unknown_vrids",
        "off",
        "Say who advertises a VRID that no instance has",
        Nothing(|d, _| d.log_unknown = true),
    ),
    key("vrrp_mcast_group4", "224.0.0.18", "The group IPv4 adverts go to", Ip(|d, v| d.group4 = Some(v))),
    key("vrrp_mcast_group6", "ff02::12", "The group IPv6 adverts go to", Ip(|d, v| d.group6 = Some(v))),
    key(
        "vrrp_startup_delay",
        "0",
        "After the start, hear nothing and take nothing over for so long",
        Seconds { min: 1000, max: 1_000_000_000, set: |d, v| d.startup_delay = Some(v.value) },
    ),
    key(
        "vrrp_delay_after_boot",
        "0",
        "The same, counted from the boot of the machine; the later of the two ends it",
        Seconds { min: 1000, max: 1_000_000_000, set: |d, v| d.delay_after_boot = Some(v.value) },
    ),
    key("notification_email", "", "Who gets mail", Block { head: "", lower: recipients }),
    key(
        "notification_email_from",
        "this user at this machine",
        "The sender of mail",
        Text { what: "NAME@DOMAIN", set: |d, v| d.mail.from = Some(v) },
    ),
    key(
        "smtp_server",
        "",
        "The relay that mail is given to; without it there is none",
        Line { argument: "HOST [PORT]", read: |cx, d, s| mail::server(cx, &mut d.mail, s) },
    ),
    key(
        "smtp_helo_name",
        "the host's name",
        "The name said to the relay",
        Text { what: "NAME", set: |d, v| d.mail.helo = Some(v.value) },
    ),
    key(
        "smtp_connect_timeout",
        "30",
        "For each answer of the relay",
        Whole {
            min: 1,
            max: 4294,
            unit: "seconds",
            bare: None,
            set: |d, v| d.mail.timeout = u32::try_from(v.value).ok(),
        },
    ),
    key("smtp_alert", "off", "Mail by default", Switch(|d, v| d.mail.alert = Some(v))),
    key(
        "smtp_alert_vrrp",
        "smtp_alert",
        "Mail about instances and groups by default",
        Switch(|d, v| d.mail.alert_vrrp = Some(v)),
    ),
    key(
        "smtp_alert_checker",
        "smtp_alert",
        "Mail about virtual and real servers by default",
        Switch(|d, v| d.mail.alert_checker = Some(v.value)),
    ),
    key("no_email_faults", "off", "No mail about FAULT", Nothing(|d, _| d.mail.no_faults = true)),
    key(
        "no_checker_emails",
        "off",
        "No mail about virtual and real servers",
        Switch(|d, v| d.mail.no_checkers = v.value),
    ),
    key(
        "vrrp_garp_interval",
        "none",
        "The least time between two gratuitous ARPs of a link; the first leaves at once",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.garp_interval = Some(v.value) },
    ),
    key(
        "vrrp_gna_interval",
        "none",
        "The least time between two unsolicited neighbour advertisements of a link",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.gna_interval = Some(v.value) },
    ),
    key(
        "vrrp_garp_extra_if",
        "0",
        "Gratuitous ARP again and again for addresses on virtual links beside the instance's own; all: on every link",
        Line {
            argument: virtual_link::EXTRA,
            read: |cx, d, s| {
                d.options.garp_extra = Some(virtual_link::extra(cx, s, "vrrp_garp_extra_if")?);
                Ok(())
            },
        },
    ),
    old(
        "vrrp_vmac_garp_intvl",
        "vrrp_garp_extra_if",
        "0",
        "Gratuitous ARP again and again for addresses on other virtual links",
        Line {
            argument: virtual_link::EXTRA,
            read: |cx, d, s| {
                d.options.garp_extra = Some(virtual_link::extra(cx, s, "vrrp_vmac_garp_intvl")?);
                Ok(())
            },
        },
    ),
    key(
        "default_interface",
        "eth0",
        "The link of static addresses that name none",
        Link(|d, v| d.default_interface = Some(v.value)),
    ),
    key(
        "dynamic_interfaces",
        "off",
        "Interfaces may be absent at the start: `check` says nothing about them. They come and go, also as another kind, in any case",
        Words { what: "[allow_if_changes]", set: |d, v| d.dynamic_interfaces = Some(v) },
    ),
    key(
        "vrrp_notify_priority_changes",
        "off",
        "Changes of effective priorities to the FIFOs",
        Switch(|d, v| d.options.priority_changes = Some(v.value)),
    ),
    key(
        "vmac_prefix",
        "vrrp",
        "Virtual links are named so, with a point and the VRID behind it",
        Text { what: "NAME", set: |d, v| d.virtual_prefix = Some(v) },
    ),
    key(
        "vmac_addr_prefix",
        "vmac_prefix",
        "The same for those of use_vmac_addr",
        Text { what: "NAME", set: |d, v| d.address_prefix = Some(v) },
    ),
    noted("disable_local_igmp", "", "No IGMP reports for local groups"),
    noted("vrrp_rx_bufs_policy", "MTU|ADVERT|BYTES", "Receive buffers"),
    noted("vrrp_rx_bufs_multiplier", "COUNT", "Receive buffers"),
    noted_why("vrrp_iptables", "[CHAIN [CHAIN]]", "Firewall chains of no_accept and use_vmac", NFT),
    noted_why("vrrp_ipsets", "[NAME...]", "Sets of no_accept and use_vmac", NFT),
    key(
        "nftables",
        "keepalived",
        "The table of no_accept and use_vmac, of family inet; each engine of a network namespace needs its own",
        Line {
            argument: "[TABLE]",
            read: |cx, d, s| {
                let Some(word) = s.words.get(1) else { return Ok(()) };
                d.table = Some(virtual_link::table(word)?);
                cx.no_more_words(s, 2);
                Ok(())
            },
        },
    ),
    key(
        "nftables_priority",
        "-1",
        "The priority of its chains; 0 is where filters are",
        Whole {
            min: -2_147_483_648,
            max: 2_147_483_647,
            unit: "",
            bare: None,
            set: |d, v| d.table_priority = i32::try_from(v.value).ok(),
        },
    ),
    noted_why(
        "nftables_ifindex",
        "",
        "Firewall rules by interface index",
        "rules name their interface, so that they hold when it is made anew",
    ),
    key("nftables_counters", "off", "Its rules count packets", Nothing(|d, _| d.table_counters = true)),
    key(
        "iproute_usr_dir",
        "/usr/share/iproute2",
        "Where iproute2 keeps names of routing tables and the like",
        Text { what: "DIRECTORY", set: |d, v| d.iproute_usr = Some(v.value) },
    ),
    key(
        "iproute_etc_dir",
        "/etc/iproute2",
        "Where this machine's own names of routing tables and the like stand",
        Text { what: "DIRECTORY", set: |d, v| d.iproute_etc = Some(v.value) },
    ),
    key(
        "startup_script",
        "",
        "Run once before the engine takes part, and waited for",
        Script(|d, c| d.startup = Some(c.value)),
    ),
    key(
        "shutdown_script",
        "",
        "Run once after everything is released, and waited for",
        Script(|d, c| d.shutdown = Some(c.value)),
    ),
    key(
        "startup_script_timeout",
        "10",
        "How long startup_script may take",
        Whole { min: 1, max: 1000, unit: "seconds", bare: None, set: |d, v| d.startup_timeout = Some(v.value) },
    ),
    key(
        "shutdown_script_timeout",
        "10",
        "How long shutdown_script may take",
        Whole { min: 1, max: 1000, unit: "seconds", bare: None, set: |d, v| d.shutdown_timeout = Some(v.value) },
    ),
    key("notify_fifo", "", "Events of instances and of services to a FIFO", Fifo(|d, v| d.fifo = Some(v.value))),
    key("vrrp_notify_fifo", "", "Events of instances to a FIFO", Fifo(|d, v| d.vrrp_fifo = Some(v.value))),
    key("lvs_notify_fifo", "", "Events of services to a FIFO", Fifo(|d, v| d.lvs_fifo = Some(v.value))),
    key(
        "notify_fifo_script",
        "",
        "Started beside the engine to read notify_fifo, whose path is its last argument",
        Script(|d, c| d.fifo_script = Some(c)),
    ),
    key("vrrp_notify_fifo_script", "", "The same for vrrp_notify_fifo", Script(|d, c| d.vrrp_fifo_script = Some(c))),
    key("lvs_notify_fifo_script", "", "The same for lvs_notify_fifo", Script(|d, c| d.lvs_fifo_script = Some(c))),
    key(
        "fifo_write_vrrp_states_on_reload",
        "off",
        "All states to the FIFO after a reload",
        Nothing(|d, _| d.states_on_reload = true),
    ),
    noted("rs_init_notifies", "[on|off]", "Notify the first state of real servers"),
    key(
        "set_supplementary_groups",
        "off",
        "Scripts have all groups of their user, not only the first",
        Switch(|d, v| d.process.groups = v.value),
    ),
    noted("use_symlink_paths", "[on|off]", "Run scripts by the name of the link"),
    key(
        "umask",
        "as started",
        "The file mode creation mask of the program and of its scripts; keepalived's default is 0177",
        Line { argument: "MASK", read: |cx, d, s| process::umask(cx, s).map(|mask| d.process.umask = Some(mask)) },
    ),
    key(
        "lvs_timeouts",
        "the kernel's",
        "How long IPVS keeps a connection without packets: tcp, tcp after its end, udp; seconds",
        Line {
            argument: "[tcp 0..2678400] [tcpfin 0..2678400] [udp 0..2678400]",
            read: |_, d, s| lvs::timeouts(s).map(|timeouts| d.lvs.timeouts = timeouts),
        },
    ),
    key(
        "lvs_flush",
        "off",
        "At the start the IPVS table loses what is not of this configuration; what is stays in place",
        Nothing(|d, _| {
            d.lvs.flush = true;
        }),
    ),
    key(
        "lvs_flush_on_stop",
        "off",
        "At the end everything goes out of the IPVS table; with VS only what is of this configuration, as without it",
        Line { argument: "[VS]", read: flush_on_stop },
    ),
    old(
        "lvs_flush_onstop",
        "lvs_flush_on_stop",
        "off",
        "The old name of lvs_flush_on_stop",
        Line { argument: "[VS]", read: flush_on_stop },
    ),
    key(
        "lvs_sync_daemon",
        "none",
        "Tell other directors of IPVS connections as the instance is MASTER, and learn of them as it is BACKUP; \
         without an instance do both",
        Line {
            argument: "INTERFACE [[inst] INSTANCE] [id 0..255] [maxlen 1..65507] [port 1..65535] [ttl 1..255] [group ADDRESS]",
            read: |cx, d, s| lvs::sync(cx, s).map(|sync| d.lvs.sync = Some(sync)),
        },
    ),
    key(
        "checker_log_all_failures",
        "off",
        "Tell every failed check, not only changes",
        Switch(|d, v| d.lvs.log_all_failures = v.value),
    ),
    noted("nftables_ipvs", "[TABLE]", "The table for groups of virtual servers"),
    noted("nftables_ipvs_priority", "NUMBER", "Its priority"),
    noted("nftables_ipvs_start_fwmark", "NUMBER", "Its first mark"),
    key(
        "process_names",
        "off",
        "Name the threads vipdeck_vrrp, vipdeck_lvs and vipdeck_bfd",
        Nothing(|d, _| d.process.names = true),
    ),
    key(
        "process_name",
        "",
        "The name of the process",
        Line { argument: "NAME", read: |cx, d, s| process::name(cx, s).map(|name| d.process.name = Some(name)) },
    ),
    key(
        "vrrp_process_name",
        "",
        "The name of the engine's thread, which is the process's",
        Line { argument: "NAME", read: |cx, d, s| process::name(cx, s).map(|name| d.process.engine.name = Some(name)) },
    ),
    key(
        "checker_process_name",
        "",
        "The name of the threads of checks and services",
        Line {
            argument: "NAME",
            read: |cx, d, s| process::name(cx, s).map(|name| d.process.checker.name = Some(name)),
        },
    ),
    old(
        "lvs_process_name",
        "checker_process_name",
        "",
        "The old name of checker_process_name",
        Line {
            argument: "NAME",
            read: |cx, d, s| process::name(cx, s).map(|name| d.process.checker.name = Some(name)),
        },
    ),
    key(
        "bfd_process_name",
        "",
        "The name of the BFD thread",
        Line { argument: "NAME", read: |cx, d, s| process::name(cx, s).map(|name| d.process.bfd.name = Some(name)) },
    ),
    key(
        "vrrp_priority",
        "0",
        "The nice value of the engine's thread; lower runs sooner",
        Whole {
            min: -20,
            max: 19,
            unit: "",
            bare: None,
            set: |d, v| d.process.engine.nice = i8::try_from(v.value).ok(),
        },
    ),
    key(
        "checker_priority",
        "0",
        "The nice value of the threads of checks and services; lower runs sooner",
        Whole {
            min: -20,
            max: 19,
            unit: "",
            bare: None,
            set: |d, v| d.process.checker.nice = i8::try_from(v.value).ok(),
        },
    ),
    key(
        "bfd_priority",
        "0",
        "The nice value of the BFD thread; lower runs sooner",
        Whole { min: -20, max: 19, unit: "", bare: None, set: |d, v| d.process.bfd.nice = i8::try_from(v.value).ok() },
    ),
    key("vrrp_no_swap", "off", "Keep the whole program in memory", Nothing(|d, _| d.process.lock_memory = true)),
    key("checker_no_swap", "off", "Keep the whole program in memory", Nothing(|d, _| d.process.lock_memory = true)),
    key("bfd_no_swap", "off", "Keep the whole program in memory", Nothing(|d, _| d.process.lock_memory = true)),
    key(
        "vrrp_rt_priority",
        "off",
        "Real-time priority (SCHED_RR) of the engine's thread",
        Whole {
            min: 1,
            max: 99,
            unit: "",
            bare: None,
            set: |d, v| d.process.engine.realtime = u8::try_from(v.value).ok(),
        },
    ),
    key(
        "checker_rt_priority",
        "off",
        "Real-time priority (SCHED_RR) of the threads of checks and services",
        Whole {
            min: 1,
            max: 99,
            unit: "",
            bare: None,
            set: |d, v| d.process.checker.realtime = u8::try_from(v.value).ok(),
        },
    ),
    key(
        "bfd_rt_priority",
        "off",
        "Real-time priority (SCHED_RR) of the BFD thread",
        Whole {
            min: 1,
            max: 99,
            unit: "",
            bare: None,
            set: |d, v| d.process.bfd.realtime = u8::try_from(v.value).ok(),
        },
    ),
    key(
        "vrrp_rlimit_rttime",
        "10000",
        "Processor time at real-time priority without a pause; then that priority is given up",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.engine.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    key(
        "checker_rlimit_rttime",
        "10000",
        "Processor time at real-time priority without a pause; then that priority is given up",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.checker.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    key(
        "bfd_rlimit_rttime",
        "10000",
        "Processor time at real-time priority without a pause; then that priority is given up",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.bfd.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    old(
        "vrrp_rlimit_rtime",
        "vrrp_rlimit_rttime",
        "10000",
        "The old name of vrrp_rlimit_rttime",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.engine.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    old(
        "checker_rlimit_rtime",
        "checker_rlimit_rttime",
        "10000",
        "The old name of checker_rlimit_rttime",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.checker.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    old(
        "bfd_rlimit_rtime",
        "bfd_rlimit_rttime",
        "10000",
        "The old name of bfd_rlimit_rttime",
        Whole {
            min: 1,
            max: 4_294_967_295,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.bfd.rlimit_rttime = u64::try_from(v.value).ok(),
        },
    ),
    key(
        "vrrp_cpu_affinity",
        "all",
        "The processors that the engine's thread may use",
        Line { argument: "CPU...", read: |_, d, s| process::processors(s).map(|cpus| d.process.engine.cpus = cpus) },
    ),
    key(
        "checker_cpu_affinity",
        "all",
        "The processors that the threads of checks and services may use",
        Line { argument: "CPU...", read: |_, d, s| process::processors(s).map(|cpus| d.process.checker.cpus = cpus) },
    ),
    key(
        "bfd_cpu_affinity",
        "all",
        "The processors that the BFD thread may use",
        Line { argument: "CPU...", read: |_, d, s| process::processors(s).map(|cpus| d.process.bfd.cpus = cpus) },
    ),
    key(
        "max_auto_priority",
        "0",
        "Up to this real-time priority the engine's thread is raised, step by step, when it wakes late; bare: 99",
        Whole { min: -1, max: 99, unit: "", bare: Some(99), set: |d, v| d.process.auto = Some(v.value) },
    ),
    key(
        "min_auto_priority_delay",
        "1000000",
        "How late that is",
        Whole {
            min: 1,
            max: 10_000_000,
            unit: "microseconds",
            bare: None,
            set: |d, v| d.process.auto_after = Some(v.value),
        },
    ),
    noted("vrrp_netlink_cmd_rcv_bufs", "BYTES", "Socket buffers"),
    noted("vrrp_netlink_cmd_rcv_bufs_force", "on|off", "Socket buffers"),
    noted("vrrp_netlink_monitor_rcv_bufs", "BYTES", "Socket buffers"),
    noted("vrrp_netlink_monitor_rcv_bufs_force", "on|off", "Socket buffers"),
    noted("lvs_netlink_cmd_rcv_bufs", "BYTES", "Socket buffers"),
    noted("lvs_netlink_cmd_rcv_bufs_force", "on|off", "Socket buffers"),
    noted("lvs_netlink_monitor_rcv_bufs", "BYTES", "Socket buffers"),
    noted("lvs_netlink_monitor_rcv_bufs_force", "on|off", "Socket buffers"),
    noted("process_monitor_rcv_bufs", "BYTES", "Socket buffers"),
    noted("process_monitor_rcv_bufs_force", "on|off", "Socket buffers"),
    noted("reload_check_config", "[FILE]", "Check files before a reload"),
    warned("reload_time_file", "PATH", "Reload at a time", "vipdeck reloads when told to"),
    noted("reload_repeat", "", "Reload every day"),
    noted("reload_file", "[PATH]", "A file that exists while a reload is going on"),
    noted("include_check", "WORD...", "How strict `include` is"),
    noted("config_save_dir", "DIRECTORY", "Keep what was read"),
    noted("tmp_config_directory", "DIRECTORY", "Where a copy of what was read lives"),
    key(
        "data_use_instance",
        "off",
        "The names of dump files have the namespace and the engine's name (`instance`) in them",
        Switch(|d, v| d.dumps.by_instance = v.value),
    ),
    key(
        "json_version",
        "1",
        "The form of the JSON dump; 2: with the tracked processes",
        Whole { min: 1, max: 2, unit: "", bare: None, set: |d, v| d.dumps.json_v2 = v.value == 2 },
    ),
    key(
        "state_dump_file",
        "keepalived.data in TMPDIR or /tmp",
        "Where SIGUSR1 writes configuration and state",
        Text { what: "PATH", set: |d, v| d.dumps.data = Some(v.value.into()) },
    ),
    key(
        "stats_dump_file",
        "keepalived.stats in TMPDIR or /tmp",
        "Where SIGUSR2 writes the counters",
        Text { what: "PATH", set: |d, v| d.dumps.stats = Some(v.value.into()) },
    ),
    key(
        "json_dump_file",
        "keepalived.json in TMPDIR or /tmp",
        "Where SIGRTMIN+2 writes configuration, state and counters as JSON",
        Text { what: "PATH", set: |d, v| d.dumps.json = Some(v.value.into()) },
    ),
    noted("random_seed", "NUMBER", "Repeatable random numbers"),
    warned("enable_snmp_vrrp", "", "SNMP", SNMP),
    warned("enable_snmp_keepalived", "", "The old name of enable_snmp_vrrp", SNMP),
    warned("enable_snmp_checker", "", "SNMP", SNMP),
    warned("enable_snmp_rfc", "", "SNMP", SNMP),
    warned("enable_snmp_rfcv2", "", "SNMP", SNMP),
    warned("enable_snmp_rfcv3", "", "SNMP", SNMP),
    warned("enable_traps", "", "SNMP traps", SNMP),
    noted("snmp_socket", "ADDRESS", "Where the SNMP agent is"),
    noted("snmp_vs_stats_update_interval", "SECONDS", "How old SNMP's numbers may be"),
    noted("snmp_rs_stats_update_interval", "SECONDS", "How old SNMP's numbers may be"),
    warned("enable_dbus", "", "D-Bus", SNMP),
    noted("dbus_service_name", "NAME", "The name on D-Bus"),
    noted("dbus_no_interface_name", "NAME", "A path on D-Bus"),
];
