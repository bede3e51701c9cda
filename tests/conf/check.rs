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

#[test]
fn a_cluster_s_files_are_compared() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let one = write("one.conf", INSTANCE.replace("state", "priority 150\nstate"));
    let two = write("two.conf", INSTANCE.to_owned());
    let other = write("other.conf", INSTANCE.replace("state", "advert_int 2\nstate"));
    assert_eq!(check(&["--cluster", &one, &two]).status.code(), Some(0));
    // Alone, each is clean.
    assert_eq!(check(&[&one, &other]).status.code(), Some(0));
    let output = check(&["--cluster", &one, &other]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with(&format!("{other}:2:1: error[interval-differs]")), "{text}");
    let output = check(&["--cluster", "--json", &one, &other]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["cluster"][0]["id"], "interval-differs");
    assert_eq!(answer["cluster"][0]["labels"][1]["file"], one);
    // One file is no cluster.
    assert!(!check(&["--cluster", &one]).status.success());
}

#[test]
fn the_config_id_chooses_the_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.conf").display().to_string();
    std::fs::write(&path, INSTANCE.replace("state", "@lvs1 priority 300\nstate")).unwrap();
    assert_eq!(check(&["-i", "lvs1", &path]).status.code(), Some(2));
    assert_eq!(check(&["--config-id", "lvs2", &path]).status.code(), Some(0));
    std::fs::write(&path, format!("include none.conf\n{INSTANCE}")).unwrap();
    assert_eq!(check(&[&path]).status.code(), Some(1));
    assert_eq!(check(&["--all-config", &path]).status.code(), Some(2));
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
