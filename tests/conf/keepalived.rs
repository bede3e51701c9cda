//! The same files before keepalived itself, where it is installed: `keepalived -t` in a network namespace with eth0.

use crate::root;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use vipdeck::conf::{self, Memory, Severity};

/// Where the two differ on purpose: (case, keepalived is clean, why).
const DIFFERENT: &[(&str, bool, &str)] = &[
    ("unquoted-script", true, "keepalived runs the first word only and says nothing"),
    ("weak-password", true, "keepalived says nothing of a password without a type"),
    ("words", true, "keepalived says nothing of words that it ignores"),
    ("implied-owner", true, "keepalived says nothing of a priority 255 that nobody wrote"),
    ("weights", true, "keepalived does not add weights up before it runs"),
    ("later-script", false, "keepalived wants the script before the instance; the order does not matter here"),
];

#[test]
fn keepalived_and_vipdeck_agree_on_what_is_clean() {
    let Some(namespace) = Namespace::new("conf") else { return };
    let mut wrong = Vec::new();
    for (name, path) in files() {
        let status = namespace.check(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, diagnostics, _) = conf::parse(Path::new("x"), &Memory::one("x", &text));
        let ours = conf::worst(&diagnostics).is_none_or(|worst| worst < Severity::Warning);
        let theirs = status == Some(0);
        let listed = DIFFERENT.iter().find(|(case, ..)| *case == name);
        let expected = listed.map_or(ours, |(_, clean, _)| *clean);
        if theirs != expected || (listed.is_some() && ours == theirs) {
            wrong.push(format!(
                "{name}: keepalived -t gives {status:?}, vipdeck {}",
                if ours { "clean" } else { "not clean" }
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The examples and the cases of one file.
fn files() -> Vec<(String, std::path::PathBuf)> {
    let mut files = Vec::new();
    for name in ["vip-pair/server1", "vip-pair/server2", "dual-master-dr/lvs1", "dual-master-dr/lvs2"] {
        files.push((name.to_owned(), root().join("assets").join(format!("{name}.conf"))));
    }
    for entry in std::fs::read_dir(root().join("tests/conf/cases")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("include") {
            files.push((name, folder.join("keepalived.conf")));
        }
    }
    files.sort();
    files
}

/// A network namespace with an interface eth0, removed at the end.
pub(crate) struct Namespace(String);

impl Namespace {
    /// None, with a word, where keepalived or the right to make a namespace is missing.
    pub(crate) fn new(what: &str) -> Option<Self> {
        let missing = |why: &str| {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must not skip this: {why}");
            writeln!(std::io::stderr(), "skipped: {why}").unwrap();
        };
        if !Command::new("keepalived").arg("--version").stderr(Stdio::null()).status().is_ok_and(|s| s.success()) {
            missing("keepalived is not installed");
            return None;
        }
        let name = format!("vdt-{what}-{}", std::process::id());
        if !ip(&["netns", "add", &name]) {
            missing("no network namespace can be made (needs root)");
            return None;
        }
        let made = Self(name.clone());
        for (link, peer) in [("eth0", "peer0"), ("eth1", "peer1")] {
            assert!(ip(&["-n", &name, "link", "add", link, "type", "veth", "peer", "name", peer]));
            assert!(ip(&["-n", &name, "link", "set", link, "up"]));
        }
        Some(made)
    }

    fn check(&self, path: &Path) -> Option<i32> {
        self.test(path, &[]).0
    }

    /// The status of `keepalived -t`, and what it says; none: a signal ended it.
    pub(crate) fn test(&self, path: &Path, options: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, "timeout", "5", "keepalived", "-t", "-f"]).arg(path).args(options);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The same for all files of a directory in one go, without the words.
    pub(crate) fn test_all(&self, directory: &Path) -> Vec<(String, i32)> {
        let each = "for f in *.conf; do timeout 5 keepalived -t -i lvs1 -f $f >$f.said 2>&1; echo $f $?; done";
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, "sh", "-c", each]).current_dir(directory);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let split = |line: &str| line.split_once(' ').map(|(name, status)| (name.to_owned(), status.parse().unwrap()));
        text.lines().filter_map(split).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
