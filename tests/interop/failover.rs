//! The VIP's way from one server to the other and back, for every reason there is.

use crate::able;
use crate::capture::{Capture, wall};
use crate::dissect;
use crate::engine::is_master;
use crate::stage::{ADDRESSES, Program, Stage};
use crate::watch::{Moment, Watch};
use std::time::Duration;

/// Two may have the VIP for so long while it is handed over, or nobody.
const HAND_OVER: Duration = Duration::from_millis(50);
/// How much later than the protocol asks something may be seen to happen.
const SLACK: Duration = Duration::from_millis(100);

const FIRST: [bool; 2] = [true, false];
const SECOND: [bool; 2] = [false, true];

// parity: 15 17 18 19 20
#[test]
fn vipdeck_is_preferred_and_keepalived_stands_by() {
    journey(Program::Vipdeck);
}

// parity: 15 17 18 19 20
#[test]
fn keepalived_is_preferred_and_vipdeck_stands_by() {
    journey(Program::Keepalived);
}

/// Skew and master-down time of VRRPv2 with adverts of one second (RFC 3768, 6.1).
fn skew(priority: u64) -> Duration {
    Duration::from_micros((256 - priority) * 1_000_000 / 256)
}

fn down(priority: u64) -> Duration {
    Duration::from_secs(3) + skew(priority)
}

fn journey(preferred: Program) {
    if !able() {
        return;
    }
    let Some(stage) = Stage::new([preferred, preferred.other()]) else { return };
    let capture = Capture::start(stage.switch(), "br0", stage.directory(), "switch");
    let watch = Watch::start([stage.namespace(0), stage.namespace(1)]);
    let mut journey = Journey { stage, capture, watch };
    journey.elect();
    journey.script_fails();
    journey.link_dies();
    journey.clean_stop();
    journey.standby_leaves();
    let Journey { mut stage, capture, watch } = journey;
    stage.stop(0);
    stage.stop(1);
    watch.until("both have left", [false; 2], Duration::from_secs(2));
    let file = capture.stop();
    let programs = stage.programs;
    dissect::all_are_sound(&file, [100, 90]);
    report(&format!("{programs:?}: dissected"), &[]);
}

struct Journey {
    stage: Stage,
    capture: Capture,
    watch: Watch,
}

impl Journey {
    /// The preferred one takes what nobody has; the other does not dispute it.
    fn elect(&mut self) {
        let started = wall();
        self.stage.start(0);
        let since = self.watch.until("the first election", FIRST, Duration::from_secs(8));
        self.say("first election", &[("after the start", since.saturating_sub(started))]);
        let took = since - started;
        // At most a second of it is the program's start.
        assert!(took >= down(100) && took <= down(100) + Duration::from_secs(1), "{took:?}");
        self.stage.start(1);
        let from = wall();
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(self.since(from), [], "a lower priority changes nothing");
        self.statuses(FIRST);
    }

    /// 100 − 20 is less than 90: the VIP moves, and comes back with the script.
    fn script_fails(&mut self) {
        for (failing, after) in [(true, SECOND), (false, FIRST)] {
            let from = wall();
            self.stage.set_script(0, failing);
            // Two runs, two seconds apart; one advert with the new priority; then the master-down time.
            self.watch.until("the script moves the VIP", after, Duration::from_secs(10));
            let what = if failing { "script fails" } else { "script is good again" };
            self.handed_over(what, from, wall(), HAND_OVER);
            self.settled(after);
        }
        let priorities: Vec<_> = self.capture.adverts_of(ADDRESSES[0]).iter().map(|(_, p)| *p).collect();
        assert!(priorities.contains(&80), "the weight is in the adverts: {priorities:?}");
    }

    /// The master falls silent; when its link is back it is preferred again.
    fn link_dies(&mut self) {
        let from = wall();
        self.stage.link(0, "down");
        self.watch.until("the dead server's VIP is taken over", SECOND, Duration::from_secs(6));
        let last = self.capture.adverts_of(ADDRESSES[0]).last().unwrap().0;
        let first = self.first_advert(1, from);
        let took = first - last;
        self.say("link dies", &[("from the last advert to the successor's first", took)]);
        assert!(took >= down(90).saturating_sub(SLACK / 10), "earlier than the protocol allows: {took:?}");
        assert!(took <= down(90) + SLACK, "{took:?}");
        self.handed_over("link dies", from, wall(), down(90) + SLACK);
        self.settled(SECOND);

        let from = wall();
        self.stage.link(0, "up");
        self.watch.until("the preferred server returns", FIRST, Duration::from_secs(8));
        self.handed_over("link returns", from, wall(), HAND_OVER);
        self.settled(FIRST);
    }

