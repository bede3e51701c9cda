//! The text format of OpenMetrics 1.0.

use crate::status::Snapshot;
use crate::time::Duration;
use std::fmt::{self, Write};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    /// Only grows while the engine lives; its samples end in `_total`.
    Counter,
    /// Its samples end in `_info` and are 1.
    Info,
    /// One sample for each state, 1 for the present one; the label that names the state is called as the family.
    StateSet,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Gauge | Self::StateSet => "",
            Self::Counter => "_total",
            Self::Info => "_info",
        }
    }
}

/// Samples of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without `_total` or `_info`.
    pub name: &'static str,
    pub kind: Kind,
    /// `seconds` or `bytes`, and then the name ends in it; empty: a number of things.
    pub unit: &'static str,
    pub help: &'static str,
    pub(super) samples: fn(&Seen, &mut Samples),
}

impl Family {
    /// The name that its samples have.
    pub fn sample(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Of the snapshot.
    pub(super) age: Duration,
}

/// The samples of one family as they are written.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    out: &'a mut String,
    family: &'a Family,
    node: &'a str,
}

impl Samples<'_> {
    pub(super) fn add(&mut self, labels: &[(&str, &dyn fmt::Display)], value: impl Into<f64>) {
        self.write(labels, &Number(value.into()));
    }

    /// Counters may be larger than a float holds whole.
    pub(super) fn count(&mut self, labels: &[(&str, &dyn fmt::Display)], value: u64) {
        self.write(labels, &value);
    }

    pub(super) fn seconds(&mut self, labels: &[(&str, &dyn fmt::Display)], value: Duration) {
        self.add(labels, value.as_secs_f64());
    }

    fn write(&mut self, labels: &[(&str, &dyn fmt::Display)], value: &dyn fmt::Display) {
        let (name, suffix) = (self.family.name, self.family.kind.suffix());
        // To a string: it cannot fail.
        let _ = write!(self.out, "{name}{suffix}{{node=\"{}\"", Quoted(&self.node));
        for (label, text) in labels {
            let _ = write!(self.out, ",{label}=\"{}\"", Quoted(text));
        }
        let _ = writeln!(self.out, "}} {value}");
    }

    /// The present one of several states, or one that is not among them.
    pub(super) fn state(&mut self, labels: &[(&str, &dyn fmt::Display)], all: &[&str], now: &str) {
        let own = self.family.name;
        for state in all.iter().copied().chain((!all.contains(&now)).then_some(now)) {
            let labels: Vec<_> = labels.iter().copied().chain([(own, &state as &dyn fmt::Display)]).collect();
            self.count(&labels, u64::from(state == now));
        }
    }
}

struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n.is_nan() => f.write_str("NaN"),
            n if n.is_infinite() => f.write_str(if n > 0.0 { "+Inf" } else { "-Inf" }),
            n => n.fmt(f),
        }
    }
}

struct Quoted<'a>(&'a dyn fmt::Display);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping(f);
        write!(escaping, "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '\\' => self.0.write_str("\\\\"),
            '"' => self.0.write_str("\\\""),
            '\n' => self.0.write_str("\\n"),
            c if c.is_control() => self.0.write_char('?'),
            c => self.0.write_char(c),
        })
    }
}

/// All families of a snapshot that is so old.
pub fn render(snapshot: &Snapshot, age: Duration) -> String {
    let mut out = String::new();
    let seen = Seen { snapshot, age };
    for family in super::all() {
        let Family { name, unit, help, .. } = family;
        let _ = writeln!(out, "# TYPE {name} {}", family.kind.word());
        if !unit.is_empty() {
            let _ = writeln!(out, "# UNIT {name} {unit}");
        }
        let _ = writeln!(out, "# HELP {name} {help}");
        (family.samples)(&seen, &mut Samples { out: &mut out, family, node: &snapshot.node.name });
    }
    out.push_str("# EOF\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_their_unit_and_are_there_once() {
        let mut seen = std::collections::BTreeSet::new();
        for family in super::super::all() {
            assert!(seen.insert(family.name), "{} is there twice", family.name);
            assert!(family.name.starts_with("vipdeck_") && !family.name.ends_with("_total"), "{}", family.name);
            assert!(family.unit.is_empty() || family.name.ends_with(&format!("_{}", family.unit)), "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
        }
    }

    #[test]
    fn labels_cannot_break_the_line() {
        let text = format!("{}", Quoted(&"a\"b\\c\nd\u{1b}"));
        assert_eq!(text, "a\\\"b\\\\c\\nd?");
        assert_eq!(Number(f64::INFINITY).to_string(), "+Inf");
    }
}
