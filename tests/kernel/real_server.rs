//! `vipdeck real-server`, the program itself.

use crate::namespaces::{Pair, inside, wait_for};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use vipdeck::sys::{netns, sysctl};

fn real_server(namespace: &str, arguments: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vipdeck"))
        .args(["--netns", namespace, "real-server"])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

fn good(namespace: &str, arguments: &str) -> String {
    let (code, text) = real_server(namespace, arguments);
    assert_eq!(code, 0, "{arguments}: {text}");
    text
}

/// all/arp_ignore, all/arp_announce, lo/arp_ignore, lo/arp_announce.
fn settings(namespace: &str) -> [String; 4] {
    let keys = ["all/arp_ignore", "all/arp_announce", "lo/arp_ignore", "lo/arp_announce"];
    inside(namespace, || keys.map(|key| sysctl::read(&sysctl::Key::new(format!("net/ipv4/conf/{key}"))).unwrap()))
}

fn memory_file(namespace: &str) -> PathBuf {
    let inode = inside(namespace, || netns::inode().unwrap());
    PathBuf::from(format!("/run/vipdeck/real-server-{inode}.json"))
}

/// Makes `namespace` ask the link who has `address`.
fn ask(namespace: &str, address: &str) {
    inside(namespace, || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"?", (address, 9)).unwrap());
}

#[test]
fn up_show_down_leave_everything_as_it_was() {
    let Some(pair) = Pair::new() else { return };
    inside(&pair.a, || sysctl::write(&sysctl::Key::new("net/ipv4/conf/lo/arp_announce"), "1").unwrap());
    let before = settings(&pair.a);
    assert_eq!(before[3], "1");

    let dry = good(&pair.a, "up --vip 10.9.0.20 --vip 10.9.0.30 --dry-run");
    assert!(dry.contains("would set net.ipv4.conf.lo.arp_announce to 2 (was 1)"), "{dry}");
    assert_eq!(settings(&pair.a), before);
    assert!(!memory_file(&pair.a).exists());

    let done = good(&pair.a, "up --vip 10.9.0.20 --vip 10.9.0.30");
    assert_eq!(dry.replace("would ", ""), done);
    assert_eq!(settings(&pair.a), ["1", "2", "1", "2"]);
    assert!(memory_file(&pair.a).exists());
    assert_eq!(good(&pair.a, "up --vip 10.9.0.30 --vip 10.9.0.20"), "nothing to do\n");
    let addresses = pair.ip_a("address show dev lo");
    assert!(addresses.contains("inet 10.9.0.20/32") && addresses.contains("inet 10.9.0.30/32"), "{addresses}");
    let routes = pair.ip_a("route show dev lo");
    assert!(routes.contains("10.9.0.20") && routes.contains("10.9.0.30"), "{routes}");

    let shown: serde_json::Value = serde_json::from_str(&good(&pair.a, "show --json")).unwrap();
    assert_eq!(shown["complete"], true, "{shown}");
    assert_eq!(shown["vips"][1]["address"], "10.9.0.30");
    assert_eq!(shown["settings"][3]["before"], "1");

    good(&pair.a, "down --vip 10.9.0.20");
    assert_eq!(settings(&pair.a), ["1", "2", "1", "2"], "one VIP is left");
    let table = good(&pair.a, "show --vip 10.9.0.20 --vip 10.9.0.30");
    assert!(table.contains("10.9.0.20        no     no") && table.contains("10.9.0.30        yes    yes"), "{table}");
    let dry = good(&pair.a, "down --dry-run");
    assert!(dry.contains("would remove 10.9.0.30/32 from lo"), "{dry}");
    good(&pair.a, "down");
    assert_eq!(settings(&pair.a), before);
    assert!(!pair.ip_a("address show dev lo").contains("10.9.0."));
    assert!(!pair.ip_a("route show dev lo").contains("10.9.0."));
    assert!(!memory_file(&pair.a).exists());
    assert_eq!(good(&pair.a, "down"), "nothing to do\n");
}

#[test]
fn the_link_is_not_told_about_a_vip() {
    let Some(pair) = Pair::new() else { return };
    good(&pair.a, "up --vip 10.9.0.20");
    ask(&pair.b, "10.9.0.20");
    wait_for("nobody answers", 8, || pair.ip_b("neighbour show 10.9.0.20").contains("FAILED"));
    good(&pair.a, "down");
    // The same address without the settings is answered: the test can tell.
    pair.ip_a("address add 10.9.0.30/32 dev lo");
    ask(&pair.b, "10.9.0.30");
    wait_for("it is answered", 5, || pair.ip_b("neighbour show 10.9.0.30").contains("lladdr"));
}

#[test]
fn lo_is_brought_up_where_it_is_down() {
    let Some(pair) = Pair::new() else { return };
    pair.ip_a("link set lo down");
    let done = good(&pair.a, "up --vip 10.9.0.20");
    assert!(done.starts_with("bring lo up\n"), "{done}");
    assert!(pair.ip_a("route show table local").contains("local 10.9.0.20"));
    good(&pair.a, "down");
}

#[test]
fn an_ipv6_vip_is_a_clear_error() {
    let Some(pair) = Pair::new() else { return };
    let (code, text) = real_server(&pair.a, "up --vip 2001:db8::20");
    assert_eq!((code, text.as_str()), (2, "vipdeck: 2001:db8::20: IPv6 is not supported yet; give IPv4 addresses\n"));
}
