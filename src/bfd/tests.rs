//! RFC 5880, 6.8: every state with every input, two systems on a wire, and random lives.

use super::*;
use crate::time::{Duration, Instant};
use crate::wire::bfd::{Control, Diagnostic, PORT, State, decode};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

const NEIGHBOR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const STATES: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

fn spec(interval: u64) -> Spec {
    Spec { min_rx: ms(interval), min_tx: ms(interval), multiplier: 3, ..Spec::new("s", NEIGHBOR) }
}

/// The neighbour, discriminator 77, says so; 50 ms, three packets.
fn says(state: State) -> Control {
    let yours = if matches!(state, State::Init | State::Up) { 5 } else { 0 };
    Control {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        detect_mult: 3,
        my_discriminator: 77,
        your_discriminator: yours,
        desired_min_tx: ms(50),
        required_min_rx: ms(50),
        required_min_echo_rx: Duration::ZERO,
    }
}

/// A session, discriminator 5, that has come into this state by `at(1)`.
fn in_state(state: State, spec: Spec) -> Session {
    let mut session = Session::new(spec, 5, 1, Instant::ZERO);
    let steps: &[State] = match state {
        State::AdminDown | State::Down => &[],
        State::Init => &[State::Down],
        State::Up => &[State::Down, State::Up],
    };
    for said in steps {
        let _ = session.handle(at(1), Input::Packet(says(*said)));
    }
    if state == State::AdminDown {
        let _ = session.handle(at(1), Input::Disable);
    }
    assert_eq!(session.state(), state);
    session
}

fn sent(outputs: &[Output]) -> Vec<Control> {
    let control = |o: &Output| match o {
        Output::Send(control) => Some(*control),
        Output::Changed(_) => None,
    };
    outputs.iter().filter_map(control).collect()
}

fn changes(outputs: &[Output]) -> Vec<(State, State)> {
    let change = |o: &Output| match o {
        Output::Changed(change) => Some((change.from, change.to)),
        Output::Send(_) => None,
    };
    outputs.iter().filter_map(change).collect()
}

