//! The checkers: their blocks, and the options that they have in common.

use super::Takes::{Block, Ip, Line, Link, Nothing, Seconds, Switch, Text, User, Whole};
use super::server::{LONG, Real, Times};
use super::{Keyword, http, key, noted, old};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, Failed, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::health::DnsType;
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::RunAs;
use std::net::IpAddr;

/// Which checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conf) enum Kind {
    Tcp,
    Http,
    Ssl,
    Smtp,
    Dns,
    Udp,
    Ping,
    Misc,
    Bfd,
    File,
}

impl Kind {
    /// Whether it connects to a port.
    pub(in crate::conf) const fn has_port(self) -> bool {
        !matches!(self, Self::Ping | Self::Misc | Self::Bfd | Self::File)
    }
}

/// Any checker as it is written; each block fills in what it has words for.
pub(in crate::conf) struct Draft {
    pub kind: Kind,
    pub span: Span,
    pub times: Times,
    pub log_all_failures: Option<bool>,
    pub address: Option<Spanned<IpAddr>>,
    pub port: Option<u16>,
    pub source: Option<Spanned<IpAddr>>,
    pub source_port: Option<u16>,
    pub link: Option<Spanned<LinkName>>,
    pub mark: Option<u32>,
    pub http: http::Draft,
    pub helo: Option<String>,
    pub dns_type: Option<DnsType>,
    pub dns_name: Option<Spanned<String>>,
    pub payload: Option<Vec<u8>>,
    /// Bytes with the bits of each that count.
    pub reply: Option<Vec<(u8, u8)>>,
    pub reply_length: (Option<Spanned<i64>>, Option<Spanned<i64>>),
    pub command: Option<Spanned<Vec<String>>>,
    pub misc_timeout: Option<Duration>,
    pub dynamic: bool,
    pub user: Option<RunAs>,
    /// Of a BFD session, or a tracked file.
    pub name: Option<Spanned<String>>,
    pub weight: Option<(i64, bool)>,
    pub failed: Failed,
}

impl Draft {
    fn new(kind: Kind, span: Span) -> Self {
        Self {
            kind,
            span,
            times: Times::default(),
            log_all_failures: None,
            address: None,
            port: None,
            source: None,
            source_port: None,
            link: None,
            mark: None,
            http: http::Draft::default(),
            helo: None,
            dns_type: None,
            dns_name: None,
            payload: None,
            reply: None,
            reply_length: (None, None),
            command: None,
            misc_timeout: None,
            dynamic: false,
            user: None,
            name: None,
            weight: None,
            failed: Failed::new(),
        }
    }
}

/// Reads one checker's block.
pub(super) fn checker(cx: &mut Cx<'_>, real: &mut Real, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let Some(first) = statement.words.first() else { return };
    let Some((name, kind, table)) = KINDS.iter().find(|(name, ..)| *name == first.text) else { return };
    let mut draft = Draft::new(*kind, first.span);
    draft.failed = walk(cx, name, table, &mut draft, &body.statements);
    real.checks.push(draft);
}

const KINDS: &[(&str, Kind, &[Keyword<Draft>])] = &[
    ("TCP_CHECK", Kind::Tcp, TCP),
    ("HTTP_GET", Kind::Http, HTTP),
    ("SSL_GET", Kind::Ssl, HTTP),
    ("SMTP_CHECK", Kind::Smtp, SMTP),
    ("DNS_CHECK", Kind::Dns, DNS),
    ("UDP_CHECK", Kind::Udp, UDP),
    ("PING_CHECK", Kind::Ping, TCP),
    ("MISC_CHECK", Kind::Misc, MISC),
    ("BFD_CHECK", Kind::Bfd, BFD),
    ("FILE_CHECK", Kind::File, FILE),
];

const MOST: i64 = i32::MAX as i64;

const COMMON: &[Keyword<Draft>] = &[
    key(
        "retry",
        "1; DNS_CHECK 3, MISC_CHECK 0",
        "Tries after a failure",
        Whole { min: 0, max: MOST, unit: "", bare: None, set: |d, v| d.times.retry = u32::try_from(v.value).ok() },
    ),
    key(
        "delay_before_retry",
        "1; HTTP_GET and SSL_GET 3, DNS_CHECK delay_loop",
        "The pause before such a try",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.delay_before_retry = Some(v.value) },
    ),
    key(
        "delay_loop",
        "the real server's",
        "From the end of a check to the next",
        Seconds { min: 1, max: LONG, set: |d, v| d.times.delay_loop = Some(v.value) },
    ),
    key(
        "warmup",
        "delay_loop",
        "The first check starts at a random point within this",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.warmup = Some(v.value) },
    ),
    key("alpha", "the real server's", "Down until it succeeds", Switch(|d, v| d.times.alpha = Some(v.value))),
    key(
        "log_all_failures",
        "off",
        "Every failure is an event",
        Switch(|d, v| {
            d.log_all_failures = Some(v.value);
        }),
    ),
    noted("smtp_alert", "[on|off]", "Mail about it"),
];

