//! Virtual hardware addresses (`use_vmac`): one engine on its own, and next to Debian's keepalived on a switch.

use crate::able;
use crate::capture::{Capture, Frame};
use crate::engine::is_master;
use crate::namespaces::{run, wait_for};
use crate::programs::Running;
use crate::solo::Solo;
use crate::stage::{Program, Stage, VIP};
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::status::Role;

/// Of VRID 51.
const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 0x33];
const MAC_TEXT: &str = "00:00:5e:00:01:33";

fn source(frame: &Frame) -> &[u8] {
    &frame.bytes[6..12]
}

fn mac_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn fails(arguments: &[&str]) -> bool {
    !Command::new("ip").args(arguments).output().unwrap().status.success()
}

// parity: 52
#[test]
fn vipdeck_is_preferred_and_hands_its_hardware_address_to_keepalived() {
    failover(Program::Vipdeck);
}

// parity: 52
#[test]
fn keepalived_is_preferred_and_hands_its_hardware_address_to_vipdeck() {
    failover(Program::Keepalived);
}

/// The preferred one is master, stops, and returns. The switch and a client see one hardware address all the time.
fn failover(preferred: Program) {
    if !able() {
        return;
    }
    let Some(mut stage) = Stage::new([preferred, preferred.other()]) else { return };
    stage.write_files(|_, text| text.replace("virtual_router_id 51", "virtual_router_id 51\nuse_vmac\n"));
    let switch = stage.switch().to_owned();
    run(&["-n", &switch, "address", "add", "192.168.10.9/24", "dev", "br0"]);
    let capture = Capture::start(&switch, "br0", stage.directory(), "vmac");
    let holds = |stage: &Stage, server: usize| {
        let shown =
            Command::new("ip").args(["-n", stage.namespace(server), "-o", "address", "show", "vrrp.51"]).output();
        String::from_utf8_lossy(&shown.unwrap().stdout).contains(&VIP.to_string())
    };
    let port = || {
        let shown = Command::new("bridge").args(["-n", &switch, "fdb", "show", "br", "br0"]).output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let line = shown.lines().find(|l| l.starts_with(MAC_TEXT)).unwrap_or_default().to_owned();
        ["port1", "port2"].into_iter().find(|port| line.contains(port)).unwrap_or("none")
    };
    stage.start(0);
    wait_for("the preferred one has it", 8, || holds(&stage, 0));
    let link = run(&["-n", stage.namespace(0), "-d", "link", "show", "vrrp.51"]);
    assert!(link.contains(MAC_TEXT) && link.contains("macvlan mode private"), "{link}");
    // What the standby says by itself would teach the switch the wrong port.
    let of_standby = ["tcpdump", "-l", "-n", "-e", "-i", "port2", "-Q", "in", "ether", "src", MAC_TEXT];
    let standby = Running::start(&switch, stage.directory(), "standby", &of_standby);
    wait_for("tcpdump listens", 5, || standby.said().contains("listening on"));
    stage.start(1);
    wait_for("the standby has made its link", 5, || !fails(&["-n", stage.namespace(1), "link", "show", "vrrp.51"]));
    std::thread::sleep(Duration::from_millis(2500));
    assert!(holds(&stage, 0) && !holds(&stage, 1));
    assert_eq!(port(), "port1");
    let said = standby.said();
    assert!(!said.contains(&format!("{MAC_TEXT} >")), "{:?} as standby: {said}", preferred.other());
    drop(standby);
    // A client finds the address there.
    let ask = || drop(std::net::TcpStream::connect_timeout(&(VIP, 9).into(), Duration::from_millis(300)));
    crate::namespaces::inside(&switch, ask);
    let neighbour = || run(&["-n", &switch, "neighbour", "show", &VIP.to_string(), "dev", "br0"]);
    // keepalived's link below asks for neighbours in the name of the address, with its own hardware address.
    let kept = |holder: Program| holder == Program::Keepalived || neighbour().contains(MAC_TEXT);
    assert!(kept(preferred), "{}", neighbour());
    stage.stop(0);
    wait_for("the other one has it", 5, || holds(&stage, 1));
    assert!(fails(&["-n", stage.namespace(0), "link", "show", "vrrp.51"]), "the link goes at stop");
    wait_for("the switch has learned it", 2, || port() == "port2");
    crate::namespaces::inside(&switch, ask);
    assert!(kept(preferred.other()), "{}", neighbour());
    stage.start(0);
    wait_for("the preferred one is back", 8, || holds(&stage, 0) && !holds(&stage, 1));
    wait_for("the switch has learned it", 2, || port() == "port1");
    let keepalived = usize::from(preferred == Program::Vipdeck);
    let below = run(&["-n", stage.namespace(keepalived), "-o", "link", "show", "eth0"]);
    let below = below.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    for server in [1, 0] {
        stage.stop(server);
        assert!(fails(&["-n", stage.namespace(server), "link", "show", "vrrp.51"]));
    }
    let frames = capture.frames();
    let adverts: Vec<_> = frames.iter().filter(|f| f.advert().is_some()).collect();
    assert!(adverts.len() > 10, "{}", adverts.len());
    assert!(adverts.iter().all(|f| source(f) == MAC), "every advert has the virtual hardware address");
    // What keepalived's link below asks does not count.
    let asked = |f: &&Frame| mac_text(source(f)) == below;
    let about = |f: &&Frame| f.bytes[12..14] == [8, 6] && f.bytes[28..32] == VIP.octets();
    let announced = frames.iter().filter(about).filter(|f| !asked(f));
    assert!(announced.clone().count() >= 10);
    assert!(announced.clone().all(|f| source(f) == MAC && f.bytes[22..28] == MAC), "announcements and answers, too");
}

