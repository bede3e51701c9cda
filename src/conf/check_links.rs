//! The virtual links of instances: their names, their hardware addresses, and what does not go together.

use super::diagnostic::Diagnostic;
use super::keywords::global;
use super::keywords::instance::{Draft, Vip};
use super::keywords::virtual_link::{Written, WrittenKind};
use super::lower::Cx;
use super::source::{Program, Span};
use crate::kernel::{VirtualLink, VirtualLinkKind};
use crate::net::{Family, LinkName, Mac};
use crate::vrrp::{OwnLink, Spec, Vrid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Names and hardware addresses that are given already.
#[derive(Default)]
pub(super) struct Given {
    names: BTreeSet<LinkName>,
    /// By the link below: who has it, and where that is written.
    macs: BTreeMap<(LinkName, Mac), (String, Span)>,
}

/// What an instance's virtual links depend on.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub link: &'a LinkName,
    pub family: Family,
    pub vrid: Vrid,
    pub unicast: bool,
    pub strict: Option<Span>,
}

impl Given {
    /// Names that are written are not made up for others.
    pub(super) fn new(instances: &[Draft]) -> Self {
        let written = instances.iter().filter_map(|i| i.virtual_link.as_ref()?.name.as_ref());
        Self { names: written.map(|name| name.value.clone()).collect(), macs: BTreeMap::new() }
    }

    /// `PREFIX.VRID` (keepalived.conf(5), use_vmac); where that is given, with a 6 or a number before the point.
    fn name(&mut self, cx: &mut Cx<'_>, prefix: &str, of: Of<'_>, at: Span) -> Option<LinkName> {
        let six = (of.family == Family::V6).then(|| "6".to_owned());
        let middles = std::iter::once(String::new()).chain(six).chain((1..).map(|n: u16| n.to_string()));
        for middle in middles.take(1000) {
            match LinkName::new(&format!("{prefix}{middle}.{}", of.vrid)) {
                Ok(name) if self.names.insert(name.clone()) => return Some(name),
                Ok(_) => {}
                Err(error) => {
                    let problem = Diagnostic::error("bad-interface", error.to_string());
                    cx.report(problem.at(at, "its virtual link would be named so").help("shorten `vmac_prefix`"));
                    return None;
                }
            }
        }
        None
    }

    /// A link has each hardware address once: the kernel refuses a second one.
    fn take_mac(&mut self, cx: &mut Cx<'_>, instance: &str, base: &LinkName, mac: Mac, at: Span) {
        if let Some((other, before)) = self.macs.get(&(base.clone(), mac)) {
            let message = format!("`{other}` and `{instance}` both need a virtual link over {base} with {mac}");
            let problem = Diagnostic::error("duplicate-vmac", message).at(at, "the kernel refuses the second one");
            let help = "give one of them another virtual_router_id, or `use_vmac` a hardware address of its own";
            cx.report(problem.at(*before, "the first one").help(help));
        } else {
            self.macs.insert((base.clone(), mac), (instance.to_owned(), at));
        }
    }

    /// The link that adverts and addresses of the instance go on.
    pub(super) fn own(
        &mut self,
        cx: &mut Cx<'_>,
        draft: &Draft,
        globals: &global::Draft,
        of: Of<'_>,
    ) -> Option<OwnLink> {
        let Some(written) = &draft.virtual_link else {
            if let Some(at) = draft.xmit_base {
                let problem =
                    Diagnostic::warning("needs-vmac", "`vmac_xmit_base` means something with `use_vmac` only");
                cx.report(problem.at(at, "ignored"));
            }
            return None;
        };
        let kind = kind(cx, written, of)?;
        let name = match &written.name {
            Some(name) if name.value == *of.link => {
                let message = format!("{} is the instance's own interface", name.value);
                cx.report(Diagnostic::error("bad-interface", message).at(name.span, "a virtual link over it is made"));
                return None;
            }
            Some(name) => name.value.clone(),
            None => self.name(cx, prefix(globals), of, written.span)?,
        };
        if let VirtualLinkKind::Macvlan(mac) = &kind {
            self.take_mac(cx, &draft.name.value, of.link, *mac, written.span);
        }
        let adverts_on_base = on_base(cx, draft, written, of);
        let has = |family| {
            let mut vips = draft.addresses.iter().chain(&draft.excluded);
            of.family == family || vips.any(|vip| Family::of(vip.net.value.addr()) == family)
        };
        let (ipv4, ipv6) = (has(Family::V4), has(Family::V6));
        let link = VirtualLink { name, base: of.link.clone(), kind, group: written.group, ipv4, ipv6 };
        Some(OwnLink { link, adverts_on_base })
    }

    /// The links that addresses on other links go on, and for each address the one it goes on.
    pub(super) fn of_addresses(
        &mut self,
        cx: &mut Cx<'_>,
        draft: &Draft,
        globals: &global::Draft,
        of: Of<'_>,
    ) -> Vec<VirtualLink> {
        let mut links: Vec<VirtualLink> = Vec::new();
        for vip in draft.addresses.iter().chain(&draft.excluded) {
            let Some(at) = vip.virtual_link.or(draft.address_links) else { continue };
            let base = vip.link.as_ref().unwrap_or(of.link);
            let family = Family::of(vip.net.value.addr());
            let on_own = base == of.link && family == of.family && draft.virtual_link.is_some();
            let elsewhere = base != of.link || vip.virtual_link.is_some() || draft.virtual_link.is_some();
            if on_own || !elsewhere {
                continue;
            }
            let mac = mac(draft, of, family);
            if links.iter().any(|link| link.base == *base && link.kind == VirtualLinkKind::Macvlan(mac)) {
                continue;
            }
            let prefix = globals.address_prefix.as_ref().map_or_else(|| prefix(globals), |p| p.value.as_str());
            let Some(name) = self.name(cx, prefix, Of { family, ..of }, at) else { continue };
            self.take_mac(cx, &draft.name.value, base, mac, at);
            let (base, ipv6) = (base.clone(), family == Family::V6);
            let kind = VirtualLinkKind::Macvlan(mac);
            links.push(VirtualLink { name, base, kind, group: None, ipv4: !ipv6, ipv6 });
        }
        links
    }
}

