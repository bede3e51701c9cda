//! Health checks: when each runs, what their results mean for their servers, and which of them wait.

use super::core::Engine;
use super::effect::{CheckId, Effect};
use crate::health::{Check, Found, Method, Weight};
use crate::kernel::{DestinationKey, ServiceKey};
use crate::lvs;
use crate::status::{Severity, Subject};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// Checks started in one turn, at most: the rest follows in the next, once what else has arrived is dealt with.
const AT_ONCE: usize = 256;
/// The checks of a service whose address comes here begin within this.
const RESUME_WITHIN: Duration = Duration::from_secs(1);
/// A file says at least so little when it says that its server has failed.
const FAILED_BELOW: i64 = -65_535;

/// Which service, which of its real servers, which of its checks.
type Place = (usize, usize, usize);

/// What is found again quickly among thousands of checks.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    due: BTreeSet<(Instant, Place)>,
    servers: BTreeMap<(ServiceKey, DestinationKey), (usize, usize)>,
    /// What waits for a BFD session or a tracked file, by its name.
    told: BTreeMap<(bool, String), Vec<Place>>,
    /// The services that are checked only while their address is here, and whether it is.
    suspends: BTreeMap<usize, bool>,
    /// Those whose checks wait.
    waiting: BTreeSet<ServiceKey>,
    runs: u64,
    /// A verdict that the next life does not know of yet. It is told with the next reading of the table: thousands may
    /// change at once.
    pub(super) unkept: bool,
}

impl Engine {
    /// After the services have become others.
    pub(super) fn index_checks(&mut self, now: Instant) {
        let mut checks = Checks { runs: self.checks.runs, unkept: self.checks.unkept, ..Checks::default() };
        for (s, service) in self.services.iter().enumerate() {
            if service.reals.iter().flat_map(|r| &r.checks).any(|c| c.spec().ha_suspend) {
                checks.suspends.insert(s, false);
            }
            for (r, real) in service.reals.iter().enumerate() {
                checks.servers.insert((service.spec.key, real.spec.key), (s, r));
                for (c, check) in real.checks.iter().enumerate() {
                    if let Some(at) = check.deadline() {
                        checks.due.insert((at, (s, r, c)));
                    }
                    let name = match &check.spec().method {
                        Method::Bfd { session } => (true, session.to_string()),
                        Method::File { file, .. } => (false, file.to_string()),
                        Method::Tcp(_)
                        | Method::Http(_)
                        | Method::Smtp { .. }
                        | Method::Dns(_)
                        | Method::Udp(_)
                        | Method::Ping(_)
                        | Method::Misc(_) => continue,
                    };
                    checks.told.entry(name).or_default().push((s, r, c));
                }
            }
        }
        // As they were; what is not as it should be is settled below.
        for (s, runs) in &mut checks.suspends {
            let Some(service) = self.services.get(*s) else { continue };
            let mut all = service.reals.iter().flat_map(|r| &r.checks).filter(|c| c.spec().ha_suspend);
            let scheduled = |c: &Check| c.deadline().is_some() || c.is_running();
            *runs = if self.is_here(service) { all.all(scheduled) } else { all.any(scheduled) };
            if !*runs {
                checks.waiting.insert(service.spec.key);
            }
        }
        self.checks = checks;
        self.settle_suspended(now);
    }

    pub(super) fn next_check(&self) -> Option<Instant> {
        self.checks.due.first().map(|(at, _)| *at).filter(|_| !self.stopping)
    }

    fn check_mut(&mut self, (s, r, c): Place) -> Option<&mut Check> {
        self.services.get_mut(s)?.reals.get_mut(r)?.checks.get_mut(c)
    }

    fn id_of(&self, (s, r, index): Place, run: u64) -> Option<CheckId> {
        let service = self.services.get(s)?;
        Some(CheckId { service: service.spec.key, real: service.reals.get(r)?.spec.key, index, run })
    }

    pub(super) fn start_checks(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        for _ in 0..AT_ONCE {
            let Some((at, place)) = self.checks.due.first().copied().filter(|(at, _)| *at <= now) else { return };
            self.checks.due.remove(&(at, place));
            self.checks.runs += 1;
            let run = self.checks.runs;
            let Some(check) = self.check_mut(place) else { continue };
            if !check.start(now, run) {
                continue;
            }
            let (method, step) = (check.spec().method.clone(), check.step());
            if let Some(id) = self.id_of(place, run) {
                effects.push(Effect::Check { id, method, step });
            }
        }
    }

    pub(super) fn checked(&mut self, now: Instant, id: CheckId, found: Found, effects: &mut Vec<Effect>) {
        let Some((s, r)) = self.checks.servers.get(&(id.service, id.real)).copied() else { return };
        let checks = self.services.get(s).and_then(|s| s.reals.get(r)).map(|r| &r.checks);
        // A check that a reload has replaced meanwhile has no such run.
        let Some(c) = checks.and_then(|checks| checks.iter().position(|c| c.run() == Some(id.run))) else { return };
        self.found(now, (s, r, c), found, effects);
    }

