//! What the configuration says about one virtual router, complete and resolved.

use super::auth::Auth;
use super::notify::Notify;
use crate::kernel::{Address, Route, Rule};
use crate::net::{Family, IpNet, LinkName, Mac};
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A virtual router identifier, 1 to 255 (RFC 3768, 5.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a virtual router id is 1 to 255, not {0}")]
pub struct BadVrid(pub u64);

impl Vrid {
    pub const fn new(id: u8) -> Result<Self, BadVrid> {
        if id == 0 { Err(BadVrid(0)) } else { Ok(Self(id)) }
    }

    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768; over IPv6 as keepalived does outside strict mode.
    V2,
    /// RFC 9568.
    V3,
}

impl Version {
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Where IPv4 adverts go (RFC 9568, 5.1.1.2).
pub const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
/// Where IPv6 adverts go (RFC 9568, 5.1.2.2).
pub const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

/// Whom adverts are sent to and accepted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peering {
    /// All routers of the link, by a multicast group.
    Multicast(IpAddr),
    Unicast(Unicast),
}

/// `unicast_peer` and what belongs to it (keepalived.conf(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unicast {
    pub peers: Vec<Peer>,
    /// Drop adverts of others than the peers (`check_unicast_src`).
    pub check_source: bool,
    /// TTL or hop limit of what is sent (`unicast_ttl`).
    pub hop_limit: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub address: IpAddr,
    /// Adverts of it are accepted with a TTL or hop limit from `min_ttl` to `max_ttl`.
    pub min_ttl: u8,
    pub max_ttl: u8,
}

/// When gratuitous ARP and unsolicited NA are sent (keepalived.conf(5), garp_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garp {
    /// The announcements in each set.
    pub repeat: u32,
    /// How long after the first set the second follows; zero: no second set.
    pub delay: Duration,
    /// Again and again while master, this far apart; zero: not.
    pub refresh: Duration,
    pub refresh_repeat: u32,
    /// The sets after a lower priority was heard as master; 0: none.
    pub lower_priority_repeat: u32,
    pub lower_priority_delay: Duration,
    /// Periodic announcements on links of VIPs other than the router's own; zero: none (`garp_extra_if`).
    pub extra_links: Duration,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
            extra_links: Duration::ZERO,
        }
    }
}

/// What an instance may track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracker {
    Script,
    Interface,
    File,
    Process,
    Bfd,
}

impl fmt::Display for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Script => "script",
            Self::Interface => "interface",
            Self::File => "file",
            Self::Process => "process",
            Self::Bfd => "BFD",
        })
    }
}

/// A tracker as one instance sees it. The weight is that of the entry, or else of the tracker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub kind: Tracker,
    /// The `vrrp_script`, `track_file`, … by name; the interface's name.
    pub name: String,
    /// Zero: a failure is a fault. Positive: added while good. Negative: added while bad. Of a file: multiplied.
    pub weight: i32,
    pub reverse: bool,
}

/// The virtual link an instance makes for itself (`use_vmac`, `use_ipvlan`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualLink {
    pub name: LinkName,
    pub kind: VirtualLinkKind,
    /// The interface group it is put in.
    pub group: Option<u32>,
    /// Adverts leave on the base link all the same (`vmac_xmit_base`).
    pub adverts_on_base: bool,
    /// Also for addresses on other links (`use_vmac_addr`).
    pub for_addresses: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VirtualLinkKind {
    /// A private macvlan with the virtual router's hardware address (RFC 9568, 7.3).
    Macvlan(Mac),
    Ipvlan {
        mode: IpvlanMode,
        address: Option<IpNet>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpvlanMode {
    Bridge,
    Private,
    Vepa,
}

/// How the checksum of VRRPv3 over IPv4 is made, against the RFC, for others' sake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumStyle {
    /// Without the pseudo-header (`v3_checksum_as_v2`).
    pub v3_as_v2: bool,
    pub old_unicast: OldUnicast,
}

/// The form keepalived sent to unicast peers before 1.3.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OldUnicast {
    /// Sent if the peer sends it.
    #[default]
    Detect,
    Always,
    Never,
}

