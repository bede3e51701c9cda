//! Small files that outlive the process, below /run.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The text of the file; none if there is no such file.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes the file whole or not at all, readable by all. A missing directory is made with mode 0755.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent()
        && !directory.exists()
    {
        fs::create_dir_all(directory)?;
        // Whatever the umask; one that was there keeps its mode.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    // An own name, and never through somebody's link.
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&fresh)?;
    let written = io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    // The name, too, is to be there after a loss of power.
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}

/// Puts a copy of the file beside it, under its name with that ending.
pub fn copy(path: &Path, ending: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    fs::copy(path, Path::new(&name)).map(drop)
}

/// The bytes of the file, at most so many; none if there is no such file.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, limit), &mut bytes)?;
    Ok(Some(bytes))
}

/// Makes a symbolic link to `target`, in place of a link that is there; of a file it is an error.
pub fn link(path: &Path, target: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink()) {
        fs::remove_file(path)?;
    }
    std::os::unix::fs::symlink(target, path)
}

/// Removes the file, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_read_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/state.json");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
