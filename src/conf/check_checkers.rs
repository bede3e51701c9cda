//! Checkers: from drafts to specs.

use super::diagnostic::Diagnostic;
use super::keywords::check::{Draft, Kind};
use super::keywords::http::{self, Ssl};
use super::keywords::server::Times;
use super::keywords::{bfd, global};
use super::lower::Cx;
use super::model::FileSpec;
use super::source::{Span, Spanned};
use crate::health::{
    Connection, Dns, DnsType, Http, Method, Misc, Protocol, Regex, Reply, Spec, Tls, Udp, Url, Verify,
};
use crate::time::Duration;
use crate::vrrp::{Command, RunAs};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What of the rest of the file checkers refer to.
#[derive(Default)]
pub(super) struct World {
    ssl: Option<Tls>,
    /// Names of `bfd_instance`.
    bfds: Vec<String>,
    /// Names of `track_file`, with weight and sense.
    files: Vec<(String, i64, bool)>,
    script_user: Option<RunAs>,
    log_all_failures: bool,
}

impl World {
    pub(super) fn new(cx: &mut Cx<'_>, ssl: Option<Ssl>, globals: &global::Draft, bfds: &[bfd::Draft]) -> Self {
        let ssl = ssl.map(|ssl| {
            if let Some(password) = &ssl.password {
                cx.report(
                    Diagnostic::error(
                        "not-supported",
                        "a key with a password is keepalived's, vipdeck does not read it",
                    )
                    .at(password.span, "")
                    .help("decrypt it: `openssl pkey -in KEY -out PLAIN`, readable by root alone"),
                );
            }
            Tls { verify: Verify::Nothing, ca: ssl.ca, certificate: ssl.certificate, key: ssl.key }
        });
        Self {
            ssl,
            bfds: bfds.iter().map(|b| b.name.value.clone()).collect(),
            files: Vec::new(),
            script_user: globals.script_user.clone(),
            log_all_failures: globals.lvs.log_all_failures,
        }
    }

    pub(super) fn know(&mut self, files: &[FileSpec]) {
        self.files = files.iter().map(|f| (f.name.clone(), i64::from(f.weight), f.reverse)).collect();
    }
}

/// What the real server and its virtual server give a checker.
pub(super) struct Given<'a> {
    pub address: IpAddr,
    /// That of the line, which DR replaces only in the table.
    pub port: u16,
    /// The real server's first.
    pub times: [Times; 2],
    pub ha_suspend: bool,
    pub virtualhost: Option<&'a str>,
}

/// keepalived's own defaults for one kind: retries, and the pause before each; none: `delay_loop`.
const fn defaults(kind: Kind) -> (u32, Option<u64>) {
    match kind {
        Kind::Http | Kind::Ssl => (1, Some(3)),
        Kind::Dns => (3, None),
        Kind::Misc => (0, Some(1)),
        Kind::Tcp | Kind::Smtp | Kind::Udp | Kind::Ping => (1, Some(1)),
        Kind::Bfd | Kind::File => (0, Some(0)),
    }
}

pub(super) fn spec(cx: &mut Cx<'_>, draft: &Draft, given: &Given<'_>) -> Option<Spec> {
    let layers = [draft.times, given.times[0], given.times[1]];
    let time = |get: fn(&Times) -> Option<Duration>| layers.iter().find_map(get);
    let period = time(|t| t.delay_loop).unwrap_or(Duration::from_secs(60));
    let timeout = time(|t| t.connect_timeout).unwrap_or(Duration::from_secs(5));
    let (retry, pause) = defaults(draft.kind);
    let to = connection(cx, draft, given, timeout)?;
    let method = method(cx, draft, given, to, period)?;
    let is_told = !method.is_timed();
    Some(Spec {
        method,
        period,
        retry: if is_told { 0 } else { layers.iter().find_map(|t| t.retry).unwrap_or(retry) },
        delay_before_retry: time(|t| t.delay_before_retry).unwrap_or(pause.map_or(period, Duration::from_secs)),
        warmup: time(|t| t.warmup).unwrap_or(period),
        alpha: layers.iter().find_map(|t| t.alpha).unwrap_or(false),
        log_all_failures: draft.log_all_failures.unwrap_or(cx.checkers.log_all_failures),
        ha_suspend: given.ha_suspend && !is_told,
    })
}

