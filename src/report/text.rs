//! Values as people read them.

use crate::time::Duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What is not known.
pub(super) const UNKNOWN: &str = "-";

pub(super) fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |v| v.to_string())
}

/// "0.31 s", "12 s", "4 min 03 s", "2 h 05 min", "3 d 4 h".
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// Local wall time with milliseconds; the number itself if it is no time.
pub(super) fn wall(micros: u64) -> String {
    let stamp = i64::try_from(micros).ok().and_then(|m| Timestamp::from_microsecond(m).ok());
    stamp.map_or_else(
        || format!("{micros} us"),
        |t| t.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
    )
}

/// Without what could steer a terminal: names and reasons come from elsewhere.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        let table =
            [(0.309, "0.31 s"), (42.0, "42 s"), (243.0, "4 min 03 s"), (7500.0, "2 h 05 min"), (273_600.0, "3 d 4 h")];
        for (seconds, text) in table {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn no_number_is_too_large_for_a_time() {
        assert_eq!(wall(u64::MAX), format!("{} us", u64::MAX));
        assert!(wall(1_700_000_000_123_456).contains(".123"));
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a?[2Jb?");
    }
}
