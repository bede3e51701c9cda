//! One engine at one end of a cable, and whatever a test needs at the other.

use crate::engine::{PROGRAM, status};
use crate::namespaces::{Pair, inside, run, wait_for};
use crate::programs::{Running, signal};
use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::status::{Instance, Snapshot};

pub(crate) struct Solo {
    engine: Option<Running>,
    /// A guard starts the engine again if it dies.
    pub(crate) guarded: bool,
    directory: tempfile::TempDir,
    pub(crate) pair: Pair,
}

impl Solo {
    pub(crate) fn new() -> Option<Self> {
        let pair = Pair::new()?;
        for namespace in [&pair.a, &pair.b] {
            run(&[
                "-n",
                namespace,
                "address",
                "add",
                &format!("2001:db8::{}/64", if *namespace == pair.a { 1 } else { 2 }),
                "dev",
                "eth0",
                "nodad",
            ]);
            wait_for("the link-local address", 5, || {
                let shown = run(&["-n", namespace, "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"]);
                shown.contains("fe80") && !shown.contains("tentative")
            });
        }
        Some(Self { engine: None, guarded: false, directory: tempfile::tempdir().unwrap(), pair })
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    fn file(&self, what: &str) -> PathBuf {
        self.directory().join(what)
    }

    /// Starts an engine with this configuration, and waits until it answers.
    pub(crate) fn start(&mut self, text: &str) {
        let (file, socket) = (self.file("keepalived.conf"), self.file("control"));
        std::fs::write(&file, format!("global_defs {{\nrouter_id solo\n}}\n{text}")).unwrap();
        let (file, at) = (file.display().to_string(), socket.display().to_string());
        let mut argv = vec![PROGRAM, "run", "--headless", "-f", &file, "--control", &at];
        if !self.guarded {
            argv.push("--no-guard");
        }
        self.engine = Some(Running::start(&self.pair.a, self.directory.path(), "engine", &argv));
        wait_for("the engine answers", 10, || status(&socket).is_some());
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) {
        let ended = self.engine.take().unwrap().stop();
        assert!(ended.success(), "{ended}");
    }

    /// SIGKILL to an engine that nobody starts again.
    pub(crate) fn kill(&mut self) {
        signal(self.engine.as_ref().unwrap().pid(), Signal::SIGKILL);
        self.engine = None;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        status(&self.file("control")).unwrap()
    }

    pub(crate) fn until(&self, what: &str, is: impl Fn(&Instance) -> bool) {
        wait_for(what, 8, || self.snapshot().instances.iter().all(&is));
    }

    pub(crate) fn nft(&self, arguments: &str) -> String {
        let argv = ["netns", "exec", &self.pair.a, "nft"];
        let output = Command::new("ip").args(argv).args(arguments.split(' ')).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether the other end gets an echo reply from an address, within half a second.
    pub(crate) fn pings(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        inside(&self.pair.b, || ping(address))
    }
}

/// An ICMP echo request, and its reply (RFC 792, RFC 4443).
fn ping(address: IpAddr) -> bool {
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut packet = [request, 0, 0, 0, 0x47, 0x11, 0, 1];
    let sum = !(u16::from(packet[0]) << 8).wrapping_add(0x4711).wrapping_add(1);
    // Over IPv6 the kernel fills it in.
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    // Connected: replies of others are not heard.
    socket.connect(&SockAddr::from(SocketAddr::new(address, 0))).unwrap();
    socket.send(&packet).unwrap();
    let end = Instant::now() + Duration::from_millis(500);
    let mut buffer = [0; 256];
    while Instant::now() < end {
        let Ok(length) = (&socket).read(&mut buffer) else { continue };
        let bytes = &buffer[..length];
        // IPv4 comes with its header.
        let icmp = if address.is_ipv4() { &bytes[20..] } else { bytes };
        if icmp[0] == reply && icmp[4..6] == [0x47, 0x11] {
            return true;
        }
    }
    false
}
