//! What follows from a picture's snapshots alone, kept until one of them is another. Nobody has to say that something
//! has changed: what it was made from is kept beside it and compared.

use super::model::Picture;
use crate::cluster::{Router, routers};
use crate::status::{Alarm, Snapshot};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A clone shares nothing with its original, and begins with what that had.
#[derive(Default)]
pub struct Memo {
    kept: Mutex<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    routers: Option<(Snapshots, Arc<[Router]>)>,
    alarms: Option<(AlarmKey, Arc<[Alarm]>)>,
}

/// The snapshots by their place in memory, which no other can take while it is remembered here.
type Snapshots = Vec<Option<Weak<Snapshot>>>;
/// Each node's name, trust and why; when its word came.
type AlarmKey = (Snapshots, Vec<(String, String, u64)>);

impl Memo {
    pub(super) fn routers(&self, picture: &Picture) -> Arc<[Router]> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, routers)) = &kept.routers
            && are_of(from, picture)
        {
            return Arc::clone(routers);
        }
        let snapshots: Vec<_> = picture.nodes.iter().map(|n| n.snapshot.as_deref()).collect();
        let made: Arc<[Router]> = routers(&snapshots).into();
        kept.routers = Some((snapshots_of(picture), Arc::clone(&made)));
        made
    }

    /// What `make` says, unless it has said so of the same nodes.
    pub(super) fn alarms(
        &self,
        picture: &Picture,
        trust: Vec<(String, String, u64)>,
        make: impl FnOnce() -> Vec<Alarm>,
    ) -> Arc<[Alarm]> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(((from, before), alarms)) = &kept.alarms
            && *before == trust
            && are_of(from, picture)
        {
            return Arc::clone(alarms);
        }
        let made: Arc<[Alarm]> = make().into();
        kept.alarms = Some(((snapshots_of(picture), trust), Arc::clone(&made)));
        made
    }
}

fn snapshots_of(picture: &Picture) -> Snapshots {
    picture.nodes.iter().map(|n| n.snapshot.as_ref().map(Arc::downgrade)).collect()
}

fn are_of(from: &Snapshots, picture: &Picture) -> bool {
    let same = |a: &Option<Weak<Snapshot>>, b: &Option<Arc<Snapshot>>| match (a, b) {
        (Some(a), Some(b)) => a.as_ptr() == Arc::as_ptr(b),
        (None, None) => true,
        _ => false,
    };
    from.len() == picture.nodes.len() && from.iter().zip(&picture.nodes).all(|(a, n)| same(a, &n.snapshot))
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self { kept: Mutex::new(self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()) }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}
