//! Why: the input behind everything that happens, recorded when it happens.

use super::core::Engine;
use super::input::Input;
use super::router::Router;
use crate::bfd::News;
use crate::health::Found;
use crate::kernel::{DestinationKey, Link, ServiceKey};
use crate::net::LinkName;
use crate::status::{Reason, Reasons};
use crate::time::{Duration, Instant};
use crate::vrrp::{Cause, Instance};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A chain has no more links than this: of a longer one the middle is left out.
const LINKS: usize = 12;
/// So many transitions keep their chains; of those before, the events tell.
pub(super) const CHAINS: usize = 4;

/// What the engine is doing something about.
#[derive(Clone, Debug, Default)]
pub(super) enum Origin {
    #[default]
    Start,
    /// A packet that may be an advert. There are many: it is told when something comes of it.
    Packet(IpAddr),
    /// So are results of checks.
    Checked(DestinationKey, Found),
    /// A timer ran out: whoever set it knows what for.
    Time,
    Outside(&'static str, String),
    /// What was recorded when the timer that has run out was set.
    Recorded(Reasons),
}

/// What no other part of the engine keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    /// Why each link is up or down.
    pub(super) links: BTreeMap<String, Reasons>,
    pub(super) quorums: BTreeMap<ServiceKey, Reasons>,
}

impl Origin {
    pub(super) fn of(input: &Input) -> Self {
        let outside = |kind, text: String| Self::Outside(kind, text);
        match input {
            Input::Packet(packet) => Self::Packet(packet.source),
            Input::Deadline => Self::Time,
            Input::Link(link) => outside("link", link_text(link)),
            Input::LinkGone(name) => outside("link", format!("the kernel told: {name} is gone")),
            Input::LinksRead => outside("link", "the kernel has told of every link there is".into()),
            Input::Routing(_) => outside("kernel", "the kernel told of routes and rules".into()),
            Input::Announced { link, address, mac } => {
                outside("announcement", format!("{mac} announced {address} on {link}"))
            }
            Input::Claimed { link, address, mac } => {
                outside("announcement", format!("{mac} answers for {address} on {link}"))
            }
            Input::Applied { change, result: Ok(()) } => outside("kernel", format!("the kernel did: {change}")),
            Input::Applied { change, result: Err(error) } => {
                outside("kernel", format!("the kernel refused: {change}: {error}"))
            }
            Input::SendFailed { link, error } => outside("kernel", format!("sending on {link} failed: {error}")),
            Input::Table(_) => outside("kernel", "the IPVS table was read back".into()),
            Input::TableDone(failures) if failures.is_empty() => outside("kernel", "the IPVS table was written".into()),
            Input::TableDone(failures) => {
                outside("kernel", format!("the IPVS table was written but for {} changes", failures.len()))
            }
            Input::IntentsRead(_) => outside("start", "what operators had asked for was read".into()),
            Input::IntentsKept { .. } => outside("kernel", "the journal of operator intent was written".into()),
            Input::Checked { id, found } => Self::Checked(id.real, found.clone()),
            Input::ScriptDone { name, outcome } => outside("script", format!("script {name}: {}", outcome.detail)),
            Input::Bfd(news) => outside("bfd", bfd_text(news)),
            Input::FileRead { name, reading } => {
                let value = reading.value.map_or("no number".to_owned(), |value| value.to_string());
                outside("file", format!("file {name} was read: {value}"))
            }
            Input::ProcessesCounted { counts, .. } => {
                let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
                outside("process", format!("processes were counted: {}", counts.join(", ")))
            }
            Input::ProcessesWatched { .. } => outside("process", "how processes are found has changed".into()),
            Input::WatchProblem(text) => outside("kernel", text.clone()),
            Input::Notified { notice, outcome, .. } => {
                outside("script", format!("notify script of {} ended: {}", notice.name, outcome.detail))
            }
            Input::NotifySkipped { name, .. } => outside("script", format!("notify scripts of {name} were too slow")),
            Input::Report { text, .. } => outside("report", text.clone()),
            Input::Restartable { .. } => outside("operator", "a restart was asked for".into()),
            Input::GuardLost => outside("guard", "the guard process has ended".into()),
            Input::Command { ask, .. } | Input::Configured { ask, .. } => {
                outside("operator", super::commands::asked(ask))
            }
            Input::DiskSeen(_) => outside("configuration", "the files on the disk were looked at".into()),
            Input::AuditKept(_) => outside("kernel", "the audit log was written".into()),
            Input::Late(by) => outside("late", format!("this engine woke {:.3} s late", by.as_secs_f64())),
            Input::Stop => outside("stop", "the engine was told to stop".into()),
        }
    }

    pub(super) fn reasons(&self, at: Instant) -> Reasons {
        let one = |kind, text: &str| Reasons::from([Reason::input(at, kind, text)]);
        match self {
            Self::Start => one("start", "this engine started"),
            Self::Packet(from) => one("advert", &format!("a packet of {from} arrived")),
            Self::Checked(real, found) => one("check", &format!("a check of {real}: {}", found.text())),
            Self::Time => one("time", "its time had come"),
            Self::Outside(kind, text) => one(kind, text),
            Self::Recorded(reasons) => reasons.clone(),
        }
    }
}

