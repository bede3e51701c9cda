//! `virtual_server` and `real_server`.

use super::Takes::{Block, Nothing, OneOf, Seconds, Switch, Text, Whole};
use super::{Keyword, check, key, noted, refused, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, Failed, address_and_port, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::time::Duration;
use std::net::IpAddr;

/// The times a check inherits: from the virtual server to the real server to the checker.
#[derive(Clone, Copy, Default)]
pub(in crate::conf) struct Times {
    pub delay_loop: Option<Duration>,
    pub retry: Option<u32>,
    pub delay_before_retry: Option<Duration>,
    pub warmup: Option<Duration>,
    pub connect_timeout: Option<Duration>,
}

pub(in crate::conf) struct Draft {
    pub address: Spanned<IpAddr>,
    pub port: Option<u16>,
    pub span: Span,
    pub times: Times,
    pub scheduler: Option<&'static str>,
    pub forwarding: Option<&'static str>,
    pub protocol: Option<Spanned<&'static str>>,
    pub persistence: Option<u32>,
    pub weight: Option<u32>,
    pub inhibit_on_failure: bool,
    pub alpha: bool,
    pub ha_suspend: bool,
    pub virtualhost: Option<String>,
    pub quorum: Option<Spanned<i64>>,
    /// Keywords that were written and refused.
    pub failed: Failed,
    pub reals: Vec<Real>,
}

pub(in crate::conf) struct Real {
    pub address: Spanned<IpAddr>,
    pub port: Option<u16>,
    pub span: Span,
    pub times: Times,
    pub weight: Option<u32>,
    pub forwarding: Option<&'static str>,
    pub inhibit_on_failure: Option<bool>,
    pub checks: Vec<check::Draft>,
    pub alpha: Option<bool>,
    pub virtualhost: Option<String>,
    pub failed: Failed,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    if let Some(word) = statement.words.get(1).filter(|w| ["fwmark", "group"].contains(&w.text.as_str())) {
        cx.report(
            Diagnostic::error(
                "not-supported",
                format!("`virtual_server {}` is keepalived's, vipdeck does not support it yet", word.text),
            )
            .at(word.span, "")
            .help("write `virtual_server ADDRESS PORT`"),
        );
        return;
    }
    let Some((address, port, span)) = address_and_port(cx, statement) else { return };
    let mut draft = Draft {
        address,
        port,
        span,
        times: Times::default(),
        scheduler: None,
        forwarding: None,
        protocol: None,
        persistence: None,
        weight: None,
        inhibit_on_failure: false,
        alpha: false,
        ha_suspend: false,
        virtualhost: None,
        quorum: None,
        failed: Failed::new(),
        reals: Vec::new(),
    };
    draft.failed = walk(cx, "virtual_server", TABLE, &mut draft, &body.statements);
    root.servers.push(draft);
}

fn real(cx: &mut Cx<'_>, server: &mut Draft, statement: &Statement, body: &Body) {
    let Some((address, port, span)) = address_and_port(cx, statement) else { return };
    let mut draft = Real {
        address,
        port,
        span,
        times: Times::default(),
        weight: None,
        forwarding: None,
        inhibit_on_failure: None,
        checks: Vec::new(),
        alpha: None,
        virtualhost: None,
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "real_server", REAL, &mut draft, &body.statements);
    server.reals.push(draft);
}

pub(super) const LONG: u64 = 4_294_967_295_000;
const SCHEDULERS: &[&str] = &["rr", "wrr", "lc", "wlc", "sh"];
const OTHER_SCHEDULERS: &[&str] = &["lblc", "lblcr", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"];

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key(
        "delay_loop",
        "60",
        "From the end of a check to the next",
        Seconds { min: 1, max: LONG, set: |d, v| d.times.delay_loop = Some(v.value) },
    ),
    key(
        "lb_algo",
        "wlc",
        "The scheduler",
        OneOf { words: SCHEDULERS, others: OTHER_SCHEDULERS, any_case: false, set: |d, v| d.scheduler = Some(v.value) },
    ),
    key(
        "lvs_sched",
        "wlc",
        "Another name of lb_algo",
        OneOf { words: SCHEDULERS, others: OTHER_SCHEDULERS, any_case: false, set: |d, v| d.scheduler = Some(v.value) },
    ),
    key(
        "lb_kind",
        "NAT",
        "How packets reach the real servers",
        OneOf { words: &["DR", "NAT"], others: &["TUN"], any_case: false, set: |d, v| d.forwarding = Some(v.value) },
    ),
    key(
        "lvs_method",
        "NAT",
        "Another name of lb_kind",
        OneOf { words: &["DR", "NAT"], others: &["TUN"], any_case: false, set: |d, v| d.forwarding = Some(v.value) },
    ),
    key(
        "protocol",
        "UDP",
        "What is balanced",
        OneOf { words: &["TCP"], others: &["UDP", "SCTP"], any_case: true, set: |d, v| d.protocol = Some(v) },
    ),
    key(
        "persistence_timeout",
        "off",
        "A client stays with its real server this long",
        Whole {
            min: 1,
            max: 2_678_400,
            unit: "seconds",
            bare: Some(360),
            set: |d, v| d.persistence = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "retry",
        "the checker's",
        "Tries after a failure",
        Whole {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.times.retry = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "delay_before_retry",
        "the checker's",
        "The pause before such a try",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.delay_before_retry = Some(v.value) },
    ),
    key(
        "warmup",
        "delay_loop",
        "The first check starts at a random point within this",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.warmup = Some(v.value) },
    ),
    key(
        "connect_timeout",
        "5",
        "How long a check waits for its connection",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.times.connect_timeout = Some(v.value) },
    ),
    key(
        "weight",
        "1",
        "The weight of real servers that name none",
        Whole {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.weight = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "inhibit_on_failure",
        "off",
        "A failed real server stays with weight 0",
        Nothing(|d, _| {
            d.inhibit_on_failure = true;
        }),
    ),
    key(
        "quorum",
        "1",
        "The least total weight",
        Whole { min: 1, max: i32::MAX as i64, unit: "", bare: None, set: |d, v| d.quorum = Some(v) },
    ),
    key("real_server", "", "One that does the work", Block { head: "ADDRESS [PORT]", lower: real }),
    key(
        "virtualhost",
        "none",
        "The host that checks ask for pages",
        Text { what: "NAME", set: |d, v| d.virtualhost = Some(v.value) },
    ),
    noted("hysteresis", "COUNT", "How far above quorum to recover"),
    noted("quorum_up", "\"COMMAND\" [USER [GROUP]]", "Run when quorum is reached"),
    noted("quorum_down", "\"COMMAND\" [USER [GROUP]]", "Run when quorum is lost"),
    noted("smtp_alert", "[on|off]", "Mail about this service"),
    noted("snmp_name", "NAME", "Its name in SNMP"),
    noted("ip_family", "inet|inet6", "Follows from the address"),
    noted("nat_mask", "MASK", "Obsolete, without effect in keepalived too"),
    noted("hashed", "", "Without effect in keepalived too"),
    noted("omega", "", "Run the scripts of real servers at the end"),
    key(
        "ha_suspend",
        "off",
        "Checks run only while the address is on this machine",
        Nothing(|d, _| d.ha_suspend = true),
    ),
    key("alpha", "off", "Real servers are down until a check succeeds", Nothing(|d, _| d.alpha = true)),
    refused("ops", "", "Every packet is scheduled by itself"),
    refused("flag-1", "", "A flag of the scheduler"),
    refused("flag-2", "", "A flag of the scheduler"),
    refused("flag-3", "", "A flag of the scheduler"),
    refused("sh-port", "", "Source hashing: with the port"),
    refused("sh-fallback", "", "Source hashing: another server for a dead one"),
    refused("mh-port", "", "Maglev hashing: with the port"),
    refused("mh-fallback", "", "Maglev hashing: another server for a dead one"),
    refused("persistence_engine", "NAME", "What makes a client"),
    refused("persistence_granularity", "NETMASK", "What counts as one client"),
    refused("sorry_server", "ADDRESS [PORT]", "Serves when no real server does"),
    refused("sorry_server_inhibit", "", "Keep sorry_server at weight 0"),
    refused("sorry_server_lvs_method", "DR|NAT", "How packets reach sorry_server"),
];

pub(in crate::conf) const REAL: &[Keyword<Real>] = &[
    key(
        "weight",
        "the virtual server's",
        "How much it gets; 0: no new connections",
        Whole {
            min: 0,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.weight = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "inhibit_on_failure",
        "the virtual server's",
        "Failed, it stays with weight 0",
        Switch(|d, v| {
            d.inhibit_on_failure = Some(v.value);
        }),
    ),
    key(
        "lvs_method",
        "the virtual server's",
        "How packets reach it",
        OneOf { words: &["DR", "NAT"], others: &["TUN"], any_case: false, set: |d, v| d.forwarding = Some(v.value) },
    ),
    key(
        "delay_loop",
        "the virtual server's",
        "From the end of a check to the next",
        Seconds { min: 1, max: LONG, set: |d, v| d.times.delay_loop = Some(v.value) },
    ),
    key(
        "retry",
        "the virtual server's",
        "Tries after a failure",
        Whole {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.times.retry = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "delay_before_retry",
        "the virtual server's",
        "The pause before such a try",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.delay_before_retry = Some(v.value) },
    ),
    key(
        "warmup",
        "the virtual server's",
        "The first check starts at a random point within this",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.warmup = Some(v.value) },
    ),
    key(
        "connect_timeout",
        "the virtual server's",
        "How long a check waits for its connection",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.times.connect_timeout = Some(v.value) },
    ),
    key("TCP_CHECK", "", "A connection succeeds", Block { head: "", lower: check::checker }),
    key("HTTP_GET", "", "Pages are as expected", Block { head: "", lower: check::checker }),
    key("SSL_GET", "", "Pages over TLS are as expected", Block { head: "", lower: check::checker }),
    key("SMTP_CHECK", "", "A mail server answers", Block { head: "", lower: check::checker }),
    key("DNS_CHECK", "", "A name server answers", Block { head: "", lower: check::checker }),
    key("MISC_CHECK", "", "A command succeeds", Block { head: "", lower: check::checker }),
    key("UDP_CHECK", "", "Nothing says that a UDP port is closed", Block { head: "", lower: check::checker }),
    key("PING_CHECK", "", "It answers echo requests", Block { head: "", lower: check::checker }),
    key("BFD_CHECK", "", "A BFD session is up", Block { head: "", lower: check::checker }),
    key("FILE_CHECK", "", "A number in a file adds to the weight", Block { head: "", lower: check::checker }),
    noted("notify_up", "\"COMMAND\" [USER [GROUP]]", "Run when it comes back"),
    noted("notify_down", "\"COMMAND\" [USER [GROUP]]", "Run when it fails"),
    noted("smtp_alert", "[on|off]", "Mail about it"),
    key(
        "virtualhost",
        "the virtual server's",
        "The host that checks ask for pages",
        Text { what: "NAME", set: |d, v| d.virtualhost = Some(v.value) },
    ),
    noted("snmp_name", "NAME", "Its name in SNMP"),
    key("alpha", "the virtual server's", "Down until its checks succeed", Switch(|d, v| d.alpha = Some(v.value))),
    refused("uthreshold", "COUNT", "The most connections it gets"),
    refused("lthreshold", "COUNT", "Connections below which it gets more again"),
];
