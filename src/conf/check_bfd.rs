//! BFD sessions: each has its neighbour, no two have the same, and a neighbour's death should not stop both nodes.

use super::analysis::place_of;
use super::diagnostic::Diagnostic;
use super::index::Index;
use super::keywords::bfd::Draft;
use super::lower::Cx;
use super::model::Config;
use crate::bfd::Spec;
use crate::net::Family;
use crate::time::Duration;
use crate::vrrp::{self, Peering, Tracker};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Of a packet that has crossed no router (RFC 5881, 5).
const TTL: u8 = 255;
/// What keepalived sends over IPv6 without `hoplimit`.
const KEEPALIVED_V6: u8 = 64;
/// Beyond it a session finds nothing out in time; keepalived says so, too.
const SENSIBLE: Duration = Duration::from_secs(10);

/// The sessions; one that nobody tracks here may be tracked at its other end, and runs.
pub(super) fn sessions(cx: &mut Cx<'_>, drafts: Vec<Draft>, tracked: &BTreeSet<(Tracker, String)>) -> Vec<Spec> {
    let mut kept: Vec<(Spec, Draft)> = Vec::new();
    for draft in drafts {
        let Some(spec) = session(cx, &draft) else { continue };
        let both = |a: Option<IpAddr>, b: Option<IpAddr>| a.is_none() || b.is_none() || a == b;
        let same = |(s, _): &&(Spec, Draft)| s.neighbor == spec.neighbor && both(s.source, spec.source);
        if let Some((other, first)) = kept.iter().find(same) {
            let message = format!("`{}` and `{}` both are sessions with {}", other.name, spec.name, spec.neighbor);
            cx.report(
                Diagnostic::error("duplicate-neighbor", message)
                    .at(draft.span(), "keepalived ignores this one")
                    .at(first.span(), "the other one")
                    .help("remove one of them, or give each a `source_ip` of its own"),
            );
            continue;
        }
        if !tracked.contains(&(Tracker::Bfd, spec.name.clone())) {
            let message = format!("no instance tracks bfd_instance `{}`; it runs for its neighbour only", spec.name);
            cx.report(
                Diagnostic::note("unused-bfd", message)
                    .at(draft.span(), "")
                    .help(format!("name it in the `track_bfd` block of an instance: `{}`", spec.name)),
            );
        }
        advice(cx, &draft, &spec);
        kept.push((spec, draft));
    }
    kept.into_iter().map(|(spec, _)| spec).collect()
}

fn session(cx: &mut Cx<'_>, draft: &Draft) -> Option<Spec> {
    let name = &draft.name.value;
    let Some(neighbor) = &draft.neighbor else {
        if !draft.failed.contains("neighbor_ip") && !draft.failed.contains("neighbour_ip") {
            let message = format!("bfd_instance `{name}` has no `neighbor_ip`");
            cx.report(
                Diagnostic::error("missing-keyword", message)
                    .at(draft.span(), "")
                    .help("add a line such as `neighbor_ip 192.0.2.2`"),
            );
        }
        return None;
    };
    let family = Family::of(neighbor.value);
    if let Some(source) = draft.source.as_ref().filter(|s| Family::of(s.value) != family) {
        let message = format!("bfd_instance `{name}` has a source and a neighbour of different families");
        cx.report(
            Diagnostic::error("wrong-family", message)
                .at(source.span, Family::of(source.value).to_string())
                .at(neighbor.span, family.to_string()),
        );
        return None;
    }
    // keepalived(8): as much as is sent here, less max_hops; over IPv6 that is 64 without a word.
    let least = draft.hop_limit.unwrap_or(if family == Family::V6 { KEEPALIVED_V6 } else { TTL });
    let least_hop_limit = match draft.max_hops {
        Some(hops) if (0..255).contains(&hops) => least.saturating_sub(hops as u8),
        None if !draft.multihop => least,
        Some(_) | None => 0,
    };
    Some(Spec {
        source: draft.source.as_ref().map(|s| s.value),
        min_rx: draft.min_rx,
        min_tx: draft.min_tx,
        idle_tx: draft.idle_tx,
        multiplier: draft.multiplier,
        passive: draft.passive,
        hop_limit: draft.hop_limit.unwrap_or(TTL),
        least_hop_limit,
        multihop: draft.multihop,
        weight: draft.weight.0,
        reverse: draft.weight.1,
        ..Spec::new(name, neighbor.value)
    })
}

/// What is allowed, and probably not meant.
fn advice(cx: &mut Cx<'_>, draft: &Draft, spec: &Spec) {
    let slow = [("min_rx", spec.min_rx), ("min_tx", spec.min_tx), ("idle_tx", spec.idle_tx)];
    for (keyword, _) in slow.into_iter().filter(|(_, interval)| *interval > SENSIBLE) {
        let message = format!("{keyword} of bfd_instance `{}` is longer than ten seconds", spec.name);
        cx.report(Diagnostic::warning("slow-bfd", message).at(draft.span(), "these are milliseconds"));
    }
    let Some(neighbor) = &draft.neighbor else { return };
    let most = draft.hop_limit.unwrap_or(if Family::of(neighbor.value) == Family::V6 { KEEPALIVED_V6 } else { TTL });
    if draft.max_hops.is_some_and(|hops| hops > i64::from(most) || (hops < 0 && most < TTL)) {
        let message = format!("max_hops of bfd_instance `{}` is more than the ttl of its packets, {most}", spec.name);
        cx.report(Diagnostic::warning("max-hops", message).at(draft.span(), "packets from any distance are taken"));
    }
    if matches!(neighbor.value, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
        let message = format!("`{}` is a link-local address, and nothing says on which link", neighbor.value);
        cx.report(
            Diagnostic::warning("link-local", message)
                .at(neighbor.span, "no packet can be sent to it")
                .help("use another address of the neighbour: bfd_instance cannot name a link"),
        );
    }
    if Family::of(neighbor.value) == Family::V6 && draft.hop_limit.is_none() && spec.least_hop_limit > 0 {
        let message = format!("bfd_instance `{}` takes packets that have crossed many routers", spec.name);
        cx.report(
            Diagnostic::note("hop-limit", message)
                .at(neighbor.span, "over IPv6 a hop limit of 64 is enough, for keepalived sends that")
                .help("add `hoplimit 255` on both nodes: then only packets of this link count"),
        );
    }
}

/// A session with a peer whose end is a fault: when the peer dies, nobody has the addresses (keepalived.conf(5) warns).
pub(super) fn of_peers(spec: &vrrp::Spec, config: &Config, index: &Index) -> Vec<Diagnostic> {
    let Peering::Unicast(unicast) = &spec.peering else { return Vec::new() };
    let fault = |t: &&vrrp::Track| t.kind == Tracker::Bfd && t.weight == 0 && !t.reverse;
    let mut found = Vec::new();
    for track in spec.tracks.iter().filter(fault) {
        let Some(session) = config.bfds.iter().find(|b| b.name == track.name) else { continue };
        if !unicast.peers.iter().any(|peer| peer.address == session.neighbor) {
            continue;
        }
        let message = format!(
            "when its peer {} dies, `{}` goes into FAULT as well, and nobody has the addresses",
            session.neighbor, spec.name
        );
        let Some(place) = place_of(index, spec, track) else { continue };
        found.push(
            Diagnostic::warning("fault-with-peer", message)
                .at(place, "without a weight, a session that is down is a fault")
                .help("give it a negative weight with `reverse` to rise when the peer is gone, or track a router beyond both"),
        );
    }
    found
}
