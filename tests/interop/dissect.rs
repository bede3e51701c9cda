//! Adverts as tshark(1) reads them, and ours beside keepalived's, field by field.

use crate::able;
use crate::capture::Capture;
use crate::engine::is_master;
use crate::namespaces::wait_for;
use crate::stage::{ADDRESSES, Program, Stage};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What is looked at, and what it must be; `None`: looked at by the caller.
const FIELDS: [(&str, Option<&str>); 20] = [
    ("eth.dst", Some("01:00:5e:00:00:12")),
    ("ip.src", None),
    ("ip.dst", Some("224.0.0.18")),
    ("ip.hdr_len", Some("20")),
    ("ip.dsfield", Some("0xc0")),
    ("ip.flags", Some("0x00")),
    ("ip.frag_offset", Some("0")),
    ("ip.ttl", Some("255")),
    ("ip.proto", Some("112")),
    ("ip.checksum.status", Some("1")),
    ("vrrp.version", Some("2")),
    ("vrrp.type", Some("1")),
    ("vrrp.virt_rtr_id", Some("51")),
    ("vrrp.prio", None),
    ("vrrp.addr_count", Some("1")),
    ("vrrp.auth_type", Some("1")),
    ("vrrp.adver_int", Some("1")),
    ("vrrp.checksum.status", Some("1")),
    ("vrrp.ip_addr", Some("192.168.10.20")),
    ("vrrp.auth_string", Some("vipdeck1")),
];

/// Every advert in the file is what RFC 3768 and the configuration say, whoever sent it.
pub(crate) fn all_are_sound(file: &Path, priorities: [u8; 2]) {
    let adverts = tshark(file, "vrrp", &FIELDS.map(|(name, _)| name));
    assert!(adverts.len() > 20, "only {} adverts", adverts.len());
    let mut senders = [0; 2];
    for advert in &adverts {
        for (name, expected) in FIELDS {
            if let Some(expected) = expected {
                assert_eq!(advert[name], expected, "{name} in {advert:#?}");
            }
        }
        let source: std::net::Ipv4Addr = advert["ip.src"].parse().unwrap();
        let sender = ADDRESSES.iter().position(|a| *a == source).expect("one of the two");
        let priority: u8 = advert["vrrp.prio"].parse().unwrap();
        let own = priorities[sender];
        assert!([0, own - 20, own].contains(&priority), "{advert:#?}");
        senders[sender] += 1;
    }
    assert!(senders.iter().all(|n| *n > 3), "{senders:?}");
    let wrong =
        "_ws.malformed || vrrp.checksum_bad.expert || ip.checksum_bad.expert || _ws.expert.severity >= 0x600000";
    assert_eq!(tshark(file, wrong, &["frame.number", "_ws.expert.message"]), [], "malformed frames");
}

#[test]
fn adverts_and_announcements_are_those_of_keepalived() {
    if !able() {
        return;
    }
    let Some(ours) = alone_on_the_wire(Program::Vipdeck) else { return };
    let theirs = alone_on_the_wire(Program::Keepalived).unwrap();
    assert_eq!(ours, theirs);
    eprintln!("the same from both: {ours:#?}");
}

/// What one program sends as the only router: its adverts with their whole payload, and its ARP.
fn alone_on_the_wire(program: Program) -> Option<[BTreeMap<String, Vec<String>>; 2]> {
    let mut stage = Stage::new([program, program.other()])?;
    let capture = Capture::start(stage.switch(), "br0", stage.directory(), "switch");
    stage.start(0);
    wait_for("five adverts", 15, || capture.adverts_of(ADDRESSES[0]).len() >= 5);
    if program == Program::Vipdeck {
        assert!(is_master(stage.snapshot(0).instance("VI_1").unwrap()));
    }
    // The second set of announcements comes five seconds after the first.
    wait_for("both sets of announcements", 15, || arp(capture.file()).len() >= 10);
    stage.stop(0);
    let file = capture.stop();
    let adverts = Command::new("tshark")
        .args(["-r", &file.display().to_string(), "-Y", "vrrp", "-o", "ip.check_checksum:TRUE", "-T", "pdml"])
        .output()
        .unwrap();
    assert!(adverts.status.success());
    let announcements = arp(&file).into_iter().map(|a| format!("{a:?}")).collect::<Vec<_>>();
    assert_eq!(announcements.len(), 10, "{announcements:#?}");
    let mut kinds = announcements.clone();
    kinds.dedup();
    Some([fields(&String::from_utf8(adverts.stdout).unwrap()), BTreeMap::from([("arp".to_owned(), kinds)])])
}

fn arp(file: &Path) -> Vec<BTreeMap<String, String>> {
    let fields = ["eth.dst", "arp.opcode", "arp.src.proto_ipv4", "arp.dst.proto_ipv4", "arp.dst.hw_mac"];
    // What asks for other owners of an address (RFC 5227) announces nothing.
    tshark(file, "arp && arp.src.proto_ipv4 != 0.0.0.0", &fields)
}

/// Every field of the adverts and all values it had, but those that say when and by which interface.
fn fields(pdml: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in pdml.lines() {
        let attribute =
            |name: &str| line.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let (Some(name), Some(show)) = (attribute("name"), attribute("show")) else { continue };
        let is_compared = ["ip.", "vrrp."].iter().any(|p| name.starts_with(p));
        // The identification counts packets, and the header's checksum with it.
        if is_compared && !["ip.id", "ip.checksum", "ip.checksum_calculated"].contains(&name) {
            let values = all.entry(name.to_owned()).or_default();
            if !values.contains(&show.to_owned()) {
                values.push(show.to_owned());
            }
        }
    }
    all
}

/// The chosen fields of each frame that the filter lets through.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<BTreeMap<String, String>> {
    let mut command = Command::new("tshark");
    command.args(["-r", &file.display().to_string(), "-o", "ip.check_checksum:TRUE", "-Y", filter]);
    // A VIP that moves is at two hardware addresses, one after the other.
    command.args(["-o", "arp.detect_duplicate_ips:FALSE", "-T", "fields", "-E", "separator=|"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    // It complains of a file that is still being written, and prints what is there.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("cut short"), "tshark: {said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| fields.iter().map(|f| (*f).to_owned()).zip(line.split('|').map(str::to_owned)).collect();
    lines.lines().map(row).collect()
}
