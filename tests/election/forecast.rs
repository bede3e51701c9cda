//! What is forecast then happens: random clusters in random states, a random question, and then the deed itself.

use super::cluster::Cluster;
use super::variation::Variation;
use std::time::Duration;
use vipdeck::engine::Random;
use vipdeck::forecast::{self, Forecast, Hypothesis, Known, Standing};
use vipdeck::status::{Actor, Ask, Command, DemoteMode, Reply, Role, Snapshot};

const SEEDS: u64 = 1000;
/// The virtual wire takes up to 0.3 ms each way, the virtual scripts 5 ms.
const CLOSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Tally {
    /// A MASTER moved, as forecast.
    moved: u32,
    stayed: u32,
    /// Nobody or two owners, as forecast.
    without: u32,
    refused: u32,
    uncertain: u32,
}

// console-design 1.2 7
#[test]
fn what_is_forecast_then_happens() {
    let mut tally = Tally::default();
    let wrong: Vec<_> = (0..SEEDS).filter_map(|seed| Some((seed, one(seed, &mut tally).err()?))).collect();
    let told: Vec<_> = wrong.iter().map(|(seed, failure)| format!("seed {seed}: {failure}")).collect();
    assert!(wrong.is_empty(), "{tally:?}\n{}", told.join("\n"));
    // Neither an empty test nor a forecast that hides behind doubt.
    assert!(tally.moved > 300 && tally.stayed > 150 && tally.without > 50, "{tally:?}");
    assert!(tally.uncertain < 150, "{tally:?}");
    assert!(tally.refused > 0 && tally.refused < 200, "{tally:?}");
}

fn one(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0xf0_4eca57);
    let variation = Variation::random(&mut random);
    let mut cluster = Cluster::varied(seed, &variation);
    // A wire keeps the order of what is sent.
    cluster.world.lan.max_delay = cluster.world.lan.min_delay;
    cluster.world.run_for(Duration::from_millis(7500 + random.below(2000)));
    let mut last = snapshots(&mut cluster);
    for _ in 0..random.below(3) {
        for (kept, (_, now)) in last.iter_mut().zip(snapshots(&mut cluster)) {
            kept.1 = now.or(kept.1.take());
        }
        disturb(&mut cluster, &mut random);
        cluster.world.run_for(Duration::from_millis(random.below(6000)));
    }
    let Some(hypothesis) = question(&mut cluster, &mut random, &variation) else { return Ok(()) };
    let forecast = ask(&mut cluster, &last, &hypothesis);
    let done_at = 1_700_000_000_000_000 + cluster.world.now().as_micros();
    let done = carry_out(&mut cluster, &hypothesis);
    let forecast = match (forecast, done) {
        // The engine is told not to fence the last one; the forecast says what it would come to.
        (Ok(_), Err(_)) if matches!(hypothesis, Hypothesis::Demote { fence: true, .. }) => {
            tally.refused += 1;
            return Ok(());
        }
        (Err(_), Err(_)) => {
            tally.refused += 1;
            return Ok(());
        }
        (Ok(forecast), Ok(())) => forecast,
        (forecast, done) => return Err(format!("{hypothesis}: forecast {forecast:?}, deed {done:?}")),
    };
    cluster.world.run_for(variation.nobody() + Duration::from_secs(8));
    let snapshots = snapshots(&mut cluster);
    for outcome in &forecast.instances {
        let masters: Vec<&Snapshot> = snapshots
            .iter()
            .filter_map(|(_, s)| s.as_ref())
            .filter(|s| s.instance(&outcome.instance).is_some_and(|i| i.state == Role::Master))
            .collect();
        let names: Vec<_> = masters.iter().map(|s| s.node.name.clone()).collect();
        if !outcome.certain {
            tally.uncertain += 1;
            continue;
        }
        if names != outcome.after {
            let uncertain = &forecast.uncertain;
            return Err(format!("{variation:?}\n  {hypothesis}: {outcome}; but {names:?}; {uncertain:?}"));
        }
        match (names.as_slice(), outcome.when) {
            ([_], None) => tally.stayed += 1,
            ([_], Some(span)) => {
                tally.moved += 1;
                let snapshot = masters[0];
                let since = snapshot.wall_of(snapshot.instance(&outcome.instance).unwrap().since);
                let took = Duration::from_micros(since.saturating_sub(done_at));
                // A script is noticed by its second failure in a row, a second apart.
                let notice = Duration::from_secs(if matches!(hypothesis, Hypothesis::Fail { .. }) { 3 } else { 0 });
                if took + CLOSE < span.from || took > span.to + notice + CLOSE {
                    return Err(format!("{variation:?}\n  {hypothesis}: {outcome}; but after {took:?}"));
                }
            }
            _ => tally.without += 1,
        }
    }
    Ok(())
}