fn instance(id: u8, lines: &str, vips: &str) -> String {
    format!(
        "vrrp_instance V{id} {{\ninterface eth0\nversion 3\nadvert_int 0.2\nvirtual_router_id {id}\npriority 150\n\
         {lines}\nvirtual_ipaddress {{\n{vips}\n}}\n}}\n"
    )
}

// parity: 52
#[test]
fn a_virtual_link_is_made_again_and_one_of_an_earlier_life_is_taken_over() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    let text = [instance(51, "use_vmac", "10.9.0.21/24"), instance(52, "use_vmac", "fe80::22/64\n2001:db8::22/64")];
    solo.start(&text.concat());
    solo.until("MASTER of both", is_master);
    for (address, mac) in [("10.9.0.21", "00:00:5e:00:01:33"), ("2001:db8::22", "00:00:5e:00:02:34")] {
        assert!(solo.pings(address), "{address}");
        let neighbour = solo.pair.ip_b(&format!("neighbour show {address} dev eth0"));
        assert!(neighbour.contains(mac), "{neighbour}");
    }
    let index = |solo: &Solo, link: &str| {
        let shown = solo.pair.ip_a(&format!("-o link show {link}"));
        shown.split(':').next().unwrap().to_owned()
    };
    let before = index(&solo, "vrrp.51");
    solo.pair.ip_a("link delete vrrp.51");
    let deleted = Instant::now();
    let shown = || {
        let output = Command::new("ip").args(["-n", &solo.pair.a, "-o", "address", "show", "vrrp.51"]).output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    wait_for("link and address are there again", 3, || shown().contains("10.9.0.21"));
    let took = deleted.elapsed();
    eprintln!("measured: a deleted virtual link had its address again after {took:?}");
    assert!(took < Duration::from_millis(800), "{took:?}");
    assert_ne!(index(&solo, "vrrp.51"), before);
    let snapshot = solo.snapshot();
    assert_eq!(snapshot.instance("V51").unwrap().transitions_total, 2, "BACKUP, MASTER, and no more");
    assert!(solo.pings("10.9.0.21"));
    // It stays when every process of ours is killed, and is nobody else's then.
    let before = index(&solo, "vrrp.51");
    solo.kill();
    solo.start(&text.concat());
    solo.until("MASTER of both", is_master);
    assert_eq!(index(&solo, "vrrp.51"), before, "taken over");
    assert!(solo.pings("10.9.0.21") && solo.pings("2001:db8::22"));
    solo.stop();
    let links = solo.pair.ip_a("-o link show");
    assert!(!links.contains("vrrp"), "{links}");
    assert_eq!(solo.nft("list tables"), "");
}

/// The guard starts the next engine, which goes on with the link that is there.
#[test]
fn an_engine_that_dies_leaves_its_virtual_link_to_the_next() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    solo.guarded = true;
    let capture = Capture::start(&solo.pair.b, "eth0", solo.directory(), "adverts");
    solo.start(&instance(51, "use_vmac\nno_accept", "10.9.0.21/24").replace("advert_int 0.2", "advert_int 0.4"));
    solo.until("MASTER", is_master);
    std::thread::sleep(Duration::from_millis(600));
    let shown = || solo.pair.ip_a("-o link show vrrp.51").split(':').next().unwrap().to_owned();
    let (before, engine) = (shown(), solo.snapshot().node.engine_pid);
    crate::programs::signal(engine, nix::sys::signal::Signal::SIGKILL);
    std::thread::sleep(Duration::from_millis(2500));
    let snapshot = solo.snapshot();
    assert_ne!(snapshot.node.engine_pid, engine);
    assert!(is_master(&snapshot.instances[0]));
    assert_eq!(shown(), before, "the same link");
    let frames = capture.frames();
    let adverts: Vec<_> = frames.iter().filter(|f| f.advert().is_some()).collect();
    assert!(adverts.iter().all(|f| source(f) == MAC));
    let gap = adverts.windows(2).map(|w| w[1].at - w[0].at).max().unwrap();
    eprintln!("measured: SIGKILL of the engine, longest time between adverts {gap:?}, interval 400 ms");
    assert!(gap < Duration::from_millis(1200), "{gap:?}");
    assert!(!solo.pings("10.9.0.21"), "packets are dropped all the time");
}

