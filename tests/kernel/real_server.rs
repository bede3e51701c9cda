//! `vipdeck real-server`, the program itself.

use crate::namespaces::{Pair, inside, wait_for};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use vipdeck::sys::{netns, sysctl};

pub(crate) fn real_server(namespace: &str, arguments: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vipdeck"))
        .args(["--netns", namespace, "real-server"])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn good(namespace: &str, arguments: &str) -> String {
    let (code, text) = real_server(namespace, arguments);
    assert_eq!(code, 0, "{arguments}: {text}");
    text
}

pub(crate) fn set(namespace: &str, key: &str, value: &str) {
    inside(namespace, || sysctl::write(&sysctl::Key::new(key), value).unwrap());
}

/// all/arp_ignore, all/arp_announce, lo/arp_ignore, lo/arp_announce.
fn settings(namespace: &str) -> [String; 4] {
    let keys = ["all/arp_ignore", "all/arp_announce", "lo/arp_ignore", "lo/arp_announce"];
    inside(namespace, || keys.map(|key| sysctl::read(&sysctl::Key::new(format!("net/ipv4/conf/{key}"))).unwrap()))
}

/// Every address, route and setting of the namespace's links.
fn everything(pair: &Pair) -> String {
    wait_for("the cable is there", 8, || pair.ip_a("link show eth0").contains("state UP"));
    let mut all = String::new();
    for arguments in ["address show", "route show table all", "-6 route show table all"] {
        // ip(8) complains of namespaces that end while it looks.
        let text =
            pair.ip_a(arguments).replace(" tentative", "").replace("Error: Peer netns reference is invalid.\n", "");
        all.push_str(&text);
    }
    inside(&pair.a, || {
        for family in ["ipv4", "ipv6"] {
            walk(Path::new(&format!("/proc/sys/net/{family}/conf")), &mut all);
        }
    });
    all
}

/// Fails with the lines that differ.
fn same(before: &str, after: &str) {
    let only = |these: &str, those: &str| -> Vec<String> {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    let (gone, new) = (only(before, after), only(after, before));
    assert!(before == after, "gone: {gone:#?}, new: {new:#?}");
}

fn walk(directory: &Path, all: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, all);
        } else if let Ok(value) = std::fs::read_to_string(&path) {
            all.extend([path.display().to_string(), "=".into(), value]);
        }
    }
}

fn memory_file(namespace: &str) -> PathBuf {
    let inode = inside(namespace, || netns::inode().unwrap());
    PathBuf::from(format!("/run/vipdeck/real-server-{inode}.json"))
}

/// Makes `namespace` ask the link who has `address`.
fn ask(namespace: &str, address: &str) {
    let own = if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    inside(namespace, || UdpSocket::bind(own).unwrap().send_to(b"?", (address, 9)).unwrap());
}

/// Gives both ends an address of 2001:db8:9::/64.
pub(crate) fn with_ipv6(pair: &Pair) {
    pair.ip_a("address add 2001:db8:9::1/64 dev eth0 nodad");
    pair.ip_b("address add 2001:db8:9::2/64 dev eth0 nodad");
}

