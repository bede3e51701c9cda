//! How adverts are authenticated: in clear text and by AH (RFC 2338), or by a signed trailer (keepalived 2.4).

use crate::time::Duration;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How adverts prove where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    #[default]
    None,
    /// `auth_type PASS`: eight bytes in clear text. VRRPv2 only.
    Pass(Password),
    /// `auth_type AH`: HMAC-MD5-96 in an authentication header (RFC 2402). VRRPv2 over IPv4 only.
    Ah(Password),
    /// `auth_hmac`: HMAC-SHA-256 in a trailer, any version and family.
    Hmac(Hmac),
}

/// The eight bytes of simple text authentication, zero padded (RFC 2338, 5.3.10).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub [u8; 8]);

impl Password {
    /// The first eight bytes of `text`.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(********)")
    }
}

/// The `auth_hmac` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hmac {
    /// What is accepted; several while keys are rolled over.
    pub keys: Vec<HmacKey>,
    /// The id of the key that signs.
    pub active: u8,
    pub anti_replay: AntiReplay,
    /// How far a time stamp may be from our clock.
    pub window: Duration,
    pub mode: HmacMode,
}

/// One key: 32 to 64 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacKey {
    pub id: u8,
    pub secret: Vec<u8>,
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ********)", self.id)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AntiReplay {
    /// Time stamps are wall time and must be within the window.
    #[default]
    Time,
    /// Time stamps only have to grow.
    Monotonic,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HmacMode {
    /// What is not signed is dropped.
    #[default]
    Enforce,
    /// Sign, and accept what is not signed.
    Permissive,
    /// Do not sign, and accept both.
    ReceiveOnly,
}
