//! AH (RFC 2402) with keepalived: multicast with vipdeck preferred, unicast with keepalived preferred. The address goes to
//! and fro, and whoever becomes master goes on from the other's sequence number.

use crate::able;
use crate::capture::{Capture, Frame};
use crate::kinds::{Bench, Kind, SECOND};
use crate::programs::signal;
use crate::stage::Program;
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::time::Duration;
use vipdeck::wire::ah::{self, TimeToLive};

const LINES: &str = "advert_int 1\nauthentication {\nauth_type AH\nauth_pass secret12\n}";
const KEY: &[u8] = b"secret12";
/// Nobody, or two, may have the address for so long while it moves.
const HAND_OVER: Duration = Duration::from_millis(120);

const MULTICAST: Kind = Kind { name: "AH", vip: "10.9.0.20", lines: LINES, unicast: false, interval: SECOND };
const UNICAST: Kind = Kind { name: "AH unicast", vip: "10.9.0.20", lines: LINES, unicast: true, interval: SECOND };

// parity: 29
#[test]
fn ah_interworks_with_keepalived_and_the_sequence_goes_on() {
    if !able() {
        return;
    }
    std::thread::scope(|scope| {
        let ways = [(MULTICAST, Program::Vipdeck), (UNICAST, Program::Keepalived)];
        let journeys = ways.map(|(kind, preferred)| scope.spawn(move || journey(&kind, preferred)));
        for journey in journeys {
            journey.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

fn journey(kind: &Kind, preferred: Program) {
    let Some(mut bench) = Bench::new(kind, [preferred, preferred.other()]) else { return };
    let capture = Capture::of(bench.namespace(1), "eth0", bench.directory(), "ah", "ip proto 51 or ip proto 112");
    bench.start(0);
    bench.start(1);
    bench.until("the preferred one takes it", [true, false], SECOND * 8);
    std::thread::sleep(SECOND * 2);
    assert_eq!(bench.holders(), [true, false], "{}: a lower priority changes nothing", kind.name);
    let ended = bench.stop(0);
    bench.until("the other one takes it", [false, true], SECOND * 3);
    ended.join().unwrap();
    bench.start(0);
    let back = bench.until("the preferred one is back", [true, false], SECOND * 8);
    assert!(back <= HAND_OVER, "{}, {preferred:?} preferred: {back:?}", kind.name);
    std::thread::sleep(SECOND);
    if preferred == Program::Vipdeck {
        // The next engine's numbers are believed at once: nobody takes over.
        signal(bench.snapshot(0).node.engine_pid, Signal::SIGKILL);
        let before = capture.frames().len();
        std::thread::sleep(SECOND * 4);
        let other = |f: &Frame| ah::decode(&f.bytes[14..]).is_ok_and(|sealed| sealed.header.source.octets()[3] == 2);
        assert!(!capture.frames()[before..].iter().any(other), "the standby became master");
        assert_eq!(bench.holders(), [true, false]);
    }
    all_are_authentic_and_in_order(&capture, kind, preferred);
}

fn all_are_authentic_and_in_order(capture: &Capture, kind: &Kind, preferred: Program) {
    let frames = capture.frames();
    let ttl = if kind.unicast { TimeToLive::LeftOut } else { TimeToLive::Covered };
    let (mut last, mut senders): (Option<(IpAddr, u32)>, Vec<IpAddr>) = (None, Vec::new());
    for frame in &frames {
        let packet = &frame.bytes[14..];
        let sealed = ah::decode(packet).expect("adverts have an AH header");
        assert!(sealed.is_authentic(KEY, ttl), "{sealed:?}");
        let from = IpAddr::from(sealed.header.source);
        assert_eq!((sealed.index, sealed.next), (u32::from(sealed.header.source), 112));
        if let Some((before, sequence)) = last {
            // The two may speak at the same moment while the address moves, and then take the same number.
            let grows = if before == from { sealed.sequence > sequence } else { sealed.sequence >= sequence };
            assert!(grows, "{from} sends {} after {before} sent {sequence}", sealed.sequence);
        }
        last = Some((from, sealed.sequence));
        if senders.last() != Some(&from) {
            senders.push(from);
        }
    }
    assert!(frames.len() > 6 && senders.len() >= 3, "to and fro: {senders:?} in {} adverts", frames.len());
    eprintln!("measured: {}, {preferred:?} preferred: {} adverts, last {last:?}", kind.name, frames.len());
}
