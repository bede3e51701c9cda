//! `vipdeck real-server verify` on a director (`b`), asking a real server (`a`): a good one has nothing to say, and each
//! thing that is wrong has its own finding.

use crate::namespaces::{Pair, inside};
use crate::real_server::{good, real_server, set, with_ipv6};
use std::net::TcpListener;
use std::process::Command;

const ASK: &str = "verify --vip 10.9.0.20:80 --real 10.9.0.1";
const ASK6: &str = "verify --vip [2001:db8:9::20]:80 --real 2001:db8:9::1";

/// What a director says: exit status, and the ids of its findings.
fn findings(pair: &Pair, arguments: &str) -> (i32, Vec<String>) {
    let (code, text) = real_server(&pair.b, &format!("{arguments} --json"));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let rows = report["real_servers"].as_array().unwrap();
    let all = rows.iter().flat_map(|row| row["findings"].as_array().unwrap().clone());
    (code, all.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect())
}

fn listener(pair: &Pair, address: &str) -> TcpListener {
    inside(&pair.a, || TcpListener::bind(address).unwrap())
}

fn nft(namespace: &str, rules: &str) {
    let output = Command::new("ip").args(["netns", "exec", namespace, "nft", rules]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The director has the VIP, as a MASTER has; the real server takes it on lo.
fn stage() -> Option<Pair> {
    let pair = Pair::new()?;
    pair.ip_b("address add 10.9.0.20/32 dev eth0");
    good(&pair.a, "up --vip 10.9.0.20");
    Some(pair)
}

#[test]
fn a_good_real_server_has_no_finding_and_keeps_no_trace() {
    let Some(pair) = stage() else { return };
    let _listening = listener(&pair, "0.0.0.0:80");
    let said = good(&pair.b, ASK);
    assert!(said.contains("tcp/10.9.0.20:80 at 10.9.0.1 (DR over eth0"), "{said}");
    assert!(said.contains("good: it answers, and tells nobody") && said.contains("1 of 1 as they should be"), "{said}");
    // No connection half open.
    let left = Command::new("ip").args(["netns", "exec", &pair.a, "cat", "/proc/net/tcp"]).output().unwrap();
    let left = String::from_utf8(left.stdout).unwrap();
    assert!(!left.lines().skip(1).any(|line| line.split_whitespace().nth(3) != Some("0A")), "{left}");
    // A director that does not have the VIP, which nobody has then.
    pair.ip_b("address delete 10.9.0.20/32 dev eth0");
    assert_eq!(findings(&pair, ASK), (0, vec!["no-owner".into()]));
}

#[test]
fn arp_for_the_vip_is_found() {
    let Some(pair) = stage() else { return };
    let _listening = listener(&pair, "0.0.0.0:80");
    set(&pair.a, "net/ipv4/conf/all/arp_ignore", "0");
    assert_eq!(findings(&pair, ASK), (1, vec!["answers-for-vip".into()]));
    set(&pair.a, "net/ipv4/conf/all/arp_ignore", "1");
    set(&pair.a, "net/ipv4/conf/all/arp_announce", "0");
    assert_eq!(findings(&pair, ASK), (1, vec!["asks-with-vip".into()]));
    let (_, said) = real_server(&pair.b, ASK);
    assert!(said.contains("repair: on 10.9.0.1: vipdeck real-server up --vip 10.9.0.20"), "{said}");
    // The repair is what it says.
    good(&pair.a, "up --vip 10.9.0.20");
    assert_eq!(findings(&pair, ASK), (0, vec![]));
}

#[test]
fn a_vip_that_is_not_there_is_found() {
    let Some(pair) = stage() else { return };
    let _listening = listener(&pair, "0.0.0.0:80");
    good(&pair.a, "down");
    assert_eq!(findings(&pair, ASK), (1, vec!["no-address".into()]));
    // With forwarding on the packet comes back.
    set(&pair.a, "net/ipv4/conf/all/forwarding", "1");
    assert_eq!(findings(&pair, ASK), (1, vec!["no-address".into()]));
    pair.ip_a("link set eth0 down");
    assert_eq!(findings(&pair, ASK), (1, vec!["unreachable".into()]));
}

#[test]
fn a_port_that_nobody_serves_is_told_from_one_that_a_firewall_keeps() {
    let Some(pair) = stage() else { return };
    assert_eq!(findings(&pair, ASK), (1, vec!["nothing-listens".into()]));
    // On its own address alone: nothing listens on the VIP.
    let own = listener(&pair, "10.9.0.1:80");
    assert_eq!(findings(&pair, ASK), (1, vec!["nothing-listens".into()]));
    drop(own);
    let _listening = listener(&pair, "0.0.0.0:80");
    let table = "table ip t { chain in { type filter hook input priority 0; RULE; }; }";
    nft(&pair.a, &table.replace("RULE", "tcp dport 80 drop"));
    assert_eq!(findings(&pair, ASK), (1, vec!["filtered".into()]));
    nft(&pair.a, "delete table ip t");
    nft(&pair.a, &table.replace("RULE", "tcp dport 80 reject with icmp admin-prohibited"));
    assert_eq!(findings(&pair, ASK), (1, vec!["prohibited".into()]));
    nft(&pair.a, "delete table ip t");
    nft(&pair.a, &table.replace("RULE", "ip protocol { icmp, tcp } drop"));
    assert_eq!(findings(&pair, ASK), (1, vec!["silent".into()]));
    nft(&pair.a, "delete table ip t");
    // Echo requests that are dropped say nothing of the service.
    nft(&pair.a, &table.replace("RULE", "icmp type echo-request drop"));
    assert_eq!(findings(&pair, ASK), (0, vec![]));
}

#[test]
fn a_strict_reverse_path_filter_is_found() {
    let Some(pair) = stage() else { return };
    let _listening = listener(&pair, "0.0.0.0:80");
    let add = format!("link add eth1 netns {} type veth peer name eth1 netns {}", pair.a, pair.b);
    assert!(Command::new("ip").args(add.split(' ')).status().unwrap().success());
    for (namespace, address) in [(&pair.a, "10.8.0.1/24"), (&pair.b, "10.8.0.2/24")] {
        crate::namespaces::run(&["-n", namespace, "address", "add", address, "dev", "eth1"]);
        crate::namespaces::run(&["-n", namespace, "link", "set", "eth1", "up"]);
    }
    set(&pair.a, "net/ipv4/conf/all/rp_filter", "0");
    set(&pair.a, "net/ipv4/conf/eth0/rp_filter", "0");
    assert_eq!(findings(&pair, ASK), (0, vec![]));
    // A client behind eth1, whose packets the director sends over eth0.
    set(&pair.a, "net/ipv4/conf/eth0/rp_filter", "1");
    assert_eq!(findings(&pair, ASK), (0, vec!["not-from-there".into()]), "a hint");
    assert_eq!(findings(&pair, &format!("{ASK} --from 10.8.0.2")), (1, vec!["not-from-there".into()]));
    let (_, table) = real_server(&pair.a, "status");
    assert!(table.contains("note: rp_filter is strict on eth0"), "{table}");
}

#[test]
fn ipv6_is_verified_too_and_several_vips_at_once() {
    let Some(pair) = stage() else { return };
    with_ipv6(&pair);
    pair.ip_b("address add 2001:db8:9::20/128 dev eth0 nodad preferred_lft 0");
    good(&pair.a, "up --vip 2001:db8:9::20");
    assert_eq!(findings(&pair, ASK6), (1, vec!["nothing-listens".into()]));
    let _listening = listener(&pair, "[::]:80");
    assert_eq!(findings(&pair, ASK6), (0, vec![]));
    let both = format!("{ASK} --vip [2001:db8:9::20]:80 --real 2001:db8:9::1");
    let (_, said) = real_server(&pair.b, &both);
    assert!(said.contains("two-families") && said.contains("2 of 4 as they should be"), "{said}");
    good(&pair.a, "down --vip 2001:db8:9::20");
    assert_eq!(findings(&pair, ASK6), (1, vec!["no-address".into()]));
    // On the link itself: it answers neighbour solicitations.
    pair.ip_a("address add 2001:db8:9::20/128 dev eth0 nodad");
    assert_eq!(findings(&pair, ASK6), (1, vec!["answers-for-vip".into()]));
}