const CONNECT: &[Keyword<Draft>] = &[
    key(
        "connect_timeout",
        "the real server's",
        "How long a run may take",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.times.connect_timeout = Some(v.value) },
    ),
    key("connect_ip", "the real server", "Connect here instead", Ip(|d, v| d.address = Some(v))),
    key(
        "connect_port",
        "the real server's",
        "Connect to this port instead",
        Whole { min: 1, max: 65535, unit: "", bare: None, set: |d, v| d.port = u16::try_from(v.value).ok() },
    ),
    key("bindto", "any", "Connect from this address", Ip(|d, v| d.source = Some(v))),
    key(
        "bind_port",
        "any",
        "Connect from this port",
        Whole { min: 1, max: 65535, unit: "", bare: None, set: |d, v| d.source_port = u16::try_from(v.value).ok() },
    ),
    key("bind_if", "any", "Connect through this link", Link(|d, v| d.link = Some(v))),
    key(
        "fwmark",
        "0",
        "The mark of its packets",
        Whole { min: 0, max: u32::MAX as i64, unit: "", bare: None, set: |d, v| d.mark = u32::try_from(v.value).ok() },
    ),
];

const OLD_RETRY: &[Keyword<Draft>] = &[old(
    "nb_get_retry",
    "retry",
    "1",
    "Tries after a failure",
    Whole { min: 0, max: MOST, unit: "", bare: None, set: |d, v| d.times.retry = u32::try_from(v.value).ok() },
)];

/// Tables one after the other.
#[expect(clippy::indexing_slicing, reason = "at compile time")]
const fn join<const N: usize>(parts: &[&[Keyword<Draft>]]) -> [Keyword<Draft>; N] {
    let mut all = [COMMON[0]; N];
    let (mut part, mut place, mut filled) = (0, 0, 0);
    while part < parts.len() {
        if place == parts[part].len() {
            (part, place) = (part + 1, 0);
        } else {
            all[filled] = parts[part][place];
            (place, filled) = (place + 1, filled + 1);
        }
    }
    all
}

const ALL: usize = COMMON.len() + CONNECT.len();

pub(in crate::conf) const TCP: &[Keyword<Draft>] = &join::<{ ALL + 1 }>(&[CONNECT, COMMON, OLD_RETRY]);
pub(in crate::conf) const HTTP: &[Keyword<Draft>] =
    &join::<{ ALL + 1 + http::OWN.len() }>(&[http::OWN, CONNECT, COMMON, OLD_RETRY]);
pub(in crate::conf) const SMTP: &[Keyword<Draft>] = &join::<{ ALL + SMTP_OWN.len() }>(&[SMTP_OWN, CONNECT, COMMON]);
/// `host { }` of `SMTP_CHECK`.
pub(in crate::conf) const HOST: &[Keyword<Draft>] = CONNECT;
pub(in crate::conf) const DNS: &[Keyword<Draft>] = &join::<{ ALL + DNS_OWN.len() }>(&[DNS_OWN, CONNECT, COMMON]);
pub(in crate::conf) const UDP: &[Keyword<Draft>] = &join::<{ ALL + UDP_OWN.len() }>(&[UDP_OWN, CONNECT, COMMON]);
pub(in crate::conf) const MISC: &[Keyword<Draft>] = &join::<{ COMMON.len() + MISC_OWN.len() }>(&[MISC_OWN, COMMON]);

const SMTP_OWN: &[Keyword<Draft>] = &[
    key(
        "helo_name",
        "smtpchecker.keepalived.org",
        "What it calls itself",
        Text { what: "NAME", set: |d, v| d.helo = Some(v.value) },
    ),
    key("host", "", "An old form: where it connects to", Block { head: "", lower: host }),
];

fn host(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let failed = walk(cx, "host", HOST, draft, &body.statements);
    draft.failed.extend(failed);
}

const DNS_OWN: &[Keyword<Draft>] = &[
    key(
        "type",
        "SOA",
        "What is asked for",
        Line { argument: "A|NS|CNAME|SOA|MX|TXT|AAAA|RRSIG|DNSKEY", read: dns_type },
    ),
    key("name", ".", "Whose records are asked for", Text { what: "DOMAIN", set: |d, v| d.dns_name = Some(v) }),
];

const TYPES: &[&str] = &["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"];

fn dns_type(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let word = argument(statement, "type", "a record type")?;
    let chosen = value::one_of("type", word, TYPES, true)?;
    draft.dns_type = DnsType::ALL.iter().find(|(_, word, _)| *word == chosen).map(|(kind, ..)| *kind);
    cx.no_more_words(statement, 2);
    Ok(())
}