/// RFC 5880, 6.2 and 6.8.6: what follows in each state from each state heard.
#[test]
fn each_state_follows_what_it_hears() {
    use State::{AdminDown, Down, Init, Up};
    let follows = [
        // heard:     AdminDown  Down  Init  Up
        (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
        (Down, [Down, Init, Up, Down]),
        (Init, [Down, Init, Up, Up]),
        (Up, [Down, Down, Up, Up]),
    ];
    for (from, after) in follows {
        for (heard, to) in STATES.into_iter().zip(after) {
            let mut session = in_state(from, spec(50));
            let outputs = session.handle(at(2), Input::Packet(says(heard)));
            assert_eq!(session.state(), to, "{from} hears {heard}");
            let expected = if from == to { vec![] } else { vec![(from, to)] };
            assert_eq!(changes(&outputs), expected, "{from} hears {heard}");
            // What changes is told at once, and nothing else is.
            let told: Vec<_> = sent(&outputs).iter().map(|c| c.state).collect();
            assert_eq!(told, if from == to { vec![] } else { vec![to] }, "{from} hears {heard}");
            let diagnostic = session.status(at(2)).diagnostic;
            // RFC 5882, 3.2: AdminDown of the neighbour says nothing of the path.
            let good = match (from, to) {
                (_, Up) => true,
                (Up, Down) => heard == AdminDown,
                _ => false,
            };
            assert_eq!(session.status(at(2)).good, good, "{from} hears {heard}");
            if matches!(from, Up | Init) && to == Down {
                assert_eq!(diagnostic, Diagnostic::NEIGHBOR_SIGNALED_DOWN, "{from} hears {heard}");
            }
            if to == Up {
                assert_eq!(diagnostic, Diagnostic::NONE);
            }
        }
    }
}

#[test]
fn each_state_answers_a_poll_at_once_but_admin_down() {
    for from in STATES {
        let mut session = in_state(from, spec(50));
        let poll = Control { poll: true, ..says(State::Down) };
        let answers: Vec<_> = sent(&session.handle(at(2), Input::Packet(poll)));
        let finals: Vec<_> = answers.iter().map(|c| (c.is_final, c.poll)).collect();
        assert_eq!(finals, if from == State::AdminDown { vec![] } else { vec![(true, false)] }, "{from}");
    }
}

#[test]
fn silence_ends_init_and_up_and_forgets_the_discriminator_in_every_state() {
    for from in STATES {
        let mut session = in_state(from, spec(50));
        if from == State::Down {
            let _ = session.handle(at(1), Input::Packet(says(State::AdminDown)));
        }
        // Heard at 1 ms; three times 50 ms.
        let mut outputs = Vec::new();
        for time in [at(150), Instant::from_micros(151_000)] {
            outputs = session.handle(time, Input::Deadline);
        }
        let status = session.status(at(151));
        match from {
            State::Init | State::Up => {
                assert_eq!(changes(&outputs), [(from, State::Down)]);
                assert_eq!(status.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
                let Cause::Silence { detection, silent, overslept } = status.cause else { panic!("{status:?}") };
                assert_eq!((detection, silent, overslept), (ms(150), ms(150), None));
                assert_eq!(sent(&outputs)[0].your_discriminator, 0);
            }
            State::Down | State::AdminDown => assert_eq!(session.state(), from),
        }
        assert_eq!(status.remote_discriminator, 0, "{from}");
    }
}

#[test]
fn disabling_tells_the_neighbour_for_its_detection_time_and_then_ends() {
    for from in [State::Init, State::Up] {
        let mut session = in_state(from, spec(50));
        let before = if from == State::Up { 50 } else { 1000 };
        let outputs = session.handle(at(10), Input::Disable);
        assert_eq!(sent(&outputs).iter().map(|c| c.state).collect::<Vec<_>>(), [State::AdminDown]);
        assert_eq!(sent(&outputs)[0].diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
        assert!(!session.has_ended());
        let mut more = 0;
        let mut last = at(10);
        while let Some(now) = session.deadline() {
            more += sent(&session.handle(now, Input::Deadline)).len();
            last = now;
        }
        assert!(session.has_ended());
        assert_eq!(last.since(at(10)), ms(before * 3).min(ms(3000)));
        assert!((2..=4).contains(&more), "{more} packets in three intervals");
    }
    let mut unheard = in_state(State::Down, spec(50));
    assert_eq!(unheard.handle(at(10), Input::Disable).len(), 1, "nobody is there to be told");
    assert!(unheard.has_ended());
}

#[test]
fn outside_up_nothing_is_faster_than_idle_tx_or_a_second() {
    for (idle, least) in [(1000, 1000), (2500, 2500)] {
        let spec = Spec { idle_tx: ms(idle), ..spec(10) };
        let mut session = Session::new(spec, 5, 3, Instant::ZERO);
        let mut last = None;
        for _ in 0..20 {
            let now = session.deadline().unwrap();
            let outputs = sent(&session.handle(now, Input::Deadline));
            assert_eq!(outputs[0].desired_min_tx, ms(least));
            if let Some(last) = last {
                let interval = now.since(last);
                assert!(interval > ms(least) * 3 / 4 && interval <= ms(least), "{interval:?}");
            }
            last = Some(now);
        }
    }
}

#[test]
fn intervals_are_the_slower_of_both_sides_less_jitter() {
    for (ours, theirs, multiplier, least, most) in [(20, 50, 3, 37, 50), (80, 50, 3, 60, 80), (50, 50, 1, 37, 45)] {
        let mut session = in_state(State::Up, Spec { multiplier, ..spec(ours) });
        let hear = Control { required_min_rx: ms(theirs), is_final: true, ..says(State::Up) };
        let mut now = at(1);
        let mut last: Option<Instant> = None;
        let mut seen = Vec::new();
        for _ in 0..200 {
            let _ = session.handle(now, Input::Packet(hear));
            now = session.deadline().unwrap();
            for _ in sent(&session.handle(now, Input::Deadline)) {
                seen.extend(last.map(|last| now.since(last)));
                last = Some(now);
            }
        }
        let (shortest, longest) = (seen.iter().skip(1).min().unwrap(), seen.iter().skip(1).max().unwrap());
        assert!(*shortest >= ms(least) && *longest <= ms(most), "{shortest:?} to {longest:?}");
        assert!(longest.saturating_sub(*shortest) > ms(most) / 12, "they are spread");
    }
}

#[test]
fn detection_is_the_neighbours_multiplier_times_the_slower_interval() {
    for (ours, theirs, multiplier, detection) in [(20, 50, 4, 200), (80, 50, 3, 240), (50, 50, 1, 50)] {
        let mut session = in_state(State::Up, spec(ours));
        let hear = Control { desired_min_tx: ms(theirs), detect_mult: multiplier, is_final: true, ..says(State::Up) };
        let _ = session.handle(at(100), Input::Packet(hear));
        assert_eq!(session.status(at(100)).detection, Some(ms(detection)));
        let before = session.handle(Instant::from_micros(100_000 + detection * 1000 - 1), Input::Deadline);
        assert_eq!(changes(&before), []);
        let over = session.handle(at(100 + detection), Input::Deadline);
        assert_eq!(changes(&over), [(State::Up, State::Down)]);
    }
}

#[test]
fn a_neighbour_that_wants_none_or_has_demand_mode_gets_no_periodic_packets() {
    let quiet = Control { required_min_rx: Duration::ZERO, is_final: true, ..says(State::Up) };
    let demand = Control { demand: true, is_final: true, ..says(State::Up) };
    for said in [quiet, demand] {
        let mut session = in_state(State::Up, spec(50));
        let _ = session.handle(at(10), Input::Packet(said));
        let _ = session.handle(at(100), Input::Packet(said));
        assert_eq!(session.deadline(), Some(at(250)), "only its silence is waited for");
        assert_eq!(session.handle(at(200), Input::Deadline), []);
        // What it asks it is answered, and from the next ordinary packet on it is spoken to again.
        assert_eq!(sent(&session.handle(at(210), Input::Packet(Control { poll: true, ..said }))).len(), 1);
        let _ = session.handle(at(220), Input::Packet(says(State::Up)));
        assert!(session.deadline().is_some_and(|due| due <= at(270)));
    }
}

#[test]
fn a_passive_session_is_silent_until_spoken_to_and_after_the_neighbour_is_gone() {
    let mut session = Session::new(Spec { passive: true, ..spec(50) }, 5, 1, Instant::ZERO);
    assert_eq!(session.deadline(), None);
    let outputs = session.handle(at(10), Input::Packet(says(State::Down)));
    assert_eq!(sent(&outputs)[0].state, State::Init);
    assert_eq!(sent(&outputs)[0].your_discriminator, 77);
    let _ = session.handle(at(20), Input::Packet(says(State::Up)));
    let outputs = session.handle(at(170), Input::Deadline);
    assert_eq!(changes(&outputs), [(State::Up, State::Down)]);
    assert_eq!((sent(&outputs), session.deadline()), (vec![], None));
}

#[test]
fn coming_up_is_told_by_a_poll_until_it_is_answered() {
    let mut session = in_state(State::Init, spec(50));
    let outputs = sent(&session.handle(at(10), Input::Packet(says(State::Up))));
    assert!(outputs[0].poll && outputs[0].desired_min_tx == ms(50), "{outputs:?}");
    let next = session.deadline().unwrap();
    assert!(next.since(at(10)) <= ms(50), "a shorter interval holds at once");
    assert!(sent(&session.handle(next, Input::Deadline))[0].poll, "asked until answered");
    let _ = session.handle(at(70), Input::Packet(Control { is_final: true, ..says(State::Up) }));
    let next = session.deadline().unwrap();
    assert!(!sent(&session.handle(next, Input::Deadline))[0].poll);
}

/// RFC 5880, 6.8.3: no rarer packets and no shorter patience before the other side has agreed.
#[test]
fn other_intervals_hold_after_the_poll_where_they_could_hurt() {
    let answer = Control { is_final: true, required_min_rx: ms(1), ..says(State::Up) };
    let mut session = in_state(State::Up, spec(50));
    let _ = session.handle(at(2), Input::Packet(answer));
    // Rarer packets, and a shorter patience (its 50 ms no longer decide: 60 ms do not become 20 ms).
    let quick = Control { desired_min_tx: ms(10), required_min_rx: ms(1), ..says(State::Up) };
    let _ = session.handle(at(3), Input::Packet(quick));
    let other = Spec { min_tx: ms(400), min_rx: ms(20), ..spec(50) };
    let _ = session.handle(at(4), Input::Reconfigure(Box::new(other)));
    let status = session.status(at(4));
    assert_eq!((status.tx_interval, status.rx_interval), (ms(50), Some(ms(50))));
    let next = session.deadline().unwrap();
    let told = sent(&session.handle(next, Input::Deadline))[0];
    assert_eq!((told.poll, told.desired_min_tx, told.required_min_rx), (true, ms(400), ms(20)));
    // Changed once more before the answer: that answer may be to the first values.
    let _ = session.handle(at(60), Input::Reconfigure(Box::new(Spec { min_tx: ms(300), min_rx: ms(20), ..spec(50) })));
    let quick_answer = Control { is_final: true, ..quick };
    let _ = session.handle(at(61), Input::Packet(quick_answer));
    assert_eq!(session.status(at(61)).tx_interval, ms(50));
    let _ = session.handle(at(62), Input::Packet(quick_answer));
    let status = session.status(at(62));
    assert_eq!((status.tx_interval, status.rx_interval), (ms(300), Some(ms(20))));
    assert_eq!(session.state(), State::Up);
}

#[test]
fn a_process_that_slept_gives_its_neighbour_one_more_interval_and_says_so() {
    let mut session = in_state(State::Up, spec(50));
    assert_eq!(session.handle(at(300), Input::Overslept(ms(149))), []);
    assert_eq!(changes(&session.handle(at(300), Input::Deadline)), []);
    // Asleep again, and still nothing: once is enough.
    let _ = session.handle(at(350), Input::Overslept(ms(40)));
    assert_eq!(changes(&session.handle(at(350), Input::Deadline)), [(State::Up, State::Down)]);
    let text = session.status(at(350)).cause.to_string();
    assert_eq!(text, "nothing heard for 349 ms, detection time 150 ms; in that time this process woke 149 ms late");
    let mut heard = in_state(State::Up, spec(50));
    let _ = heard.handle(at(300), Input::Overslept(ms(149)));
    let _ = heard.handle(at(300), Input::Packet(says(State::Up)));
    assert_eq!(changes(&heard.handle(at(300), Input::Deadline)), []);
    assert_eq!(heard.deadline().map(|at| at > Instant::from_micros(300_000)), Some(true));
}

/// Two systems, 1 ms apart, until `end`; packets that `lost` names by time and sender do not arrive.
struct Wire {
    now: Instant,
    ends: [Sessions; 2],
    /// (arrival, to, payload), by time.
    under_way: VecDeque<(Instant, usize, Vec<u8>)>,
    told: Vec<(Instant, usize, Change)>,
    packets: Vec<(Instant, usize, Control)>,
}

const ENDS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), NEIGHBOR];

impl Wire {
    fn new(specs: [Spec; 2]) -> Self {
        let ends = [Sessions::new(11), Sessions::new(22)];
        let (under_way, told, packets) = (VecDeque::new(), Vec::new(), Vec::new());
        let mut wire = Self { now: Instant::ZERO, ends, under_way, told, packets };
        for (end, spec) in specs.into_iter().enumerate() {
            wire.need(end, &[Spec { neighbor: ENDS[1 - end], ..spec }]);
        }
        wire
    }

    fn need(&mut self, end: usize, specs: &[Spec]) {
        let steps = self.ends[end].need(self.now, specs);
        self.perform(end, steps);
    }

    fn perform(&mut self, end: usize, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(departure) => {
                    assert_eq!(departure.destination.port(), PORT);
                    self.packets.push((self.now, end, decode(&departure.payload).unwrap()));
                    self.under_way.push_back((self.now + ms(1), 1 - end, departure.payload.to_vec()));
                }
                Step::Tell(News::Changed { change, .. }) => self.told.push((self.now, end, change)),
                Step::Tell(_) | Step::Ended(_) => {}
            }
        }
    }

    fn run(&mut self, until: Instant, lost: impl Fn(Instant, usize) -> bool) {
        loop {
            let arrival = self.under_way.front().map(|(at, ..)| *at);
            let due = self.ends.iter().filter_map(Sessions::deadline).min();
            let Some(next) = [arrival, due].into_iter().flatten().min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, to, payload) = self.under_way.pop_front().unwrap();
                if !lost(self.now, 1 - to) {
                    let (source, destination) = (ENDS[1 - to], ENDS[to]);
                    let arrival = Arrival { source, destination, hop_limit: 255, multihop: false, payload: &payload };
                    let steps = self.ends[to].receive(self.now, &arrival);
                    self.perform(to, steps);
                }
                continue;
            }
            for end in 0..2 {
                let steps = self.ends[end].expire(self.now);
                self.perform(end, steps);
            }
        }
        self.now = until;
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|end: usize| match self.ends[end].status(self.now) {
            News::Status { sessions, .. } => sessions[0].state,
            other @ (News::Changed { .. } | News::Problem { .. }) => panic!("{other:?}"),
        })
    }
}

