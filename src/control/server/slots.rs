//! How many connections there may be: nobody can use up the places of others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All connections together.
pub(super) const TOTAL: usize = 64;
/// Those that are not root's: root always finds a place.
const OTHERS: usize = 48;
/// Those of one user that is not root.
const PER_USER: usize = 16;

/// The open connections by user.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<BTreeMap<u32, usize>>);

/// A place in use; dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    uid: u32,
}

impl Slots {
    /// A place for a connection of this user, unless too many are in use.
    pub(super) fn take(self: &Arc<Self>, uid: u32) -> Option<Slot> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let others: usize = open.iter().filter(|(user, _)| **user != 0).map(|(_, count)| count).sum();
        let own = open.entry(uid).or_default();
        if all >= TOTAL || uid != 0 && (others >= OTHERS || *own >= PER_USER) {
            return None;
        }
        *own += 1;
        Some(Slot { slots: self.clone(), uid })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.uid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(slots: &Arc<Slots>, uid: u32) -> Vec<Slot> {
        std::iter::from_fn(|| slots.take(uid)).collect()
    }

    #[test]
    fn one_user_leaves_places_for_others_and_root_always_finds_one() {
        let slots = Arc::new(Slots::default());
        let mut all = fill(&slots, 1000);
        assert_eq!(all.len(), PER_USER);
        for uid in 1001..1010 {
            all.extend(fill(&slots, uid));
        }
        assert_eq!(all.len(), OTHERS);
        let root = fill(&slots, 0);
        assert_eq!(root.len(), TOTAL - OTHERS);
        all.pop();
        assert!(slots.take(1000).is_none(), "the whole is full");
        drop(root);
        drop(all);
        assert!(slots.take(1000).is_some());
    }
}
