//! Named pipes: read as somebody's tool would, and next to keepalived's.

use crate::engine::{events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, signal};
use crate::{Bench, ONE, side_by_side, text};
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

pub(crate) fn keepalived(pair: &Pair, directory: &Path, lines: &str) -> Running {
    let file = directory.join("keepalived.conf");
    std::fs::write(&file, lines).unwrap();
    let (parent, child) = (directory.join("parent.pid"), directory.join("child.pid"));
    let argv = ["keepalived", "-n", "-l", "-D", "-P", "-f", text(&file), "-p", text(&parent), "-r", text(&child)];
    Running::start(&pair.a, directory, "keepalived", &argv)
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

// parity: 66
#[test]
fn the_same_events_are_told_in_the_same_bytes_as_keepalived_tells_them() {
    let theirs = |bench: &Bench| {
        let path = bench.path("events.fifo");
        let running = keepalived(&bench.pair, bench.directory.path(), &with_fifo(&path, PLAIN));
        events_of(&bench.pair, &path, running)
    };
    let ours = |bench: &mut Bench| {
        let path = bench.path("events.fifo");
        let running = bench.start_as(&with_fifo(&path, PLAIN));
        let told = events_of(&bench.pair, &path, running);
        assert!(!path.exists(), "a pipe that was made here is removed");
        told
    };
    let Some((theirs, ours)) = side_by_side(theirs, ours) else { return };
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

/// With a script that can be told to fail; priorities change while MASTER and while in FAULT.
fn with_script(path: &Path, flag: &Path) -> String {
    let tracked = PLAIN.replacen(
        "    virtual_ipaddress {",
        "    track_script {\n        chk\n    }\n    notify_priority_changes\n    virtual_ipaddress {",
        1,
    );
    let script = format!(
        "vrrp_script chk {{\n    script \"/usr/bin/test ! -e {}\"\n    interval 1\n    weight -20\n}}\n",
        flag.display()
    );
    let alone = tracked.split("vrrp_sync_group").next().unwrap().to_owned();
    with_fifo(path, &format!("{script}{alone}")).replacen("{\n", "{\n    script_user root\n", 1)
}

fn priorities_of(pair: &Pair, path: &Path, flag: &Path, running: Running) -> String {
    wait_for("the pipe", 10, || is_pipe(path));
    let mut reader = Reader::open(path);
    let mut ends = |line: &str| wait_for(line, 15, || of(&reader.text(), "\"VI_1\"").ends_with(&format!("{line}\n")));
    ends("MASTER 150");
    std::fs::write(flag, "").unwrap();
    ends("MASTER_PRIORITY 130");
    std::fs::remove_file(flag).unwrap();
    ends("MASTER_PRIORITY 150");
    pair.ip_a("link set eth0 down");
    ends("FAULT 150");
    std::fs::write(flag, "").unwrap();
    ends("BACKUP_PRIORITY 130");
    std::fs::remove_file(flag).unwrap();
    ends("BACKUP_PRIORITY 150");
    running.stop();
    pair.ip_a("link set eth0 up");
    reader.text()
}

fn of(text: &str, name: &str) -> String {
    text.split_inclusive('\n').filter(|l| l.contains(name)).collect()
}

// parity: 67
#[test]
fn changes_of_the_priority_are_told_as_keepalived_tells_them() {
    let theirs = |bench: &Bench| {
        let (path, flag) = (bench.path("events.fifo"), bench.path("failing"));
        let running = keepalived(&bench.pair, bench.directory.path(), &with_script(&path, &flag));
        priorities_of(&bench.pair, &path, &flag, running)
    };
    let ours = |bench: &mut Bench| {
        let (path, flag) = (bench.path("events.fifo"), bench.path("failing"));
        let running = bench.start_as(&with_script(&path, &flag));
        priorities_of(&bench.pair, &path, &flag, running)
    };
    let Some((theirs, ours)) = side_by_side(theirs, ours) else { return };
    let one = |text: &str| of(text, "\"VI_1\"");
    assert_eq!(one(&ours), one(&theirs));
    assert!(!of(&ours, "\"VI_2\"").contains("PRIORITY"), "{ours}");
}

const READER: &str =
    "#!/bin/sh\necho \"reads $*\" >> LOG\nwhile read -r line; do echo \"$line\" >> LOG; done < \"$2\"\n";

#[test]
fn what_reads_a_fifo_is_started_kept_over_a_reload_started_again_and_reads_the_last_line() {
    let Some(mut bench) = Bench::new("") else { return };
    let (path, log) = (bench.path("events.fifo"), bench.path("read"));
    std::fs::write(bench.path("tell"), READER.replace("LOG", text(&log))).unwrap();
    let script = format!("{{\n    vrrp_notify_fifo_script \"{} word\"\n", bench.path("tell").display());
    let lines = with_fifo(&path, ONE).replacen("{\n", &script, 1).replace("TELL", "/bin/true");
    std::fs::write(bench.path("notify.conf"), lines).unwrap();
    bench.start();
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    let begins = format!("reads word {}\n", path.display());
    wait_for("MASTER is read", 15, || read().ends_with("INSTANCE \"VI_1\" MASTER 150\n"));
    assert!(read().starts_with(&begins), "{}", read());
    let pid = bench.engine.as_ref().unwrap().pid();
    signal(pid, Signal::SIGHUP);
    wait_for("the reload", 5, || {
        events(&bench.path("sock")).iter().any(|e| e.text.starts_with("configuration reloaded"))
    });
    assert_eq!(read().matches(&begins).count(), 1);
    let runs =
        |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|l| l.contains(text(&path)));
    let all = std::fs::read_dir("/proc").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let reader = all.filter(|name| name.parse::<u32>().is_ok()).find(|pid| runs(pid));
    signal(reader.expect("a reader").parse().unwrap(), Signal::SIGKILL);
    wait_for("a second one", 5, || read().matches(&begins).count() == 2);
    let told = events(&bench.path("sock"));
    let told = told.iter().filter(|e| e.kind == "notify").map(|e| e.text.clone()).collect::<Vec<_>>();
    assert!(told.iter().any(|t| t.contains("has ended (killed by SIGKILL): it is started again in 1 s")), "{told:?}");
    assert!(bench.engine.take().unwrap().stop().success());
    assert!(read().ends_with("INSTANCE \"VI_1\" STOP 150\n"), "{}", read());
}

/// Two real servers that answer nobody at first.
const SERVICE: &str = "\
virtual_server 10.9.0.20 80 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 127.0.0.1 8081 {
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
    real_server 127.0.0.1 8082 {
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
}
";

/// The lines are those of keepalived 2.2.7 under a kernel with ip_vs; 2.4 adds a NUL byte to each.
// parity: 66
#[test]
fn services_are_told_in_keepalived_s_lines_with_and_without_its_nul() {
    for end in ["\n", "\n\0"] {
        let Some(mut bench) = Bench::new("") else { return };
        let (lvs, both) = (bench.path("lvs.fifo"), bench.path("both.fifo"));
        let globals = format!(
            "global_defs {{\n    lvs_notify_fifo {}\n    notify_fifo {}\n    vrrp_notify_fifo {}\n}}\n",
            lvs.display(),
            both.display(),
            bench.path("vrrp.fifo").display()
        );
        std::fs::write(bench.path("notify.conf"), format!("{globals}{SERVICE}{}", ONE.replace("TELL", "/bin/true")))
            .unwrap();
        bench.start_with(if end == "\n" { &[] } else { &["VIPDECK_NOTIFY__LVS_FIFO_NUL=true"] });
        let mut readers = [&lvs, &both, &bench.path("vrrp.fifo")].map(|path| Reader::open(path));
        let down = format!("VS [10.9.0.20]:tcp:80 DOWN{end}");
        wait_for("DOWN", 10, || readers[0].text().ends_with(&down));
        let listen = || std::net::TcpListener::bind("127.0.0.1:8081").unwrap();
        let listener = crate::namespaces::inside(&bench.pair.a, listen);
        let up = format!("RS [127.0.0.1]:tcp:8081 [10.9.0.20]:tcp:80 UP{end}VS [10.9.0.20]:tcp:80 UP{end}");
        wait_for("UP", 10, || readers[0].text().ends_with(&up));
        drop(listener);
        let again = format!("RS [127.0.0.1]:tcp:8081 [10.9.0.20]:tcp:80 DOWN{end}{down}");
        wait_for("DOWN again", 10, || readers[0].text().ends_with(&again));
        let text = readers[0].text();
        let first = |port: u16| text.find(&format!("RS [127.0.0.1]:tcp:{port} [10.9.0.20]:tcp:80 DOWN{end}")).unwrap();
        assert!(first(8081).max(first(8082)) < text.find(&down).unwrap(), "{text:?}");
        // As keepalived does: the quorum is there at the start, before any check.
        let vs_up = format!("VS [10.9.0.20]:tcp:80 UP{end}");
        assert!(text.starts_with(&vs_up), "{text:?}");
        assert!(text.ends_with(&format!("{down}{up}{again}")), "{text:?}");
        assert_eq!((text.matches("RS [").count(), text.matches("VS [").count()), (4, 4), "{text:?}");
        assert_eq!(text.matches(end).count(), 8, "{text:?}");
        // The one for all has these, too, and the one of instances none.
        let all = readers[1].text();
        assert_eq!(all.matches("RS [").count(), 4, "{all:?}");
        assert!(all.contains("INSTANCE \"VI_1\" BACKUP 150\n"), "{all:?}");
        let vrrp = readers[2].text();
        assert!(vrrp.contains("INSTANCE \"VI_1\" BACKUP 150\n") && !vrrp.contains('['), "{vrrp:?}");
    }
}
