//! One line of `virtual_routes` and `static_routes`: what follows `ip route add` (ip-route(8), keepalived.conf(5)).

use super::diagnostic::Diagnostic;
use super::lexer::Word;
use super::lower::{Cx, link};
use super::names::{FIELDS, Names, PROTOCOLS, SCOPES, TABLES, number};
use super::source::Spanned;
use super::suggest;
use super::tree::Statement;
use super::words::{Prefix, Words, parse};
use crate::kernel::{Encap, Hop, Metric, OUR_PROTOCOL, Place, Route, RouteKind, Scope, TunnelOptions};
use crate::net::{Family, IpNet};

/// Words that stand where a route is described, for suggestions.
const WORDS: &[&str] = &[
    "via",
    "dev",
    "src",
    "from",
    "to",
    "onlink",
    "table",
    "metric",
    "priority",
    "preference",
    "tos",
    "dsfield",
    "scope",
    "protocol",
    "realms",
    "pref",
    "mtu",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "cwnd",
    "ssthresh",
    "rto_min",
    "window",
    "hoplimit",
    "initcwnd",
    "initrwnd",
    "quickack",
    "features",
    "congctl",
    "fastopen_no_cookie",
    "expires",
    "ttl-propagate",
    "encap",
    "nexthop",
    "weight",
    "add",
    "prepend",
    "append",
    "no_track",
    "track_group",
];

/// The shortest times that keepalived sets, in milliseconds.
const SHORTEST: f64 = 200.0;

/// A route as it is written.
struct Draft<'s> {
    words: Words<'s>,
    route: Route,
    to: Option<(Prefix, &'s Word)>,
    one: Hop,
    hops: Vec<Hop>,
    protocol: Option<&'s Word>,
    group: Option<Spanned<String>>,
}

/// The route of a line, and its track group.
pub(super) fn line(
    cx: &mut Cx<'_>,
    names: &Names<'_>,
    line: &Statement,
    is_static: bool,
) -> Result<(Route, Option<Spanned<String>>), Diagnostic> {
    let mut draft = Draft {
        words: Words::new(line),
        route: Route::new(Prefix::everywhere(Family::V4)),
        to: None,
        one: Hop::default(),
        hops: Vec::new(),
        protocol: None,
        group: None,
    };
    while let Some(word) = draft.words.next() {
        let known = draft.way(cx, names, word)?
            || draft.selector(cx, names, word)?
            || draft.metric(cx, word)?
            || draft.ours(names, word, is_static)?;
        if !known {
            draft.destination(cx, word)?;
        }
    }
    draft.finish(cx, line)
}

