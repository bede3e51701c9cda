//! What an advert must be before it counts (RFC 9568, 7.1; RFC 3768, 7.1), and what is said of one that is not.

use super::authentic::Moment;
use super::core::Engine;
use super::input::{Carrier, Packet};
use super::router::Router;
use crate::net::LinkName;
use crate::status::{PacketErrors, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::{self, GROUP_V4, OldUnicast, Peering, Spec, Version};
use crate::wire::ah::{self, Sealed};
use crate::wire::vrrp::{Advert, Auth, Body, Ends, Malformed, TTL, decode};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;

/// So many causes and senders are told of one router in one state, and of the node; a flood of sources is no flood of lines.
const TOLD: usize = 256;
/// After this engine slept so long ago, what it had not read meanwhile has been read.
const CAUGHT_UP: Duration = Duration::from_secs(1);

/// Why an advert is not for us: a word for scripts, and a sentence.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) kind: &'static str,
    from: IpAddr,
    pub(super) why: String,
}

impl Refused {
    pub(super) fn new(kind: &'static str, from: IpAddr, why: impl Display) -> Self {
        Self { kind, from, why: why.to_string() }
    }

    pub(super) fn text(&self) -> String {
        format!("advert from {} refused: {}", self.from, self.why)
    }

    pub(super) fn count(&self, packets: &mut PacketErrors) {
        let counter = match self.kind {
            "ttl" => &mut packets.ttl,
            "version" => &mut packets.version,
            "interval" => &mut packets.interval,
            "unknown-auth-type" => &mut packets.invalid_auth_type,
            "auth-type" => &mut packets.auth_type,
            "wrong-password" | "ah-index" | "ah-replayed" => &mut packets.auth_failure,
            "hmac-missing" => &mut packets.auth_ext_missing,
            "hmac-malformed" => &mut packets.auth_ext_malformed,
            "hmac-key" => &mut packets.auth_ext_unknown_key,
            "hmac-wrong" => &mut packets.auth_ext_invalid_hmac,
            "hmac-stale" => &mut packets.auth_ext_stale,
            "hmac-replayed" => &mut packets.auth_ext_replay,
            _ => &mut packets.peer,
        };
        *counter += 1;
    }
}

/// The destination in an IPv4 advert's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Where it goes.
    Own,
    /// The multicast group, also to a unicast peer: keepalived before 1.3.6.
    Group,
}

/// What came in an authentication header; none: the packet has no such header.
pub(super) fn unsealed(packet: &Packet) -> Result<Option<Sealed<'_>>, ah::Malformed> {
    match packet.carrier {
        Carrier::Vrrp => Ok(None),
        Carrier::Ah => ah::decode(&packet.payload).map(Some),
    }
}

/// The ends that go into the checksum of an advert between `ends`.
pub(super) fn summed(spec: &Spec, ends: Ends, form: Form) -> Ends {
    let is_old = form == Form::Group && matches!(spec.peering, Peering::Unicast(_)) && ends.destination.is_ipv4();
    if is_old { Ends { destination: GROUP_V4, ..ends } } else { ends }
}

/// Reads an advert. Its checksum may have another form than ours where the configuration is for nodes that differ.
pub(super) fn read(payload: &[u8], packet: &Packet, spec: Option<&Spec>) -> Result<(Advert, Form), Malformed> {
    let ends = Ends::new(packet.source, packet.destination);
    let Some(spec) = spec else { return decode(payload, ends).map(|advert| (advert, Form::Own)) };
    let style = spec.checksum;
    let own = Ends { v3_as_v2: style.v3_as_v2, ..ends };
    let form = if style.old_unicast == OldUnicast::Always { Form::Group } else { Form::Own };
    let expected = summed(spec, own, form);
    let first = decode(payload, expected).map(|advert| (advert, form));
    if first != Err(Malformed::Checksum) || spec.version == Version::V2 || !ends.source.is_ipv4() {
        return first;
    }
    let other = if form == Form::Own { Form::Group } else { Form::Own };
    let old =
        (style.old_unicast != OldUnicast::Never).then(|| summed(spec, own, other)).filter(|ends| *ends != expected);
    let with_pseudo_header = style.v3_as_v2.then_some(ends);
    for (ends, form) in old.map(|ends| (ends, other)).into_iter().chain(with_pseudo_header.map(|ends| (ends, form))) {
        if let Ok(advert) = decode(payload, ends) {
            return Ok((advert, form));
        }
    }
    first
}

