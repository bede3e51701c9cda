//! The words of a line that describes a route or a rule, taken one after the other.

use super::diagnostic::Diagnostic;
use super::lexer::Word;
use super::names::{self, List, Names, REALMS};
use super::tree::Statement;
use crate::kernel::Realms;
use crate::net::{Family, IpNet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

pub(super) struct Words<'s> {
    words: &'s [Word],
    /// What addresses, and words of one family only, have made it.
    pub family: Option<Family>,
}

impl<'s> Words<'s> {
    pub(super) fn new(line: &'s Statement) -> Self {
        Self { words: &line.words, family: None }
    }

    pub(super) fn next(&mut self) -> Option<&'s Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// The next word, if it is this one.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let is = self.words.first().is_some_and(|word| word.text == text);
        if is {
            self.next();
        }
        is
    }

    pub(super) fn peek(&self) -> Option<&'s Word> {
        self.words.first()
    }

    /// The word that a keyword needs after it.
    pub(super) fn value(&mut self, keyword: &Word) -> Result<&'s Word, Diagnostic> {
        self.next().ok_or_else(|| {
            let message = format!("`{}` needs a value", keyword.text);
            Diagnostic::error("missing-argument", message).at(keyword.span, "the line ends here")
        })
    }

    pub(super) fn number(&mut self, keyword: &Word, range: RangeInclusive<u32>) -> Result<u32, Diagnostic> {
        let word = self.value(keyword)?;
        let (least, most) = (range.start(), range.end());
        let bad = |id, message: String| Err(Diagnostic::error(id, message).at(word.span, format!("{least} to {most}")));
        match names::number(&word.text) {
            Some(number) if range.contains(&number) => Ok(number),
            Some(number) => bad("out-of-range", format!("{number} is out of range for {}", keyword.text)),
            None => bad("bad-number", format!("`{}` is not a whole number", word.text)),
        }
    }

    pub(super) fn named(&mut self, keyword: &Word, names: &Names<'_>, list: &List) -> Result<u32, Diagnostic> {
        names.number(list, self.value(keyword)?)
    }

    /// `TO`, or `FROM/TO`.
    pub(super) fn realms(&mut self, keyword: &Word, names: &Names<'_>) -> Result<Realms, Diagnostic> {
        let word = self.value(keyword)?;
        let one = |text: &str| {
            let part = Word { text: text.to_owned(), span: word.span, quoted: false };
            names.number(&REALMS, &part).map(|number| u16::try_from(number).unwrap_or(u16::MAX))
        };
        match word.text.split_once('/') {
            Some((from, to)) => Ok(Realms { from: one(from)?, to: one(to)? }),
            None => Ok(Realms { from: 0, to: one(&word.text)? }),
        }
    }

    /// A word says that the line is about one family.
    pub(super) fn is_of(&mut self, family: Family, word: &Word) -> Result<(), Diagnostic> {
        match self.family {
            Some(other) if other != family => {
                let message = format!("`{}` is about {family}, and what stands before it about {other}", word.text);
                Err(Diagnostic::error("family-mix", message).at(word.span, "one line is about one family"))
            }
            _ => {
                self.family = Some(family);
                Ok(())
            }
        }
    }

    pub(super) fn address(&mut self, keyword: &Word) -> Result<IpAddr, Diagnostic> {
        let word = self.value(keyword)?;
        let address = parse(word)?;
        self.is_of(Family::of(address), word)?;
        Ok(address)
    }

    /// A prefix, or a name for everywhere: `default`, `any`, `all`.
    pub(super) fn prefix(&mut self, word: &Word) -> Result<Prefix, Diagnostic> {
        if ["default", "any", "all"].contains(&word.text.as_str()) {
            return Ok(Prefix::Everywhere);
        }
        let (address, length) = word.text.split_once('/').map_or((word.text.as_str(), None), |(a, l)| (a, Some(l)));
        let part = Word { text: address.to_owned(), ..word.clone() };
        let address = parse(&part)?;
        self.is_of(Family::of(address), word)?;
        let most = Family::of(address).bits();
        let net = match length {
            None => Some(IpNet::from(address)),
            Some(length) => length.parse::<u8>().ok().and_then(|length| IpNet::new(address, length).ok()),
        };
        let net = net.ok_or_else(|| {
            let length = length.unwrap_or_default();
            Diagnostic::error("out-of-range", format!("`/{length}` is not a prefix length"))
                .at(word.span, format!("from /0 to /{most}"))
        })?;
        Ok(Prefix::Net(net))
    }
}

/// A destination, or where packets come from.
#[derive(Clone, Copy)]
pub(super) enum Prefix {
    Everywhere,
    Net(IpNet),
}

impl Prefix {
    /// Of length 0, in a family.
    pub(super) const fn everywhere(family: Family) -> IpNet {
        let address = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        IpNet::new_assert(address, 0)
    }
}

pub(super) fn parse(word: &Word) -> Result<IpAddr, Diagnostic> {
    word.text.parse().ok().ok_or_else(|| {
        Diagnostic::error("bad-address", format!("`{}` is not an address", word.text))
            .at(word.span, "such as 192.0.2.1 or 2001:db8::1")
    })
}
