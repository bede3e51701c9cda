//! One argument from text to value, or what is wrong with it and how to write it.

use super::diagnostic::Diagnostic;
use super::keywords::seconds;
use super::lexer::Word;
use super::suggest;
use crate::time::Duration;
use std::net::IpAddr;

/// A whole number within limits.
pub(super) fn whole(keyword: &str, word: &Word, min: i64, max: i64) -> Result<i64, Diagnostic> {
    let range = format!("{min} to {max}");
    match word.text.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(_) => Err(out_of_range(keyword, word, &range)),
        Err(_) if is_number(&word.text) => Err(out_of_range(keyword, word, &range)),
        Err(_) => {
            let problem = Diagnostic::error("bad-number", format!("`{}` is not a whole number", word.text))
                .at(word.span, format!("{keyword} takes a number from {range}"));
            Err(match bare_seconds(&word.text) {
                Some(fix) => problem.help(format!("numbers have no unit here: write `{keyword} {fix}`")),
                None => problem,
            })
        }
    }
}

fn out_of_range(keyword: &str, word: &Word, range: &str) -> Diagnostic {
    Diagnostic::error("out-of-range", format!("{keyword} {} is out of range", word.text))
        .at(word.span, format!("from {range}"))
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Seconds with up to six decimals; the limits are in microseconds.
pub(super) fn duration(keyword: &str, word: &Word, min: u64, max: u64) -> Result<Duration, Diagnostic> {
    match micros(&word.text) {
        Some(us) if (min..=max).contains(&us) => Ok(Duration::from_micros(us)),
        Some(_) => Err(out_of_range(keyword, word, &format!("{} to {} seconds", seconds(min), seconds(max)))),
        None => {
            let problem = Diagnostic::error("bad-duration", format!("`{}` is not a number of seconds", word.text))
                .at(word.span, format!("{keyword} takes seconds, such as 2 or 0.5"));
            Err(match bare_seconds(&word.text) {
                Some(fix) => problem.help(format!("times have no unit: write `{keyword} {fix}`")),
                None if word.text.contains('.') => problem.help("digits with at most six after the point"),
                None => problem,
            })
        }
    }
}

/// Milliseconds with up to three decimals; the limits are in microseconds.
pub(super) fn millis(keyword: &str, word: &Word, min: u64, max: u64) -> Result<Duration, Diagnostic> {
    // As for seconds: a thousandth of the number is as many seconds.
    let thousandths = |us: u64| seconds(us.saturating_mul(1000));
    match micros(&word.text).filter(|us| us % 1000 == 0).map(|us| us / 1000) {
        Some(us) if (min..=max).contains(&us) => Ok(Duration::from_micros(us)),
        Some(_) => {
            let range = format!("{} to {} milliseconds", thousandths(min), thousandths(max));
            Err(out_of_range(keyword, word, &range))
        }
        None => {
            let problem = Diagnostic::error("bad-duration", format!("`{}` is not a number of milliseconds", word.text))
                .at(word.span, format!("{keyword} takes milliseconds, such as 50 or 3.312"));
            Err(match bare_millis(&word.text) {
                Some(fix) => problem.help(format!("times have no unit: write `{keyword} {fix}`")),
                None if word.text.contains('.') => problem.help("digits with at most three after the point"),
                None => problem,
            })
        }
    }
}

/// `50ms` as `50`, `1s` as `1000`.
fn bare_millis(text: &str) -> Option<String> {
    let us = micros(&bare_seconds(text)?)?;
    Some(seconds(us.checked_mul(1000)?))
}

/// `1.5` as 1 500 000.
fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

/// `500ms` as `0.5`, `5s` as `5`, `1m` as `60`.
fn bare_seconds(text: &str) -> Option<String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(split)?;
    let us = micros(number)?;
    let us = match unit {
        "us" => us / 1_000_000,
        "ms" => us / 1000,
        "s" | "sec" | "secs" | "second" | "seconds" => us,
        "m" | "min" => us.checked_mul(60)?,
        "h" => us.checked_mul(3600)?,
        _ => return None,
    };
    Some(seconds(us))
}

