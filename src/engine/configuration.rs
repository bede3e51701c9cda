//! What the engine runs by, put together again from its parts.

use super::core::Engine;
use super::router::Router;
use crate::conf::{About, Config};
use crate::status::{ConfigSummary, DiskLook, DiskState, Finding, PacketErrors, Severity, Subject};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of the configuration as a file, and of the log of who changed what.
#[derive(Clone, Debug, Default)]
pub(super) struct Papers {
    pub(super) about: About,
    shared: Arc<BTreeMap<String, String>>,
    loaded_at: Instant,
    disk: Option<DiskLook>,
    /// Why the audit log cannot be written, and since when.
    audit: Option<(Instant, String)>,
}

impl Papers {
    pub(super) fn loaded(&mut self, now: Instant, about: About) {
        self.shared = Arc::new(about.shared.clone());
        // What was seen on the disk was compared with what ran before.
        (self.about, self.loaded_at, self.disk) = (about, now, None);
    }
}

impl Engine {
    /// The configuration of this moment: that of the start, or of the last reload.
    pub fn configuration(&self) -> Config {
        let stays = |router: &&Router| !router.retiring;
        Config {
            router_id: Some(self.name.clone()),
            globals: self.globals.clone(),
            instances: self.routers.iter().filter(stays).map(|r| r.machine.spec().clone()).collect(),
            groups: self.groups.iter().map(|g| g.spec.clone()).collect(),
            scripts: self.scripts.iter().map(|s| s.spec.clone()).collect(),
            files: self.trackers.files.iter().map(|f| f.spec.clone()).collect(),
            processes: self.trackers.processes.iter().map(|p| p.spec.clone()).collect(),
            bfds: self.bfds().to_vec(),
            statics: self.routing.statics.clone(),
            track_groups: self.routing.track_groups.clone(),
            origins: self.origins.clone(),
            about: self.papers.about.clone(),
            services: self.services.iter().map(|s| s.spec.clone()).collect(),
        }
    }

    /// Begins to count anew, as keepalived does on its signal for that.
    pub fn clear_statistics(&mut self) {
        for router in &mut self.routers {
            router.packets = PacketErrors::default();
            (router.adverts_sent, router.adverts_heard, router.adverts_refused) = (0, 0, 0);
            (router.became_master, router.released_master) = (0, 0);
            router.announcements_sent = 0;
        }
    }

    /// For the snapshot.
    pub(super) fn config_summary(&self) -> ConfigSummary {
        let Papers { about, shared, loaded_at, disk, .. } = &self.papers;
        ConfigSummary {
            effective: about.effective.clone(),
            texts: about.texts.clone(),
            shared: shared.clone(),
            loaded_at: *loaded_at,
            disk: disk.clone(),
        }
    }

    /// The file has been looked at.
    pub(super) fn disk_seen(&mut self, now: Instant, state: DiskState) {
        let before = self.papers.disk.replace(DiskLook { at: now, state: state.clone() });
        if before.is_none_or(|before| before.state != state) && state != DiskState::Same {
            self.log.add(now, Subject::Node, Severity::Info, "config-file", state.to_string(), None);
        }
    }

    /// The audit log can be written, or cannot any more.
    pub(super) fn audit_kept(&mut self, now: Instant, result: Result<(), String>) {
        let (severity, text) = match (&result, self.papers.audit.take()) {
            (Ok(()), None) => return,
            (Ok(()), Some(_)) => (Severity::Notice, "the audit log is written again, nothing is missing".to_owned()),
            (Err(why), before) => {
                let text = format!("the audit log cannot be written: {why}; commands are carried out all the same");
                let is_new = before.is_none();
                let since = before.map_or(now, |(since, _)| since);
                self.papers.audit = Some((since, text.clone()));
                if !is_new {
                    return;
                }
                (Severity::Alarm, text)
            }
        };
        self.log.add(now, Subject::Node, severity, "audit", text, None);
    }

    pub(super) fn audit_finding(&self, now: Instant) -> Option<Finding> {
        let (since, text) = self.papers.audit.clone()?;
        let (kind, subject) = ("audit-log".to_owned(), "node".to_owned());
        Some(Finding { kind, severity: Severity::Alarm, subject, text, since, last: now, count: 1 })
    }
}