    /// The master says goodbye, so that nobody waits for its silence.
    fn clean_stop(&mut self) {
        let from = wall();
        self.stage.stop(0);
        self.watch.until("the VIP is handed over", SECOND, Duration::from_secs(3));
        let goodbyes = self.capture.adverts_of(ADDRESSES[0]);
        let (goodbye, _) = *goodbyes.iter().find(|(at, priority)| *at >= from && *priority == 0).expect("priority 0");
        let took = self.first_advert(1, from) - goodbye;
        self.say("clean stop", &[("from priority 0 to the successor's first advert", took)]);
        assert!(took <= skew(90) + SLACK, "{took:?}");
        // vipdeck answers until its successor is heard; keepalived takes its addresses off at once.
        let gap = if self.stage.programs[0] == Program::Vipdeck { HAND_OVER } else { skew(90) + SLACK };
        self.handed_over("clean stop", from, wall(), gap);
        self.settled(SECOND);

        let from = wall();
        self.stage.start(0);
        self.watch.until("the preferred server returns", FIRST, Duration::from_secs(8));
        self.handed_over("preferred server returns", from, wall(), HAND_OVER);
        self.settled(FIRST);
    }

    /// Nothing moves when the standby stops and starts.
    fn standby_leaves(&mut self) {
        let from = wall();
        self.stage.stop(1);
        self.stage.start(1);
        std::thread::sleep(Duration::from_secs(4));
        // Both remove a VIP at their start that they find; here there is none to find.
        assert_eq!(self.since(from), []);
        self.statuses(FIRST);
    }

    /// The changes since then.
    fn since(&self, from: Duration) -> Vec<Moment> {
        self.watch.moments().into_iter().filter(|m| m.at > from).collect()
    }

    fn first_advert(&self, server: usize, from: Duration) -> Duration {
        let adverts = self.capture.adverts_of(ADDRESSES[server]);
        adverts.iter().find(|(at, priority)| *at > from && *priority > 0).expect("an advert of the successor").0
    }

    /// Exactly one hand-over: one server's VIP went and the other's came, with nobody for at most `gap` in between
    /// and both for at most [`HAND_OVER`].
    fn handed_over(&self, what: &str, from: Duration, to: Duration, gap: Duration) {
        let moments = self.since(from);
        let [left, right] = moments.as_slice() else { panic!("{what}: one hand-over, not {moments:#?}") };
        let took = right.at - left.at;
        let (word, limit) = if left.owners == [true; 2] { ("both", HAND_OVER) } else { ("nobody", gap) };
        self.say(what, &[(word, took), ("since the cause", right.at - from)]);
        assert!(took <= limit, "{what}: {word} for {took:?}, at most {limit:?}");
        assert!(right.at <= to);
    }

    /// Nothing more happens, both programs agree on it, and one only speaks.
    fn settled(&self, owners: [bool; 2]) {
        let from = wall();
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(self.since(from), [], "settled");
        assert_eq!(self.watch.owners(), owners);
        let silent = usize::from(owners[0]);
        let late = self.capture.adverts_of(ADDRESSES[silent]).into_iter().filter(|(at, _)| *at > from).count();
        assert_eq!(late, 0, "the one without the VIP is silent");
        self.statuses(owners);
    }

    fn statuses(&self, owners: [bool; 2]) {
        let ours = usize::from(self.stage.programs[1] == Program::Vipdeck);
        if self.stage.is_running(ours) {
            let snapshot = self.stage.snapshot(ours);
            let instance = snapshot.instance("VI_1").unwrap();
            assert_eq!(is_master(instance), owners[ours], "{instance:#?}");
            assert_eq!(instance.adverts_refused, 0, "{instance:#?}");
        }
    }

    fn say(&self, what: &str, numbers: &[(&str, Duration)]) {
        report(&format!("{:?}: {what}", self.stage.programs), numbers);
    }
}

fn report(what: &str, numbers: &[(&str, Duration)]) {
    let numbers: Vec<_> = numbers.iter().map(|(n, d)| format!("{n} {:.1} ms", d.as_secs_f64() * 1e3)).collect();
    eprintln!("{what}: {}", numbers.join(", "));
}
