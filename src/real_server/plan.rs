//! From what is there, and what is remembered, to the steps. Pure.

use super::memory::{Added, Before, Memory};
use super::vip::{Device, Method, Vips, bits};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A kernel setting that VIPs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Below /proc/sys.
    pub(super) path: &'static str,
    pub(super) wanted: &'static str,
    /// Other values that do as well, and stay.
    pub(super) also: &'static [&'static str],
    /// The VIPs that need it.
    need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    V4,
    V6,
    On(Device),
}

/// `arp_ignore` 1: answer only for addresses of the link the question came in on (2 and 8 answer less). `arp_announce` 2:
/// ask with the best address of the link, never with a VIP. The kernel takes the greater of `all` and the link's own.
/// `rp_filter` 2, of a tunnel: what comes out of it has a client's address, to which no route leads back into it.
/// For IPv6 nothing of the kind exists or is needed: the kernel answers and asks only with addresses of the link itself.
pub(super) const SETTINGS: [Setting; 7] = [
    Setting { path: "net/ipv4/conf/all/arp_ignore", wanted: "1", also: &["2", "8"], need: Need::V4 },
    Setting { path: "net/ipv4/conf/all/arp_announce", wanted: "2", also: &[], need: Need::V4 },
    Setting { path: "net/ipv4/conf/lo/arp_ignore", wanted: "1", also: &["2", "8"], need: Need::V4 },
    Setting { path: "net/ipv4/conf/lo/arp_announce", wanted: "2", also: &[], need: Need::V4 },
    Setting { path: "net/ipv4/conf/tunl0/rp_filter", wanted: "2", also: &[], need: Need::On(Device::Tunl0) },
    Setting { path: "net/ipv6/conf/lo/disable_ipv6", wanted: "0", also: &[], need: Need::V6 },
    Setting { path: "net/ipv6/conf/ip6tnl0/disable_ipv6", wanted: "0", also: &[], need: Need::On(Device::Ip6tnl0) },
];

impl Setting {
    pub(super) fn is_needed(&self, vips: &Vips) -> bool {
        vips.iter().any(|(vip, method)| match self.need {
            Need::V4 => vip.is_ipv4(),
            Need::V6 => vip.is_ipv6(),
            Need::On(device) => Device::of(*vip, *method) == device,
        })
    }

    pub(super) fn is_met_by(&self, value: &str) -> bool {
        value == self.wanted || self.also.contains(&value)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.path.replace('/', "."))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObservedSetting {
    pub(super) setting: Setting,
    /// None: its link is not there, or the kernel has no IPv6.
    pub(super) value: Option<String>,
}

/// What this namespace has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Those of [`Device::ALL`] that are there.
    pub(super) links: BTreeMap<Device, Seen>,
    /// 127.0.0.1 is on lo.
    pub(super) loopback: bool,
    /// The host routes over lo in the main table.
    pub(super) routes: BTreeSet<Ipv4Addr>,
    /// All of [`SETTINGS`].
    pub(super) settings: Vec<ObservedSetting>,
    /// The addresses of all other links.
    pub(super) elsewhere: BTreeMap<IpAddr, String>,
    /// The reverse path filter of every other link that has IPv4 addresses, as it counts: the greater of `all` and its own.
    pub(super) filters: BTreeMap<String, u8>,
    /// The smallest MTU of those links.
    pub(super) mtu: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) up: bool,
    /// With a host's prefix.
    pub(super) addresses: BTreeSet<IpAddr>,
}

impl Observed {
    pub(super) fn has(&self, vip: IpAddr, device: Device) -> bool {
        self.links.get(&device).is_some_and(|seen| seen.addresses.contains(&vip))
    }

    fn is_up(&self, device: Device) -> bool {
        self.links.get(&device).is_some_and(|seen| seen.up)
    }

    pub(super) fn has_route(&self, vip: IpAddr) -> bool {
        matches!(vip, IpAddr::V4(vip) if self.routes.contains(&vip))
    }
}

