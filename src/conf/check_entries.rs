//! The entries of the table that a virtual server stands for, and how clients persist in them.

use super::diagnostic::Diagnostic;
use super::keywords::lvs;
use super::keywords::server::{Draft, Granularity, Target};
use super::keywords::server_group::{self, Entry};
use super::lower::Cx;
use super::model::SyncSpec;
use super::source::{Span, Spanned};
use crate::kernel::{Persistence, Protocol, ServiceKey, SyncDaemon};
use crate::lvs::Group;
use crate::net::Family;
use crate::vrrp::Spec;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `persistence_timeout` where one is needed and none is written, seconds.
const TIMEOUT: u32 = 360;

/// The entries of one virtual server, at least one.
pub(super) struct Entries {
    keys: Vec<ServiceKey>,
    /// With all of them.
    pub group: Option<Group>,
}

/// The groups by name; none: it has no entry.
pub(super) struct Groups {
    groups: BTreeMap<String, server_group::Draft>,
}

impl Groups {
    pub(super) fn new(cx: &mut Cx<'_>, drafts: Vec<server_group::Draft>, servers: &[Draft]) -> Self {
        let used: BTreeSet<&str> = servers
            .iter()
            .filter_map(|server| match &server.target {
                Target::Group(name) => Some(name.value.as_str()),
                Target::Address(..) | Target::Mark(_) => None,
            })
            .collect();
        let mut groups: BTreeMap<String, server_group::Draft> = BTreeMap::new();
        for draft in drafts {
            let Spanned { value: name, span } = draft.name.clone();
            if let Some(before) = groups.get(&name) {
                cx.report(
                    Diagnostic::error("duplicate-group", format!("a second virtual_server_group named `{name}`"))
                        .at(span, "defined again")
                        .at(before.name.span, "first defined here"),
                );
                continue;
            }
            if !used.contains(name.as_str()) {
                let message = format!("no virtual_server uses the group `{name}`");
                cx.report(Diagnostic::note("unused-group", message).at(span, "without effect"));
            }
            groups.insert(name, draft);
        }
        Self { groups }
    }

    /// What a virtual server stands for; none: it is ignored, and that is reported.
    pub(super) fn entries(&self, cx: &mut Cx<'_>, draft: &Draft) -> Option<Entries> {
        match &draft.target {
            Target::Address(address, port) => {
                let address = SocketAddr::new(address.value, port.unwrap_or(0));
                let key = ServiceKey::new(protocol(cx, draft), address);
                agrees(cx, draft, key.family())?;
                Some(Entries { keys: vec![key], group: None })
            }
            Target::Mark(mark) => {
                if let Some(protocol) = &draft.protocol {
                    let message = "a firewall mark is of any protocol";
                    cx.report(
                        Diagnostic::warning("protocol-ignored", message)
                            .at(protocol.span, "ignored, as keepalived does"),
                    );
                }
                let family = family(draft).unwrap_or(Family::V4);
                Some(Entries { keys: vec![ServiceKey::mark(*mark, family)], group: None })
            }
            Target::Group(name) => self.group(cx, draft, name),
        }
    }