fn connection(cx: &mut Cx<'_>, draft: &Draft, given: &Given<'_>, timeout: Duration) -> Option<Connection> {
    let address = draft.address.as_ref().map_or(given.address, |a| a.value);
    if let Some(source) = draft.source.as_ref().filter(|s| s.value.is_ipv6() != address.is_ipv6()) {
        cx.report(
            Diagnostic::error("bad-address", format!("bindto of another address family than {address}"))
                .at(source.span, "nothing can be connected from here to there"),
        );
        return None;
    }
    let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if is_link_local && draft.link.is_none() && !matches!(draft.kind, Kind::Misc | Kind::Bfd | Kind::File) {
        cx.report(
            Diagnostic::error("missing-keyword", format!("{address} is a link-local address: on which link?"))
                .at(draft.span, "this checker")
                .help("add `bind_if INTERFACE` to it"),
        );
        return None;
    }
    Some(Connection {
        target: SocketAddr::new(address, draft.port.unwrap_or(given.port)),
        source: draft.source.as_ref().map(|s| s.value),
        source_port: draft.source_port,
        link: draft.link.as_ref().map(|l| l.value.clone()),
        mark: draft.mark.unwrap_or(0),
        timeout,
    })
}

fn method(cx: &mut Cx<'_>, draft: &Draft, given: &Given<'_>, to: Connection, period: Duration) -> Option<Method> {
    match draft.kind {
        Kind::Tcp => Some(Method::Tcp(to)),
        Kind::Ping => Some(Method::Ping(to)),
        Kind::Http | Kind::Ssl => http(cx, draft, given, to).map(|http| Method::Http(Arc::new(http))),
        Kind::Smtp => {
            let helo = draft.helo.as_deref().unwrap_or("smtpchecker.keepalived.org");
            Some(Method::Smtp { to, helo: helo.into() })
        }
        Kind::Dns => {
            let name = draft.dns_name.as_ref().map_or(Some(".".to_owned()), |name| domain(cx, name))?;
            Some(Method::Dns(Arc::new(Dns { to, name, kind: draft.dns_type.unwrap_or(DnsType::Soa) })))
        }
        Kind::Udp => Some(Method::Udp(Arc::new(udp(cx, draft, to)))),
        Kind::Misc => misc(cx, draft, period).map(|misc| Method::Misc(Arc::new(misc))),
        Kind::Bfd => {
            let name = required(cx, draft, "BFD_CHECK", "name")?;
            if !cx.checkers.bfds.contains(&name.value) {
                return unknown(cx, name, "bfd_instance");
            }
            Some(Method::Bfd { session: name.value.as_str().into() })
        }
        Kind::File => {
            let name = required(cx, draft, "FILE_CHECK", "track_file")?;
            let Some((_, weight, reverse)) = cx.checkers.files.iter().find(|(n, ..)| *n == name.value) else {
                return unknown(cx, name, "track_file");
            };
            let (weight, reverse) = draft.weight.unwrap_or((*weight, *reverse));
            Some(Method::File { file: name.value.as_str().into(), weight, reverse })
        }
    }
}

fn required<'d>(cx: &mut Cx<'_>, draft: &'d Draft, block: &str, keyword: &'static str) -> Option<&'d Spanned<String>> {
    if draft.name.is_none() && !draft.failed.contains(keyword) {
        cx.report(
            Diagnostic::error("missing-keyword", format!("{block} without `{keyword}`"))
                .at(draft.span, "")
                .help(format!("add `{keyword} NAME` to it")),
        );
    }
    draft.name.as_ref()
}

