//! The load balancer's table as it is and as it should be: planned, written, read back, compared.
//!
//! One batch of changes is out at a time, and the next is planned against what was read back after it. Once a reading
//! has shown what was wanted, a later one that differs without our doing is somebody else's: that is told, and repaired
//! or left as it is.

use super::core::Engine;
use super::effect::Effect;
use crate::kernel::{
    Change, ObservedTable, ServiceKey, SyncDaemon, SyncRole, Table, Timeouts, plan_daemons, plan_table,
};
use crate::lvs::desired_table;
use crate::status::{DataplaneKind, Severity, Subject};
use crate::time::{Duration, Instant};
use crate::vrrp;
use std::collections::{BTreeMap, BTreeSet};

/// A table that could not be written whole is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// What is known of the table.
#[derive(Clone, Debug, Default)]
pub(super) struct TableState {
    pub(super) observed: Option<ObservedTable>,
    pub(super) observed_at: Option<Instant>,
    /// As it should be, since somebody last wanted something else.
    desired: Table,
    /// A batch is out, and the table has not been read back after it.
    busy: bool,
    /// The batch is written: the next reading shows it.
    written: bool,
    failed: bool,
    /// The batch that is out, or was last, removes everything.
    clearing: bool,
    pub(super) retry_at: Option<Instant>,
    /// The last reading was as it should be, and nothing was asked for since.
    settled: bool,
    /// What somebody else changes is left so.
    pub(super) adopts: bool,
    /// The steps that would undo what somebody else changed.
    adopted: BTreeSet<String>,
    /// `lvs_flush` is done, or there is none to do.
    flushed: bool,
    /// As they were before ours.
    pub(super) timeouts_before: Option<Timeouts>,
    /// Sync daemons that a reload took from the configuration.
    pub(super) left_daemons: bool,
}

impl TableState {
    /// What is wanted of the table has changed; it is settled in the next turn, when adverts are out.
    pub(super) fn ask_later(&mut self, now: Instant) {
        self.settled = false;
        self.retry_at.get_or_insert(now);
    }
}

impl Engine {
    /// Whether nothing of ours is left in it, as far as it can be known.
    pub(super) fn table_is_cleared(&self) -> bool {
        // Until that is settled, what is desired is what was while this engine served.
        let leaves = self.keep.ipvs || self.table.desired.services.is_empty();
        !self.table.busy && ((self.table.clearing && self.table.failed) || (leaves && self.table_steps().is_empty()))
    }

    /// Whether differences that somebody else makes in the table are left as they are, instead of repaired.
    pub const fn adopt_drift(&mut self, adopts: bool) {
        self.table.adopts = adopts;
    }

    /// Somebody wants something else of the table, perhaps: none of it once the engine has handed everything over.
    pub(super) fn settle_table(&mut self, effects: &mut Vec<Effect>) {
        let leaving = self.has_handed_over();
        let desired = if leaving { Table::default() } else { desired_table(self.services.iter()) };
        if desired != self.table.desired {
            self.table.desired = desired;
            self.table.settled = false;
        }
        let waits = self.table.retry_at.is_some() && !leaving;
        if self.table.observed.is_none() || self.table.busy || waits {
            return;
        }
        let steps = self.table_steps();
        self.write_table(steps, effects);
    }

    fn write_table(&mut self, mut steps: Vec<Change>, effects: &mut Vec<Effect>) {
        self.forget_resets();
        // What is in maintenance is reset while it is still there, and leaves with the next batch.
        steps.extend(self.intent_steps());
        if steps.is_empty() {
            return;
        }
        self.table.settled = false;
        self.table.busy = true;
        self.table.clearing = self.has_handed_over();
        effects.push(Effect::Table(steps));
    }

    /// From the table as it was read to the one that should be.
    fn table_steps(&self) -> Vec<Change> {
        let Some(observed) = &self.table.observed else { return Vec::new() };
        let leaving = self.has_handed_over();
        if leaving && self.keep.ipvs {
            // The daemons tell and learn for this engine, and nothing of the table itself.
            return if self.globals.lvs.sync.is_some() {
                plan_daemons(&BTreeMap::new(), &observed.daemons)
            } else {
                Vec::new()
            };
        }
        let flush =
            if leaving { self.globals.lvs.flush_on_stop } else { self.globals.lvs.flush && !self.table.flushed };
        let surplus = observed.services.keys().any(|key| !self.table.desired.services.contains_key(key));
        let own: BTreeSet<ServiceKey> = match (surplus, flush) {
            (false, _) => BTreeSet::new(),
            (true, true) => observed.services.keys().copied().collect(),
            (true, false) => {
                self.services.iter().flat_map(|s| s.spec.entries()).chain(&self.left_services).copied().collect()
            }
        };
        let mut steps = plan_table(&self.table.desired, observed, |key| own.contains(key));
        if self.dataplane.kind == DataplaneKind::Ipvs {
            self.plan_whole(observed, leaving, &mut steps);
        }
        if !self.table.adopted.is_empty() {
            steps.retain(|step| !self.table.adopted.contains(&step.to_string()));
        }
        steps
    }

    /// Sync daemons and timeouts.
    fn plan_whole(&self, observed: &ObservedTable, leaving: bool, steps: &mut Vec<Change>) {
        if self.globals.lvs.sync.is_some() || self.table.left_daemons {
            let desired = if leaving { BTreeMap::new() } else { self.desired_daemons() };
            steps.extend(plan_daemons(&desired, &observed.daemons));
        }
        let Some(seen) = observed.timeouts else { return };
        let wanted = self.globals.lvs.timeouts;
        let before = self.table.timeouts_before.unwrap_or_default();
        // What is not configured, or not any more, goes back to what it was.
        let target = |wanted: u32, before: u32| if wanted > 0 && !leaving { wanted } else { before };
        let change = |target: u32, seen: u32| if target == seen { 0 } else { target };
        let timeouts = Timeouts {
            tcp: change(target(wanted.tcp, before.tcp), seen.tcp),
            tcp_fin: change(target(wanted.tcp_fin, before.tcp_fin), seen.tcp_fin),
            udp: change(target(wanted.udp, before.udp), seen.udp),
        };
        if timeouts != Timeouts::default() {
            steps.push(Change::SetTimeouts(timeouts));
        }
    }

