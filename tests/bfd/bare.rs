//! A neighbour made here, packet by packet: what leaves the engine, when, and what it makes of silence.

use crate::namespaces::{inside, wait_for};
use crate::pair::instance;
use crate::{Bench, SLACK, report, session, wall_us};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vipdeck::net::Family;
use vipdeck::status::{BfdState, Instance, Role};
use vipdeck::sys::bfd_socket::{Listener, Sender, wait};
use vipdeck::wire::bfd::{Control, Diagnostic, PORT, State, decode, encode};

/// The neighbour's end, discriminator 7.
struct Neighbor {
    listener: Listener,
    sender: Sender,
    to: SocketAddr,
    said: Control,
    heard: Vec<(Instant, Control)>,
}

impl Neighbor {
    fn new(to: IpAddr, interval: Duration) -> Self {
        let said = Control {
            diagnostic: Diagnostic::NONE,
            state: State::Down,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            detect_mult: 4,
            my_discriminator: 7,
            your_discriminator: 0,
            desired_min_tx: interval,
            required_min_rx: interval,
            required_min_echo_rx: Duration::ZERO,
        };
        let family = Family::of(to);
        Self {
            listener: Listener::open(family, false).unwrap(),
            sender: Sender::open(family, None, 255, 0).unwrap(),
            to: SocketAddr::new(to, PORT),
            said,
            heard: Vec::new(),
        }
    }

    fn say(&self) {
        self.sender.send(self.to, &encode(&self.said)).unwrap();
    }

    /// Hears, and answers what asks for an answer, for so long.
    fn hear(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            wait(&[std::os::fd::AsFd::as_fd(&self.listener)], left).unwrap();
            let mut buffer = [0; 100];
            while let Some(packet) = self.listener.try_recv(&mut buffer).unwrap() {
                assert_eq!(packet.hop_limit, 255);
                let control = decode(packet.payload).unwrap();
                self.said.your_discriminator = control.my_discriminator;
                self.heard.push((Instant::now(), control));
                if control.poll {
                    self.sender.send(self.to, &encode(&Control { is_final: true, ..self.said })).unwrap();
                }
            }
        }
    }

    /// Speaks and hears, for so long.
    fn talk(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.say();
            self.hear(self.said.desired_min_tx * 3 / 4);
        }
    }
}

// parity: 61
#[test]
fn packets_are_those_of_the_rfc_and_a_silence_is_found_within_the_detection_time() {
    for (family, ours, theirs) in [("IPv4", "10.9.0.1", "10.9.0.2"), ("IPv6", "fd00:9::1", "fd00:9::2")] {
        let Some(mut bench) = Bench::new() else { return };
        let lines = format!("source_ip {ours}; min_rx 50; min_tx 50; multiplier 3; hoplimit 255");
        bench.start(0, &session("x", theirs, &lines));
        let done = AtomicBool::new(false);
        let (silent_at, heard) = std::thread::scope(|scope| {
            let neighbor = scope.spawn(|| {
                inside(bench.namespace(1), || {
                    let mut neighbor = Neighbor::new(ours.parse().unwrap(), Duration::from_millis(50));
                    neighbor.hear(Duration::from_millis(2500));
                    let (last, before) = (neighbor.heard.len() - 1, neighbor.heard.len() - 2);
                    let slow = neighbor.heard[last].0.duration_since(neighbor.heard[before].0);
                    assert!(slow > Duration::from_millis(700), "not more than one packet a second yet: {slow:?}");
                    assert_eq!(neighbor.heard[last].1.desired_min_tx, Duration::from_secs(1));
                    neighbor.talk(Duration::from_millis(100));
                    assert_eq!(neighbor.heard.last().unwrap().1.state, State::Init);
                    neighbor.said.state = State::Up;
                    neighbor.talk(Duration::from_millis(300));
                    assert_eq!(neighbor.heard.last().unwrap().1.state, State::Up);
                    neighbor.heard.clear();
                    neighbor.talk(Duration::from_secs(3));
                    let silent_at = wall_us();
                    let heard = std::mem::take(&mut neighbor.heard);
                    while !done.load(Ordering::SeqCst) {
                        neighbor.hear(Duration::from_millis(20));
                    }
                    let told = neighbor.heard.iter().find(|(_, c)| c.state == State::Down).expect("it is told").1;
                    assert_eq!(told.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
                    (silent_at, heard)
                })
            });
            wait_for("the silence", 15, || {
                let session = bench.session(0, "x");
                session.ups == 1 && session.state == BfdState::Down
            });
            std::thread::sleep(Duration::from_millis(50));
            done.store(true, Ordering::SeqCst);
            neighbor.join().unwrap()
        });
        punctual(&heard, family);
        let changes = bench.changes(0, "x");
        let down = changes.last().unwrap();
        assert_eq!(down.text, "Up → Down");
        assert!(down.cause.as_ref().unwrap().contains("detection time 200 ms"), "{down:?}");
        // The neighbour's multiplier of 4 counts, from its last packet on, some 40 ms before it said it was silent.
        let took = Duration::from_micros(down.wall_us.saturating_sub(silent_at));
        report(&format!("{family}: silence found after"), took);
        assert!(took > Duration::from_millis(140) && took < Duration::from_millis(200) + SLACK, "{took:?}");
    }
}

/// 50 ms less up to a quarter, whatever this machine adds to some of them.
fn punctual(heard: &[(Instant, Control)], family: &str) {
    assert!(heard.iter().all(|(_, c)| c.state == State::Up && !c.is_final && c.detect_mult == 3));
    let mut gaps: Vec<_> = heard.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0)).collect();
    gaps.sort();
    let (median, most) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    eprintln!("measured: BFD: {family}: {} packets in 3 s, median {median:.1?}, longest {most:.1?}", heard.len());
    assert!((55..=82).contains(&heard.len()), "{} packets in 3 s", heard.len());
    assert!(median > Duration::from_millis(38) && median < Duration::from_millis(50), "{median:?}");
    assert!(most < Duration::from_millis(50) + SLACK, "{most:?}");
}

