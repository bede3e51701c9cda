//! From what was seen to what is wrong and how to repair it, each in a sentence. Pure.

use super::{Answer, Facts, Target};
use crate::kernel::Protocol;
use crate::net::Mac;
use crate::real_server::vip::{Device, Method, bits};
use crate::wire::reach::Undeliverable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Something about a real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    /// Clients are served wrongly, or not at all.
    pub(super) is_wrong: bool,
    pub(super) what: String,
    pub(super) repair: String,
}

/// All that there is to say of a target; `reals` are the real servers whose hardware addresses are known.
pub(super) fn judge(target: &Target, facts: &Facts, reals: &BTreeMap<Mac, IpAddr>) -> Vec<Finding> {
    let mut found = Vec::new();
    reach(target, facts, &mut found);
    if found.is_empty() {
        silence(target, facts, &mut found);
        owner(target, facts, reals, &mut found);
        service(target, facts, &mut found);
        others(target, facts, &mut found);
    }
    found
}

fn wrong(id: &'static str, what: String, repair: String) -> Finding {
    Finding { id, is_wrong: true, what, repair }
}

fn hint(id: &'static str, what: String, repair: String) -> Finding {
    Finding { id, is_wrong: false, what, repair }
}

/// Whether it could be asked at all.
fn reach(target: &Target, facts: &Facts, found: &mut Vec<Finding>) {
    let Target { vip, real, method, .. } = target;
    if vip.is_ipv4() != real.is_ipv4() {
        let what = format!("{vip} and {real} are of two families: `real-server` prepares tunnels of one family alone");
        let repair = match method {
            Method::Direct => "give real servers of the VIP's own family: direct routing changes no packet".into(),
            Method::Tunnel if vip.is_ipv4() => format!(
                "on {real}: ip link add vip46 type ip6tnl mode ipip6 local {real} remote any; ip link set vip46 up; \
                 ip address add {vip}/32 dev vip46; sysctl -w net.ipv4.conf.vip46.rp_filter=2"
            ),
            Method::Tunnel => {
                format!(
                    "on {real}: modprobe sit; ip link set sit0 up; ip address add {vip}/128 dev sit0 preferred_lft 0"
                )
            }
        };
        found.push(wrong("two-families", what, repair));
    } else if facts.is_here {
        let what = format!("{real} is this machine: a director does not see what its own packets do");
        found.push(hint("is-here", what, "run this on another director; here: `vipdeck real-server status`".into()));
    } else if let Some(why) = &facts.no_way {
        let repair = "give this machine an address in the real server's network, or a route to it".into();
        found.push(wrong("no-way", format!("{real} cannot be reached: {why}"), repair));
    } else if let (Some(router), Method::Direct) = (facts.gateway, method) {
        let what = format!("{real} is behind the router {router}: direct routing needs both on one link");
        found.push(wrong("not-on-link", what, "use `lb_kind TUN`, or bring the real server to this link".into()));
    } else if facts.mac.is_none() {
        let link = facts.link.as_deref().unwrap_or("its link");
        let (who, asked) = match facts.gateway {
            Some(router) => (router, "the router to it"),
            None => (*real, "it"),
        };
        let how = if who.is_ipv4() { "ARP" } else { "neighbour solicitations" };
        let what = format!("{asked} ({who}) does not answer {how} on {link}: it is down, or not on this link");
        found.push(wrong("unreachable", what, format!("look at {who}: its link, its address, the switch between")));
    }
}

/// Whether it keeps to itself that it has the VIP.
fn silence(target: &Target, facts: &Facts, found: &mut Vec<Finding>) {
    let Target { vip, real, method, .. } = target;
    let answers = facts.gateway.is_none() && facts.mac.is_some_and(|mac| facts.claims.contains(&mac));
    let up = up(*vip, *method);
    if answers && vip.is_ipv4() {
        found.push(wrong(
            "answers-for-vip",
            format!("it answers ARP for {vip}, and takes clients away from the director: arp_ignore does not hold"),
            format!("on {real}: {up} (sets net.ipv4.conf.all.arp_ignore=1); {vip} must be on no other link there"),
        ));
    } else if answers {
        found.push(wrong(
            "answers-for-vip",
            format!(
                "it answers neighbour solicitations for {vip}: it has it on the link itself, or as a proxy (proxy_ndp)"
            ),
            format!("on {real}: ip address delete {vip}/… dev LINK, then {up}: on lo it tells nobody"),
        ));
    }
    if facts.asks_with_vip == Some(true) {
        found.push(wrong(
            "asks-with-vip",
            format!("it asks by ARP with {vip} as its own address, and others learn it: arp_announce does not hold"),
            format!("on {real}: {up} (sets net.ipv4.conf.all.arp_announce=2)"),
        ));
    }
}

