//! BFD sessions as the engine knows them: what the thread that holds them told last, and what it means to routers.

use super::core::Engine;
use super::effect::Effect;
use crate::bfd::{Cause, Change, News, Refused, Spec, Status};
use crate::status::{Bfd, BfdSession, BfdState, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp::{Conditions, Track, Tracker, weigh};
use crate::wire::bfd::State;

/// Lost packets included: outside Up one is sent each second.
const COME_UP_WITHIN: Duration = Duration::from_secs(3);

/// Every session of the configuration, in its order.
#[derive(Clone, Debug)]
pub(super) struct Bfds {
    specs: Vec<Spec>,
    told: Vec<Status>,
    refused: Refused,
    /// Good for the engine before this one, and until when they count as good before they come up again.
    inherited: Option<(Vec<String>, Instant)>,
}

impl Bfds {
    pub(super) const fn new(specs: Vec<Spec>) -> Self {
        let refused = Refused { counts: std::collections::BTreeMap::new(), last: None };
        Self { specs, told: Vec::new(), refused, inherited: None }
    }

    fn status(&self, name: &str) -> Option<&Status> {
        self.told.iter().find(|status| status.name == name)
    }

    /// What a session means to a router that tracks it. Before the first word of it, a router whose fault it would be
    /// waits.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        if self.is_inherited(&track.name) {
            weigh(track, true, "counts as up: it was for the engine before this one", conditions);
            return;
        }
        let Some(status) = self.status(&track.name) else {
            if track.weight == 0 {
                conditions.waiting.push(format!("BFD {} has not begun", track.name));
            }
            return;
        };
        let detail = match (status.state, status.good) {
            (State::Up, _) => "up".to_owned(),
            (_, true) => format!("counts as up: {}", status.cause),
            (state, false) => format!("{}: {}", word(state), status.cause),
        };
        weigh(track, status.good, &detail, conditions);
    }

    /// Whether a session is up, and in what state it is; none: the neighbour has not been heard since the start, which
    /// says nothing of it yet, as in keepalived.
    pub(super) fn standing(&self, name: &str) -> Option<(bool, String)> {
        if self.is_inherited(name) {
            return Some((true, "up".into()));
        }
        let status = self.status(name).filter(|s| !matches!(s.cause, Cause::Started | Cause::NeighborHeard))?;
        Some((status.good, format!("{}: {}", word(status.state), status.cause)))
    }

    /// The sessions whose paths are good, for the next engine.
    pub(super) fn good(&self) -> Vec<String> {
        let good = |spec: &&Spec| self.is_inherited(&spec.name) || self.status(&spec.name).is_some_and(|s| s.good);
        self.specs.iter().filter(good).map(|spec| spec.name.clone()).collect()
    }

    pub(super) fn inherit(&mut self, good: &[String], now: Instant) {
        self.inherited = (!good.is_empty()).then(|| (good.to_vec(), now + COME_UP_WITHIN));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inherited.as_ref().map(|(_, until)| *until)
    }

    /// Good before this engine started, and not up or down since.
    fn is_inherited(&self, name: &str) -> bool {
        let was_good = self.inherited.as_ref().is_some_and(|(good, _)| good.iter().any(|n| n == name));
        was_good && self.status(name).is_none_or(|s| matches!(s.cause, Cause::Started | Cause::NeighborHeard))
    }

    /// The sessions of another configuration; what was told of those that stay holds.
    pub(super) fn reload(&mut self, specs: &[Spec]) {
        let before = std::mem::replace(&mut self.specs, specs.to_vec());
        let mut told = Vec::new();
        for spec in specs {
            let same = before.iter().find(|old| old.is_same(spec)).and_then(|old| self.status(&old.name));
            told.extend(same.map(|status| Status { name: spec.name.clone(), ..status.clone() }));
        }
        self.told = told;
    }

    /// What another configuration changes, a line each.
    pub(super) fn changes(&self, specs: &[Spec], lines: &mut Vec<String>) {
        for spec in specs {
            match self.specs.iter().find(|old| old.is_same(spec)) {
                None => lines.push(format!("BFD session {}: new", spec.name)),
                Some(old) if old != spec => lines.push(format!("BFD session {}: changed, it goes on", spec.name)),
                Some(_) => {}
            }
        }
        let gone = self.specs.iter().filter(|old| !specs.iter().any(|spec| spec.is_same(old)));
        lines.extend(gone.map(|old| format!("BFD session {}: removed, its neighbour is told", old.name)));
    }
}

impl Engine {
    /// The sessions that are to be held.
    pub fn bfds(&self) -> &[Spec] {
        &self.bfds.specs
    }

    pub(super) fn bfd_snapshot(&self) -> Bfd {
        let sessions = self.bfds.specs.iter().map(|spec| {
            let tracks = |r: &&super::router::Router| tracks(r, &spec.name);
            let tracked_by = self.routers.iter().filter(tracks).map(|r| r.machine.spec().name.clone()).collect();
            shown(spec, tracked_by, self.bfds.status(&spec.name))
        });
        let refused = self.bfds.refused.counts.iter().map(|(word, count)| ((*word).to_owned(), *count));
        Bfd { sessions: sessions.collect(), refused: refused.collect() }
    }