    fn group(&self, cx: &mut Cx<'_>, draft: &Draft, name: &Spanned<String>) -> Option<Entries> {
        let Some(group) = self.groups.get(&name.value) else {
            let message = format!("there is no virtual_server_group `{}`", name.value);
            cx.report(
                Diagnostic::error("unknown-group", message)
                    .at(name.span, "keepalived ignores this virtual server")
                    .help(format!("add `virtual_server_group {} {{ }}` with its addresses", name.value)),
            );
            return None;
        };
        if group.entries.is_empty() {
            let message = format!("virtual_server_group `{}` has no entry", name.value);
            cx.report(
                Diagnostic::warning("empty-group", message)
                    .at(group.name.span, "")
                    .at(draft.span, "this virtual server is ignored, as in keepalived"),
            );
            return None;
        }
        let is_address = |entry: &Entry| matches!(entry, Entry::Range { .. });
        let has_addresses = group.entries.iter().any(|(entry, _)| is_address(entry));
        let protocol = if has_addresses { protocol(cx, draft) } else { Protocol::Udp };
        let written = group.entries.iter().find_map(|(entry, _)| entry_family(entry));
        let family = written.or_else(|| family(draft)).unwrap_or(Family::V4);
        one_family(cx, draft, group, family)?;
        agrees(cx, draft, family)?;
        let mut keys = Vec::new();
        let mut first: BTreeMap<ServiceKey, Span> = BTreeMap::new();
        for (entry, span) in &group.entries {
            for key in keys_of(entry, protocol, family) {
                if let Some(before) = first.insert(key, *span) {
                    cx.report(
                        Diagnostic::warning("duplicate-entry", format!("{} stands in the group twice", key.place()))
                            .at(*span, "again here")
                            .at(before, "first here"),
                    );
                } else {
                    keys.push(key);
                }
            }
        }
        Some(Entries { group: Some(Group { name: name.value.clone(), entries: keys.clone() }), keys })
    }
}

impl Entries {
    /// The first, by which the virtual server is known.
    pub(super) fn key(&self) -> Option<ServiceKey> {
        self.keys.first().copied()
    }

    pub(super) fn persistence(&self, cx: &mut Cx<'_>, draft: &Draft) -> Option<Persistence> {
        let family = self.key()?.family();
        let granularity = granularity(cx, draft, family);
        let all_ports = self.keys.iter().any(|key| key.ip().is_some() && key.port() == 0);
        let written = draft.persistence.is_some() || draft.failed.contains("persistence_timeout");
        if all_ports && !written {
            cx.report(
                Diagnostic::warning("default-used", "a service on all ports without `persistence_timeout`")
                    .at(draft.span, format!("{TIMEOUT} is used, as in keepalived: IPVS balances all ports of a client"))
                    .help(format!("add `persistence_timeout {TIMEOUT}`, or a port")),
            );
        } else if let Some(granularity) = draft.granularity.as_ref().filter(|_| !written) {
            cx.report(
                Diagnostic::warning("default-used", "persistence_granularity without `persistence_timeout`")
                    .at(granularity.span, format!("{TIMEOUT} seconds are used, as in keepalived"))
                    .help(format!("add `persistence_timeout {TIMEOUT}`")),
            );
        } else if draft.engine.is_some() && !written {
            cx.report(
                Diagnostic::warning("engine-ignored", "persistence_engine without `persistence_timeout`")
                    .at(draft.span, "clients do not persist")
                    .help(format!("add `persistence_timeout {TIMEOUT}`")),
            );
        }
        let assumed = (all_ports || draft.granularity.is_some()).then_some(TIMEOUT);
        let timeout = draft.persistence.or(assumed)?;
        Some(Persistence { timeout, granularity, engine: draft.engine.clone() })
    }
}

fn granularity(cx: &mut Cx<'_>, draft: &Draft, family: Family) -> u8 {
    let Some(written) = &draft.granularity else { return family.bits() };
    let (takes, length) = match (written.value, family) {
        (Granularity::Mask(length), Family::V4) | (Granularity::Length(length), Family::V6) => return length,
        (Granularity::Mask(length), Family::V6) => ("the length of a prefix, such as 64", length),
        (Granularity::Length(length), Family::V4) => ("a netmask, such as 255.255.255.0", length),
    };
    cx.report(
        Diagnostic::error("bad-netmask", format!("an {family} virtual server takes {takes}"))
            .at(written.span, "of the other family"),
    );
    length.min(family.bits())
}

/// Without `protocol` keepalived takes UDP, which few people mean.
fn protocol(cx: &mut Cx<'_>, draft: &Draft) -> Protocol {
    if draft.protocol.is_none() && !draft.failed.contains("protocol") {
        cx.report(
            Diagnostic::warning("default-used", "virtual_server without `protocol`")
                .at(draft.span, "UDP is used, as in keepalived")
                .help("add `protocol TCP`, or what you mean"),
        );
    }
    match draft.protocol.as_ref().map(|word| word.value) {
        Some("TCP") => Protocol::Tcp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Udp,
    }
}

