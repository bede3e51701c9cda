//! One line of `virtual_ipaddress` and `virtual_ipaddress_excluded` (keepalived.conf(5)):
//! `ADDR[/LEN] [dev IF] [scope S] [brd A|+|-] [label L] [peer ADDR[/LEN]] [home] [-nodad] [mngtmpaddr] [noprefixroute]
//! [autojoin] [no_track] [use_vmac] [preferred_lft SECONDS|forever]`.

use super::diagnostic::Diagnostic;
use super::keywords::instance::Vip;
use super::lexer::Word;
use super::lower::{Cx, link};
use super::source::Spanned;
use super::suggest;
use super::tree::Statement;
use super::value;
use crate::kernel::{AddressFlags, Scope};
use crate::net::{Family, IpNet};
use std::net::{IpAddr, Ipv4Addr};

/// The words an address may be followed by, and keepalived's that vipdeck does not support yet.
const OPTIONS: &[&str] = &[
    "dev",
    "label",
    "brd",
    "broadcast",
    "scope",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "preferred_lft",
    "track_group",
];

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
        peer: None,
        flags: AddressFlags::default(),
        preferred: forever(net),
        tracked: true,
        track_group: None,
        virtual_link: None,
    };
    let mut words = statement.words.iter().skip(1);
    while let Some(word) = words.next() {
        if flag(cx, &mut vip, word)? {
            continue;
        }
        if !OPTIONS.contains(&word.text.as_str()) {
            unknown(cx, word)?;
            continue;
        }
        let message = format!("`{}` needs a value", word.text);
        let value = words.next().ok_or_else(|| Diagnostic::error("missing-argument", message).at(word.span, ""))?;
        option(cx, &mut vip, word, value)?;
    }
    if let (Some(_), Some(peer)) = (vip.broadcast, &vip.peer) {
        cx.report(
            Diagnostic::warning("no-broadcast", "an address with a peer has no broadcast address")
                .at(peer.span, "the broadcast address is ignored because of this, as keepalived does"),
        );
        vip.broadcast = None;
    }
    Ok(vip)
}

/// A new connection does not leave from an IPv6 /128 unless the file says so: it is deprecated at once.
fn forever(net: IpNet) -> Option<u32> {
    (net.addr().is_ipv6() && net.prefix_len() == 128).then_some(0)
}

/// Takes a word that stands alone; false: it is none.
fn flag(cx: &mut Cx<'_>, vip: &mut Vip, word: &Word) -> Result<bool, Diagnostic> {
    let address = vip.net.value.addr();
    let mut six = |set: &mut bool| {
        *set = address.is_ipv6();
        if address.is_ipv4() {
            cx.report(only_six(word));
        }
    };
    match word.text.as_str() {
        "home" => six(&mut vip.flags.home),
        "mngtmpaddr" => six(&mut vip.flags.mngtmpaddr),
        "-nodad" => six(&mut vip.flags.dad),
        "use_vmac" => vip.virtual_link = Some(word.span),
        "noprefixroute" => vip.flags.noprefixroute = true,
        "autojoin" if !address.is_multicast() => {
            let message = format!("the kernel refuses `autojoin` of {address}, which is no multicast address");
            return Err(Diagnostic::error("bad-address", message).at(word.span, "leave this word out"));
        }
        "autojoin" => vip.flags.autojoin = true,
        "no_track" => {
            vip.tracked = false;
            cx.report(
                Diagnostic::warning("no-effect", "`no_track` has no effect: vipdeck puts a deleted address back")
                    .at(word.span, ""),
            );
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn option(cx: &mut Cx<'_>, vip: &mut Vip, word: &Word, value: &Word) -> Result<(), Diagnostic> {
    let net = vip.net.value;
    let six = net.addr().is_ipv6();
    match word.text.as_str() {
        "dev" if vip.link.is_some() => {
            return Err(Diagnostic::error("written-twice", "`dev` is written twice")
                .at(word.span, "this address is not read, as in keepalived"));
        }
        "dev" => vip.link = Some(link(value)?),
        "label" | "scope" if six => cx.report(only_four(word)),
        "label" => vip.label = Some(label(value)?),
        "scope" => vip.scope = scope(value)?,
        "peer" => vip.peer = Some(Spanned { value: peer(value, net)?, span: word.span.to(value.span) }),
        "track_group" => vip.track_group = Some(Spanned { value: value.text.clone(), span: value.span }),
        "preferred_lft" => vip.preferred = preferred(value)?,
        // `brd` and `broadcast`.
        _ => vip.broadcast = Some(broadcast(value, net)?),
    }
    Ok(())
}

fn only_six(word: &Word) -> Diagnostic {
    let message = format!("`{}` means something for IPv6 addresses only", word.text);
    Diagnostic::warning("other-family", message).at(word.span, "ignored; the address is kept")
}

fn only_four(word: &Word) -> Diagnostic {
    let message = format!("an IPv6 address has no {}", word.text);
    Diagnostic::warning("other-family", message).at(word.span, "ignored, as keepalived does; the address is kept")
}

/// The other end of a point-to-point link.
fn peer(word: &Word, net: IpNet) -> Result<IpNet, Diagnostic> {
    let peer = address(word)?;
    if Family::of(peer.addr()) != Family::of(net.addr()) {
        let message = format!("{} and {} are of two families", net.addr(), peer.addr());
        return Err(Diagnostic::error("bad-address", message).at(word.span, "the peer's family is the address's"));
    }
    Ok(peer)
}

/// Seconds; none: for ever.
fn preferred(word: &Word) -> Result<Option<u32>, Diagnostic> {
    if word.text == "forever" {
        return Ok(None);
    }
    // The kernel's highest number means for ever.
    let seconds = value::whole("preferred_lft", word, 0, i64::from(u32::MAX - 1))?;
    Ok(u32::try_from(seconds).ok())
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
        "nowhere" => Ok(Scope::Other(255)),
        text => text.parse::<u8>().ok().map(Scope::Other).ok_or_else(|| {
            Diagnostic::error("bad-word", format!("`{text}` is no scope"))
                .at(word.span, "one of: global, site, link, host, or a number to 255")
        }),
    }
}

fn unknown(cx: &mut Cx<'_>, word: &Word) -> Result<(), Diagnostic> {
    let text = word.text.as_str();
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