/// Loose or strict reverse path filtering of all links would keep a link without addresses deaf.
#[test]
fn a_standby_hears_its_master_whatever_rp_filter_is() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    let set = |what: &str, value: &str| {
        crate::namespaces::inside(&solo.pair.a, || {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{what}/rp_filter"), value).unwrap();
        });
    };
    set("all", "1");
    set("eth0", "0");
    solo.start(&instance(51, "use_vmac\nno_accept", "10.9.0.21/24"));
    let get = |what: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{what}/rp_filter");
        crate::namespaces::inside(&solo.pair.a, || std::fs::read_to_string(path).unwrap().trim().to_owned())
    };
    wait_for("all links but ours filter for themselves", 3, || get("all") == "0");
    assert_eq!((get("eth0"), get("default"), get("vrrp.51")), ("1".into(), "1".into(), "0".into()));
    // A master of higher priority, with the same hardware address.
    let config = solo.directory().join("peer.conf");
    let text = instance(51, "use_vmac", "10.9.0.21/24").replace("priority 150", "priority 200");
    std::fs::write(&config, text).unwrap();
    let file = |what: &str| solo.directory().join(what).display().to_string();
    let (config, parent, child) = (config.display().to_string(), file("parent"), file("child"));
    let argv = ["keepalived", "-n", "-l", "-D", "-P", "-f", &config, "-p", &parent, "-r", &child];
    let keepalived = Running::start(&solo.pair.b, solo.directory(), "keepalived", &argv);
    wait_for("it is heard and obeyed", 8, || {
        let snapshot = solo.snapshot();
        let instance = &snapshot.instances[0];
        instance.state == Role::Backup && instance.master.is_some_and(|m| m.priority == 200)
    });
    assert_eq!(solo.snapshot().counters.unknown_vrid, 0, "what arrives on the link below, too, is no stranger");
    drop(keepalived);
    solo.until("MASTER again", is_master);
    solo.stop();
    let get = |what: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{what}/rp_filter");
        crate::namespaces::inside(&solo.pair.a, || std::fs::read_to_string(path).unwrap().trim().to_owned())
    };
    assert_eq!((get("all"), get("eth0"), get("default")), ("1".into(), "0".into(), "0".into()), "put back");
}

// parity: 53
#[test]
fn adverts_leave_on_the_base_link_and_other_links_have_the_hardware_address_too() {
    if !able() {
        return;
    }
    let Some(mut solo) = Solo::new() else { return };
    let (a, b) = (solo.pair.a.clone(), solo.pair.b.clone());
    run(&["link", "add", "eth1", "netns", &a, "type", "veth", "peer", "name", "eth1", "netns", &b]);
    run(&["-n", &a, "link", "set", "eth1", "up"]);
    run(&["-n", &b, "link", "set", "eth1", "up"]);
    let first = Capture::start(&b, "eth0", solo.directory(), "eth0");
    let second = Capture::start(&b, "eth1", solo.directory(), "eth1");
    let lines = "use_vmac\nuse_vmac_addr\nvmac_xmit_base\ngarp_extra_if 1\ngarp_master_delay 0\ngarp_master_repeat 1";
    solo.start(&instance(51, lines, "10.9.0.21/24\n10.8.0.21/24 dev eth1"));
    solo.until("MASTER", is_master);
    std::thread::sleep(Duration::from_millis(3500));
    let own = solo.snapshot().node.links.iter().find(|l| l.name.as_str() == "eth0").and_then(|l| l.mac).unwrap();
    let adverts: Vec<_> = first.frames().into_iter().filter(|f| f.advert().is_some()).collect();
    assert!(adverts.len() > 10 && adverts.iter().all(|f| source(f) == own.0), "from the base link's address");
    for (capture, vip) in [(&first, [10, 9, 0, 21]), (&second, [10, 8, 0, 21])] {
        let announced = |f: &&Frame| f.bytes[12..14] == [8, 6] && f.bytes[28..32] == vip;
        let frames = capture.frames();
        let announced: Vec<_> = frames.iter().filter(announced).collect();
        assert!(announced.iter().all(|f| source(f) == MAC), "{vip:?}");
        let periodic = announced.windows(2).filter(|w| w[1].at - w[0].at > Duration::from_millis(800)).count();
        assert!(periodic >= 2, "{vip:?} is announced again and again: {}", announced.len());
    }
    let shown = solo.pair.ip_a("-o link show");
    assert!(shown.contains("vrrp.51@eth0") && shown.contains("vrrp1.51@eth1"), "{shown}");
    solo.stop();
    assert!(!solo.pair.ip_a("-o link show").contains("vrrp"));
}