    /// While the instance is master its director tells, else it learns; without an instance it does both.
    fn desired_daemons(&self) -> BTreeMap<SyncRole, SyncDaemon> {
        let Some(sync) = &self.globals.lvs.sync else { return BTreeMap::new() };
        let is_master = |name: &String| {
            self.routers
                .iter()
                .any(|r| r.machine.spec().name == *name && matches!(r.machine.state(), vrrp::State::Master { .. }))
        };
        let roles = match &sync.instance {
            None => vec![SyncRole::Master, SyncRole::Backup],
            Some(name) if is_master(name) => vec![SyncRole::Master],
            Some(_) => vec![SyncRole::Backup],
        };
        roles.into_iter().map(|role| (role, sync.daemon.clone())).collect()
    }

    pub(super) fn table_done(&mut self, now: Instant, failures: Vec<(Change, String)>) {
        self.table.written = true;
        self.table.failed = !failures.is_empty();
        if self.table.failed {
            self.table.retry_at = Some(now + RETRY);
        }
        for (change, error) in failures {
            self.intent_step_failed(&change);
            self.counters.change_errors += 1;
            let text = format!("could not {change}");
            let subject = change.to_string();
            if self.findings.raise(now, "change-failed", Severity::Alarm, &subject, format!("{text}: {error}")) {
                self.log.add(now, Subject::Node, Severity::Alarm, "table", text, Some(error));
            }
        }
    }

    pub(super) fn table_read(&mut self, now: Instant, observed: ObservedTable, effects: &mut Vec<Effect>) {
        let mut drained = Vec::new();
        for service in &mut self.services {
            let empty = service.observe(now, &observed);
            let key = service.spec.key;
            drained.extend(empty.iter().filter_map(|index| Some((key, service.reals.get(*index)?.spec.key))));
        }
        // What a drain asks for next follows from what was read.
        let drains = self.services.iter().flat_map(|s| &s.reals).any(|real| real.intent.drain.is_some());
        self.follow_drains(now, &drained, effects);
        if std::mem::take(&mut self.table.written) {
            self.table.busy = false;
        }
        if self.table.timeouts_before.is_none() && self.globals.lvs.timeouts != Timeouts::default() {
            self.table.timeouts_before = observed.timeouts;
            self.node_unkept = true;
        }
        self.node_unkept |= std::mem::take(&mut self.checks.unkept);
        let before = self.table.observed.as_ref().and_then(|table| table.fingerprint);
        let counts_only = before.is_some() && before == observed.fingerprint;
        self.table.observed = Some(observed);
        self.table.observed_at = Some(now);
        if self.settle_quorums(now, effects) || drains || self.table.desired.services.is_empty() {
            self.settle_table(effects);
        }
        let waits = self.table.retry_at.is_some() && !self.has_handed_over();
        // What was as it should be still is.
        let is_known = self.table.settled && counts_only && self.table.adopted.is_empty();
        if !self.table.busy && !waits && !is_known {
            let steps = self.compare_table(now);
            self.write_table(steps, effects);
        }
    }

    /// Nothing is under way: the reading shows what was wanted, or what somebody else did. Returns what is to be done.
    fn compare_table(&mut self, now: Instant) -> Vec<Change> {
        let steps = self.table_steps();
        if steps.is_empty() {
            self.table.settled = true;
            self.table.flushed = true;
        } else if std::mem::take(&mut self.table.settled) {
            self.drifted(now, &steps);
        }
        if self.table.adopted.is_empty() {
            return steps;
        }
        self.recall_adopted(now);
        self.table_steps()
    }

    /// Somebody else changed the table: `steps` would undo it.
    fn drifted(&mut self, now: Instant, steps: &[Change]) {
        let listed = listed(steps);
        let text = if self.table.adopts {
            self.table.adopted.extend(steps.iter().map(ToString::to_string));
            self.table.settled = true;
            format!("somebody else changed the table, and it is left so; as it should be: {listed}")
        } else {
            format!("somebody else changed the table; repaired: {listed}")
        };
        let cause = "the reading before was as it should be, and vipdeck changed nothing since";
        self.counters.table_drifts += 1;
        self.findings.raise(now, "table-drift", Severity::Warning, "table", text.clone());
        self.log.add(now, Subject::Node, Severity::Warning, "drift", text, Some(cause.to_owned()));
    }

    /// Differences that were left as they are go on being shown until they are gone.
    fn recall_adopted(&mut self, now: Instant) {
        let adopted = std::mem::take(&mut self.table.adopted);
        let steps = self.table_steps();
        let left: Vec<_> = steps.into_iter().filter(|step| adopted.contains(&step.to_string())).collect();
        self.table.adopted = left.iter().map(ToString::to_string).collect();
        if !left.is_empty() {
            let text =
                format!("the table was changed by somebody else and is left so; as it should be: {}", listed(&left));
            self.findings.raise(now, "table-drift", Severity::Warning, "table", text);
        }
    }
}

/// The first of them in words.
fn listed(steps: &[Change]) -> String {
    const FIRST: usize = 3;
    let first: Vec<_> = steps.iter().take(FIRST).map(ToString::to_string).collect();
    let more = steps.len().saturating_sub(FIRST);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    first.join("; ") + &rest
}
