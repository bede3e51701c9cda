//! Named pipes that events are written to: no reader is needed, and none is ever waited for.

use super::process::resolve;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, lstat};
use nix::unistd::{Gid, Uid, geteuid, mkfifo};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open named pipe; one that was made here is removed when it is dropped.
#[derive(Debug)]
pub struct Fifo {
    file: File,
    path: PathBuf,
    created: bool,
}

impl Fifo {
    /// Opens the pipe for writing without waiting; makes it, for its owner alone, if there is none. Anything else at the
    /// path, and a pipe of somebody else than `user` or this process's user, is refused.
    pub fn open(path: &Path, user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let owner = match user {
            Some(_) => {
                let found = resolve(user, group)?;
                Some((Uid::from_raw(found.uid), Gid::from_raw(found.gid)))
            }
            None => None,
        };
        let created = match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(error) => return Err(format!("make the pipe: {error}")),
        };
        let opened = open_pipe(path, created, owner);
        if opened.is_err() && created {
            // What is wrong with the pipe is the answer; that it stays does not matter next to that.
            let _ = std::fs::remove_file(path);
        }
        Ok(Self { file: opened?, path: path.to_owned(), created })
    }

    /// Writes what fits; the number of bytes that did. A full pipe is [`io::ErrorKind::WouldBlock`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let ours = self.file.metadata().ok();
        let there = std::fs::symlink_metadata(&self.path).ok();
        let same = ours.zip(there).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()));
        if self.created && same {
            // Somebody else may have removed it just now.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether there is a named pipe at the path.
pub fn is_fifo(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_fifo())
}

fn open_pipe(path: &Path, created: bool, owner: Option<(Uid, Gid)>) -> Result<File, String> {
    // Looked at before it is opened too: opening a device may do something.
    let kind = lstat(path).map_err(|e| format!("look at it: {e}"))?.st_mode & SFlag::S_IFMT.bits();
    if kind != SFlag::S_IFIFO.bits() {
        return Err("it is not a named pipe".to_owned());
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // Also for reading: without a reader, opening for writing alone fails.
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path);
    let file = file.map_err(|e| format!("open it: {e}"))?;
    let found = file.metadata().map_err(|e| format!("look at it: {e}"))?;
    if !found.file_type().is_fifo() {
        return Err("it is not a named pipe".to_owned());
    }
    if created {
        if let Some((uid, gid)) = owner {
            nix::unistd::fchown(&file, Some(uid), Some(gid)).map_err(|e| format!("give it to its user: {e}"))?;
        }
        return Ok(file);
    }
    let theirs = Uid::from_raw(found.uid());
    if theirs != geteuid() && owner.is_none_or(|(uid, _)| uid != theirs) {
        return Err(format!("it belongs to user {theirs}, not to this process or the user named for it"));
    }
    Ok(file)
}
