//! Tracked scripts: when they run, what their results mean for the routers that track them.

use super::addresses::term;
use super::core::Engine;
use super::effect::Effect;
use crate::conf::ScriptSpec;
use crate::health::Outcome;
use crate::status::{Severity, Subject};
use crate::time::Instant;
use crate::vrrp::{Conditions, RiseFall, Track, Tracker};

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) spec: ScriptSpec,
    pub(super) verdict: RiseFall,
    pub(super) since: Instant,
    pub(super) last: Option<(Instant, Outcome)>,
    pub(super) running: bool,
    next_at: Instant,
}

impl Script {
    pub(super) const fn new(spec: ScriptSpec, now: Instant) -> Self {
        let verdict = RiseFall::new(spec.rise, spec.fall);
        Self { spec, verdict, since: now, last: None, running: false, next_at: now }
    }

    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    /// What this script means to a router that tracks it. Weight 0: bad is a fault, and so is nothing known yet, which
    /// only delays the start. Otherwise the weight counts while good (positive) or while bad (negative); `reverse`
    /// turns the sign of what is added and the side on which it is added.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        let name = &self.spec.name;
        let good = self.verdict.good();
        let Some(good) = good else {
            if track.weight == 0 {
                conditions.waiting.push(format!("script {name} has no result yet"));
            }
            return;
        };
        let detail = self.last.as_ref().map(|(_, o)| o.detail.clone());
        if track.weight == 0 {
            if good == track.reverse {
                let detail = detail.unwrap_or_default();
                conditions.faults.push(format!("script {name}: {detail}"));
            }
            return;
        }
        let counts = if track.weight > 0 { good } else { !good };
        let value = match (counts, track.reverse) {
            (false, _) => 0,
            (true, false) => track.weight,
            (true, true) => -track.weight,
        };
        let word = if good { "passing" } else { "failing" };
        let note = detail.map_or_else(|| word.to_owned(), |d| format!("{word}: {d}"));
        conditions.terms.push(term(format!("script {name}"), value, Some(note)));
    }
}

impl Engine {
    pub(super) fn start_scripts(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for script in self.scripts.iter_mut().filter(|s| s.next_at <= now) {
            script.next_at = now + script.spec.interval;
            // A run that is still active at its next turn is left to end; that turn is skipped.
            if !script.running && !self.stopping {
                script.running = true;
                effects.push(Effect::RunScript(script.spec.clone()));
            }
        }
    }

    pub(super) fn script_done(&mut self, now: Instant, name: &str, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Some(script) = self.scripts.iter_mut().find(|s| s.spec.name == name) else { return };
        script.running = false;
        let changed = script.verdict.record(outcome.good);
        let detail = outcome.detail.clone();
        script.last = Some((now, outcome));
        if changed {
            script.since = now;
            let good = script.verdict.good() == Some(true);
            let (severity, word) = if good { (Severity::Notice, "passing") } else { (Severity::Warning, "failing") };
            self.log.add(now, Subject::Script(name.to_owned()), severity, "script", word, Some(detail));
        }
        // Also without a change of verdict: the reason shown beside the priority may be another.
        for index in 0..self.routers.len() {
            let tracks = |r: &super::router::Router| {
                r.machine.spec().tracks.iter().any(|t| t.kind == Tracker::Script && t.name == name)
            };
            if self.routers.get(index).is_some_and(tracks) {
                self.update_conditions(now, index, effects);
            }
        }
    }
}
