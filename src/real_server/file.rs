//! Which VIPs, and which real servers, a keepalived.conf has: of its services with `lb_kind` DR or TUN.

use super::verify::{Port, Target};
use super::vip::{Method, Vips, checked};
use crate::conf::{self, Config, Entry, EntryKind, Environment, Loader, Program, Severity};
use crate::kernel::Forwarding;
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

/// The VIPs of services with one of `own` among their real servers; with none, of all. One that comes in both ways is
/// one of a tunnel: there it takes both.
pub(super) fn vips(config: &Config, own: Option<&BTreeSet<IpAddr>>, path: &Path) -> anyhow::Result<Vips> {
    let targets = targets(config);
    anyhow::ensure!(
        !targets.is_empty(),
        "{} has no virtual_server with a real_server by DR or TUN: only those need a real server prepared",
        path.display()
    );
    let mine = targets.iter().filter(|target| own.is_none_or(|own| own.contains(&target.real)));
    let mut vips = Vips::new();
    for target in mine {
        let method = vips.entry(checked(target.vip)?).or_insert(target.method);
        *method = (*method).max(target.method);
    }
    if vips.is_empty() {
        let reals: BTreeSet<_> = targets.iter().map(|target| target.real.to_string()).collect();
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

/// Every real server of every such service.
pub(super) fn targets(config: &Config) -> Vec<Target> {
    let mut targets = Vec::new();
    for service in &config.services {
        for real in &service.reals {
            let method = match real.forwarding {
                Forwarding::Dr => Method::Direct,
                Forwarding::Nat => continue,
            };
            let (vip, port) = (service.key.address.ip(), service.key.address.port());
            let port = Some(Port { protocol: service.key.protocol, number: port }).filter(|port| port.number != 0);
            targets.push(Target { vip, port, real: real.key.ip(), method });
        }
    }
    targets
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