/// One thing to do. Its text completes "would …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// By loading its module, or, where that makes none in this namespace, by itself.
    Make(Device),
    Raise(Device),
    Set {
        setting: Setting,
        value: String,
        was: Option<String>,
    },
    AddAddress(IpAddr, Device),
    /// `route add -host VIP dev lo`, as the tutorial has it. The kernel's local table, which is looked up first, has
    /// the same as soon as the address is there; the entry in the main table is for people and their tools.
    AddRoute(Ipv4Addr),
    RemoveRoute(Ipv4Addr),
    RemoveAddress(IpAddr, Device),
    /// Somebody set it since: theirs stays.
    Leave {
        setting: Setting,
        value: String,
    },
    Lower(Device),
    /// 127.0.0.1, which came with lo.
    RemoveLoopback,
    Remove(Device),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(device) => {
                let (module, _) = device.kind().unwrap_or_default();
                write!(f, "make {device} (module {module})")
            }
            Self::Raise(device) => write!(f, "bring {device} up"),
            Self::Set { setting, value, was: Some(was) } => write!(f, "set {setting} to {value} (was {was})"),
            Self::Set { setting, value, was: None } => write!(f, "set {setting} to {value}"),
            Self::AddAddress(vip, device) => write!(f, "add {vip}/{} to {device}", bits(*vip)),
            Self::AddRoute(vip) => write!(f, "add route to {vip} over lo"),
            Self::RemoveRoute(vip) => write!(f, "remove route to {vip} over lo"),
            Self::RemoveAddress(vip, device) => write!(f, "remove {vip}/{} from {device}", bits(*vip)),
            Self::Leave { setting, value } => write!(f, "leave {setting} at {value}: it was changed since"),
            Self::Lower(device) => write!(f, "bring {device} down, as it was"),
            Self::RemoveLoopback => f.write_str("remove 127.0.0.1/8 from lo, as it was"),
            Self::Remove(device) => write!(f, "remove {device}"),
        }
    }
}

/// The steps that make this machine serve `vips`, and what is to be remembered before they are taken. The settings
/// come first: a VIP must never be there while the link may hear of it. Of a link that has to be made, the settings
/// are not known yet: once it is there, [`go_on`].
pub(super) fn up(vips: &Vips, observed: &Observed, memory: Memory) -> (Vec<Step>, Memory) {
    go_on(vips, observed, memory.unless_stale(observed))
}

/// The rest of an [`up`] that has begun with making links: they are all the trace that there is of it.
pub(super) fn go_on(vips: &Vips, observed: &Observed, mut memory: Memory) -> (Vec<Step>, Memory) {
    let mut steps = Vec::new();
    let mut raise = Vec::new();
    for device in devices(vips) {
        let seen = observed.links.get(&device);
        let before = Before { existed: seen.is_some(), up: observed.is_up(device), loopback: observed.loopback };
        memory.links.entry(device).or_insert(before);
        if seen.is_none() {
            steps.push(Step::Make(device));
        }
        if !observed.is_up(device) {
            raise.push(Step::Raise(device));
        }
    }
    for ObservedSetting { setting, value } in observed.settings.iter().filter(|s| s.setting.is_needed(vips)) {
        if let Some(value) = value {
            memory.settings.entry(setting.path.to_owned()).or_insert_with(|| value.clone());
        }
        if !value.as_ref().is_some_and(|value| setting.is_met_by(value)) {
            let value = value.clone();
            steps.push(Step::Set { setting: *setting, value: setting.wanted.to_owned(), was: value });
        }
    }
    steps.extend(raise);
    for (vip, method) in vips {
        add(*vip, *method, observed, &mut memory, &mut steps);
    }
    (steps, memory)
}

