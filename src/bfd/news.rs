//! What others learn of the sessions.

use crate::time::{Duration, Instant};
use crate::wire::bfd::{Diagnostic, Malformed, State};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What is told of the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A session is in another state.
    Changed { status: Box<Status>, change: Change },
    /// Where all sessions stand, and what was refused since the start.
    Status { sessions: Vec<Status>, refused: Refused },
    /// Packets cannot be sent or received, and why; the session it concerns, or all.
    Problem { session: Option<String>, text: String },
}

/// One session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub name: String,
    pub at: Instant,
    pub state: State,
    /// When it took this state.
    pub since: Instant,
    pub diagnostic: Diagnostic,
    /// Why it is in this state.
    pub cause: Cause,
    /// What those that track it take the path for: up, or the neighbour has been taken administratively down since.
    pub good: bool,
    /// None: not heard, or not any more.
    pub remote: Option<(State, Diagnostic)>,
    pub discriminator: u32,
    /// 0: not known.
    pub remote_discriminator: u32,
    /// From one of our packets to the next, at most.
    pub tx_interval: Duration,
    /// From one of the neighbour's packets to the next, at most.
    pub rx_interval: Option<Duration>,
    /// Silence of the neighbour until the session is down.
    pub detection: Option<Duration>,
    pub heard_at: Option<Instant>,
    pub sent: u64,
    pub received: u64,
    /// How often it came up.
    pub ups: u64,
    /// How often it left Up.
    pub downs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: State,
    pub to: State,
    pub cause: Cause,
}

/// Why a session is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing has been heard since the start.
    Started,
    /// The neighbour says that it hears nothing of us yet.
    NeighborHeard,
    /// Each hears the other.
    Handshake,
    Silence {
        detection: Duration,
        silent: Duration,
        /// This process woke so late in that time.
        overslept: Option<Duration>,
    },
    NeighborDown(Diagnostic),
    NeighborAdminDown,
    /// It left the configuration, or the engine stops.
    Removed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("nothing heard from the neighbour yet"),
            Self::NeighborHeard => f.write_str("the neighbour is heard and does not hear this node yet"),
            Self::Handshake => f.write_str("each side hears the other"),
            Self::Silence { detection, silent, overslept } => {
                let ms = |d: &Duration| format!("{} ms", d.as_micros() as f64 / 1000.0);
                write!(f, "nothing heard for {}, detection time {}", ms(silent), ms(detection))?;
                match overslept {
                    Some(by) => write!(f, "; in that time this process woke {} late", ms(by)),
                    None => Ok(()),
                }
            }
            Self::NeighborDown(diagnostic) if *diagnostic == Diagnostic::NONE => {
                f.write_str("the neighbour says that the session is down")
            }
            Self::NeighborDown(diagnostic) => {
                write!(f, "the neighbour says that the session is down: {diagnostic}")
            }
            Self::NeighborAdminDown => f.write_str("the neighbour is administratively down"),
            Self::Removed => f.write_str("the session is removed here"),
        }
    }
}

/// Why a packet is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(
        "its hop limit is {0}, and at least {1} is asked for: it has crossed a router (max_hops), or the neighbour's ttl is lower"
    )]
    HopLimit(u8, u8),
    #[error("no bfd_instance has this neighbor_ip")]
    Stranger,
    #[error("it names the discriminator {0}, which no session here has")]
    Discriminator(u32),
}

impl Refusal {
    /// Stable, for scripts.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Short(_)) => "short",
            Self::Malformed(Malformed::Version(_)) => "version",
            Self::Malformed(Malformed::Length { .. }) => "length",
            Self::Malformed(Malformed::Authenticated) => "authenticated",
            Self::Malformed(Malformed::DetectMult) => "detect-mult",
            Self::Malformed(Malformed::Multipoint) => "multipoint",
            Self::Malformed(Malformed::MyDiscriminator) => "my-discriminator",
            Self::Malformed(Malformed::YourDiscriminator(_)) => "your-discriminator",
            Self::HopLimit(..) => "hop-limit",
            Self::Stranger => "stranger",
            Self::Discriminator(_) => "discriminator",
        }
    }
}

/// Packets that were not used, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// By [`Refusal::word`].
    pub counts: BTreeMap<&'static str, u64>,
    /// The newest.
    pub last: Option<(IpAddr, Refusal)>,
}

impl Refused {
    pub(super) fn count(&mut self, from: IpAddr, refusal: Refusal) {
        *self.counts.entry(refusal.word()).or_default() += 1;
        self.last = Some((from, refusal));
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