/// keepalived's switch words, lower case only.
pub(super) fn switch(keyword: &str, word: &Word) -> Result<bool, Diagnostic> {
    match word.text.as_str() {
        "on" | "true" | "yes" => Ok(true),
        "off" | "false" | "no" => Ok(false),
        other => {
            let problem = Diagnostic::error("bad-switch", format!("`{other}` is neither on nor off"))
                .at(word.span, format!("{keyword} takes on, true, yes, off, false or no, in lower case"));
            let lower = other.to_lowercase();
            let known = ["on", "true", "yes", "off", "false", "no"].contains(&lower.as_str());
            Err(if known { problem.help(format!("write `{keyword} {lower}`")) } else { problem })
        }
    }
}

/// One of a closed set of words.
pub(super) fn one_of(
    keyword: &str,
    word: &Word,
    words: &'static [&'static str],
    any_case: bool,
) -> Result<&'static str, Diagnostic> {
    let same = |known: &&&str| if any_case { known.eq_ignore_ascii_case(&word.text) } else { **known == word.text };
    if let Some(known) = words.iter().find(same) {
        return Ok(known);
    }
    let choice = words.join(", ");
    let problem = Diagnostic::error("bad-word", format!("`{}` is no {keyword}", word.text))
        .at(word.span, format!("one of: {choice}"));
    let near = suggest::nearest(&word.text, words.iter().copied());
    Err(match near {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    })
}

/// An IP address.
pub(super) fn ip(keyword: &str, word: &Word) -> Result<IpAddr, Diagnostic> {
    word.text.parse().ok().ok_or_else(|| {
        Diagnostic::error("bad-address", format!("`{}` is not an IP address", word.text))
            .at(word.span, format!("{keyword} takes an address such as 192.0.2.10"))
    })
}

/// Splits a command as keepalived does: blanks separate, `"` and `'` group, `\` takes the next character as it is.
pub(super) fn argv(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().push(letters.next().ok_or("it ends in a backslash")?),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote in it stays open");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_up_to_six_decimals_and_no_unit() {
        assert_eq!(micros("1.5"), Some(1_500_000));
        assert_eq!(micros("0.000001"), Some(1));
        for bad in ["", ".", "1.", "5s", "-1", "1.0000001", "99999999999999999999", "1e3"] {
            assert_eq!(micros(bad).filter(|_| bad != "1."), None, "{bad}");
        }
        assert_eq!(bare_seconds("500ms").as_deref(), Some("0.5"));
        assert_eq!(bare_seconds("5s").as_deref(), Some("5"));
        assert_eq!(bare_seconds("5x"), None);
    }

    #[test]
    fn milliseconds_have_up_to_three_decimals_and_no_unit() {
        let span = crate::conf::source::Span { source: crate::conf::source::SourceId(0), start: 0, end: 0 };
        let read = |text: &str| {
            let word = Word { text: text.into(), span, quoted: false };
            millis("min_rx", &word, 1000, 4_294_967_000).ok()
        };
        assert_eq!(read("3.312"), Some(Duration::from_micros(3312)));
        assert_eq!(read("1"), Some(Duration::from_millis(1)));
        for bad in ["0.999", "0", "4294968", "3.3125", "50ms", "x", "-1", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(bare_millis("50ms").as_deref(), Some("50"));
        assert_eq!(bare_millis("1.5s").as_deref(), Some("1500"));
    }

    #[test]
    fn commands_split_like_keepalived_splits_them() {
        assert_eq!(
            argv("/bin/a -x 'b c' \"d e\" f\\ g ''"),
            Ok(vec!["/bin/a", "-x", "b c", "d e", "f g", ""].into_iter().map(String::from).collect())
        );
        assert!(argv("/bin/a 'b").is_err());
        assert!(argv("/bin/a \\").is_err());
    }
}