#[test]
fn two_systems_come_up_and_find_a_silence_within_the_detection_time() {
    let mut wire = Wire::new([spec(50), spec(50)]);
    wire.run(at(3000), |_, _| false);
    assert_eq!(wire.states(), [State::Up; 2]);
    assert!(wire.told.iter().all(|(at, ..)| *at <= Instant::from_micros(1_010_000)), "{:?}", wire.told);
    assert!(wire.packets.iter().rev().take(20).all(|(_, _, c)| !c.poll && !c.is_final && c.state == State::Up));
    wire.told.clear();
    wire.run(at(4000), |now, from| from == 0 && now > at(3000));
    let (when, who, change) = wire.told[0];
    assert_eq!((who, change.from, change.to), (1, State::Up, State::Down));
    assert!(when.since(at(3000)) <= ms(150) && when.since(at(3000)) >= ms(99), "{when}");
    assert!(matches!(change.cause, Cause::Silence { .. }));
    // The side that hears everything is told, and why.
    let (told, who, change) = wire.told[1];
    assert_eq!((who, change.to, told), (0, State::Down, when + ms(1)));
    assert_eq!(change.cause, Cause::NeighborDown(Diagnostic::DETECTION_TIME_EXPIRED));
    wire.run(at(8000), |_, _| false);
    assert_eq!(wire.states(), [State::Up; 2], "and up again");
}

