//! The command line against a fake engine: what it prints and how it exits.

use crate::fake::{Fake, World};
use crate::words;
use serde_json::Value;
use std::io::Write;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use vipdeck::control::Access;
use vipdeck::settings::Settings;
use vipdeck::status::{self, Role};
use vipdeck::{cli, report};

const VIPDECK: &str = env!("CARGO_BIN_EXE_vipdeck");

pub(crate) fn run(words: &[&str]) -> Output {
    Command::new(VIPDECK).args(words).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command line at the fake and gives its exit status and what it said.
fn at(fake: &Fake, words: &[&str]) -> (i32, String) {
    let output = run(&[words, &["--at", fake.path.to_str().unwrap()]].concat());
    (output.status.code().unwrap(), said(&output))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn what_is_asked_comes_about_and_exits_with_0() {
    let lines: [&[&str]; 6] = [
        &["demote", "VI_1", "--reason", "patch", "--wait"],
        &["restore", "VI_1", "--wait"],
        &["takeover", "VI_1", "--wait"],
        &["drain", "192.0.2.21:80", "of", "192.0.2.10:80", "--wait"],
        &["return", "192.0.2.21:80", "--wait"],
        &["weight", "192.0.2.22:80", "5", "--wait"],
    ];
    let fake = Fake::start(World::Obliging);
    for line in lines {
        let (code, text) = at(&fake, line);
        assert_eq!(code, 0, "{line:?}: {text}");
        assert!(text.contains("done after"), "{line:?}: {text}");
    }
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked.len(), lines.len());
    assert_eq!(asked.first().unwrap().reason.as_deref(), Some("patch"));
}

/// Each line as the engine gets it, and as it is written again.
#[test]
fn ends_and_conditions_arrive_as_they_are_typed() {
    let fake = Fake::start(World::Obliging);
    let lines = [
        "demote VI_1 --mode fence --hold 30m --then restore --keep-within 60s --force",
        "demote --all --hold never",
        "takeover VI_1 --hold 2h",
        "restore --all --keep-within 90",
        "pause",
        "pause --for never",
        "drain 192.0.2.21:80 --hold 1h --at-expiry restore",
        "weight 192.0.2.21:80 3 --hold 10m --then stay",
        "undo",
        "undo 3",
        "keep 3",
        "lock VI_1 --for 30s",
        "unlock VI_1",
        "announce VI_1",
        "reload --keep-within 5m",
    ];
    for line in lines {
        let (code, text) = at(&fake, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{line}: {text}");
    }
    let asked = fake.asked.lock().unwrap();
    let written: Vec<_> = asked.iter().map(ToString::to_string).collect();
    let expected = [
        "demote VI_1 --mode fence --hold 30m --then restore --keep-within 1m --force",
        "demote --all",
        "takeover VI_1 --hold 2h",
        "restore --all --keep-within 90s",
        "pause --for 30m",
        "pause --for never",
        "drain 192.0.2.21:80 --hold 1h --at-expiry restore",
        "weight 192.0.2.21:80 3 --hold 10m --then stay",
        "undo",
        "undo 3",
        "keep 3",
        "lock VI_1",
        "unlock VI_1",
        "announce VI_1",
        "reload --keep-within 5m",
    ];
    assert_eq!(written, expected);
    assert_eq!(asked[0].hold_seconds, Some(1800));
    drop(asked);
    for line in ["demote", "demote VI_1 --all", "demote VI_1 --mode drop", "pause --for soon", "demote VI_1 --then go"]
    {
        let (code, text) = at(&fake, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 2, "{line}: {text}");
    }
}

#[test]
fn a_rejection_exits_with_1() {
    let fake = Fake::start(World::Obliging);
    let (code, text) = at(&fake, &["demote", "VI_9"]);
    assert_eq!((code, text.contains("rejected: there is no such instance")), (1, true), "{text}");
    let (code, text) = at(&fake, &["demote", "VI_9", "--json", "--wait"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["result"].as_str(), json["command"].as_str()), (1, Some("rejected"), Some("demote VI_9")));
}

#[test]
fn what_cannot_be_asked_exits_with_2() {
    let fake = Fake::start(World::Obliging);
    for line in [
        &["demote", "VI_1", "--at", "/nonexistent/a.sock"][..],
        &["demote", "VI_1", "--at", "vdt-no-such-engine"],
        &["demote"],
        &["status", "--at", "/nonexistent/a.sock"],
        &["events", "--at", "/nonexistent/a.sock"],
        &["relay", "--at", "/nonexistent/a.sock"],
        &["demote", "VI_1", "--wait", "--timeout", "nan", "--at", fake.path.to_str().unwrap()],
        &["drain", "192.0.2.21:80", "192.0.2.10:80", "--at", fake.path.to_str().unwrap()],
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}: {}", said(&output));
        assert!(!output.stderr.is_empty(), "{line:?}");
    }
}

#[test]
fn what_does_not_come_about_exits_with_3() {
    let fake = Fake::start(World::Stubborn);
    let (code, text) = at(&fake, &["drain", "192.0.2.21:80", "--wait", "--timeout", "1"]);
    assert_eq!((code, text.contains("7 connections are left")), (3, true), "{text}");
    let (code, text) = at(&fake, &["weight", "192.0.2.22:80", "5", "--wait", "--timeout", "1", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["outcome"].as_str()), (3, Some("timeout")));
    fake.state.lock().unwrap().instances.first_mut().unwrap().state = Role::Backup;
    assert_eq!(at(&fake, &["takeover", "VI_1", "--wait", "--timeout", "1"]).0, 3);
    assert_eq!(at(&fake, &["takeover", "VI_1"]).0, 0, "without --wait it is only accepted");
}

#[test]
fn what_comes_about_differently_exits_with_4() {
    let fake = Fake::start(World::Stubborn);
    let (code, text) = at(&fake, &["demote", "VI_1", "--wait"]);
    assert_eq!((code, text.contains("nobody took over")), (4, true), "{text}");
}

#[test]
fn the_exit_statuses_are_in_the_help() {
    let text = said(&run(&["demote", "--help"]));
    for line in ["0  done", "1  rejected", "2  could not be asked", "3  has not come about", "4  something else"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn the_status_is_a_table_or_json() {
    let fake = Fake::start(World::Obliging);
    let (code, text) = at(&fake, &["status"]);
    assert_eq!(code, 0);
    for word in ["lvs1: vipdeck", "VI_1", "MASTER", "192.0.2.10/24 here", "tcp/192.0.2.10:80", "192.0.2.22:80", "UP"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let (code, text) = at(&fake, &["status", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["node"]["name"].as_str()), (0, Some("lvs1")));
}

#[test]
fn without_a_terminal_attach_prints_the_status_and_run_refuses() {
    let fake = Fake::start(World::Obliging);
    let output = run(&["attach", fake.path.to_str().unwrap()]);
    assert_eq!((output.status.code(), said(&output).contains("lvs1: vipdeck")), (Some(0), true), "{}", said(&output));
    let output = run(&["run", "-f", "/nonexistent", "--control", "/nonexistent/a.sock"]);
    assert_eq!((output.status.code(), said(&output).contains("--headless")), (Some(2), true), "{}", said(&output));
}

#[test]
fn events_are_lines_and_are_followed() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=3);
    let (code, text) = at(&fake, &["events", "--after", "1"]);
    assert_eq!((code, text.lines().count()), (0, 2), "{text}");
    assert!(text.contains("event number 2: the test"), "{text}");
    let mut child = Command::new(VIPDECK)
        .args(["events", "--follow", "--json", "--after", "2", "--at", fake.path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["seq"].clone();
    assert_eq!(next(), 3);
    fake.record(4..=4);
    assert_eq!(next(), 4);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn ssh_runs_the_relay_there() {
    let fake = Fake::start(World::Obliging);
    let programs = tempfile::tempdir().unwrap();
    let log = programs.path().join("words");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\n\
         [ \"$1\" = vipdeck ] || exit 9\nshift\neval \"exec {VIPDECK} $*\"\n",
        log.display()
    );
    let ssh = programs.path().join("ssh");
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let through = |words: &[&str]| {
        let place = format!("ssh://ops@lb1:2222{}", fake.path.display());
        Command::new(VIPDECK).args(words).args(["--at", &place]).env("PATH", &path).output().unwrap()
    };
    let output = through(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("lvs1: vipdeck"), "{}", said(&output));
    let given = std::fs::read_to_string(&log).unwrap();
    assert!(given.contains("BatchMode=yes") && given.contains("ops@lb1\n") && given.contains("2222\n"), "{given}");
    let output = through(&["demote", "VI_1", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn what_ssh_says_is_why() {
    let programs = tempfile::tempdir().unwrap();
    let ssh = programs.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\necho 'ops@lb1: Permission denied (publickey).' >&2\nexit 255\n").unwrap();
    std::fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new(VIPDECK).args(["status", "--at", "ssh://lb1"]).env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("Permission denied (publickey)"), "{}", said(&output));
}

#[test]
fn another_user_may_do_what_its_group_may() {
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten();
    let group = nobody.as_ref().and_then(|n| nix::unistd::Group::from_gid(n.gid).ok().flatten());
    let (Some(nobody), Some(group), true) = (nobody, group, nix::unistd::geteuid().is_root()) else {
        assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "this test needs root and the user nobody");
        writeln!(std::io::stderr(), "skipped: to be another user needs root and the user nobody").unwrap();
        return;
    };
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("vipdeck");
    std::fs::copy(VIPDECK, &program).unwrap();
    open_to_all(programs.path());
    let as_nobody = |access: Access, words: &[&str]| {
        let fake = Fake::with_access(World::Obliging, access);
        open_to_all(fake.directory());
        let words = [words, &["--at", fake.path.to_str().unwrap()]].concat();
        let output = Command::new(&program)
            .args(words)
            .uid(nobody.uid.as_raw())
            .gid(nobody.gid.as_raw())
            .current_dir("/")
            .output()
            .unwrap();
        let user = fake.asked.lock().unwrap().first().map(|a| a.actor.user.clone());
        (output.status.code().unwrap(), said(&output), user)
    };
    let groups = |view: Option<&str>, operate: Option<&str>| Access {
        view_group: view.map(Into::into),
        operate_group: operate.map(Into::into),
    };
    let name = Some(group.name.as_str());

    let (code, text, _) = as_nobody(groups(None, None), &["status"]);
    assert_eq!((code, text.contains("you may not open")), (2, true), "{text}");
    let (code, text, _) = as_nobody(groups(name, None), &["status"]);
    assert_eq!((code, text.contains("lvs1: vipdeck")), (0, true), "{text}");
    let (code, text, user) = as_nobody(groups(name, None), &["demote", "VI_1"]);
    assert_eq!((code, user), (1, None), "{text}");
    assert!(text.contains("control.operate_group"), "{text}");
    let (code, text, user) = as_nobody(groups(name, name), &["demote", "VI_1"]);
    assert_eq!((code, user.as_deref()), (0, Some("nobody")), "{text}");
    let (code, text, _) = as_nobody(groups(Some("daemon"), name), &["demote", "VI_1"]);
    assert_eq!(code, 0, "by the access control list: {text}");
    let (code, text, _) = as_nobody(groups(name, Some("daemon")), &["demote", "VI_1"]);
    assert_eq!((code, text.contains("members of daemon may command")), (1, true), "{text}");
}

fn open_to_all(directory: &Path) {
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The directory of the sockets is a setting, so this calls what the program calls.
#[test]
fn several_engines_are_an_array_and_a_verb_must_say_which() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.control.directory = directory.path().to_owned();
    let status = |json: bool| {
        let mut out = Vec::new();
        let (at, privacy) = (cli::At { target: None }, cli::Privacy::default());
        let args = cli::Status { json, checks: false, values: false, at, privacy };
        report::status::run(&args, &settings, &mut out).map(|code| (code, String::from_utf8(out).unwrap()))
    };
    let restore = || {
        let at = cli::Ats::default();
        let how = cli::How { reason: None, force: false, wait: false, timeout: 60.0, json: false, at };
        let command = status::Command::Restore { instance: "VI_1".into() };
        report::verbs::run(status::Ask::new(command), &how, &settings, &mut Vec::new()).map_err(|e| e.to_string())
    };
    assert!(status(true).unwrap_err().to_string().contains("no engine is running here"));
    let engine = |name: &str, pid| {
        let path = directory.path().join(format!("{name}.sock"));
        Fake::at(&path, World::Obliging, Access::default(), words::snapshot(name, pid))
    };
    let mut two = vec![engine("lvs1", 1), engine("lvs2", 2)];
    let (code, text) = status(true).unwrap();
    let names: Vec<Value> = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = names.iter().map(|s| s["node"]["name"].as_str().unwrap()).collect();
    assert_eq!((code, names), (0, vec!["lvs1", "lvs2"]));
    assert!(status(false).unwrap().1.contains("lvs2: vipdeck"));
    assert!(restore().unwrap_err().contains("several engines run here: lvs1, lvs2; say which one with --at"));
    two.pop();
    // The remains of a dead engine are not in the way of the one that lives.
    drop(std::os::unix::net::UnixListener::bind(directory.path().join("dead.sock")).unwrap());
    assert_eq!(restore(), Ok(0));
    assert!(status(true).unwrap().1.starts_with('{'), "one engine is an object");
}
