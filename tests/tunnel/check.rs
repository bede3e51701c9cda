//! A client, a director that sends packets in packets (`ipvsadm --ipip`), and a real server that
//! `vipdeck real-server up --tunnel` prepares: requests go through, `verify` finds each thing that is wrong, and
//! `down` leaves everything as it was.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vipdeck::sys::{netns, sysctl};

const CLIENT: &str = "tun-c";
const DIRECTOR: &str = "tun-d";
const REAL: &str = "tun-r";
const V4: &str = "10.9.0.20:80";
const V6: &str = "[2001:db8:9::20]:80";
const ASK: [&str; 2] = [
    "verify --tunnel --vip 10.9.0.20:80 --real 10.9.0.3",
    "verify --tunnel --vip [2001:db8:9::20]:80 --real 2001:db8:9::3",
];

pub(crate) fn a_client_is_served_through_a_tunnel() {
    let _stage = Stage::new();
    let before = everything();
    for ask in ASK {
        assert_eq!(findings(ask).1, ["no-tunnel"]);
    }
    assert!(asked(V4).is_none(), "not before");

    let dry = good("up --tunnel --vip 10.9.0.20 --vip 2001:db8:9::20 --dry-run");
    assert!(dry.contains("would bring tunl0 up") && dry.contains("would add 10.9.0.20/32 to tunl0"), "{dry}");
    same(&before, &everything());
    // Strict, as many distributions have it: without our setting the kernel drops what comes out of the tunnel.
    set("net/ipv4/conf/all/rp_filter", "1");
    let before = everything();
    let done = good("up --tunnel --vip 10.9.0.20 --vip 2001:db8:9::20");
    assert!(done.contains("set net.ipv4.conf.tunl0.rp_filter to 2"), "{done}");
    assert!(done.contains("note: of a packet of 1500 bytes the tunnel takes 20: "), "{done}");
    assert_eq!(asked(V4).as_deref(), Some("from 10.9.0.1"));
    assert_eq!(asked(V6).as_deref(), Some("from 2001:db8:9::1"));
    good("status");
    for ask in ASK {
        assert_eq!(findings(ask), (0, vec![]), "{ask}");
    }
    each_thing_that_is_wrong();
    good("down");
    same(&before, &everything());
    assert!(asked(V4).is_none() && asked(V6).is_none(), "not any more");
}

fn each_thing_that_is_wrong() {
    set("net/ipv4/conf/tunl0/rp_filter", "1");
    assert_eq!(findings(ASK[0]), (1, vec!["tunnel-drops".into()]));
    assert!(asked(V4).is_none(), "it is as the finding says");
    let (code, status) = real_server(REAL, "status");
    assert!(code == 1 && status.contains("wrong: net.ipv4.conf.tunl0.rp_filter is 1"), "{status}");
    good("up --tunnel --vip 10.9.0.20");
    // Another address keeps the tunnel open.
    ip(&format!("-n {REAL} address add 10.9.0.99/32 dev tunl0"));
    ip(&format!("-n {REAL} address delete 10.9.0.20/32 dev tunl0"));
    assert_eq!(findings(ASK[0]), (1, vec!["no-address".into()]));
    ip(&format!("-n {REAL} address delete 2001:db8:9::20/128 dev ip6tnl0"));
    assert_eq!(findings(ASK[1]), (1, vec!["no-address".into()]));
    good("up --tunnel --vip 10.9.0.20 --vip 2001:db8:9::20");
    ip(&format!("-n {REAL} address delete 10.9.0.99/32 dev tunl0"));
    assert_eq!(findings(&ASK[0].replace(":80 ", ":81 ")), (1, vec!["nothing-listens".into()]));
    // A director whose packets come from the VIP itself, as a /128 that is not deprecated makes them.
    ip(&format!("-n {DIRECTOR} address change 2001:db8:9::20/128 dev eth0 preferred_lft forever"));
    assert_eq!(findings(ASK[1]), (1, vec!["leaves-from-vip".into()]));
    add_again(V6, "[2001:db8:9::3]:80");
    assert!(asked(V6).is_none(), "it is as the finding says");
    ip(&format!("-n {DIRECTOR} address change 2001:db8:9::20/128 dev eth0 preferred_lft 0"));
    add_again(V6, "[2001:db8:9::3]:80");
    assert_eq!(findings(ASK[1]), (0, vec![]));
}

