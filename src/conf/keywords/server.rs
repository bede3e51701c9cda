//! `virtual_server` and `real_server`.

use super::Takes::{Block, Line, Nothing, OneOf, Script, Seconds, Switch, Text, Whole};
use super::{Keyword, Takes, check, key, noted, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, Failed, address_and_port, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::kernel::{Checksum, Forwarding, SchedulerFlags, Tunnel};
use crate::time::Duration;
use crate::vrrp::Command;
use std::net::{IpAddr, Ipv4Addr};

/// The times a check inherits: from the virtual server to the real server to the checker.
#[derive(Clone, Copy, Default)]
pub(in crate::conf) struct Times {
    pub delay_loop: Option<Duration>,
    pub retry: Option<u32>,
    pub delay_before_retry: Option<Duration>,
    pub warmup: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub alpha: Option<bool>,
}

/// What a virtual server is for.
pub(in crate::conf) enum Target {
    Address(Spanned<IpAddr>, Option<u16>),
    Mark(u32),
    Group(Spanned<String>),
}

pub(in crate::conf) struct Draft {
    pub target: Target,
    pub span: Span,
    pub times: Times,
    pub family: Option<Spanned<&'static str>>,
    pub scheduler: Option<&'static str>,
    pub flags: SchedulerFlags,
    pub one_packet: Option<Span>,
    pub forwarding: Option<Forwarding>,
    pub protocol: Option<Spanned<&'static str>>,
    pub persistence: Option<u32>,
    pub granularity: Option<Spanned<Granularity>>,
    pub engine: Option<String>,
    pub weight: Option<u32>,
    pub inhibit_on_failure: bool,
    pub quorum: Option<Spanned<i64>>,
    pub hysteresis: Option<Spanned<i64>>,
    pub quorum_up: Option<Command>,
    pub quorum_down: Option<Command>,
    pub omega: bool,
    pub ha_suspend: Option<Span>,
    pub smtp_alert: Option<bool>,
    pub virtualhost: Option<String>,
    pub sorry: Option<Sorry>,
    /// Keywords that were written and refused.
    pub failed: Failed,
    pub reals: Vec<Real>,
}

/// `persistence_granularity`: the length of a prefix, of an IPv4 mask or as a number for IPv6.
#[derive(Clone, Copy)]
pub(in crate::conf) enum Granularity {
    Mask(u8),
    Length(u8),
}

pub(in crate::conf) struct Sorry {
    pub address: Spanned<IpAddr>,
    pub port: Option<u16>,
    pub span: Span,
    /// Its own.
    pub method: Option<Forwarding>,
    /// That of its virtual server, as far as it was written before this one.
    pub forwarding: Option<Forwarding>,
    pub inhibit: bool,
}

pub(in crate::conf) struct Real {
    pub address: Spanned<IpAddr>,
    pub port: Option<u16>,
    pub span: Span,
    pub times: Times,
    pub weight: Option<u32>,
    pub upper: Option<Spanned<i64>>,
    pub lower: Option<Spanned<i64>>,
    /// Its own.
    pub method: Option<Forwarding>,
    /// That of its virtual server, as far as it was written before this one.
    pub forwarding: Option<Forwarding>,
    pub inhibit_on_failure: Option<bool>,
    pub notify_up: Option<Command>,
    pub notify_down: Option<Command>,
    pub smtp_alert: Option<bool>,
    pub virtualhost: Option<String>,
    pub checks: Vec<check::Draft>,
    pub failed: Failed,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some((target, span)) = target(cx, statement) else { return };
    let mut draft = Draft {
        target,
        span,
        times: Times::default(),
        family: None,
        scheduler: None,
        flags: SchedulerFlags::default(),
        one_packet: None,
        forwarding: None,
        protocol: None,
        persistence: None,
        granularity: None,
        engine: None,
        weight: None,
        inhibit_on_failure: false,
        quorum: None,
        hysteresis: None,
        quorum_up: None,
        quorum_down: None,
        omega: false,
        ha_suspend: None,
        smtp_alert: None,
        virtualhost: None,
        sorry: None,
        failed: Failed::new(),
        reals: Vec::new(),
    };
    draft.failed = walk(cx, "virtual_server", TABLE, &mut draft, &body.statements);
    root.servers.push(draft);
}

/// `ADDRESS [PORT]`, `fwmark NUMBER` or `group NAME`.
fn target(cx: &mut Cx<'_>, statement: &Statement) -> Option<(Target, Span)> {
    let kind = statement.words.get(1).map(|word| word.text.as_str());
    if !matches!(kind, Some("fwmark" | "group")) {
        let (address, port, span) = address_and_port(cx, statement)?;
        return Some((Target::Address(address, port), span));
    }
    cx.no_more_words(statement, 3);
    let (first, Some(word)) = (statement.words.first()?, statement.words.get(2)) else {
        let kind = kind.unwrap_or_default();
        let span = statement.span()?;
        let what = if kind == "group" { "NAME" } else { "NUMBER" };
        let message = format!("`virtual_server {kind}` needs a value");
        cx.report(Diagnostic::error("missing-argument", message).at(span, format!("takes {what}")));
        return None;
    };
    let span = first.span.to(word.span);
    if kind == Some("group") {
        return Some((Target::Group(Spanned { value: word.text.clone(), span: word.span }), span));
    }
    match value::whole("fwmark", word, 1, u32::MAX.into()) {
        Ok(mark) => Some((Target::Mark(u32::try_from(mark).ok()?), span)),
        Err(problem) => {
            cx.report(problem);
            None
        }
    }
}

fn real(cx: &mut Cx<'_>, server: &mut Draft, statement: &Statement, body: &Body) {
    let Some((address, port, span)) = address_and_port(cx, statement) else { return };
    let mut draft = Real {
        address,
        port,
        span,
        times: Times::default(),
        weight: None,
        upper: None,
        lower: None,
        method: None,
        forwarding: server.forwarding,
        inhibit_on_failure: None,
        notify_up: None,
        notify_down: None,
        smtp_alert: None,
        virtualhost: None,
        checks: Vec::new(),
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "real_server", REAL, &mut draft, &body.statements);
    server.reals.push(draft);
}

/// `sorry_server ADDRESS [PORT]`; what is wrong is reported there.
fn sorry(cx: &mut Cx<'_>, server: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let Some((address, port, span)) = address_and_port(cx, statement) else { return Ok(()) };
    if let Some(before) = &server.sorry {
        return Err(Diagnostic::error("written-twice", "a second sorry_server")
            .at(span, "")
            .at(before.span, "the first")
            .help("a virtual server has one sorry server"));
    }
    let forwarding = server.forwarding;
    server.sorry = Some(Sorry { address, port, span, method: None, forwarding, inhibit: false });
    Ok(())
}

/// A keyword about the sorry server, which must come after it: keepalived ignores it before.
fn of_sorry(
    cx: &mut Cx<'_>,
    server: &mut Draft,
    statement: &Statement,
    set: impl FnOnce(&mut Cx<'_>, &mut Sorry) -> Result<(), Diagnostic>,
) -> Result<(), Diagnostic> {
    let Some(sorry) = &mut server.sorry else {
        let Some(first) = statement.words.first() else { return Ok(()) };
        cx.report(
            Diagnostic::warning("too-early", format!("`{}` before `sorry_server`", first.text))
                .at(first.span, "ignored, as keepalived does")
                .help("write it after `sorry_server`"),
        );
        return Ok(());
    };
    set(cx, sorry)
}

/// `sh-port` and its like, which apply to one scheduler, and only after it was named.
fn hash_flag(cx: &mut Cx<'_>, server: &mut Draft, statement: &Statement) {
    cx.no_more_words(statement, 1);
    let Some(first) = statement.words.first() else { return };
    let (scheduler, flag) = first.text.split_once('-').unwrap_or((&first.text, ""));
    if server.scheduler != Some(scheduler) {
        cx.report(
            Diagnostic::warning("flag-ignored", format!("`{}` is for the scheduler {scheduler} only", first.text))
                .at(first.span, "ignored, as keepalived does")
                .help(format!("write it after `lb_algo {scheduler}`, or remove it")),
        );
    } else if flag == "fallback" {
        server.flags.first = true;
    } else {
        server.flags.second = true;
    }
}

/// [`hash_flag`] refuses nothing.
const HASH_FLAG: Takes<Draft> = Line {
    argument: "",
    read: |cx, draft, statement| {
        hash_flag(cx, draft, statement);
        Ok(())
    },
};

/// `NAT`, `DR` or `TUN [type ipip|gue|gre] [port NUMBER] [nocsum|csum|remcsum]`.
fn method(statement: &Statement) -> Result<Forwarding, Diagnostic> {
    let [keyword, kind, rest @ ..] = statement.words.as_slice() else {
        let problem = Diagnostic::error("missing-argument", "a forwarding method is missing");
        return Err(statement.words.first().map_or(problem.clone(), |w| problem.at(w.span, format!("takes {METHOD}"))));
    };
    let name = value::one_of(&keyword.text, kind, &["NAT", "DR", "TUN"], false)?;
    if name == "TUN" {
        return tunnel(kind, rest).map(Forwarding::Tun);
    }
    if let Some(word) = rest.first() {
        return Err(
            Diagnostic::error("bad-word", format!("{name} takes nothing more")).at(word.span, "of tunnels only")
        );
    }
    Ok(if name == "DR" { Forwarding::Dr } else { Forwarding::Nat })
}

fn tunnel(kind: &Word, rest: &[Word]) -> Result<Tunnel, Diagnostic> {
    let (mut name, mut port, mut checksum) = ("ipip", None, None);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let mut needed = || {
            let message = format!("`{}` needs a value", word.text);
            words.next().ok_or_else(|| Diagnostic::error("missing-argument", message).at(word.span, ""))
        };
        match word.text.as_str() {
            "type" => name = value::one_of("type", needed()?, &["ipip", "gue", "gre"], false)?,
            "port" => {
                let number = needed()?;
                port = Some((u16::try_from(value::whole("port", number, 1, 65535)?).unwrap_or(0), number.span));
            }
            "nocsum" => checksum = Some((Checksum::No, word.span)),
            "csum" => checksum = Some((Checksum::Yes, word.span)),
            "remcsum" => checksum = Some((Checksum::Remote, word.span)),
            _ => {
                let message = format!("`{}` is no option of a tunnel", word.text);
                return Err(Diagnostic::error("bad-word", message).at(word.span, "type, port, nocsum, csum or remcsum"));
            }
        }
    }
    let wrong = |message: &str, span: Span| Err(Diagnostic::error("bad-tunnel", message).at(span, "of this tunnel"));
    let sum = checksum.map_or(Checksum::No, |(checksum, _)| checksum);
    match (name, port, checksum) {
        ("gue", Some((port, _)), _) => Ok(Tunnel::Gue { port, checksum: sum }),
        ("gue", None, _) => wrong("a gue tunnel needs `port NUMBER`", kind.span),
        (_, Some((_, span)), _) => wrong("only a gue tunnel has a port", span),
        ("gre", None, Some((Checksum::Remote, span))) => wrong("a gre tunnel has no remote checksum", span),
        ("gre", None, _) => Ok(Tunnel::Gre { checksum: sum }),
        (_, None, Some((_, span))) => wrong("an ipip tunnel has no checksum", span),
        (_, None, None) => Ok(Tunnel::Ipip),
    }
}

/// `persistence_granularity`: a mask, or the length of an IPv6 prefix.
fn granularity(cx: &mut Cx<'_>, server: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let [keyword, word, ..] = statement.words.as_slice() else {
        let problem = Diagnostic::error("missing-argument", "`persistence_granularity` needs a value");
        return Err(statement.words.first().map_or(problem.clone(), |w| problem.at(w.span, "takes NETMASK|1..128")));
    };
    cx.no_more_words(statement, 2);
    let granularity = match word.text.parse::<Ipv4Addr>() {
        Ok(mask) if mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() == 32 && mask.to_bits() != 0 => {
            Granularity::Mask(u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32))
        }
        Ok(_) => {
            let message = format!("`{}` is no netmask", word.text);
            return Err(Diagnostic::error("bad-netmask", message).at(word.span, "ones, then zeros: 255.255.255.0"));
        }
        Err(_) => {
            let length = value::whole(&keyword.text, word, 1, 128)?;
            Granularity::Length(u8::try_from(length).unwrap_or(128))
        }
    };
    server.granularity = Some(Spanned { value: granularity, span: word.span });
    Ok(())
}

