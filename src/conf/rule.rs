//! One line of `virtual_rules` and `static_rules`: what follows `ip rule add` (ip-rule(8), keepalived.conf(5)).

use super::diagnostic::Diagnostic;
use super::lexer::Word;
use super::lower::{Cx, link};
use super::names::{GROUPS, Names, PROTOCOLS, TABLES, number};
use super::route::{deprecated, field, truncated};
use super::source::Spanned;
use super::suggest;
use super::tree::Statement;
use super::words::{Prefix, Words};
use crate::kernel::{OUR_PROTOCOL, Rule, RuleAction};
use crate::net::{Family, IpNet};

/// Words that stand where a rule is described, for suggestions.
const WORDS: &[&str] = &[
    "from",
    "to",
    "iif",
    "oif",
    "dev",
    "not",
    "fwmark",
    "tos",
    "dsfield",
    "uidrange",
    "ipproto",
    "sport",
    "dport",
    "tunnel-id",
    "l3mdev",
    "protocol",
    "priority",
    "preference",
    "order",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "sup_pl",
    "sup_group",
    "realms",
    "table",
    "lookup",
    "goto",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
    "type",
    "no_track",
    "track_group",
];

/// IP protocols by name (/etc/protocols).
const IP_PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];

/// A rule as it is written.
struct Draft<'s> {
    words: Words<'s>,
    rule: Rule,
    priority: Option<u32>,
    action: Option<(RuleAction, &'s Word)>,
    /// A word that only goes with a table.
    of_table: Option<&'s Word>,
    protocol: Option<(u8, &'s Word)>,
    group: Option<Spanned<String>>,
}

/// A rule that was read.
pub(super) struct Read {
    pub rule: Rule,
    /// It has no preference yet.
    pub unplaced: bool,
    pub group: Option<Spanned<String>>,
}

/// The rule of a line.
pub(super) fn line(cx: &mut Cx<'_>, names: &Names<'_>, line: &Statement, is_static: bool) -> Result<Read, Diagnostic> {
    let mut draft = Draft {
        words: Words::new(line),
        rule: Rule::new(Family::V4, 0),
        priority: None,
        action: None,
        of_table: None,
        protocol: None,
        group: None,
    };
    while let Some(word) = draft.words.next() {
        let known = draft.selector(cx, names, word)?
            || draft.of_packet(names, word)?
            || draft.of_lookup(names, word)?
            || draft.ours(names, word, is_static)?
            || draft.act(names, word)?;
        if !known {
            return Err(unknown(word));
        }
    }
    draft.finish(cx, line)
}

impl<'s> Draft<'s> {
    /// By addresses and links.
    fn selector(&mut self, cx: &mut Cx<'_>, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "inet" => self.words.is_of(Family::V4, word)?,
            "inet6" => self.words.is_of(Family::V6, word)?,
            "not" => self.rule.inverted = true,
            "from" => self.rule.from = self.prefix(cx, word)?,
            "to" => self.rule.to = self.prefix(cx, word)?,
            "iif" | "dev" => self.rule.input = Some(link(self.words.value(word)?)?),
            "oif" => self.rule.output = Some(link(self.words.value(word)?)?),
            "tos" | "dsfield" => self.rule.tos = field(&mut self.words, names, word)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn prefix(&mut self, cx: &mut Cx<'_>, keyword: &Word) -> Result<Option<IpNet>, Diagnostic> {
        let word = self.words.value(keyword)?;
        if word.text == "default6" {
            cx.report(deprecated(word, "inet6 … default"));
            self.words.is_of(Family::V6, word)?;
            return Ok(None);
        }
        match self.words.prefix(word)? {
            Prefix::Everywhere => Ok(None),
            Prefix::Net(net) => Ok(Some(truncated(cx, net, word)).filter(|net| net.prefix_len() > 0)),
        }
    }

    /// By what else a packet is.
    fn of_packet(&mut self, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "fwmark" => {
                let value = self.words.value(word)?;
                let (mark, mask) =
                    value.text.split_once('/').map_or((value.text.as_str(), None), |(a, b)| (a, Some(b)));
                let mask = mask.map_or(Some(u32::MAX), number);
                let (Some(mark), Some(mask)) = (number(mark), mask) else {
                    return Err(Diagnostic::error("bad-number", format!("`{}` is no firewall mark", value.text))
                        .at(value.span, "MARK or MARK/MASK, such as 0x10/0xff"));
                };
                // Mark 0 without a mask means no mark to the kernel.
                let any = mask == 0 || (mark == 0 && !value.text.contains('/'));
                self.rule.mark = (!any).then_some((mark, mask));
            }
            "uidrange" => self.rule.users = Some(self.range(word, u32::MAX)?),
            "sport" => self.rule.source_ports = Some(self.ports(word)?),
            "dport" => self.rule.destination_ports = Some(self.ports(word)?),
            "ipproto" | "ip_proto" => {
                let value = self.words.value(word)?;
                let named = IP_PROTOCOLS.iter().find(|(name, _)| *name == value.text.to_lowercase()).map(|(_, n)| *n);
                let protocol = named.or_else(|| value.text.parse().ok()).filter(|number| *number != 0);
                self.rule.ip_protocol = Some(protocol.ok_or_else(|| {
                    Diagnostic::error("unknown-name", format!("there is no IP protocol `{}`", value.text))
                        .at(value.span, "a name such as tcp, udp, icmp, or a number from 1 to 255")
                })?);
            }
            "tunnel-id" | "tun_id" => {
                let value = self.words.value(word)?;
                self.rule.tunnel = Some(value.text.parse().ok().ok_or_else(|| {
                    Diagnostic::error("bad-number", format!("`{}` is no tunnel id", value.text)).at(value.span, "")
                })?)
                .filter(|id| *id != 0);
            }
            "realms" => {
                self.words.is_of(Family::V4, word)?;
                self.rule.realms = Some(self.words.realms(word, names)?);
                self.of_table = Some(word);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `A-B`, or `A` alone.
    fn range(&mut self, keyword: &Word, most: u32) -> Result<(u32, u32), Diagnostic> {
        let word = self.words.value(keyword)?;
        let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
        let range = number(first).zip(number(last)).filter(|(first, last)| first <= last && *last <= most);
        range.ok_or_else(|| {
            Diagnostic::error("bad-number", format!("`{}` is no range for {}", word.text, keyword.text))
                .at(word.span, format!("such as 80-90, up to {most}"))
        })
    }

    fn ports(&mut self, keyword: &Word) -> Result<(u16, u16), Diagnostic> {
        let (first, last) = self.range(keyword, 65535)?;
        Ok((u16::try_from(first).unwrap_or(u16::MAX), u16::try_from(last).unwrap_or(u16::MAX)))
    }

    /// What is passed over in the table.
    fn of_lookup(&mut self, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "suppress_prefixlength" | "sup_pl" => {
                self.rule.suppress_length = Some(self.words.number(word, 0..=128)?);
            }
            "suppress_ifgroup" | "sup_group" => {
                self.rule.suppress_group = Some(self.words.named(word, names, &GROUPS)?);
            }
            _ => return Ok(false),
        }
        self.of_table = Some(word);
        Ok(true)
    }

    /// Where it stands, and how it is kept.
    fn ours(&mut self, names: &Names<'_>, word: &'s Word, is_static: bool) -> Result<bool, Diagnostic> {
        match word.text.as_str() {
            "preference" | "priority" | "order" | "pref" => {
                self.priority = Some(self.words.number(word, 0..=u32::MAX)?);
            }
            "protocol" => {
                let number = self.words.named(word, names, &PROTOCOLS)?;
                self.protocol = Some((u8::try_from(number).unwrap_or(u8::MAX), word));
            }
            "no_track" => self.rule.tracked = false,
            "track_group" if is_static => {
                let value = self.words.value(word)?;
                self.group = Some(Spanned { value: value.text.clone(), span: value.span });
            }
            "track_group" => {
                return Err(Diagnostic::error("misplaced", "`track_group` belongs to static rules")
                    .at(word.span, "this one moves with an instance anyhow"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What becomes of what it selects.
    fn act(&mut self, names: &Names<'_>, word: &'s Word) -> Result<bool, Diagnostic> {
        let mut word = word;
        if word.text == "type" {
            word = self.words.value(word)?;
        }
        let action = match word.text.as_str() {
            "table" | "lookup" => {
                let value = self.words.value(word)?;
                let table = names.number(&TABLES, value)?;
                if table == 0 {
                    return Err(Diagnostic::error("out-of-range", "there is no table 0").at(value.span, ""));
                }
                RuleAction::Lookup(table)
            }
            "l3mdev" => RuleAction::L3mdev,
            "goto" => RuleAction::Goto(self.words.number(word, 0..=u32::MAX)?),
            "nop" => RuleAction::Nop,
            "blackhole" => RuleAction::Blackhole,
            "unreachable" => RuleAction::Unreachable,
            "prohibit" => RuleAction::Prohibit,
            _ => return Ok(false),
        };
        if let Some((_, before)) = self.action.replace((action, word)) {
            return Err(Diagnostic::error("two-actions", "a rule has one action")
                .at(word.span, "this rule is not read, as in keepalived")
                .at(before.span, "and this is another"));
        }
        Ok(true)
    }

    fn finish(self, cx: &mut Cx<'_>, line: &Statement) -> Result<Read, Diagnostic> {
        let Self { words, mut rule, priority, action, of_table, protocol, group } = self;
        let whole = |problem: Diagnostic, label: &str| match line.span() {
            Some(span) => problem.at(span, label),
            None => problem,
        };
        let Some((action, word)) = action else {
            let problem = Diagnostic::error("missing-argument", "a rule needs an action");
            return Err(whole(problem, "such as `table 100`, `goto 200` or `blackhole`"));
        };
        if let RuleAction::Goto(target) = action {
            let message = match priority {
                None => Some("`goto` needs a preference".to_owned()),
                Some(own) if own >= target => Some(format!("`goto {target}` does not lead on from preference {own}")),
                Some(_) => None,
            };
            if let Some(message) = message {
                return Err(Diagnostic::error("bad-goto", message).at(word.span, "its target comes after it"));
            }
        }
        let into_table = matches!(action, RuleAction::Lookup(_) | RuleAction::L3mdev);
        if let Some(needs) = of_table.filter(|_| !into_table) {
            let message = format!("`{}` goes with `table` only", needs.text);
            return Err(Diagnostic::error("bad-word", message)
                .at(needs.span, "")
                .at(word.span, "this is another action"));
        }
        rule.action = action;
        rule.family = words.family.unwrap_or(Family::V4);
        rule.priority = priority.unwrap_or(0);
        rule.protocol = match protocol {
            Some((number, word)) if rule.tracked && number != OUR_PROTOCOL => {
                cx.report(
                    Diagnostic::warning("protocol-reset", "what is tracked bears protocol 18, keepalived")
                        .at(word.span, "ignored, as keepalived does")
                        .help("with `no_track` the protocol stays, and the rule is not watched"),
                );
                OUR_PROTOCOL
            }
            Some((number, _)) => number,
            None if rule.tracked => OUR_PROTOCOL,
            None => 0,
        };
        Ok(Read { rule, unplaced: priority.is_none(), group })
    }
}

fn unknown(word: &Word) -> Diagnostic {
    let problem = Diagnostic::error("unknown-keyword", format!("`{}` says nothing about a rule", word.text))
        .at(word.span, "this rule is not read, as in keepalived");
    match suggest::nearest(&word.text, WORDS.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}
