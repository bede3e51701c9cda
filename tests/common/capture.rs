//! What was on the wire, with the kernel's timestamps.

use crate::namespaces::wait_for;
use crate::programs::Running;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vipdeck::wire::vrrp::Ends;
use vipdeck::wire::{ipv4, vrrp};

/// tcpdump(8) on one link of one namespace.
pub(crate) struct Capture {
    tcpdump: Running,
    file: PathBuf,
}

/// One frame. Instants are on the wall clock, since 1970.
pub(crate) struct Frame {
    pub(crate) at: Duration,
    pub(crate) bytes: Vec<u8>,
}

impl Frame {
    /// The VRRP advert in it, with its sender.
    pub(crate) fn advert(&self) -> Option<(std::net::Ipv4Addr, vrrp::Advert)> {
        let packet = self.bytes.get(14..).filter(|_| self.bytes[12..14] == [8, 0])?;
        let (header, payload) = ipv4::decode(packet).ok()?;
        (header.protocol == vrrp::PROTOCOL).then(|| {
            (header.source, vrrp::decode(payload, Ends::new(header.source.into(), header.destination.into())).unwrap())
        })
    }
}

impl Capture {
    pub(crate) fn start(namespace: &str, link: &str, directory: &Path, name: &str) -> Self {
        Self::of(namespace, link, directory, name, "ip proto 112 or arp")
    }

    /// Of what a filter (pcap-filter(7)) lets through.
    pub(crate) fn of(namespace: &str, link: &str, directory: &Path, name: &str, filter: &str) -> Self {
        let file = directory.join(format!("{name}.pcap"));
        let path = file.display().to_string();
        // Nothing is held back: neither by the kernel nor by tcpdump.
        let argv = ["tcpdump", "-B", "32768", "-i", link, "-w", &path, "-U", "--immediate-mode", "-Z", "root", filter];
        Self::run(namespace, directory, name, &argv, file)
    }

    /// Of many adverts: they come in blocks, up to a second late, and none is lost.
    pub(crate) fn bulk(namespace: &str, link: &str, directory: &Path, name: &str) -> Self {
        let file = directory.join(format!("{name}.pcap"));
        let path = file.display().to_string();
        let argv = ["tcpdump", "-i", link, "-w", &path, "-U", "-s", "512", "-B", "16384", "-Z", "root", "ip proto 112"];
        Self::run(namespace, directory, name, &argv, file)
    }

    fn run(namespace: &str, directory: &Path, name: &str, argv: &[&str], file: PathBuf) -> Self {
        let tcpdump = Running::start(namespace, directory, &format!("tcpdump-{name}"), argv);
        wait_for("tcpdump listens", 10, || tcpdump.said().contains("listening on"));
        Self { tcpdump, file }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// What has been captured so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let bytes = std::fs::read(&self.file).unwrap();
        let Some((header, mut rest)) = bytes.split_at_checked(24) else { return Vec::new() };
        assert_eq!(header[..4], 0xa1b2_c3d4_u32.to_ne_bytes(), "a pcap file with microseconds");
        let mut frames = Vec::new();
        while let Some((record, after)) = rest.split_at_checked(16) {
            let word = |i: usize| u32::from_ne_bytes(record[i * 4..i * 4 + 4].try_into().unwrap());
            // The last one may not be whole yet.
            let Some((frame, after)) = after.split_at_checked(word(2) as usize) else { break };
            let at = Duration::new(u64::from(word(0)), word(1) * 1000);
            frames.push(Frame { at, bytes: frame.to_vec() });
            rest = after;
        }
        frames
    }

    /// The adverts of one sender so far: when, and with what priority.
    pub(crate) fn adverts_of(&self, source: std::net::Ipv4Addr) -> Vec<(Duration, u8)> {
        let adverts = self.frames().into_iter().filter_map(|f| f.advert().map(|(from, advert)| (f.at, from, advert)));
        adverts.filter(|(_, from, _)| *from == source).map(|(at, _, advert)| (at, advert.priority)).collect()
    }

    /// Ends it; the file is whole then.
    pub(crate) fn stop(self) -> PathBuf {
        self.tcpdump.stop();
        self.file
    }
}

/// The wall clock, as in a capture.
pub(crate) fn wall() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}
