//! A virtual link as an instance needs it: made, with its kernel settings, and up.
//!
//! A link with a macvlan that has addresses of the same network would answer ARP for them (`arp_ignore`), and tell its
//! own hardware address with them when it asks (`arp_announce`): neighbours would not send to the virtual router's. A
//! link without an address hears nothing that it has to trace back (`rp_filter`).

use super::netlink::Netlink;
use super::sysctl::{self, Key, SysctlError};
use crate::kernel::{Address, VirtualLink, VirtualLinkKind};
use crate::net::LinkName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Makes and removes virtual links, and remembers what the settings of others were before.
#[derive(Debug)]
pub struct VirtualLinks {
    netlink: Netlink,
    made: BTreeSet<LinkName>,
    /// Settings of the links below and of all links, as they were.
    before: BTreeMap<Key, String>,
}

impl VirtualLinks {
    pub const fn new(netlink: Netlink) -> Self {
        Self { netlink, made: BTreeSet::new(), before: BTreeMap::new() }
    }

    /// Makes the link, or takes over the one of an earlier life, and brings it up.
    pub async fn make(&mut self, link: &VirtualLink) -> Result<(), String> {
        self.netlink.make_link(link).await.map_err(|e| e.cause.to_string())?;
        self.made.insert(link.name.clone());
        self.prepare(link).map_err(|e| e.to_string())?;
        self.netlink.set_up(&link.name).await.map_err(|e| e.to_string())?;
        if let VirtualLinkKind::Ipvlan { address: Some(net), .. } = &link.kind {
            let address = Address::new(link.name.clone(), *net);
            self.netlink.add(&address).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    pub async fn remove(&mut self, link: &VirtualLink) -> Result<(), String> {
        self.netlink.remove_link(link).await.map_err(|e| e.to_string())?;
        self.made.remove(&link.name);
        if self.made.is_empty() {
            for (key, value) in std::mem::take(&mut self.before) {
                // Links come and go, and their settings with them.
                if let Err(error) = sysctl::write(&key, &value) {
                    tracing::info!("not put back: {error}");
                }
            }
        }
        Ok(())
    }

    fn prepare(&mut self, link: &VirtualLink) -> Result<(), SysctlError> {
        let six = |what: &str| Key::new(format!("net/ipv6/conf/{}/{what}", link.name));
        if link.ipv6 {
            // No address of its own making, no route by advertisements that the link below hears, too.
            for (what, value) in [("disable_ipv6", "0"), ("addr_gen_mode", "1"), ("accept_ra", "0"), ("autoconf", "0")]
            {
                sysctl::write(&six(what), value)?;
            }
        } else {
            optional(sysctl::write(&six("disable_ipv6"), "1"))?;
        }
        if !matches!(link.kind, VirtualLinkKind::Macvlan(_)) {
            return Ok(());
        }
        let four = |name: &LinkName, what: &str| Key::new(format!("net/ipv4/conf/{name}/{what}"));
        if !link.ipv4 {
            // It hears ARP for the addresses of all links, and answers none.
            return sysctl::write(&four(&link.name, "arp_ignore"), "8");
        }
        for (what, value) in
            [("rp_filter", "0"), ("accept_local", "1"), ("arp_ignore", "1"), ("arp_announce", "2"), ("arp_filter", "0")]
        {
            sysctl::write(&four(&link.name, what), value)?;
        }
        self.at_least(four(&link.base, "arp_ignore"), 1)?;
        self.at_least(four(&link.base, "arp_announce"), 2)?;
        self.filter_each_link(&link.name)
    }

    /// `rp_filter` of all links counts for each of them: it is moved to the others.
    fn filter_each_link(&mut self, except: &LinkName) -> Result<(), SysctlError> {
        let all = Key::new("net/ipv4/conf/all/rp_filter");
        let Some(value) = number(&sysctl::read(&all)?).filter(|value| *value > 0) else { return Ok(()) };
        let cause = |cause: io::Error| SysctlError::Read { key: all.clone(), cause };
        for entry in std::fs::read_dir("/proc/sys/net/ipv4/conf").map_err(cause)? {
            let name = entry.map_err(cause)?.file_name().to_string_lossy().into_owned();
            if name != "all" && name != except.as_str() && !self.made.iter().any(|made| made.as_str() == name) {
                optional(self.at_least(Key::new(format!("net/ipv4/conf/{name}/rp_filter")), value))?;
            }
        }
        self.set(all, 0)
    }

    fn at_least(&mut self, key: Key, value: u32) -> Result<(), SysctlError> {
        if number(&sysctl::read(&key)?).is_some_and(|now| now >= value) { Ok(()) } else { self.set(key, value) }
    }

    fn set(&mut self, key: Key, value: u32) -> Result<(), SysctlError> {
        let before = sysctl::read(&key)?;
        sysctl::write(&key, &value.to_string())?;
        tracing::info!("{key} is {value} now, until the last virtual link goes; it was {before}");
        self.before.entry(key).or_insert(before);
        Ok(())
    }
}

fn number(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

/// A setting that is not there asks for nothing.
fn optional(result: Result<(), SysctlError>) -> Result<(), SysctlError> {
    match result {
        Err(SysctlError::Read { cause, .. } | SysctlError::Write { cause, .. })
            if cause.kind() == io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        other => other,
    }
}
