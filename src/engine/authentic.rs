//! Who sent an advert: what one virtual router must remember for AH and for signed adverts, and its judgement.
//!
//! AH and replays as keepalived has them (RFC 2402, 3.4.3; keepalived.conf(5), auth_hmac). All of it outlives a reload.

use super::admission::Refused;
use super::input::{Carrier, Packet};
use crate::time::Duration;
use crate::vrrp::{AntiReplay, Auth, Hmac, HmacKey, HmacMode, Peering, Spec};
use crate::wire::ah::{self, TimeToLive};
use crate::wire::ipv4::Header;
use crate::wire::signed::{self, Stamp};
use crate::wire::vrrp::{Ends, append, split};
use std::net::IpAddr;

/// Senders whose stamps are remembered; the one heard least recently is forgotten first. Only who has the key gets here.
const SENDERS: usize = 16;

/// Two seconds of [`clock_sequence`].
const FIRST_LEAD: u32 = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Authentic {
    /// AH: the highest sequence number sent or accepted. One for both, so that a new master goes on from the last one's.
    sequence: u32,
    /// AH: an advert was sent by this engine.
    has_sealed: bool,
    /// Signed adverts: the last stamp sent.
    stamped: Option<Stamp>,
    /// Signed adverts: the last stamp accepted of each sender, the most recent sender last.
    heard: Vec<(IpAddr, Stamp)>,
}

/// What one advert is sealed with: the same for every peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seal {
    Open,
    Ah(u32),
    Signed(Stamp),
}

/// When an advert is judged: the wall clock in microseconds, and how long this engine slept just before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall_us: u64,
    pub(super) slept: Duration,
}

impl Authentic {
    /// Draws the seal of the next advert.
    pub(super) fn seal(&mut self, spec: &Spec, wall_us: u64) -> Seal {
        match &spec.auth {
            Auth::Ah(_) => {
                // Not below the clock, and first a little above it: the engine before this one was heard until just now.
                let lead = if std::mem::replace(&mut self.has_sealed, true) { 0 } else { FIRST_LEAD };
                self.sequence = self.sequence.saturating_add(1).max(clock_sequence(wall_us).saturating_add(lead));
                Seal::Ah(self.sequence)
            }
            Auth::Hmac(hmac) if hmac.mode != HmacMode::ReceiveOnly => Seal::Signed(self.stamp(hmac, wall_us)),
            Auth::None | Auth::Pass(_) | Auth::Hmac(_) => Seal::Open,
        }
    }

    /// The clock, or one more than the last if the clock has not moved on. A clock that was set back so far that nobody
    /// would accept the last stamp counts again, unless only growth is looked at.
    fn stamp(&mut self, hmac: &Hmac, wall_us: u64) -> Stamp {
        let clock = Stamp::at(wall_us);
        let stranded = |last: Stamp| hmac.anti_replay == AntiReplay::Time && last.age(wall_us) < -window(hmac);
        let stamp = match self.stamped {
            Some(last) if !clock.is_after(last) && !stranded(last) => last.next(),
            _ => clock,
        };
        self.stamped = Some(stamp);
        stamp
    }

    /// Judges an advert by `spec.auth`. `sealed`: it came in an authentication header.
    pub(super) fn judge(
        &mut self,
        spec: &Spec,
        packet: &Packet,
        sealed: Option<&ah::Sealed<'_>>,
        moment: Moment,
    ) -> Result<Option<String>, Refused> {
        match (&spec.auth, sealed) {
            (Auth::Ah(password), Some(sealed)) => {
                self.judge_sealed(sealed, &password.0, time_to_live(spec), packet.source).map(|()| None)
            }
            (Auth::Ah(_), None) => Err(Refused::new("auth-type", packet.source, "it has no AH header, ours has")),
            (Auth::None | Auth::Pass(_) | Auth::Hmac(_), Some(_)) => {
                Err(Refused::new("auth-type", packet.source, "it has an AH header, ours has none"))
            }
            (Auth::Hmac(hmac), None) => self.judge_signed(hmac, spec, packet, moment),
            (Auth::None | Auth::Pass(_), None) => Ok(None),
        }
    }

