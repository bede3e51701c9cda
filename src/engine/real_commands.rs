//! An operator's commands for real servers: each becomes an order that stays in force until it is lifted.

use super::commands::by;
use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::lvs::Reset;
use crate::status::{Ask, Asked, Command, Order, Severity, Slot, Subject};
use crate::time::Instant;
use std::collections::BTreeSet;

/// The longest deadline and slow start: longer is a slip of the finger.
const LONGEST: u32 = 7 * 24 * 3600;

impl Engine {
    pub(super) fn on_real(
        &mut self,
        now: Instant,
        ask: &Ask,
        real: DestinationKey,
        service: Option<ServiceKey>,
        effects: &mut Vec<Effect>,
    ) -> Result<String, String> {
        if self.stopping {
            return Err("the engine is stopping".into());
        }
        if let Some(refusal) = refusal(&ask.command) {
            return Err(refusal);
        }
        let mut done = Vec::new();
        let mut text = String::new();
        let mut refused = None;
        for key in self.services_with(real, service, &ask.command) {
            match self.order_real(now, ask, key, real) {
                Ok(consequence) => {
                    text = consequence;
                    done.push(key);
                }
                Err(reason) => refused = Some(format!("{real} of {key}: {reason}")),
            }
        }
        if done.is_empty() {
            let place = service.map(|key| format!(" of {key}")).unwrap_or_default();
            return Err(refused.unwrap_or_else(|| format!("{} has no real server {real}{place}", self.name)));
        }
        for key in &done {
            let text = ask.command.to_string();
            self.log.add(now, Subject::Real(*key, real), Severity::Notice, "command", text, Some(by(ask, "")));
            self.lay_over_one(now, *key, real);
            if matches!(ask.command, Command::Reset { .. })
                && let Some(drain) = self.real_mut(*key, real).and_then(|r| r.intent.drain.as_mut())
            {
                drain.reset = Reset::Wanted;
            }
        }
        let _ = self.settle_quorums(now, effects);
        self.settle_table(effects);
        let services: Vec<_> = done.iter().map(ToString::to_string).collect();
        Ok(format!("{real} of {}: {text}", services.join(", ")))
    }

    /// The virtual services that have it; to be lifted, also orders that wait for the configuration.
    fn services_with(
        &self,
        real: DestinationKey,
        service: Option<ServiceKey>,
        command: &Command,
    ) -> BTreeSet<ServiceKey> {
        let has = self.services.iter().filter(|s| s.reals.iter().any(|r| r.spec.key == real)).map(|s| s.spec.key);
        let waits = self.overlay.orders.iter().filter_map(|o| o.asked.real());
        let waits = waits.filter(|(_, to)| *to == real && matches!(command, Command::Return { .. }));
        let all = has.chain(waits.map(|(key, _)| key));
        all.filter(|key| service.is_none_or(|wanted| wanted == *key)).collect()
    }