fn bfd_text(news: &News) -> String {
    match news {
        News::Changed { status, .. } => format!("BFD session {}: {}", status.name, status.state),
        News::Status { .. } => "BFD sessions told where they stand".into(),
        News::Problem { text, .. } => format!("BFD: {text}"),
    }
}

fn link_text(link: &Link) -> String {
    let word = if link.up { "up" } else { "down" };
    format!("the kernel told: {} is {word}", link.name)
}

impl Engine {
    /// The chain behind a change of state, its cause first, what came from outside last.
    pub(super) fn reasons(&self, now: Instant, router: &Router, cause: &Cause) -> Reasons {
        let machine = &router.machine;
        let mut chain = vec![Reason::follows(now, cause.to_string())];
        match cause {
            Cause::Silence { .. } => silence(router, now, &mut chain),
            Cause::GroupReady { .. } if matches!(self.log.origin(), Origin::Time) => silence(router, now, &mut chain),
            Cause::MasterResigned { from, .. } => {
                let text = format!("priority 0 heard from {from}; the skew began");
                chain.push(Reason::input(machine.quiet_since(), "advert", text));
            }
            Cause::Preempting { .. } => chain.extend(heard(machine)),
            Cause::HigherPriority { from, theirs, .. } | Cause::HigherAddress { from, priority: theirs, .. } => {
                chain.push(Reason::input(now, "advert", format!("advert of {from}, priority {theirs}")));
            }
            Cause::RivalOwner { from } => {
                chain.push(Reason::input(now, "advert", format!("advert of {from}, priority 255")));
            }
            Cause::Conditions { .. }
            | Cause::Started
            | Cause::Adopted
            | Cause::Owner
            | Cause::GroupReady { .. }
            | Cause::GroupFollows { .. }
            | Cause::Overslept { .. }
            | Cause::Demoted
            | Cause::TakenOver
            | Cause::Restored
            | Cause::NobodyTookOver { .. }
            | Cause::NobodyWanted { .. }
            | Cause::Stopping => {}
        }
        if chain.last().is_none_or(|last| last.input.is_none()) {
            if self.goes_on(cause) {
                chain.extend(before(router, self.started_at));
            } else {
                chain.extend(self.log.origin().reasons(now).iter().cloned());
            }
        }
        if chain.len() > LINKS {
            chain.drain(LINKS / 2..chain.len() - LINKS / 2);
        }
        chain.into()
    }

    /// Whether a change only ends what an earlier one began: a timer ran out that it set, or what it waited for came.
    fn goes_on(&self, cause: &Cause) -> bool {
        matches!(
            (self.log.origin(), cause),
            (Origin::Time, _)
                | (_, Cause::NobodyTookOver { .. } | Cause::NobodyWanted { .. })
                | (Origin::Packet(_) | Origin::Outside("announcement", _), Cause::Stopping)
        )
    }

    /// What a link is has changed: the kernel's word of it stays as the reason.
    pub(super) fn note_link(&mut self, now: Instant, name: &LinkName, before: Option<bool>) {
        let is = self.links.get(name.as_str()).map(|link| link.up);
        if is != before || !self.causes.links.contains_key(name.as_str()) {
            self.causes.links.insert(name.as_str().to_owned(), self.log.origin().reasons(now));
        }
    }
}

/// The timer that ran out, and what had set it.
fn silence(router: &Router, now: Instant, chain: &mut Vec<Reason>) {
    let machine = &router.machine;
    let quiet_since = machine.quiet_since();
    if let Some(due) = router.was_due {
        let text = format!(
            "the master-down timer of {:.3} s ran out: {} adverts missed and the skew of priority {}",
            quiet_since.until(due).as_secs_f64(),
            machine.spec().down_adverts,
            machine.effective_priority(),
        );
        chain.push(Reason::follows(now, text));
    }
    match machine.master() {
        Some(last) if last.at <= quiet_since + Duration::from_millis(1) => {
            let text = format!("the last advert of {} arrived, priority {}", last.from, last.priority);
            chain.push(Reason::input(last.at, "advert", text));
        }
        _ => chain.push(Reason::input(quiet_since, "silence", "from here on it listened, and heard no advert")),
    }
}

/// The change before, with its chain.
fn before(router: &Router, started_at: Instant) -> Vec<Reason> {
    let Some(before) = router.transitions.back() else {
        return vec![Reason::input(started_at, "start", "this engine started")];
    };
    let mut chain = vec![Reason::follows(before.at, format!("{} → {}", before.from, before.to))];
    chain.extend(before.reasons.iter().cloned());
    chain
}

fn heard(machine: &Instance) -> Option<Reason> {
    let last = machine.master()?;
    let text = format!("advert of {}, priority {}", last.from, last.priority);
    Some(Reason::input(last.at, "advert", text))
}
