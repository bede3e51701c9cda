//! The arguments of `use_vmac`, `use_ipvlan` and `garp_extra_if`.

use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, link};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::Statement;
use crate::conf::value;
use crate::kernel::IpvlanMode;
use crate::net::{IpNet, LinkName, Mac};
use crate::time::Duration;

/// A virtual link as it is written; the rest is made up from the instance.
pub(in crate::conf) struct Written {
    /// Where the keyword is.
    pub span: Span,
    pub name: Option<Spanned<LinkName>>,
    pub kind: WrittenKind,
    pub group: Option<u32>,
}

pub(in crate::conf) enum WrittenKind {
    /// Five octets are followed by the VRID.
    Macvlan(Option<Spanned<([u8; 5], Option<u8>)>>),
    Ipvlan {
        mode: IpvlanMode,
        address: Option<Spanned<IpNet>>,
    },
}

pub(super) const VMAC: &str = "[NAME] [MAC] [group N]";
pub(super) const IPVLAN: &str = "[NAME] [ADDRESS] [bridge|private|vepa] [group N]";
pub(super) const EXTRA: &str = "[all] 0..86400 seconds";

pub(super) fn vmac(cx: &mut Cx<'_>, statement: &Statement) -> Result<Written, Diagnostic> {
    let span = keyword(statement)?;
    let mut mac = None;
    let (name, group) = words(cx, statement, "use_vmac", |word| {
        if word.text == "netlink_notify_msg" {
            return Ok(true);
        }
        if !word.text.contains(':') {
            return Ok(false);
        }
        mac = Some(Spanned { value: octets(word)?, span: word.span });
        Ok(true)
    })?;
    Ok(Written { span, name, kind: WrittenKind::Macvlan(mac), group })
}

pub(super) fn ipvlan(cx: &mut Cx<'_>, statement: &Statement) -> Result<Written, Diagnostic> {
    let span = keyword(statement)?;
    let (mut mode, mut address) = (IpvlanMode::Bridge, None);
    let (name, group) = words(cx, statement, "use_ipvlan", |word| {
        match word.text.as_str() {
            "bridge" => mode = IpvlanMode::Bridge,
            "private" => mode = IpvlanMode::Private,
            "vepa" => mode = IpvlanMode::Vepa,
            text => {
                let net =
                    text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(|ip: std::net::IpAddr| ip.into()));
                let Some(net) = net else { return Ok(false) };
                address = Some(Spanned { value: net, span: word.span });
            }
        }
        Ok(true)
    })?;
    Ok(Written { span, name, kind: WrittenKind::Ipvlan { mode, address }, group })
}

/// Where the keyword of a line is.
fn keyword(statement: &Statement) -> Result<Span, Diagnostic> {
    let first = statement.words.first().map(|word| word.span);
    first.ok_or_else(|| Diagnostic::error("missing-argument", "an empty line"))
}

/// The name and the group; every other word is offered to `other`.
fn words(
    cx: &mut Cx<'_>,
    statement: &Statement,
    keyword: &str,
    mut other: impl FnMut(&Word) -> Result<bool, Diagnostic>,
) -> Result<(Option<Spanned<LinkName>>, Option<u32>), Diagnostic> {
    let (mut name, mut group) = (None, None);
    let mut at = 1;
    while let Some(word) = statement.words.get(at) {
        at += 1;
        match word.text.as_str() {
            "name" | "group" => {
                let missing = || {
                    let message = format!("`{}` needs a value", word.text);
                    Diagnostic::error("missing-argument", message).at(word.span, format!("in {keyword}"))
                };
                let value = statement.words.get(at).ok_or_else(missing)?;
                at += 1;
                if word.text == "name" {
                    name = Some(Spanned { value: link(value)?, span: value.span });
                } else {
                    group = u32::try_from(value::whole("group", value, 0, i64::from(u32::MAX))?).ok();
                }
            }
            _ if other(word)? => {}
            _ if name.is_none() => name = Some(Spanned { value: link(word)?, span: word.span }),
            _ => {
                cx.no_more_words(statement, at - 1);
                break;
            }
        }
    }
    Ok((name, group))
}

/// Six octets, or five that the VRID follows.
fn octets(word: &Word) -> Result<([u8; 5], Option<u8>), Diagnostic> {
    let bad = |message: String| {
        Diagnostic::error("bad-mac", message).at(word.span, "six octets, or five that the VRID follows")
    };
    let octets = word.text.split(':').map(|part| u8::from_str_radix(part, 16).ok().filter(|_| part.len() < 3));
    let octets: Option<Vec<u8>> = octets.collect();
    let Some(octets) = octets else { return Err(bad(format!("`{}` is no hardware address", word.text))) };
    let first = octets.get(..5).and_then(|first| <[u8; 5]>::try_from(first).ok());
    let Some(first) = first.filter(|_| octets.len() < 7) else {
        return Err(bad(format!("`{}` is no hardware address", word.text)));
    };
    let last = octets.get(5).copied();
    if first[0] % 2 == 1 {
        return Err(bad(format!("{} is a group address, and no station's", word.text)));
    }
    if matches!(first, [0, 0, 0x5e, 0, 1 | 2]) {
        let problem = bad(format!("{} is of the range of the RFC, which use_vmac takes by itself", word.text));
        return Err(problem.help("leave the hardware address out"));
    }
    Ok((first, last))
}

impl Written {
    /// The hardware address as written, for a VRID.
    pub(in crate::conf) fn mac(&self, vrid: u8) -> Option<Mac> {
        let WrittenKind::Macvlan(Some(mac)) = &self.kind else { return None };
        let (first, last) = mac.value;
        let mut octets = [last.unwrap_or(vrid); 6];
        octets.iter_mut().zip(first).for_each(|(octet, written)| *octet = written);
        Some(Mac(octets))
    }
}

/// `[all] SECONDS`.
pub(super) fn extra(cx: &mut Cx<'_>, statement: &Statement, name: &str) -> Result<(Duration, bool), Diagnostic> {
    let all = statement.words.get(1).is_some_and(|word| word.text == "all");
    let at = if all { 2 } else { 1 };
    let missing = || {
        let problem = Diagnostic::error("missing-argument", format!("`{name}` needs a value"));
        match statement.words.first() {
            Some(keyword) => problem.at(keyword.span, format!("takes {EXTRA}")),
            None => problem,
        }
    };
    let word = statement.words.get(at).ok_or_else(missing)?;
    let seconds = value::duration(name, word, 0, 86_400_000_000)?;
    cx.no_more_words(statement, at + 1);
    Ok((seconds, all))
}

/// A table's name as nft(8) takes it without quotes.
pub(super) fn table(word: &Word) -> Result<String, Diagnostic> {
    let text = &word.text;
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let good = starts && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c)) && text.len() < 32;
    let bad = || Diagnostic::error("bad-table", format!("`{text}` is no name of a table"));
    if good { Ok(text.clone()) } else { Err(bad().at(word.span, "a letter, then up to 30 letters, digits, _ . - /")) }
}
