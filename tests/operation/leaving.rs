//! What is left when an engine ends: nothing, or what its operator wanted to stay.

use crate::capture::Capture;
use crate::engine::{is_master, status};
use crate::host::Host;
use crate::namespaces::wait_for;
use crate::programs::Running;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// As parity has it.
const IN_TIME: Duration = Duration::from_secs(2);
const INSTANCES: u32 = 12;
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Instances on three links, with what moves with them, and what stands.
fn configuration() -> String {
    let mut text = String::from(
        "static_ipaddress {\n10.77.0.1/24 dev eth3\n}\nstatic_routes {\n10.78.0.0/24 via 10.9.3.2 dev eth3\n}\n",
    );
    for n in 1..=INSTANCES {
        let (link, virtual_link) = (n % 3, if n % 4 == 0 { "use_vmac\nno_accept" } else { "" });
        write!(
            text,
            "vrrp_instance V{n} {{\ninterface eth{link}\nvirtual_router_id {n}\nversion 3\nadvert_int 0.2\npriority 255\n\
             state MASTER\n{virtual_link}\nvirtual_ipaddress {{\n10.9.{link}.{vip}/24\n2001:db8:{n}::1/64 dev eth{link}\n}}\n\
             virtual_routes {{\n10.{n}.0.0/24 via 10.9.{link}.2 dev eth{link} no_track\n}}\n\
             virtual_rules {{\nfrom 10.9.{link}.{vip} table {n} preference {place}\n}}\n}}\n",
            vip = 100 + n,
            place = 1000 + n,
        )
        .unwrap();
    }
    text.replace("2001:db8:", "# 2001:db8:")
}

/// Addresses, routes, rules, links and tables of packets, in one text.
fn everything(host: &Host) -> String {
    let nft = ["netns", "exec", &host.name, "nft", "list", "ruleset"];
    let lists = ["-o address show", "route show table all", "rule show", "-o link show"].map(|list| host.ip(list));
    let text = lists.concat() + &crate::namespaces::run(&nft);
    // What changes by itself.
    let mut lines: Vec<_> = text.lines().filter(|line| !line.contains("fe80::") && !line.contains("ff00::")).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn all_master(host: &Host) {
    let is_so = || status(&host.socket()).is_some_and(|s| s.instances.iter().all(is_master));
    wait_for("every instance is MASTER", 15, is_so);
}

/// SIGTERM to the end: how long it took, the exit status, and what was said.
fn stop(engine: Running, host: &Host) -> (Duration, Option<i32>, String) {
    let asked = Instant::now();
    let status = engine.stop();
    let said = std::fs::read_to_string(host.path("vipdeck.log")).unwrap();
    (asked.elapsed(), status.code(), said)
}

/// Whether anybody heard a priority 0 on eth0.
fn resigned(capture: Capture) -> bool {
    // For the file to be complete.
    std::thread::sleep(Duration::from_millis(300));
    let frames = capture.frames();
    frames.iter().filter_map(crate::capture::Frame::advert).any(|(from, advert)| from == OURS && advert.priority == 0)
}

// parity: 88
#[test]
fn a_clean_stop_resigns_and_leaves_nothing_in_two_seconds() {
    if !crate::programs::has(&["ip", "nft", "tcpdump"]) {
        return;
    }
    let Some(host) = Host::new() else { return };
    let before = everything(&host);
    let capture = Capture::start(&host.name, "p0", host.directory.path(), "peer");
    let engine = host.vipdeck(&host.write("many.conf", &configuration()), &[]);
    all_master(&host);
    assert_ne!(everything(&host), before);
    let (took, code, said) = stop(engine, &host);
    assert!(took < IN_TIME && code == Some(0), "{took:?}, {code:?}\n{said}");
    assert_eq!(everything(&host), before, "{said}");
    assert!(said.contains("everything is released\n"), "{said}");
    assert!(resigned(capture), "no priority 0 was sent");
    eprintln!("measured: clean stop of {INSTANCES} instances in {took:?}");
}

// parity: 88
#[test]
fn what_is_to_stay_stays_without_a_lease_and_without_a_word_to_the_peers() {
    if !crate::programs::has(&["ip", "nft", "tcpdump"]) {
        return;
    }
    let Some(host) = Host::new() else { return };
    let capture = Capture::start(&host.name, "p0", host.directory.path(), "peer");
    let file = host.write("many.conf", &configuration());
    let engine = host.vipdeck(&file, &["--dont-release-vrrp"]);
    all_master(&host);
    let leased = host.ip("-o address show dev eth1");
    assert!(
        leased.lines().any(|line| line.contains("10.9.1.101/24") && !line.contains("valid_lft forever")),
        "{leased}"
    );
    let (took, code, said) = stop(engine, &host);
    assert!(took < IN_TIME && code == Some(0), "{took:?}, {code:?}\n{said}");
    let left = everything(&host);
    for n in 1..=INSTANCES {
        let link = n % 3;
        let vip = format!("10.9.{link}.{}/24", 100 + n);
        let line =
            left.lines().find(|line| line.contains(&format!("inet {vip} "))).unwrap_or_else(|| panic!("{vip}\n{left}"));
        assert!(line.contains("valid_lft forever"), "it would go by its lease: {line}");
        assert_eq!(line.contains(&format!("vrrp.{n}")), n % 4 == 0, "{line}");
        assert!(left.contains(&format!("10.{n}.0.0/24 via 10.9.{link}.2")), "{left}");
        assert!(left.contains(&format!("{}:\tfrom 10.9.{link}.{} lookup {n}", 1000 + n, 100 + n)), "{left}");
        assert!(said.contains(&format!("V{n}: 10.9.{link}.{}/24", 100 + n)), "{said}");
    }
    // Whoever refused packets still does; what stood for the engine goes, as with keepalived.
    assert!(left.contains("10.9.1.104"), "{left}");
    assert!(!left.contains("10.77.0.1") && !left.contains("10.78.0.0"), "{left}");
    assert!(said.contains("two answer"), "{said}");
    assert!(!resigned(capture), "a priority 0 was sent");

    // The next engine takes it up, and a clean stop removes it.
    let engine = host.vipdeck(&file, &[]);
    all_master(&host);
    let (_, code, said) = stop(engine, &host);
    let left = everything(&host);
    assert!(code == Some(0) && !left.contains("10.9.1.101") && !left.contains("vrrp."), "{said}\n{left}");
}
