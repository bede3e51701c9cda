//! Small files and their changes (inotify(7)); a file may appear, vanish or be replaced.
//!
//! What is watched is the directory: a file that is not there cannot be.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::statfs::statfs;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// More than any number; the rest of a file is not read.
const MOST: u64 = 128;

/// Files, each by its place in the list.
#[derive(Debug)]
pub struct WatchedFiles {
    inotify: Inotify,
    files: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// Where changes show, and the name they show by; none: by any.
    places: Vec<(WatchDescriptor, Option<OsString>)>,
    /// Why changes cannot be seen, if so.
    unseen: Option<String>,
}

impl WatchedFiles {
    pub fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let files = paths.into_iter().map(|path| Watched { path, places: Vec::new(), unseen: None });
        let mut watched = Self { inotify, files: files.collect() };
        for index in 0..watched.files.len() {
            watched.watch(index);
        }
        Ok(watched)
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches for changes of one file, also where a link leads; again after it was replaced.
    pub fn watch(&mut self, index: usize) {
        let Some(file) = self.files.get_mut(index) else { return };
        let target = fs::canonicalize(&file.path).ok().filter(|target| *target != file.path);
        file.places.clear();
        file.unseen = file_system(target.as_ref().unwrap_or(&file.path)).err();
        for path in std::iter::once(&file.path).chain(&target) {
            let Some(directory) = path.parent() else { continue };
            // Where links are followed, any of them on the way may change.
            let name = path.file_name().filter(|_| target.is_none()).map(ToOwned::to_owned);
            match self.inotify.add_watch(directory, changes()) {
                Ok(place) => file.places.push((place, name)),
                Err(error) => file.unseen = Some(format!("watch {}: {error}", directory.display())),
            }
        }
    }

    /// Why the changes of a file cannot be seen; none: they can.
    pub fn unseen(&self, index: usize) -> Option<&str> {
        self.files.get(index).and_then(|f| f.unseen.as_deref())
    }

    /// The files that may have changed; never waits.
    pub fn changed(&mut self) -> io::Result<Vec<usize>> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let all = AddWatchFlags::IN_Q_OVERFLOW;
        let is_gone = AddWatchFlags::IN_IGNORED
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT;
        let concerned = |file: &Watched| {
            events.iter().any(|event| {
                event.mask.contains(all)
                    || file.places.iter().any(|(place, name)| {
                        let named = name.is_none() || *name == event.name || event.mask.intersects(is_gone);
                        *place == event.wd && named
                    })
            })
        };
        Ok(self.files.iter().enumerate().filter(|(_, file)| concerned(file)).map(|(index, _)| index).collect())
    }
}

/// A file counts when its writer closes it or puts it there: what is half written does not.
fn changes() -> AddWatchFlags {
    AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
}

/// File systems whose changes inotify(7) does not tell, by the number that statfs(2) gives.
const SILENT: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
];

fn file_system(path: &Path) -> Result<(), String> {
    let of_directory = || path.parent().and_then(|directory| statfs(directory).ok());
    let Some(found) = statfs(path).ok().or_else(of_directory) else { return Ok(()) };
    let number = found.filesystem_type().0 & 0xffff_ffff;
    match SILENT.iter().find(|(silent, _)| *silent == number) {
        Some((_, name)) => Err(format!("it lies on {name}, which does not tell of changes")),
        None => Ok(()),
    }
}

/// The beginning of a file.
pub fn read(path: &Path) -> io::Result<String> {
    // Whatever else is at the path is not waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a number where there is no file, or in any case. A link in its place is not followed.
pub fn initialise(path: &Path, value: i64, overwrite: bool) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let made = options.clone().create_new(true).open(path);
    let mut file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !overwrite {
                return Ok(());
            }
            let file = options.open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            file.set_len(0)?;
            file
        }
        other => other?,
    };
    writeln!(file, "{value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn changes_within(files: &mut WatchedFiles, span: Duration) -> bool {
        let end = Instant::now() + span;
        while Instant::now() < end {
            if !files.changed().unwrap().is_empty() {
                files.watch(0);
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn a_file_may_appear_change_be_replaced_and_vanish() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("number"), directory.path().join("other"));
        let mut files = WatchedFiles::new(vec![path.clone()]).unwrap();
        assert_eq!(files.unseen(0), None);
        let second = Duration::from_secs(1);
        fs::write(&other, "1").unwrap();
        assert!(!changes_within(&mut files, Duration::from_millis(20)), "another file");
        for step in [
            &(|| fs::write(&path, "1").unwrap()) as &dyn Fn(),
            &|| fs::write(&path, "2").unwrap(),
            &|| fs::rename(&other, &path).unwrap(),
            &|| fs::remove_file(&path).unwrap(),
        ] {
            step();
            assert!(changes_within(&mut files, second));
        }
    }

    #[test]
    fn a_link_and_what_it_leads_to_are_watched() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("target"), "1").unwrap();
        let path = directory.path().join("link");
        std::os::unix::fs::symlink(inner.join("target"), &path).unwrap();
        let mut files = WatchedFiles::new(vec![path.clone()]).unwrap();
        fs::write(inner.join("target"), "2").unwrap();
        assert!(changes_within(&mut files, Duration::from_secs(1)), "the target");
        fs::remove_file(&path).unwrap();
        assert!(changes_within(&mut files, Duration::from_secs(1)), "the link");
    }

    #[test]
    fn what_cannot_be_watched_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let files = WatchedFiles::new(vec![directory.path().join("none/number"), "/proc/loadavg".into()]).unwrap();
        assert!(files.unseen(0).is_some_and(|why| why.contains("No such file")), "{:?}", files.unseen(0));
        assert!(files.unseen(1).is_some_and(|why| why.contains("proc")), "{:?}", files.unseen(1));
    }

    #[test]
    fn only_an_existing_file_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        initialise(&path, 5, false).unwrap();
        assert_eq!(read(&path).unwrap(), "5\n");
        initialise(&path, 6, false).unwrap();
        assert_eq!(read(&path).unwrap(), "5\n");
        initialise(&path, -7, true).unwrap();
        assert_eq!(read(&path).unwrap(), "-7\n");
        assert!(read(directory.path()).is_err());
    }
}