#[test]
fn a_flood_of_other_packets_is_counted_by_reason_and_hurts_neither_session_nor_adverts() {
    let Some(mut bench) = Bench::new() else { return };
    let lines = "min_rx 50; min_tx 50; multiplier 10";
    // 0.7 s without an advert, and the other one takes over.
    bench.start(0, &[instance(150, ""), session("x", "10.9.0.2", lines)].concat());
    bench.start(1, &[instance(100, ""), session("x", "10.9.0.1", lines)].concat());
    bench.wait_up(0, "x");
    let is_settled = || bench.snapshot(0).instances[0].state == Role::Master && backup(&bench).state == Role::Backup;
    wait_for("a MASTER", 10, is_settled);
    let before = backup(&bench).transitions_total;
    inside(bench.namespace(1), || {
        let socket = std::net::UdpSocket::bind("10.9.0.2:0").unwrap();
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            for _ in 0..20 {
                // TTL 64: not of this link; and too short.
                socket.send_to(&[0x20, 0xc0, 3, 24, 0, 0, 0, 9, 0, 0, 0, 0], "10.9.0.1:3784").unwrap();
                socket.send_to(&encode(&down()), "10.9.0.1:3784").unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    wait_for("the count", 5, || bench.snapshot(0).bfd.refused.get("hop-limit").is_some_and(|n| *n > 2000));
    let snapshot = bench.snapshot(0);
    assert!(snapshot.bfd.refused["short"] > 2000, "{:?}", snapshot.bfd.refused);
    assert!(snapshot.findings.iter().any(|f| f.kind == "bfd-refused"), "{:?}", snapshot.findings);
    let session = &snapshot.bfd.sessions[0];
    assert_eq!((session.state, session.downs), (BfdState::Up, 0), "{session:?}");
    let after = backup(&bench);
    assert_eq!((after.state, after.transitions_total), (Role::Backup, before), "{:?}", after.transitions);
}

fn backup(bench: &Bench) -> Instance {
    bench.snapshot(1).instances[0].clone()
}

fn down() -> Control {
    Control {
        diagnostic: Diagnostic::NONE,
        state: State::Down,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        detect_mult: 3,
        my_discriminator: 9,
        your_discriminator: 0,
        desired_min_tx: Duration::from_secs(1),
        required_min_rx: Duration::from_millis(50),
        required_min_echo_rx: Duration::ZERO,
    }
}
