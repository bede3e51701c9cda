//! What an engine keeps beside its snapshots: the configuration that runs, and the audit log.

use crate::status::{AuditEntry, AuditList, ConfigReport};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// So many entries of the audit log are in memory; its file has more.
pub const AUDIT_KEPT: usize = 1000;

/// Written by threads beside the engine's, read by any number of consoles; nobody waits.
#[derive(Debug)]
pub struct Records {
    configuration: watch::Sender<Option<Configuration>>,
    audit: watch::Sender<Arc<Audit>>,
}

/// A report for those who may operate, and the same for those who may only look.
#[derive(Clone, Debug)]
struct Configuration {
    open: Arc<ConfigReport>,
    masked: Arc<ConfigReport>,
}

/// The newest part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub node: String,
    pub file: Option<String>,
    /// Oldest first.
    pub entries: VecDeque<Arc<AuditEntry>>,
    /// There were earlier ones.
    pub earlier: bool,
}

impl Audit {
    /// The entries after number `after` that were asked at `since` (microseconds since 1970) or later.
    pub fn list(&self, after: u64, since: u64) -> AuditList {
        let wanted = |e: &&Arc<AuditEntry>| e.seq > after && e.wall_us >= since;
        let entries: Vec<AuditEntry> = self.entries.iter().filter(wanted).map(|e| (**e).clone()).collect();
        let all = self.entries.front().is_none_or(|first| first.seq <= after || first.wall_us < since);
        AuditList { node: self.node.clone(), file: self.file.clone(), entries, earlier: self.earlier && !all }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self { configuration: watch::Sender::new(None), audit: watch::Sender::new(Arc::default()) }
    }
}

impl Records {
    pub fn set_configuration(&self, open: ConfigReport, masked: ConfigReport) {
        self.configuration.send_replace(Some(Configuration { open: Arc::new(open), masked: Arc::new(masked) }));
    }

    /// The disk was looked at, and nothing has changed: nobody is woken for that.
    pub fn looked(&self, wall_us: u64) {
        self.configuration.send_if_modified(|both| {
            if let Some(both) = both {
                Arc::make_mut(&mut both.open).looked_us = Some(wall_us);
                Arc::make_mut(&mut both.masked).looked_us = Some(wall_us);
            }
            false
        });
    }

    /// The report with all secrets, or without them; none: the engine is starting, or older than such reports.
    pub fn configuration(&self, open: bool) -> Option<Arc<ConfigReport>> {
        self.configuration.borrow().as_ref().map(|c| if open { c.open.clone() } else { c.masked.clone() })
    }

    /// Begins the log anew, with what its file has.
    pub fn begin_audit(&self, mut list: AuditList) {
        let over = list.entries.len().saturating_sub(AUDIT_KEPT);
        list.entries.drain(..over);
        let AuditList { node, file, entries, earlier } = list;
        let entries = entries.into_iter().map(Arc::new).collect();
        self.audit.send_replace(Arc::new(Audit { node, file, entries, earlier: earlier || over > 0 }));
    }

    pub fn add_audit(&self, entries: Vec<AuditEntry>) {
        if entries.is_empty() {
            return;
        }
        self.audit.send_modify(|audit| {
            let audit = Arc::make_mut(audit);
            for entry in entries {
                if audit.entries.len() == AUDIT_KEPT {
                    audit.entries.pop_front();
                    audit.earlier = true;
                }
                audit.entries.push_back(Arc::new(entry));
            }
        });
    }

    pub fn audit(&self) -> Arc<Audit> {
        self.audit.borrow().clone()
    }

    /// What a reader has not seen yet.
    pub fn watch(&self, open: bool) -> Unseen {
        let (mut configuration, mut audit) = (self.configuration.subscribe(), self.audit.subscribe());
        configuration.mark_changed();
        audit.mark_changed();
        Unseen { open, configuration, audit }
    }

    pub(super) fn clear(&self) {
        self.configuration.send_replace(None);
        self.audit.send_replace(Arc::default());
    }
}

/// One reader's place.
#[derive(Debug)]
pub struct Unseen {
    open: bool,
    configuration: watch::Receiver<Option<Configuration>>,
    audit: watch::Receiver<Arc<Audit>>,
}

impl Unseen {
    /// The report, if it is another than the last time.
    pub fn configuration(&mut self) -> Option<Option<Arc<ConfigReport>>> {
        if !self.configuration.has_changed().unwrap_or(false) {
            return None;
        }
        let found = self.configuration.borrow_and_update();
        Some(found.as_ref().map(|c| if self.open { c.open.clone() } else { c.masked.clone() }))
    }

    /// The log, if it is another than the last time.
    pub fn audit(&mut self) -> Option<Arc<Audit>> {
        self.audit.has_changed().unwrap_or(false).then(|| self.audit.borrow_and_update().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Actor, AuditResult};

    fn entry(seq: u64) -> AuditEntry {
        AuditEntry {
            seq,
            wall_us: seq * 1_000_000,
            node: "lvs1".into(),
            actor: Actor { user: "ops1".into(), from: "local socket".into() },
            verb: "demote".into(),
            command: "demote VI_1".into(),
            reason: None,
            result: AuditResult::Accepted,
            answer: "done".into(),
            took_us: 10,
        }
    }

    #[test]
    fn the_newest_are_kept_and_it_is_said_that_there_were_others() {
        let records = Records::default();
        let file = Some("/state/x.audit".to_owned());
        let entries = (1..=10).map(entry).collect();
        records.begin_audit(AuditList { node: "lvs1".into(), file, entries, earlier: false });
        assert!(!records.audit().list(0, 0).earlier);
        records.add_audit((11..=1005).map(entry).collect());
        let list = records.audit().list(0, 0);
        assert_eq!((list.entries.len(), list.entries[0].seq, list.earlier), (AUDIT_KEPT, 6, true));
        let since = records.audit().list(0, 1_000_000_000);
        assert_eq!((since.entries.len(), since.earlier), (6, false));
    }

    #[test]
    fn a_reader_sees_each_change_once() {
        let records = Records::default();
        let mut unseen = records.watch(true);
        assert!(unseen.audit().is_some() && unseen.audit().is_none());
        records.add_audit(vec![entry(1)]);
        assert_eq!(unseen.audit().unwrap().entries.len(), 1);
        assert!(unseen.audit().is_none());
        assert_eq!(unseen.configuration(), Some(None));
        assert_eq!(unseen.configuration(), None);
    }
}