fn disturb(cluster: &mut Cluster, random: &mut Random) {
    let host = random.below(cluster.world.hosts.len() as u64) as usize;
    match random.below(6) {
        0 => cluster.world.crash(host),
        1 => cluster.world.revive(host),
        2 => drop(cluster.demote(host)),
        3 => drop(cluster.takeover(host)),
        4 => drop(cluster.restore(host)),
        _ => {
            cluster.world.failing_scripts.insert((host, "chk".into()));
            // Until it has failed twice nobody knows.
            cluster.world.run_for(Duration::from_secs(3));
        }
    }
}

fn question(cluster: &mut Cluster, random: &mut Random, variation: &Variation) -> Option<Hypothesis> {
    let alive: Vec<usize> = (0..cluster.world.hosts.len()).filter(|h| cluster.world.hosts[*h].is_alive()).collect();
    // Mostly the MASTER: what it does moves something.
    let roles: Vec<_> = alive.iter().map(|h| cluster.role(*h)).collect();
    let master = roles.iter().position(|r| *r == Some(Role::Master)).filter(|_| random.chance(0.7));
    let place = master.unwrap_or_else(|| random.below(alive.len().max(1) as u64) as usize);
    let host = *alive.get(place)?;
    let node = cluster.world.hosts[host].name.clone();
    Some(match random.below(5) {
        0 | 1 => Hypothesis::Crash { node },
        2 => Hypothesis::Cut { node },
        3 => Hypothesis::Demote { node, instance: "VI_1".into(), fence: random.chance(0.3) },
        _ => {
            let is_failing = cluster.world.failing_scripts.contains(&(host, "chk".to_owned()));
            if variation.script.is_none() || is_failing {
                return None;
            }
            Hypothesis::Fail { node, kind: "script".into(), name: "chk".into(), number: None }
        }
    })
}

fn snapshots(cluster: &mut Cluster) -> Vec<(String, Option<Snapshot>)> {
    let names: Vec<_> = cluster.world.hosts.iter().map(|h| h.name.clone()).collect();
    names.into_iter().enumerate().map(|(host, name)| (name, cluster.world.snapshot(host))).collect()
}

/// `last`: what nodes that are dead now said of themselves before.
fn ask(cluster: &mut Cluster, last: &[(String, Option<Snapshot>)], question: &Hypothesis) -> Result<Forecast, String> {
    let alive: Vec<bool> = cluster.world.hosts.iter().map(vipdeck::sim::Host::is_alive).collect();
    let snapshots = snapshots(cluster);
    let last = last.iter().map(|(_, s)| s.clone()).chain(std::iter::repeat(None));
    let snapshots: Vec<_> = snapshots.into_iter().zip(last).map(|((name, s), last)| (name, s.or(last))).collect();
    // As over a link: what is not in the JSON is not known.
    let told = |s: &Snapshot| -> Snapshot { serde_json::from_slice(&serde_json::to_vec(s).unwrap()).unwrap() };
    let snapshots: Vec<_> = snapshots.iter().map(|(name, s)| (name, s.as_ref().map(told))).collect();
    let nodes: Vec<Known> = snapshots
        .iter()
        .zip(alive)
        .map(|((name, snapshot), is_alive)| Known {
            name,
            snapshot: snapshot.as_ref(),
            age: Duration::ZERO,
            standing: if is_alive { Standing::Fresh } else { Standing::Dead },
        })
        .collect();
    forecast::of(&nodes, question, None)
}

