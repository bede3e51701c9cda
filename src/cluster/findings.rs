//! Judgements that hold as long as their evidence keeps coming.

use crate::status::{Finding, Severity};
use crate::time::{Duration, Instant};

/// A finding whose evidence has not been seen for so long is no longer shown.
pub const FORGET_AFTER: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Notes the evidence and says whether the finding is new (or had been forgotten).
    pub fn raise(&mut self, now: Instant, kind: &str, severity: Severity, subject: &str, text: String) -> bool {
        self.list.retain(|f| now.since(f.last) < FORGET_AFTER);
        if let Some(known) = self.list.iter_mut().find(|f| f.kind == kind && f.subject == subject) {
            known.last = now;
            known.count += 1;
            known.text = text;
            return false;
        }
        self.list.push(Finding {
            kind: kind.to_owned(),
            severity,
            subject: subject.to_owned(),
            text,
            since: now,
            last: now,
            count: 1,
        });
        true
    }

    /// What holds at `now`, the worst first.
    pub fn at(&self, now: Instant) -> Vec<Finding> {
        let mut list: Vec<_> = self.list.iter().filter(|f| now.since(f.last) < FORGET_AFTER).cloned().collect();
        list.sort_by_key(|f| std::cmp::Reverse(f.severity));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_lasts_as_long_as_its_evidence() {
        let at = |s: u64| Instant::from_micros(s * 1_000_000);
        let mut findings = Findings::default();
        let mut raise = |s| findings.raise(at(s), "wrong-password", Severity::Warning, "VI_1", "as told".into());
        assert!(raise(0));
        assert!(!raise(10));
        assert_eq!(findings.at(at(12))[0].count, 2);
        assert!(findings.at(at(25)).is_empty());
        assert!(findings.raise(at(40), "wrong-password", Severity::Warning, "VI_1", "again".into()));
    }
}
