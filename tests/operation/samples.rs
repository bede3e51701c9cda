//! keepalived's own samples, run unmodified by both: the data dumps name the same objects.

use crate::dumped::{differences, objects};
use crate::host::Host;
use crate::namespaces::{skipped, wait_for};
use crate::programs::{has, signal};
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(crate) const SAMPLES: &str = "/usr/share/doc/keepalived/samples";

/// keepalived does not start with these here, whatever it is asked for.
const NOT_HERE: &[(&str, &str)] = &[("keepalived.conf.vrrp.lvs_syncd", "keepalived ends without ip_vs in the kernel")];

/// What differs on purpose: the file, and how the lines about it end.
const ON_PURPOSE: &[(&str, &str)] = &[
    // The kernel has an address once: keepalived 2.2.7 lists it twice, its newest ignores the second as vipdeck does.
    ("keepalived.conf.vrrp", "only keepalived: Virtual IP: 192.168.200.18 dev eth0 scope global label eth0:1"),
    // A script that is not on this machine: keepalived goes on without it, here it has failed until it can be run.
    ("keepalived.conf.conditional_conf", "\"VRRP Script = check_VI_0\"): only vipdeck has it"),
    ("keepalived.conf.conditional_conf", "only vipdeck: Tracked scripts : check_VI_0 weight 0"),
];

/// How many are run at once.
const AT_ONCE: usize = 4;

// parity: 1
#[test]
fn both_find_the_same_objects_in_keepalived_s_samples() {
    if !has(&["keepalived", "ip"]) {
        return;
    }
    let Ok(entries) = std::fs::read_dir(SAMPLES) else { return skipped(&format!("no samples in {SAMPLES}")) };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| has_instances(path)).collect();
    files.sort();
    assert!(files.len() > 7, "{files:?}");
    let mut wrong = String::new();
    for some in files.chunks(AT_ONCE) {
        let differences: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = some.iter().map(|file| (file, scope.spawn(|| compared(file)))).collect();
            all.into_iter().map(|(file, thread)| (file, thread.join().unwrap())).collect()
        });
        for (file, text) in differences.into_iter().filter(|(_, text)| !text.is_empty()) {
            write!(wrong, "{}:\n{text}", file.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn has_instances(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let is_here = |file: &str| NOT_HERE.iter().all(|(not, _)| *not != file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    name.starts_with("keepalived.conf")
        && is_here(&name)
        && text.lines().any(|l| l.trim_start().starts_with("vrrp_instance"))
}

/// What the dumps of both say of one file, as far as it differs.
fn compared(file: &Path) -> String {
    let Some(host) = Host::new() else { return String::new() };
    let dump = host.path("keepalived.data");
    let dumped = |pid: u32| {
        let mut asked = 0;
        wait_for(&format!("a dump of {}", file.display()), 10, || {
            // keepalived takes the signal only after a while.
            if asked % 10 == 0 {
                signal(pid, Signal::SIGUSR1);
            }
            asked += 1;
            std::fs::read_to_string(&dump).is_ok_and(|text| text.contains("< Interfaces >"))
        });
        let text = std::fs::read_to_string(&dump).unwrap();
        std::fs::remove_file(&dump).unwrap();
        text
    };
    let keepalived = host.keepalived(file, &["-i", "high"]);
    wait_for("keepalived takes signals", 10, || keepalived.said().contains("Startup complete"));
    let theirs = dumped(keepalived.pid());
    keepalived.stop();
    // What keepalived passes over with a message, two rules of its own sample, keeps a file from being run here.
    let text = std::fs::read_to_string(file).unwrap();
    let good: Vec<_> = text.lines().filter(|line| !line.contains("./24")).collect();
    let own = if good.len() < text.lines().count() { host.write("good.conf", &good.join("\n")) } else { file.into() };
    let vipdeck = host.vipdeck(&own, &["-i", "high"]);
    let ours = dumped(vipdeck.pid());
    vipdeck.stop();
    let found = differences(&objects(&ours), &objects(&theirs));
    let is_expected = |line: &&str| ON_PURPOSE.iter().any(|(of, end)| file.ends_with(of) && line.ends_with(end));
    found.lines().filter(|line| !is_expected(line)).collect::<Vec<_>>().join("\n")
}
