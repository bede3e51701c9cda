//! Which VIPs, and which real servers, a keepalived.conf has: of its services with `lb_kind` DR or TUN.

use super::verify::{Port, Target};
use super::vip::{Method, Vips, checked};
use crate::conf::{self, Config, Entry, EntryKind, Environment, Loader, Program, Severity};
use crate::kernel::{Forwarding, ServiceKey, Tunnel};
use crate::lvs::ServiceSpec;
use crate::sys::files::{self, Files};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Reads the file; one with errors is refused.
pub(super) fn read(path: &Path) -> anyhow::Result<Config> {
    let environment: Environment = files::environment(None, false);
    let read = conf::read(path, &Elsewhere, &environment, conf::Sources::default());
    let mut errors = read.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    if let Some(first) = errors.next() {
        let place = first.span().map_or(String::new(), |span| {
            let at = read.sources.position(span.source, span.start);
            format!(", line {}", at.line)
        });
        let more = match errors.count() {
            0 => String::new(),
            n => format!(", and {n} more errors"),
        };
        anyhow::bail!("{}{place}: {}{more}; `vipdeck check` shows all, with what to do", path.display(), first.message);
    }
    Ok(read.config)
}

/// What a file has of them.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Every real server, and every sorry server, of every such service.
    pub(super) targets: Vec<Target>,
    /// What has no VIP in the file, or needs what is not prepared here.
    pub(super) notes: Vec<String>,
}

/// The VIPs of services with one of `own` among their real servers; with none, of all. One that comes in both ways is
/// one of a tunnel: there it takes both.
pub(super) fn vips(found: &Found, own: Option<&BTreeSet<IpAddr>>, path: &Path) -> anyhow::Result<Vips> {
    let mine = found.targets.iter().filter(|target| own.is_none_or(|own| own.contains(&target.real)));
    let mut vips = Vips::new();
    for target in mine {
        let method = vips.entry(checked(target.vip)?).or_insert(target.method);
        *method = (*method).max(target.method);
    }
    if vips.is_empty() {
        let reals: BTreeSet<_> = found.targets.iter().map(|target| target.real.to_string()).collect();
        let named = reals.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        anyhow::bail!(
            "no real_server of {} is an address of this machine (it names {named}{}): run this on one of them, or take \
             the VIPs of all services with --all",
            path.display(),
            if reals.len() > 8 { ", …" } else { "" }
        );
    }
    Ok(vips)
}

/// What the file has; an error if that is nothing.
pub(super) fn found(config: &Config, path: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for service in &config.services {
        let reals = service.reals.iter().map(|real| (real.key.ip(), real.forwarding));
        let sorry = service.sorry.iter().map(|sorry| (sorry.key.ip(), sorry.forwarding));
        for (real, forwarding) in reals.chain(sorry) {
            found.add(service, real, forwarding);
        }
    }
    found.notes.sort();
    found.notes.dedup();
    let why = found.notes.first().map_or(String::new(), |note| format!(" ({note})"));
    anyhow::ensure!(
        !found.targets.is_empty(),
        "{} has no virtual_server with a real_server by DR or TUN{why}: only those need a real server prepared",
        path.display()
    );
    Ok(found)
}

impl Found {
    fn add(&mut self, service: &ServiceSpec, real: IpAddr, forwarding: Forwarding) {
        let method = match forwarding {
            Forwarding::Dr => Method::Direct,
            Forwarding::Tun(Tunnel::Ipip) => Method::Tunnel,
            Forwarding::Tun(_) => {
                let what = "gets packets in another tunnel than IP in IP, which `real-server` does not prepare";
                return self.notes.push(format!("{real} of {} {what}", service.key));
            }
            Forwarding::Nat => return,
        };
        for entry in service.entries() {
            match entry {
                ServiceKey::Address { protocol, address } => {
                    let port = Some(Port { protocol: *protocol, number: address.port() });
                    let port = port.filter(|port| port.number != 0);
                    self.targets.push(Target { vip: address.ip(), port, real, method });
                }
                ServiceKey::Mark { mark, .. } => {
                    self.notes.push(format!("fwmark {mark} names no address: name its VIPs yourself, with --vip"));
                }
            }
        }
    }
}

/// The files of this machine for a configuration of another one, whose links and programs are not here.
struct Elsewhere;

impl Loader for Elsewhere {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Files.read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        Files.list(directory)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        Files.kind(path)
    }

    fn has_link(&self, _name: &str) -> Option<bool> {
        None
    }

    fn is_private(&self, _path: &Path) -> Option<bool> {
        None
    }

    fn program(&self, _name: &str) -> Option<Program> {
        None
    }
}
