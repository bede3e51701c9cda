//! Bridges and veth pairs, as the lab wires its machines.

use super::netns;
use crate::net::IpNet;
use anyhow::{Context, anyhow};
use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressAttribute;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, new_connection};
use std::os::fd::AsRawFd;
use tokio::runtime::Builder;

/// The links of one network namespace.
#[derive(Debug)]
pub struct Wiring {
    netlink: Handle,
}

/// Does `work` on the links of the namespace `name`, on a thread inside it, and waits for it.
pub fn within<T: Send>(name: &str, work: impl AsyncFnOnce(&Wiring) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    netns::inside(name, || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (connection, netlink, _) = new_connection().context("open a netlink socket")?;
            tokio::spawn(connection);
            work(&Wiring { netlink }).await
        })
    })
    .with_context(|| format!("in network namespace {name}"))
}

impl Wiring {
    /// A bridge that floods all multicast and forwards from the start (no spanning tree).
    pub async fn add_bridge(&self, name: &str) -> anyhow::Result<()> {
        let message = LinkBridge::new(name).mcast_snooping(false).build();
        self.netlink.link().add(message).execute().await.with_context(|| format!("add bridge {name}"))
    }

    pub async fn add_veth(&self, name: &str, peer: &str) -> anyhow::Result<()> {
        let message = LinkVeth::new(name, peer).build();
        self.netlink.link().add(message).execute().await.with_context(|| format!("add veth {name} with {peer}"))
    }

    /// Plugs a link into a bridge.
    pub async fn plug(&self, link: &str, bridge: &str) -> anyhow::Result<()> {
        let (link_index, bridge_index) = (self.index(link).await?, self.index(bridge).await?);
        let message = LinkUnspec::new_with_index(link_index).controller(bridge_index).build();
        self.netlink.link().set(message).execute().await.with_context(|| format!("put {link} into {bridge}"))
    }

    /// Moves a link to another namespace, where it is down.
    pub async fn hand_over(&self, link: &str, namespace: &str) -> anyhow::Result<()> {
        let file = netns::open(namespace)?;
        let message = LinkUnspec::new_with_index(self.index(link).await?).setns_by_fd(file.as_raw_fd()).build();
        self.netlink.link().set(message).execute().await.with_context(|| format!("move {link} to {namespace}"))
    }

    /// A link must be down for it.
    pub async fn rename(&self, link: &str, name: &str) -> anyhow::Result<()> {
        let message = LinkUnspec::new_with_index(self.index(link).await?).name(name).build();
        self.netlink.link().set(message).execute().await.with_context(|| format!("rename {link} to {name}"))
    }

    pub async fn set_up(&self, link: &str) -> anyhow::Result<()> {
        let message = LinkUnspec::new_with_index(self.index(link).await?).up().build();
        self.netlink.link().set(message).execute().await.with_context(|| format!("set {link} up"))
    }

    pub async fn set_down(&self, link: &str) -> anyhow::Result<()> {
        let message = LinkUnspec::new_with_index(self.index(link).await?).down().build();
        self.netlink.link().set(message).execute().await.with_context(|| format!("set {link} down"))
    }

    pub async fn add_address(&self, link: &str, net: IpNet) -> anyhow::Result<()> {
        let index = self.index(link).await?;
        let request = self.netlink.address().add(index, net.addr(), net.prefix_len());
        request.execute().await.with_context(|| format!("add {net} to {link}"))
    }

    /// Removes every IPv4 address of a link but `own`.
    pub async fn keep_only_address(&self, link: &str, own: IpNet) -> anyhow::Result<()> {
        let index = self.index(link).await?;
        let mut found = self.netlink.address().get().set_link_index_filter(index).execute();
        let mut others = Vec::new();
        while let Some(message) = found.try_next().await.with_context(|| format!("look up the addresses of {link}"))? {
            let is_own = |a: &AddressAttribute| *a == AddressAttribute::Local(own.addr());
            if message.header.family == AddressFamily::Inet && !message.attributes.iter().any(is_own) {
                others.push(message);
            }
        }
        for message in others {
            let removed = self.netlink.address().del(message).execute().await;
            removed.with_context(|| format!("remove an address from {link}"))?;
        }
        Ok(())
    }

    async fn index(&self, link: &str) -> anyhow::Result<u32> {
        let mut found = self.netlink.link().get().match_name(link.to_owned()).execute();
        let message = found.try_next().await.with_context(|| format!("look up link {link}"))?;
        message.map(|m| m.header.index).ok_or_else(|| anyhow!("there is no link {link}"))
    }
}
