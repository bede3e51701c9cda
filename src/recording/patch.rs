//! The difference between two JSON values, as JSON.
//!
//! A scalar replaces, `[value]` replaces by what it holds, `[]` removes, `{name: difference}` goes on below: into an
//! object by name, into an array of the same length by index. RFC 7396 cannot say null, nor reach into arrays, which
//! snapshots mostly are; RFC 6902 writes the whole path with every number.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An object's members, or a list's items under their indices, as text.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What turns `old` into `new`; none: they are equal. Both are text, and only what differs is looked into: the state of
/// a thousand instances is not made into a tree for it.
pub(super) fn difference(old: &RawValue, new: &RawValue) -> Option<Value> {
    if old.get() == new.get() {
        return None;
    }
    let (Some(before), Some(after)) = (members(old), members(new)) else { return Some(replaced(new)) };
    let is_list = |value: &RawValue| value.get().starts_with('[');
    if is_list(old) != is_list(new) || (is_list(new) && before.len() != after.len()) {
        return Some(replaced(new));
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut changes: Map<String, Value> = gone.map(|name| (name.to_string(), Value::Array(vec![]))).collect();
    for (name, value) in &after {
        let change = before.get(name).map_or_else(|| Some(replaced(value)), |old| difference(old, value));
        changes.extend(change.map(|change| (name.to_string(), change)));
    }
    // The same members in another order are the same.
    (!changes.is_empty()).then_some(Value::Object(changes))
}

fn members(value: &RawValue) -> Option<Members<'_>> {
    match value.get().as_bytes().first() {
        Some(b'{') => serde_json::from_str(value.get()).ok(),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            Some(items.into_iter().enumerate().map(|(at, item)| (at.to_string().into(), item)).collect())
        }
        _ => None,
    }
}

fn replaced(value: &RawValue) -> Value {
    match serde_json::from_str(value.get()).unwrap_or_default() {
        whole @ (Value::Array(_) | Value::Object(_)) => Value::Array(vec![whole]),
        scalar => scalar,
    }
}

/// The difference does not belong to the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of `{0}`, which is not there")]
pub(super) struct Mismatch(String);

/// Carries out a difference.
pub(super) fn apply(value: &mut Value, change: Value) -> Result<(), Mismatch> {
    match change {
        Value::Object(changes) => changes.into_iter().try_for_each(|(name, change)| below(value, name, change)),
        Value::Array(mut one) => {
            *value = one.pop().ok_or_else(|| Mismatch("the whole".into()))?;
            Ok(())
        }
        scalar => {
            *value = scalar;
            Ok(())
        }
    }
}

fn below(value: &mut Value, name: String, change: Value) -> Result<(), Mismatch> {
    match value {
        Value::Object(map) if change.as_array().is_some_and(Vec::is_empty) => {
            map.remove(&name).map(drop).ok_or(Mismatch(name))
        }
        Value::Object(map) => match map.get_mut(&name) {
            Some(old) => apply(old, change),
            None if change.is_object() => Err(Mismatch(name)),
            None => apply(map.entry(name).or_insert(Value::Null), change),
        },
        Value::Array(list) => {
            let place = name.parse::<usize>().ok().and_then(|at| list.get_mut(at));
            place.map_or_else(|| Err(Mismatch(name)), |old| apply(old, change))
        }
        _ => Err(Mismatch(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|m| json!(m)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_difference_leads_from_one_to_the_other(old in values(), new in values()) {
            let mut value = old.clone();
            if let Some(change) = difference(&raw(&old), &raw(&new)) {
                apply(&mut value, change).unwrap();
            }
            prop_assert_eq!(value, new);
        }

        #[test]
        fn no_change_makes_it_panic(mut value in values(), change in values()) {
            let _ = apply(&mut value, change);
        }
    }

    #[test]
    fn only_what_changed_is_written() {
        let old = json!({"a": [{"n": 1, "m": 2}, {"n": 3}], "gone": 1, "same": [1]});
        let new = json!({"a": [{"n": 1, "m": null}, {"n": 3}], "same": [1], "new": [7]});
        assert_eq!(
            difference(&raw(&old), &raw(&new)),
            Some(json!({"gone": [], "a": {"0": {"m": null}}, "new": [[7]]}))
        );
    }
}
