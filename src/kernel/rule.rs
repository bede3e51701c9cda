//! Routing rules (ip-rule(8)): which packets look up which table.

use super::route::{MAIN_TABLE, OUR_PROTOCOL, Realms};
use crate::net::{Family, IpNet, LinkName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A rule: what it selects by, and what becomes of what it selects. The kernel reports all of it as it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    pub family: Family,
    /// Lower ones are looked at first.
    pub priority: u32,
    /// Selects what does not match (`not`).
    pub inverted: bool,
    /// Host bits are clear; none: from anywhere.
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    pub input: Option<LinkName>,
    pub output: Option<LinkName>,
    /// The firewall mark and its mask.
    pub mark: Option<(u32, u32)>,
    pub tos: u8,
    pub users: Option<(u32, u32)>,
    /// The number of an IP protocol.
    pub ip_protocol: Option<u8>,
    pub source_ports: Option<(u16, u16)>,
    pub destination_ports: Option<(u16, u16)>,
    pub tunnel: Option<u64>,
    /// Routes with so short a prefix are passed over (`suppress_prefixlength`).
    pub suppress_length: Option<u32>,
    /// Routes over a link of this group are passed over (`suppress_ifgroup`).
    pub suppress_group: Option<u32>,
    pub realms: Option<Realms>,
    pub action: RuleAction,
    /// Who made it: ours, unless `no_track`; 0: nobody says.
    pub protocol: u8,
    /// Watched, and put back when somebody else removes it (not `no_track`).
    pub tracked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RuleAction {
    Lookup(u32),
    /// The table of the VRF the packet belongs to.
    L3mdev,
    /// On with the rule of this priority.
    Goto(u32),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
}

/// What rules are kept by.
pub type RuleKey = (Family, u32);

impl Rule {
    /// A rule for everything, looking up the main table.
    pub const fn new(family: Family, priority: u32) -> Self {
        Self {
            family,
            priority,
            inverted: false,
            from: None,
            to: None,
            input: None,
            output: None,
            mark: None,
            tos: 0,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            tunnel: None,
            suppress_length: None,
            suppress_group: None,
            realms: None,
            action: RuleAction::Lookup(MAIN_TABLE),
            protocol: OUR_PROTOCOL,
            tracked: true,
        }
    }

    pub const fn key(&self) -> RuleKey {
        (self.family, self.priority)
    }

    /// Whether `seen`, as the kernel reports it, is this rule.
    pub fn is(&self, seen: &Self) -> bool {
        Self { tracked: seen.tracked, ..self.clone() } == *seen
    }
}

/// As ip-rule(8) would print it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.family == Family::V6 {
            f.write_str("inet6 ")?;
        }
        write!(f, "{}:", self.priority)?;
        if self.inverted {
            f.write_str(" not")?;
        }
        let end = |net: &IpNet| {
            if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
        };
        write!(f, " from {}", self.from.as_ref().map_or_else(|| "all".into(), end))?;
        if let Some(to) = &self.to {
            write!(f, " to {}", end(to))?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        match self.mark {
            Some((mark, u32::MAX)) => write!(f, " fwmark {mark:#x}")?,
            Some((mark, mask)) => write!(f, " fwmark {mark:#x}/{mask:#x}")?,
            None => {}
        }
        if let Some(link) = &self.input {
            write!(f, " iif {link}")?;
        }
        if let Some(link) = &self.output {
            write!(f, " oif {link}")?;
        }
        if let Some((first, last)) = self.users {
            write!(f, " uidrange {first}-{last}")?;
        }
        if let Some(protocol) = self.ip_protocol {
            write!(f, " ipproto {protocol}")?;
        }
        for (what, ports) in [("sport", self.source_ports), ("dport", self.destination_ports)] {
            match ports {
                Some((first, last)) if first == last => write!(f, " {what} {first}")?,
                Some((first, last)) => write!(f, " {what} {first}-{last}")?,
                None => {}
            }
        }
        if let Some(tunnel) = self.tunnel {
            write!(f, " tun_id {tunnel}")?;
        }
        match self.action {
            RuleAction::Lookup(table) => write!(f, " lookup {table}"),
            RuleAction::L3mdev => f.write_str(" lookup [l3mdev-table]"),
            RuleAction::Goto(target) => write!(f, " goto {target}"),
            RuleAction::Nop => f.write_str(" nop"),
            RuleAction::Blackhole => f.write_str(" blackhole"),
            RuleAction::Unreachable => f.write_str(" unreachable"),
            RuleAction::Prohibit => f.write_str(" prohibit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prints_as_ip_rule_has_it() {
        let mut rule = Rule::new(Family::V4, 100);
        (rule.from, rule.mark, rule.source_ports) = ("10.0.0.0/8".parse().ok(), Some((5, 7)), Some((80, 80)));
        rule.action = RuleAction::Lookup(42);
        assert_eq!(rule.to_string(), "100: from 10.0.0.0/8 fwmark 0x5/0x7 sport 80 lookup 42");
        let blackhole = Rule { action: RuleAction::Blackhole, ..Rule::new(Family::V6, 7) };
        assert_eq!(blackhole.to_string(), "inet6 7: from all blackhole");
    }
}
