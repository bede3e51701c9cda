//! Second owners of an address, and what is none.

use crate::Node;
use crate::ear::Ear;
use crate::engine::{events, is_master, status};
use crate::namespaces::{Pair, inside, run, wait_for};
use crate::programs::{Running, has};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use vipdeck::status::{AlarmKind, Event, Severity};
use vipdeck::sys::frame_socket::FrameSocket;
use vipdeck::wire::{arp, ndisc};

const VIP: &str = "10.9.0.20";

/// One instance of each family, with an advert five times a second.
fn text(priority: u8) -> String {
    let instance = |id: u8, address: &str| {
        format!(
            "vrrp_instance VI_{id} {{\ninterface eth0\nversion 3\nadvert_int 0.2\nvirtual_router_id {id}\n\
             priority {priority}\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    instance(4, "10.9.0.20/24") + &instance(6, "fd00:9::20/64")
}

/// From now on the namespace hears no adverts.
fn deafen(namespace: &str) {
    nft(namespace, "add table inet deaf { chain in { type filter hook input priority 0; meta l4proto 112 drop; }; }");
}

fn nft(namespace: &str, rules: &str) {
    let output = Command::new("ip").args(["netns", "exec", namespace, "nft", rules]).output().unwrap();
    assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
}

fn suspicions(node: &Node) -> Vec<Event> {
    events(&node.socket)
        .into_iter()
        .filter(|e| e.kind == "duplicate-address" && e.severity == Severity::Alarm)
        .collect()
}

fn mac(namespace: &str) -> String {
    let shown = run(&["-n", namespace, "-oneline", "link", "show", "eth0"]);
    shown.split_once("link/ether ").unwrap().1.split_whitespace().next().unwrap().to_owned()
}

fn masters(node: &Node) -> usize {
    status(&node.socket).map_or(0, |s| s.instances.iter().filter(|i| is_master(i)).count())
}

/// The cable's ends are two nodes that hear each other's ARP and not each other's adverts.
#[test]
fn two_masters_that_do_not_hear_each_other_find_each_other_by_arp_and_ndp() {
    if !has(&["nft"]) {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    for namespace in [&pair.a, &pair.b] {
        deafen(namespace);
    }
    let nodes = [(&pair.a, "one", 150), (&pair.b, "two", 100)]
        .map(|(namespace, name, priority)| Node::start(namespace, directory.path(), name, &text(priority), &[]));
    wait_for("both are MASTER of both", 12, || nodes.iter().all(|n| masters(n) == 2));
    let since = std::time::Instant::now();
    wait_for("each node raises both alarms", 20, || nodes.iter().all(|n| suspicions(n).len() == 2));
    eprintln!("measured: the alarms of two masters that do not hear each other after {:?}", since.elapsed());
    let macs = [mac(&pair.a), mac(&pair.b)];
    for (node, (own, other)) in nodes.iter().zip([(&macs[0], &macs[1]), (&macs[1], &macs[0])]) {
        for (event, address) in suspicions(node).iter().zip([VIP, "fd00:9::20"]) {
            let all = suspicions(node);
            let found = all.iter().find(|e| e.text.contains(address)).unwrap_or_else(|| panic!("{address}: {all:#?}"));
            assert!(
                found.text.contains(own) && found.text.contains(other) && found.text.contains("eth0"),
                "{event:#?}"
            );
        }
        let snapshot = status(&node.socket).unwrap();
        let findings: Vec<_> = snapshot.findings.iter().filter(|f| f.kind == "duplicate-address").collect();
        assert_eq!(findings.len(), 2, "{:#?}", snapshot.findings);
        assert!(findings.iter().all(|f| f.severity == Severity::Alarm && f.text.contains(other)), "{findings:#?}");
    }
}

/// A rival that does not hear us is answered; whoever listens to ARP comes back to the master.
#[test]
fn a_keepalived_that_hears_nothing_is_told_apart_and_neighbours_come_back_to_the_master() {
    if !has(&["keepalived", "nft"]) {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    // A third machine that remembers who has the address.
    let client = Bystander::new(&pair);
    deafen(&pair.b);
    let node = Node::start(&pair.a, directory.path(), "one", &text(150), &[]);
    wait_for("the preferred node is MASTER", 8, || masters(&node) == 2);
    let _rival = keepalived(&pair.b, directory.path());
    let (ours, theirs) = (mac(&pair.a), mac(&pair.b));
    client.ask();
    wait_for("the rival has the address, too", 8, || run(&["-n", &pair.b, "address", "show", "eth0"]).contains(VIP));
    wait_for("the alarm", 12, || suspicions(&node).iter().any(|e| e.text.contains(&theirs)));
    let alarm = suspicions(&node).remove(0);
    assert!(alarm.cause.as_ref().is_some_and(|c| c.contains("does not hear ours")), "{alarm:#?}");
    // Adverts of the rival come each second, and each is followed by announcements.
    wait_for("the neighbour is back at the master", 5, || client.neighbour().contains(&ours));
    let refused = status(&node.socket).unwrap();
    assert!(refused.instances.iter().all(is_master), "mastership was kept");
}

/// One word on the wire, and a machine that answers when it is asked.
// console-design 1.2 3
#[test]
fn a_forged_owner_is_an_alarm_within_a_second_with_both_hardware_addresses() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let owner = text(255).replace("interface eth0", "state MASTER\ninterface eth0");
    let node = Node::start(&pair.a, directory.path(), "one", &owner, &[]);
    wait_for("it is MASTER of both", 8, || masters(&node) == 2);
    // A master of a moment ago gives others the time to let go.
    sleep(Duration::from_millis(3300));
    let (ours, theirs) = (mac(&pair.a), mac(&pair.b));
    run(&["-n", &pair.b, "address", "add", "10.9.0.20/24", "dev", "eth0"]);
    let forged = arp::announcement(theirs.parse().unwrap(), VIP.parse().unwrap());
    let since = std::time::Instant::now();
    inside(&pair.b, || {
        let socket = FrameSocket::open(nix::libc::ETH_P_ARP as u16).unwrap();
        socket.send(nix::net::if_::if_nametoindex("eth0").unwrap(), &forged).unwrap();
    });
    let alarm = loop {
        let alarms = status(&node.socket).map_or(Vec::new(), |s| s.alarms);
        if let Some(alarm) = alarms.into_iter().find(|a| a.kind == AlarmKind::Split) {
            break alarm;
        }
        assert!(since.elapsed() < Duration::from_secs(8), "no alarm");
        sleep(Duration::from_millis(20));
    };
    let took = since.elapsed();
    eprintln!("measured: a forged owner is an alarm after {took:?}");
    assert!(alarm.text.contains(&ours) && alarm.text.contains(&theirs), "{alarm:#?}");
    assert!(took < Duration::from_secs(2), "{took:?}; it is 0.6 s where nothing else runs");
}

/// Where there is one owner, probes are sent, answered by nobody, and remembered by nobody.
#[test]
fn probes_of_a_lone_master_disturb_nobody() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let ear = Ear::start(&pair.b);
    let owner = text(255).replace("interface eth0", "state MASTER\ninterface eth0");
    let node = Node::start(&pair.a, directory.path(), "one", &owner, &[]);
    let probes = || {
        let of_arp = ear.heard(|f| {
            let is_probe = f.bytes[12..14] == [8, 6] && f.bytes[28..32] == [0; 4] && f.bytes[38..42] == [10, 9, 0, 20];
            is_probe.then_some(())
        });
        // A solicitation for the address with a source: not the kernel's own duplicate address detection.
        let of_ndp = ear.heard(|f| {
            let is_ns = f.bytes.len() > 78 && f.bytes[12..14] == [0x86, 0xdd] && f.bytes[54] == 135;
            let asks = is_ns && f.bytes[22..38] != [0; 16] && f.bytes[62..64] == [0xfd, 0] && f.bytes[77] == 0x20;
            asks.then_some(())
        });
        [of_arp.len(), of_ndp.len()]
    };
    wait_for("an address of each family has been asked for", 20, || probes().iter().all(|count| *count > 0));
    sleep(Duration::from_millis(300));
    let answers = ear.heard(|f| {
        let arp = arp::claimed(&f.bytes).filter(|c| !c.is_announcement && c.address.to_string() == VIP).map(|_| ());
        arp.or_else(|| ndisc::claimed(&f.bytes).filter(|c| !c.is_announcement).map(|_| ()))
    });
    assert_eq!(answers.len(), 0);
    assert!(!run(&["-n", &pair.b, "neighbour", "show"]).contains(VIP), "an ARP probe teaches nobody");
    assert!(suspicions(&node).is_empty());
    assert!(probes().iter().all(|count| *count <= 3), "a slow pace: {:?}", probes());
}

/// `b` is a switch as well as a node: what it has beside eth0 is a client on a bridge.
struct Bystander {
    name: String,
}

impl Bystander {
    fn new(pair: &Pair) -> Self {
        let name = format!("{}by", pair.a);
        run(&["netns", "add", &name]);
        // eth0 of the rival becomes a bridge with its cable to the master and one to the client as ports.
        run(&["-n", &pair.b, "link", "set", "eth0", "name", "up0"]);
        run(&["-n", &pair.b, "link", "add", "eth0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"]);
        run(&["link", "add", "eth0", "netns", &name, "type", "veth", "peer", "name", "up1", "netns", &pair.b]);
        run(&["-n", &pair.b, "address", "flush", "dev", "up0"]);
        for port in ["up0", "up1"] {
            run(&["-n", &pair.b, "link", "set", port, "master", "eth0", "up"]);
        }
        run(&["-n", &pair.b, "address", "add", "10.9.0.2/24", "dev", "eth0"]);
        run(&["-n", &pair.b, "link", "set", "eth0", "up"]);
        run(&["-n", &name, "address", "add", "10.9.0.3/24", "dev", "eth0"]);
        run(&["-n", &name, "link", "set", "eth0", "up"]);
        sleep(Duration::from_millis(500));
        Self { name }
    }

    /// Has it find out where the address is.
    fn ask(&self) {
        inside(&self.name, || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"?", (VIP, 9)).unwrap());
        wait_for("the client knows where the address is", 5, || self.neighbour().contains("lladdr"));
    }

    fn neighbour(&self) -> String {
        run(&["-n", &self.name, "neighbour", "show", VIP])
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        run(&["netns", "delete", &self.name]);
    }
}

fn keepalived(namespace: &str, directory: &Path) -> Running {
    let path = |kind: &str| directory.join(format!("rival.{kind}")).display().to_string();
    let config = path("conf");
    std::fs::write(&config, text(100).split_inclusive("}\n}\n").next().unwrap()).unwrap();
    let (parent, child) = (path("pid"), path("vrrp.pid"));
    let argv = ["keepalived", "-n", "-l", "-P", "-f", &config, "-p", &parent, "-r", &child];
    Running::start(namespace, directory, "keepalived", &argv)
}
