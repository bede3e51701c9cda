//! The other tool's view of the table.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::process::Command;
use vipdeck::kernel::{Checksum, Forwarding, ObservedTable, Persistence, Protocol, ServiceKey, Tunnel};
use vipdeck::net::Family;

pub(crate) fn ipvsadm(arguments: &str) -> String {
    let output = Command::new("ipvsadm").args(arguments.split(' ')).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "ipvsadm {arguments}: {text}");
    text
}

/// `ipvsadm -Sn`, sorted.
pub(crate) fn saved() -> Vec<String> {
    let mut lines: Vec<_> = ipvsadm("-Sn").lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

/// The table as `ipvsadm -Sn` would print it, sorted.
pub(crate) fn as_saved(table: &ObservedTable) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, service) in &table.services {
        let of = named(key);
        let mut line = format!("-A {of} -s {}", service.scheduler);
        if let Some(persistence) = &service.persistence {
            persistent(&mut line, key.family(), persistence);
        }
        if service.one_packet {
            line += " -o";
        }
        if service.flags.any() {
            write!(line, " -b {}", service.flags.names(&service.scheduler)).unwrap();
        }
        lines.push(line);
        for (to, destination) in &service.destinations {
            let method = destination.forwarding.map_or("-?".into(), method);
            let (how, tunnel) = method.split_once(' ').unwrap_or((&method, ""));
            lines.push(format!("-a {of} -r {to} {how} -w {} {tunnel}", destination.weight).trim_end().to_owned());
        }
    }
    lines.sort();
    lines
}

fn named(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol: Protocol::Tcp, address } => format!("-t {address}"),
        ServiceKey::Address { protocol: Protocol::Udp, address } => format!("-u {address}"),
        ServiceKey::Address { protocol: Protocol::Sctp, address } => format!("--sctp-service {address}"),
        ServiceKey::Mark { mark, family: Family::V4 } => format!("-f {mark}"),
        ServiceKey::Mark { mark, family: Family::V6 } => format!("-f {mark} -6"),
    }
}

fn persistent(line: &mut String, family: Family, persistence: &Persistence) {
    write!(line, " -p {}", persistence.timeout).unwrap();
    let granularity = persistence.granularity;
    match family {
        _ if granularity == family.bits() => {}
        Family::V4 => {
            write!(line, " -M {}", Ipv4Addr::from_bits(u32::MAX << (32 - granularity))).unwrap();
        }
        Family::V6 => write!(line, " -M {granularity}").unwrap(),
    }
    if let Some(engine) = &persistence.engine {
        write!(line, " --pe {engine}").unwrap();
    }
}

fn method(forwarding: Forwarding) -> String {
    let sum = |checksum| match checksum {
        Checksum::No => "--tun-nocsum",
        Checksum::Yes => "--tun-csum",
        Checksum::Remote => "--tun-remcsum",
    };
    match forwarding {
        Forwarding::Nat => "-m".into(),
        Forwarding::Dr => "-g".into(),
        Forwarding::Tun(Tunnel::Ipip) => "-i --tun-type ipip".into(),
        Forwarding::Tun(Tunnel::Gue { port, checksum }) => {
            format!("-i --tun-type gue --tun-port {port} {}", sum(checksum))
        }
        Forwarding::Tun(Tunnel::Gre { checksum }) => format!("-i --tun-type gre {}", sum(checksum)),
    }
}
