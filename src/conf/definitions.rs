//! Definitions and their use: `$NAME=`, `$NAME`, `${NAME}`, the predefined names, `~SEQ` and `~LST` (keepalived.conf(5),
//! "Parameter substitution" to "List blocks").

use super::environment::Environment;
use super::source::Span;
use super::text::Text;
use std::collections::BTreeMap;

/// What a definition stands for: one line, or several.
#[derive(Clone, Debug, Default)]
pub(super) struct Definition {
    pub lines: Vec<Text>,
    /// `$NAME` where it was defined.
    pub span: Option<Span>,
}

/// A `$NAME` or `${NAME ARGUMENTS}` in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub name: String,
    pub arguments: Vec<String>,
    pub start: usize,
    pub end: usize,
    pub braced: bool,
}

/// What a use gives.
pub(super) enum Value {
    /// Nobody defined it: it stays as it is.
    Unknown,
    Own(String),
    Lines(Vec<Text>),
}

/// The names that keepalived defines itself.
pub(super) const OWN: &[&str] = &["_PWD", "_INSTANCE", "_HASH", "_BANG", "_RANDOM", "_ENV"];

/// The names that are defined at this point of the reading.
pub(super) struct Definitions<'a> {
    environment: &'a Environment,
    names: BTreeMap<String, Definition>,
    random: u64,
}

impl<'a> Definitions<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, names: BTreeMap::new(), random: environment.seed }
    }

    pub(super) fn define(&mut self, name: &str, definition: Definition) {
        self.names.insert(name.to_owned(), definition);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.names.get(name)
    }

    /// The names, for suggestions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// `random_seed`: holds for what is read from here on.
    pub(super) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// What a use gives; `directory` is that of the file being read.
    pub(super) fn value(&mut self, found: &Use, directory: &str) -> Result<Value, String> {
        if let Some(definition) = self.names.get(&found.name) {
            return Ok(Value::Lines(definition.lines.clone()));
        }
        let own = match found.name.as_str() {
            "_PWD" => directory.to_owned(),
            "_INSTANCE" => self.environment.config_id.clone(),
            "_HASH" => "#".into(),
            "_BANG" => "!".into(),
            "_RANDOM" => self.random(&found.arguments)?.to_string(),
            "_ENV" => {
                let name = found.arguments.first().ok_or("it needs the name of an environment variable")?;
                let missing = || format!("the environment has no variable `{name}`");
                self.environment.variables.get(name).ok_or_else(missing)?.clone()
            }
            _ => return Ok(Value::Unknown),
        };
        Ok(Value::Own(own))
    }

    fn random(&mut self, arguments: &[String]) -> Result<u64, String> {
        let number = |index: usize, default: u64| match arguments.get(index) {
            None => Ok(default),
            Some(text) => text.parse::<u32>().map(u64::from).ok().ok_or_else(|| format!("`{text}` is not a number")),
        };
        let (min, max) = (number(0, 0)?, number(1, 32767)?);
        if min > max {
            return Err(format!("its least value {min} is above its greatest {max}"));
        }
        // splitmix64: the same seed gives the same numbers everywhere.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(min + (z ^ (z >> 31)) % (max - min + 1))
    }
}

fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(is_start) && text.bytes().all(|b| is_start(b) || b.is_ascii_digit())
}

/// The bytes at the start of a text that make a name.
fn name_length(text: &str) -> usize {
    text.bytes().take_while(|b| is_start(*b) || b.is_ascii_digit()).count()
}

/// The name of a line `$NAME=VALUE`, and where its value starts.
pub(super) fn definition(line: &str) -> Option<(&str, usize)> {
    let rest = line.strip_prefix('$')?;
    let (name, after) = rest.split_at_checked(name_length(rest))?;
    (is_name(name) && after.starts_with('=')).then_some((name, name.len() + 2))
}

/// The first use at or after `from`.
pub(super) fn next_use(line: &str, from: usize) -> Option<Use> {
    line.get(from..)?.match_indices('$').find_map(|(at, _)| use_at(line, from + at))
}

