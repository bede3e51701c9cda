//! Objects of the kernel that are kept as they should be: routes and rules.
//!
//! What should be there follows from who wants it, what is there from the kernel's news; the steps are the difference,
//! one under way for each object. Whatever no configuration of this engine has named is never touched.

use crate::kernel::{OUR_PROTOCOL, Route, RouteKey, Routing, Rule, RuleKey};
use crate::time::{Duration, Instant, earliest};
use std::collections::BTreeMap;
use std::fmt;

/// A step that the kernel refused is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// News of our own step arrive within this; later ones count for more than its result.
const CONFIRMED: Duration = Duration::from_millis(500);
/// Put back at once so often within [`RETRY`]; whoever removes it more often than that has it removed until then.
const AT_ONCE: u8 = 5;

/// A kind of object that can be kept.
pub(super) trait Object: Clone + fmt::Display {
    /// What the kernel finds it by; several may share it.
    type Key: Clone + Ord;

    fn key(&self) -> Self::Key;
    /// Whether `seen`, as the kernel reports it, is this object.
    fn is(&self, seen: &Self) -> bool;
    /// Whether both are the same to the kernel.
    fn same(&self, other: &Self) -> bool;
    /// Whether news of it arrive: those of other protocols are not listened to.
    fn is_watched(&self) -> bool;
    /// Whether another object with the key of this one is this one with other attributes.
    const KEY_IS_IDENTITY: bool;
    fn addition(&self) -> Routing;
    fn removal(&self) -> Routing;
}

impl Object for Route {
    type Key = RouteKey;
    const KEY_IS_IDENTITY: bool = true;

    fn key(&self) -> RouteKey {
        self.key()
    }

    fn is(&self, seen: &Self) -> bool {
        self.is(seen)
    }

    fn same(&self, other: &Self) -> bool {
        Self { tracked: other.tracked, place: other.place, ..self.clone() } == *other
    }

    fn is_watched(&self) -> bool {
        self.protocol == OUR_PROTOCOL
    }

    fn addition(&self) -> Routing {
        Routing::AddRoute(Box::new(self.clone()))
    }

    fn removal(&self) -> Routing {
        Routing::RemoveRoute(Box::new(self.clone()))
    }
}

impl Object for Rule {
    type Key = RuleKey;
    const KEY_IS_IDENTITY: bool = false;

    fn key(&self) -> RuleKey {
        self.key()
    }

    fn is(&self, seen: &Self) -> bool {
        self.is(seen)
    }

    fn same(&self, other: &Self) -> bool {
        self.is(other)
    }

    fn is_watched(&self) -> bool {
        self.protocol == OUR_PROTOCOL
    }

    fn addition(&self) -> Routing {
        Routing::AddRule(Box::new(self.clone()))
    }

    fn removal(&self) -> Routing {
        Routing::RemoveRule(Box::new(self.clone()))
    }
}

/// Who wants an object there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owners {
    /// Routers, while they answer for their addresses.
    pub(super) routers: Vec<usize>,
    /// A static object, while the engine runs.
    pub(super) fixed: bool,
    /// The track group that depends on it.
    pub(super) track_group: Option<String>,
}

/// Whether an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Yes,
    No,
    /// Nobody has said yet.
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct Entry<T> {
    pub(super) object: T,
    pub(super) owners: Owners,
    /// A step is under way: to add it (true) or to remove it; and whether news have shown its outcome already.
    pending: Option<bool>,
    shown: bool,
    /// What our last step left, until news show it.
    left: Option<(bool, Instant)>,
    /// Why the last step failed, and when the next is tried.
    failed: Option<(String, Instant)>,
    /// Steps since then, to tell a fight.
    steps: (Instant, u8),
}

impl<T: Object> Entry<T> {
    fn new(object: T) -> Self {
        let steps = (Instant::ZERO, 0);
        Self { object, owners: Owners::default(), pending: None, shown: false, left: None, failed: None, steps }
    }

    /// A step is under way.
    pub(super) const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Why it is not as it should be.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failed.as_ref().map(|(why, _)| why.as_str())
    }
}

/// All objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Keeper<T: Object> {
    entries: BTreeMap<T::Key, Vec<Entry<T>>>,
    /// What the kernel has, of those that bear our mark; none: not known yet.
    seen: Option<BTreeMap<T::Key, Vec<T>>>,
    /// Something failed and is to be tried again.
    has_failed: bool,
    /// On their way out: what has the key of an entry and other attributes.
    strays: Vec<T>,
}

