//! What a check is: when it runs and what it does (keepalived.conf(5), the checkers).

use super::http::Http;
use crate::net::LinkName;
use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One check of one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub method: Method,
    /// From the end of one check to the start of the next (`delay_loop`).
    pub period: Duration,
    /// Further tries after a failure while up.
    pub retry: u32,
    /// The pause before such a try.
    pub delay_before_retry: Duration,
    /// The first check starts at a random point within this (`warmup`).
    pub warmup: Duration,
    /// Down until it succeeds for the first time.
    #[serde(default)]
    pub alpha: bool,
    /// Every failure is an event, not only those that change the verdict.
    #[serde(default)]
    pub log_all_failures: bool,
    /// It runs only while the virtual server's address is on this machine (`ha_suspend`).
    #[serde(default)]
    pub ha_suspend: bool,
}

/// What is done. Cheap to copy: it goes to another thread for each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// `TCP_CHECK`: a connection completes.
    Tcp(Connection),
    /// `HTTP_GET` and `SSL_GET`: pages are as expected.
    Http(Arc<Http>),
    /// `SMTP_CHECK`: a mail server greets (220), and takes HELO (250).
    Smtp { to: Connection, helo: Arc<str> },
    /// `DNS_CHECK`: a name server answers a query with response code 0.
    Dns(Arc<Dns>),
    /// `UDP_CHECK`: nothing says that the port is unreachable, or the reply is as expected.
    Udp(Arc<Udp>),
    /// `PING_CHECK`: one ICMP echo request is answered.
    Ping(Connection),
    /// `MISC_CHECK`: a command ends with status 0.
    Misc(Arc<Misc>),
    /// `BFD_CHECK`: the session of this name is up.
    Bfd { session: Arc<str> },
    /// `FILE_CHECK`: the number in a tracked file, times `weight`, is added to the server's weight. With weight 0 any
    /// number but 0 is a failure; `reverse` turns the sense.
    File { file: Arc<str>, weight: i64, reverse: bool },
}

/// Where a check connects to, and how (`connect_ip`, `bindto` and so on).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    pub target: SocketAddr,
    /// `bindto`.
    pub source: Option<IpAddr>,
    /// `bind_port`.
    pub source_port: Option<u16>,
    /// `bind_if`.
    pub link: Option<LinkName>,
    /// `fwmark`; 0: none.
    pub mark: u32,
    /// For the whole of one run.
    pub timeout: Duration,
}

impl Connection {
    pub const fn to(target: SocketAddr, timeout: Duration) -> Self {
        Self { target, source: None, source_port: None, link: None, mark: 0, timeout }
    }
}

/// `DNS_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    pub to: Connection,
    /// A domain name, checked when it was read.
    pub name: String,
    pub kind: DnsType,
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsType {
    A,
    Ns,
    Cname,
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

impl DnsType {
    pub const ALL: [(Self, &'static str, u16); 9] = [
        (Self::A, "A", 1),
        (Self::Ns, "NS", 2),
        (Self::Cname, "CNAME", 5),
        (Self::Soa, "SOA", 6),
        (Self::Mx, "MX", 15),
        (Self::Txt, "TXT", 16),
        (Self::Aaaa, "AAAA", 28),
        (Self::Rrsig, "RRSIG", 46),
        (Self::Dnskey, "DNSKEY", 48),
    ];

    /// The number in the query (IANA, DNS resource record types).
    pub fn number(self) -> u16 {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or(6, |(_, _, number)| *number)
    }

    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("SOA", |(_, word, _)| word)
    }
}

/// `UDP_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Udp {
    pub to: Connection,
    /// None: some random bytes.
    pub payload: Option<Vec<u8>>,
    /// None: a reply is not waited for, only an ICMP error counts.
    pub reply: Option<Reply>,
}

/// What a reply must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Each byte with the bits that count; compared as far as both reach.
    pub pattern: Vec<(u8, u8)>,
    pub min_length: u16,
    pub max_length: u16,
}

/// `MISC_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misc {
    pub argv: Vec<String>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub timeout: Duration,
    /// Exit status 2 to 255 is success and sets the weight to the status less 2 (`misc_dynamic`).
    pub dynamic: bool,
}

impl Method {
    /// keepalived's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP_CHECK",
            Self::Http(http) if http.tls.is_some() => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Smtp { .. } => "SMTP_CHECK",
            Self::Dns(_) => "DNS_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Misc(_) => "MISC_CHECK",
            Self::Bfd { .. } => "BFD_CHECK",
            Self::File { .. } => "FILE_CHECK",
        }
    }

    /// How it connects; none: it does not.
    pub fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Tcp(to) | Self::Ping(to) | Self::Smtp { to, .. } => Some(to),
            Self::Http(http) => Some(&http.to),
            Self::Dns(dns) => Some(&dns.to),
            Self::Udp(udp) => Some(&udp.to),
            Self::Misc(_) | Self::Bfd { .. } | Self::File { .. } => None,
        }
    }

    /// How many runs make a round: one for each `url`.
    pub fn steps(&self) -> usize {
        match self {
            Self::Http(http) => http.urls.len().max(1),
            Self::Tcp(_)
            | Self::Smtp { .. }
            | Self::Dns(_)
            | Self::Udp(_)
            | Self::Ping(_)
            | Self::Misc(_)
            | Self::Bfd { .. }
            | Self::File { .. } => 1,
        }
    }

    /// Whether it runs at times of its own; the others follow from what the engine is told.
    pub const fn is_timed(&self) -> bool {
        !matches!(self, Self::Bfd { .. } | Self::File { .. })
    }

    /// What it looks at, for people.
    pub fn target(&self) -> String {
        match self {
            Self::Ping(to) => to.target.ip().to_string(),
            Self::Misc(misc) => misc.argv.join(" "),
            Self::Bfd { session } => session.to_string(),
            Self::File { file, .. } => file.to_string(),
            Self::Tcp(_) | Self::Http(_) | Self::Smtp { .. } | Self::Dns(_) | Self::Udp(_) => {
                self.connection().map(|c| c.target.to_string()).unwrap_or_default()
            }
        }
    }
}

/// What one run of a script or the like came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub good: bool,
    /// What was seen, for people: "connected", "connection refused", "no answer in 3 s".
    pub detail: String,
    pub took: Duration,
}