#[test]
fn one_lost_packet_in_three_changes_nothing_and_other_intervals_neither() {
    let mut wire = Wire::new([spec(50), Spec { multiplier: 3, passive: true, ..spec(20) }]);
    wire.run(at(3000), |_, _| false);
    assert_eq!(wire.states(), [State::Up; 2]);
    wire.told.clear();
    wire.run(at(10_000), |now, _| now.as_micros() % 200_000 < 60_000);
    assert_eq!(wire.told, []);
    let renamed = |interval| [Spec { name: "other".into(), neighbor: ENDS[1], ..spec(interval) }];
    for interval in [300, 10, 40] {
        wire.need(0, &renamed(interval));
        let until = wire.now + ms(2000);
        wire.run(until, |_, _| false);
    }
    assert_eq!(wire.told, [], "the session is the same");
    let recent = |p: &&(Instant, usize, Control)| p.0 + ms(1000) > wire.now && p.1 == 0;
    let count = wire.packets.iter().filter(recent).count();
    assert!((25..=34).contains(&count), "{count} packets a second of 40 ms, less jitter");
}

#[test]
fn a_removed_session_takes_its_neighbour_down_at_once_and_a_new_one_brings_it_up() {
    let mut wire = Wire::new([spec(50), spec(50)]);
    wire.run(at(3000), |_, _| false);
    wire.told.clear();
    wire.need(0, &[]);
    wire.run(at(3100), |_, _| false);
    let [(when, 1, change)] = wire.told[..] else { panic!("{:?}", wire.told) };
    assert_eq!((when, change.to, change.cause), (at(3001), State::Down, Cause::NeighborAdminDown));
    wire.need(0, &[Spec { neighbor: ENDS[1], ..spec(50) }]);
    wire.run(at(6000), |_, _| false);
    assert_eq!(wire.states(), [State::Up; 2]);
}

