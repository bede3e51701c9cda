//! Configuration files of this machine.

use crate::conf::{Entry, EntryKind, Environment, Loader, Program};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Larger files are no configuration.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Reads from the file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let about = fs::metadata(path)?;
        // A FIFO or a device would never end.
        if !about.is_file() {
            return Err(io::Error::other("not a plain file"));
        }
        if about.len() > LARGEST {
            return Err(io::Error::other(format!("larger than {} MiB", LARGEST / 1024 / 1024)));
        }
        fs::read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // A name that is not UTF-8 cannot be written in a pattern either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = self.kind(&entry.path()).unwrap_or(EntryKind::Other);
            entries.push(Entry { name, kind });
        }
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        let about = fs::metadata(path).ok()?;
        Some(match () {
            () if about.is_dir() => EntryKind::Directory,
            () if !about.is_file() => EntryKind::Other,
            () if about.permissions().mode() & 0o111 != 0 => EntryKind::Executable,
            () => EntryKind::File,
        })
    }

    fn has_link(&self, name: &str) -> Option<bool> {
        Path::new("/sys/class/net").is_dir().then(|| Path::new("/sys/class/net").join(name).exists())
    }

    fn is_private(&self, path: &Path) -> Option<bool> {
        const OTHERS: u32 = 0o077;
        fs::metadata(path).ok().map(|about| about.permissions().mode() & OTHERS == 0)
    }

    fn program(&self, name: &str) -> Option<Program> {
        if name.contains('/') {
            return Some(judge(Path::new(name)));
        }
        let path = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|p| p.is_file());
        Some(found.map_or(Program::Missing, |path| judge(&path)))
    }
}

fn judge(path: &Path) -> Program {
    let Ok(path) = fs::canonicalize(path) else { return Program::Missing };
    let Ok(about) = fs::metadata(&path) else { return Program::Missing };
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return Program::NotExecutable;
    }
    path.ancestors()
        .find(|part| others_may_change(part))
        .map_or(Program::Runs, |part| Program::Insecure(part.to_owned()))
}

/// Whether someone other than root may write it; a sticky directory protects what is in it.
fn others_may_change(path: &Path) -> bool {
    let Ok(about) = fs::metadata(path) else { return true };
    let mode = about.permissions().mode();
    let sticky = about.is_dir() && mode & 0o1000 != 0;
    let by_group = about.gid() != 0 && mode & 0o020 != 0;
    about.uid() != 0 || (!sticky && (by_group || mode & 0o002 != 0))
}

/// Enough of a file to see that it was written anew; none: it is not there.
pub type Fingerprint = Option<(u64, u64, u64, i64, i64)>;

/// Of a file or a directory, without reading it.
pub fn fingerprint(path: &Path) -> Fingerprint {
    let about = fs::metadata(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok()?;
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    let modified = nanoseconds(about.mtime(), about.mtime_nsec());
    Some((about.dev(), about.ino(), about.len(), modified, nanoseconds(about.ctime(), about.ctime_nsec())))
}

/// What configurations of this machine depend on besides their files; without a config-id it is the host's name up to
/// its first dot.
pub fn environment(config_id: Option<&str>, check_includes: bool) -> Environment {
    let host = || {
        let name = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or_default().to_owned()
    };
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Environment {
        config_id: config_id.map_or_else(host, str::to_owned),
        variables: std::env::vars_os().filter_map(text).collect(),
        directory: std::env::current_dir().unwrap_or_default(),
        seed: RandomState::new().hash_one(std::process::id()),
        check_includes,
    }
}

/// The files of a directory that end in `.toml`, sorted; none if there is no such directory.
pub fn toml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match Files.list(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let wanted = |e: &Entry| {
        Path::new(&e.name).extension().is_some_and(|x| x == "toml")
            && !e.name.starts_with('.')
            && e.kind != EntryKind::Directory
    };
    Ok(entries.into_iter().filter(wanted).map(|entry| directory.join(entry.name)).collect())
}
