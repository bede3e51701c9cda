//! The audit log on the disk: lines that are only ever added, in files of bounded size and number.
//!
//! `X.audit` is written, `X.audit.1` is the one before it, and so on. A line is whole once its line end is there: what a
//! crash or a full disk left of one stays alone on its line, and is no JSON.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one file, in bytes.
    pub bytes: u64,
    /// The files in all, at least one.
    pub files: u32,
}

/// The file that is written.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    limits: Limits,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// The last line has no end: nothing may be joined to it.
    torn: bool,
}

impl AuditFile {
    pub const fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, open: None }
    }

    /// Adds a line and waits for the disk. After an error nothing of it counts, and the next call tries from anew.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        let mut open = self.opened(line.len() as u64 + 1)?;
        let lead = if open.torn { "\n" } else { "" };
        let bytes = format!("{lead}{line}\n");
        // One write: what is read meanwhile is whole, or not there.
        let written = open.file.write_all(bytes.as_bytes()).and_then(|()| open.file.sync_data());
        match written {
            Ok(()) => {
                open.size += bytes.len() as u64;
                open.torn = false;
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                // A part of it may be there; if it cannot be taken back, the next one begins a line of its own.
                let _ = open.file.set_len(open.size);
                Err(error)
            }
        }
    }

    /// The file with room for so many bytes more.
    fn opened(&mut self, more: u64) -> io::Result<Open> {
        let known = self.open.take().filter(|open| is_there(&open.file, &self.path));
        let open = known.map_or_else(|| open(&self.path), Ok)?;
        if open.size == 0 || open.size + more <= self.limits.bytes {
            return Ok(open);
        }
        drop(open);
        self.rotate()?;
        self::open(&self.path)
    }

    /// Whatever ends this in the middle: no file is lost but the oldest.
    fn rotate(&self) -> io::Result<()> {
        let last = self.limits.files.max(1) - 1;
        let there = |n: u32| numbered(&self.path, n);
        if last == 0 {
            return fs::remove_file(&self.path);
        }
        for n in (0..last).rev() {
            match fs::rename(there(n), there(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_directory(&self.path)
    }
}

/// The newest lines of all files, oldest first, at most `most`; and whether there are older ones.
pub fn tail(path: &Path, files: u32, most: usize) -> io::Result<(Vec<String>, bool)> {
    let mut newest_first: Vec<String> = Vec::new();
    for n in 0..files.max(1) {
        let mut bytes = Vec::new();
        match File::open(numbered(path, n)).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().rev().filter(|line| !line.is_empty()) {
            if newest_first.len() == most {
                newest_first.reverse();
                return Ok((newest_first, true));
            }
            newest_first.push(line.to_owned());
        }
    }
    newest_first.reverse();
    Ok((newest_first, false))
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    if n == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// Somebody may have moved or removed it.
fn is_there(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}

fn open(path: &Path) -> io::Result<Open> {
    if let Some(directory) = path.parent()
        && !directory.exists()
    {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).append(true).create(true).mode(0o640).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    if is_new {
        sync_directory(path)?;
    }
    let size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(Open { file, size, torn: last != [b'\n'] })
}

/// The names, too, are to be there after a loss of power.
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Limits = Limits { bytes: 1 << 20, files: 3 };

    fn lines(path: &Path) -> Vec<String> {
        tail(path, 9, 1000).unwrap().0
    }

    #[test]
    fn files_are_bounded_in_size_and_number_and_the_oldest_lines_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/x.audit");
        let mut log = AuditFile::new(path.clone(), Limits { bytes: 100, files: 3 });
        for n in 0..50 {
            log.append(&format!("{{\"n\":{n:03}}}")).unwrap();
        }
        let sizes: Vec<u64> = (0..4).filter_map(|n| Some(fs::metadata(numbered(&path, n)).ok()?.len())).collect();
        assert_eq!(sizes.len(), 3);
        assert!(sizes.iter().all(|s| *s <= 100), "{sizes:?}");
        let kept = lines(&path);
        assert_eq!(kept.last().unwrap(), "{\"n\":049}");
        let numbers: Vec<u32> = kept.iter().map(|l| l.get(5..8).unwrap().parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() > 20, "{numbers:?}");
        assert_eq!(tail(&path, 3, 5).unwrap().0.len(), 5);
        assert!(tail(&path, 3, 5).unwrap().1);
    }

    #[test]
    fn wherever_a_line_was_cut_the_next_one_is_whole_and_none_before_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let whole = "{\"a\":1}\n{\"a\":2,\"text\":\"x\"}\n";
        for cut in 0..=whole.len() {
            let path = directory.path().join(format!("{cut}.audit"));
            let left = whole.get(..cut).unwrap();
            fs::write(&path, left).unwrap();
            AuditFile::new(path.clone(), ROOMY).append("{\"a\":3}").unwrap();
            let kept: Vec<serde_json::Value> =
                lines(&path).iter().filter_map(|l| serde_json::from_str(l).ok()).collect();
            let before = left.lines().filter(|l| l.ends_with('}')).count();
            assert_eq!(kept.len(), before + 1, "cut at {cut}");
            assert_eq!(kept.last().unwrap()["a"], 3);
        }
    }

    #[test]
    fn a_file_that_somebody_took_away_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.audit");
        let mut log = AuditFile::new(path.clone(), ROOMY);
        log.append("one").unwrap();
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        log.append("two").unwrap();
        assert_eq!(lines(&path), ["two"]);
        fs::remove_dir_all(directory.path()).unwrap();
        log.append("three").unwrap();
        assert_eq!(lines(&path), ["three"]);
    }

    #[test]
    fn a_disk_that_is_full_loses_nothing_and_leaves_nothing_half() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.audit");
        let mut log = AuditFile::new(path.clone(), ROOMY);
        log.append("one").unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(log.append("two").is_err());
        fs::remove_dir(&path).unwrap();
        log.append("two").unwrap();
        assert_eq!(lines(&path), ["two"]);
    }

    #[test]
    fn it_is_not_written_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.audit");
        fs::write(directory.path().join("victim"), "").unwrap();
        std::os::unix::fs::symlink(directory.path().join("victim"), &path).unwrap();
        assert!(AuditFile::new(path, ROOMY).append("x").is_err());
    }
}