/// Whether the VIP has one owner, and that is a director.
fn owner(target: &Target, facts: &Facts, reals: &BTreeMap<Mac, IpAddr>, found: &mut Vec<Finding>) {
    let Target { vip, .. } = target;
    // Real servers that answer are told of by themselves.
    let strangers: Vec<_> = facts.claims.iter().filter(|mac| !reals.contains_key(mac)).collect();
    let list = strangers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    if facts.is_held && !strangers.is_empty() {
        found.push(wrong(
            "second-owner",
            format!("this machine has {vip}, and {list} answers for it as well"),
            format!("find who has {list}: a second MASTER, or a real server that `verify` was not told of"),
        ));
    } else if strangers.len() > 1 {
        found.push(wrong(
            "second-owner",
            format!("{list} answer for {vip}: at most one may"),
            "one is the MASTER; find the other".into(),
        ));
    } else if !facts.is_held && facts.claims.is_empty() && facts.link.is_some() && facts.gateway.is_none() {
        let link = facts.link.as_deref().unwrap_or_default();
        found.push(hint(
            "no-owner",
            format!(
                "nobody on {link} answers for {vip}, and this machine does not have it: no director is MASTER there"
            ),
            "look at the directors: `vipdeck status`; or run this on a director of the VIP's own link".into(),
        ));
    }
}

/// Whether it takes packets for the VIP, and the service answers them.
fn service(target: &Target, facts: &Facts, found: &mut Vec<Finding>) {
    let Target { vip, real, method, .. } = target;
    let (up, device) = (up(*vip, *method), Device::of(*vip, *method));
    let takes = facts.echo || facts.answer != Answer::Silent;
    if facts.leaves_from_vip {
        found.push(wrong(
            "leaves-from-vip",
            format!("this machine sends packets in packets from {vip} itself, which the real server drops as its own"),
            format!("on the directors: {vip}/{} with `preferred_lft 0` in virtual_ipaddress", bits(*vip)),
        ));
    } else if facts.is_forwarded || facts.answered_by.is_some() {
        found.push(wrong(
            "no-address",
            format!("it sends packets for {vip} back to the link: {vip} is not on its {device}"),
            format!("on {real}: {up}"),
        ));
    } else if takes {
        port(target, facts, found);
    } else if let Some(reason) = facts.tunnel {
        let said = match reason {
            Undeliverable::Protocol => "it knows no such protocol",
            Undeliverable::Port => "no tunnel is up there",
            Undeliverable::Prohibited => "its firewall refuses them",
            Undeliverable::Other => "ICMP: unreachable",
        };
        found.push(wrong("no-tunnel", format!("it takes no packets in packets: {said}"), format!("on {real}: {up}")));
    } else if facts.control {
        let what = format!("it drops packets for {vip}, and answers those for {real}: {vip} is not on its {device}");
        found.push(wrong("no-address", what, format!("on {real}: {up}")));
    } else if *method == Method::Tunnel && vip.is_ipv4() {
        found.push(wrong(
            "tunnel-drops",
            "it drops all that comes out of its tunnel: rp_filter is strict there (a client's address has no route into \
             the tunnel), or tunl0 has no address, or a firewall drops packets in packets"
                .into(),
            format!("on {real}: {up} (adds {vip} to tunl0 and sets net.ipv4.conf.tunl0.rp_filter=2)"),
        ));
    } else {
        let strict = if vip.is_ipv4() { ", or a strict rp_filter" } else { "" };
        found.push(wrong(
            "silent",
            format!("it answers nothing in this way, not even echo requests to {real}: a firewall{strict} drops them"),
            format!("on {real}: vipdeck real-server status; then look at its firewall (nft list ruleset)"),
        ));
    }
}

fn port(target: &Target, facts: &Facts, found: &mut Vec<Finding>) {
    let Some(asked) = target.port else { return };
    let address = SocketAddr::new(target.vip, asked.number);
    let (real, service) = (target.real, format!("{}/{address}", asked.protocol));
    match facts.answer {
        Answer::Open => {}
        Answer::Closed => found.push(wrong(
            "nothing-listens",
            format!("it has {}, and nothing listens on {service}", target.vip),
            format!(
                "on {real}: start the service, listening on {} or on all addresses, not on {real} alone",
                target.vip
            ),
        )),
        Answer::Prohibited => found.push(wrong(
            "prohibited",
            format!("its firewall refuses {service}"),
            format!("on {real}: allow packets to {service} from everywhere: clients come with their own addresses"),
        )),
        // Many services say nothing to an empty datagram, and SCTP is not asked.
        Answer::Silent if asked.protocol != Protocol::Tcp => {}
        Answer::Silent => found.push(wrong(
            "filtered",
            format!("it has {} (it answers echo requests), and nothing comes from {service}", target.vip),
            format!("on {real}: a firewall drops it, or the service is too busy to accept: nft list ruleset; ss -ltn"),
        )),
    }
}

