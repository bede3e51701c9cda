//! The key table: (context, keys) to action, with a line of help. Footer, help screen and duplicate test come from it.

use super::action::Action;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Where a key works. The first context that knows a key decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    Everywhere,
    Instances,
    Servers,
    /// Rows that have others below them.
    Groups,
    /// The config view.
    Config,
    /// The log view.
    Log,
    /// Demo and lab.
    Stage,
    /// The virtual clock: demo only.
    Clock,
    /// A recording.
    Replay,
    Reading,
    /// The list of alarms; what it does not know is as in `reading`.
    Alarms,
    Question,
    /// The list of changes.
    Changes,
    /// The banner that asks whether to keep.
    Keep,
    Filter,
    /// While a note or a time is typed.
    Prompt,
    /// A list to choose from.
    Choosing,
    Palette,
}

/// One key press without what does not matter to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub control: bool,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        Self { code, control: event.modifiers.contains(KeyModifiers::CONTROL) }
    }
}

const NAMED: [(&str, KeyCode); 14] = [
    ("Tab", KeyCode::Tab),
    ("S-Tab", KeyCode::BackTab),
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Space", KeyCode::Char(' ')),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("Backspace", KeyCode::Backspace),
];

impl FromStr for Key {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let (control, rest) = word.strip_prefix("Ctrl-").map_or((false, word), |rest| (true, rest));
        let mut chars = rest.chars();
        let code =
            match (chars.next(), chars.next()) {
                (Some(c), None) => KeyCode::Char(c),
                _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).ok_or_else(|| {
                    format!("`{word}` is not a key: a character, `gg`, Ctrl-d, or one of {}", names())
                })?,
            };
        Ok(Self { code, control })
    }
}

fn names() -> String {
    NAMED.map(|(name, _)| name).join(", ")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            code => match (NAMED.iter().find(|(_, c)| *c == code), code) {
                (Some((name, _)), _) => (*name).to_owned(),
                (None, KeyCode::Char(c)) => c.to_string(),
                (None, other) => format!("{other:?}"),
            },
        };
        f.pad(&if self.control { format!("Ctrl-{name}") } else { name })
    }
}

/// Some presses in a row: one, or two as in `gg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(pub Vec<Key>);

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.parse(), text.chars().collect::<Vec<_>>().as_slice()) {
            (Ok(key), _) => Ok(Self(vec![key])),
            (Err(_), [a, b]) if a.is_alphanumeric() && b.is_alphanumeric() => {
                Ok(Self([*a, *b].map(|c| Key { code: KeyCode::Char(c), control: false }).into()))
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.iter().map(ToString::to_string).collect::<String>())
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub context: Context,
    pub keys: Vec<Keys>,
    pub action: Action,
    pub help: String,
    pub hint: Option<String>,
}

impl Entry {
    /// The keys as text: `j ↓`.
    pub fn keys_text(&self) -> String {
        self.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    context: Context,
    keys: Vec<String>,
    action: Action,
    #[serde(default)]
    help: String,
    hint: Option<String>,
}

/// The table in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    entries: Vec<Entry>,
}

/// What a key means after those pressed before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Action(Action),
    /// The start of a longer sequence.
    Pending,
    Nothing,
}

const DEFAULT: &str = include_str!("../../assets/keys.toml");

impl Keymap {
    /// The built-in table with the operator's own lines laid over it.
    pub fn load(own: Option<&str>) -> Result<Self, String> {
        let mut map = Self { entries: parse(DEFAULT).map_err(|e| format!("the built-in key table: {e}"))? };
        for entry in own.map(parse).transpose()?.unwrap_or_default() {
            map.lay_over(entry);
        }
        map.check()?;
        Ok(map)
    }

    fn lay_over(&mut self, mut new: Entry) {
        for old in self.entries.iter_mut().filter(|e| e.context == new.context) {
            old.keys.retain(|k| !new.keys.contains(k));
            if old.action == new.action && new.help.is_empty() {
                new.help.clone_from(&old.help);
            }
            if old.action == new.action && new.hint.is_none() {
                new.hint = old.hint.take();
            }
        }
        self.entries.push(new);
        self.entries.retain(|e| !e.keys.is_empty());
    }