/// `ip_family`, else the family of the real servers that no tunnel leads to.
fn family(draft: &Draft) -> Option<Family> {
    written_family(draft).or_else(|| draft.reals.first().map(|real| Family::of(real.address.value)))
}

fn written_family(draft: &Draft) -> Option<Family> {
    draft.family.as_ref().map(|word| if word.value == "inet6" { Family::V6 } else { Family::V4 })
}

/// Whether `ip_family` is that of the addresses.
fn agrees(cx: &mut Cx<'_>, draft: &Draft, family: Family) -> Option<()> {
    let (Some(word), Some(written)) = (&draft.family, written_family(draft)) else { return Some(()) };
    if written == family {
        return Some(());
    }
    cx.report(
        Diagnostic::error("bad-family", format!("the addresses of this virtual server are {family}"))
            .at(word.span, "keepalived ignores such a virtual server")
            .at(draft.span, "of this"),
    );
    None
}

fn one_family(cx: &mut Cx<'_>, draft: &Draft, group: &server_group::Draft, family: Family) -> Option<()> {
    let other = group.entries.iter().find(|(entry, _)| entry_family(entry).is_some_and(|f| f != family));
    let Some((_, span)) = other else { return Some(()) };
    cx.report(
        Diagnostic::error("bad-family", "a group with IPv4 and IPv6 entries")
            .at(*span, format!("the first entry is {family}"))
            .at(draft.span, "keepalived ignores a virtual server of such a group")
            .help("make a group and a virtual server for each family"),
    );
    None
}

const fn entry_family(entry: &Entry) -> Option<Family> {
    match entry {
        Entry::Range { first, .. } => Some(Family::of(*first)),
        Entry::Mark(_, family) => *family,
    }
}

fn keys_of(entry: &Entry, protocol: Protocol, family: Family) -> Vec<ServiceKey> {
    let key = |address: IpAddr, port| ServiceKey::new(protocol, SocketAddr::new(address, port));
    match *entry {
        Entry::Mark(mark, _) => vec![ServiceKey::mark(mark, family)],
        Entry::Range { first: IpAddr::V4(first), last: IpAddr::V4(last), port } => {
            (first.to_bits()..=last.to_bits()).map(|bits| key(Ipv4Addr::from_bits(bits).into(), port)).collect()
        }
        Entry::Range { first: IpAddr::V6(first), last: IpAddr::V6(last), port } => {
            (first.to_bits()..=last.to_bits()).map(|bits| key(Ipv6Addr::from_bits(bits).into(), port)).collect()
        }
        // The reader of the line sees to it that there is none.
        Entry::Range { .. } => Vec::new(),
    }
}

/// `lvs_sync_daemon` with the instance it follows.
pub(super) fn sync(cx: &mut Cx<'_>, draft: Option<&lvs::Sync>, instances: &[Spec]) -> Option<SyncSpec> {
    let draft = draft?;
    let mut vrid = 0;
    if let Some(name) = &draft.instance {
        let Some(instance) = instances.iter().find(|spec| spec.name == name.value) else {
            cx.report(
                Diagnostic::error("unknown-instance", format!("there is no vrrp_instance `{}`", name.value))
                    .at(name.span, "whose state the daemon follows")
                    .at(draft.span, "keepalived starts none then"),
            );
            return None;
        };
        vrid = instance.vrid.get();
    }
    let daemon = SyncDaemon {
        link: draft.link.clone(),
        id: draft.id.unwrap_or(vrid),
        max_length: draft.max_length,
        group: draft.group,
        port: draft.port,
        ttl: draft.ttl,
    };
    Some(SyncSpec { daemon, instance: draft.instance.as_ref().map(|name| name.value.clone()) })
}
