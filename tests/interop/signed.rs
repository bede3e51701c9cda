//! Signed adverts (`auth_hmac`) between two vipdecks on real packets, for no keepalived of Debian has them: openssl reckons
//! the signatures again, keys are replaced one by one, and a captured advert is good for nothing.

use crate::able;
use crate::capture::Capture;
use crate::namespaces::{Pair, run, wait_for};
use crate::node::{Node, has, inject, payload};
use crate::stage::Program;
use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vipdeck::status::{Role, Severity};

const FIRST: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND: &str = "key 2 another-key-of-forty-bytes-for-this-test";
/// In hexadecimal digits, by number.
const DIGITS: [&str; 2] = [
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "616e6f746865722d6b65792d6f662d666f7274792d62797465732d666f722d746869732d74657374",
];
/// The standby's master-down time: three adverts of 0.2 s and 156/256 of one.
const DOWN: Duration = Duration::from_millis(722);

// parity-alone: 30
#[test]
fn signed_adverts_outlive_new_keys_and_no_captured_one_counts() {
    if !able() {
        return;
    }
    if !crate::programs::has(&["openssl"]) {
        return;
    }
    std::thread::scope(|scope| {
        let families = ["10.9.0.20", "2001:db8::20"].map(|vip| scope.spawn(move || journey(vip)));
        for family in families {
            family.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

fn text(priority: u8, vip: &str, keys: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nversion 3\nadvert_int 0.2\n\
         auth_hmac {{\n{keys}\n}}\nvirtual_ipaddress {{\n{vip}\n}}\n}}\n"
    )
}

fn journey(vip: &str) {
    let Some(pair) = Pair::new() else { return };
    let address: IpAddr = vip.parse().unwrap();
    for namespace in [&pair.a, &pair.b] {
        let addresses = || run(&["-n", namespace, "-6", "-o", "address", "show", "dev", "eth0"]);
        wait_for("the link-local address", 5, || addresses().contains("fe80") && !addresses().contains("tentative"));
    }
    let directory = tempfile::tempdir().unwrap();
    let filter = "ip proto 112 or (ip6 and ip6[6] = 112)";
    let capture = Capture::of(&pair.b, "eth0", directory.path(), "signed", filter);
    let start = |namespace, name, priority| {
        Node::start(Program::Vipdeck, namespace, directory.path(), name, &text(priority, vip, FIRST))
    };
    let (a, b) = (start(&pair.a, "a", 150), start(&pair.b, "b", 100));
    wait_for("the preferred one takes it", 10, || has(&pair.a, address) && !has(&pair.b, address));
    wait_for("the other one hears it", 5, || b.instance().adverts_heard > 2);
    let before = [&a, &b].map(|node| node.instance().transitions_total);

    // The key is replaced without a moment in which one node refuses the other.
    let both = format!("{FIRST}\n{SECOND}");
    for keys in [format!("{both}\nactive_key 1"), format!("{both}\nactive_key 2"), SECOND.to_owned()] {
        for (node, priority) in [(&b, 100), (&a, 150)] {
            node.reload(&text(priority, vip, &keys));
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    let after = [&a, &b].map(Node::instance);
    assert_eq!(after.each_ref().map(|i| i.transitions_total), before, "no change of state");
    assert_eq!(after[1].adverts_refused, 0, "{:#?}", after[1]);
    assert!(after[1].adverts_heard > 10);
    let frames: Vec<Vec<u8>> = capture.frames().into_iter().map(|f| f.bytes).collect();
    let keys: Vec<u8> = frames.iter().map(|frame| key_that_signs(frame)).collect();
    assert!(keys.is_sorted() && keys.contains(&1) && keys.contains(&2), "{keys:?}");

    match address {
        // By hand, an IPv4 packet is easily sent as it was captured.
        IpAddr::V4(_) => replays_count_for_nothing(&pair, a, &b, &frames),
        IpAddr::V6(_) => {
            a.stop();
            wait_for("the other one takes it", 3, || has(&pair.b, address));
        }
    }
}

/// Whoever repeats adverts of the dead master does not keep the standby from taking over.
fn replays_count_for_nothing(pair: &Pair, a: Node, b: &Node, frames: &[Vec<u8>]) {
    let last = frames.last().unwrap()[14..].to_vec();
    inject(&pair.a, &vec![last.clone(); 5], Duration::from_millis(10));
    let counted = || b.instance().packets.auth_ext_replay;
    wait_for("the replays are counted", 3, || counted() == 5);
    assert_eq!(b.told("somebody repeats it"), 1, "one line for one cause");
    let snapshot = b.snapshot();
    let finding = snapshot.findings.iter().find(|f| f.kind == "hmac-replayed").expect("a finding");
    assert!(finding.severity >= Severity::Warning && finding.count == 5, "{finding:?}");
    a.kill();
    // What was heard is remembered over a reload.
    b.reload(&text(100, "10.9.0.20", &format!("{SECOND}\nmode enforce")));
    let from = Instant::now();
    inject(&pair.a, &vec![last; 30], Duration::from_millis(50));
    assert!(from.elapsed() > DOWN, "the replays lasted");
    let instance = b.instance();
    assert_eq!(instance.state, Role::Master, "{instance:#?}");
    assert_eq!(instance.packets.auth_ext_replay, 35, "{instance:#?}");
}

/// Reckons the signature of a captured advert with openssl, and says with which key it is signed.
fn key_that_signs(frame: &[u8]) -> u8 {
    let (source, message) = match payload(frame) {
        Some((header, payload)) => ([&header.source.octets()[..], &[0; 12]].concat(), payload),
        None => (frame[22..38].to_vec(), frame[54..].to_vec()),
    };
    let family = if frame[12..14] == [8, 0] { 4 } else { 6 };
    assert_eq!((message[0], message[1]), (0x31, 51), "an advert of version 3");
    let (advert, trailer) = message.split_at(message.len() - 28);
    let mut covered = vec![family, 3, 51, 0];
    covered.extend(source);
    covered.extend(&advert[..6]);
    covered.extend([0, 0]);
    covered.extend(&advert[8..]);
    covered.extend(&trailer[..12]);
    covered.extend([0; 16]);
    let key = trailer[1];
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{}", DIGITS[usize::from(key) - 1])])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(&covered).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let digest = said.trim().rsplit(' ').next().unwrap().as_bytes();
    let digits = digest.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    assert_eq!(digits.take(16).collect::<Vec<_>>(), trailer[12..], "openssl: {said}");
    key
}
