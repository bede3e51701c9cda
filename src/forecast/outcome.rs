//! What a world comes to, told in words.

use super::Hypothesis;
use super::known::{Known, Part};
use super::world::{First, Member, World};
use crate::kernel::ServiceKey;
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whatever is done, it is done so much before or after an advert.
const ASIDE: Duration = Duration::from_millis(1);

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// "lb-a dies now".
    pub question: String,
    /// Every virtual router that the question may concern.
    pub instances: Vec<Outcome>,
    /// Services with too few servers afterwards, or with fewer.
    pub services: Vec<ServiceOutcome>,
    /// What is not known, a sentence each.
    pub uncertain: Vec<String>,
}

/// What becomes of one virtual router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub instance: String,
    pub vrid: u8,
    pub vips: Vec<String>,
    /// Who is MASTER, by node; the address of a router that is only heard.
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// From the deed to the last change; none: nothing changes.
    pub when: Option<Span>,
    /// Whoever is MASTER in between.
    #[serde(default)]
    pub through: Vec<String>,
    /// The same whenever it is done, and whatever of the doubtful is there.
    pub certain: bool,
}

/// From the timers: it depends on when the last advert was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: Duration,
    pub to: Duration,
}

/// What is left of one virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOutcome {
    pub service: ServiceKey,
    pub node: String,
    /// It has its quorum.
    pub quorum: bool,
    pub weight: u64,
    pub needed: u32,
    /// Servers that get new connections, of so many.
    pub takes: usize,
    pub of: usize,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.as_secs_f64(), self.to.as_secs_f64());
        if to - from < 0.02 { write!(f, "{to:.2} s") } else { write!(f, "{from:.2} – {to:.2} s") }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vips = self.vips.first().map_or_else(String::new, |vip| format!(" ({vip})"));
        write!(f, "{}{vips}: ", self.instance)?;
        match (self.after.as_slice(), self.when) {
            ([], _) if self.before.is_empty() => write!(f, "nobody serves, as now")?,
            ([], _) => write!(f, "NOBODY serves")?,
            ([one], Some(span)) => write!(f, "{one} serves after {span}")?,
            ([one], None) => write!(f, "stays on {one}")?,
            (several, _) => write!(f, "TWO OWNERS: {}", several.join(" and "))?,
        }
        if !self.through.is_empty() {
            write!(f, ", through {}", self.through.join(", "))?;
        }
        if self.certain { Ok(()) } else { write!(f, " (uncertain)") }
    }
}

impl fmt::Display for ServiceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, node, weight, needed, takes, of, .. } = self;
        let word = if self.quorum { "keeps its quorum" } else { "FALLS BELOW ITS QUORUM" };
        write!(f, "{service} on {node} {word}: weight {weight}, {needed} needed; {takes} of {of} take new connections")
    }
}

/// One run of a world: who is master of each row at the end, since when, and who was in between.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    masters: Vec<Vec<String>>,
    since: Vec<Option<Duration>>,
    through: Vec<Vec<String>>,
}

/// Runs one part in every way that matters and adds what comes of it.
pub(super) fn of_part(
    part: &Part,
    nodes: &[Known],
    hypothesis: &Hypothesis,
    forecast: &mut Forecast,
) -> Result<(), String> {
    let mut present = part.world.clone();
    present.run_until(Part::now());
    let rows = part.rows.len();
    let before: Vec<Vec<String>> = (0..rows).map(|row| named(&present, &present.masters(row))).collect();
    if !is_concerned(&present, nodes, hypothesis) {
        for (row, before) in before.into_iter().enumerate() {
            forecast.instances.extend(untouched(part, row, before));
        }
        return Ok(());
    }
    let with_doubt = (!part.doubtful.is_empty()).then(|| {
        let mut world = present.clone();
        world.members.extend(part.doubtful.iter().map(|(member, _)| member.clone()));
        world
    });
    let mut endings = Vec::new();
    for first in [First::All, First::Lowest, First::Highest] {
        let mut world = present.clone();
        world.first = first;
        for moment in moments(&world) {
            endings.push(ending(moment, rows, hypothesis)?);
        }
    }
    let doubted = with_doubt.map(|world| ending(world, rows, hypothesis)).transpose()?;
    let Some(first) = endings.first() else { return Ok(()) };
    for (row, before) in before.into_iter().enumerate() {
        let after = first.masters.get(row).cloned().unwrap_or_default();
        let same = |ending: &Ending| ending.masters.get(row) == Some(&after);
        let steady = endings.iter().all(same);
        let sure = doubted.as_ref().is_none_or(same);
        let Some(of) = part.rows.get(row) else { continue };
        if !steady {
            let text = format!("who serves {} is a race: timers of equals run out at the same time", of.name);
            forecast.uncertain.push(text);
        }
        if !sure {
            forecast.uncertain.extend(part.doubtful.iter().filter(|(m, _)| m.row == row).map(|(_, text)| text.clone()));
        }
        let times: Vec<Duration> = endings.iter().filter_map(|e| e.since.get(row).copied().flatten()).collect();
        let span = times.iter().min().zip(times.iter().max()).map(|(from, to)| Span { from: *from, to: *to });
        forecast.instances.push(Outcome {
            instance: of.name.clone(),
            vrid: of.vrid,
            vips: of.vips.clone(),
            when: span.filter(|_| before != after),
            through: first.through.get(row).cloned().unwrap_or_default(),
            before,
            after,
            certain: steady && sure,
        });
    }
    forecast.uncertain.extend(part.notes.iter().cloned());
    Ok(())
}