#[test]
fn packets_find_their_session_or_are_counted_by_reason() {
    let mut sessions = Sessions::new(1);
    let far = Spec { multihop: true, least_hop_limit: 250, ..Spec::new("far", NEIGHBOR) };
    let steps = sessions.need(Instant::ZERO, &[spec(50), far]);
    assert!(matches!(steps[..], [Step::Tell(News::Status { .. })]));
    let mut ours = Vec::new();
    for step in sessions.expire(at(0)) {
        if let Step::Send(d) = step {
            ours.push((d.destination.port(), decode(&d.payload).unwrap().my_discriminator));
        }
    }
    assert_eq!(ours.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [3784, 4784]);
    let mut hear = |control: Control, hop_limit, multihop, source: IpAddr| {
        let payload = crate::wire::bfd::encode(&control);
        let destination = ENDS[0];
        let arrival = Arrival { source, destination, hop_limit, multihop, payload: &payload };
        sessions.receive(at(1), &arrival).len()
    };
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    let named = |discriminator| Control { your_discriminator: discriminator, ..says(State::Down) };
    assert_eq!(hear(says(State::Down), 254, false, NEIGHBOR), 0, "one hop, and it crossed a router");
    assert_eq!(hear(says(State::Down), 255, false, stranger), 0);
    assert_eq!(hear(named(1), 255, false, NEIGHBOR), 0);
    assert_eq!(hear(named(ours[1].1), 255, false, NEIGHBOR), 0, "the other port's session");
    assert_eq!(hear(says(State::Down), 249, true, NEIGHBOR), 0);
    assert_eq!(hear(says(State::Down), 250, true, NEIGHBOR), 2, "Init, and said so");
    assert_eq!(hear(named(ours[0].1), 255, false, stranger), 2, "who names the discriminator is it");
    let News::Status { sessions: list, refused } = sessions.status(at(2)) else { panic!() };
    assert_eq!(list.iter().map(|s| (s.state, s.received)).collect::<Vec<_>>(), [(State::Init, 1), (State::Init, 1)]);
    let counts: Vec<_> = refused.counts.into_iter().collect();
    assert_eq!(counts, [("discriminator", 2), ("hop-limit", 2), ("stranger", 1)]);
}