    /// No key twice in one context, and none that is the start of another.
    fn check(&self) -> Result<(), String> {
        for (i, a) in self.entries.iter().enumerate() {
            for key in &a.keys {
                let others = self.entries.iter().skip(i + 1).filter(|b| b.context == a.context).flat_map(|b| &b.keys);
                let own = a.keys.iter().filter(|k| !std::ptr::eq(*k, key));
                if let Some(other) = others.chain(own).find(|o| o.0.starts_with(&key.0) || key.0.starts_with(&o.0)) {
                    return Err(format!("key `{key}` and key `{other}` clash in context {:?}", a.context));
                }
            }
        }
        Ok(())
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What `pressed` means where `contexts` hold, the nearest first.
    pub fn find(&self, contexts: &[Context], pressed: &[Key]) -> Found {
        for context in contexts {
            for entry in self.entries.iter().filter(|e| e.context == *context) {
                if entry.keys.iter().any(|k| k.0 == pressed) {
                    return Found::Action(entry.action);
                }
                if entry.keys.iter().any(|k| k.0.starts_with(pressed)) {
                    return Found::Pending;
                }
            }
        }
        Found::Nothing
    }

    /// The lines that hold where `contexts` do, without those that a nearer context hides.
    pub fn here<'a>(&'a self, contexts: &'a [Context]) -> impl Iterator<Item = &'a Entry> {
        contexts.iter().enumerate().flat_map(move |(depth, context)| {
            let nearer = contexts.iter().take(depth);
            self.entries.iter().filter(move |e| {
                e.context == *context
                    && !e.keys.iter().all(|k| {
                        let mut hidden = nearer.clone();
                        hidden.any(|c| self.entries.iter().any(|o| o.context == *c && o.keys.contains(k)))
                    })
            })
        })
    }
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    file.key
        .into_iter()
        .map(|line| {
            let keys = line.keys.iter().map(|k| k.parse()).collect::<Result<_, _>>()?;
            Ok(Entry { context: line.context, keys, action: line.action, help: line.help, hint: line.hint })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Vec<Key> {
        text.parse::<Keys>().unwrap().0
    }

    #[test]
    fn the_built_in_table_has_no_key_twice_and_a_help_line_for_each() {
        let map = Keymap::load(None).unwrap();
        assert!(map.entries().iter().all(|e| !e.help.is_empty() && !e.help.ends_with('.')));
    }

    #[test]
    fn a_duplicate_is_refused() {
        let twice = "[[key]]\ncontext = \"stage\"\nkeys = [\"a\", \"a\"]\naction = \"up\"";
        assert!(Keymap::load(Some(twice)).unwrap_err().contains("clash"));
        let prefix = "[[key]]\ncontext = \"everywhere\"\nkeys = [\"g\"]\naction = \"top\"";
        assert!(Keymap::load(Some(prefix)).unwrap_err().contains("clash"));
    }

    #[test]
    fn an_own_table_moves_a_key_and_keeps_its_help() {
        let own = "[[key]]\ncontext = \"instances\"\nkeys = [\"M\"]\naction = \"demote\"";
        let map = Keymap::load(Some(own)).unwrap();
        assert_eq!(map.find(&[Context::Instances], &key("M")), Found::Action(Action::Demote));
        let entry = map.entries().iter().rfind(|e| e.action == Action::Demote).unwrap();
        assert!(entry.help.starts_with("demote"));
    }

    #[test]
    fn an_unknown_word_is_an_error_with_its_place() {
        let error = Keymap::load(Some("[[key]]\ncontext = \"stage\"\nkeys = [\"F99x\"]\naction = \"up\"")).unwrap_err();
        assert!(error.contains("F99x"), "{error}");
        let error = Keymap::load(Some("[[key]]\ncontext = \"stage\"\nkeys = [\"u\"]\naction = \"fly\"")).unwrap_err();
        assert!(error.contains("fly"), "{error}");
    }

    #[test]
    fn a_sequence_waits_for_its_second_key() {
        let map = Keymap::load(None).unwrap();
        let contexts = [Context::Instances, Context::Everywhere];
        assert_eq!(map.find(&contexts, &key("g")), Found::Pending);
        assert_eq!(map.find(&contexts, &key("gg")), Found::Action(Action::Top));
        assert_eq!(map.find(&contexts, &key("gx")), Found::Nothing);
        assert_eq!(map.find(&contexts, &key("D")), Found::Action(Action::Demote));
        assert_eq!(map.find(&[Context::Everywhere], &key("D")), Found::Nothing);
    }
}
