//! The BFD control packet (RFC 5880, 4.1), without authentication; over UDP as RFC 5881 and RFC 5883 say.
//!
//! ```text
//!  0                   1                   2                   3
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                Desired Min TX Interval (µs)                   |
//! |               Required Min RX Interval (µs)                   |
//! |             Required Min Echo RX Interval (µs)                |
//! ```

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The UDP port of sessions over one hop (RFC 5881, 4).
pub const PORT: u16 = 3784;
/// The UDP port of sessions over several hops (RFC 5883, 5).
pub const PORT_MULTIHOP: u16 = 4784;
/// What the TTL or hop limit of a packet that has crossed no router is (RFC 5881, 5).
pub const TTL: u8 = 255;
/// The length of a packet without authentication.
pub const LENGTH: usize = 24;

const VERSION: u8 = 1;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A decoded control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    pub diagnostic: Diagnostic,
    pub state: State,
    /// The sender asks for an answer with `is_final`.
    pub poll: bool,
    pub is_final: bool,
    pub control_plane_independent: bool,
    pub demand: bool,
    pub detect_mult: u8,
    pub my_discriminator: u32,
    /// 0: the sender does not know the other's.
    pub your_discriminator: u32,
    /// Intervals are whole microseconds, up to 2³² − 1.
    pub desired_min_tx: Duration,
    /// Zero: the sender wants no periodic packets.
    pub required_min_rx: Duration,
    pub required_min_echo_rx: Duration,
}

/// What a session is (RFC 5880, 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    AdminDown,
    Down,
    Init,
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a session last left Up, 5 bits (RFC 5880, 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diagnostic(u8);

impl Diagnostic {
    pub const NONE: Self = Self(0);
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The lower five bits count.
    pub const fn new(bits: u8) -> Self {
        Self(bits & 0x1f)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            other => return write!(f, "diagnostic {other}"),
        })
    }
}

/// Why bytes are no control packet for us (RFC 5880, 6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes are too few for a BFD packet")]
    Short(usize),
    #[error("there is no BFD version {0} here, only 1")]
    Version(u8),
    #[error("its length field says {said}, and {there} bytes arrived")]
    Length { said: u8, there: usize },
    #[error("it is authenticated, and this session is not")]
    Authenticated,
    #[error("detection multiplier 0")]
    DetectMult,
    #[error("the multipoint bit is set")]
    Multipoint,
    #[error("its own discriminator is 0")]
    MyDiscriminator,
    #[error("it is in state {0} and does not name our discriminator")]
    YourDiscriminator(State),
}

/// Reads a control packet from what follows the UDP header. Trailing bytes are padding.
pub fn decode(bytes: &[u8]) -> Result<Control, Malformed> {
    let (header, _) = bytes.split_first_chunk::<LENGTH>().ok_or(Malformed::Short(bytes.len()))?;
    let [version_diagnostic, flags, detect_mult, said, words @ ..] = *header;
    let version = version_diagnostic >> 5;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    // Authentication adds two bytes at least.
    let least = if flags & AUTHENTICATION == 0 { LENGTH } else { LENGTH + 2 };
    if usize::from(said) < least || usize::from(said) > bytes.len() {
        return Err(Malformed::Length { said, there: bytes.len() });
    }
    if detect_mult == 0 {
        return Err(Malformed::DetectMult);
    }
    if flags & MULTIPOINT != 0 {
        return Err(Malformed::Multipoint);
    }
    let mut words = words.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    let mut word = || words.next().unwrap_or_default();
    let (my_discriminator, your_discriminator) = (word(), word());
    let state = State::from_bits(flags >> 6);
    if my_discriminator == 0 {
        return Err(Malformed::MyDiscriminator);
    }
    if your_discriminator == 0 && matches!(state, State::Init | State::Up) {
        return Err(Malformed::YourDiscriminator(state));
    }
    if flags & AUTHENTICATION != 0 {
        return Err(Malformed::Authenticated);
    }
    let mut interval = || Duration::from_micros(u64::from(word()));
    Ok(Control {
        diagnostic: Diagnostic::new(version_diagnostic),
        state,
        poll: flags & POLL != 0,
        is_final: flags & FINAL != 0,
        control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
        demand: flags & DEMAND != 0,
        detect_mult,
        my_discriminator,
        your_discriminator,
        desired_min_tx: interval(),
        required_min_rx: interval(),
        required_min_echo_rx: interval(),
    })
}

