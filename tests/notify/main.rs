//! Notify scripts: real ones, run by a real engine. Needs root and iproute2.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::disallowed_methods,
    reason = "test code"
)]

#[path = "../common/engine.rs"]
mod engine;
mod fifo;
mod leaving;
mod mail;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
#[path = "../common/programs.rs"]
mod programs;
mod sink;
mod slow;

use crate::engine::{PROGRAM, events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::Running;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An engine with two grouped instances, and a script that writes down how it was called and takes its time.
struct Bench {
    engine: Option<Running>,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(lines: &str) -> Option<Self> {
        let pair = Pair::new()?;
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { engine: None, pair, directory };
        let log = bench.path("calls");
        let script = format!(
            "#!/bin/sh\necho \"begin $*\" >> {log}\nsleep 0.3\necho \"end $*\" >> {log}\n",
            log = log.display()
        );
        std::fs::write(bench.path("tell"), script).unwrap();
        std::fs::set_permissions(bench.path("tell"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let tell = bench.path("tell");
        let text = lines.replace("TELL", &tell.display().to_string());
        std::fs::write(bench.path("notify.conf"), text).unwrap();
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    /// With this configuration.
    fn start_as(&mut self, lines: &str) -> Running {
        std::fs::write(self.path("notify.conf"), lines).unwrap();
        self.start();
        self.engine.take().unwrap()
    }

    /// With settings as variables.
    fn start_with(&mut self, variables: &[&str]) {
        let (file, socket) = (self.path("notify.conf"), self.path("sock"));
        let rest = [PROGRAM, "run", "--headless", "-f", text(&file), "--control", text(&socket)];
        let argv = [&["env"][..], variables, &rest].concat();
        self.engine = Some(Running::start(&self.pair.a, self.directory.path(), "engine", &argv));
        wait_for("the engine answers", 10, || status(&socket).is_some());
    }

    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn verb(&self, verb: &str) {
        let mut command = Command::new(PROGRAM);
        command.args([verb, "VI_1", "--at"]).arg(self.path("sock"));
        assert!(command.output().unwrap().status.success());
    }
}

/// keepalived and vipdeck go through the same at the same time, each in a network of its own.
fn side_by_side<T: Send>(
    theirs: impl FnOnce(&Bench) -> T + Send,
    ours: impl FnOnce(&mut Bench) -> T,
) -> Option<(T, T)> {
    if !programs::has(&["keepalived"]) {
        return None;
    }
    let (first, mut second) = (Bench::new("")?, Bench::new("")?);
    Some(std::thread::scope(|scope| {
        let theirs = scope.spawn(move || theirs(&first));
        let ours = ours(&mut second);
        (theirs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ours)
    }))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const ONE: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        10.9.0.20/24
    }
    notify \"TELL any\"
    notify_master \"TELL master\"
    notify_backup \"TELL backup\"
    notify_stop \"TELL stop\"
}
";

// parity: 63 64
#[test]
fn states_are_told_in_order_one_after_the_other_backup_first_and_stop_last() {
    let Some(mut bench) = Bench::new(ONE) else { return };
    bench.start();
    wait_for("MASTER", 8, || status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
    // Three changes within a moment, while the scripts of the first still run.
    bench.verb("demote");
    bench.verb("restore");
    wait_for("all has been told", 10, || bench.calls().len() == 16);
    assert!(bench.engine.take().unwrap().stop().success());
    let expected = |state: &str, word: &str, priority: u8| {
        let any = format!("any INSTANCE VI_1 {word} {priority}");
        [format!("begin {state}"), format!("end {state}"), format!("begin {any}"), format!("end {any}")]
    };
    let mut all = Vec::new();
    all.extend(expected("backup", "BACKUP", 150));
    all.extend(expected("master", "MASTER", 150));
    all.extend(expected("backup", "BACKUP", 1));
    all.extend(expected("master", "MASTER", 150));
    all.extend(expected("stop", "STOP", 150));
    assert_eq!(bench.calls(), all);
}

#[test]
fn a_script_that_fails_stands_on_the_timeline_and_holds_nothing_up() {
    let failing = ONE.replace("\"TELL master\"", "\"/bin/false\"").replace("\"TELL backup\"", "\"/no/such/script\"");
    let Some(mut bench) = Bench::new(&failing) else { return };
    bench.start();
    let told = |text: &str| events(&bench.path("sock")).iter().any(|e| e.text.contains(text));
    wait_for("both ends", 10, || {
        told("notify_master: exit status 1") && told("notify_backup: cannot run: /no/such/script")
    });
    assert!(status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
}

#[test]
fn members_and_their_group_are_told_each_in_its_order() {
    let member = |number: u8| {
        format!(
            "vrrp_instance VI_{number} {{\ninterface eth0\nvirtual_router_id 5{number}\npriority 150\n\
             virtual_ipaddress {{\n10.9.0.2{number}/24\n}}\nnotify \"TELL\"\n}}\n"
        )
    };
    let group = "vrrp_sync_group VG_1 {\ngroup {\nVI_1\nVI_2\n}\nnotify \"TELL\"\n}\n";
    let Some(mut bench) = Bench::new(&format!("{}{}{group}", member(1), member(2))) else { return };
    bench.start();
    wait_for("the group is MASTER", 10, || bench.calls().iter().any(|c| c == "end GROUP VG_1 MASTER 0"));
    let calls = bench.calls();
    let place = |call: &str| calls.iter().position(|c| c == call).unwrap_or_else(|| panic!("no {call} in {calls:?}"));
    for member in ["VI_1", "VI_2"] {
        assert!(
            place(&format!("end INSTANCE {member} BACKUP 150")) < place(&format!("begin INSTANCE {member} MASTER 150"))
        );
    }
    assert!(place("end GROUP VG_1 BACKUP 0") < place("begin GROUP VG_1 MASTER 0"));
}