fn add(vip: IpAddr, method: Method, observed: &Observed, memory: &mut Memory, steps: &mut Vec<Step>) {
    let device = Device::of(vip, method);
    // The kernel makes IPv6's by itself, and tunnels need none.
    let routed = match vip {
        IpAddr::V4(four) if device == Device::Lo => Some(four),
        _ => None,
    };
    let added =
        Added { address: !observed.has(vip, device), route: routed.is_some() && !observed.has_route(vip), device };
    if added.address {
        steps.push(Step::AddAddress(vip, device));
    }
    if let Some(four) = routed.filter(|_| added.route) {
        steps.push(Step::AddRoute(four));
    }
    match memory.vips.get_mut(&vip) {
        // What we add is ours, also when it was there at the first `up` and went since.
        Some(known) if known.device == device => {
            known.address |= added.address;
            known.route |= added.route;
        }
        // It was served in another way.
        other => {
            let former = other.copied();
            memory.vips.insert(vip, added);
            if let Some(former) = former {
                remove(vip, former, observed, steps);
            }
        }
    }
}

fn remove(vip: IpAddr, ours: Added, observed: &Observed, steps: &mut Vec<Step>) {
    if let IpAddr::V4(four) = vip
        && ours.route
        && ours.device == Device::Lo
        && observed.has_route(vip)
    {
        steps.push(Step::RemoveRoute(four));
    }
    if ours.address && observed.has(vip, ours.device) {
        steps.push(Step::RemoveAddress(vip, ours.device));
    }
}

/// The steps that take `vips` away, or all that `up` added if there are none, and what is still to be remembered.
/// What the VIPs that are left do not need gets its former value and state, after the others have gone.
pub(super) fn down(vips: &BTreeSet<IpAddr>, observed: &Observed, memory: Memory) -> (Vec<Step>, Memory) {
    let mut memory = memory.unless_stale(observed);
    let all = vips.is_empty().then(|| memory.vips.keys().copied().collect());
    let mut steps = Vec::new();
    for vip in all.as_ref().unwrap_or(vips) {
        match memory.vips.remove(vip) {
            Some(ours) => remove(*vip, ours, observed, &mut steps),
            // One that we know nothing of was named by the operator, who means it.
            None => Device::ALL
                .into_iter()
                .for_each(|device| remove(*vip, Added { address: true, route: true, device }, observed, &mut steps)),
        }
    }
    let left = memory.serving();
    let needed = |path: &str| SETTINGS.iter().any(|setting| setting.path == path && setting.is_needed(&left));
    for seen in &observed.settings {
        if !needed(seen.setting.path)
            && let Some(former) = memory.settings.remove(seen.setting.path)
        {
            steps.extend(restore(seen, former));
        }
    }
    let used = devices(&left);
    for device in Device::ALL.into_iter().filter(|device| !used.contains(device)) {
        if let Some(before) = memory.links.remove(&device) {
            steps.extend(lower(device, before, observed));
        }
    }
    (steps, memory)
}

/// The links that are needed; lo is while there is any VIP.
fn devices(vips: &Vips) -> BTreeSet<Device> {
    let used = vips.iter().map(|(vip, method)| Device::of(*vip, *method));
    used.chain((!vips.is_empty()).then_some(Device::Lo)).collect()
}

fn restore(seen: &ObservedSetting, former: String) -> Option<Step> {
    let ObservedSetting { setting, value } = seen;
    let value = value.as_ref()?;
    if *value == former {
        None
    } else if value == setting.wanted {
        Some(Step::Set { setting: *setting, value: former, was: Some(value.clone()) })
    } else {
        Some(Step::Leave { setting: *setting, value: value.clone() })
    }
}

fn lower(device: Device, before: Before, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if !before.up && observed.is_up(device) {
        steps.push(Step::Lower(device));
        if device == Device::Lo && !before.loopback && observed.loopback {
            steps.push(Step::RemoveLoopback);
        }
    }
    if !before.existed && observed.links.contains_key(&device) {
        steps.push(Step::Remove(device));
    }
    steps
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