/// A use whose `$` is at `start`.
pub(super) fn use_at(line: &str, start: usize) -> Option<Use> {
    let rest = line.get(start..)?.strip_prefix('$')?;
    if rest.starts_with('{') { braced(rest, start) } else { bare(rest, start) }
}

/// A name and its arguments are not longer than this.
const LONGEST_USE: usize = 256;

fn braced(rest: &str, start: usize) -> Option<Use> {
    let length = rest.bytes().take(LONGEST_USE).position(|byte| byte == b'}')?;
    let mut words = rest.get(1..length)?.split_ascii_whitespace().map(str::to_owned);
    let name = words.next().filter(|name| is_name(name))?;
    Some(Use { name, arguments: words.collect(), start, end: start + length + 2, braced: true })
}

/// `$NAME` is a use only before a blank, `,`, `)` or the end of the line.
fn bare(rest: &str, start: usize) -> Option<Use> {
    let length = name_length(rest);
    let name = rest.get(..length).filter(|name| is_name(name))?;
    let ends = matches!(rest.as_bytes().get(length), None | Some(b' ' | b'\t' | b',' | b')'));
    ends.then(|| Use { name: name.into(), arguments: Vec::new(), start, end: start + 1 + length, braced: false })
}

/// A repetition: the names it sets, their values for each turn, and where the text to repeat starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repetition {
    pub names: Vec<String>,
    pub turns: Vec<Vec<String>>,
}

/// More turns than any configuration has; keepalived's manual makes 65 024 instances in one line.
const MOST_TURNS: usize = 100_000;

/// Whether a line begins with a repetition: its kind, and the places of its parentheses.
pub(super) fn repetition(line: &str) -> Option<(&str, usize, Option<usize>)> {
    let kind = ["~SEQ(", "~SEQx(", "~LST("].into_iter().find(|kind| line.starts_with(kind))?;
    let open = kind.len() - 1;
    Some((line.get(1..open)?, open, line.find(')')))
}

/// Reads what stands between the parentheses of a repetition; the error says what is wrong.
pub(super) fn turns(kind: &str, inside: &str) -> Result<Repetition, String> {
    match kind {
        "LST" => list(inside),
        _ => sequence(inside, kind == "SEQx"),
    }
}

fn sequence(inside: &str, hexadecimal: bool) -> Result<Repetition, String> {
    let mut words = inside.split(',').map(str::trim);
    let name = words.next().filter(|name| is_name(name)).ok_or("it needs a name, as in ~SEQ(i, 1, 3)")?;
    let numbers = words.map(number).collect::<Result<Vec<i64>, String>>()?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] => (if end > 0 { 1 } else { -1 }, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return Err("it takes a name and one to three numbers: name, start, step, end".into()),
    };
    // keepalived counts from 1 down to 0 for an end of 0.
    let start = if numbers.len() == 1 && end == 0 { 1 } else { start };
    let step = step.unwrap_or(if end < start { -1 } else { 1 });
    if step == 0 || (end > start && step < 0) || (end < start && step > 0) {
        return Err(format!("steps of {step} do not lead from {start} to {end}"));
    }
    let count = (i128::from(end) - i128::from(start)) / i128::from(step) + 1;
    if count > MOST_TURNS as i128 {
        return Err(format!("{count} turns, and {MOST_TURNS} are the most"));
    }
    let show = |value: i64| match (hexadecimal, value < 0) {
        (true, false) => format!("{value:x}"),
        (true, true) => format!("-{:x}", value.unsigned_abs()),
        (false, _) => value.to_string(),
    };
    let turns = (0..count as i64).map(|turn| vec![show(start.saturating_add(turn.saturating_mul(step)))]).collect();
    Ok(Repetition { names: vec![name.to_owned()], turns })
}

/// A number, decimal, `0x…` or octal `0…`.
fn number(text: &str) -> Result<i64, String> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => u32::from_str_radix(digits, 8).ok(),
        None if digits.starts_with('+') => None,
        None => digits.parse().ok(),
    };
    // A missing number is 0, as in keepalived.
    let parsed = if text.is_empty() { Some(0) } else { parsed };
    let value = i64::from(parsed.ok_or_else(|| format!("`{text}` is not a number"))?);
    Ok(if negative { -value } else { value })
}

