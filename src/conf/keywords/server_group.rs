//! `virtual_server_group`: the entries of one virtual server.

use super::root;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, lines};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::net::{Family, IpNet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(in crate::conf) struct Draft {
    pub name: Spanned<String>,
    pub entries: Vec<(Entry, Span)>,
}

#[derive(Clone, Copy)]
pub(in crate::conf) enum Entry {
    /// All addresses from the first to the last; port 0: all ports.
    Range {
        first: IpAddr,
        last: IpAddr,
        port: u16,
    },
    Mark(u32, Option<Family>),
}

/// More addresses than this in one line would fill the table; keepalived has no limit.
const MOST: u128 = 65_536;

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    let mut entries = Vec::new();
    lines(cx, body, |cx, line| {
        let [first, rest @ ..] = line.words.as_slice() else { return Ok(()) };
        let span = rest.last().map_or(first.span, |last| first.span.to(last.span));
        let entry = if first.text == "fwmark" { mark(cx, line, first, rest)? } else { range(cx, line, first, rest)? };
        entries.push((entry, span));
        Ok(())
    });
    root.server_groups.push(Draft { name, entries });
}

fn mark(cx: &mut Cx<'_>, line: &Statement, first: &Word, rest: &[Word]) -> Result<Entry, Diagnostic> {
    let Some(number) = rest.first() else {
        return Err(Diagnostic::error("missing-argument", "`fwmark` needs a value").at(first.span, "takes NUMBER"));
    };
    let mark = u32::try_from(value::whole("fwmark", number, 1, u32::MAX.into())?).unwrap_or(u32::MAX);
    let family = match rest.get(1) {
        None => None,
        Some(word) if value::one_of("fwmark", word, &["inet", "inet6"], false)? == "inet" => Some(Family::V4),
        Some(_) => Some(Family::V6),
    };
    cx.no_more_words(line, 3);
    Ok(Entry::Mark(mark, family))
}

/// `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS-END`, then perhaps a port.
fn range(cx: &mut Cx<'_>, line: &Statement, word: &Word, rest: &[Word]) -> Result<Entry, Diagnostic> {
    let port = match rest.first() {
        Some(port) => u16::try_from(value::whole("the port", port, 1, 65535)?).unwrap_or(0),
        None => 0,
    };
    cx.no_more_words(line, 2);
    let (first, last) = if word.text.contains('/') {
        prefix(word)?
    } else if let Some((start, end)) = word.text.split_once('-') {
        let first: IpAddr = start.parse().ok().ok_or_else(|| bad(word))?;
        (first, end_of(first, end).ok_or_else(|| bad(word))?)
    } else {
        let address = value::ip("virtual_server_group", word)?;
        (address, address)
    };
    let many = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => u128::from(b.to_bits() - a.to_bits()),
        (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => b.to_bits() - a.to_bits(),
        _ => {
            let message = format!("the range `{}` ends before it begins", word.text);
            return Err(Diagnostic::error("bad-range", message).at(word.span, "the end is greater than the beginning"));
        }
    };
    if many >= MOST {
        let message = format!("`{}` is more than {MOST} addresses", word.text);
        let help = "mark the packets with the firewall, and write `fwmark NUMBER`";
        return Err(Diagnostic::error("bad-range", message).at(word.span, "an entry of the table for each").help(help));
    }
    Ok(Entry::Range { first, last, port })
}

fn bad(word: &Word) -> Diagnostic {
    Diagnostic::error("bad-address", format!("`{}` is no address, prefix or range of addresses", word.text))
        .at(word.span, "such as 192.0.2.10, 192.0.2.8/30, 192.0.2.10-15")
}

/// Every address of a prefix, its first and its last one, too.
fn prefix(word: &Word) -> Result<(IpAddr, IpAddr), Diagnostic> {
    let net: IpNet = word.text.parse().ok().ok_or_else(|| bad(word))?;
    if net.network() != net.addr() {
        let message = format!("`{}` has bits behind its prefix", word.text);
        return Err(Diagnostic::error("bad-address", message)
            .at(word.span, "keepalived skips this line")
            .help(format!("write {}", net.trunc())));
    }
    let last = match net {
        IpNet::V4(net) => IpAddr::V4(net.broadcast()),
        IpNet::V6(net) => IpAddr::V6(net.broadcast()),
    };
    Ok((net.addr(), last))
}

/// The last octet, for IPv6 the last sixteen bits in hexadecimal, or a whole address.
fn end_of(first: IpAddr, end: &str) -> Option<IpAddr> {
    if let Ok(whole) = end.parse::<IpAddr>() {
        return Some(whole);
    }
    match first {
        IpAddr::V4(first) => {
            let last: u8 = end.parse().ok()?;
            Some(IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() & !0xff | u32::from(last))))
        }
        IpAddr::V6(first) => {
            let last = u16::from_str_radix(end, 16).ok()?;
            Some(IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() & !0xffff | u128::from(last))))
        }
    }
}