pub(super) const LONG: u64 = 4_294_967_295_000;
const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"];
const METHOD: &str = "NAT|DR|TUN [type ipip|gue|gre] [port NUMBER] [nocsum|csum|remcsum]";

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
        OneOf { words: SCHEDULERS, any_case: false, set: |d, v| d.scheduler = Some(v.value) },
    ),
    key(
        "lvs_sched",
        "wlc",
        "Another name of lb_algo",
        OneOf { words: SCHEDULERS, any_case: false, set: |d, v| d.scheduler = Some(v.value) },
    ),
    key(
        "lb_kind",
        "NAT",
        "How packets reach the real servers",
        Line { argument: METHOD, read: |_, d, s| method(s).map(|method| d.forwarding = Some(method)) },
    ),
    key(
        "lvs_method",
        "NAT",
        "Another name of lb_kind",
        Line { argument: METHOD, read: |_, d, s| method(s).map(|method| d.forwarding = Some(method)) },
    ),
    key(
        "protocol",
        "UDP",
        "What is balanced",
        OneOf { words: &["TCP", "UDP", "SCTP"], any_case: true, set: |d, v| d.protocol = Some(v) },
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
    key("sorry_server", "none", "Serves while the quorum is lost", Line { argument: "ADDRESS [PORT]", read: sorry }),
    key(
        "sorry_server_inhibit",
        "off",
        "The sorry server stays in the table with weight 0 while it is not needed; after sorry_server",
        Line {
            argument: "",
            read: |cx, d, s| {
                cx.no_more_words(s, 1);
                of_sorry(cx, d, s, |_, sorry| {
                    sorry.inhibit = true;
                    Ok(())
                })
            },
        },
    ),
    key(
        "sorry_server_lvs_method",
        "the virtual server's",
        "How packets reach the sorry server; after sorry_server",
        Line {
            argument: METHOD,
            read: |cx, d, s| of_sorry(cx, d, s, |_, sorry| method(s).map(|method| sorry.method = Some(method))),
        },
    ),
    key(
        "hysteresis",
        "0",
        "How far above quorum it is regained, and below it lost",
        Whole { min: 0, max: i32::MAX as i64, unit: "", bare: None, set: |d, v| d.hysteresis = Some(v) },
    ),
    key("quorum_up", "none", "Run when the quorum is reached", Script(|d, c| d.quorum_up = Some(c.value))),
    key("quorum_down", "none", "Run when the quorum is lost", Script(|d, c| d.quorum_down = Some(c.value))),
    key(
        "alpha",
        "off",
        "Real servers are down until a check of theirs succeeds",
        Nothing(|d, _| {
            d.times.alpha = Some(true);
        }),
    ),
    key(
        "omega",
        "off",
        "At the end quorum_down, and notify_down of servers that are up, run",
        Nothing(|d, _| {
            d.omega = true;
        }),
    ),
    key(
        "ha_suspend",
        "off",
        "Checks run only while the address is on this node",
        Nothing(|d, span| d.ha_suspend = Some(span)),
    ),
    key("ops", "off", "Every packet is scheduled by itself: UDP only", Nothing(|d, span| d.one_packet = Some(span))),
    key(
        "flag-1",
        "off",
        "The first flag of the scheduler",
        Nothing(|d, _| {
            d.flags.first = true;
        }),
    ),
    key(
        "flag-2",
        "off",
        "The second flag of the scheduler",
        Nothing(|d, _| {
            d.flags.second = true;
        }),
    ),
    key(
        "flag-3",
        "off",
        "The third flag of the scheduler",
        Nothing(|d, _| {
            d.flags.third = true;
        }),
    ),
    key("sh-port", "off", "sh: the source port counts, too", HASH_FLAG),
    key("sh-fallback", "off", "sh: another server for one of weight 0", HASH_FLAG),
    key("mh-port", "off", "mh: the source port counts, too", HASH_FLAG),
    key("mh-fallback", "off", "mh: another server for one of weight 0", HASH_FLAG),
    key(
        "persistence_engine",
        "none",
        "What tells clients apart beside their address; IPVS has sip",
        Text { what: "NAME", set: |d, v| d.engine = Some(v.value) },
    ),
    key(
        "persistence_granularity",
        "single clients",
        "What counts as one client: a mask for IPv4, the length of a prefix for IPv6",
        Line { argument: "NETMASK|1..128", read: granularity },
    ),
    key(
        "ip_family",
        "that of the addresses",
        "The family of a firewall mark's packets",
        OneOf { words: &["inet", "inet6"], any_case: false, set: |d, v| d.family = Some(v) },
    ),
    key(
        "virtualhost",
        "none",
        "The host name of HTTP checks that name none",
        Text { what: "NAME", set: |d, v| d.virtualhost = Some(v.value) },
    ),
    key(
        "smtp_alert",
        "smtp_alert_checker, smtp_alert, else off",
        "Mail when the quorum is lost or regained",
        Switch(|d, v| d.smtp_alert = Some(v.value)),
    ),
    noted("snmp_name", "NAME", "Its name in SNMP"),
    noted("nat_mask", "MASK", "Obsolete, without effect in keepalived too"),
    noted("hashed", "", "Without effect in keepalived too"),
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
        Line { argument: METHOD, read: |_, d, s| method(s).map(|method| d.method = Some(method)) },
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
    key("notify_up", "none", "Run when it comes back", Script(|d, c| d.notify_up = Some(c.value))),
    key("notify_down", "none", "Run when it fails", Script(|d, c| d.notify_down = Some(c.value))),
    key(
        "smtp_alert",
        "smtp_alert_checker, smtp_alert, else on",
        "Mail when it fails or comes back",
        Switch(|d, v| d.smtp_alert = Some(v.value)),
    ),
    key(
        "virtualhost",
        "the virtual server's",
        "The host name of HTTP checks that name none",
        Text { what: "NAME", set: |d, v| d.virtualhost = Some(v.value) },
    ),
    noted("snmp_name", "NAME", "Its name in SNMP"),
    key("alpha", "the virtual server's", "Down until a check succeeds", Switch(|d, v| d.times.alpha = Some(v.value))),
    key(
        "uthreshold",
        "0",
        "Connections from which on it gets no more; 0: no limit",
        Whole { min: 0, max: i32::MAX as i64, unit: "", bare: None, set: |d, v| d.upper = Some(v) },
    ),
    key(
        "lthreshold",
        "0",
        "Connections below which it gets more again; 0: three quarters of uthreshold",
        Whole { min: 0, max: i32::MAX as i64, unit: "", bare: None, set: |d, v| d.lower = Some(v) },
    ),
];