fn untouched(part: &Part, row: usize, before: Vec<String>) -> Option<Outcome> {
    let of = part.rows.get(row)?;
    Some(Outcome {
        instance: of.name.clone(),
        vrid: of.vrid,
        vips: of.vips.clone(),
        after: before.clone(),
        before,
        when: None,
        through: Vec::new(),
        certain: true,
    })
}

/// Whether anybody of this world is what the question is about.
fn is_concerned(world: &World, nodes: &[Known], hypothesis: &Hypothesis) -> bool {
    let (Hypothesis::Crash { node }
    | Hypothesis::Cut { node }
    | Hypothesis::Demote { node, .. }
    | Hypothesis::Fail { node, .. }) = hypothesis
    else {
        return false;
    };
    let of_node = |m: &&Member| m.node.as_ref() == Some(node);
    let touched = |m: &Member| match hypothesis {
        Hypothesis::Demote { instance, .. } => m.name == *instance,
        Hypothesis::Fail { kind, name, .. } => {
            (kind == "interface" && m.link == *name) || m.tracks.iter().any(|t| t.name == *name)
        }
        _ => true,
    };
    nodes.iter().any(|n| n.name == node) && world.members.iter().filter(of_node).any(touched)
}

/// The same world now, just before the next advert of its master is due, and just after one has arrived.
fn moments(present: &World) -> Vec<World> {
    let mut moments = vec![present.clone()];
    let Some(row) = present.members.iter().map(|m| m.row).find(|row| !present.masters(*row).is_empty()) else {
        return moments;
    };
    let limit = present.now + present.rest();
    let mut after = present.clone();
    if !after.run_to_advert(row, limit) {
        return moments;
    }
    let sent = after.now;
    let mut probe = after.clone();
    after.run_until(sent + ASIDE);
    if probe.run_to_advert(row, limit) {
        let mut before = after.clone();
        before.run_until((probe.now - ASIDE).max(before.now));
        moments.push(before);
    }
    moments.push(after);
    moments
}

fn ending(mut world: World, rows: usize, hypothesis: &Hypothesis) -> Result<Ending, String> {
    let done_at = world.now;
    let before: Vec<Vec<usize>> = (0..rows).map(|row| world.masters(row)).collect();
    world.became.clear();
    world.apply(hypothesis)?;
    world.run_until(done_at + world.rest());
    if world.is_exhausted() {
        return Err("the election does not come to rest: it was given up".into());
    }
    let mut ending = Ending { masters: Vec::new(), since: Vec::new(), through: Vec::new() };
    for (row, before) in before.into_iter().enumerate() {
        let masters = world.masters(row);
        let since = |m: &usize| last_of(&world, *m).map(|at| at.since(done_at));
        ending.since.push(if masters == before { None } else { masters.iter().filter_map(since).max() });
        let between = world.became.iter().map(|(_, m)| *m).filter(|m| !masters.contains(m) && !before.contains(m));
        let of_row: Vec<usize> = between.filter(|m| world.members.get(*m).is_some_and(|m| m.row == row)).collect();
        ending.through.push(named(&world, &of_row));
        ending.masters.push(named(&world, &masters));
    }
    Ok(ending)
}

fn last_of(world: &World, member: usize) -> Option<Instant> {
    world.became.iter().rev().find(|(_, m)| *m == member).map(|(at, _)| *at)
}

fn named(world: &World, members: &[usize]) -> Vec<String> {
    let name = |m: &Member| m.node.clone().unwrap_or_else(|| m.name.clone());
    let mut names: Vec<String> = members.iter().filter_map(|m| world.members.get(*m)).map(name).collect();
    names.sort();
    names.dedup();
    names
}
