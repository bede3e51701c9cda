//! Alarms that somebody has seen. They are kept for whoever looks, on this engine or another, and change nothing.

use super::commands::by;
use super::core::Engine;
use crate::status::{Acknowledged, Ask, Severity, Subject};
use crate::time::Instant;

/// So many are kept; then the earliest goes, and its alarm counts as unseen.
const KEPT: usize = 64;
/// The longest identity, in bytes.
const LONGEST: usize = 256;

impl Engine {
    /// Also of alarms that this node cannot know of: those of the whole cluster.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        ask: &Ask,
        alarm: &str,
        since_us: Option<u64>,
    ) -> Result<String, String> {
        let has_kind = alarm.split_once(':').is_some_and(|(kind, subject)| !kind.is_empty() && !subject.is_empty());
        if !has_kind || alarm.len() > LONGEST {
            return Err(format!("`{alarm}` names no alarm: `vipdeck alarms --json` lists their ids, as split:VI_1"));
        }
        self.acknowledged.retain(|a| a.alarm != alarm);
        if self.acknowledged.len() == KEPT {
            self.acknowledged.remove(0);
        }
        self.acknowledged.push(Acknowledged {
            alarm: alarm.to_owned(),
            since_us,
            by: ask.actor.clone(),
            at_us: self.log.wall_zero_us() + now.as_micros(),
            reason: ask.reason.clone(),
        });
        let text = format!("alarm {alarm} acknowledged");
        self.log.add(now, Subject::Node, Severity::Info, "acknowledge", text.clone(), Some(by(ask, "")));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::conf::Config;
    use crate::engine::{Effect, Engine, Input, Setup};
    use crate::status::{Actor, Alarm, AlarmKind, Ask, Command, Dataplane, DataplaneKind, Reply, Severity};
    use crate::time::{Duration, Instant};

    fn engine() -> Engine {
        Engine::new(Setup {
            config: Config::default(),
            host: "lvs1".into(),
            config_path: "lvs1.conf".into(),
            pid: 1,
            guard: None,
            seed: 7,
            wall_zero_us: 1_000_000,
            dataplane: Dataplane { kind: DataplaneKind::None, note: None },
            uptime: Duration::ZERO,
            lease: Some(0),
            legacy: None,
            probe_addresses: true,
        })
    }

    fn ask(alarm: &str) -> Ask {
        let command = Command::Acknowledge { alarm: alarm.into(), since_us: Some(9_000_000) };
        let actor = Actor { user: "ops1".into(), from: "test".into() };
        Ask { reason: Some("seen".into()), actor, ..Ask::new(command) }
    }

    fn told(engine: &mut Engine, alarm: &str) -> Reply {
        let at = Instant::from_micros(20_000_000);
        let effects = engine.handle(at, Input::Command { id: 1, ask: ask(alarm) });
        effects.into_iter().find_map(|e| if let Effect::Reply { reply, .. } = e { Some(reply) } else { None }).unwrap()
    }

    #[test]
    fn who_has_seen_which_occurrence_is_kept_and_logged() {
        let mut engine = engine();
        engine.take_events();
        assert!(matches!(told(&mut engine, "split:VI_1"), Reply::Accepted { .. }));
        assert!(matches!(told(&mut engine, "split:VI_1"), Reply::Accepted { .. }));
        let events = engine.take_events();
        assert!(events.iter().all(|e| e.kind == "acknowledge" && e.cause.as_deref() == Some("ops1 (test): seen")));
        assert_eq!(events.len(), 2);
        let snapshot = engine.snapshot(Instant::from_micros(21_000_000));
        let [seen] = snapshot.acknowledged.as_slice() else { panic!("{:?}", snapshot.acknowledged) };
        assert_eq!((seen.by.user.as_str(), seen.at_us), ("ops1", 21_000_000));
        let alarm = |since_us| Alarm {
            id: "split:VI_1".into(),
            kind: AlarmKind::Split,
            severity: Severity::Alarm,
            text: String::new(),
            meaning: String::new(),
            advice: String::new(),
            since_us: Some(since_us),
            nodes: vec![],
            acknowledged: None,
        };
        assert!(seen.covers(&alarm(9_000_000)) && seen.covers(&alarm(10_000_000)));
        assert!(!seen.covers(&alarm(12_000_000)), "a new occurrence is a new alarm");
    }

    #[test]
    fn what_names_no_alarm_is_refused_and_no_more_are_kept_than_fit() {
        let mut engine = engine();
        for bad in ["", "split", ":VI_1", "split:", &format!("split:{}", "x".repeat(300))] {
            assert!(matches!(told(&mut engine, bad), Reply::Rejected { .. }), "{bad}");
        }
        for n in 0..100 {
            told(&mut engine, &format!("fault:{n}"));
        }
        let kept = engine.snapshot(Instant::from_micros(21_000_000)).acknowledged;
        assert_eq!((kept.len(), kept.last().map(|a| a.alarm.as_str())), (super::KEPT, Some("fault:99")));
    }
}
