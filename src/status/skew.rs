//! Engines and consoles of different versions: what the one does not know is shown as its word or left out and named,
//! and never makes the rest unreadable.

use super::snapshot::Snapshot;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_path_to_error::Segment;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What this version can be asked and can tell: it grows with every new command, route or fact. Told in the snapshot
/// and with each answer (`vipdeck-api`).
pub const API: u32 = 2;

/// The level of engines that do not tell theirs.
pub(super) const FIRST: fn() -> u32 = || 1;

/// A word of the wire format that this version has no meaning for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Word(&'static str);

impl Word {
    /// Where there is none, or no place for it.
    pub const UNKNOWN: Self = Self("?");

    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// As text without what could steer a terminal, at most 24 characters. Words are kept for good, so that they can be
/// copied like the words that are known; the other end cannot have more than a hundred kept.
impl From<String> for Word {
    fn from(text: String) -> Self {
        const LONGEST: usize = 24;
        const KEPT: usize = 100;
        static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(text.as_str()) {
            return Self(known);
        }
        if text.is_empty() || words.len() >= KEPT {
            return Self::UNKNOWN;
        }
        let kept: &'static str = Box::leak(text.into_boxed_str());
        words.insert(kept);
        Self(kept)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (newer engine)", self.0)
    }
}

/// How the other end's version stands to this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    Newer,
    Older,
    /// Another one of the same level, or one that cannot be compared.
    Other,
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Newer => "newer",
            Self::Older => "older",
            Self::Other => "other",
        })
    }
}

/// Of a version and its level, seen from this program; none: the same.
pub fn skew(version: &str, api: u32) -> Option<Skew> {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let numbers = |text: &str| text.split(['.', '-', '+']).map_while(|n| n.parse::<u64>().ok()).collect::<Vec<_>>();
    match api.cmp(&API).then_with(|| numbers(version).cmp(&numbers(OWN))) {
        std::cmp::Ordering::Greater => Some(Skew::Newer),
        std::cmp::Ordering::Less => Some(Skew::Older),
        std::cmp::Ordering::Equal => (version != OWN).then_some(Skew::Other),
    }
}

impl Snapshot {
    /// The engine's version against this program's; none: the same.
    pub fn skew(&self) -> Option<Skew> {
        skew(&self.node.version, self.api)
    }

    /// Reads a snapshot of any version. What is not understood is left out, as little as possible, and named in
    /// `unread`; an error only if what is left is no snapshot.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text).or_else(|_| {
            let (mut snapshot, unread): (Self, _) = lenient(serde_json::from_str(text)?)?;
            snapshot.unread.extend(unread);
            Ok(snapshot)
        })
    }
}

/// Takes away what stands in the way, one thing after the other: a field, else the nearest element of a list around it.
fn lenient<T: DeserializeOwned>(mut value: Value) -> serde_json::Result<(T, Vec<String>)> {
    const MOST: usize = 1000;
    let mut unread = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize(value.clone()) {
            Ok(read) => return Ok((read, unread)),
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        let why = error.path().to_string();
        let error = error.into_inner();
        if unread.len() == MOST || !remove(&mut value, &path) {
            return Err(error);
        }
        let note: String = format!("{why}: {error}").chars().filter(|c| !c.is_control()).take(200).collect();
        unread.push(note);
    }
}

/// Removes the innermost thing on the path that is there; false if there is nothing but the whole.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match (value, first) {
        (Value::Object(map), Segment::Map { key } | Segment::Enum { variant: key }) => match map.get_mut(key) {
            Some(inner) => remove(inner, rest) || map.remove(key).is_some(),
            None => false,
        },
        (Value::Array(list), Segment::Seq { index }) => match list.get_mut(*index) {
            Some(inner) => {
                if !remove(inner, rest) {
                    list.remove(*index);
                }
                true
            }
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_level_then_by_number() {
        let own = env!("CARGO_PKG_VERSION");
        let table = [
            (own, API, None),
            (own, API + 1, Some(Skew::Newer)),
            ("99.0.0", API, Some(Skew::Newer)),
            ("99.0.0", API - 1, Some(Skew::Older)),
            ("0.0.9", API, Some(Skew::Older)),
            ("0.1.0-x", API, Some(Skew::Other)),
        ];
        for (version, api, expected) in table {
            assert_eq!(skew(version, api), expected, "{version} {api}");
        }
    }

    #[test]
    fn the_least_possible_is_left_out() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Outer {
            #[serde(default)]
            number: u32,
            list: Vec<Inner>,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            name: String,
            #[serde(default)]
            size: Option<u32>,
        }
        let text = r#"{"number":"many","list":[{"name":"a","size":{"of":1}},{"name":7},{"name":"c","size":3}]}"#;
        let (outer, unread): (Outer, _) = lenient(serde_json::from_str(text).unwrap()).unwrap();
        let inner = |name: &str, size| Inner { name: name.into(), size };
        assert_eq!(outer, Outer { number: 0, list: vec![inner("a", None), inner("c", Some(3))] });
        assert_eq!(unread.len(), 4, "a value, the field it was in, an element: {unread:?}");
        assert!(lenient::<Outer>(serde_json::json!({"list": 3})).is_err());
        assert!(lenient::<Outer>(Value::Null).is_err());
    }

    #[test]
    fn a_words_length_and_their_number_are_limited() {
        assert_eq!(Word::from("A\u{1b}[2J".to_owned()).as_str(), "A[2J");
        assert_eq!(Word::from("x".repeat(99)).as_str().len(), 24);
        let all: BTreeSet<_> = (0..300).map(|n| Word::from(format!("w{n}")).as_str()).collect();
        assert!(all.len() <= 101 && all.contains("?"));
    }
}