fn unknown(cx: &mut Cx<'_>, name: &Spanned<String>, block: &str) -> Option<Method> {
    cx.report(Diagnostic::error("unknown-name", format!("there is no {block} `{}`", name.value)).at(name.span, ""));
    None
}

/// A domain name of at most 253 bytes, its labels of 1 to 63 (RFC 1035, 2.3.4).
fn domain(cx: &mut Cx<'_>, name: &Spanned<String>) -> Option<String> {
    let plain = name.value.strip_suffix('.').unwrap_or(&name.value);
    let is_good = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic());
    if plain.len() > 253 || !(plain.is_empty() || plain.split('.').all(is_good)) {
        cx.report(
            Diagnostic::error("bad-name", format!("`{}` is no domain name", name.value))
                .at(name.span, "labels of 1 to 63 characters, 253 together"),
        );
        return None;
    }
    Some(name.value.clone())
}

fn udp(cx: &mut Cx<'_>, draft: &Draft, to: Connection) -> Udp {
    let length =
        |l: &Option<Spanned<i64>>, default| l.as_ref().map_or(default, |l| u16::try_from(l.value).unwrap_or(0));
    let (min_length, max_length) = (length(&draft.reply_length.0, 0), length(&draft.reply_length.1, 255));
    if let Some(min) = draft.reply_length.0.as_ref().filter(|_| min_length > max_length) {
        cx.report(
            Diagnostic::error(
                "out-of-range",
                format!("min_reply_length {min_length} is above max_reply_length {max_length}"),
            )
            .at(min.span, "no reply would ever do"),
        );
    }
    let reply = draft.reply.clone().map(|pattern| Reply { pattern, min_length, max_length });
    if let (None, (Some(length), _) | (_, Some(length))) = (&reply, &draft.reply_length) {
        cx.report(
            Diagnostic::warning("no-effect", "the length of a reply counts only with `require_reply`")
                .at(length.span, "ignored, as keepalived does"),
        );
    }
    Udp { to, payload: draft.payload.clone(), reply }
}

fn misc(cx: &mut Cx<'_>, draft: &Draft, period: Duration) -> Option<Misc> {
    let Some(command) = &draft.command else {
        if !draft.failed.contains("misc_path") {
            cx.report(
                Diagnostic::error("missing-keyword", "MISC_CHECK without `misc_path`")
                    .at(draft.span, "")
                    .help("add `misc_path \"COMMAND\"` to it"),
            );
        }
        return None;
    };
    cx.commands
        .push(Spanned { value: Command { argv: command.value.clone(), user: draft.user.clone() }, span: command.span });
    let user = draft.user.clone().or_else(|| cx.checkers.script_user.clone());
    Some(Misc {
        argv: command.value.clone(),
        user: user.as_ref().map(|u| u.user.clone()),
        group: user.and_then(|u| u.group),
        timeout: draft.misc_timeout.unwrap_or(period),
        dynamic: draft.dynamic,
    })
}

fn http(cx: &mut Cx<'_>, draft: &Draft, given: &Given<'_>, to: Connection) -> Option<Http> {
    let own = &draft.http;
    let tls =
        (draft.kind == Kind::Ssl).then(|| Tls { verify: verify(own), ..cx.checkers.ssl.clone().unwrap_or_default() });
    if let (Kind::Http, Some(written)) = (draft.kind, &own.verify) {
        cx.report(Diagnostic::warning("no-effect", "HTTP_GET has no certificates").at(written.span, "ignored"));
    }
    let mut urls = Vec::new();
    for written in &own.urls {
        urls.extend(url(cx, written, own, given));
    }
    if urls.is_empty() {
        if own.urls.is_empty() && !draft.failed.contains("url") {
            cx.report(
                Diagnostic::error("missing-keyword", "no page to ask for: keepalived refuses the file")
                    .at(draft.span, "without `url`")
                    .help("add `url { path / }` to it"),
            );
        }
        return None;
    }
    let protocol = match own.protocol {
        Some("1.0C" | "1.0c") => Protocol::V10Close,
        Some("1.1") => Protocol::V11,
        Some("2") => Protocol::V2,
        _ => Protocol::V10,
    };
    Some(Http { to, tls, protocol, urls, fast_recovery: own.fast_recovery })
}