impl<'s> Draft<'s> {
    /// Where packets go.
    fn way(&mut self, cx: &mut Cx<'_>, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "via" | "gw" => {
                if word.text == "gw" {
                    cx.report(deprecated(word, "via"));
                }
                self.one.via = Some(self.gateway(word)?);
            }
            "dev" | "oif" => self.one.link = Some(link(self.words.value(word)?)?),
            "onlink" => self.one.onlink = true,
            "encap" => self.one.encap = Some(self.encap(word)?),
            "realms" => {
                self.words.is_of(Family::V4, word)?;
                self.route.realms = Some(self.words.realms(word, names)?);
            }
            "or" => {
                cx.report(deprecated(word, "nexthop"));
                if !self.hops.is_empty() {
                    return Err(Diagnostic::error("written-twice", "`or` stands here twice")
                        .at(word.span, "write `nexthop via … nexthop via …`"));
                }
                let first = Hop { via: self.one.via.take(), ..Hop::default() };
                let second = Hop { via: Some(self.words.address(word)?), ..Hop::default() };
                self.hops = vec![first, second];
            }
            "nexthop" => {
                if !self.hops.is_empty() && self.one.via.is_none() {
                    return Err(Diagnostic::error("bad-word", "`nexthop` does not go with `or`").at(word.span, ""));
                }
                self.next_hops(names, word)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An address, perhaps with its family said: that may be another than the route's.
    fn gateway(&mut self, keyword: &Word) -> Result<std::net::IpAddr, Diagnostic> {
        let said = match self.words.peek().map(|w| w.text.as_str()) {
            Some("inet") => Some(Family::V4),
            Some("inet6") => Some(Family::V6),
            _ => None,
        };
        let Some(said) = said else { return self.words.address(keyword) };
        self.words.next();
        let word = self.words.value(keyword)?;
        let address = parse(word)?;
        if Family::of(address) != said {
            let message = format!("{address} is not an {said} address");
            return Err(Diagnostic::error("family-mix", message).at(word.span, "another family is said before it"));
        }
        // Before a destination it is the first word about the family; an IPv6 gateway serves IPv4, too.
        if self.words.family == Some(Family::V6) && said == Family::V4 {
            return Err(Diagnostic::error("family-mix", "an IPv6 route has no IPv4 gateway").at(word.span, ""));
        }
        Ok(address)
    }

    fn next_hops(&mut self, names: &Names<'_>, first: &Word) -> Result<(), Diagnostic> {
        let mut keyword = first;
        loop {
            let mut hop = Hop::default();
            let next = loop {
                let Some(word) = self.words.next() else { break None };
                match word.text.as_str() {
                    "via" => hop.via = Some(self.gateway(word)?),
                    "dev" | "oif" => hop.link = Some(link(self.words.value(word)?)?),
                    "weight" => hop.weight = u16::try_from(self.words.number(word, 1..=256)?).ok(),
                    "onlink" => hop.onlink = true,
                    "encap" => hop.encap = Some(self.encap(word)?),
                    "realms" => {
                        self.words.is_of(Family::V4, word)?;
                        hop.realms = Some(self.words.realms(word, names)?);
                    }
                    "nexthop" => break Some(word),
                    other => {
                        let message = format!("`{other}` says nothing about a nexthop");
                        return Err(Diagnostic::error("unknown-keyword", message)
                            .at(word.span, "via, dev, weight, onlink, encap, realms; everything else stands before"));
                    }
                }
            };
            if hop.via.is_none() && hop.link.is_none() {
                let problem = Diagnostic::error("missing-argument", "a nexthop leads somewhere");
                return Err(problem.at(keyword.span, "needs `via ADDRESS` or `dev INTERFACE`"));
            }
            self.hops.push(hop);
            match next {
                Some(word) => keyword = word,
                None => return Ok(()),
            }
        }
    }

    fn encap(&mut self, keyword: &Word) -> Result<Encap, Diagnostic> {
        let kind = self.words.value(keyword)?;
        match kind.text.as_str() {
            "ip" => Ok(Encap::Ip(self.tunnel(kind, Family::V4)?)),
            "ip6" => Ok(Encap::Ip6(self.tunnel(kind, Family::V6)?)),
            "mpls" => {
                let word = self.words.value(kind)?;
                let label = |text: &str| text.parse::<u32>().ok().filter(|label| *label < 1 << 20);
                let labels: Option<Vec<u32>> = word.text.split('/').map(label).collect();
                labels.map(Encap::Mpls).ok_or_else(|| {
                    Diagnostic::error("bad-number", format!("`{}` is no stack of MPLS labels", word.text))
                        .at(word.span, "labels below 1048576, such as 100/200")
                })
            }
            "ila" => {
                let word = self.words.value(kind)?;
                locator(&word.text).map(Encap::Ila).ok_or_else(|| {
                    Diagnostic::error("bad-address", format!("`{}` is no ILA locator", word.text))
                        .at(word.span, "four groups, such as 2001:db8:0:1")
                })
            }
            other => Err(Diagnostic::error("bad-word", format!("`{other}` is no encapsulation"))
                .at(kind.span, "one of: ip, ip6, mpls, ila")),
        }
    }

    fn tunnel(&mut self, kind: &Word, family: Family) -> Result<TunnelOptions, Diagnostic> {
        let mut options = TunnelOptions::default();
        let (tos, ttl) = if family == Family::V4 { ("tos", "ttl") } else { ("tc", "hoplimit") };
        while let Some(word) = self.words.peek() {
            let text = word.text.as_str();
            if !["id", "dst", "src", tos, ttl, "flags"].contains(&text) {
                break;
            }
            self.words.next();
            let value = self.words.value(word)?;
            let small = |most: u32| {
                let number = number(&value.text).filter(|n| *n <= most);
                number.ok_or_else(|| {
                    let message = format!("`{}` is no number for {text}", value.text);
                    Diagnostic::error("bad-number", message).at(value.span, format!("0 to {most}"))
                })
            };
            let end = || {
                let address = parse(value)?;
                if Family::of(address) == family {
                    return Ok(address);
                }
                let message = format!("encap {} takes {family} addresses", kind.text);
                Err(Diagnostic::error("family-mix", message).at(value.span, "of the other family"))
            };
            match text {
                "id" => {
                    options.id = Some(value.text.parse().ok().ok_or_else(|| {
                        Diagnostic::error("bad-number", format!("`{}` is no tunnel id", value.text)).at(value.span, "")
                    })?);
                }
                "dst" => options.dst = Some(end()?),
                "src" => options.src = Some(end()?),
                "flags" => options.flags = u16::try_from(small(65535)?).ok(),
                _ if text == tos => options.tos = u8::try_from(small(255)?).ok(),
                _ => options.ttl = u8::try_from(small(255)?).ok(),
            }
        }
        if options.dst.is_none() && options.id.is_none() {
            return Err(Diagnostic::error("missing-argument", format!("encap {} needs `dst` or `id`", kind.text))
                .at(kind.span, ""));
        }
        Ok(options)
    }

    /// What the kernel finds a route by, and how it serves.
    fn selector(&mut self, cx: &mut Cx<'_>, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "inet" => self.words.is_of(Family::V4, word)?,
            "inet6" => self.words.is_of(Family::V6, word)?,
            "src" => self.route.source = Some(self.words.address(word)?),
            "from" => {
                let value = self.words.value(word)?;
                let prefix = self.words.prefix(value)?;
                self.words.is_of(Family::V6, word)?;
                self.route.from = match prefix {
                    Prefix::Everywhere => None,
                    Prefix::Net(net) => Some(truncated(cx, net, value)).filter(|net| net.prefix_len() > 0),
                };
            }
            "tos" | "dsfield" => self.route.tos = field(&mut self.words, names, word)?,
            "table" => {
                let value = self.words.value(word)?;
                self.route.table = names.number(&TABLES, value)?;
                if self.route.table == 0 {
                    return Err(Diagnostic::error("out-of-range", "there is no table 0").at(value.span, ""));
                }
            }
            "metric" | "priority" | "preference" => {
                self.route.metric = Some(self.words.number(word, 0..=u32::MAX)?).filter(|metric| *metric > 0);
            }
            "scope" => {
                let number = self.words.named(word, names, &SCOPES)?;
                self.route.scope = match number {
                    0 => Scope::Global,
                    200 => Scope::Site,
                    253 => Scope::Link,
                    254 => Scope::Host,
                    other => Scope::Other(u8::try_from(other).unwrap_or(u8::MAX)),
                };
            }
            "pref" => {
                let value = self.words.value(word)?;
                self.words.is_of(Family::V6, word)?;
                self.route.preference = Some(match value.text.as_str() {
                    "low" => 3,
                    "medium" => 0,
                    "high" => 1,
                    text => number(text).and_then(|n| u8::try_from(n).ok()).ok_or_else(|| {
                        Diagnostic::error("bad-word", format!("`{text}` is no preference of a route"))
                            .at(value.span, "one of: low, medium, high, or a number to 255")
                    })?,
                });
            }
            "expires" => {
                self.words.is_of(Family::V6, word)?;
                self.route.expires = Some(self.words.number(word, 1..=u32::MAX)?);
            }
            "ttl-propagate" => {
                let value = self.words.value(word)?;
                self.route.ttl_propagate = Some(match value.text.as_str() {
                    "enabled" => true,
                    "disabled" => false,
                    text => {
                        return Err(Diagnostic::error("bad-word", format!("`{text}` is neither enabled nor disabled"))
                            .at(value.span, ""));
                    }
                });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What TCP does along this route.
    fn metric(&mut self, cx: &mut Cx<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        let lockable = |metric| (metric, true);
        let plain = |metric| (metric, false);
        let (metric, may_lock) = match word.text.as_str() {
            "mtu" => lockable(Metric::Mtu),
            "advmss" => lockable(Metric::AdvMss),
            "rtt" => lockable(Metric::Rtt),
            "rttvar" => lockable(Metric::RttVar),
            "reordering" => lockable(Metric::Reordering),
            "cwnd" => lockable(Metric::Cwnd),
            "ssthresh" => lockable(Metric::SsThresh),
            "rto_min" => lockable(Metric::RtoMin),
            "window" => plain(Metric::Window),
            "hoplimit" => plain(Metric::HopLimit),
            "initcwnd" => plain(Metric::InitCwnd),
            "initrwnd" => plain(Metric::InitRwnd),
            "quickack" => plain(Metric::QuickAck),
            "fastopen_no_cookie" => plain(Metric::FastopenNoCookie),
            "features" => {
                let value = self.words.value(word)?;
                if value.text != "ecn" {
                    let message = format!("`{}` is no feature of a route", value.text);
                    return Err(Diagnostic::error("bad-word", message).at(value.span, "one of: ecn"));
                }
                self.route.metrics.values.insert(Metric::Features, 1);
                return Ok(true);
            }
            "congctl" => {
                let locked = self.words.take("lock");
                self.route.metrics.congestion = Some((self.words.value(word)?.text.clone(), locked));
                return Ok(true);
            }
            _ => return Ok(false),
        };
        if may_lock && self.words.take("lock") {
            self.route.metrics.locked.push(metric);
        }
        let value = match metric {
            Metric::Rtt => time(cx, &mut self.words, word, 8.0)?,
            Metric::RttVar => time(cx, &mut self.words, word, 4.0)?,
            Metric::RtoMin => time(cx, &mut self.words, word, 1.0)?,
            Metric::HopLimit => self.words.number(word, 0..=255)?,
            Metric::QuickAck | Metric::FastopenNoCookie => self.words.number(word, 0..=1)?,
            _ => self.words.number(word, 0..=u32::MAX)?,
        };
        self.route.metrics.values.insert(metric, value);
        Ok(true)
    }

    /// How it is kept.
    fn ours(&mut self, names: &Names<'_>, word: &'s Word, is_static: bool) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "protocol" | "proto" => {
                let number = self.words.named(word, names, &PROTOCOLS)?;
                self.route.protocol = u8::try_from(number).unwrap_or(u8::MAX);
                self.protocol = Some(word);
            }
            "add" => self.route.place = Place::Alone,
            "prepend" => self.route.place = Place::Prepend,
            "append" => self.route.place = Place::Append,
            "no_track" => self.route.tracked = false,
            "track_group" if is_static => {
                let value = self.words.value(word)?;
                self.group = Some(Spanned { value: value.text.clone(), span: value.span });
            }
            "track_group" => {
                return Err(Diagnostic::error("misplaced", "`track_group` belongs to static routes")
                    .at(word.span, "this one moves with an instance anyhow"));
            }
            "as" | "vrf" | "nhid" => {
                let message = format!("vipdeck sets no routes with `{}`", word.text);
                let problem = Diagnostic::error("not-supported", message).at(word.span, "this route is not read");
                return Err(if word.text == "vrf" { problem.help("write `table N` of the VRF") } else { problem });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn destination(&mut self, cx: &mut Cx<'_>, word: &'s Word) -> Result<(), Diagnostic> {
        let mut word = word;
        if word.text == "to" {
            word = self.words.value(word)?;
        }
        if word.text == "nat" {
            return Err(Diagnostic::error("not-supported", "the kernel has no `nat` routes any more")
                .at(word.span, "keepalived passes it on, and the kernel refuses it"));
        }
        if let Some(kind) = RouteKind::ALL.into_iter().find(|kind| kind.name() == word.text) {
            self.route.kind = kind;
            word = self.words.value(word)?;
        }
        let prefix = if word.text == "default6" {
            cx.report(deprecated(word, "inet6 default"));
            self.words.is_of(Family::V6, word)?;
            Prefix::Everywhere
        } else {
            let looks_like_one = word.text.contains(|c: char| c.is_ascii_digit() || c == ':');
            match self.words.prefix(word) {
                Err(problem) if problem.id == "bad-address" && !looks_like_one => return Err(unknown(word)),
                other => other?,
            }
        };
        if let Some((_, before)) = self.to {
            return Err(Diagnostic::error("two-addresses", "a route has one destination")
                .at(word.span, "keepalived would take this one")
                .at(before.span, "and this is another")
                .help("one route a line"));
        }
        self.to = Some((prefix, word));
        Ok(())
    }

    fn finish(mut self, cx: &mut Cx<'_>, line: &Statement) -> Result<(Route, Option<Spanned<String>>), Diagnostic> {
        let Some((prefix, word)) = self.to else {
            let problem = Diagnostic::error("missing-argument", "a route needs a destination");
            return Err(match line.span() {
                Some(span) => problem.at(span, "such as 192.0.2.0/24, or default"),
                None => problem,
            });
        };
        let family = self.words.family.unwrap_or(Family::V4);
        self.route.to = match prefix {
            Prefix::Everywhere => Prefix::everywhere(family),
            Prefix::Net(net) => truncated(cx, net, word),
        };
        if self.hops.is_empty() {
            if self.one.via.is_some() || self.one.link.is_some() || self.one.encap.is_some() {
                self.hops.push(self.one);
            }
        } else if self.one.link.is_some() || self.one.onlink {
            for hop in &mut self.hops {
                hop.link = hop.link.take().or_else(|| self.one.link.clone());
                hop.onlink |= self.one.onlink;
            }
        }
        // The kernel makes an ordinary route of a multipath route with one way.
        match self.hops.as_mut_slice() {
            [one] => one.weight = None,
            several => several.iter_mut().for_each(|hop| hop.weight = hop.weight.or(Some(1))),
        }
        if self.hops.is_empty() && self.route.kind.leads_somewhere() {
            return Err(Diagnostic::error("missing-argument", "this route leads nowhere")
                .at(word.span, "needs `via ADDRESS` or `dev INTERFACE`; the kernel would refuse it"));
        }
        self.route.hops = self.hops;
        if let Some(word) = self.protocol.filter(|_| self.route.tracked && self.route.protocol != OUR_PROTOCOL) {
            cx.report(
                Diagnostic::warning("protocol-reset", "what is tracked bears protocol 18, keepalived")
                    .at(word.span, "ignored, as keepalived does")
                    .help("with `no_track` the protocol stays, and the route is not watched"),
            );
            self.route.protocol = OUR_PROTOCOL;
        }
        Ok((self.route, self.group))
    }
}

pub(super) fn deprecated(word: &Word, instead: &str) -> Diagnostic {
    let message = format!("`{}` is an old name of `{instead}`", word.text);
    Diagnostic::warning("deprecated", message).at(word.span, format!("write `{instead}`"))
}

fn unknown(word: &Word) -> Diagnostic {
    let problem = Diagnostic::error("unknown-keyword", format!("`{}` says nothing about a route", word.text))
        .at(word.span, "this route is not read, as in keepalived");
    match suggest::nearest(&word.text, WORDS.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// The kernel takes no prefix with host bits.
pub(super) fn truncated(cx: &mut Cx<'_>, net: IpNet, word: &Word) -> IpNet {
    let used = net.trunc();
    if used != net {
        cx.report(
            Diagnostic::warning("host-bits", format!("{net} has host bits, and the kernel refuses it so"))
                .at(word.span, format!("{used} is used; keepalived's would fail")),
        );
    }
    used
}

/// A TOS: the two bits of ECN are not part of it.
pub(super) fn field(words: &mut Words<'_>, names: &Names<'_>, keyword: &Word) -> Result<u8, Diagnostic> {
    let value = words.value(keyword)?;
    let number = names.number(&FIELDS, value)?;
    if number & 3 != 0 {
        let message = format!("{} {number:#x} has bits of ECN, and the kernel refuses it", keyword.text);
        return Err(Diagnostic::error("out-of-range", message)
            .at(value.span, "the two lowest bits are clear")
            .help("decimal; in hexadecimal it begins with 0x, such as 0x10"));
    }
    Ok(u8::try_from(number).unwrap_or(u8::MAX))
}

/// A time in the kernel's units: a number of them, or with `s` or `ms`.
fn time(cx: &mut Cx<'_>, words: &mut Words<'_>, keyword: &Word, per_ms: f64) -> Result<u32, Diagnostic> {
    let word = words.value(keyword)?;
    let text = word.text.as_str();
    let (digits, factor, has_unit) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, per_ms, true)
    } else if let Some(digits) = text.strip_suffix('s') {
        (digits, per_ms * 1000.0, true)
    } else {
        (text, 1.0, false)
    };
    let number =
        digits.parse::<f64>().ok().filter(|n| digits.starts_with(|c: char| c.is_ascii_digit()) && n.is_finite());
    let units = number.map(|n| n * factor).filter(|units| *units < f64::from(u32::MAX));
    let Some(units) = units else {
        return Err(Diagnostic::error("bad-duration", format!("`{text}` is no time for {}", keyword.text))
            .at(word.span, "such as 300ms or 1.5s"));
    };
    if units < SHORTEST * per_ms {
        cx.report(
            Diagnostic::warning("too-short", format!("{} is less than 200 ms", keyword.text))
                .at(word.span, "200 ms is used, as keepalived does")
                .help(if !has_unit && per_ms > 1.0 {
                    format!("without a unit it counts in 1/{per_ms} ms")
                } else {
                    "write at least 200ms".to_owned()
                }),
        );
        return Ok((SHORTEST * per_ms) as u32);
    }
    Ok(units as u32)
}

/// Four groups of hexadecimal digits (RFC 7955 and drafts on ILA).
fn locator(text: &str) -> Option<u64> {
    let groups: Option<Vec<u64>> =
        text.split(':').map(|group| u16::from_str_radix(group, 16).ok().map(u64::from)).collect();
    groups.filter(|groups| groups.len() == 4).map(|groups| groups.into_iter().fold(0, |all, group| all << 16 | group))
}