pub(super) fn count_malformed(router: &mut Router, reason: Malformed) {
    router.adverts_refused += 1;
    match reason {
        Malformed::Type(_) => router.packets.invalid_type += 1,
        Malformed::Version(_) => router.packets.version += 1,
        Malformed::Checksum => router.packets.checksum += 1,
        Malformed::Short(_) | Malformed::Vrid | Malformed::Count { .. } => router.packets.length += 1,
    }
}

/// The checks of RFC 9568, 7.1 and RFC 3768, 7.1, after the packet has been decoded; all but who signed it.
pub(super) fn acceptable(spec: &Spec, packet: &Packet, advert: &Advert) -> Result<(), Refused> {
    let from = packet.source;
    let refused = |kind, why: String| Err(Refused::new(kind, from, why));
    let hops = packet.hop_limit;
    match &spec.peering {
        Peering::Multicast(_) if hops != TTL => {
            return refused("ttl", format!("TTL {hops} where only 255 is local"));
        }
        Peering::Multicast(_) if !packet.destination.is_multicast() => {
            return refused("unicast", "it was sent to us alone, and no unicast_peer is configured".into());
        }
        Peering::Multicast(_) => {}
        Peering::Unicast(_) if packet.destination.is_multicast() => {
            return refused("multicast", "it was sent to a multicast group, and ours has unicast_peer".into());
        }
        Peering::Unicast(unicast) => {
            let peer = unicast.peers.iter().find(|p| p.address == from);
            if peer.is_none() && unicast.check_source {
                return refused("stranger", "it is no unicast_peer (check_unicast_src)".into());
            }
            if let Some(peer) = peer.filter(|p| hops < p.min_ttl || hops > p.max_ttl) {
                return refused("ttl", format!("TTL {hops}, expected {} to {}", peer.min_ttl, peer.max_ttl));
            }
        }
    }
    let version = advert.body.version();
    if version != spec.version.number() {
        let ours = spec.version.number();
        return refused("version", format!("it speaks VRRPv{version}, ours is VRRPv{ours}; both may become MASTER"));
    }
    match advert.body {
        Body::V2 { auth, .. } => password(spec, from, auth),
        Body::V3 { .. } => Ok(()),
    }
}

/// The authentication type of VRRPv2 and, where it is PASS, the password.
fn password(spec: &Spec, from: IpAddr, theirs: Auth) -> Result<(), Refused> {
    match (&spec.auth, theirs) {
        (vrrp::Auth::None | vrrp::Auth::Hmac(_), Auth::None) | (vrrp::Auth::Ah(_), Auth::Header) => Ok(()),
        (vrrp::Auth::Pass(ours), Auth::Simple(theirs)) if ours.0 == theirs => Ok(()),
        (vrrp::Auth::Pass(_), Auth::Simple(_)) => {
            Err(Refused::new("wrong-password", from, "wrong password (auth_pass); both nodes may become MASTER"))
        }
        (_, Auth::Other(kind)) => {
            Err(Refused::new("unknown-auth-type", from, format!("there is no authentication type {kind}")))
        }
        (ours, Auth::None | Auth::Simple(_) | Auth::Header) => {
            let ours = match ours {
                vrrp::Auth::None | vrrp::Auth::Hmac(_) => "none",
                vrrp::Auth::Pass(_) => "PASS",
                vrrp::Auth::Ah(_) => "AH",
            };
            let theirs = match theirs {
                Auth::Simple(_) => "PASS",
                Auth::Header => "AH",
                Auth::None | Auth::Other(_) => "none",
            };
            Err(Refused::new("auth-type", from, format!("its auth_type is {theirs}, ours {ours}")))
        }
    }
}