fn verify(own: &http::Draft) -> Verify {
    match own.verify.as_ref().map(|v| v.value) {
        Some("chain") => Verify::Chain,
        Some("name") => Verify::Name,
        _ => Verify::Nothing,
    }
}

fn url(cx: &mut Cx<'_>, written: &http::Url, own: &http::Draft, given: &Given<'_>) -> Option<Url> {
    let Some(path) = &written.path else {
        if !written.failed {
            cx.report(
                Diagnostic::error("missing-keyword", "`url` without `path`: keepalived would pass over it")
                    .at(written.span, "")
                    .help("add `path /` to it"),
            );
        }
        return None;
    };
    if path.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
        let message = "a path has no blanks and no control characters: write them as %20 and so on";
        cx.report(Diagnostic::error("bad-path", message).at(written.span, "in this"));
        return None;
    }
    let host = written.host.as_ref().or(own.host.as_ref()).map(String::as_str).or(given.virtualhost);
    let name = own.sni_name.as_deref().or(host.filter(|_| own.sni));
    // A name, not an address, and without a port.
    let name = name.map(|n| n.split_once(':').map_or(n, |(name, _)| name)).filter(|n| n.parse::<IpAddr>().is_err());
    let regex = regex(cx, written)?;
    let default = vec![(200, 299)];
    Some(Url {
        path: path.clone(),
        host: host.map(str::to_owned),
        server_name: name.map(str::to_owned),
        digest: written.digest,
        statuses: if written.statuses.is_empty() { default } else { written.statuses.clone() },
        regex,
    })
}

/// The pattern of a URL; none in the outer sense: it cannot be used.
#[expect(clippy::option_option, reason = "none, and none that can be used")]
fn regex(cx: &mut Cx<'_>, written: &http::Url) -> Option<Option<Regex>> {
    let offset = |o: &Option<Spanned<i64>>| o.as_ref().and_then(|o| usize::try_from(o.value).ok());
    let (min_offset, max_offset) = (offset(&written.min_offset).unwrap_or(0), offset(&written.max_offset));
    let Some(pattern) = &written.regex else {
        if let Some(span) = regex_words(written) {
            let message = "words about a pattern, and no `regex`";
            cx.report(Diagnostic::warning("no-effect", message).at(span, "ignored, as keepalived does"));
        }
        return Some(None);
    };
    if max_offset.is_some_and(|max| min_offset > max) {
        cx.report(
            Diagnostic::error("out-of-range", "regex_min_offset is above regex_max_offset")
                .at(pattern.span, "of this pattern"),
        );
        return None;
    }
    let regex = Regex {
        pattern: pattern.value.clone(),
        options: written.options.clone(),
        no_match: written.no_match,
        min_offset,
        max_offset,
    };
    if let Err(why) = regex.compile() {
        cx.report(Diagnostic::error("bad-regex", format!("this pattern cannot be used: {why}")).at(pattern.span, ""));
        return None;
    }
    Some(Some(regex))
}

fn regex_words(written: &http::Url) -> Option<Span> {
    let offset = written.min_offset.as_ref().or(written.max_offset.as_ref()).map(|o| o.span);
    offset.or_else(|| (written.no_match || !written.options.is_empty()).then_some(written.span))
}

/// The files and sessions that checkers name: somebody uses them.
pub(super) fn named<'a>(drafts: impl Iterator<Item = &'a Draft>) -> Vec<(crate::vrrp::Tracker, String)> {
    let tracker = |draft: &Draft| {
        let kind = match draft.kind {
            Kind::Bfd => crate::vrrp::Tracker::Bfd,
            Kind::File => crate::vrrp::Tracker::File,
            _ => return None,
        };
        Some((kind, draft.name.as_ref()?.value.clone()))
    };
    drafts.filter_map(tracker).collect()
}