#[test]
fn up_status_down_leave_everything_as_it_was() {
    let Some(pair) = Pair::new() else { return };
    set(&pair.a, "net/ipv4/conf/lo/arp_announce", "1");
    // Left by a namespace that had the same number.
    let _ = std::fs::remove_file(memory_file(&pair.a));
    let (before, all_before) = (settings(&pair.a), everything(&pair));
    assert_eq!(before[3], "1");

    let dry = good(&pair.a, "up --vip 10.9.0.20 --vip 10.9.0.30 --vip 2001:db8:9::20 --dry-run");
    assert!(dry.contains("would set net.ipv4.conf.lo.arp_announce to 2 (was 1)"), "{dry}");
    same(&all_before, &everything(&pair));
    assert!(!memory_file(&pair.a).exists());

    let done = good(&pair.a, "up --vip 10.9.0.20 --vip 10.9.0.30 --vip 2001:db8:9::20");
    assert_eq!(dry.replace("would ", ""), done);
    assert_eq!(settings(&pair.a), ["1", "2", "1", "2"]);
    assert!(memory_file(&pair.a).exists());
    assert_eq!(good(&pair.a, "up --vip 2001:db8:9::20 --vip 10.9.0.30 --vip 10.9.0.20"), "nothing to do\n");
    let addresses = pair.ip_a("address show dev lo");
    assert!(addresses.contains("inet 10.9.0.20/32") && addresses.contains("inet 10.9.0.30/32"), "{addresses}");
    assert!(addresses.contains("inet6 2001:db8:9::20/128 scope global nodad deprecated"), "{addresses}");
    let routes = pair.ip_a("route show dev lo");
    assert!(routes.contains("10.9.0.20") && routes.contains("10.9.0.30"), "{routes}");

    let shown: serde_json::Value = serde_json::from_str(&good(&pair.a, "status --json")).unwrap();
    assert_eq!(shown["complete"], true, "{shown}");
    assert_eq!(shown["vips"][1]["address"], "10.9.0.30");
    assert_eq!(shown["settings"][3]["before"], "1");

    good(&pair.a, "down --vip 10.9.0.20 --vip 2001:db8:9::20");
    assert_eq!(settings(&pair.a), ["1", "2", "1", "2"], "one VIP is left");
    let (code, table) = real_server(&pair.a, "status --vip 10.9.0.20 --vip 10.9.0.30");
    assert!(code == 1 && table.contains("wrong: 10.9.0.20 is not on lo"), "{table}");
    assert!(table.contains("10.9.0.20        DR      lo       no     no"), "{table}");
    assert!(table.contains("10.9.0.30        DR      lo       yes    yes"), "{table}");
    let dry = good(&pair.a, "down --dry-run");
    assert!(dry.contains("would remove 10.9.0.30/32 from lo"), "{dry}");
    good(&pair.a, "down");
    same(&all_before, &everything(&pair));
    assert!(!memory_file(&pair.a).exists());
    assert_eq!(good(&pair.a, "down"), "nothing to do\n");
}

#[test]
fn the_link_is_not_told_about_a_vip() {
    let Some(pair) = Pair::new() else { return };
    with_ipv6(&pair);
    good(&pair.a, "up --vip 10.9.0.20 --vip 2001:db8:9::20");
    ask(&pair.b, "10.9.0.20");
    ask(&pair.b, "2001:db8:9::20");
    let silent = |address: &str| pair.ip_b(&format!("neighbour show {address}")).contains("FAILED");
    wait_for("nobody answers ARP", 8, || silent("10.9.0.20"));
    wait_for("nobody answers neighbour solicitations", 8, || silent("2001:db8:9::20"));
    good(&pair.a, "down");
    // The same addresses without the settings, and on the link itself, are answered: the test can tell.
    pair.ip_a("address add 10.9.0.30/32 dev lo");
    pair.ip_a("address add 2001:db8:9::30/128 dev eth0 nodad");
    let answered = |address: &str| pair.ip_b(&format!("neighbour show {address}")).contains("lladdr");
    ask(&pair.b, "10.9.0.30");
    ask(&pair.b, "2001:db8:9::30");
    wait_for("ARP is answered", 5, || answered("10.9.0.30"));
    wait_for("neighbour solicitations are answered", 5, || answered("2001:db8:9::30"));
}

#[test]
fn lo_is_brought_up_where_it_is_down_and_down_again() {
    let Some(pair) = Pair::new() else { return };
    pair.ip_a("link set lo down");
    let before = everything(&pair);
    let done = good(&pair.a, "up --vip 10.9.0.20");
    assert!(done.contains("bring lo up\n"), "{done}");
    assert!(pair.ip_a("route show table local").contains("local 10.9.0.20"));
    good(&pair.a, "down");
    same(&before, &everything(&pair));
}

#[test]
fn where_ipv6_is_off_on_lo_it_is_turned_on_and_off_again() {
    let Some(pair) = Pair::new() else { return };
    set(&pair.a, "net/ipv6/conf/lo/disable_ipv6", "1");
    let before = everything(&pair);
    let done = good(&pair.a, "up --vip 2001:db8:9::20");
    assert!(done.contains("set net.ipv6.conf.lo.disable_ipv6 to 0 (was 1)"), "{done}");
    assert!(pair.ip_a("address show dev lo").contains("2001:db8:9::20/128"));
    good(&pair.a, "down");
    same(&before, &everything(&pair));
}