impl<T: Object> Default for Keeper<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), seen: None, has_failed: false, strays: Vec::new() }
    }
}

/// The steps to take now.
#[derive(Debug)]
pub(super) struct Steps<T> {
    pub(super) removals: Vec<Routing>,
    pub(super) additions: Vec<Routing>,
    /// Removed by others again and again: put back later.
    pub(super) fought: Vec<T>,
}

impl<T: Object> Keeper<T> {
    /// Takes the objects that should be kept from now on. Those that left stay until they are gone.
    pub(super) fn name(&mut self, wanted: impl Iterator<Item = (T, Owners)>) {
        let keep = |entry: &Entry<T>| entry.is_pending() || self.presence_in(entry) != Presence::No;
        let all = self.entries.values().flatten();
        let left: Vec<Entry<T>> =
            all.filter(|entry| keep(entry)).map(|e| Entry { owners: Owners::default(), ..e.clone() }).collect();
        let before = std::mem::take(&mut self.entries);
        for (object, owners) in wanted {
            let of_key = self.entries.entry(object.key()).or_default();
            if !of_key.iter().any(|e| e.object.same(&object)) {
                let known = before.get(&object.key()).and_then(|all| all.iter().find(|e| e.object.same(&object)));
                let kept = known.map(|e| Entry { owners: Owners::default(), ..e.clone() });
                of_key.push(Entry { object: object.clone(), ..kept.unwrap_or_else(|| Entry::new(object.clone())) });
            }
            let entry = of_key.iter_mut().find(|e| e.object.same(&object));
            let Some(entry) = entry else { continue };
            entry.owners.routers.extend(owners.routers);
            entry.owners.fixed |= owners.fixed;
            entry.owners.track_group = entry.owners.track_group.take().or(owners.track_group);
        }
        for entry in left {
            let of_key = self.entries.entry(entry.object.key()).or_default();
            if !of_key.iter().any(|e| e.object.same(&entry.object)) {
                of_key.push(entry);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.values().flatten()
    }

    /// The entry of an object.
    pub(super) fn entry(&self, object: &T) -> Option<&Entry<T>> {
        self.entries.get(&object.key())?.iter().find(|e| e.object.same(object))
    }

    pub(super) fn presence_in(&self, entry: &Entry<T>) -> Presence {
        if let Some((present, _)) = entry.left {
            return if present { Presence::Yes } else { Presence::No };
        }
        match &self.seen {
            Some(seen) if entry.object.is_watched() => {
                let there = seen.get(&entry.object.key()).is_some_and(|all| all.iter().any(|s| entry.object.is(s)));
                if there { Presence::Yes } else { Presence::No }
            }
            _ => Presence::Unknown,
        }
    }

    /// Everything that bears our mark, as it is now. What should be there, was, and is gone.
    pub(super) fn see_all(&mut self, now: Instant, all: Vec<T>, desired: impl Fn(&Owners) -> bool) -> Vec<T> {
        let mut seen: BTreeMap<T::Key, Vec<T>> = BTreeMap::new();
        for object in all {
            seen.entry(object.key()).or_default().push(object);
        }
        let keys: Vec<_> = self.entries.keys().cloned().collect();
        let before: Vec<_> = keys.iter().map(|key| self.presences(key)).collect();
        self.seen = Some(seen);
        let mut gone = Vec::new();
        for (key, before) in keys.iter().zip(&before) {
            self.confirm(now, key);
            gone.extend(self.taken(key, before, &desired));
        }
        gone
    }

    /// One object that bears our mark came or went. What should be there, was, and is gone.
    pub(super) fn see(&mut self, now: Instant, object: T, present: bool, desired: impl Fn(&Owners) -> bool) -> Vec<T> {
        let key = object.key();
        let before = self.presences(&key);
        let of_key = self.seen.get_or_insert_default().entry(key.clone()).or_default();
        of_key.retain(|s| !s.same(&object));
        if present {
            of_key.push(object);
        }
        self.confirm(now, &key);
        self.taken(&key, &before, desired)
    }

    fn presences(&self, key: &T::Key) -> Vec<Presence> {
        self.entries.get(key).into_iter().flatten().map(|entry| self.presence_in(entry)).collect()
    }

    /// What our steps left counts until news agree, or too much time has passed.
    fn confirm(&mut self, now: Instant, key: &T::Key) {
        let Some(seen) = &self.seen else { return };
        for entry in self.entries.get_mut(key).into_iter().flatten().filter(|e| e.object.is_watched()) {
            let there = seen.get(key).is_some_and(|all| all.iter().any(|s| entry.object.is(s)));
            entry.shown |= entry.pending == Some(there);
            let Some((present, since)) = entry.left else { continue };
            if there == present || now.since(since) > CONFIRMED {
                entry.left = None;
            }
        }
    }

    fn taken(&self, key: &T::Key, before: &[Presence], desired: impl Fn(&Owners) -> bool) -> Vec<T> {
        let gone = |(entry, before): &(&Entry<T>, &Presence)| {
            **before == Presence::Yes && self.presence_in(entry) == Presence::No && !entry.is_pending()
        };
        let all = self.entries.get(key).into_iter().flatten().zip(before).filter(gone);
        all.filter(|(entry, _)| desired(&entry.owners)).map(|(entry, _)| entry.object.clone()).collect()
    }

    /// The steps from what is there to what should be, for some keys or for all. `reachable`: whether it is any use to try.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        keys: Option<Vec<T::Key>>,
        desired: impl Fn(&Owners) -> bool,
        reachable: impl Fn(&T) -> bool,
    ) -> Steps<T> {
        let keys = keys.unwrap_or_else(|| self.entries.keys().cloned().collect());
        let mut steps = Steps { removals: Vec::new(), additions: Vec::new(), fought: Vec::new() };
        for key in keys {
            steps.removals.extend(self.remove_strays(&key));
            let presences = self.presences(&key);
            let entries = self.entries.get_mut(&key).into_iter().flatten();
            for (entry, presence) in entries.zip(presences) {
                let wanted = desired(&entry.owners);
                match (wanted, presence) {
                    (true, Presence::Yes) | (false, Presence::No) => entry.failed = None,
                    // What is watched is decided by news, and those of the start have not come yet.
                    (false, Presence::Unknown) if entry.object.is_watched() => {}
                    _ if entry.is_pending() || entry.failed.is_some() => {}
                    (false, _) => {
                        entry.begin(false);
                        steps.removals.push(entry.object.removal());
                    }
                    (true, _) if !reachable(&entry.object) => {}
                    (true, _) if entry.is_fought_over(now) => {
                        self.has_failed = true;
                        steps.fought.push(entry.object.clone());
                    }
                    (true, _) => {
                        entry.begin(true);
                        steps.additions.push(entry.object.addition());
                    }
                }
            }
        }
        steps
    }

    /// Left by an earlier life, or changed by somebody: the same destination, table, metric and mark, and other
    /// attributes.
    fn remove_strays(&mut self, key: &T::Key) -> Vec<Routing> {
        let (Some(seen), Some(entries)) = (&self.seen, self.entries.get(key)) else { return Vec::new() };
        // A step under way may explain what is seen.
        if !T::KEY_IS_IDENTITY || entries.iter().any(|e| e.is_pending() || e.left.is_some()) {
            return Vec::new();
        }
        let named = |s: &&T| entries.iter().any(|e| e.object.is(s)) || self.strays.iter().any(|known| known.same(s));
        let found: Vec<T> = seen.get(key).into_iter().flatten().filter(|s| !named(s)).cloned().collect();
        let removals = found.iter().map(Object::removal).collect();
        self.strays.extend(found);
        removals
    }

    /// A step was carried out, or refused.
    pub(super) fn applied(&mut self, now: Instant, object: &T, added: bool, result: &Result<(), String>) {
        let entry = self.entries.get_mut(&object.key()).and_then(|all| all.iter_mut().find(|e| e.object.same(object)));
        let Some(entry) = entry else {
            self.strays.retain(|s| !s.same(object));
            let of_key = self.seen.as_mut().and_then(|seen| seen.get_mut(&object.key()));
            if let (true, Some(of_key)) = (result.is_ok(), of_key) {
                of_key.retain(|s| !s.same(object));
            }
            return;
        };
        entry.pending = None;
        match result {
            Ok(()) => {
                entry.failed = None;
                // News that have shown it already may have shown more since: they count.
                entry.left = (!entry.shown || !entry.object.is_watched()).then_some((added, now));
                let orphan = entry.owners == Owners::default();
                if orphan && !added {
                    let key = object.key();
                    if let Some(all) = self.entries.get_mut(&key) {
                        all.retain(|e| !e.object.same(object));
                    }
                    self.entries.retain(|_, all| !all.is_empty());
                }
            }
            Err(why) => {
                entry.failed = Some((why.clone(), now + RETRY));
                self.has_failed = true;
            }
        }
    }

    /// When what failed is tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        if !self.has_failed {
            return None;
        }
        self.entries().map(|e| e.failed.as_ref().map(|(_, at)| *at)).fold(None, earliest)
    }

    /// Lets what failed be tried again: all, or what is due.
    pub(super) fn retry(&mut self, due: Option<Instant>) {
        for entry in self.entries.values_mut().flatten() {
            if entry.failed.as_ref().is_some_and(|(_, at)| due.is_none_or(|now| *at <= now)) {
                entry.failed = None;
            }
        }
        self.has_failed = self.entries.values().flatten().any(|e| e.failed.is_some());
    }
}

