//! This machine: look at it, take a step, keep the memory.

use super::memory::Memory;
use super::plan::{Observed, ObservedSetting, SETTINGS, Step};
use crate::kernel::Address;
use crate::net::{IpNet, LinkName};
use crate::sys::netlink::{HostRoute, Netlink};
use crate::sys::{netns, state_file, sysctl};
use anyhow::Context;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
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
        let lo = links.into_iter().find(|link| link.name == self.lo).context("this namespace has no lo")?;
        let on_lo = lo.addresses.keys().filter_map(|net| match net {
            IpNet::V4(net) if net.prefix_len() == 32 => Some(net.addr()),
            _ => None,
        });
        let read = |setting: super::plan::Setting| {
            sysctl::read(&sysctl::Key::new(setting.path)).map(|value| ObservedSetting { setting, value })
        };
        Ok(Observed {
            lo_is_up: lo.up,
            addresses: on_lo.collect(),
            routes: self.netlink.host_routes(&self.lo).await?.into_iter().collect(),
            settings: SETTINGS.into_iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn take(&self, step: &Step) -> anyhow::Result<()> {
        let route = |to: &Ipv4Addr| HostRoute { to: *to, link: self.lo.clone() };
        match step {
            Step::RaiseLo => drop(self.netlink.set_up(&self.lo).await?),
            Step::Set { setting, value, .. } => sysctl::write(&sysctl::Key::new(setting.path), value)?,
            Step::AddAddress(vip) => drop(self.netlink.add(&self.address(*vip)).await?),
            Step::RemoveAddress(vip) => drop(self.netlink.remove(&self.address(*vip)).await?),
            Step::AddRoute(vip) => drop(self.netlink.add_host_route(&route(vip)).await?),
            Step::RemoveRoute(vip) => drop(self.netlink.remove_host_route(&route(vip)).await?),
            Step::Leave { .. } => {}
        }
        Ok(())
    }

    fn address(&self, vip: Ipv4Addr) -> Address {
        Address::new(self.lo.clone(), IpNet::V4(Ipv4Net::from(vip)))
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
