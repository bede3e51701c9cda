//! What becomes of virtual services.

use super::Hypothesis;
use super::known::{Known, Standing};
use super::outcome::{Forecast, ServiceOutcome};
use crate::kernel::DestinationKey;
use crate::lvs::holds_quorum;
use crate::status::{Real, Service, Verdict};

/// The services of whoever serves after a move, if they are worse off there.
pub(super) fn after(nodes: &[Known], hypothesis: &Hypothesis, forecast: &mut Forecast) {
    let moved = forecast.instances.iter().filter(|o| o.before != o.after);
    let mut services = Vec::new();
    for outcome in moved {
        for node in &outcome.after {
            let Some(snapshot) = nodes.iter().find(|n| n.name == *node).and_then(|n| n.snapshot) else { continue };
            let here = |s: &&Service| {
                s.instance.as_ref().is_some_and(|i| snapshot.instance(i).is_some_and(|i| i.vrid == outcome.vrid))
            };
            let left = snapshot.services.iter().filter(here).map(|s| left(node, s, None, false));
            services.extend(left.filter(|s| !s.quorum || s.takes == 0));
        }
    }
    if let Hypothesis::Cut { node } = hypothesis {
        forecast.uncertain.push(format!("whether {node} still reaches its real servers depends on the wire"));
    }
    forecast.services.extend(services);
}

/// Every service that has a real server, without it.
pub(super) fn without(
    nodes: &[Known],
    real: &DestinationKey,
    drained: bool,
    hypothesis: &Hypothesis,
) -> Result<Forecast, String> {
    let mut forecast = Forecast { question: hypothesis.to_string(), ..Forecast::default() };
    for known in nodes {
        let Some(snapshot) = known.snapshot else { continue };
        let having = snapshot.services.iter().filter(|s| s.reals.iter().any(|r| r.id == *real));
        let before = forecast.services.len();
        forecast.services.extend(having.map(|s| left(known.name, s, Some(real), drained)));
        if known.standing != Standing::Fresh && forecast.services.len() > before {
            forecast.uncertain.push(format!("{} is STALE: its servers may stand otherwise by now", known.name));
        }
    }
    if forecast.services.is_empty() {
        return Err(format!("no node has a real server {real}"));
    }
    Ok(forecast)
}

fn left(node: &str, service: &Service, without: Option<&DestinationKey>, drained: bool) -> ServiceOutcome {
    let is_it = |r: &&Real| without == Some(&r.id);
    let is_up = |r: &&Real| r.health.verdict != Verdict::Down;
    // A drain is no failure: the weight of who is drained still counts.
    let counts = |r: &&Real| is_up(r) && (drained || !is_it(r));
    let takes = |r: &&Real| is_up(r) && !is_it(r) && r.drain.is_none() && weight(r) > 0;
    let sum = service.reals.iter().filter(counts).map(|r| u64::from(weight(r))).sum();
    let (needed, hysteresis, was_up) = service.quorum.map_or((1, 0, true), |q| (q.needed, q.hysteresis, q.up));
    ServiceOutcome {
        service: service.id,
        node: node.to_owned(),
        quorum: holds_quorum(was_up, sum, needed.into(), hysteresis.into()),
        weight: sum,
        needed,
        takes: service.reals.iter().filter(takes).count(),
        of: service.reals.len(),
    }
}

/// What it has as long as it is up and not drained.
fn weight(real: &Real) -> u32 {
    let in_force = real.weight_effective.filter(|_| real.drain.is_none());
    real.weight_asked.or(in_force).unwrap_or(real.weight_configured)
}