#[test]
fn bad_arguments_say_what_to_do() {
    let Some(pair) = Pair::new() else { return };
    let refused = |arguments: &str, text: &str| {
        let (code, said) = real_server(&pair.a, arguments);
        assert!(code == 2 && said.contains(text), "{arguments}: {code}: {said}");
    };
    refused("up", "name the VIPs: --vip ADDRESS, or --config FILE");
    refused("up --vip fe80::1", "give a global one");
    refused("up --vip 127.0.0.1", "cannot be a VIP");
    refused("verify --vip 10.9.0.20:80", "name the real servers of 10.9.0.20:80: --real ADDRESS");
    refused("verify --vip 10.9.0.20:80 --real 10.9.0.1 --from 10.1.2.3", "10.1.2.3 is no address of this machine");
    if !Path::new("/sys/module/ipip").exists() {
        refused("up --vip 10.9.0.20 --tunnel", "modprobe ipip");
        assert!(!pair.ip_a("address show").contains("10.9.0.20"));
    }
}

#[test]
fn status_tells_what_is_wrong_and_how_to_repair_it() {
    let Some(pair) = Pair::new() else { return };
    good(&pair.a, "up --vip 10.9.0.20");
    set(&pair.a, "net/ipv4/conf/all/arp_ignore", "0");
    pair.ip_a("address add 10.9.0.20/24 dev eth0");
    let (code, table) = real_server(&pair.a, "status");
    assert_eq!(code, 1);
    for text in [
        "wrong: net.ipv4.conf.all.arp_ignore is 0: this machine answers ARP for VIPs",
        "repair: sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "wrong: 10.9.0.20 is on eth0",
        "repair: ip address delete 10.9.0.20 dev eth0",
    ] {
        assert!(table.contains(text), "{text}:\n{table}");
    }
}

const DIRECTOR: &str = "
virtual_server 10.9.0.20 80 {
    lb_kind DR
    protocol TCP
    real_server 10.9.0.1 80 {
    }
    real_server 10.9.0.7 80 {
    }
}
virtual_server 2001:db8:9::20 80 {
    lb_kind DR
    protocol TCP
    real_server 2001:db8:9::1 80 {
    }
}
virtual_server 10.9.0.21 80 {
    lb_kind NAT
    protocol TCP
    real_server 10.9.0.1 80 {
    }
}
virtual_server fwmark 7 {
    lb_kind DR
    protocol TCP
    real_server 10.9.0.1 80 {
    }
}
virtual_server 10.9.0.23 80 {
    lb_kind TUN
    protocol TCP
    real_server 10.9.0.1 80 {
    }
}
virtual_server 10.9.0.22 80 {
    lb_kind DR
    protocol TCP
    real_server 10.9.0.8 80 {
    }
}
";

#[test]
fn the_vips_come_from_a_directors_file() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keepalived.conf");
    std::fs::write(&file, DIRECTOR).unwrap();
    let flag = format!("--config {}", file.display());
    let dry = good(&pair.a, &format!("up {flag} --dry-run"));
    assert!(dry.contains("would make tunl0 (module ipip)\n") && dry.contains("add 10.9.0.23/32 to tunl0"), "{dry}");
    assert!(dry.contains("note: fwmark 7 names no address"), "{dry}");
    assert!(dry.contains("10.9.0.20/32") && !dry.contains("10.9.0.21") && !dry.contains("10.9.0.22"), "{dry}");
    assert!(!dry.contains("2001:db8"), "not a real server of it yet: {dry}");
    with_ipv6(&pair);
    let dry = good(&pair.a, &format!("up {flag} --dry-run"));
    assert!(dry.contains("2001:db8:9::20/128"), "{dry}");
    let dry = good(&pair.a, &format!("up {flag} --all --dry-run"));
    assert!(dry.contains("10.9.0.22/32"), "{dry}");
    let (code, said) = real_server(&pair.b, &format!("up {flag}"));
    assert!(code == 2 && said.contains("no real_server of") && said.contains("10.9.0.1, 10.9.0.7"), "{said}");
    std::fs::write(&file, "virtual_server 10.9.0.20 80 {\n    lb_kind DX\n}\n").unwrap();
    let (code, said) = real_server(&pair.a, &format!("up {flag}"));
    assert!(code == 2 && said.contains("`vipdeck check` shows all"), "{said}");
}
