//! A journal's parts as files of one directory, one file each, so that a crash loses the last part alone.

use super::small_files;
use std::cell::Cell;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A moment on the recorder's clock and on the wall's.
type Pair = (u64, u64);

#[derive(Debug)]
pub struct JournalFiles {
    directory: PathBuf,
    /// A disk that fails is told of once.
    failed: Cell<bool>,
}

impl JournalFiles {
    /// In `directory`, which is made if need be, for its owner alone.
    pub fn new(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory, failed: Cell::new(false) })
    }

    /// The parts that are there, the oldest first; files of other names are left alone.
    pub fn load(&self) -> Vec<(Pair, Pair, Vec<u8>)> {
        let paths = small_files::list(&self.directory).unwrap_or_default();
        let mut parts: Vec<_> = paths
            .iter()
            .filter_map(|path| {
                let (from, until) = moments(path)?;
                let bytes = fs::read(path).inspect_err(|e| self.complain(path, e)).ok()?;
                Some((from, until, bytes))
            })
            .collect();
        parts.sort_by_key(|(from, ..)| from.1);
        parts
    }

    /// Brings the files into line with the parts in memory.
    pub fn follow(&self, parts: &[(Pair, Pair, Arc<[u8]>)]) {
        let wanted: Vec<_> = parts.iter().map(|(from, until, _)| self.directory.join(name(*from, *until))).collect();
        for (path, (.., bytes)) in wanted.iter().zip(parts).filter(|(path, _)| !path.exists()) {
            if let Err(error) = write(path, bytes) {
                self.complain(path, &error);
            }
        }
        for old in small_files::list(&self.directory).unwrap_or_default() {
            if moments(&old).is_some() && !wanted.contains(&old) {
                let _ = fs::remove_file(&old);
            }
        }
    }

    fn complain(&self, path: &Path, error: &io::Error) {
        if !self.failed.replace(true) {
            tracing::error!("the journal goes on in memory alone: {}: {error}", path.display());
        }
    }
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes).and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| drop(fs::remove_file(&fresh)))
}

fn name(from: Pair, until: Pair) -> String {
    format!("{}-{}-{}-{}.part", from.1, from.0, until.1, until.0)
}

fn moments(path: &Path) -> Option<(Pair, Pair)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".part")?;
    let mut numbers = name.split('-').map(|n| n.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (from_wall, from, until_wall, until) = (next()?, next()?, next()?, next()?);
    Some(((from, from_wall), (until, until_wall)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_outlive_a_process_and_forgotten_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("journal");
        let files = JournalFiles::new(at.clone()).unwrap();
        let part = |n: u64| ((n, 1000 + n), (n + 1, 1001 + n), Arc::from([n as u8]));
        files.follow(&[part(1), part(5)]);
        fs::write(at.join("notes.txt"), "somebody's").unwrap();
        let read = JournalFiles::new(at.clone()).unwrap().load();
        assert_eq!(read, [((1, 1001), (2, 1002), vec![1]), ((5, 1005), (6, 1006), vec![5])]);
        files.follow(&[part(5), part(9)]);
        assert_eq!(files.load().len(), 2);
        assert!(at.join("notes.txt").exists(), "what is not ours stays");
    }
}