    /// What the engine before this one found is no longer believed.
    pub(super) fn forget_inherited(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.bfds.deadline().is_none_or(|at| at > now) {
            return;
        }
        let names = self.bfds.inherited.take().map(|(names, _)| names).unwrap_or_default();
        self.node_unkept = true;
        for name in names {
            self.update_trackers_of(now, Tracker::Bfd, &name, effects);
            if let Some((up, why)) = self.bfds.standing(&name) {
                self.bfd_checked(now, &name, up, &why, effects);
            }
        }
    }

    pub(super) fn bfd_news(&mut self, now: Instant, news: News, effects: &mut Vec<Effect>) {
        match news {
            News::Changed { status, change } => {
                self.bfd_changed(now, &status, change);
                self.bfd_told(now, *status, effects);
            }
            News::Status { sessions, refused } => {
                for status in sessions {
                    self.bfd_told(now, status, effects);
                }
                self.bfd_refused(now, refused);
            }
            News::Problem { session, text } => {
                let (subject, about) = match session {
                    Some(name) => (Subject::Bfd(name.clone()), name),
                    None => (Subject::Node, "node".to_owned()),
                };
                if self.findings.raise(now, "bfd", Severity::Warning, &about, text.clone()) {
                    self.log.add(now, subject, Severity::Warning, "bfd", text, None);
                }
            }
        }
    }

    fn bfd_changed(&mut self, now: Instant, status: &Status, change: Change) {
        // A word about a session that a reload has just removed.
        if !self.bfds.specs.iter().any(|spec| spec.name == status.name) {
            return;
        }
        let severity = match (change.from, change.to) {
            (_, State::Up) => Severity::Notice,
            (State::Up, _) => Severity::Warning,
            (State::AdminDown | State::Down | State::Init, _) => Severity::Info,
        };
        let (text, cause) = (format!("{} → {}", change.from, change.to), change.cause.to_string());
        self.log.add(now, Subject::Bfd(status.name.clone()), severity, "bfd", text, Some(cause));
    }

    fn bfd_told(&mut self, now: Instant, status: Status, effects: &mut Vec<Effect>) {
        if !self.bfds.specs.iter().any(|spec| spec.name == status.name) {
            return;
        }
        let name = status.name.clone();
        let meaning = |s: &Status| (s.state, s.cause, s.good);
        let same = self.bfds.status(&name).map(meaning) == Some(meaning(&status));
        match self.bfds.told.iter_mut().find(|told| told.name == name) {
            Some(told) => *told = status,
            None => self.bfds.told.push(status),
        }
        if same {
            return;
        }
        self.node_unkept = true;
        self.update_trackers_of(now, Tracker::Bfd, &name, effects);
        if let Some((up, why)) = self.bfds.standing(&name) {
            self.bfd_checked(now, &name, up, &why, effects);
        }
    }

    fn bfd_refused(&mut self, now: Instant, refused: Refused) {
        let more = refused.total() > self.bfds.refused.total();
        if let (true, Some((from, why))) = (more, &refused.last) {
            let text = format!("BFD packet from {from} refused: {why}");
            if self.findings.raise(now, "bfd-refused", Severity::Warning, &from.to_string(), text.clone()) {
                self.log.add(now, Subject::Node, Severity::Warning, "refused", text, None);
            }
        }
        self.bfds.refused = refused;
    }
}

fn tracks(router: &super::router::Router, name: &str) -> bool {
    router.machine.spec().tracks.iter().any(|t| t.kind == Tracker::Bfd && t.name == name)
}

const fn word(state: State) -> &'static str {
    match state {
        State::AdminDown => "administratively down",
        State::Down => "down",
        State::Init => "coming up",
        State::Up => "up",
    }
}

fn shown(spec: &Spec, tracked_by: Vec<String>, status: Option<&Status>) -> BfdSession {
    let remote = status.and_then(|s| s.remote);
    BfdSession {
        name: spec.name.clone(),
        tracked_by,
        neighbor: spec.neighbor,
        multihop: spec.multihop,
        passive: spec.passive,
        at: status.map(|s| s.at),
        state: status.map_or(BfdState::Down, |s| s.state.into()),
        good: status.is_some_and(|s| s.good),
        since: status.map_or(Instant::ZERO, |s| s.since),
        cause: status.map_or_else(|| "it has not begun".to_owned(), |s| s.cause.to_string()),
        diagnostic: status.map(|s| s.diagnostic.to_string()).unwrap_or_default(),
        remote_state: remote.map(|(state, _)| state.into()),
        remote_diagnostic: remote.map(|(_, diagnostic)| diagnostic.to_string()),
        discriminator: status.map_or(0, |s| s.discriminator),
        remote_discriminator: status.map_or(0, |s| s.remote_discriminator),
        tx_interval: status.map_or(Duration::ZERO, |s| s.tx_interval),
        rx_interval: status.and_then(|s| s.rx_interval),
        detection: status.and_then(|s| s.detection),
        heard_at: status.and_then(|s| s.heard_at),
        sent: status.map_or(0, |s| s.sent),
        received: status.map_or(0, |s| s.received),
        ups: status.map_or(0, |s| s.ups),
        downs: status.map_or(0, |s| s.downs),
    }
}

impl From<State> for BfdState {
    fn from(state: State) -> Self {
        match state {
            State::AdminDown => Self::AdminDown,
            State::Down => Self::Down,
            State::Init => Self::Init,
            State::Up => Self::Up,
        }
    }
}
