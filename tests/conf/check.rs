//! `vipdeck check` as a program: exit status, the greppable line, JSON.

use crate::root;
use std::process::{Command, Output};

#[test]
fn the_exit_status_says_clean_warnings_or_errors() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let clean = file("clean.conf", INSTANCE);
    let note = file("note.conf", &INSTANCE.replace("state", "debug 1\nstate"));
    let warning = file("warning.conf", &INSTANCE.replace("state", "prioritee 9\nstate"));
    let error = file("error.conf", &INSTANCE.replace("51", "512"));
    let missing = directory.path().join("missing.conf").display().to_string();
    for (args, status) in [
        (vec![&clean], 0),
        (vec![&note], 0),
        (vec![&warning], 1),
        (vec![&error], 2),
        (vec![&missing], 2),
        (vec![&clean, &warning], 1),
        (vec![&error, &clean], 2),
    ] {
        let output = check(&args.iter().map(|s| s.as_str()).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let output = check(&[&warning]);
    let text = String::from_utf8(output.stdout).unwrap();
    let first = format!("{warning}:2:1: warning[unknown-keyword]: `prioritee` is no keyword of `vrrp_instance`");
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert!(text.contains("did you mean `priority`?"), "{text}");
    assert_eq!(text.lines().last(), Some("1 file: 1 instance, 1 VIP, 0 services, 0 real servers: 1 warning"));
    assert!(!text.contains('\x1b'), "colour without a terminal");
}

#[test]
fn json_carries_places_counts_and_the_status() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.conf");
    std::fs::write(&path, INSTANCE.replace("state", "prioritee 9\nstate")).unwrap();
    let output = check(&["--json", &path.display().to_string()]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["status"], 1);
    assert_eq!(answer["summary"]["warnings"], 1);
    assert_eq!(answer["summary"]["vips"], 1);
    let problem = &answer["files"][0]["diagnostics"][0];
    assert_eq!(problem["id"], "unknown-keyword");
    assert_eq!(problem["severity"], "warning");
    let place = &problem["labels"][0];
    assert_eq!((&place["line"], &place["column"], &place["end_column"]), (&2.into(), &1.into(), &10.into()));
}

#[test]
fn includes_are_found_beside_the_including_file() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    std::fs::create_dir(directory.path().join("conf.d")).unwrap();
    write("main.conf", "include conf.d/*.conf\n");
    write("conf.d/a.conf", "include b.inc\n");
    write("conf.d/b.inc", INSTANCE);
    let output = check(&[&directory.path().join("main.conf").display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    write("conf.d/b.inc", "include ../main.conf\n");
    let output = check(&[&directory.path().join("main.conf").display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
}

const INSTANCE: &str = "vrrp_instance A {
state BACKUP
interface eth0
virtual_router_id 51
virtual_ipaddress {
192.0.2.1/24
}
}
";

fn check(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipdeck"));
    command.current_dir(root()).env_remove("NO_COLOR").arg("check").args(args).output().unwrap()
}
