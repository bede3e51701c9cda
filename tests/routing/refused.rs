//! Lines with mistakes: the same class of answer as `keepalived -t`.

use crate::bench::Bench;
use crate::engine::PROGRAM;
use std::process::Command;

/// A line of a block, and whether keepalived has something to say about it; none: it and vipdeck differ, for the reason.
const LINES: &[(&str, &str, Result<bool, &str>)] = &[
    ("virtual_ipaddress", "10.9.0.51", Ok(false)),
    ("virtual_ipaddress", "10.9.0.51/33", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/x", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 label eth0:0123456789", Ok(false)),
    ("virtual_ipaddress", "10.9.0.51/24 label eth0:0123456789a", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 label", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 brd +", Ok(false)),
    ("virtual_ipaddress", "10.9.0.51/31 brd +", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51 brd -", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 brd 10.9.0", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 brd", Ok(true)),
    ("virtual_ipaddress_excluded", "2001:db8::51/64 brd +", Ok(true)),
    ("virtual_ipaddress_excluded", "2001:db8::51/129", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 scope nonsense", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 peer 2001:db8::1", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51/24 nonsense", Ok(true)),
    ("virtual_ipaddress", "10.9.0.51-52", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0", Ok(false)),
    ("virtual_routes", "10.5.0.0/16 via 2001:db8::2 dev eth0", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 src 2001:db8::1", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 table nonsense", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 nonsense", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 metric", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 pref high", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 mtu x", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 quickack 2", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 protocol 99", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2 dev eth0 track_group G", Ok(true)),
    ("virtual_routes", "via 10.9.0.2 dev eth0", Ok(true)),
    ("virtual_routes", "2001:db8:5::/48 dev eth0 realms 3", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 dev eth0 encap nonsense", Ok(true)),
    ("virtual_routes", "10.5.0.0/16 dev eth0 nexthop via 10.9.0.2 weight 257", Ok(true)),
    ("virtual_routes", "inet6 default via 2001:db8::2 dev eth0", Err("keepalived passes over the word after inet6")),
    (
        "virtual_routes",
        "10.5.0.0/16 via inet6 fe80::1 dev eth0",
        Err("an IPv6 gateway serves IPv4; keepalived mixes none"),
    ),
    ("virtual_routes", "10.5.0.0/16 via 10.9.0.2", Err("keepalived cannot watch it; vipdeck does")),
    ("virtual_rules", "from 10.4.0.0/16 table 100 preference 100", Ok(false)),
    ("virtual_rules", "from 10.4.0.0/16 table 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 table 0 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 table nonsense preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 table 100 goto 200 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 goto 100 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 goto 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 to 2001:db8::/64 table 100 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 blackhole suppress_prefixlength 0 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 ipproto nonsense table 100 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 nonsense table 100 preference 100", Ok(true)),
    ("virtual_rules", "from 10.4.0.0/16 fwmark x table 100 preference 100", Ok(true)),
    (
        "virtual_rules",
        "from 10.4.0.0/16 sport 80 table 100 preference 100",
        Err("one port is a range of one, as ip(8) has it"),
    ),
    (
        "virtual_rules",
        "inet from 10.4.0.0/16 table 100 preference 100",
        Err("keepalived passes over the word after inet"),
    ),
    ("virtual_rules", "from 10.4.0.0/16 table 100 pref 100", Err("ip(8) knows `pref`, keepalived does not")),
];

// parity: 54
#[test]
fn mistakes_are_answered_as_keepalived_answers_them() {
    let Some(bench) = Bench::new() else { return };
    let file = bench.directory.path().join("line.conf");
    let status = |argv: &[&str]| {
        let said = Command::new("ip").args(["netns", "exec", &bench.pair.a]).args(argv).arg(&file).output().unwrap();
        (said.status.code(), String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned())
    };
    let mut wrong = Vec::new();
    for (block, line, expected) in LINES {
        let other = if *block == "virtual_ipaddress" { "" } else { "virtual_ipaddress {\n10.9.0.50\n}\n" };
        let text = format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 9\npriority 100\n{other}{block} {{\n{line}\n}}\n}}\n"
        );
        std::fs::write(&file, text).unwrap();
        let (theirs, said) = status(&["keepalived", "-t", "-f"]);
        let (ours, told) = status(&[PROGRAM, "check", "--as-keepalived"]);
        let (theirs, ours) = (theirs != Some(0), ours != Some(0));
        let agree = match expected {
            Ok(complains) => theirs == *complains && ours == *complains,
            Err(_) => theirs && !ours,
        };
        if !agree {
            wrong.push(format!("{block} {{ {line} }}: keepalived {theirs} {said}, vipdeck {ours} {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
