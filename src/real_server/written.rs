//! Writes and removes the files of [`super::permanent`], after having shown them.

use super::permanent::{Files, MARK, all_paths};
use crate::sys::state_file;
use anyhow::Context;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Shows the files, and writes them if `for_real`.
pub(super) fn write(files: &Files, for_real: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut is_there = true;
    for (path, text) in &files.texts {
        let former = ours(path)?;
        let state = match &former {
            None => "new",
            Some(former) if former == text => "there already",
            Some(_) => "in place of another of ours",
        };
        is_there &= former.as_ref() == Some(text);
        writeln!(out, "{} ({state}):\n", path.display())?;
        text.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
        writeln!(out)?;
    }
    for (link, target) in &files.links {
        is_there &= std::fs::read_link(link).is_ok_and(|now| now == *target);
        writeln!(out, "{} -> {}\n", link.display(), target.display())?;
    }
    if is_there {
        writeln!(out, "nothing to do")?;
    } else if for_real {
        files.texts.iter().try_for_each(|(path, text)| {
            state_file::write(path, text).with_context(|| format!("write {}", path.display()))
        })?;
        files.links.iter().try_for_each(|(link, target)| {
            state_file::link(link, target).with_context(|| format!("link {}", link.display()))
        })?;
        writeln!(out, "written; {}", files.then)?;
    } else {
        writeln!(out, "nothing has been written: the same with --write does")?;
    }
    Ok(0)
}

/// Tells which files of ours there are, and removes them if `for_real`.
pub(super) fn remove(root: &Path, for_real: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in all_paths(root) {
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_symlink());
        if is_link || ours(&path)?.is_some() {
            found.push(path);
        }
    }
    for path in &found {
        let verb = if for_real { "remove" } else { "would remove" };
        writeln!(out, "{verb} {}", path.display())?;
        if for_real {
            state_file::remove(path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    if found.is_empty() {
        writeln!(out, "nothing to do")?;
    } else if for_real {
        writeln!(
            out,
            "what they did stays until the next start; for now: systemctl daemon-reload && vipdeck real-server down"
        )?;
    } else {
        writeln!(out, "nothing has been removed: the same with --write does")?;
    }
    Ok(0)
}

/// The file's text; none if it is not there. One that is not ours is refused.
fn ours(path: &Path) -> anyhow::Result<Option<String>> {
    let text = match state_file::read(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
        other => other.with_context(|| format!("read {}", path.display()))?,
    };
    if let Some(text) = &text
        && !text.starts_with(MARK)
    {
        anyhow::bail!("{} is not ours (its first line is another): move it away first", path.display());
    }
    Ok(text)
}