    fn found(&mut self, now: Instant, place: Place, found: Found, effects: &mut Vec<Effect>) {
        let (s, r, c) = place;
        let suspended = self.checks.suspends.get(&s) == Some(&false);
        let Some(real) = self.services.get_mut(s).and_then(|s| s.reals.get_mut(r)) else { return };
        let (was_up, weight_before) = (real.is_up(), real.weight());
        let Some(check) = real.checks.get_mut(c) else { return };
        // The first failure of one that was down from the start is told, too, as keepalived does.
        let tells_first = !found.good && check.good().is_none();
        let (good, method) = (found.good, check.spec().method.name());
        let logs = check.spec().log_all_failures && !good;
        let (attempt, tries) = (check.failing() + 1, check.spec().retry + 1);
        let change = check.finish(now, found);
        if suspended && check.spec().ha_suspend {
            check.suspend();
        }
        if change.verdict || change.weight {
            self.checks.unkept = true;
        }
        if let Some(at) = check.deadline() {
            self.checks.due.insert((at, place));
        }
        let (is_up, weight) = (real.is_up(), real.weight());
        let tells = was_up != is_up || (!is_up && tells_first);
        if !tells && !change.verdict && !logs && weight == weight_before {
            return;
        }
        let detail = real.checks.get(c).and_then(Check::last).map_or_else(String::new, |run| run.found.text());
        let Some(id) = self.id_of(place, 0) else { return };
        let subject = Subject::Real(id.service, id.real);
        let cause = Some(format!("{method}: {detail}"));
        if tells {
            let (severity, text) = if is_up {
                (Severity::Notice, format!("{} is UP in {}", id.real, id.service))
            } else {
                (Severity::Warning, format!("{} is DOWN in {}", id.real, id.service))
            };
            self.log.add(now, subject, severity, "check", text, cause);
            self.real_changed(id, is_up, (method, &detail), effects);
        } else if change.verdict {
            // Another check of the same server decides.
            let word = if good { "passes" } else { "fails" };
            self.log.add(now, subject, Severity::Info, "check", format!("{method} of {} {word}", id.real), cause);
        } else if logs {
            let text = format!("{method} of {} failed, try {attempt} of {tries}", id.real);
            self.log.add(now, subject, Severity::Info, "check", text, cause);
        }
        if is_up && was_up && weight != weight_before {
            let text = format!("{} has weight {weight} in {}, {weight_before} before", id.real, id.service);
            let cause = Some(format!("{method}: {detail}"));
            self.log.add(now, Subject::Real(id.service, id.real), Severity::Notice, "weight", text, cause);
        }
        if tells || weight != weight_before {
            let _ = self.settle_quorum(now, s, effects);
            self.settle_table(effects);
        }
        if tells {
            self.note_left(now, id);
        }
    }

    /// A BFD session is up, or not.
    pub(super) fn bfd_checked(&mut self, now: Instant, session: &str, up: bool, why: &str, effects: &mut Vec<Effect>) {
        let Some(places) = self.checks.told.get(&(true, session.to_owned())).cloned() else { return };
        for place in places {
            let found = if up { Found::good("the session is up") } else { Found::bad(format!("the session is {why}")) };
            self.found(now, place, found, effects);
        }
    }

    /// A tracked file holds this number now.
    pub(super) fn file_checked(&mut self, now: Instant, file: &str, value: i64, effects: &mut Vec<Effect>) {
        let Some(places) = self.checks.told.get(&(false, file.to_owned())).cloned() else { return };
        for place in places {
            let Some(Method::File { weight, reverse, .. }) = self.check_mut(place).map(|c| c.spec().method.clone())
            else {
                continue;
            };
            self.found(now, place, of_file(value, weight, reverse), effects);
        }
    }

    /// What is known of sessions and files already, for checks that a start or a reload has made.
    pub(super) fn tell_checks(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let fresh = |place: &Place, services: &[lvs::Service]| {
            let (s, r, c) = *place;
            let check = services.get(s).and_then(|s| s.reals.get(r)).and_then(|r| r.checks.get(c));
            check.is_some_and(|check| check.good().is_none())
        };
        let waits = self.checks.told.iter().filter(|(_, places)| places.iter().any(|p| fresh(p, &self.services)));
        let names: Vec<_> = waits.map(|(name, _)| name.clone()).collect();
        for (is_bfd, name) in names {
            if is_bfd {
                if let Some((up, why)) = self.bfds.standing(&name) {
                    self.bfd_checked(now, &name, up, &why, effects);
                }
            } else if let Some(value) = self.trackers.file_value(&name) {
                self.file_checked(now, &name, value, effects);
            }
        }
    }

