//! From what is there, and what is remembered, to the steps. Pure.

use super::memory::{Added, Memory};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A kernel setting that keeps VIPs on lo from being told to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Below /proc/sys.
    pub(super) path: &'static str,
    pub(super) wanted: &'static str,
}

/// `arp_ignore` 1: answer only for addresses of the link the question came in on. `arp_announce` 2: ask with the best
/// address of the link, never with a VIP. The kernel takes the greater of `all` and the link's own.
pub(super) const SETTINGS: [Setting; 4] = [
    Setting { path: "net/ipv4/conf/all/arp_ignore", wanted: "1" },
    Setting { path: "net/ipv4/conf/all/arp_announce", wanted: "2" },
    Setting { path: "net/ipv4/conf/lo/arp_ignore", wanted: "1" },
    Setting { path: "net/ipv4/conf/lo/arp_announce", wanted: "2" },
];

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.path.replace('/', "."))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObservedSetting {
    pub(super) setting: Setting,
    pub(super) value: String,
}

/// What this namespace has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) lo_is_up: bool,
    /// The /32 addresses on lo.
    pub(super) addresses: BTreeSet<Ipv4Addr>,
    /// The host routes over lo in the main table.
    pub(super) routes: BTreeSet<Ipv4Addr>,
    /// All of [`SETTINGS`].
    pub(super) settings: Vec<ObservedSetting>,
}

/// One thing to do. Its text completes "would …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    RaiseLo,
    Set {
        setting: Setting,
        value: String,
        was: String,
    },
    AddAddress(Ipv4Addr),
    /// `route add -host VIP dev lo`, as the tutorial has it. The kernel's local table, which is looked up first, has
    /// the same as soon as the address is there; the entry in the main table is for people and their tools.
    AddRoute(Ipv4Addr),
    RemoveRoute(Ipv4Addr),
    RemoveAddress(Ipv4Addr),
    /// Somebody set it since: theirs stays.
    Leave {
        setting: Setting,
        value: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RaiseLo => f.write_str("bring lo up"),
            Self::Set { setting, value, was } => write!(f, "set {setting} to {value} (was {was})"),
            Self::AddAddress(vip) => write!(f, "add {vip}/32 to lo"),
            Self::AddRoute(vip) => write!(f, "add route to {vip} over lo"),
            Self::RemoveRoute(vip) => write!(f, "remove route to {vip} over lo"),
            Self::RemoveAddress(vip) => write!(f, "remove {vip}/32 from lo"),
            Self::Leave { setting, value } => write!(f, "leave {setting} at {value}: it was changed since"),
        }
    }
}

/// Why an address cannot be a VIP here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoVip {
    #[error("{0}: IPv6 is not supported yet; give IPv4 addresses")]
    Ipv6(IpAddr),
    #[error("{0} cannot be a VIP: it is no unicast address of another link")]
    Special(Ipv4Addr),
}

/// The addresses as VIPs.
pub(super) fn vips(addresses: &[IpAddr]) -> Result<BTreeSet<Ipv4Addr>, NoVip> {
    let vip = |address: &IpAddr| match address {
        IpAddr::V6(_) => Err(NoVip::Ipv6(*address)),
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() => {
            Err(NoVip::Special(*ip))
        }
        IpAddr::V4(ip) => Ok(*ip),
    };
    addresses.iter().map(vip).collect()
}

/// The steps that make this machine serve `vips`, and what is to be remembered before they are taken. The settings
/// come first: a VIP must never be there while the link may hear of it.
pub(super) fn up(vips: &BTreeSet<Ipv4Addr>, observed: &Observed, memory: Memory) -> (Vec<Step>, Memory) {
    let mut memory = memory.unless_stale(observed);
    let mut steps = Vec::new();
    if !observed.lo_is_up {
        steps.push(Step::RaiseLo);
    }
    for ObservedSetting { setting, value } in &observed.settings {
        memory.settings.entry(setting.path.to_owned()).or_insert_with(|| value.clone());
        if value != setting.wanted {
            steps.push(Step::Set { setting: *setting, value: setting.wanted.to_owned(), was: value.clone() });
        }
    }
    for vip in vips {
        let added = Added { address: !observed.addresses.contains(vip), route: !observed.routes.contains(vip) };
        let known = memory.vips.entry(*vip).or_insert(added);
        // What we add is ours, also when it was there at the first `up` and went since.
        known.address |= added.address;
        known.route |= added.route;
        if added.address {
            steps.push(Step::AddAddress(*vip));
        }
        if added.route {
            steps.push(Step::AddRoute(*vip));
        }
    }
    (steps, memory)
}

/// The steps that take `vips` away, or all that `up` added if there are none, and what is still to be remembered.
/// With the last VIP the settings get their former values, after it has gone.
pub(super) fn down(vips: &BTreeSet<Ipv4Addr>, observed: &Observed, memory: Memory) -> (Vec<Step>, Memory) {
    let mut memory = memory.unless_stale(observed);
    let all = vips.is_empty().then(|| memory.vips.keys().copied().collect());
    let mut steps = Vec::new();
    for vip in all.as_ref().unwrap_or(vips) {
        // One that we know nothing of was named by the operator, who means it.
        let ours = memory.vips.remove(vip).unwrap_or(Added { address: true, route: true });
        if ours.route && observed.routes.contains(vip) {
            steps.push(Step::RemoveRoute(*vip));
        }
        if ours.address && observed.addresses.contains(vip) {
            steps.push(Step::RemoveAddress(*vip));
        }
    }
    if memory.is_empty() {
        let former = std::mem::take(&mut memory.settings);
        steps.extend(observed.settings.iter().filter_map(|seen| restore(seen, former.get(seen.setting.path)?)));
    }
    (steps, memory)
}

fn restore(seen: &ObservedSetting, former: &String) -> Option<Step> {
    let ObservedSetting { setting, value } = seen;
    if value == former {
        None
    } else if value == setting.wanted {
        Some(Step::Set { setting: *setting, value: former.clone(), was: value.clone() })
    } else {
        Some(Step::Leave { setting: *setting, value: value.clone() })
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