impl<T> Entry<T> {
    const fn begin(&mut self, adds: bool) {
        self.pending = Some(adds);
        self.shown = false;
    }

    fn is_fought_over(&mut self, now: Instant) -> bool {
        if now.since(self.steps.0) > RETRY || self.steps.1 == 0 {
            self.steps = (now, 0);
        }
        self.steps.1 = self.steps.1.saturating_add(1);
        let fought = self.steps.1 > AT_ONCE;
        if fought {
            self.failed = Some(("somebody else removes it again and again".into(), self.steps.0 + RETRY));
            self.steps = (now, 0);
        }
        fought
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Hop;

    const FIXED: fn(&Owners) -> bool = |owners| owners.fixed;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn route(to: &str, via: &str) -> Route {
        let hop = Hop { via: via.parse().ok(), ..Hop::default() };
        Route { hops: vec![hop], ..Route::new(to.parse().unwrap()) }
    }

    fn keeping(routes: &[Route]) -> Keeper<Route> {
        let mut keeper = Keeper::default();
        keeper.name(routes.iter().map(|r| (r.clone(), Owners { fixed: true, ..Owners::default() })));
        keeper
    }

    fn steps(keeper: &mut Keeper<Route>, now: u64, desired: fn(&Owners) -> bool) -> Vec<Routing> {
        let steps = keeper.settle(at(now), None, desired, |_| true);
        [steps.removals, steps.additions].concat()
    }

    /// Carries out every step, and tells of it.
    fn carry_out(keeper: &mut Keeper<Route>, now: u64, steps: &[Routing]) {
        for step in steps {
            let (Routing::AddRoute(route) | Routing::RemoveRoute(route)) = step else { panic!("{step}") };
            let added = matches!(step, Routing::AddRoute(_));
            keeper.applied(at(now), route, added, &Ok(()));
            assert!(keeper.see(at(now), (**route).clone(), added, FIXED).is_empty());
        }
    }

    #[test]
    fn what_is_wanted_is_added_once_and_removed_when_it_is_not() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        assert!(keeper.see_all(at(0), Vec::new(), FIXED).is_empty());
        let added = steps(&mut keeper, 1, FIXED);
        assert_eq!(added, [wanted.addition()]);
        assert!(steps(&mut keeper, 2, FIXED).is_empty(), "one step at a time");
        carry_out(&mut keeper, 3, &added);
        assert!(steps(&mut keeper, 4, FIXED).is_empty());
        let removed = steps(&mut keeper, 5, |_| false);
        assert_eq!(removed, [wanted.removal()]);
        carry_out(&mut keeper, 6, &removed);
        assert!(steps(&mut keeper, 7, |_| false).is_empty());
    }