    /// Takes one order for one real server of one virtual service; what happens now, in a sentence.
    fn order_real(&mut self, now: Instant, ask: &Ask, key: ServiceKey, to: DestinationKey) -> Result<String, String> {
        let wall_us = self.wall_us(now);
        let out = self.out_order(key, to).cloned();
        match &ask.command {
            Command::Drain { deadline_seconds, then, ignore_persistence, .. } => {
                let deadline_us = deadline_seconds.map(|s| wall_us.saturating_add(u64::from(s) * 1_000_000));
                let asked = Asked::Drain {
                    service: key,
                    real: to,
                    deadline_us,
                    then: *then,
                    ignore_persistence: *ignore_persistence,
                    overdue: false,
                    drained_us: None,
                };
                let order = drain_after(out.as_ref(), self.order(now, ask, asked))?;
                self.set_order(order);
                self.lift_order(&Slot::Rising(key, to));
                let deadline = deadline_seconds.map_or(String::new(), |s| format!("; in {s} s: {then}"));
                let caveats = self.drain_caveats(key, *ignore_persistence);
                Ok(format!("weight 0, no new connections; open ones go on until they end{deadline}{caveats}"))
            }
            Command::Maint { .. } => {
                let before = out.as_ref().filter(|o| matches!(o.asked, Asked::Maint { .. }));
                let mut order = self.order(now, ask, Asked::Maint { service: key, real: to });
                if let Some(before) = before {
                    if same_end(before, &order) {
                        return Err("already in maintenance".into());
                    }
                    order.since_us = before.since_us;
                }
                self.lift_order(&Slot::Rising(key, to));
                self.set_order(order);
                Ok("in maintenance: its connections are reset, and it leaves the table until it is returned".into())
            }
            Command::Reset { .. } => match out.as_ref().map(|o| &o.asked) {
                Some(Asked::Drain { .. }) => Ok("the connections it still has are reset".into()),
                Some(_) => Err("in maintenance: its connections were reset".into()),
                None => Err("it does not drain: only what is out of service is reset".into()),
            },
            Command::Return { slow_start_seconds, .. } => self.return_real(now, ask, *slow_start_seconds, key, to),
            Command::Weight { weight, .. } => {
                let order = self.order(now, ask, Asked::Weight { service: key, real: to, weight: *weight });
                self.lift_order(&Slot::Rising(key, to));
                self.set_order(order);
                let later = if out.is_some() { ", once it is back in service" } else { "" };
                Ok(format!("weight {weight} until returned{later}"))
            }
            Command::Demote { .. }
            | Command::DemoteAll { .. }
            | Command::Restore { .. }
            | Command::RestoreAll {}
            | Command::Takeover { .. }
            | Command::Pause {}
            | Command::Resume {}
            | Command::Announce { .. }
            | Command::Acknowledge { .. }
            | Command::Note { .. }
            | Command::Keep { .. }
            | Command::Undo { .. }
            | Command::Lock { .. }
            | Command::Unlock { .. }
            | Command::CheckNow { .. }
            | Command::Reload { .. }
            | Command::Restart {} => Err("no command for a real server".into()),
        }
    }

    fn return_real(
        &mut self,
        now: Instant,
        ask: &Ask,
        slow_start: Option<u32>,
        key: ServiceKey,
        to: DestinationKey,
    ) -> Result<String, String> {
        let was_out = self.lift_order(&Slot::Out(key, to)).is_some();
        let lifted = [Slot::Weight(key, to), Slot::Rising(key, to)];
        let others = lifted.map(|slot| self.lift_order(&slot).is_some());
        if !was_out && others == [false, false] {
            return Err("already as in the file".into());
        }
        let Some(seconds) = slow_start.filter(|s| was_out && *s > 0) else {
            return Ok("back in service with the weight of the file".into());
        };
        let order = self.order(now, ask, Asked::SlowStart { service: key, real: to, seconds });
        self.set_order(order);
        Ok(format!("back in service: its weight grows to that of the file in {seconds} s"))
    }
}

/// Whether another order of the same kind would change nothing.
pub(super) fn same_end(before: &Order, after: &Order) -> bool {
    !before.expired && before.expires_us.is_none() && after.expires_us.is_none()
}

/// Why a command cannot be meant, whatever there is.
fn refusal(command: &Command) -> Option<String> {
    let too_long = |what: &str, seconds: u32| {
        (seconds == 0 || seconds > LONGEST).then(|| format!("{what} is 1 to {LONGEST} s, not {seconds}"))
    };
    if matches!(command, Command::Weight { weight, .. } if *weight > 65_535) {
        return Some("a weight is 0 to 65535".into());
    }
    if let Command::Drain { deadline_seconds: Some(seconds), .. } = command {
        return too_long("a deadline", *seconds);
    }
    let Command::Return { slow_start_seconds: Some(seconds), .. } = command else { return None };
    too_long("a slow start", *seconds)
}

/// The order for a drain, if it makes any difference: one that goes on keeps its beginning.
fn drain_after(before: Option<&Order>, mut order: Order) -> Result<Order, String> {
    let Some(before) = before else { return Ok(order) };
    let Asked::Drain { deadline_us: had, ignore_persistence: ignored, drained_us: was_drained, .. } = before.asked
    else {
        return Err("in maintenance: return it first".into());
    };
    let same = same_end(before, &order);
    let Asked::Drain { deadline_us, ignore_persistence, drained_us, .. } = &mut order.asked else { return Ok(order) };
    if same && deadline_us.is_none() && had.is_none() && ignored == *ignore_persistence {
        return Err("already draining".into());
    }
    *drained_us = was_drained;
    order.since_us = before.since_us;
    Ok(order)
}