    /// Addresses have come or gone: what is checked only where its address is begins, or waits (`ha_suspend`).
    pub(super) fn settle_suspended(&mut self, now: Instant) {
        let changed: Vec<(usize, bool)> = self
            .checks
            .suspends
            .iter()
            .filter_map(|(s, runs)| {
                let here = self.services.get(*s).is_some_and(|service| self.is_here(service));
                (here != *runs).then_some((*s, here))
            })
            .collect();
        for (s, here) in changed {
            self.checks.suspends.insert(s, here);
            let Some(service) = self.services.get_mut(s) else { continue };
            let (key, mut count) = (service.spec.key, 0);
            for (r, real) in service.reals.iter_mut().enumerate() {
                for (c, check) in real.checks.iter_mut().enumerate().filter(|(_, c)| c.spec().ha_suspend) {
                    count += 1;
                    if let Some(at) = check.deadline() {
                        self.checks.due.remove(&(at, (s, r, c)));
                    }
                    let at = now + RESUME_WITHIN.min(check.spec().period).mul_f64(self.random.fraction());
                    if here && check.run_at(at) {
                        self.checks.due.insert((at, (s, r, c)));
                    } else {
                        check.suspend();
                    }
                }
            }
            if here {
                self.checks.waiting.remove(&key);
            } else {
                self.checks.waiting.insert(key);
            }
            let text = if here {
                format!("{count} checks of {key} begin: its address is here")
            } else {
                format!("{count} checks of {key} wait: its address is not here (ha_suspend)")
            };
            self.log.add(now, Subject::Service(key), Severity::Info, "check", text, None);
        }
    }

    /// Whether the kernel has the address of a service on any link.
    fn is_here(&self, service: &lvs::Service) -> bool {
        let here = |ip| self.links.values().any(|link| link.addresses.keys().any(|net| net.addr() == ip));
        service.spec.key.ip().is_some_and(here)
    }

    /// Whether a service's checks wait for its address.
    pub(super) fn is_suspended(&self, service: ServiceKey) -> bool {
        self.checks.waiting.contains(&service)
    }

    /// Runs the checks of a real server at once, as an operator asks; in a sentence what happens.
    pub(super) fn check_now(
        &mut self,
        now: Instant,
        real: DestinationKey,
        service: Option<ServiceKey>,
    ) -> Result<String, String> {
        let (mut found, mut started, mut running, mut waiting) = (false, 0, 0, 0);
        let places: Vec<_> = self
            .checks
            .servers
            .iter()
            .filter(|((key, to), _)| *to == real && service.is_none_or(|wanted| wanted == *key))
            .map(|(_, place)| *place)
            .collect();
        for (s, r) in places {
            found = true;
            let suspended = self.checks.suspends.get(&s) == Some(&false);
            let Some(server) = self.services.get_mut(s).and_then(|s| s.reals.get_mut(r)) else { continue };
            for (c, check) in server.checks.iter_mut().enumerate() {
                if check.is_running() {
                    running += 1;
                    continue;
                }
                if !check.spec().method.is_timed() || (suspended && check.spec().ha_suspend) {
                    waiting += 1;
                    continue;
                }
                if let Some(at) = check.deadline() {
                    self.checks.due.remove(&(at, (s, r, c)));
                }
                if check.run_at(now) {
                    started += 1;
                    self.checks.due.insert((now, (s, r, c)));
                }
            }
        }
        let place = service.map(|key| format!(" of {key}")).unwrap_or_default();
        if !found {
            return Err(format!("{} has no real server {real}{place}", self.name));
        }
        match (started, running, waiting) {
            (0, 0, 0) => Err(format!("{real}{place} has no check")),
            (0, 0, _) => Err(format!(
                "{real}{place} has no check that can be run now: what it has is told of a session, a \
                 file or its address"
            )),
            (0, _, _) => Ok(format!("{real}{place}: its checks are running already")),
            (1, _, _) => Ok(format!("{real}{place}: 1 check runs now")),
            _ => Ok(format!("{real}{place}: {started} checks run now")),
        }
    }
}

/// What the number in a file means to a server: with weight 0 a failure unless it is 0.
fn of_file(value: i64, weight: i64, reverse: bool) -> Found {
    if weight == 0 {
        let good = (value == 0) != reverse;
        let text = format!("the file says {value}");
        return if good { Found::good(text) } else { Found::bad(text) };
    }
    let more = value.saturating_mul(weight).saturating_mul(if reverse { -1 } else { 1 });
    if more <= FAILED_BELOW {
        return Found::bad(format!("the file says {value}, which is {more} for the weight"));
    }
    Found { weight: Weight::More(more), ..Found::good(format!("the file says {value}: {more:+} for the weight")) }
}
