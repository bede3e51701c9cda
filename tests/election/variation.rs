//! What one seed's cluster is like: version, family, peering, groups, trackers, preemption.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vipdeck::conf::{Config, ScriptSpec};
use vipdeck::engine::Random;
use vipdeck::kernel::Address;
use vipdeck::net::{Family, IpNet, LinkName};
use vipdeck::vrrp::{
    GROUP_V4, GROUP_V6, GroupSpec, Notify, Peer, Peering, Spec, Track, Tracker, Unicast, Version, Vrid,
};

#[derive(Debug)]
pub(crate) struct Variation {
    pub(crate) priorities: Vec<u8>,
    version: Version,
    family: Family,
    /// Each node's; in VRRPv3 they may differ.
    intervals: Vec<Duration>,
    unicast: bool,
    pub(crate) preempt: bool,
    preempt_delay: Duration,
    down_adverts: u32,
    /// A second instance in a sync group with the first.
    pub(crate) grouped: bool,
    /// The weight of a tracked script, if one is tracked.
    pub(crate) script: Option<i32>,
    startup_delay: Duration,
}

impl Variation {
    pub(crate) fn random(random: &mut Random) -> Self {
        let pick = |random: &mut Random, n: u64| random.below(n) as usize;
        let nodes = 2 + pick(random, 3);
        let priorities = (0..nodes).map(|_| [100, 150, 100, 90, 200, 254][pick(random, 6)]).collect();
        let (version, family) = [
            (Version::V2, Family::V4),
            (Version::V3, Family::V4),
            (Version::V3, Family::V6),
            (Version::V2, Family::V4),
        ][pick(random, 4)];
        let millis = |random: &mut Random| match version {
            Version::V2 => 1000,
            Version::V3 => [1000, 500, 100][random.below(3) as usize],
        };
        let one = millis(random);
        let mixed = version == Version::V3 && random.chance(0.2);
        let intervals = (0..nodes).map(|_| Duration::from_millis(if mixed { millis(random) } else { one })).collect();
        Self {
            priorities,
            version,
            family,
            intervals,
            unicast: random.chance(0.3),
            preempt: random.chance(0.8),
            preempt_delay: Duration::from_secs([0, 0, 5][pick(random, 3)]),
            down_adverts: [3, 3, 3, 5][pick(random, 4)],
            grouped: random.chance(0.3),
            script: [None, None, Some(0), Some(-60), Some(40)][pick(random, 5)],
            startup_delay: Duration::from_secs([0, 0, 0, 3][pick(random, 4)]),
        }
    }

    /// The longest a node that can take part waits for a silent master: the down time at priority 1, once more where a
    /// member of a group had to wait for another, and the wire.
    pub(crate) fn nobody(&self) -> Duration {
        let longest = self.intervals.iter().max().copied().unwrap_or_default().max(Duration::from_secs(1));
        let down = longest * (self.down_adverts + 1);
        let rounds = if self.grouped { 2 } else { 1 };
        down * rounds + self.startup_delay + Duration::from_millis(400)
    }

    /// The longest two nodes that hear each other may both be master: the loser must hear one advert, of which a fifth
    /// at most is lost.
    pub(crate) fn both(&self) -> Duration {
        self.intervals.iter().max().copied().unwrap_or_default() * 6 + Duration::from_millis(500)
    }

    pub(crate) fn vip(&self, instance: u8) -> IpNet {
        let text = match self.family {
            Family::V4 => format!("192.168.10.20{instance}/24"),
            Family::V6 => format!("2001:db8::20{instance}/64"),
        };
        text.parse().unwrap()
    }

    pub(crate) fn instances(&self) -> u8 {
        if self.grouped { 2 } else { 1 }
    }

    pub(crate) fn configure(&self, node: usize, config: &mut Config) {
        let link = LinkName::new("eth0").unwrap();
        config.globals.startup_delay = self.startup_delay;
        config.instances = (0..self.instances()).map(|n| self.instance(node, n, &link)).collect();
        if self.grouped {
            let members = config.instances.iter().map(|i| i.name.clone()).collect();
            config.groups = vec![GroupSpec { name: "VG_1".into(), members, notify: Notify::default() }];
        }
        if self.script.is_some() {
            let second = Duration::from_secs(1);
            config.scripts.push(ScriptSpec {
                name: "chk".into(),
                argv: vec!["/bin/true".into()],
                interval: second,
                timeout: second,
                weight: 0,
                reverse: false,
                rise: 1,
                fall: 2,
                user: None,
                init_fail: false,
            });
        }
    }

    fn instance(&self, node: usize, number: u8, link: &LinkName) -> Spec {
        let track = |weight| Track { kind: Tracker::Script, name: "chk".into(), weight, reverse: false };
        Spec {
            version: self.version,
            family: self.family,
            priority: self.priorities[node],
            interval: self.intervals[node],
            preempt: self.preempt,
            preempt_delay: if self.preempt { self.preempt_delay } else { Duration::ZERO },
            down_adverts: self.down_adverts,
            peering: self.peering(node),
            addresses: vec![Address::new(link.clone(), self.vip(number))],
            tracks: self.script.map(track).into_iter().collect(),
            ..Spec::new(&format!("VI_{}", number + 1), link.clone(), Vrid::new(51 + number).unwrap())
        }
    }

    fn peering(&self, node: usize) -> Peering {
        if !self.unicast {
            return Peering::Multicast(if self.family == Family::V4 { GROUP_V4 } else { GROUP_V6 });
        }
        let others = (0..self.priorities.len()).filter(|other| *other != node);
        let peers = others.map(|other| Peer { address: self.address(other), min_ttl: 0, max_ttl: 255 }).collect();
        Peering::Unicast(Unicast { peers, check_source: true, hop_limit: 255 })
    }

    fn address(&self, node: usize) -> IpAddr {
        let last = node_address(node).octets()[3];
        match self.family {
            Family::V4 => node_address(node).into(),
            Family::V6 => format!("fe80::a:{last:x}").parse().unwrap(),
        }
    }
}

/// The IPv4 address of a node; the virtual machine's link-local one is made from it.
pub(crate) fn node_address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 10, 11 + node as u8)
}