    fn judge_sealed(
        &mut self,
        sealed: &ah::Sealed<'_>,
        key: &[u8],
        ttl: TimeToLive,
        from: IpAddr,
    ) -> Result<(), Refused> {
        if !sealed.is_authentic(key, ttl) {
            let why = "its AH authentication does not fit: another auth_pass, or changed on the way; both nodes may \
                       become MASTER";
            return Err(Refused::new("wrong-password", from, why));
        }
        if IpAddr::from(std::net::Ipv4Addr::from(sealed.index)) != from {
            return Err(Refused::new("ah-index", from, "the index in its AH header is not its address"));
        }
        if sealed.sequence <= self.sequence {
            let why = format!("AH sequence {} was seen before; the last was {}", sealed.sequence, self.sequence);
            return Err(Refused::new("ah-replayed", from, why));
        }
        self.sequence = sealed.sequence;
        Ok(())
    }

    /// The text is a warning about an advert that is accepted.
    fn judge_signed(
        &mut self,
        hmac: &Hmac,
        spec: &Spec,
        packet: &Packet,
        moment: Moment,
    ) -> Result<Option<String>, Refused> {
        let from = packet.source;
        let refused = |kind, why: String| Err(Refused::new(kind, from, why));
        let (message, rest) = split(&packet.payload, spec.family).unwrap_or_default();
        if rest.len() != signed::LEN {
            return match hmac.mode {
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(None),
                HmacMode::Enforce => {
                    refused("hmac-missing", "it is not signed (auth_hmac), and ours enforces it".into())
                }
            };
        }
        if let Peering::Unicast(unicast) = &spec.peering
            && unicast.peers.iter().all(|peer| peer.address != from)
        {
            return refused("stranger", "it is no unicast_peer, and signed adverts are of peers only".into());
        }
        let trailer = match signed::decode(rest) {
            Ok(trailer) => trailer,
            Err(error) => return refused("hmac-malformed", error.to_string()),
        };
        let (age, window) = (trailer.stamp.age(moment.wall_us), window(hmac));
        let is_timed = hmac.anti_replay == AntiReplay::Time;
        // What arrived while this engine slept was fresh when it came.
        let slept = i32::try_from(moment.slept.as_secs()).unwrap_or(i32::MAX);
        if is_timed && (age > window.saturating_add(slept) || age < -window) {
            let side = if age > 0 { "old" } else { "ahead of our clock" };
            let why = format!("its signature is {} s {side}, time_window is {window} s: compare the clocks", age.abs());
            return refused("hmac-stale", why);
        }
        let Some(key) = hmac.keys.iter().find(|key| key.id == trailer.key) else {
            return refused("hmac-key", format!("it is signed with key {}, which ours does not have", trailer.key));
        };
        if !trailer.is_authentic(message, from, &key.secret) {
            let why = format!("its signature does not fit key {}; both nodes may become MASTER", key.id);
            return refused("hmac-wrong", why);
        }
        let mark = self.heard.iter().position(|(sender, _)| *sender == from).map(|place| self.heard.remove(place).1);
        // A mark outside the window orders nothing any more: its sender's clock may have been set back.
        let is_mark = |mark: &Stamp| !is_timed || mark.age(moment.wall_us).abs() <= window;
        let mark = mark.filter(is_mark);
        let is_replay = mark.is_some_and(|mark| !trailer.stamp.is_after(mark));
        let last = mark.filter(|_| is_replay).unwrap_or(trailer.stamp);
        self.heard.push((from, last));
        if self.heard.len() > SENDERS {
            self.heard.remove(0);
        }
        if is_replay {
            return refused("hmac-replayed", "it is signed and was seen before: somebody repeats it".into());
        }
        let drifting = is_timed && moment.slept.is_zero() && age.abs() > window / 2;
        Ok(drifting
            .then(|| format!("the clock of {from} is {age} s from ours; its adverts are refused from {window} s on")))
    }
}

