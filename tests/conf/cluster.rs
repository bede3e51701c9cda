//! `check --cluster`: what differs between nodes and must not.

use std::path::Path;
use vipdeck::conf::cluster_check::{Node, compare};
use vipdeck::conf::{self, Diagnostic, Environment, Memory, Sources};

const NODE: &str = "global_defs {
    router_id NAME
    enable_script_security
}
vrrp_script chk {
    script \"/bin/true\"
    weight -60
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority PRIO
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        192.0.2.10/24
    }
    track_script {
        chk
    }
}
virtual_server 192.0.2.10 80 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.0.2.31 80 {
    }
}
";

fn nodes(texts: &[String]) -> Vec<Diagnostic> {
    let mut sources = Sources::default();
    let mut nodes = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let name = format!("{index}.conf");
        let read = conf::read(Path::new(&name), &Memory::one(&name, text), &Environment::default(), sources);
        sources = read.sources;
        nodes.push(Node { name: format!("lvs{}", index + 1), config: read.config, index: read.index });
    }
    let found = compare(&nodes);
    for label in found.iter().flat_map(|d| &d.labels) {
        let source = sources.get(label.span.source).unwrap();
        assert!(source.text.get(label.span.start..label.span.end).is_some(), "{label:?}");
    }
    found
}

fn pair() -> (String, String) {
    let node = |name, priority| NODE.replace("NAME", name).replace("PRIO", priority);
    (node("lvs1", "150"), node("lvs2", "100"))
}

fn ids(found: &[Diagnostic]) -> Vec<&'static str> {
    found.iter().map(|d| d.id).collect()
}

#[test]
fn nodes_that_agree_are_clean() {
    let (one, two) = pair();
    assert_eq!(nodes(&[one, two]), []);
}

const KEYS: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\nkey 2 \
                    hex:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

#[test]
fn nodes_that_sign_differ_where_one_refuses_the_other() {
    let (one, two) = pair();
    let signed = |text: &str, block: String| {
        let (before, rest) = text.split_once("authentication {").unwrap();
        let (_, after) = rest.split_once('}').unwrap();
        format!("{before}auth_hmac {{\n{block}}}\n{after}")
    };
    let differ = |a: &str, b: &str| {
        let found = nodes(&[signed(&one, format!("{KEYS}{a}\n")), signed(&two, format!("{KEYS}{b}\n"))]);
        ids(&found) == ["authentication-differs"]
    };
    assert!(!differ("active_key 1", "active_key 2"), "both have both keys");
    assert!(!differ("active_key 1\nmode permissive", "active_key 1\nmode receive-only"));
    assert!(differ("active_key 1\nmode enforce", "active_key 1\nmode receive-only"), "one sends what the other drops");
    let other = KEYS.replace("hex:ff", "hex:fe");
    let found = nodes(&[signed(&one, format!("{KEYS}active_key 2\n")), signed(&two, format!("{other}active_key 1\n"))]);
    assert_eq!(ids(&found), ["authentication-differs"], "key 2 is another one");
    let text = format!("{found:?}");
    assert!(!text.contains("000102") && !text.contains("[0, 1, 2"), "no key is shown: {text}");
    let unsigned = one.replace("authentication {", "notify_nothing {");
    let found = nodes(&[unsigned, signed(&two, format!("{KEYS}active_key 1\nmode permissive\n"))]);
    assert!(ids(&found).contains(&"authentication-differs"), "{found:?}");
}

/// What is replaced by what in the second node's file.
type Edit = (&'static str, &'static str);

