//! The nftables table that keeps packets away from addresses whose master does not own them (`no_accept`; RFC 9568,
//! 6.4.3), and virtual links quiet (nft(8)).
//!
//! It depends on the configuration alone, not on who is master: a rule for an address that is not here meets no packet.
//! So it stands before the address comes, and no takeover waits for it.

use crate::net::LinkName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A whole table of family `inet`. keepalived's tables of the same name are of the families `ip` and `ip6`, and so
/// others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    pub table: FirewallTable,
    /// Packets to and from these are dropped, but for neighbour discovery.
    pub v4: BTreeSet<Ipv4Addr>,
    pub v6: BTreeSet<Ipv6Addr>,
    /// Link-local ones, each on its link.
    pub v6_local: BTreeSet<(Ipv6Addr, LinkName)>,
    /// Virtual links with the virtual router's hardware address: what the kernel would send there by itself, also while
    /// another router is master, would teach switches the wrong port.
    pub quiet: BTreeSet<LinkName>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallTable {
    pub name: String,
    /// Whose it is: what tells a table of an earlier life from another engine's.
    pub owner: String,
    /// Of the chains, relative to 0, where filters are.
    pub priority: i32,
    pub counters: bool,
}

impl FirewallTable {
    /// The mark in the comments of its rules.
    pub fn mark(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        format!("vipdeck {}", self.owner.chars().map(plain).take(64).collect::<String>())
    }
}

impl Firewall {
    /// Whether there is nothing to keep out and nothing to keep quiet.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && self.v6_local.is_empty() && self.quiet.is_empty()
    }

    /// How many addresses it keeps packets from.
    pub fn addresses(&self) -> usize {
        self.v4.len() + self.v6.len() + self.v6_local.len()
    }

    /// For `nft --file -`: the table as it should be, in place of the one there is, in one transaction.
    pub fn script(&self) -> String {
        let FirewallTable { name, priority, .. } = &self.table;
        let mut text = format!("add table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n");
        set(&mut text, "vips", "ipv4_addr", self.v4.iter().map(ToString::to_string));
        set(&mut text, "vips6", "ipv6_addr", self.v6.iter().map(ToString::to_string));
        let local = self.v6_local.iter().map(|(address, link)| format!("{address} . \"{link}\""));
        set(&mut text, "vips_link_local", "ipv6_addr . ifname", local);
        set(&mut text, "virtual_links", "ifname", self.quiet.iter().map(|link| format!("\"{link}\"")));
        let mut chain = |chain: &str, hook: &str, rules: &[String]| {
            let _ =
                writeln!(text, "\tchain {chain} {{\n\t\ttype filter hook {hook} priority {priority}; policy accept;");
            for rule in rules {
                let _ = writeln!(text, "\t\t{rule}");
            }
            text.push_str("\t}\n");
        };
        chain("in", "input", &self.rules("daddr", "iifname", false));
        chain("out", "output", &self.rules("saddr", "oifname", true));
        text.push_str("}\n");
        text
    }

    fn rules(&self, side: &str, link: &str, out: bool) -> Vec<String> {
        let end =
            format!("{}drop comment \"{}\"", if self.table.counters { "counter " } else { "" }, self.table.mark());
        let mut rules = Vec::new();
        if out {
            // Group reports come from the link below, whose groups these are, too.
            rules.push(format!("oifname @virtual_links ip protocol igmp {end}"));
            // Reports of either version, done, router solicitations (RFC 2710, RFC 3810, RFC 4861).
            rules.push(format!("oifname @virtual_links icmpv6 type {{ 131, 132, 133, 143 }} {end}"));
        }
        // Without its neighbours nobody reaches an IPv6 address, and no packet through this router either.
        rules.push("icmpv6 type { 135, 136 } accept".to_owned());
        rules.push(format!("ip {side} @vips {end}"));
        rules.push(format!("ip6 {side} @vips6 {end}"));
        rules.push(format!("ip6 {side} . {link} @vips_link_local {end}"));
        rules
    }
}

fn set(text: &mut String, name: &str, kind: &str, elements: impl Iterator<Item = String>) {
    let elements = elements.collect::<Vec<_>>().join(", ");
    let _ = write!(text, "\tset {name} {{\n\t\ttype {kind}\n");
    if !elements.is_empty() {
        let _ = writeln!(text, "\t\telements = {{ {elements} }}");
    }
    text.push_str("\t}\n");
}

impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "es" });
        write!(f, "nftables table inet {}: ", self.table.name)?;
        match (self.addresses(), self.quiet.len()) {
            (0, 0) => f.write_str("nothing"),
            (0, links) => write!(f, "{links} virtual link(s) kept quiet"),
            (addresses, 0) => write!(f, "{} not accepted", plural(addresses, "address")),
            (addresses, links) => {
                write!(f, "{} not accepted, {links} virtual link(s) kept quiet", plural(addresses, "address"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_transaction_and_names_its_owner() {
        let table =
            FirewallTable { name: "keepalived".into(), owner: "lvs \"1\"".into(), priority: -1, counters: true };
        let link = LinkName::new("vrrp.51").unwrap();
        let firewall = Firewall {
            table,
            v4: [[192, 0, 2, 10].into()].into(),
            v6_local: [("fe80::1".parse().unwrap(), link.clone())].into(),
            quiet: [link].into(),
            ..Firewall::default()
        };
        let script = firewall.script();
        assert!(script.starts_with("add table inet keepalived\ndelete table inet keepalived\ntable inet keepalived {"));
        assert!(script.contains("type filter hook input priority -1; policy accept;"), "{script}");
        assert!(script.contains("elements = { fe80::1 . \"vrrp.51\" }"), "{script}");
        assert!(script.contains("ip daddr @vips counter drop comment \"vipdeck lvs__1_\""), "{script}");
        assert!(script.contains("oifname @virtual_links ip protocol igmp counter drop"), "{script}");
        assert_eq!(
            firewall.to_string(),
            "nftables table inet keepalived: 2 addresses not accepted, 1 virtual link(s) kept quiet"
        );
    }
}
