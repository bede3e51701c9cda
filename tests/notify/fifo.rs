//! Named pipes: read as somebody's tool would, and next to keepalived's.

use crate::engine::{events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, has, signal};
use crate::{Bench, ONE, text};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

const PLAIN: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {
        10.9.0.20/24
    }
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 120
    advert_int 1
    virtual_ipaddress {
        10.9.0.21/24
    }
}
vrrp_sync_group VG_1 {
    group {
        VI_1
        VI_2
    }
}
";

fn with_fifo(path: &Path, rest: &str) -> String {
    format!("global_defs {{\n    vrrp_notify_fifo {}\n}}\n{rest}", path.display())
}

/// A reader that is there all the time.
struct Reader {
    file: File,
    read: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> Self {
        let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap();
        Self { file, read: Vec::new() }
    }

    fn text(&mut self) -> String {
        let mut some = [0; 4096];
        while let Ok(length @ 1..) = self.file.read(&mut some) {
            self.read.extend_from_slice(&some[..length]);
        }
        String::from_utf8(self.read.clone()).unwrap()
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_fifo())
}

/// The lines of each instance and group; how those of different ones are mixed is nobody's promise.
fn by_name(text: &str) -> Vec<(String, Vec<String>)> {
    let of = |name: &str| text.split_inclusive('\n').filter(|l| l.contains(name)).map(str::to_owned).collect();
    ["\"VI_1\"", "\"VI_2\"", "\"VG_1\""].map(|name| (name.to_owned(), of(name))).into()
}

/// What keepalived tells of a start, a link that goes and comes, and a stop.
fn keepalived_says(pair: &Pair, directory: &Path) -> String {
    let path = directory.join("keepalived.fifo");
    let file = directory.join("keepalived.conf");
    std::fs::write(&file, with_fifo(&path, PLAIN)).unwrap();
    let (parent, child) = (directory.join("parent.pid"), directory.join("child.pid"));
    let argv = ["keepalived", "-n", "-l", "-D", "-P", "-f", text(&file), "-p", text(&parent), "-r", text(&child)];
    let running = Running::start(&pair.a, directory, "keepalived", &argv);
    events_of(pair, &path, running)
}

fn events_of(pair: &Pair, path: &Path, running: Running) -> String {
    wait_for("the pipe", 10, || is_pipe(path));
    let mut reader = Reader::open(path);
    let masters = |text: &str| text.matches("GROUP \"VG_1\" MASTER 0\n").count();
    wait_for("MASTER", 15, || masters(&reader.text()) == 1);
    pair.ip_a("link set eth0 down");
    wait_for("FAULT", 10, || reader.text().contains("GROUP \"VG_1\" FAULT 0\n"));
    pair.ip_a("link set eth0 up");
    wait_for("MASTER again", 15, || masters(&reader.text()) == 2);
    running.stop();
    reader.text()
}

#[test]
fn the_same_events_are_told_in_the_same_bytes_as_keepalived_tells_them() {
    if !has(&["keepalived"]) {
        return;
    }
    let Some(mut bench) = Bench::new("") else { return };
    let theirs = keepalived_says(&bench.pair, bench.directory.path());
    let path = bench.path("vipdeck.fifo");
    std::fs::write(bench.path("notify.conf"), with_fifo(&path, PLAIN)).unwrap();
    bench.start();
    let running = bench.engine.take().unwrap();
    let ours = events_of(&bench.pair, &path, running);
    assert!(!path.exists(), "a pipe that was made here is removed");
    assert_eq!(by_name(&ours), by_name(&theirs), "\nvipdeck:\n{ours}\nkeepalived:\n{theirs}");
}

#[test]
fn states_are_told_again_after_a_reload_if_asked_for() {
    let Some(mut bench) = Bench::new("") else { return };
    let path = bench.path("events.fifo");
    let lines = with_fifo(&path, PLAIN).replacen("{\n", "{\n    fifo_write_vrrp_states_on_reload\n", 1);
    std::fs::write(bench.path("notify.conf"), lines).unwrap();
    bench.start();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let mut reader = Reader::open(&path);
    wait_for("MASTER", 15, || reader.text().contains("GROUP \"VG_1\" MASTER 0\n"));
    let before = reader.text();
    signal(bench.engine.as_ref().unwrap().pid(), Signal::SIGHUP);
    let again = "INSTANCE \"VI_1\" MASTER 150\nINSTANCE \"VI_2\" MASTER 120\nGROUP \"VG_1\" MASTER 0\n";
    wait_for("all states again", 10, || reader.text() == format!("{before}{again}"));
}

#[test]
fn a_path_that_is_no_pipe_is_left_alone_and_said() {
    let Some(mut bench) = Bench::new("") else { return };
    let path = bench.path("file");
    std::fs::write(&path, "precious").unwrap();
    std::fs::write(bench.path("notify.conf"), with_fifo(&path, ONE)).unwrap();
    let text = std::fs::read_to_string(bench.path("notify.conf")).unwrap().replace("TELL", "/bin/true");
    std::fs::write(bench.path("notify.conf"), text).unwrap();
    bench.start();
    wait_for("it is said", 5, || events(&bench.path("sock")).iter().any(|e| e.text.contains("it is not a named pipe")));
    wait_for("MASTER", 8, || status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
    assert!(bench.engine.take().unwrap().stop().success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_full_pipe_holds_nothing_up_and_its_lines_wait_for_a_reader() {
    let Some(mut bench) = Bench::new("") else { return };
    let path = bench.path("events.fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
    // Somebody else has filled it.
    let mut full = File::options().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
    while std::io::Write::write(&mut full, &[b'x'; 4096]).is_ok() {}
    let lines = with_fifo(&path, PLAIN).replacen("{\n", "{\n    fifo_write_vrrp_states_on_reload\n", 1);
    std::fs::write(bench.path("notify.conf"), lines).unwrap();
    bench.start();
    wait_for("MASTER", 15, || status(&bench.path("sock")).is_some_and(|s| s.instances.iter().all(is_master)));
    let mut reader = Reader::open(&path);
    wait_for("the lines that waited", 5, || reader.text().ends_with("GROUP \"VG_1\" MASTER 0\n"));
    assert!(bench.engine.take().unwrap().stop().success());
    assert!(is_pipe(&path), "a pipe that was there before stays");
}