fn carry_out(cluster: &mut Cluster, hypothesis: &Hypothesis) -> Result<(), String> {
    let host = |node: &str| cluster.world.hosts.iter().position(|h| h.name == node).unwrap();
    match hypothesis {
        Hypothesis::Crash { node } => cluster.world.crash(host(node)),
        Hypothesis::Cut { node } => drop(cluster.world.lan.cut.insert(host(node))),
        Hypothesis::Fail { node, .. } => drop(cluster.world.failing_scripts.insert((host(node), "chk".into()))),
        Hypothesis::Demote { node, instance, fence } => {
            let mode = if *fence { DemoteMode::Fence } else { DemoteMode::Yield };
            let command = Command::Demote { instance: instance.clone(), seen: None, mode };
            let ask = Ask { actor: Actor { user: "test".into(), from: "test".into() }, ..Ask::new(command) };
            return match cluster.world.command(host(node), ask) {
                Some(Reply::Accepted { .. }) => Ok(()),
                other => Err(format!("{other:?}")),
            };
        }
        Hypothesis::Drain { .. } | Hypothesis::Down { .. } => {}
    }
    Ok(())
}

/// The range of the overview: three intervals and the skew after the last advert, which may have been just now or a
/// whole interval ago.
#[test]
fn a_crash_is_told_with_the_range_of_the_timers() {
    let mut cluster = Cluster::settled(1, &[150, 100, 90]);
    let forecast = ask(&mut cluster, &[], &Hypothesis::Crash { node: "node0".into() }).unwrap();
    let [outcome] = forecast.instances.as_slice() else { panic!("{forecast:?}") };
    assert_eq!((&outcome.before[..], &outcome.after[..]), (&["node0".to_owned()][..], &["node1".to_owned()][..]));
    let span = outcome.when.unwrap();
    assert!(span.from > Duration::from_millis(2590) && span.from < Duration::from_millis(2630), "{span}");
    assert!(span.to > Duration::from_millis(3590) && span.to < Duration::from_millis(3630), "{span}");
    assert_eq!(outcome.to_string(), format!("VI_1 (192.168.10.200/24): node1 serves after {span}"));
}

#[test]
fn a_stale_node_is_told_as_uncertain_only_where_it_would_matter() {
    let mut cluster = Cluster::settled(1, &[150, 100, 120]);
    let told = snapshots(&mut cluster);
    let known = |stale: &str| {
        let nodes: Vec<Known> = told
            .iter()
            .map(|(name, s)| Known {
                name,
                snapshot: s.as_ref(),
                age: Duration::ZERO,
                standing: if name == stale { Standing::Stale } else { Standing::Fresh },
            })
            .collect();
        forecast::of(&nodes, &Hypothesis::Crash { node: "node0".into() }, None).unwrap()
    };
    // The better stand-in is silent to us: the other one may serve, or it.
    let forecast = known("node2");
    assert!(!forecast.instances[0].certain);
    assert!(forecast.uncertain.iter().any(|text| text.contains("node2 is STALE")), "{forecast:?}");
    let forecast = known("node1");
    assert!(forecast.instances[0].certain, "the worse stand-in changes nothing: {forecast:?}");
    assert_eq!(forecast.instances[0].after, ["node2"]);
}

#[test]
fn a_question_without_sense_is_refused_with_what_there_is() {
    let mut cluster = Cluster::settled(1, &[150, 100]);
    let nowhere = ask(&mut cluster, &[], &Hypothesis::Crash { node: "node7".into() }).unwrap_err();
    assert!(nowhere.contains("node7") && nowhere.contains("node0, node1"), "{nowhere}");
    let fail = Hypothesis::Fail { node: "node0".into(), kind: "script".into(), name: "no".into(), number: None };
    assert!(ask(&mut cluster, &[], &fail).unwrap_err().contains("tracks script no"));
    let own = Hypothesis::Fail { node: "node0".into(), kind: "interface".into(), name: "eth0".into(), number: None };
    let forecast = ask(&mut cluster, &[], &own).unwrap();
    assert_eq!(forecast.instances[0].after, ["node1"], "{forecast:?}");
}
