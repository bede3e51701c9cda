//! Small files.

use anyhow::Context;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Adds text at the end of a file, which is made if need be. The text is in the file when this returns.
pub fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || File::options().create(true).append(true).open(path)?.write_all(text.as_bytes());
    write().with_context(|| format!("write {}", path.display()))
}

/// Makes or replaces a file.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Makes or replaces a file that only its owner may read, whole or not at all, and never through somebody's link.
pub fn replace_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new{}", std::process::id()));
    let fresh = PathBuf::from(name);
    let write = || {
        let _ = fs::remove_file(&fresh);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes()).and_then(|()| fs::rename(&fresh, path))
    };
    write().inspect_err(|_| drop(fs::remove_file(&fresh))).with_context(|| format!("write {}", path.display()))
}

/// The text of a file; none: there is no such file.
pub fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    absent_as_none(fs::read_to_string(path)).with_context(|| format!("read {}", path.display()))
}

/// The paths in a directory, sorted; none if it is not there.
pub fn list(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = absent_as_none(fs::read_dir(directory))?;
        entries.into_iter().flatten().map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().with_context(|| format!("list {}", directory.display()))?;
    paths.sort();
    Ok(paths)
}

/// Removes a directory with everything in it. One that is not there is no error.
pub fn remove_directory(directory: &Path) -> anyhow::Result<()> {
    absent_as_none(fs::remove_dir_all(directory)).with_context(|| format!("remove {}", directory.display()))?;
    Ok(())
}

fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