impl Seal {
    /// The packet of one advert, and how it is carried: with AH whole, with its IPv4 header. None: it does not fit into
    /// one packet, which an advert of 255 addresses does.
    pub(super) fn around(
        self,
        spec: &Spec,
        mut message: Vec<u8>,
        ends: Ends,
        hop_limit: u8,
    ) -> Option<(Carrier, Vec<u8>)> {
        match (self, &spec.auth, ends.source, ends.destination) {
            (Self::Ah(sequence), Auth::Ah(password), IpAddr::V4(source), IpAddr::V4(destination)) => {
                // Never zero, for then the kernel would choose another one.
                let identification = (sequence as u16).max(1);
                let header = Header { identification, ..Header::advert(source, destination, hop_limit) };
                let packet = ah::encode(&header, sequence, &message, &password.0, time_to_live(spec));
                packet.ok().map(|packet| (Carrier::Ah, packet))
            }
            (Self::Signed(stamp), Auth::Hmac(hmac), ..) => {
                if let Some(HmacKey { id, secret }) = hmac.keys.iter().find(|key| key.id == hmac.active) {
                    let trailer = signed::sign(&message, ends.source, (*id, secret), stamp);
                    append(&mut message, &trailer, ends);
                }
                Some((Carrier::Vrrp, message))
            }
            _ => Some((Carrier::Vrrp, message)),
        }
    }
}

/// A number that grows faster than adverts are sent, and that a restart does not set back: quarters of a second since 2020.
fn clock_sequence(wall_us: u64) -> u32 {
    const START_US: u64 = 1_577_836_800_000_000;
    u32::try_from(wall_us.saturating_sub(START_US) / 250_000).unwrap_or(u32::MAX)
}

/// Seconds.
fn window(hmac: &Hmac) -> i32 {
    i32::try_from(hmac.window.as_secs()).unwrap_or(i32::MAX)
}

