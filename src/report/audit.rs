//! `vipdeck audit`: who asked for what, and what became of it.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::text::{plain, wall};
use crate::cli;
use crate::control::{self, client};
use crate::settings::Settings;
use crate::status::{AuditEntry, AuditList};
use crate::sys::clock::wall_us;
use std::io::{self, Write};

/// Prints the entries of all engines that are meant on one clock, oldest first.
pub fn run(args: &cli::Audit, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let since = args.since.as_deref().map(|text| moment(text, wall_us())).transpose().map_err(anyhow::Error::msg)?;
    let targets = control::meant(&args.targets, settings)?;
    let asked = targets.iter().map(|target| client::audit(target, since.unwrap_or(0)));
    let mut lists: Vec<AuditList> = Vec::new();
    for answer in engines::runtime()?.block_on(futures_util::future::join_all(asked)) {
        match answer {
            Ok(list) => lists.push(list),
            Err(failure) => complain(&failure),
        }
    }
    for list in lists.iter().filter(|list| list.earlier) {
        let file = list.file.as_deref().unwrap_or("its file");
        complain(&format!("{}: older entries are in {file} and those beside it", plain(&list.node)));
    }
    let mut entries: Vec<&AuditEntry> = lists.iter().flat_map(|list| &list.entries).collect();
    entries.sort_by_key(|e| e.wall_us);
    for entry in entries {
        if !until_closed(line(entry, args.json, out))? {
            break;
        }
    }
    Ok(if lists.is_empty() { exit::NOT_ASKED } else { exit::DONE })
}

fn line(entry: &AuditEntry, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, entry)?;
        return writeln!(out);
    }
    let reason = entry.reason.as_deref().map(|r| format!(", reason: {}", plain(r))).unwrap_or_default();
    writeln!(
        out,
        "{} {} {:<8} {}: {}{reason} ({})",
        wall(entry.wall_us),
        plain(&entry.node),
        entry.result,
        plain(&entry.actor.to_string()),
        plain(&entry.command),
        plain(&entry.answer),
    )
}

/// A span before `now` (`90m`, `2h`, `3d`), or a time of the clock (`2026-11-22T12:00`, with zone or local), in
/// microseconds since 1970.
fn moment(text: &str, now: u64) -> Result<u64, String> {
    let days = text.strip_suffix('d').and_then(|n| n.parse::<u32>().ok()).and_then(|n| n.checked_mul(86_400));
    if let Some(seconds) = days.or_else(|| crate::time::typed_seconds(text).ok()) {
        return Ok(now.saturating_sub(u64::from(seconds) * 1_000_000));
    }
    let zoned = text.parse::<jiff::Timestamp>().or_else(|_| {
        let local: jiff::civil::DateTime = text.parse()?;
        Ok::<_, jiff::Error>(local.to_zoned(jiff::tz::TimeZone::system())?.timestamp())
    });
    let bad = |e: jiff::Error| format!("`{text}` is no time: write 90m, 2h, 3d or 2026-11-22T12:00: {e}");
    Ok(u64::try_from(zoned.map_err(bad)?.as_microsecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_ago_or_a_time_of_the_clock() {
        let now = 1_795_349_071_000_000;
        assert_eq!(moment("2h", now), Ok(now - 7_200_000_000));
        assert_eq!(moment("3d", now), Ok(now - 3 * 86_400_000_000));
        assert_eq!(moment("2026-11-22T12:04:31Z", now), Ok(now));
        assert!(moment("2026-11-22T12:04", now).is_ok());
        assert!(moment("yesterday", now).unwrap_err().contains("2026-11-22T12:00"));
    }
}
