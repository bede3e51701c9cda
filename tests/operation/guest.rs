//! What takes a kernel with IPVS, ipvlan and VRFs: run again under `tests/uml/run`, so that all of it costs one boot.

use crate::engine::{is_master, status};
use crate::host::Host;
use crate::kernel;
use crate::namespaces::{skipped, wait_for};
use std::io::Write;
use std::process::Command;
use std::time::Duration;
use vipdeck::sys::ipvs::{Ipvs, IpvsError};

// parity: 1 52 88
#[test]
fn with_ipvs_ipvlan_and_vrf() {
    match Ipvs::open() {
        Ok(_) if kernel::is_inside() => check_all(),
        Err(IpvsError::NoModule) | Ok(_) if !kernel::is_inside() => again_in_guest(),
        Err(error) => panic!("{error}"),
        Ok(_) => skipped("a kernel with IPVS that is not the guest"),
    }
}

type Check = fn();

fn check_all() {
    let all: [(&str, Check); 4] = [
        ("virtual servers of samples", crate::services::both_find_the_same_services),
        ("the IPVS table goes, or stays", the_table_goes_or_stays),
        ("an ipvlan answers", an_ipvlan_answers),
        ("an instance in a VRF", an_instance_works_in_a_vrf),
    ];
    for (name, check) in all {
        check();
        writeln!(std::io::stderr(), "checked: {name}").unwrap();
    }
}

fn again_in_guest() {
    match kernel::run("guest::with_ipvs_ipvlan_and_vrf", ("512M", 280), "checked: an instance in a VRF") {
        Ok(text) => assert_eq!(text.matches("checked: ").count(), 4, "{text}"),
        Err(reason) => skipped(&reason),
    }
}

const SERVICES: &str = "vrrp_instance V1 {
    interface eth0
    virtual_router_id 1
    priority 255
    state MASTER
    virtual_ipaddress {
        10.9.0.101/24
    }
}
virtual_server 10.9.0.101 80 {
    protocol TCP
    lb_algo rr
    lb_kind DR
    real_server 10.9.0.11 80 {
        weight 3
    }
    real_server 10.9.0.12 80 {
    }
}
";

fn table(host: &Host) -> String {
    let output = Command::new("ip").args(["netns", "exec", &host.name, "ipvsadm", "-Sn"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn master(host: &Host) {
    let is_so = || status(&host.socket()).is_some_and(|s| s.instances.iter().all(is_master));
    wait_for("MASTER", 20, is_so);
}

fn the_table_goes_or_stays() {
    let host = Host::new().unwrap();
    let file = host.write("services.conf", SERVICES);
    for keeps in [true, false] {
        let more: &[&str] = if keeps { &["--dont-release-ipvs"] } else { &[] };
        let engine = host.vipdeck(&file, more);
        master(&host);
        wait_for("the table is written", 10, || table(&host).lines().count() == 3);
        let before = table(&host);
        let asked = std::time::Instant::now();
        assert_eq!(engine.stop().code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert_eq!(table(&host), if keeps { before } else { String::new() });
        assert!(!host.ip("address show dev eth0").contains("10.9.0.101"), "the address goes in either case");
    }
}

/// A second link beside the other end of eth0, with an address of its own, asks who has the virtual one.
fn an_ipvlan_answers() {
    let host = Host::new().unwrap();
    let text = "vrrp_instance V1 {\ninterface eth0\nuse_ipvlan vip0 10.9.0.5/24 bridge\nvirtual_router_id 1\nversion 3\n\
                advert_int 0.2\npriority 250\nvirtual_ipaddress {\n10.9.0.101/24\n}\n}\n";
    // The neighbour has a namespace of its own: one host does not ask itself.
    let neighbour = Host::new().unwrap();
    neighbour.ip("link delete eth0");
    host.ip(&format!("link set p0 netns {}", neighbour.name));
    neighbour.ip("link set p0 up");
    neighbour.ip("address add 10.9.0.2/24 dev p0");
    let engine = host.vipdeck(&host.write("ipvlan.conf", text), &[]);
    master(&host);
    let links = host.ip("-d -o link show dev vip0");
    assert!(links.contains("ipvlan") && links.contains("mode l2 bridge"), "{links}");
    let addresses = host.ip("-o address show dev vip0");
    assert!(addresses.contains("10.9.0.101/24") && addresses.contains("10.9.0.5/24"), "{addresses}");
    let instance = host.snapshot().instances.remove(0);
    assert_eq!(instance.source.map(|s| s.to_string()).as_deref(), Some("10.9.0.5"));
    // Nobody listens there: a refusal is an answer.
    let asked = || std::net::TcpStream::connect_timeout(&"10.9.0.101:9".parse().unwrap(), Duration::from_secs(2));
    let error = crate::namespaces::inside(&neighbour.name, asked).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    // The hardware address is that of the link below, as an ipvlan has it.
    let known = neighbour.ip("neighbour show 10.9.0.101 dev p0");
    let below = host.snapshot().node.links.iter().find(|l| l.name.as_str() == "eth0").unwrap().mac.unwrap();
    assert!(known.contains(&below.to_string()), "{known} {below}");
    assert_eq!(engine.stop().code(), Some(0));
    assert!(!host.ip("-o link show").contains("vip0"), "it goes with the engine");
}

/// keepalived 2.2.7 clears `vrf` beside an interface: the instance works where its interface is.
fn an_instance_works_in_a_vrf() {
    let host = Host::new().unwrap();
    host.ip("link add blue type vrf table 10");
    host.ip("link set blue up");
    host.ip("link set eth0 master blue");
    let text = |priority: u8, interface: &str, vrf: &str| {
        format!(
            "vrrp_instance V1 {{\ninterface {interface}\n{vrf}\nvirtual_router_id 1\nversion 3\nadvert_int 0.2\n\
             priority {priority}\nvirtual_ipaddress {{\n10.9.0.101/24\n}}\n}}\n"
        )
    };
    // A peer on the other end of the cable.
    let peer = Host::new().unwrap();
    peer.ip("link delete eth0");
    host.ip(&format!("link set p0 netns {}", peer.name));
    peer.ip("link set p0 up");
    peer.ip("address add 10.9.0.2/24 dev p0");
    let engine = host.vipdeck(&host.write("vrf.conf", &text(100, "eth0", "vrf blue")), &[]);
    master(&host);
    let rival = peer.vipdeck(&peer.write("peer.conf", &text(200, "p0", "")), &[]);
    master(&peer);
    let yields = || host.snapshot().instances[0].state == vipdeck::status::Role::Backup;
    wait_for("it hears the other one in its VRF, and yields", 10, yields);
    assert_eq!(rival.stop().code(), Some(0));
    master(&host);
    assert!(host.ip("route show vrf blue").contains("10.9.0.0/24"));
    assert_eq!(engine.stop().code(), Some(0));
}
