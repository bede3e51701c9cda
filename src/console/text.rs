//! Numbers, times and names as the screen writes them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many cells `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A moment on the wall's clock, with its date.
pub(super) fn date_time(wall_us: u64, zone: &jiff::tz::TimeZone) -> String {
    let stamp = i64::try_from(wall_us).ok().and_then(|w| jiff::Timestamp::from_microsecond(w).ok());
    let zoned = stamp.map(|s| s.to_zoned(zone.clone()));
    zoned.map_or_else(|| "----".into(), |z| z.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A length of time in microseconds: `0.42 s`, `12 s`, `3 m 12 s`, `2 h 11 m`, `41 d 2 h`.
pub(super) fn span(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..10 => format!("{} s", seconds_2(micros)),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// An age that need not move on screen more often than once a second: `now`, `12 s`, `3 m 12 s`.
pub(super) fn age(micros: u64) -> String {
    if micros < 10_000_000 { format!("{} s", micros / 1_000_000) } else { span(micros) }
}

/// Seconds with two decimals, cut and not rounded, so that a countdown never shows more than is left.
pub(super) fn seconds_2(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
}

/// A duration in microseconds as a short measured time: `3 ms`, `1.20 s`.
pub(super) fn took(micros: u128) -> String {
    match micros {
        0..1000 => "under 1 ms".into(),
        1000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{} s", seconds_2(u64::try_from(micros).unwrap_or(u64::MAX))),
    }
}

/// A count with thin groups of three: `12 034`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// `1 server`, `2 servers`.
pub(super) fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}{}", if word.ends_with('s') { "es" } else { "s" }) }
}

/// Names joined as in a sentence: `a`, `a and b`, `a, b and c`.
pub(super) fn listing(names: &[String]) -> String {
    match names {
        [] => "nobody".into(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `text` in at most `cells`, cut at the end.
pub(super) fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > cells {
            break;
        }
        used += w;
        out.push(c);
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// `name` in at most `cells`, cut in the middle: both ends of a name tell it from others.
pub(super) fn cut_middle(name: &str, cells: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if width(name) <= cells || cells < 5 {
        return cut(name, cells);
    }
    let tail = (cells - 1) * 2 / 5;
    let head = cells - 1 - tail;
    let start: String = chars.iter().take(head).collect();
    let end: String = chars.iter().skip(chars.len() - tail).collect();
    format!("{start}…{end}")
}

/// `text` cut or padded on the right to exactly `cells`.
pub(super) fn left(text: &str, cells: usize) -> String {
    let cut = cut(text, cells);
    format!("{cut}{}", " ".repeat(cells.saturating_sub(width(&cut))))
}

/// `text` padded on the left to `cells`; a number is never cut.
pub(super) fn right(text: &str, cells: usize) -> String {
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))))
}

/// `text` in lines of at most `cells`, broken at blanks.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > cells {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&cut(word, cells.max(1)));
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Samples as bars of eight heights, the newest on the right; `cells` wide.
pub(super) fn sparkline(samples: &[u32], cells: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if samples.is_empty() || cells == 0 {
        return left("–", cells);
    }
    // Each cell stands for the mean of the samples it covers, counted from the newest.
    let per_cell = samples.len().div_ceil(cells).max(1);
    let mean = |c: &[u32]| c.iter().copied().map(u64::from).sum::<u64>() * 8 / c.len().max(1) as u64;
    let mut means: Vec<u64> = samples.rchunks(per_cell).map(mean).collect();
    means.reverse();
    let top = means.iter().copied().max().unwrap_or(0).max(1);
    let bars: String = means.iter().map(|v| BARS.get((v * 7).div_ceil(top) as usize).copied().unwrap_or('█')).collect();
    right(&bars, cells)
}

/// A shrinking bar: what is left of `total` in `cells`, its last `shaded` part drawn lighter.
pub(super) fn bar(remaining: u64, total: u64, shaded: u64, cells: usize) -> String {
    // An eighth is drawn as a quarter: "▏" is the frame of the bar.
    const PARTS: [&str; 8] = ["", "▎", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = |part: u64| (part.min(total) as usize * cells * 8).checked_div(total as usize).unwrap_or(0);
    let (filled, light) = (eighths(remaining), eighths(shaded) / 8);
    let mut out = String::new();
    for cell in 0..filled / 8 {
        out.push(if cell < light { '▒' } else { '█' });
    }
    if filled / 8 >= light {
        out.push_str(PARTS.get(filled % 8).copied().unwrap_or(""));
    } else if !filled.is_multiple_of(8) {
        out.push('▒');
    }
    left(&out, cells)
}

/// How far something has come: full cells for the part that is done.
pub(super) fn progress(done: u64, total: u64, cells: usize) -> String {
    let full = (done.min(total) as usize * cells).checked_div(total as usize).unwrap_or(cells);
    format!("{}{}", "█".repeat(full), "░".repeat(cells - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_exact_when_short_and_coarse_when_long() {
        assert_eq!(span(425_000), "0.42 s");
        assert_eq!(span(12_900_000), "12 s");
        assert_eq!(span(192_000_000), "3 m 12 s");
        assert_eq!(span(7_860_000_000), "2 h 11 m");
        assert_eq!(span(41 * 86_400_000_000), "41 d 00 h");
    }

    #[test]
    fn names_are_cut_in_the_middle_and_never_longer_than_asked() {
        assert_eq!(cut_middle("web-frontend-server-443", 13), "web-fron…-443");
        for cells in 0..30 {
            assert!(width(&cut_middle("web-frontend-server-443", cells)) <= cells);
        }
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1204), "1 204");
        assert_eq!(count(1_234_567), "1 234 567");
    }

    #[test]
    fn a_bar_is_as_wide_as_asked_and_shrinks() {
        for left in [0, 1, 500, 609, 1000, 3609, 9999] {
            assert_eq!(width(&bar(left, 3609, 609, 18)), 18, "{left}");
        }
        assert_eq!(bar(0, 1000, 0, 4), "    ");
        assert_eq!(bar(1000, 1000, 500, 4), "▒▒██");
        assert_eq!(bar(250, 1000, 500, 4), "▒   ");
        assert_eq!(bar(10, 0, 0, 4), "    ");
    }

    #[test]
    fn a_sparkline_keeps_zero_low_and_the_highest_full() {
        assert_eq!(sparkline(&[0, 7], 4), "  ▁█");
        assert_eq!(width(&sparkline(&[3; 60], 12)), 12);
        assert_eq!(sparkline(&[], 3), "–  ");
    }
}
