//! One line of `virtual_ipaddress` (keepalived.conf(5): ADDR[/LEN] [dev IF] [scope S] [brd A|+|-] [label L]).

use super::diagnostic::Diagnostic;
use super::keywords::instance::Vip;
use super::lexer::Word;
use super::lower::{Cx, link};
use super::source::Spanned;
use super::suggest;
use super::tree::Statement;
use crate::kernel::Scope;
use crate::net::{Family, IpNet};
use std::net::{IpAddr, Ipv4Addr};

/// The words an address may be followed by, and keepalived's that vipdeck does not support yet.
const OPTIONS: &[&str] = &["dev", "label", "brd", "broadcast", "scope"];
const REFUSED: &[&str] =
    &["peer", "home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "preferred_lft", "use_vmac", "track_group"];

pub(super) fn line(cx: &mut Cx<'_>, statement: &Statement) -> Result<Vip, Diagnostic> {
    let Some(first) = statement.words.first() else {
        return Err(Diagnostic::error("bad-address", "an empty line"));
    };
    let net = address(first)?;
    let mut vip = Vip {
        net: Spanned { value: net, span: first.span },
        link: None,
        label: None,
        scope: Scope::Global,
        broadcast: None,
    };
    let mut words = statement.words.iter().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            let message = format!("`{}` needs a value", word.text);
            words.next().ok_or_else(|| Diagnostic::error("missing-argument", message).at(word.span, ""))
        };
        match word.text.as_str() {
            "dev" => vip.link = Some(link(value()?)?),
            "label" => vip.label = Some(label(value()?)?),
            "brd" | "broadcast" => vip.broadcast = Some(broadcast(value()?, net)?),
            "scope" => vip.scope = scope(value()?)?,
            "no_track" => cx.report(
                Diagnostic::warning("no-effect", "`no_track` has no effect: vipdeck puts a deleted address back")
                    .at(word.span, ""),
            ),
            _ => unknown(cx, word)?,
        }
    }
    Ok(vip)
}

fn address(word: &Word) -> Result<IpNet, Diagnostic> {
    let (address, length) = word.text.split_once('/').map_or((word.text.as_str(), None), |(a, l)| (a, Some(l)));
    let bad = |id, message: String, label: &str| Diagnostic::error(id, message).at(word.span, label);
    let Ok(address) = address.parse::<IpAddr>() else {
        let message = format!("`{}` is not an address", word.text);
        return Err(bad("bad-address", message, "one a line, such as 192.0.2.10/24 dev eth0"));
    };
    // Without a length keepalived takes the address alone, not the link's network.
    let Some(length) = length else { return Ok(IpNet::from(address)) };
    let parsed = length.parse::<u8>().ok().and_then(|length| IpNet::new(address, length).ok());
    let most = Family::of(address).bits();
    parsed.ok_or_else(|| {
        bad("out-of-range", format!("`/{length}` is not a prefix length"), &format!("from /0 to /{most}"))
    })
}

fn label(word: &Word) -> Result<String, Diagnostic> {
    if word.text.len() > 15 || word.text.is_empty() {
        let problem = Diagnostic::error("bad-label", "a label has 1 to 15 bytes");
        return Err(problem.at(word.span, format!("{} bytes", word.text.len())));
    }
    Ok(word.text.clone())
}

fn broadcast(word: &Word, net: IpNet) -> Result<Ipv4Addr, Diagnostic> {
    let IpNet::V4(net) = net else {
        return Err(Diagnostic::error("bad-broadcast", "an IPv6 address has no broadcast address").at(word.span, ""));
    };
    match word.text.as_str() {
        "+" | "-" if net.prefix_len() > 30 => {
            Err(Diagnostic::error("bad-broadcast", format!("/{} has no broadcast address", net.prefix_len()))
                .at(word.span, "needs a prefix of at most /30")
                .help("give the address its prefix length, or leave the broadcast address out"))
        }
        "+" => Ok(net.broadcast()),
        "-" => Ok(net.network()),
        text => text.parse().ok().ok_or_else(|| {
            Diagnostic::error("bad-address", format!("`{text}` is not a broadcast address"))
                .at(word.span, "an IPv4 address, + (host bits set) or - (host bits clear)")
        }),
    }
}

fn scope(word: &Word) -> Result<Scope, Diagnostic> {
    match word.text.as_str() {
        "global" | "0" => Ok(Scope::Global),
        "site" | "200" => Ok(Scope::Site),
        "link" | "253" => Ok(Scope::Link),
        "host" | "254" => Ok(Scope::Host),
        text => Err(Diagnostic::error("bad-word", format!("`{text}` is no scope"))
            .at(word.span, "one of: global, site, link, host")),
    }
}

fn unknown(cx: &mut Cx<'_>, word: &Word) -> Result<(), Diagnostic> {
    let text = word.text.as_str();
    if REFUSED.contains(&text) {
        let message = format!("`{text}` is keepalived's, vipdeck does not support it yet");
        return Err(Diagnostic::error("not-supported", message).at(word.span, "this address is not read"));
    }
    if text.split('/').next().is_some_and(|start| start.parse::<IpAddr>().is_ok()) {
        return Err(Diagnostic::error("two-addresses", "two addresses on one line")
            .at(word.span, "keepalived would ignore this one")
            .help("one address a line"));
    }
    let problem = Diagnostic::warning("unknown-keyword", format!("`{text}` says nothing about an address"))
        .at(word.span, "ignored; the address is kept");
    cx.report(match suggest::nearest(text, OPTIONS.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    });
    Ok(())
}
