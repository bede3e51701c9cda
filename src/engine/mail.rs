//! Mail about changes, with keepalived's subjects and first lines.

use super::core::Engine;
use super::effect::{Effect, Letter};
use super::notify::Told;
use crate::conf::MailSpec;

impl Engine {
    /// Where [`Effect::Mail`] goes to; none: nowhere.
    pub fn mail(&self) -> Option<&MailSpec> {
        self.globals.notify.mail.as_ref()
    }

    /// About an `Instance` or a `Group`; none where no mail is sent. The cause is ours: keepalived does not tell it.
    pub(super) fn letter(&self, kind: &str, name: &str, told: Told, cause: Option<&str>) -> Option<Effect> {
        let spec = self.mail()?;
        if told == Told::Fault && spec.no_email_faults {
            return None;
        }
        let what = match told {
            Told::Master | Told::Backup | Told::Fault => format!("Entering {} state", told.word()),
            Told::Stop => "Stopping".to_owned(),
            Told::Deleted => "Deleted".to_owned(),
        };
        let line = match (kind, told) {
            ("Group", Told::Stop) => "All VRRP group instances are now stopping".to_owned(),
            ("Group", _) => format!("All VRRP group instances are now in {} state", told.word()),
            (_, Told::Master) => "VRRP Instance is now owning VRRP VIPs".to_owned(),
            (_, Told::Stop) => "VRRP Instance stopping".to_owned(),
            (_, Told::Deleted) => "VRRP Deleted at reload".to_owned(),
            (_, Told::Backup | Told::Fault) => "VRRP Instance is no longer owning VRRP VIPs".to_owned(),
        };
        let mut body = vec![format!("=> {line} <=")];
        body.extend(cause.map(|cause| format!("Cause: {cause}")));
        Some(Effect::Mail(Letter { subject: format!("[{}] VRRP {kind} {name} - {what}", self.name), body }))
    }
}