/// The kernel keeps the way to a real server that it has, with the address it leaves from.
fn add_again(vip: &str, real: &str) {
    ip(&format!("netns exec {DIRECTOR} ipvsadm -d -t {vip} -r {real}"));
    ip(&format!("netns exec {DIRECTOR} ipvsadm -a -t {vip} -r {real} -i"));
}

/// Three machines on a bridge; the bridge is where the check runs.
struct Stage;

impl Stage {
    fn new() -> Self {
        ip("link add br0 type bridge mcast_snooping 0");
        ip("link set br0 up");
        for (number, name) in [(1, CLIENT), (2, DIRECTOR), (3, REAL)] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("link add v{name} type veth peer name eth0 netns {name}"));
            ip(&format!("link set v{name} master br0 up"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} address add 10.9.0.{number}/24 dev eth0"));
            ip(&format!("-n {name} address add 2001:db8:9::{number}/64 dev eth0 nodad"));
        }
        ip(&format!("-n {DIRECTOR} address add 10.9.0.20/32 dev eth0"));
        ip(&format!("-n {DIRECTOR} address add 2001:db8:9::20/128 dev eth0 nodad preferred_lft 0"));
        for (vip, real) in [(V4, "10.9.0.3:80"), (V6, "[2001:db8:9::3]:80")] {
            for arguments in [format!("-A -t {vip} -s rr"), format!("-a -t {vip} -r {real} -i")] {
                let all = format!("netns exec {DIRECTOR} ipvsadm {arguments}");
                ip(&all);
            }
        }
        let listener = within(REAL, || TcpListener::bind("[::]:80").unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let from = stream.peer_addr().unwrap().ip().to_canonical();
                let _ = stream.write_all(format!("from {from}").as_bytes());
            }
        });
        // As on a machine where they have been up before: the kernel keeps some traces of that.
        for tunnel in ["tunl0", "ip6tnl0"] {
            ip(&format!("-n {REAL} link set {tunnel} up"));
            ip(&format!("-n {REAL} link set {tunnel} down"));
        }
        // Their link-local addresses are settled then.
        std::thread::sleep(Duration::from_secs(2));
        Self
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for name in [CLIENT, DIRECTOR, REAL] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// What a client of the VIP gets.
fn asked(vip: &str) -> Option<String> {
    let address: SocketAddr = vip.parse().unwrap();
    within(CLIENT, || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })
}

fn findings(arguments: &str) -> (i32, Vec<String>) {
    let (code, text) = real_server(DIRECTOR, &format!("{arguments} --json"));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let found = report["real_servers"][0]["findings"].as_array().unwrap();
    (code, found.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect())
}

fn real_server(namespace: &str, arguments: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vipdeck"))
        .args(["--netns", namespace, "real-server"])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap(), text)
}

fn good(arguments: &str) -> String {
    let (code, text) = real_server(REAL, arguments);
    assert_eq!(code, 0, "{arguments}: {text}");
    text
}

fn set(key: &str, value: &str) {
    within(REAL, || sysctl::write(&sysctl::Key::new(key), value).unwrap());
}

/// Fails with the lines that differ.
fn same(before: &str, after: &str) {
    let only = |these: &str, those: &str| -> Vec<String> {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    let (gone, new) = (only(before, after), only(after, before));
    assert!(before == after, "gone: {gone:#?}, new: {new:#?}");
}

/// Every address, route and setting of the real server.
fn everything() -> String {
    let mut all = String::new();
    for arguments in ["address show", "route show table all", "-6 route show table all"] {
        all.push_str(&ip(&format!("-n {REAL} {arguments}")));
    }
    within(REAL, || {
        for family in ["ipv4", "ipv6"] {
            walk(Path::new(&format!("/proc/sys/net/{family}/conf")), &mut all);
        }
    });
    all
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

fn within<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    netns::inside(namespace, || Ok(work())).unwrap()
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "ip {arguments}: {text}");
    text
}