#[derive(Clone, Debug)]
enum Step2 {
    Hear { state: usize, poll: bool, is_final: bool, demand: bool, mult: u8, tx: u32, rx: u32 },
    Wait(u64),
    Sleep(u64),
    Other { tx: u64, rx: u64, multiplier: u8, passive: bool },
    Disable,
}

fn life() -> impl Strategy<Value = Vec<Step2>> {
    let interval = prop_oneof![Just(0), Just(1), 1..200_000_u32, Just(u32::MAX)];
    let hear = (0..4_usize, any::<[bool; 3]>(), prop_oneof![Just(1), Just(3), Just(255)], interval.clone(), interval)
        .prop_map(|(state, [poll, is_final, demand], mult, tx, rx)| Step2::Hear {
            state,
            poll,
            is_final,
            demand,
            mult,
            tx,
            rx,
        });
    let other = (1..5000_u64, 1..5000_u64, 1..=255_u8, any::<bool>())
        .prop_map(|(tx, rx, multiplier, passive)| Step2::Other { tx, rx, multiplier, passive });
    let step = prop_oneof![
        8 => hear,
        4 => (0..3_000_000_u64).prop_map(Step2::Wait),
        1 => (0..3_000_000_u64).prop_map(Step2::Sleep),
        1 => other,
        1 => Just(Step2::Disable),
    ];
    prop::collection::vec(step, 1..60)
}

fn check(now: Instant, session: &Session, outputs: &[Output]) {
    for control in sent(outputs) {
        assert!(!(control.poll && control.is_final), "never both");
        assert!(control.state == State::Up || control.desired_min_tx >= ms(1000), "slow outside Up");
        assert!(!session.spec().passive || session.status(now).remote.is_some(), "passive and unheard");
    }
    let status = session.status(now);
    if status.state == State::Up {
        assert!(status.remote.is_some() && status.diagnostic == Diagnostic::NONE);
    }
    assert!(changes(outputs).len() <= 1, "at most one change in one step");
}

proptest! {
    #[test]
    fn no_life_breaks_the_rules_or_spins(steps in life()) {
        let mut session = Session::new(spec(50), 5, 9, Instant::ZERO);
        let mut now = Instant::ZERO;
        for step in steps {
            match step {
                Step2::Hear { state, poll, is_final, demand, mult, tx, rx } => {
                    let (desired_min_tx, required_min_rx) =
                        (Duration::from_micros(tx.into()), Duration::from_micros(rx.into()));
                    let said = Control {
                        poll, is_final, demand, detect_mult: mult, desired_min_tx, required_min_rx, ..says(STATES[state])
                    };
                    let outputs = session.handle(now, Input::Packet(said));
                    check(now, &session, &outputs);
                }
                Step2::Wait(us) => {
                    let end = now + Duration::from_micros(us);
                    while let Some(due) = session.deadline().filter(|at| *at <= end) {
                        now = now.max(due);
                        let outputs = session.handle(now, Input::Deadline);
                        check(now, &session, &outputs);
                        prop_assert!(session.deadline().is_none_or(|next| next > now), "due again at once");
                    }
                    now = end;
                }
                Step2::Sleep(us) => {
                    now = now + Duration::from_micros(us);
                    let outputs = session.handle(now, Input::Overslept(Duration::from_micros(us)));
                    check(now, &session, &outputs);
                }
                Step2::Other { tx, rx, multiplier, passive } => {
                    let other = Spec { min_tx: ms(tx), min_rx: ms(rx), multiplier, passive, ..spec(50) };
                    let outputs = session.handle(now, Input::Reconfigure(Box::new(other)));
                    check(now, &session, &outputs);
                }
                Step2::Disable => {
                    let outputs = session.handle(now, Input::Disable);
                    check(now, &session, &outputs);
                }
            }
        }
    }
}
