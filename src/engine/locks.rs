//! One operator at a time: whoever is about to act on something says so, and others are told.
//!
//! A lock ends by itself, so that a console that dies frees it; an engine that is started again knows of none.

use super::core::Engine;
use crate::status::{Ask, Command, Lock, Severity, Subject};
use crate::time::{Duration, Instant};

/// Unless it is said.
const USUAL: u32 = 60;
const LONGEST: u32 = 600;
/// More are a mistake.
const MOST: usize = 64;

impl Engine {
    /// Why somebody else's lock forbids a command.
    pub(super) fn locked(&self, now: Instant, ask: &Ask) -> Option<String> {
        let harms_nobody = matches!(
            ask.command,
            Command::CheckNow { .. }
                | Command::Announce { .. }
                | Command::Acknowledge { .. }
                | Command::Note { .. }
                | Command::Keep { .. }
                | Command::Unlock { .. }
                | Command::Reload { dry_run: true }
        );
        if harms_nobody {
            return None;
        }
        let on = if let Command::Undo { id: Some(id) } = ask.command { self.undone_on(id)? } else { ask.command.on() };
        let lock = self.locks.iter().find(|l| l.expires_at > now && self.overlap(&l.on, &on) && !is_own(l, ask))?;
        let plan = lock.plan.as_ref().map_or(String::new(), |plan| format!(", about to `{plan}`"));
        let why = lock.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let session = lock.session.as_ref().map_or(String::new(), |s| format!(", {s}"));
        Some(format!(
            "{} is locked by {}{session} since {} s{plan}{why}; it is free in {} s at the latest, or by force: vipdeck {}",
            lock.on,
            lock.by,
            now.since(lock.since).as_secs(),
            now.until(lock.expires_at).as_secs() + 1,
            Ask { force: true, ..ask.clone() }
        ))
    }

    /// Whether who acts on one acts on the other: a sync group moves as one, and so does a node.
    fn overlap(&self, one: &str, other: &str) -> bool {
        let place = |name: &str| self.routers.iter().position(|r| r.machine.spec().name == name);
        match (place(one), place(other)) {
            _ if one == other => true,
            (Some(a), Some(b)) => self.together_with(a).contains(&b),
            (Some(_), None) => other == "all",
            (None, Some(_)) => one == "all",
            (None, None) => false,
        }
    }

    pub(super) fn lock(&mut self, now: Instant, ask: &Ask) -> Result<String, String> {
        let Command::Lock { on, plan, seconds } = &ask.command else { return Err("no lock".into()) };
        let seconds = seconds.unwrap_or(USUAL);
        if seconds == 0 || seconds > LONGEST {
            return Err(format!("a lock holds 1 to {LONGEST} s, not {seconds}"));
        }
        let is_known = matches!(on.as_str(), "node" | "all")
            || self.routers.iter().any(|r| r.machine.spec().name == *on)
            || self.services.iter().flat_map(|s| &s.reals).any(|r| r.spec.key.to_string() == *on);
        if !is_known {
            return Err(format!("{} has no {on}: an instance, a real server, node or all can be locked", self.name));
        }
        self.locks.retain(|l| l.expires_at > now);
        let mine = self.locks.iter().find(|l| l.on == *on && is_own(l, ask));
        let since = mine.map_or(now, |l| l.since);
        if mine.is_none() {
            if self.locks.len() >= MOST {
                return Err(format!("{MOST} locks are held: that is a mistake"));
            }
            let plan = plan.as_ref().map_or(String::new(), |plan| format!(", about to `{plan}`"));
            let text = format!("locked: {on}{plan}");
            self.log.add(now, subject(on), Severity::Info, "lock", text, Some(super::commands::by(ask, "")));
        }
        // Of others only what force goes over.
        let stays = |l: &&Lock| l.on != *on && (is_own(l, ask) || !self.overlap(&l.on, on));
        self.locks = self.locks.iter().filter(stays).cloned().collect();
        self.locks.push(Lock {
            on: on.clone(),
            by: ask.actor.clone(),
            session: ask.session.clone(),
            reason: ask.reason.clone(),
            plan: plan.clone(),
            since,
            expires_at: now + Duration::from_secs(seconds.into()),
        });
        Ok(format!("{on} is locked for {seconds} s: commands of others are refused"))
    }

    pub(super) fn unlock(&mut self, now: Instant, ask: &Ask, on: &str) -> Result<String, String> {
        self.locks.retain(|l| l.expires_at > now);
        let Some(place) = self.locks.iter().position(|l| l.on == on) else {
            return Err(format!("{on} is not locked"));
        };
        let lock = self.locks.remove(place);
        if is_own(&lock, ask) || ask.force {
            return Ok(format!("{on} is free"));
        }
        let by = format!("{on} is locked by {}: it frees it, or force does: vipdeck unlock {on} --force", lock.by);
        self.locks.insert(place, lock);
        Err(by)
    }

    /// Whoever has done what it locked for needs the lock no more.
    pub(super) fn free_own(&mut self, ask: &Ask) {
        let on = ask.command.on();
        if !matches!(ask.command, Command::Lock { .. }) {
            self.locks.retain(|l| l.on != on || !is_own(l, ask));
        }
    }

    /// For the snapshot.
    pub(super) fn locks_at(&self, now: Instant) -> Vec<Lock> {
        self.locks.iter().filter(|l| l.expires_at > now).cloned().collect()
    }
}

/// One user at two consoles is two: hence the session.
fn is_own(lock: &Lock, ask: &Ask) -> bool {
    lock.by == ask.actor && lock.session == ask.session
}

fn subject(on: &str) -> Subject {
    let is_instance = !matches!(on, "node" | "all") && on.parse::<crate::kernel::DestinationKey>().is_err();
    if is_instance { Subject::Instance(on.to_owned()) } else { Subject::Node }
}