const UDP_OWN: &[Keyword<Draft>] = &[
    key("payload", "random bytes", "What is sent, in hexadecimal", Line { argument: "HEX...", read: payload }),
    key(
        "require_reply",
        "off",
        "A reply must come, and begin so; X is any digit",
        Line { argument: "[HEX...]", read: require_reply },
    ),
    key(
        "min_reply_length",
        "0",
        "The shortest good reply",
        Whole { min: 0, max: 65535, unit: "bytes", bare: None, set: |d, v| d.reply_length.0 = Some(v) },
    ),
    key(
        "max_reply_length",
        "255",
        "The longest good reply",
        Whole { min: 0, max: 65535, unit: "bytes", bare: None, set: |d, v| d.reply_length.1 = Some(v) },
    ),
];

fn payload(_: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    argument(statement, "payload", "bytes in hexadecimal")?;
    draft.payload = Some(hex(statement, false)?.into_iter().map(|(byte, _)| byte).collect());
    Ok(())
}

fn require_reply(_: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    draft.reply = Some(hex(statement, true)?);
    Ok(())
}

/// Bytes with the bits of each that count: two digits make one, and a single one at a word's end another.
fn hex(statement: &Statement, any: bool) -> Result<Vec<(u8, u8)>, Diagnostic> {
    let mut bytes = Vec::new();
    for word in statement.words.iter().skip(1) {
        let digit = |c: char| match c {
            'x' | 'X' if any => Ok((0, 0)),
            c => match c.to_digit(16).and_then(|d| u8::try_from(d).ok()) {
                Some(digit) => Ok((digit, 0xf)),
                None => Err(Diagnostic::error("bad-hex", format!("`{c}` is no hexadecimal digit"))
                    .at(word.span, "two digits a byte, such as `0a1b 2c`")),
            },
        };
        let digits = word.text.chars().filter(|c| !c.is_whitespace()).map(digit).collect::<Result<Vec<_>, _>>()?;
        bytes.extend(digits.chunks(2).map(|pair| match pair {
            [(high, high_mask), (low, low_mask)] => (high << 4 | low, high_mask << 4 | low_mask),
            [(low, mask)] => (*low, 0xf0 | mask),
            _ => (0, 0),
        }));
    }
    Ok(bytes)
}

const MISC_OWN: &[Keyword<Draft>] = &[
    key(
        "misc_path",
        "required",
        "The command; exit status 0 is good. No shell runs it",
        super::Takes::Command(|d, v| d.command = Some(v)),
    ),
    key(
        "misc_timeout",
        "delay_loop",
        "A run that takes longer is stopped and bad",
        Seconds { min: 1, max: LONG, set: |d, v| d.misc_timeout = Some(v.value) },
    ),
    key(
        "misc_dynamic",
        "off",
        "Exit status 2 to 255 is good, and the weight becomes the status less 2",
        Nothing(|d, _| d.dynamic = true),
    ),
    key("user", "script_user", "Who runs it", User(|d, v| d.user = Some(v.value))),
];

pub(in crate::conf) const BFD: &[Keyword<Draft>] = &[
    key("name", "required", "A bfd_instance", Text { what: "NAME", set: |d, v| d.name = Some(v) }),
    key("alpha", "the real server's", "Down until the session is up", Switch(|d, v| d.times.alpha = Some(v.value))),
    key(
        "log_all_failures",
        "off",
        "Every failure is an event",
        Switch(|d, v| {
            d.log_all_failures = Some(v.value);
        }),
    ),
];

pub(in crate::conf) const FILE: &[Keyword<Draft>] = &[
    key("track_file", "required", "A track_file", Text { what: "NAME", set: |d, v| d.name = Some(v) }),
    key(
        "weight",
        "the file's",
        "The number in the file times this is added to the server's weight; 0: a number but 0 is a failure",
        Line { argument: "-2147483647..2147483647 [reverse]", read: weight },
    ),
    key("alpha", "the real server's", "Down until the file is read", Switch(|d, v| d.times.alpha = Some(v.value))),
    key(
        "log_all_failures",
        "off",
        "Every failure is an event",
        Switch(|d, v| {
            d.log_all_failures = Some(v.value);
        }),
    ),
];

fn weight(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let word = argument(statement, "weight", "a number")?;
    let number = value::whole("weight", word, -MOST, MOST)?;
    let after = statement.words.get(2).map(|w| w.text.as_str());
    cx.no_more_words(statement, if matches!(after, Some("reverse" | "noreverse")) { 3 } else { 2 });
    draft.weight = Some((number, after == Some("reverse")));
    Ok(())
}

/// The first word after the keyword.
pub(super) fn argument<'s>(statement: &'s Statement, name: &str, what: &str) -> Result<&'s Word, Diagnostic> {
    statement.words.get(1).ok_or_else(|| {
        let problem = Diagnostic::error("missing-argument", format!("`{name}` needs a value"));
        match statement.words.first() {
            Some(keyword) => problem.at(keyword.span, format!("takes {what}")),
            None => problem,
        }
    })
}
