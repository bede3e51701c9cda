//! The cluster at work: real engines, whatever serves on this kernel.

use crate::harness::{Lab, has_root};
use std::time::Duration;
use vipdeck::lab::report::{Report, Target};
use vipdeck::status::{Stage, StageAction};

const SETTLED: Duration = Duration::from_secs(30);

fn alternates(answers: &[String]) -> bool {
    answers.len() == 8 && answers.windows(2).all(|pair| pair[0] != pair[1])
}

/// Both VIPs answer, from both web servers in turn.
fn serves(stage: &Stage, report: &Report) -> bool {
    stage.clients.len() == 2
        && report.targets.iter().all(|t| t.view.outage_now.is_none() && alternates(&t.view.answers))
}

fn first(report: &Report) -> &Target {
    &report.targets[0]
}

#[test]
fn a_dead_director_is_replaced_within_what_its_timers_promise() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    let (_, before) = lab.wait("both VIPs are served", SETTLED, serves);
    if lab.ready.nodes.iter().any(|n| n.dataplane.as_deref() != Some("balancer")) {
        eprintln!("skipped: ip_vs goes on serving when the engine has died, so there is no outage to measure");
        return;
    }
    let known = first(&before).outages.last().map_or(0, |o| o.number);
    lab.must(&StageAction::Crash { node: "lvs1".into() });
    let (_, after) = lab.wait("lvs2 serves", Duration::from_secs(15), |stage, report| {
        !stage.nodes[0].alive && serves(stage, report) && first(report).outages.iter().any(|o| o.length.as_secs() > 1)
    });
    let new = first(&after).outages.iter().filter(|o| o.number > known);
    let outage = new.max_by_key(|o| o.length).expect("an outage");
    // Three adverts and the skew of priority 100, less the part of an advert interval that had passed.
    let (least, most) = (Duration::from_micros(2_609_375), Duration::from_micros(3_609_375));
    let slack = Duration::from_millis(100) + first(&after).view.interval + outage.own_lateness;
    assert!(outage.length + slack >= least && outage.length <= most + slack, "{outage:?}");
    lab.must(&StageAction::Revive { node: "lvs1".into() });
    lab.wait("lvs1 is back", SETTLED, |stage, report| stage.nodes[0].alive && serves(stage, report));
}

#[test]
fn a_stopped_web_server_is_taken_out_and_brought_back() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    lab.wait("both VIPs are served", SETTLED, serves);
    let toggle = StageAction::ToggleServer { server: "web1".into() };
    lab.must(&toggle);
    lab.wait("web2 alone", SETTLED, |_, report| {
        report.targets.iter().all(|t| t.view.outage_now.is_none() && t.view.answers.iter().all(|a| a == "web2"))
    });
    lab.must(&toggle);
    lab.wait("both again", SETTLED, serves);
}
