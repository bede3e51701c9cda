//! What strict mode adds (keepalived.conf(5), vrrp_strict), and who accepts packets to the addresses.

use super::diagnostic::Diagnostic;
use super::keywords::instance::Draft;
use super::lower::Cx;
use super::source::Span;
use crate::net::Family;
use crate::vrrp::Version;

/// What is an error in strict mode, and what is only said.
pub(super) fn conforms(cx: &mut Cx<'_>, draft: &Draft, family: Family, priority: u8, strict: Span) {
    let name = &draft.name.value;
    let mut say = |problem: Diagnostic| cx.report(problem.at(strict, "because of this"));
    if draft.addresses.is_empty() {
        let message = format!("vrrp_instance `{name}` moves no address, which strict mode does not allow");
        say(Diagnostic::error("no-addresses", message).at(draft.name.span, "keepalived does not start with it"));
    }
    if let (Some(at), false) = (draft.unicast, draft.peers.is_empty()) {
        let problem = Diagnostic::error("strict-unicast", "strict mode knows multicast only");
        say(problem.at(at, "keepalived refuses it").help("remove one of the two, on all nodes"));
    }
    if let (Some(at), true) = (draft.master, priority != 255) {
        let message = "strict mode knows MASTER as the state of an owner (255) only";
        say(Diagnostic::warning("strict-state", message).at(at, "BACKUP is used, as keepalived does"));
    }
    if let (None, 255) = (draft.master, priority) {
        let message = "strict mode has an owner (255) begin as MASTER";
        say(Diagnostic::note("strict-state", message).at(draft.name.span, "as if it said `state MASTER`"));
    }
    let first = draft.addresses.first().filter(|_| family == Family::V6);
    let link_local = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => false,
    };
    if let Some(first) = first.filter(|vip| !link_local(vip.net.value.addr())) {
        let message = "the first address over IPv6 is to be link-local (RFC 9568, 5.2.9)";
        say(Diagnostic::warning("strict-link-local", message).at(first.net.span, "used all the same"));
    }
}

/// Whether a master that does not own the addresses accepts packets to them.
pub(super) fn accept(cx: &mut Cx<'_>, draft: &Draft, version: Version, priority: u8, strict: Option<Span>) -> bool {
    let written = draft.accept.as_ref();
    match (written, strict) {
        (Some(accept), Some(strict)) if accept.value && version == Version::V2 => {
            let problem = Diagnostic::warning("strict-accept", "VRRPv2 knows no `accept` (RFC 3768)");
            cx.report(problem.at(accept.span, "no_accept is used").at(strict, "because of this"));
            false
        }
        (Some(accept), _) => {
            if !accept.value && priority == 255 {
                let problem = Diagnostic::note("owner-accepts", "an owner (255) accepts packets to its addresses");
                cx.report(problem.at(accept.span, "has no effect here"));
            }
            accept.value
        }
        (None, strict) => strict.is_none(),
    }
}