fn list(inside: &str) -> Result<Repetition, String> {
    let inside = inside.trim();
    let (names, mut rest) = if inside.starts_with('{') { tuple(inside)? } else { single(inside) };
    if names.iter().any(|name| !is_name(name)) {
        return Err("it needs names first, as in ~LST(a, x, y) or ~LST({a, b}, {1, 2}, {3, 4})".into());
    }
    let mut turns = Vec::new();
    while let Some(values) = rest.strip_prefix(',') {
        let values = values.trim_start();
        let (values, after) = if values.starts_with('{') { tuple(values)? } else { single(values) };
        if values.len() > names.len() {
            let (values, names) = (values.len(), names.len());
            return Err(format!("{values} values for {names} name{}", if names == 1 { "" } else { "s" }));
        }
        // Missing values are empty.
        let filled = (0..names.len()).map(|i| values.get(i).cloned().unwrap_or_default()).collect();
        turns.push(filled);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(format!("a comma belongs before `{rest}`"));
    }
    if turns.is_empty() {
        return Err("it lists no values".into());
    }
    Ok(Repetition { names, turns })
}

fn single(text: &str) -> (Vec<String>, &str) {
    let (word, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    (vec![word.trim().to_owned()], rest)
}

/// `{a, b} rest`.
fn tuple(text: &str) -> Result<(Vec<String>, &str), String> {
    let close = text.find('}').ok_or("a `{` in it is not closed")?;
    let words = text.get(1..close).unwrap_or_default().split(',').map(|word| word.trim().to_owned()).collect();
    Ok((words, text.get(close + 1..).unwrap_or_default().trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(kind: &str, inside: &str) -> Result<String, String> {
        turns(kind, inside).map(|r| r.turns.iter().map(|turn| turn.join("/")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn sequences_count_as_keepalived_does() {
        for (inside, expected) in [
            ("i,1,3", "1 2 3"),
            ("i,3", "1 2 3"),
            ("i,5,-2,1", "5 3 1"),
            ("i, 3, 1", "3 2 1"),
            ("i,0", "1 0"),
            ("i,-3", "-1 -2 -3"),
            ("i,0x10,0x12", "16 17 18"),
        ] {
            assert_eq!(flat("SEQ", inside).as_deref(), Ok(expected), "{inside}");
        }
        assert_eq!(flat("SEQx", "i,9,11").as_deref(), Ok("9 a b"));
        for inside in ["i,1,-1,5", "i,1,0,3", "i,1,a", "i", "9,1,2", "i,1,2,3,4", "i,1,4000000000"] {
            assert!(flat("SEQ", inside).is_err(), "{inside}");
        }
    }

    #[test]
    fn lists_and_tuples_give_a_turn_each() {
        assert_eq!(flat("LST", "a,x,y").as_deref(), Ok("x y"));
        assert_eq!(flat("LST", "{a,b},{1,2},{3},{5,6}").as_deref(), Ok("1/2 3/ 5/6"));
        for inside in ["{a,b},{1,2,3}", "a,{1,2}", "a", "{a,b},{1,2", "a b,1", ""] {
            assert!(flat("LST", inside).is_err(), "{inside}");
        }
    }

    #[test]
    fn a_use_ends_at_a_blank_a_comma_a_parenthesis_or_the_line() {
        let found = |line| next_use(line, 0).map(|u| (u.name, u.start, u.end));
        assert_eq!(found("x $A y"), Some(("A".into(), 2, 4)));
        assert_eq!(found("10.$N"), Some(("N".into(), 3, 5)));
        assert_eq!(found("$A.x ${B}.y"), Some(("B".into(), 5, 9)));
        assert_eq!(found("$A) "), Some(("A".into(), 0, 2)));
        assert_eq!(found("${_RANDOM 1 5}"), Some(("_RANDOM".into(), 0, 14)));
        assert_eq!(found("$1 $ ${} $A' ${\"A} ${{A}"), None);
        assert_eq!(definition("$A=1=2"), Some(("A", 3)));
        assert_eq!(definition("$A =1"), None);
    }
}
