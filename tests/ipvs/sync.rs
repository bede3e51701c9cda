//! The synchronisation daemons and timeouts of the table beside those of keepalived.

use crate::ipvsadm::ipvsadm;
use crate::same::{PATIENCE, end, engine, in_namespace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const INSTANCE: &str = "vrrp_instance VI {
    interface d0
    version 3
    virtual_router_id 51
    priority 100
    advert_int INTERVAL
    virtual_ipaddress {
        10.50.0.9
    }
}
virtual_server 10.50.0.9 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.1.0.1 80 {
    }
}
";

/// The line of `global_defs`, the interval of adverts (with the longest the instance stays BACKUP), and the daemons.
const LINES: &[(&str, &str, &[&str])] = &[
    ("lvs_sync_daemon d0 VI", "0.2", &["master"]),
    ("lvs_sync_daemon d0 VI", "40", &["backup"]),
    ("lvs_sync_daemon d0 inst VI id 7 maxlen 1400 port 9999 ttl 3 group 224.0.0.99", "0.2", &["master"]),
    ("lvs_sync_daemon d0 id 9 maxlen 1300", "0.2", &["master", "backup"]),
];

pub(crate) fn daemons_follow_the_instance() {
    let directory = Path::new("/tmp/vipdeck-sync");
    std::fs::create_dir_all(directory).unwrap();
    for (number, (line, interval, roles)) in LINES.iter().enumerate() {
        let file = directory.join(format!("{number}.conf"));
        let globals = format!("global_defs {{\n    {line}\n    lvs_timeouts tcp 100 udp 30\n}}\n");
        std::fs::write(&file, globals + &INSTANCE.replace("INTERVAL", interval)).unwrap();
        let file = file.as_path();
        let ours = |file: &Path| engine(file, &file.with_extension("sock"), &file.with_extension("our"));
        let [theirs, ours] = std::thread::scope(|scope| {
            let one = scope.spawn(|| in_namespace(|| states(file, roles, &keepalived)));
            let other = scope.spawn(|| in_namespace(|| states(file, roles, &ours)));
            [one.join().unwrap(), other.join().unwrap()]
        });
        assert_eq!(theirs, ours, "{line}");
    }
    in_namespace(|| reloaded(directory));
}

fn keepalived(file: &Path) -> Child {
    let log = std::fs::File::create(file.with_extension("log")).unwrap();
    let pid = |suffix: &str| file.with_extension(suffix);
    let mut command = Command::new("keepalived");
    command.args(["--dont-fork", "--log-console", "--use-file"]).arg(file);
    for (option, suffix) in [("--pid", "pid"), ("--vrrp_pid", "vpid"), ("--checkers_pid", "cpid")] {
        command.arg(option).arg(pid(suffix));
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn link() {
    for line in ["link add d0 type dummy", "link set d0 up multicast on", "address add 10.50.0.1/24 dev d0"] {
        assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "{line}");
    }
}

fn daemons() -> String {
    ipvsadm("-Ln --daemon")
}

fn timeouts() -> String {
    ipvsadm("-Ln --timeout")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: {}{}", daemons(), timeouts());
        sleep(Duration::from_millis(50));
    }
}

/// Daemons and timeouts while it runs; at the end all is as before.
fn states(file: &Path, roles: &[&str], start: &(dyn Fn(&Path) -> Child + Sync)) -> [String; 2] {
    link();
    let before = timeouts();
    let mut child = start(file);
    let runs = |text: &str| {
        text.lines().count() == roles.len() && roles.iter().all(|role| text.contains(&format!("{role} sync daemon")))
    };
    until("the daemons", || runs(&daemons()) && timeouts() != before);
    let seen = [daemons(), timeouts()];
    end(&mut child, Signal::SIGTERM);
    until("no daemon at the end", || daemons().is_empty());
    assert_eq!(timeouts(), before, "timeouts at the end");
    seen
}

/// Another line is taken up, and none ends the daemon (keepalived lets it run).
fn reloaded(directory: &Path) {
    link();
    let [file, socket, log] = ["r.conf", "r.sock", "r.our"].map(|name| directory.join(name));
    let write = |line: &str| {
        std::fs::write(&file, format!("global_defs {{\n{line}\n}}\n{}", INSTANCE.replace("INTERVAL", "0.2"))).unwrap();
    };
    write("lvs_sync_daemon d0 VI id 7\nlvs_timeouts tcp 77");
    let mut child = engine(&file, &socket, &log);
    until("the daemon", || daemons().contains("master sync daemon (mcast=d0, syncid=7,"));
    until("the timeouts", || timeouts().contains(" 77 "));
    write("lvs_sync_daemon d0 VI id 8");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    until("another id", || daemons().contains("master sync daemon (mcast=d0, syncid=8,"));
    until("the timeouts as before", || !timeouts().contains(" 77 "));
    write("");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    until("none", || daemons().is_empty());
    end(&mut child, Signal::SIGTERM);
}