    #[test]
    fn what_others_remove_is_put_back_but_not_for_ever_at_once() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        keeper.see_all(at(0), Vec::new(), FIXED);
        let mut put_back = 0;
        for round in 0..20 {
            let added = steps(&mut keeper, 10 + round, FIXED);
            carry_out(&mut keeper, 10 + round, &added);
            put_back += added.len();
            let taken = keeper.see(at(10 + round), wanted.clone(), false, FIXED);
            assert_eq!(taken.len(), added.len());
        }
        assert_eq!(put_back, usize::from(AT_ONCE));
        let again = keeper.retry_at().unwrap();
        assert!(again <= at(1100), "{again:?}");
        keeper.retry(Some(again));
        assert_eq!(steps(&mut keeper, 2000, FIXED), [wanted.addition()]);
    }

    #[test]
    fn older_news_do_not_undo_what_was_done_since() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        keeper.see_all(at(0), vec![wanted.clone()], FIXED);
        let removed = steps(&mut keeper, 1, |_| false);
        assert_eq!(removed, [wanted.removal()]);
        keeper.applied(at(2), &wanted, false, &Ok(()));
        let added = steps(&mut keeper, 3, FIXED);
        assert_eq!(added, [wanted.addition()]);
        keeper.applied(at(4), &wanted, true, &Ok(()));
        // Now the news of the removal come, and only then those of the addition.
        assert!(keeper.see(at(5), wanted.clone(), false, FIXED).is_empty());
        assert!(steps(&mut keeper, 5, FIXED).is_empty());
        keeper.see(at(6), wanted.clone(), true, FIXED);
        assert!(steps(&mut keeper, 6, FIXED).is_empty());
    }

    #[test]
    fn what_is_taken_before_its_addition_is_answered_is_put_back() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        keeper.see_all(at(0), Vec::new(), FIXED);
        assert_eq!(steps(&mut keeper, 1, FIXED).len(), 1);
        keeper.see(at(2), wanted.clone(), true, FIXED);
        keeper.see(at(3), wanted.clone(), false, FIXED);
        assert!(steps(&mut keeper, 3, FIXED).is_empty());
        keeper.applied(at(4), &wanted, true, &Ok(()));
        assert_eq!(steps(&mut keeper, 4, FIXED), [wanted.addition()]);
    }

    #[test]
    fn what_an_earlier_life_left_is_adopted_or_removed_and_nothing_else_is_touched() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let stale = route("10.1.0.0/16", "10.0.0.99");
        let strange = route("10.2.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        // As long as nobody has said what is there, nothing is removed.
        assert!(steps(&mut keeper, 0, |_| false).is_empty());
        keeper.see_all(at(1), vec![wanted.clone(), strange.clone()], FIXED);
        assert!(steps(&mut keeper, 1, FIXED).is_empty(), "adopted");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        keeper.see_all(at(1), vec![stale.clone(), strange], FIXED);
        let both = steps(&mut keeper, 1, FIXED);
        assert_eq!(both, [stale.removal(), wanted.addition()]);
    }

    #[test]
    fn a_reload_keeps_what_stays_and_removes_what_left() {
        let (stays, leaves) = (route("10.1.0.0/16", "10.0.0.2"), route("10.2.0.0/16", "10.0.0.2"));
        let mut keeper = keeping(&[stays.clone(), leaves.clone()]);
        keeper.see_all(at(0), vec![stays.clone(), leaves.clone()], FIXED);
        assert!(steps(&mut keeper, 1, FIXED).is_empty());
        let comes = route("10.3.0.0/16", "10.0.0.2");
        let changed = Route { source: "10.0.0.7".parse().ok(), ..leaves.clone() };
        let all = [stays.clone(), comes.clone(), changed.clone()];
        keeper.name(all.into_iter().map(|r| (r, Owners { fixed: true, ..Owners::default() })));
        let found = steps(&mut keeper, 2, FIXED);
        assert_eq!(found, [leaves.removal(), changed.addition(), comes.addition()]);
        carry_out(&mut keeper, 3, &found);
        assert!(steps(&mut keeper, 4, FIXED).is_empty());
        assert_eq!(keeper.entries().count(), 3);
    }

    #[test]
    fn what_the_kernel_refuses_is_tried_again_later() {
        let wanted = route("10.1.0.0/16", "10.0.0.2");
        let mut keeper = keeping(std::slice::from_ref(&wanted));
        keeper.see_all(at(0), Vec::new(), FIXED);
        assert_eq!(steps(&mut keeper, 1, FIXED).len(), 1);
        keeper.applied(at(2), &wanted, true, &Err("Network is unreachable".into()));
        assert!(steps(&mut keeper, 3, FIXED).is_empty());
        assert_eq!(keeper.entry(&wanted).unwrap().failure(), Some("Network is unreachable"));
        assert_eq!(keeper.retry_at(), Some(at(1002)));
        keeper.retry(Some(at(1002)));
        assert_eq!(steps(&mut keeper, 1002, FIXED).len(), 1);
        assert_eq!(keeper.retry_at(), None);
    }
}