/// VRRPv2 knows one interval for all.
pub(super) fn same_interval(spec: &Spec, from: IpAddr, advert: &Advert) -> Result<(), Refused> {
    match advert.body {
        Body::V2 { interval, .. } if u64::from(interval) != spec.interval.as_secs() => {
            let why = format!("its advert_int is {interval} s, ours {} s", spec.interval.as_secs());
            Err(Refused::new("interval", from, why))
        }
        Body::V2 { .. } | Body::V3 { .. } => Ok(()),
    }
}

pub(super) fn advertised(advert: &Advert) -> Duration {
    match advert.body {
        Body::V2 { interval, .. } => Duration::from_secs(u64::from(interval)),
        Body::V3 { interval } => Duration::from_millis(u64::from(interval) * 10),
    }
}

impl Engine {
    /// The wall clock at `now`, and whether this engine just slept.
    pub(super) fn moment(&self, now: Instant) -> Moment {
        let slept = self.slept.filter(|(at, _)| now.since(*at) < CAUGHT_UP).map_or(Duration::ZERO, |(_, by)| by);
        Moment { wall_us: self.log.wall_zero_us().saturating_add(now.as_micros()), slept }
    }

    /// One event of each cause and sender until the state changes; a finding while it lasts.
    pub(super) fn refused(&mut self, now: Instant, index: usize, from: IpAddr, kind: &'static str, text: String) {
        let Some(router) = self.routers.get_mut(index) else { return };
        let name = router.machine.spec().name.clone();
        let is_new = router.told.len() < TOLD && router.told.insert((kind, from));
        self.findings.raise(now, kind, Severity::Warning, &name, text.clone());
        if is_new {
            self.log.add(now, Subject::Instance(name), Severity::Warning, "refused", text, None);
        }
    }

    /// The same of what is for no instance of ours; `what` tells one VRID from another.
    fn refused_by_node(&mut self, now: Instant, packet: &Packet, kind: &'static str, what: u8, text: String) {
        let cause = (kind, packet.link.clone(), what, packet.source);
        let is_new = self.told.len() < TOLD && self.told.insert(cause);
        self.findings.raise(now, kind, Severity::Warning, "node", text.clone());
        if is_new {
            self.log.add(now, Subject::Node, Severity::Warning, "refused", text, None);
        }
    }

    pub(super) fn malformed(&mut self, now: Instant, packet: &Packet, index: Option<usize>, reason: &dyn Display) {
        self.counters.malformed += 1;
        let text = format!("{} sends what is no VRRP advert on {}: {reason}", packet.source, packet.link);
        match index {
            Some(index) => self.refused(now, index, packet.source, "malformed", text),
            None => self.refused_by_node(now, packet, "malformed", 0, text),
        }
    }

    pub(super) fn unknown_vrid(&mut self, now: Instant, packet: &Packet, vrid: u8) {
        self.counters.unknown_vrid += 1;
        if self.log_unknown_vrids {
            let text = format!(
                "{} advertises virtual_router_id {vrid} on {}, which no instance has here",
                packet.source, packet.link
            );
            self.refused_by_node(now, packet, "unknown-vrid", vrid, text);
        }
    }

    /// Links on which adverts come in authentication headers.
    pub fn listens_for_ah(&self) -> BTreeSet<LinkName> {
        let sealed = self.routers.iter().map(|r| r.machine.spec()).filter(|s| matches!(s.auth, vrrp::Auth::Ah(_)));
        sealed.map(|spec| spec.advert_link().clone()).collect()
    }
}
