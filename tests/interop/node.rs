//! One program in one namespace with a configuration of its own, and what a test sends it by hand.

use crate::engine::{PROGRAM, events, status};
use crate::namespaces::{inside_async, run, wait_for};
use crate::programs::Running;
use crate::stage::Program;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vipdeck::net::LinkName;
use vipdeck::status::{Event, Instance, Snapshot};
use vipdeck::sys::advert_socket::AdvertSocket;
use vipdeck::wire::vrrp::{Advert, Auth, Body, Ends, encode};
use vipdeck::wire::{ipv4, vrrp};

pub(crate) struct Node {
    running: Running,
    config: PathBuf,
    socket: PathBuf,
}

impl Node {
    pub(crate) fn start(program: Program, namespace: &str, directory: &Path, name: &str, text: &str) -> Self {
        let path = |what: &str| directory.join(format!("{name}.{what}"));
        let (config, socket) = (path("conf"), path("sock"));
        std::fs::write(&config, text).unwrap();
        let text = |path: PathBuf| path.display().to_string();
        let (file, at) = (text(config.clone()), text(socket.clone()));
        let (parent, child) = (text(path("parent")), text(path("child")));
        let argv: &[&str] = match program {
            Program::Vipdeck => &[PROGRAM, "run", "--headless", "-f", &file, "--control", &at],
            Program::Keepalived => &["keepalived", "-n", "-l", "-D", "-P", "-f", &file, "-p", &parent, "-r", &child],
        };
        let running = Running::start(namespace, directory, name, argv);
        if program == Program::Vipdeck {
            wait_for("the engine answers", 10, || status(&socket).is_some());
        }
        Self { running, config, socket }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        status(&self.socket).expect("the engine answers")
    }

    /// Its only instance.
    pub(crate) fn instance(&self) -> Instance {
        self.snapshot().instances.into_iter().next().expect("an instance")
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        events(&self.socket)
    }

    /// How many events of refused adverts have these words.
    pub(crate) fn told(&self, words: &str) -> usize {
        self.events().iter().filter(|e| e.kind == "refused" && e.text.contains(words)).count()
    }

    pub(crate) fn reload(&self, text: &str) {
        std::fs::write(&self.config, text).unwrap();
        let output = Command::new(PROGRAM).args(["reload", "--at"]).arg(&self.socket).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn stop(self) {
        self.running.stop();
    }

    /// It is gone at once, as if its host were.
    pub(crate) fn kill(self) {
        kill_all(&self.running);
    }
}

/// A program and what it has started, at once: nobody starts it again.
pub(crate) fn kill_all(running: &Running) {
    let group = Pid::from_raw(i32::try_from(running.pid()).unwrap());
    killpg(group, Signal::SIGKILL).unwrap();
}

/// Whole IPv4 packets, sent from a namespace this far apart.
pub(crate) fn inject(namespace: &str, packets: &[Vec<u8>], apart: Duration) {
    inject_on("eth0", namespace, packets, apart);
}

pub(crate) fn inject_on(link: &str, namespace: &str, packets: &[Vec<u8>], apart: Duration) {
    inside_async(namespace, || async move {
        let index = nix::net::if_::if_nametoindex(link).unwrap();
        let socket = AdvertSocket::open(&LinkName::new(link).unwrap(), index, &[]).unwrap();
        for packet in packets {
            socket.send(packet).unwrap();
            tokio::time::sleep(apart).await;
        }
    });
}

/// An advert of version 3 by hand, an interval of 0.2 s, with one address.
pub(crate) fn packet(ends: (Ipv4Addr, Ipv4Addr), ttl: u8, (vrid, priority): (u8, u8), vip: Ipv4Addr) -> Vec<u8> {
    of_version(Body::V3 { interval: 20 }, ends, ttl, (vrid, priority), vip)
}

/// The same of version 2, an interval of a second.
pub(crate) fn packet_v2(ends: (Ipv4Addr, Ipv4Addr), (vrid, priority): (u8, u8), vip: Ipv4Addr) -> Vec<u8> {
    of_version(Body::V2 { interval: 1, auth: Auth::None }, ends, 255, (vrid, priority), vip)
}

fn of_version(
    body: Body,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    ttl: u8,
    (vrid, priority): (u8, u8),
    vip: Ipv4Addr,
) -> Vec<u8> {
    let advert = Advert { vrid, priority, body, addresses: vec![vip.into()] };
    let payload = encode(&advert, Ends::new(source.into(), destination.into()));
    ipv4::encode(&ipv4::Header::advert(source, destination, ttl), &payload).unwrap()
}

/// The IPv4 header and the VRRP payload of a frame; none: it is something else.
pub(crate) fn payload(frame: &[u8]) -> Option<(ipv4::Header, Vec<u8>)> {
    let packet = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
    let (header, payload) = ipv4::decode(packet).ok()?;
    (header.protocol == vrrp::PROTOCOL).then(|| (header, payload.to_vec()))
}

/// Whether a namespace has an address on eth0.
pub(crate) fn has(namespace: &str, address: impl Into<IpAddr>) -> bool {
    let shown = run(&["-n", namespace, "-o", "address", "show", "dev", "eth0"]);
    shown.contains(&format!(" {}/", address.into()))
}