/// One `vrrp_instance`, complete and resolved: what is not written has its default here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    /// `interface`: what the state of the link is judged by, and where adverts go without a virtual link.
    pub link: LinkName,
    pub family: Family,
    pub version: Version,
    pub vrid: Vrid,
    /// 1 to 255; 255 owns the addresses.
    pub priority: u8,
    /// The time between adverts; whole seconds in VRRPv2, tens of milliseconds in VRRPv3.
    pub interval: Duration,
    /// `state MASTER`: with priority 255, master at once; else only a wish.
    pub wishes_master: bool,
    pub preempt: bool,
    /// Lower adverts are put up with for so long before they are preempted; zero: not at all.
    pub preempt_delay: Duration,
    pub auth: Auth,
    /// `mcast_src_ip` or `unicast_src_ip`; none: the first address of the link.
    pub source: Option<IpAddr>,
    /// In FAULT while the link does not have `source` (`track_src_ip`).
    pub track_source: bool,
    pub peering: Peering,
    /// The addresses in the adverts, in order, each with the link it goes on.
    pub addresses: Vec<Address>,
    /// Moved with the others, in no advert, of any family (`virtual_ipaddress_excluded`).
    pub excluded: Vec<Address>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
    pub garp: Garp,
    pub tracks: Vec<Track>,
    /// The state of `link` counts (not `dont_track_primary`).
    pub track_link: bool,
    /// Adverts missed until the master is down (`down_timer_adverts`).
    pub down_adverts: u32,
    pub strict: bool,
    /// Packets to the addresses are accepted by a master that does not own them (`accept`).
    pub accept: bool,
    pub checksum: ChecksumStyle,
    /// The address list is not compared while the sender stays the same.
    pub skip_check_adv_addr: bool,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub owner_ignore_adverts: bool,
    /// A master that slept longer than a router of this priority waits goes to backup (`timer_expired_backup`).
    pub timer_expired_backup: Option<u8>,
    pub virtual_link: Option<VirtualLink>,
    /// Sets that sysctl on the link.
    pub promote_secondaries: bool,
    /// Bytes for the receive buffer (`kernel_rx_buf_size`).
    pub receive_buffer: Option<u32>,
    pub notify: Notify,
}

impl Spec {
    /// An instance with every default: VRRPv2 over IPv4, multicast, priority 100, an advert a second.
    pub fn new(name: &str, link: LinkName, vrid: Vrid) -> Self {
        Self {
            name: name.to_owned(),
            link,
            family: Family::V4,
            version: Version::V2,
            vrid,
            priority: 100,
            interval: Duration::from_secs(1),
            wishes_master: false,
            preempt: true,
            preempt_delay: Duration::ZERO,
            auth: Auth::None,
            source: None,
            track_source: false,
            peering: Peering::Multicast(GROUP_V4),
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            garp: Garp::default(),
            tracks: Vec::new(),
            track_link: true,
            down_adverts: 3,
            strict: false,
            accept: true,
            checksum: ChecksumStyle::default(),
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            timer_expired_backup: None,
            virtual_link: None,
            promote_secondaries: false,
            receive_buffer: None,
            notify: Notify::default(),
        }
    }

    /// Priority 255: the router that owns the addresses (RFC 9568, 6.1).
    pub const fn is_owner(&self) -> bool {
        self.priority == 255
    }

    /// There is only one other router: nobody else can succeed it, so no skew is needed to find out who does.
    pub const fn has_one_peer(&self) -> bool {
        matches!(&self.peering, Peering::Unicast(unicast) if unicast.peers.len() == 1)
    }

    /// The link adverts leave on and arrive on.
    pub fn advert_link(&self) -> &LinkName {
        match &self.virtual_link {
            Some(link) if !link.adverts_on_base => &link.name,
            _ => &self.link,
        }
    }

    /// Every address that moves with the state, those in adverts first.
    pub fn all_addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().chain(&self.excluded)
    }

    /// The master's interval counts in VRRPv3 (RFC 9568, 6.1); VRRPv2 knows only one for all.
    fn counted(&self, master_interval: Duration) -> Duration {
        match self.version {
            Version::V2 => self.interval,
            Version::V3 => master_interval,
        }
    }

    /// (256 − priority) / 256 seconds (RFC 3768, 6.1) or of the master's interval (RFC 9568, 6.1).
    pub fn skew(&self, priority: u8, master_interval: Duration) -> Duration {
        let unit = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => master_interval,
        };
        let micros = u64::try_from(unit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros.saturating_mul(256 - u64::from(priority)) / 256)
    }

    /// How long the master may be silent before this router acts with `priority`.
    pub fn master_down(&self, priority: u8, master_interval: Duration) -> Duration {
        self.counted(master_interval).saturating_mul(self.down_adverts) + self.skew(priority, master_interval)
    }
}
