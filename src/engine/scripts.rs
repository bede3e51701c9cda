//! Tracked scripts: when they run, what their results mean for the routers that track them.

use super::core::Engine;
use super::effect::Effect;
use crate::conf::ScriptSpec;
use crate::health::Outcome;
use crate::status::{Reason, Reasons, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::{Conditions, RiseFall, Track, Tracker, weigh};

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) spec: ScriptSpec,
    pub(super) verdict: RiseFall,
    pub(super) since: Instant,
    pub(super) last: Option<(Instant, Outcome)>,
    pub(super) running: bool,
    /// The result that turned the verdict.
    pub(super) reasons: Reasons,
    next_at: Instant,
}

impl Script {
    pub(super) fn new(spec: ScriptSpec, now: Instant) -> Self {
        let verdict = RiseFall::new(spec.rise, spec.fall);
        Self { spec, verdict, since: now, last: None, running: false, reasons: Reasons::default(), next_at: now }
    }

    /// Takes the verdict of an engine before this one; the next run has the detail.
    pub(super) fn inherit(&mut self, good: bool, since: Instant) {
        self.verdict.record(good);
        self.since = since;
        self.reasons = [Reason::input(since, "start", "found by the engine before this one")].into();
    }

    /// Whether a spec of this name runs the same command as the same user: its results still hold.
    pub(super) fn is_same(&self, spec: &ScriptSpec) -> bool {
        (&self.spec.argv, &self.spec.user) == (&spec.argv, &spec.user)
    }

    /// The script with another interval, weight and so on, and what it has found so far.
    pub(super) fn with(self, spec: ScriptSpec) -> Self {
        let rules = (spec.rise, spec.fall) == (self.spec.rise, self.spec.fall);
        let verdict = if rules { self.verdict } else { self.verdict.with(spec.rise, spec.fall) };
        let next_at = self.next_at.min(self.next_at - self.spec.interval + spec.interval);
        Self { spec, verdict, next_at, ..self }
    }

    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    /// What this script means to a router that tracks it. Without a result yet it counts as failed (`init_fail`), or delays the start of a router whose
    /// fault its failure would be, and counts nothing for others.
    pub(super) fn contribute(&self, track: &Track, conditions: &mut Conditions) {
        let Some(good) = self.verdict.good() else {
            if self.spec.init_fail {
                weigh(track, false, "no result yet (init_fail)", conditions);
            } else if track.weight == 0 {
                conditions.waiting.push(format!("script {} has no result yet", self.spec.name));
            }
            return;
        };
        let word = if good { "passing" } else { "failing" };
        let detail = match &self.last {
            Some((_, outcome)) if track.weight == 0 => outcome.detail.clone(),
            Some((_, outcome)) => format!("{word}: {}", outcome.detail),
            None => word.to_owned(),
        };
        weigh(track, good, &detail, conditions);
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
        script.last = Some((now, outcome.clone()));
        if changed {
            self.node_unkept = true;
            script.since = now;
            let needed = if outcome.good { script.spec.rise } else { script.spec.fall };
            script.reasons = [
                Reason::follows(now, format!("{} results in a row turn it", needed.max(1))),
                Reason::input(now, "script", format!("script {name}: {}", outcome.detail)),
            ]
            .into();
            let good = script.verdict.good() == Some(true);
            let (severity, word) = if good { (Severity::Notice, "passing") } else { (Severity::Warning, "failing") };
            self.log.add(now, Subject::Script(name.to_owned()), severity, "script", word, Some(detail));
        }
        // Also without a change of verdict: the reason shown beside the priority may be another.
        self.update_trackers_of(now, Tracker::Script, name, effects);
    }
}