// console-design 1.2 13
#[test]
fn each_difference_is_named() {
    let cases: &[(&[Edit], &[&str])] = &[
        (&[("advert_int 1", "advert_int 2")], &["interval-differs"]),
        (&[("auth_pass secret", "auth_pass another")], &["authentication-differs"]),
        (&[("auth_type PASS", "auth_type AH")], &["authentication-differs"]),
        (&[("192.0.2.10/24\n", "192.0.2.10/24\n192.0.2.11/24\n")], &["addresses-differ"]),
        (&[("virtual_router_id 51", "virtual_router_id 52")], &["vrid-differs"]),
        (&[("priority 100", "priority 150")], &["priority-equal"]),
        (&[("priority 100", "priority 50")], &["weight-too-small"]),
        (&[("router_id lvs2", "router_id lvs1")], &["same-router-id"]),
        (&[("priority 100", "priority 100\nnopreempt")], &["weight-with-nopreempt", "nopreempt-idle"]),
        (&[("192.0.2.31 80", "192.0.2.32 80")], &["service-differs"]),
        (&[("lb_algo rr", "lb_algo wrr")], &["service-differs"]),
        (&[("VI_1 {", "VI_9 {"), ("_id 51", "_id 77")], &["instance-missing", "instance-missing"]),
    ];
    for (edits, expected) in cases {
        let (one, mut two) = pair();
        for (from, to) in *edits {
            assert!(two.contains(from), "{from}");
            two = two.replace(from, to);
        }
        let found = nodes(&[one, two]);
        assert_eq!(ids(&found), *expected, "{edits:?}: {found:#?}");
    }
}

#[test]
fn two_that_want_to_be_master_are_told() {
    let (one, two) = pair();
    let master = |text: &str| text.replace("state BACKUP", "state MASTER");
    assert_eq!(ids(&nodes(&[master(&one), master(&two)])), ["two-masters"]);
    let owner = |text: &str| {
        let text = master(text).replace("priority 150", "priority 255").replace("priority 100", "priority 255");
        text.replace("        chk\n", "")
    };
    let found = nodes(&[owner(&one), owner(&two)]);
    assert_eq!(ids(&found), ["priority-equal"]);
    assert!(found[0].severity == conf::Severity::Error, "{found:?}");
}

/// The arithmetic is shown: what the priority becomes, and what it would have to be below of.
// console-design 1.2 13
#[test]
fn the_arithmetic_of_a_weight_is_shown() {
    let (one, two) = pair();
    let one = one.replace("weight -60", "weight -20");
    let found = nodes(&[one, two]);
    assert_eq!(ids(&found), ["weight-too-small"]);
    assert!(found[0].message.contains("150 − 20 = 130, still above 100"), "{}", found[0].message);
    assert!(found[0].help.concat().contains("51 or more"), "{:?}", found[0].help);
}

#[test]
fn passwords_are_never_shown() {
    let (one, two) = pair();
    let found = nodes(&[one, two.replace("auth_pass secret", "auth_pass another")]);
    assert!(!format!("{found:?}").contains("another"), "{found:?}");
}

#[test]
fn the_examples_agree() {
    let read = |name: &str| std::fs::read_to_string(crate::root().join("assets").join(name)).unwrap();
    for (one, two) in
        [("vip-pair/server1.conf", "vip-pair/server2.conf"), ("dual-master-dr/lvs1.conf", "dual-master-dr/lvs2.conf")]
    {
        assert_eq!(nodes(&[read(one), read(two)]), [], "{one}");
    }
}

#[test]
fn what_neighbours_and_clients_would_see_change_is_told() {
    let (one, two) = pair();
    let with = |text: &String, line: &str| text.replace("advert_int 1", &format!("advert_int 1\n    {line}"));
    let ids = |texts: &[String]| nodes(texts).iter().map(|d| d.id).collect::<Vec<_>>();
    let quiet = ids(&[one.clone(), two.clone()]);
    let told = |texts: &[String]| ids(texts).into_iter().filter(|id| !quiet.contains(id)).collect::<Vec<_>>();
    assert_eq!(told(&[with(&one, "use_vmac"), two.clone()]), ["hardware-address-differs"]);
    assert_eq!(told(&[with(&one, "no_accept"), two.clone()]), ["accept-differs"]);
    assert!(told(&[with(&one, "use_vmac"), with(&two, "use_vmac")]).is_empty());
}