/// Whether it answers clients from elsewhere.
fn others(target: &Target, facts: &Facts, found: &mut Vec<Finding>) {
    let link = facts.link.as_deref().unwrap_or_default();
    for (other, answered) in &facts.others {
        if *answered || !found.iter().all(|f| f.id != "no-address") {
            continue;
        }
        let what = format!(
            "it does not answer a packet from {other} that comes over {link}, though it answers this machine's address \
             there: it has no route to {other}, or rp_filter is strict (the route to {other} leaves by another link)"
        );
        let repair = format!(
            "on {}: ip route get {other}; where that names another link: sysctl -w net.ipv4.conf.LINK.rp_filter=2, LINK \
             being the one towards the directors (and net.ipv4.conf.all.rp_filter not 1)",
            target.real
        );
        let make = if facts.others_were_given { wrong } else { hint };
        found.push(make("not-from-there", what, repair));
    }
}

fn up(vip: IpAddr, method: Method) -> String {
    let tunnel = if method == Method::Tunnel { " --tunnel" } else { "" };
    format!("vipdeck real-server up --vip {vip}{tunnel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: Mac = Mac([2, 0, 0, 0, 0, 3]);
    const MASTER: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn target(method: Method) -> Target {
        let port = Some(super::super::Port { protocol: Protocol::Tcp, number: 80 });
        Target { vip: "192.0.2.10".parse().unwrap(), port, real: "192.0.2.3".parse().unwrap(), method }
    }

    fn good() -> Facts {
        Facts {
            link: Some("eth0".into()),
            mac: Some(REAL),
            claims: [MASTER].into(),
            echo: true,
            control: true,
            answer: Answer::Open,
            ..Facts::default()
        }
    }

    fn ids(method: Method, facts: &Facts) -> Vec<&'static str> {
        let reals = BTreeMap::from([(REAL, target(method).real)]);
        judge(&target(method), facts, &reals).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn a_good_real_server_has_no_finding() {
        assert_eq!(ids(Method::Direct, &good()), [""; 0]);
        let mut held = Facts { is_held: true, asks_with_vip: Some(false), ..good() };
        held.claims.clear();
        assert_eq!(ids(Method::Direct, &held), [""; 0]);
    }

    #[test]
    fn each_thing_that_is_wrong_has_its_own_finding() {
        let silent = || Facts { echo: false, answer: Answer::Silent, ..good() };
        let both = [MASTER, REAL].into();
        let other = "198.51.100.1".parse().unwrap();
        let cases: Vec<(&str, Method, Facts)> = vec![
            ("is-here", Method::Direct, Facts { is_here: true, ..good() }),
            ("no-way", Method::Direct, Facts { no_way: Some("no route".into()), ..good() }),
            ("not-on-link", Method::Direct, Facts { gateway: Some(other), ..good() }),
            ("unreachable", Method::Direct, Facts { mac: None, ..good() }),
            ("answers-for-vip", Method::Direct, Facts { claims: both, ..good() }),
            ("asks-with-vip", Method::Direct, Facts { asks_with_vip: Some(true), ..good() }),
            ("second-owner", Method::Direct, Facts { is_held: true, ..good() }),
            ("no-owner", Method::Direct, Facts { claims: [].into(), ..good() }),
            ("no-address", Method::Direct, silent()),
            ("no-address", Method::Direct, Facts { is_forwarded: true, ..silent() }),
            ("silent", Method::Direct, Facts { control: false, ..silent() }),
            ("nothing-listens", Method::Direct, Facts { answer: Answer::Closed, ..good() }),
            ("prohibited", Method::Direct, Facts { answer: Answer::Prohibited, ..good() }),
            ("filtered", Method::Direct, Facts { answer: Answer::Silent, ..good() }),
            ("not-from-there", Method::Direct, Facts { others: vec![(other, false)], ..good() }),
            ("no-tunnel", Method::Tunnel, Facts { tunnel: Some(Undeliverable::Port), control: false, ..silent() }),
            ("tunnel-drops", Method::Tunnel, Facts { control: false, ..silent() }),
            ("no-address", Method::Tunnel, silent()),
            ("leaves-from-vip", Method::Tunnel, Facts { leaves_from_vip: true, ..silent() }),
        ];
        for (id, method, facts) in cases {
            assert_eq!(ids(method, &facts), [id], "{facts:?}");
        }
        // Through a router the hardware address is the router's.
        assert_eq!(ids(Method::Tunnel, &Facts { gateway: Some(other), ..good() }), [""; 0]);
    }
}