/// What follows the UDP header. Longer intervals than 2³² − 1 µs are told as that.
pub fn encode(control: &Control) -> [u8; LENGTH] {
    let state = match control.state {
        State::AdminDown => 0,
        State::Down => 1,
        State::Init => 2,
        State::Up => 3,
    };
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    let flags = state << 6
        | flag(control.poll, POLL)
        | flag(control.is_final, FINAL)
        | flag(control.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
        | flag(control.demand, DEMAND);
    let micros = |interval: Duration| u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
    let words = [
        u32::from_be_bytes([VERSION << 5 | control.diagnostic.0, flags, control.detect_mult, LENGTH as u8]),
        control.my_discriminator,
        control.your_discriminator,
        micros(control.desired_min_tx),
        micros(control.required_min_rx),
        micros(control.required_min_echo_rx),
    ];
    let mut bytes = [0; LENGTH];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn control() -> impl Strategy<Value = Control> {
        let bits = (any::<u8>(), 0..4_u8, any::<[bool; 4]>(), 1..=255_u8);
        let numbers = (1..=u32::MAX, 1..=u32::MAX, any::<[u32; 3]>());
        (bits, numbers).prop_map(|((diagnostic, state, flags, detect_mult), (mine, yours, intervals))| {
            let [desired_min_tx, required_min_rx, required_min_echo_rx] =
                intervals.map(|us| Duration::from_micros(u64::from(us)));
            Control {
                diagnostic: Diagnostic::new(diagnostic),
                state: State::from_bits(state),
                poll: flags[0],
                is_final: flags[1],
                control_plane_independent: flags[2],
                demand: flags[3],
                detect_mult,
                my_discriminator: mine,
                your_discriminator: yours,
                desired_min_tx,
                required_min_rx,
                required_min_echo_rx,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(control in control(), padding in 0..20_usize) {
            let mut bytes = encode(&control).to_vec();
            bytes.extend(std::iter::repeat_n(0, padding));
            prop_assert_eq!(decode(&bytes), Ok(control));
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }

    /// As tshark dissects it: version 1, Up, poll, multiplier 3, 0x11223344 and 0x55667788, 50 ms, 60 ms, no echo.
    const EXAMPLE: [u8; LENGTH] = [
        0x20, 0xe0, 3, 24, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0xc3, 0x50, 0, 0, 0xea, 0x60, 0, 0, 0,
        0,
    ];

    #[test]
    fn the_fields_stand_where_the_rfc_draws_them() {
        let control = Control {
            diagnostic: Diagnostic::NONE,
            state: State::Up,
            poll: true,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            detect_mult: 3,
            my_discriminator: 0x1122_3344,
            your_discriminator: 0x5566_7788,
            desired_min_tx: Duration::from_millis(50),
            required_min_rx: Duration::from_millis(60),
            required_min_echo_rx: Duration::ZERO,
        };
        assert_eq!(encode(&control), EXAMPLE);
        assert_eq!(decode(&EXAMPLE), Ok(control));
    }

    #[test]
    fn each_fault_has_its_reason() {
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = EXAMPLE.to_vec();
            bytes.resize(40, 0);
            for (index, value) in changes {
                bytes[*index] = *value;
            }
            decode(&bytes)
        };
        assert_eq!(decode(&EXAMPLE[..23]), Err(Malformed::Short(23)));
        assert_eq!(with(&[(0, 0x40)]), Err(Malformed::Version(2)));
        assert_eq!(with(&[(3, 23)]), Err(Malformed::Length { said: 23, there: 40 }));
        assert_eq!(with(&[(3, 41)]), Err(Malformed::Length { said: 41, there: 40 }));
        assert_eq!(with(&[(1, 0xc4)]), Err(Malformed::Length { said: 24, there: 40 }), "authenticated, 24 bytes");
        assert_eq!(with(&[(1, 0xc4), (3, 26)]), Err(Malformed::Authenticated));
        assert_eq!(with(&[(1, 0xc1)]), Err(Malformed::Multipoint));
        assert_eq!(with(&[(2, 0)]), Err(Malformed::DetectMult));
        assert_eq!(with(&[(4, 0), (5, 0), (6, 0), (7, 0)]), Err(Malformed::MyDiscriminator));
        let zero = [(8, 0), (9, 0), (10, 0), (11, 0)];
        assert_eq!(with(&zero), Err(Malformed::YourDiscriminator(State::Up)));
        for (flags, state) in [(0x00, State::AdminDown), (0x40, State::Down)] {
            let early = with(&[&zero[..], &[(1, flags)]].concat());
            assert_eq!(early.map(|c| (c.state, c.your_discriminator)), Ok((state, 0)));
        }
    }
}
