//! Why a real server or a service is as it is: health, what operators asked, weight, quorum.

use super::{Answer, instance, recorded};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::status::{Admin, Asked, Order, Real, Reason, Service, Snapshot, Verdict};

pub(super) fn real(snapshot: &Snapshot, service: &Service, real: &Real) -> Vec<Answer> {
    vec![
        health(snapshot, real),
        admin(snapshot, service, real),
        weight(snapshot, service, real),
        kernel(snapshot, real),
    ]
}

fn health(snapshot: &Snapshot, real: &Real) -> Answer {
    let fact = match real.health.verdict {
        Verdict::Up => "it is UP",
        Verdict::Down => "it is DOWN",
        Verdict::Unchecked => "it counts as UP: no check has run yet",
        Verdict::NoCheck => "it counts as UP: nothing checks it",
        Verdict::Newer(_) => "its health is told in a word of a newer version",
    };
    let chain = match real.health.verdict {
        Verdict::NoCheck => vec![file(snapshot, "no check is configured")],
        _ => recorded(real.health.since, &real.health.reasons),
    };
    Answer::new(fact, chain)
}

fn admin(snapshot: &Snapshot, service: &Service, real: &Real) -> Answer {
    let fact = match real.admin {
        Admin::Ready if real.rising.is_some() => "it is back, with a weight that grows",
        Admin::Ready => "it is in service",
        Admin::Drain => "it drains: no new connections",
        Admin::Drained => "it is drained: no connection is left",
        Admin::Maint => "it is down for maintenance",
        Admin::Newer(_) => "what was asked of it is told in a word of a newer version",
    };
    let asked = orders(snapshot, &service.id, &real.id).find(|o| !matches!(o.asked, Asked::Weight { .. }));
    let mut chain: Vec<Reason> = Vec::new();
    if let Some(at) = real.drain.as_ref().and_then(|d| d.drained_at) {
        chain.push(Reason::follows(at, "its last connection ended"));
    }
    chain.push(asked.map_or_else(|| file(snapshot, "nobody asked for anything else"), |o| operator(snapshot, o)));
    Answer::new(fact, chain)
}

fn weight(snapshot: &Snapshot, service: &Service, real: &Real) -> Answer {
    let configured = format!("weight {}", real.weight_configured);
    let fact = real
        .weight_effective
        .map_or_else(|| "it should not be in the table".to_owned(), |weight| format!("its weight should be {weight}"));
    let chain = if real.drain.is_some() {
        admin(snapshot, service, real).chain
    } else if real.health.verdict == Verdict::Down {
        let mut chain = vec![Reason::follows(real.health.since, "it is DOWN")];
        chain.extend(health(snapshot, real).chain);
        chain
    } else if let Some(sorry) = service.sorry.filter(|s| s.serving) {
        let since = service.quorum.map_or(snapshot.at, |q| q.since);
        let mut chain = vec![Reason::follows(since, format!("the sorry server {} serves alone", sorry.id))];
        chain.extend(quorum_chain(snapshot, service));
        chain
    } else if let Some(order) = orders(snapshot, &service.id, &real.id).next() {
        vec![Reason::follows(snapshot.at, configured), operator(snapshot, order)]
    } else if real.weight_effective == Some(real.weight_configured) {
        vec![file(snapshot, &configured)]
    } else {
        // A check may say what its server's weight is.
        let mut chain =
            vec![Reason::follows(snapshot.at, format!("{configured} in the file, and its checks say more"))];
        chain.extend(health(snapshot, real).chain);
        chain
    };
    Answer::new(fact, chain)
}

fn kernel(snapshot: &Snapshot, real: &Real) -> Answer {
    let at = real.counted_at.unwrap_or(snapshot.node.started_at);
    let plane = snapshot.node.dataplane.kind;
    let fact = match real.weight_kernel {
        Some(weight) if Some(weight) == real.weight_effective => format!("the table has it with weight {weight}"),
        Some(weight) => format!("the table has it with weight {weight}, which is NOT what it should be"),
        None if real.weight_effective.is_none() => "the table does not have it".into(),
        None => "the table does not have it, or has not been read".into(),
    };
    let chain = if real.counted_at.is_some() {
        Reason::input(at, "kernel", format!("read back from the table ({plane})"))
    } else {
        let note = snapshot.node.dataplane.note.as_deref().unwrap_or("the table has not been read yet");
        Reason::input(at, "start", format!("{plane}: {note}"))
    };
    Answer::new(fact, vec![chain])
}

pub(super) fn service(snapshot: &Snapshot, service: &Service) -> Vec<Answer> {
    let mut answers = Vec::new();
    let quorum = match service.quorum {
        Some(q) if q.up => format!("it has its quorum: weight {} is up, {} needed", q.weight, q.needed),
        Some(q) => format!("it has LOST its quorum: weight {} is up, {} needed", q.weight, q.needed),
        None => "its quorum has not been judged yet".into(),
    };
    answers.push(Answer::new(quorum, quorum_chain(snapshot, service)));
    let serves = match service.serving {
        Some(true) => "this node serves it: it has the address",
        Some(false) => "this node does not serve it: it does not have the address",
        None => "its address is none of this node's instances",
    };
    let instance = service.instance.as_ref().and_then(|name| snapshot.instance(name));
    let chain = match instance {
        Some(i) => {
            let mut chain = vec![Reason::follows(i.since, format!("{} is {} here", i.name, i.state))];
            let state =
                instance::answers(snapshot, i).into_iter().find(|a| a.fact.starts_with(&format!("{} is", i.name)));
            chain.extend(state.into_iter().flat_map(|answer| answer.chain));
            chain
        }
        None => vec![file(snapshot, "no instance has its address")],
    };
    answers.push(Answer::new(serves, chain));
    for real in &service.reals {
        let health = health(snapshot, real);
        answers.push(Answer { fact: format!("{}: {}", real.id, health.fact), ..health });
    }
    answers
}

fn quorum_chain(snapshot: &Snapshot, service: &Service) -> Vec<Reason> {
    match service.quorum {
        None => super::waits(snapshot.node.started_at),
        Some(quorum) => recorded(quorum.since, &service.quorum_reasons),
    }
}

fn orders<'s>(
    snapshot: &'s Snapshot,
    key: &'s ServiceKey,
    to: &'s DestinationKey,
) -> impl Iterator<Item = &'s Order> + use<'s> {
    let is_its = move |order: &&Order| order.asked.real() == Some((*key, *to));
    snapshot.intents.orders.iter().map(|view| &view.order).filter(is_its)
}

fn operator(snapshot: &Snapshot, order: &Order) -> Reason {
    let ago = snapshot.wall_us.saturating_sub(order.since_us);
    let at = crate::time::Instant::from_micros(snapshot.at.as_micros().saturating_sub(ago));
    let why = order.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    Reason::input(at, "operator", format!("{}, asked by {}{why}", order.asked, order.by))
}

fn file(snapshot: &Snapshot, what: &str) -> Reason {
    Reason::input(snapshot.node.started_at, "configuration", format!("{what} ({})", snapshot.node.config))
}
