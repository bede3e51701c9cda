//! The socket file of the control link: who may open it is settled before anyone can connect.
//!
//! A lock file beside the socket, held as long as the engine lives, tells a live engine from the remains of a dead one.

use anyhow::{Context, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::Gid;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A socket file that is ours; dropping it removes it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    lock_path: PathBuf,
    _lock: Flock<File>,
}

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_some_and(|i| i == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Listens at `path`. Only this user may connect, and members of `groups`; the socket file of a dead engine is
/// replaced, a live engine is an error that names its process.
pub fn listen(path: &Path, groups: &[Gid]) -> anyhow::Result<(UnixListener, SocketFile)> {
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .with_context(|| format!("control socket: create directory {}", directory.display()))?;
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let lock = lock(&lock_path, path)?;
    clear_remains(path)?;
    let socket = bind(path, groups).with_context(|| format!("control socket: listen at {}", path.display()))?;
    let inode = inode(path).with_context(|| format!("control socket: {} vanished", path.display()))?;
    let file = SocketFile { path: path.to_owned(), inode, lock_path, _lock: lock };
    Ok((socket.into(), file))
}

/// A connection is refused until `listen`, so the permissions are complete before the first one.
fn bind(path: &Path, groups: &[Gid]) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux takes the file's mode from the socket's inode: no moment with a wider one, and no change of the umask,
    // which belongs to the whole process.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(&SockAddr::unix(path).context("a socket's path has at most 107 bytes")?)?;
    if let Some(first) = groups.first() {
        std::os::unix::fs::chown(path, None, Some(first.as_raw()))
            .with_context(|| format!("give it to group {first}"))?;
        fs::set_permissions(path, Permissions::from_mode(0o660)).context("open it to its group")?;
    }
    if groups.len() > 1 {
        set_acl(path, &groups[1..])
            .context("open it to a second group by an access control list (or set both groups to the same one)")?;
    }
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The lock of the engine that listens at `path`.
fn lock(lock_path: &Path, path: &Path) -> anyhow::Result<Flock<File>> {
    let what = || format!("control socket: lock {}", lock_path.display());
    for _ in 0..5 {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(lock_path)
            .with_context(what)?;
        let mut holder = String::new();
        let _ = (&file).take(20).read_to_string(&mut holder);
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // Its former holder may have removed the file between our open and our lock.
                let ours = lock.metadata().with_context(what)?;
                if inode(lock_path) == Some((ours.dev(), ours.ino())) {
                    lock.set_len(0).and_then(|()| lock.rewind()).with_context(what)?;
                    write!(lock, "{}", std::process::id()).with_context(what)?;
                    return Ok(lock);
                }
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                let holder = holder.trim();
                let pid = if holder.is_empty() { "unknown" } else { holder };
                bail!("an engine listens at {} already: pid {pid}; stop it or choose another socket", path.display());
            }
            Err((_, error)) => return Err(error).with_context(what),
        }
    }
    bail!("control socket: {} keeps changing", lock_path.display())
}

/// Removes the socket file that a dead engine left behind.
fn clear_remains(path: &Path) -> anyhow::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    ensure!(found.file_type().is_socket(), "{} exists and is not a socket: choose another path", path.display());
    match UnixStream::connect(path) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("remove the dead socket {}", path.display()))
        }
        Ok(stream) => {
            let pid = nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)
                .map_or("unknown".into(), |c| c.pid().to_string());
            bail!("something listens at {} already: pid {pid}; stop it or choose another socket", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("{} is in use", path.display())),
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// The supplementary groups of the process at the other end, as they were when it connected.
#[expect(unsafe_code, reason = "SO_PEERGROUPS has no safe wrapper")]
pub fn peer_groups(stream: &impl AsRawFd) -> std::io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(groups.as_slice())).unwrap_or(0);
        // SAFETY: the kernel writes at most `bytes` bytes into a buffer of that size, and updates `bytes`.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let wanted = bytes as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(wanted);
            return Ok(groups);
        }
        let error = std::io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || wanted <= groups.len() {
            return Err(error);
        }
        groups.resize(wanted, 0);
    }
}

/// Reading and writing for the owner, the file's group and `groups`, nothing for others.
#[expect(unsafe_code, reason = "setxattr has no safe wrapper among the dependencies")]
fn set_acl(path: &Path, groups: &[Gid]) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let value = acl(groups);
    // SAFETY: the path and the name end in NUL, and the value is read for exactly its length.
    let result = unsafe {
        libc::setxattr(path.as_ptr(), c"system.posix_acl_access".as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// The kernel's form of an access control list (include/uapi/linux/posix_acl_xattr.h): version 2, then tag,
/// permissions and id of each entry, in the order of the tags.
fn acl(groups: &[Gid]) -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    let (owner, owning_group, group, mask, other) = (0x01, 0x04, 0x08, 0x10, 0x20);
    let mut ids: Vec<u32> = groups.iter().map(|g| g.as_raw()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut entries: Vec<(u16, u16, u32)> = vec![(owner, 6, NO_ID), (owning_group, 6, NO_ID)];
    entries.extend(ids.into_iter().map(|id| (group, 6, id)));
    entries.extend([(mask, 6, NO_ID), (other, 0, NO_ID)]);
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn without_groups_only_the_owner_may_connect() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/a.sock");
        let (_listener, file) = listen(&path, &[]).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(file);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "socket and lock are removed");
    }

    #[test]
    fn the_remains_of_a_dead_engine_are_replaced_and_a_live_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, _file) = listen(&path, &[]).unwrap();
        let error = format!("{:#}", listen(&path, &[]).unwrap_err());
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    }

    #[test]
    fn a_listener_that_is_no_engine_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let _other = UnixListener::bind(&path).unwrap();
        assert!(format!("{:#}", listen(&path, &[]).unwrap_err()).contains("something listens"));
        let path = directory.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert!(format!("{:#}", listen(&path, &[]).unwrap_err()).contains("not a socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn one_group_is_a_mode_and_two_are_a_list() {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "needs root");
            eprintln!("skipped: giving a socket to a group needs root");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let (_listener, file) = listen(&path, &[Gid::from_raw(4242)]).unwrap();
        assert_eq!((mode(&path), fs::metadata(&path).unwrap().gid()), (0o660, 4242));
        drop(file);
        match listen(&path, &[Gid::from_raw(4242), Gid::from_raw(4343)]) {
            Ok(_both) => assert_eq!(mode(&path), 0o660, "the mask"),
            Err(error) => assert!(format!("{error:#}").contains("same one"), "{error:#}"),
        }
    }

    #[test]
    fn an_access_list_has_the_kernel_s_form() {
        let bytes = acl(&[Gid::from_raw(9), Gid::from_raw(7)]);
        assert_eq!(bytes.len(), 4 + 6 * 8);
        assert_eq!(bytes.get(20..28), Some([8, 0, 6, 0, 7, 0, 0, 0].as_slice()), "groups by id");
    }

    #[test]
    fn the_groups_of_a_peer_are_those_of_its_process() {
        let (a, _b) = UnixStream::pair().unwrap();
        let ours: Vec<u32> = nix::unistd::getgroups().unwrap().iter().map(|g| g.as_raw()).collect();
        assert_eq!(peer_groups(&a).unwrap(), ours);
    }
}