const fn time_to_live(spec: &Spec) -> TimeToLive {
    match spec.peering {
        Peering::Multicast(_) => TimeToLive::Covered,
        Peering::Unicast(_) => TimeToLive::LeftOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LinkName;
    use crate::vrrp::{GROUP_V4, Vrid};
    use crate::wire::vrrp::{Advert, Body, encode};

    /// 2026-01-01, in microseconds.
    const NOW: u64 = 1_767_225_600_000_000;
    const SECOND: u64 = 1_000_000;

    fn key(id: u8) -> HmacKey {
        HmacKey { id, secret: vec![id; 32] }
    }

    fn spec(mode: HmacMode, anti_replay: AntiReplay, keys: &[u8], active: u8) -> Spec {
        let keys = keys.iter().map(|id| key(*id)).collect();
        let mut spec = Spec::new("V", LinkName::new("eth0").unwrap(), Vrid::new(51).unwrap());
        spec.auth = Auth::Hmac(Hmac { keys, active, anti_replay, window: Duration::from_secs(5), mode });
        spec
    }

    fn enforcing() -> Spec {
        spec(HmacMode::Enforce, AntiReplay::Time, &[1, 2], 1)
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// An advert of another node, sealed as its spec says.
    fn advert(sender: &mut Authentic, spec: &Spec, wall_us: u64, source: IpAddr) -> Packet {
        let ends = Ends::new(source, GROUP_V4);
        let advert = Advert { vrid: 51, priority: 100, body: Body::V3 { interval: 100 }, addresses: vec![GROUP_V4] };
        let seal = sender.seal(spec, wall_us);
        let (carrier, payload) = seal.around(spec, encode(&advert, ends), ends, 255).unwrap();
        Packet { link: spec.link.clone(), source, destination: GROUP_V4, hop_limit: 255, carrier, payload }
    }

    fn judged(receiver: &mut Authentic, spec: &Spec, packet: &Packet, wall_us: u64) -> Result<bool, &'static str> {
        let sealed = (packet.carrier == Carrier::Ah).then(|| ah::decode(&packet.payload).unwrap());
        let moment = Moment { wall_us, slept: Duration::ZERO };
        receiver.judge(spec, packet, sealed.as_ref(), moment).map(|warning| warning.is_some()).map_err(|r| r.kind)
    }

    #[test]
    fn each_mode_signs_and_accepts_as_it_says() {
        let modes = [HmacMode::Enforce, HmacMode::Permissive, HmacMode::ReceiveOnly];
        let signs = [true, true, false];
        for (sending, is_signed) in modes.into_iter().zip(signs) {
            let sender = spec(sending, AntiReplay::Time, &[1], 1);
            let packet = advert(&mut Authentic::default(), &sender, NOW, from(1));
            assert_eq!(packet.payload.len(), if is_signed { 12 + signed::LEN } else { 12 });
            for receiving in modes {
                let receiver = spec(receiving, AntiReplay::Time, &[1], 1);
                let expected =
                    if is_signed || receiving != HmacMode::Enforce { Ok(false) } else { Err("hmac-missing") };
                assert_eq!(judged(&mut Authentic::default(), &receiver, &packet, NOW), expected);
            }
        }
    }

    #[test]
    fn what_is_signed_is_still_looked_at_where_unsigned_adverts_pass() {
        let permissive = spec(HmacMode::Permissive, AntiReplay::Time, &[1], 1);
        let mut packet = advert(&mut Authentic::default(), &permissive, NOW, from(1));
        *packet.payload.last_mut().unwrap() ^= 1;
        assert_eq!(judged(&mut Authentic::default(), &permissive, &packet, NOW), Err("hmac-wrong"));
        packet.payload[12] = 9;
        assert_eq!(judged(&mut Authentic::default(), &permissive, &packet, NOW), Err("hmac-malformed"));
    }

    #[test]
    fn keys_are_replaced_one_after_the_other() {
        let (only_first, both) = (spec(HmacMode::Enforce, AntiReplay::Time, &[1], 1), enforcing());
        let second = spec(HmacMode::Enforce, AntiReplay::Time, &[1, 2], 2);
        let (mut sender, mut receiver) = (Authentic::default(), Authentic::default());
        let mut next = |spec: &Spec, at| advert(&mut sender, spec, NOW + at, from(1));
        let packets = [next(&only_first, 0), next(&both, 1), next(&second, 2), next(&second, 3)];
        assert_eq!(judged(&mut receiver, &both, &packets[0], NOW), Ok(false));
        assert_eq!(judged(&mut receiver, &both, &packets[1], NOW), Ok(false));
        assert_eq!(judged(&mut receiver, &both, &packets[2], NOW), Ok(false));
        assert_eq!(judged(&mut receiver, &only_first, &packets[3], NOW), Err("hmac-key"));
    }

    #[test]
    fn a_repeated_advert_is_refused_also_after_others_and_not_one_of_another_sender() {
        let spec = enforcing();
        let (mut sender, mut other, mut receiver) = (Authentic::default(), Authentic::default(), Authentic::default());
        let first = advert(&mut sender, &spec, NOW, from(1));
        let second = advert(&mut sender, &spec, NOW, from(1));
        let of_other = advert(&mut other, &spec, NOW, from(2));
        assert_eq!(judged(&mut receiver, &spec, &first, NOW), Ok(false));
        assert_eq!(judged(&mut receiver, &spec, &of_other, NOW), Ok(false));
        assert_eq!(judged(&mut receiver, &spec, &first, NOW + SECOND), Err("hmac-replayed"));
        assert_eq!(judged(&mut receiver, &spec, &second, NOW + SECOND), Ok(false), "the clock stood, the counter grew");
        assert_eq!(judged(&mut receiver, &spec, &first, NOW + SECOND), Err("hmac-replayed"));
        // Sent on as another's.
        let forged = Packet { source: from(3), ..first };
        assert_eq!(judged(&mut receiver, &spec, &forged, NOW), Err("hmac-wrong"));
    }

    #[test]
    fn stamps_outside_the_window_are_stale_and_a_drifting_clock_is_told_before() {
        let spec = enforcing();
        for (age, expected) in [(0, Ok(false)), (2, Ok(false)), (3, Ok(true)), (5, Ok(true)), (6, Err("hmac-stale"))] {
            let old = advert(&mut Authentic::default(), &spec, NOW, from(1));
            let ahead = advert(&mut Authentic::default(), &spec, NOW + age * SECOND, from(1));
            assert_eq!(judged(&mut Authentic::default(), &spec, &old, NOW + age * SECOND), expected, "{age} s old");
            assert_eq!(judged(&mut Authentic::default(), &spec, &ahead, NOW), expected, "{age} s ahead");
        }
        let old = advert(&mut Authentic::default(), &spec, NOW, from(1));
        let slept = Moment { wall_us: NOW + 20 * SECOND, slept: Duration::from_secs(18) };
        assert!(Authentic::default().judge(&spec, &old, None, slept).is_ok(), "it was fresh when it came");
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed_and_with_monotonic_it_is_not() {
        let day = 86_400 * SECOND;
        for (anti_replay, accepted) in [(AntiReplay::Time, Ok(false)), (AntiReplay::Monotonic, Ok(false))] {
            let spec = spec(HmacMode::Enforce, anti_replay, &[1], 1);
            let (mut sender, mut receiver) = (Authentic::default(), Authentic::default());
            let ahead = advert(&mut sender, &spec, NOW + day, from(1));
            assert_eq!(judged(&mut receiver, &spec, &ahead, NOW + day), Ok(false));
            let back = advert(&mut sender, &spec, NOW, from(1));
            let stamp = signed::decode(split(&back.payload, spec.family).unwrap().1).unwrap().stamp;
            let expected = if anti_replay == AntiReplay::Time { Stamp::at(NOW) } else { Stamp::at(NOW + day).next() };
            assert_eq!(stamp, expected);
            assert_eq!(judged(&mut receiver, &spec, &back, NOW), accepted);
        }
    }

    #[test]
    fn ah_goes_on_from_the_sequence_heard_and_not_below_the_clock() {
        let mut spec = enforcing();
        spec.auth = Auth::Ah(crate::vrrp::Password::new("secret12"));
        let (mut one, mut two) = (Authentic::default(), Authentic::default());
        let sequence = |packet: &Packet| ah::decode(&packet.payload).unwrap().sequence;
        let first = advert(&mut one, &spec, 0, from(1));
        assert_eq!(sequence(&first), FIRST_LEAD, "the clock is before 2020");
        let late = advert(&mut one, &spec, NOW, from(1));
        assert_eq!(sequence(&late), 4 * 86_400 * (6 * 365 + 2), "six years with two leap days");
        assert_eq!(judged(&mut two, &spec, &late, NOW), Ok(false));
        assert_eq!(judged(&mut two, &spec, &late, NOW), Err("ah-replayed"));
        assert_eq!(judged(&mut two, &spec, &first, NOW), Err("ah-replayed"));
        let answer = advert(&mut two, &spec, NOW - SECOND * 60, from(2));
        assert_eq!(sequence(&answer), sequence(&late) + 1, "one counter for both ways");
        // Started again at the same moment, it is believed at once.
        let again = advert(&mut Authentic::default(), &spec, NOW, from(1));
        assert!(sequence(&again) > sequence(&late));
        assert_eq!(judged(&mut one, &spec, &answer, NOW), Ok(false));
        let mut stolen = answer;
        stolen.source = from(1);
        assert_eq!(judged(&mut Authentic::default(), &spec, &stolen, NOW), Err("ah-index"));
    }

    #[test]
    fn ah_and_no_ah_do_not_go_together() {
        let mut with = enforcing();
        with.auth = Auth::Ah(crate::vrrp::Password::new("secret12"));
        let mut other = with.clone();
        other.auth = Auth::Ah(crate::vrrp::Password::new("secret13"));
        let mut without = enforcing();
        without.auth = Auth::None;
        let sealed = advert(&mut Authentic::default(), &with, NOW, from(1));
        let open = advert(&mut Authentic::default(), &without, NOW, from(1));
        assert_eq!(judged(&mut Authentic::default(), &without, &sealed, NOW), Err("auth-type"));
        assert_eq!(judged(&mut Authentic::default(), &with, &open, NOW), Err("auth-type"));
        assert_eq!(judged(&mut Authentic::default(), &other, &sealed, NOW), Err("wrong-password"));
    }
}