/// The link that one address goes on.
pub(super) fn of_vip(vip: &Vip, draft: &Draft, of: Of<'_>, own: Option<&OwnLink>, others: &[VirtualLink]) -> LinkName {
    let base = vip.link.as_ref().unwrap_or(of.link);
    let family = Family::of(vip.net.value.addr());
    let special = vip.virtual_link.is_some() || draft.address_links.is_some();
    let kind = VirtualLinkKind::Macvlan(mac(draft, of, family));
    let found = others.iter().find(|link| special && link.base == *base && link.kind == kind);
    match (found, own) {
        (Some(other), _) => other.name.clone(),
        (None, Some(own)) if base == of.link => own.link.name.clone(),
        _ => base.clone(),
    }
}

/// The address of an ipvlan, which its adverts leave from.
pub(super) fn address(own: &OwnLink) -> Option<IpAddr> {
    match &own.link.kind {
        VirtualLinkKind::Ipvlan { address, .. } => address.map(|net| net.addr()),
        VirtualLinkKind::Macvlan(_) => None,
    }
}

fn mac(draft: &Draft, of: Of<'_>, family: Family) -> Mac {
    let written = draft.virtual_link.as_ref().filter(|_| of.strict.is_none()).and_then(|w| w.mac(of.vrid.get()));
    written.unwrap_or_else(|| VirtualLink::mac(family, of.vrid.get()))
}

fn prefix(globals: &global::Draft) -> &str {
    globals.virtual_prefix.as_ref().map_or("vrrp", |prefix| prefix.value.as_str())
}

fn kind(cx: &mut Cx<'_>, written: &Written, of: Of<'_>) -> Option<VirtualLinkKind> {
    match &written.kind {
        WrittenKind::Macvlan(Some(mac)) if of.strict.is_some() => {
            let problem = Diagnostic::warning("strict-vmac", "strict mode knows the hardware address of the RFC only");
            let problem = problem.at(mac.span, "ignored, as keepalived does");
            cx.report(of.strict.into_iter().fold(problem, |p, at| p.at(at, "because of this")));
            Some(VirtualLinkKind::Macvlan(VirtualLink::mac(of.family, of.vrid.get())))
        }
        WrittenKind::Macvlan(_) => {
            let mac = written.mac(of.vrid.get()).unwrap_or_else(|| VirtualLink::mac(of.family, of.vrid.get()));
            Some(VirtualLinkKind::Macvlan(mac))
        }
        WrittenKind::Ipvlan { address: Some(address), .. } if Family::of(address.value.addr()) != of.family => {
            let message = format!("this instance speaks {}", of.family);
            cx.report(Diagnostic::error("bad-address", message).at(address.span, "an address of the other family"));
            None
        }
        WrittenKind::Ipvlan { address: None, .. } if of.family == Family::V4 => {
            let problem = Diagnostic::error("missing-argument", "over IPv4 `use_ipvlan` needs an address of its own");
            cx.report(problem.at(written.span, "").help("write `use_ipvlan 192.0.2.1/24`, another one on each node"));
            None
        }
        WrittenKind::Ipvlan { mode, address } => {
            Some(VirtualLinkKind::Ipvlan { mode: *mode, address: address.as_ref().map(|a| a.value) })
        }
    }
}

/// Whether adverts leave on the base link. What is sent to this machine alone arrives there.
fn on_base(cx: &mut Cx<'_>, draft: &Draft, written: &Written, of: Of<'_>) -> bool {
    let is_macvlan = matches!(written.kind, WrittenKind::Macvlan(_));
    match (draft.xmit_base, of.strict) {
        (Some(at), Some(strict)) => {
            let problem = Diagnostic::warning("strict-vmac", "strict mode sends adverts from the virtual link");
            cx.report(problem.at(at, "ignored, as keepalived does").at(strict, "because of this"));
        }
        (Some(_), None) => return true,
        (None, _) if of.unicast && is_macvlan => {
            let message = "adverts to unicast_peer leave on the link below the virtual one";
            let problem = Diagnostic::note("xmit-base", message).at(written.span, "as keepalived does");
            cx.report(problem.help("write `vmac_xmit_base` too, so that it is said"));
        }
        (None, _) => {}
    }
    of.unicast && is_macvlan
}

/// Keeping packets out, and virtual links quiet, takes the program nft(8).
pub(super) fn firewall(cx: &mut Cx<'_>, specs: &[(&Spec, Span)]) {
    let macvlan = |link: &VirtualLink| matches!(link.kind, VirtualLinkKind::Macvlan(_));
    let needs = |spec: &Spec| spec.refuses_packets() || spec.virtual_links().any(macvlan);
    let Some((spec, at)) = specs.iter().find(|(spec, _)| needs(spec)) else { return };
    let found = ["nft", "/usr/sbin/nft", "/sbin/nft"].map(|name| cx.loader.program(name));
    if found.iter().all(|found| *found == Some(Program::Missing)) {
        let why = if spec.refuses_packets() { "no_accept drops packets" } else { "use_vmac keeps its link quiet" };
        let message = format!("there is no `nft` on this machine, and `{}` needs it: {why} with it", spec.name);
        cx.report(Diagnostic::error("nft-missing", message).at(*at, "").help("install the package nftables"));
    }
}
