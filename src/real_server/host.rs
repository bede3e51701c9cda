//! This machine: look at it, take a step, keep the memory.

use super::memory::Memory;
use super::plan::{Observed, ObservedSetting, SETTINGS, Seen, Step};
use super::vip::{Device, bits};
use crate::kernel::{Address, Link};
use crate::net::{IpNet, LinkName};
use crate::sys::netlink::{HostRoute, Netlink};
use crate::sys::sysctl::{Key, SysctlError};
use crate::sys::{netns, state_file, sysctl};
use anyhow::Context;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// Gone after a restart, as the addresses and the settings are.
const DIRECTORY: &str = "/run/vipdeck";

#[derive(Debug)]
pub(super) struct Host {
    netlink: Netlink,
    lo: LinkName,
    memory_file: PathBuf,
}

impl Host {
    /// The network namespace of this thread. Needs a tokio runtime.
    pub(super) fn open() -> anyhow::Result<Self> {
        let netlink = Netlink::requests_only().context("open a netlink socket")?;
        let namespace = netns::inode().context("look up the network namespace")?;
        let memory_file = Path::new(DIRECTORY).join(format!("real-server-{namespace}.json"));
        Ok(Self { netlink, lo: LinkName::new("lo")?, memory_file })
    }

    pub(super) async fn observe(&self) -> anyhow::Result<Observed> {
        let links = self.netlink.links().await?;
        anyhow::ensure!(links.iter().any(|link| link.name == self.lo), "this namespace has no lo");
        let mut observed = Observed {
            routes: self.netlink.host_routes(&self.lo).await?.into_iter().collect(),
            settings: SETTINGS
                .into_iter()
                .map(|setting| Ok(ObservedSetting { setting, value: optional(setting.path)? }))
                .collect::<Result<_, SysctlError>>()?,
            ..Observed::default()
        };
        for link in &links {
            match Device::ALL.into_iter().find(|device| device.name() == link.name.as_str()) {
                Some(device) => {
                    observed.links.insert(device, seen(link));
                    observed.loopback |= link.addresses.keys().any(|net| net.addr() == Ipv4Addr::LOCALHOST);
                }
                None => elsewhere(link, &mut observed)?,
            }
        }
        Ok(observed)
    }

    /// Every address of this machine.
    pub(super) async fn links(&self) -> anyhow::Result<Vec<Link>> {
        Ok(self.netlink.links().await?)
    }

    pub(super) async fn take(&self, step: &Step) -> anyhow::Result<()> {
        let route = |to: &Ipv4Addr| HostRoute { to: *to, link: self.lo.clone() };
        match step {
            Step::Make(device) => self.make(*device).await?,
            Step::Remove(device) => drop(self.netlink.remove_tunnel(&link(*device)?).await?),
            Step::Raise(device) => drop(self.netlink.set_up(&link(*device)?).await?),
            Step::Lower(device) => drop(self.netlink.set_down(&link(*device)?).await?),
            Step::Set { setting, value, .. } => sysctl::write(&Key::new(setting.path), value)?,
            Step::AddAddress(vip, device) => {
                let mut address = address(*vip, *device)?;
                // Never a source of this machine's own connections.
                address.preferred = vip.is_ipv6().then_some(0);
                self.netlink.add(&address).await?;
            }
            Step::RemoveAddress(vip, device) => drop(self.netlink.remove(&address(*vip, *device)?).await?),
            Step::AddRoute(vip) => drop(self.netlink.add_host_route(&route(vip)).await?),
            Step::RemoveRoute(vip) => drop(self.netlink.remove_host_route(&route(vip)).await?),
            Step::RemoveLoopback => {
                let net: IpNet = "127.0.0.1/8".parse()?;
                self.netlink.remove(&Address::new(self.lo.clone(), net)).await?;
            }
            Step::Leave { .. } => {}
        }
        Ok(())
    }

    async fn make(&self, device: Device) -> anyhow::Result<()> {
        let Some((module, kind)) = device.kind() else { return Ok(()) };
        let made = self.netlink.make_tunnel(&link(device)?, kind).await;
        made.map(drop).with_context(|| format!("load the kernel's module: `modprobe {module}`, then try again"))
    }

    pub(super) fn recall(&self) -> anyhow::Result<Memory> {
        let file = self.memory_file.display();
        let Some(text) = state_file::read(&self.memory_file).with_context(|| format!("read {file}"))? else {
            return Ok(Memory::default());
        };
        serde_json::from_str(&text).with_context(|| format!("{file} is not what `real-server up` wrote; remove it"))
    }

    /// Writes the memory, or removes the file if there is nothing to remember.
    pub(super) fn remember(&self, memory: &Memory) -> anyhow::Result<()> {
        let file = self.memory_file.display();
        if memory.is_empty() {
            return state_file::remove(&self.memory_file).with_context(|| format!("remove {file}"));
        }
        let text = serde_json::to_string_pretty(memory)? + "\n";
        state_file::write(&self.memory_file, &text).with_context(|| format!("write {file}"))
    }
}

fn link(device: Device) -> anyhow::Result<LinkName> {
    Ok(LinkName::new(device.name())?)
}

fn address(vip: IpAddr, device: Device) -> anyhow::Result<Address> {
    Ok(Address::new(link(device)?, IpNet::new(vip, bits(vip))?))
}

fn seen(link: &Link) -> Seen {
    let hosts = link.addresses.keys().filter(|net| net.prefix_len() == bits(net.addr()));
    Seen { up: link.up, addresses: hosts.map(IpNet::addr).collect() }
}

fn elsewhere(link: &Link, observed: &mut Observed) -> Result<(), SysctlError> {
    let name = link.name.to_string();
    observed.elsewhere.extend(link.addresses.keys().map(|net| (net.addr(), name.clone())));
    if !link.addresses.keys().any(|net| net.addr().is_ipv4()) {
        return Ok(());
    }
    observed.mtu = Some(observed.mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)));
    let number = |name: &str| -> Result<u8, SysctlError> {
        let value = optional(&format!("net/ipv4/conf/{name}/rp_filter"))?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    };
    let filter = number("all")?.max(number(&name)?);
    observed.filters.insert(name, filter);
    Ok(())
}

/// The setting's value; none if its link, or IPv6, is not there.
fn optional(path: &str) -> Result<Option<String>, SysctlError> {
    match sysctl::read(&Key::new(path)) {
        Ok(value) => Ok(Some(value)),
        Err(SysctlError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
