//! The configuration and the audit log over the link: who sees what, and what is too much.

use crate::fake::{Fake, World};
use crate::raw::{self, Lines};
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::cluster::configuration::{masked, text};
use vipdeck::conf::{self, Environment, Memory, Sources};
use vipdeck::control::{AUDIT_KEPT, Access, client};
use vipdeck::status::{Actor, AuditEntry, AuditList, AuditResult, ConfigReport, DiskState};

const VIPDECK: &str = env!("CARGO_BIN_EXE_vipdeck");

const FILE: &str = "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    priority 150\n    \
                    authentication {\n        auth_type PASS\n        auth_pass verysecretword\n    }\n    \
                    virtual_ipaddress {\n        192.0.2.10/24\n    }\n}\n";

fn report(node: &str, file: &str) -> ConfigReport {
    let main = Path::new("/etc/keepalived/keepalived.conf");
    let read = conf::read(main, &Memory::one(main, file), &Environment::default(), Sources::default());
    ConfigReport {
        node: node.into(),
        main: main.display().to_string(),
        config_id: String::new(),
        loaded_us: 1_795_349_071_000_000,
        masked: false,
        running: text(&read, main),
        note: None,
        looked_us: Some(1_795_349_072_000_000),
        state: Some(DiskState::Same),
        disk: None,
    }
}

fn entry(seq: u64, command: &str) -> AuditEntry {
    AuditEntry {
        seq,
        wall_us: 1_795_349_071_000_000 + seq,
        node: "lvs1".into(),
        actor: Actor { user: "ops1".into(), from: "local socket".into() },
        verb: "demote".into(),
        command: command.into(),
        reason: Some("kernel patch".into()),
        result: AuditResult::Accepted,
        answer: "priority 0 sent".into(),
        took_us: 120,
    }
}

fn publish(fake: &Fake, report: &ConfigReport) {
    fake.board.records().set_configuration(report.clone(), masked(report));
}

fn said(fake: &Fake, words: &[&str]) -> (i32, String) {
    let output = Command::new(VIPDECK).args(words).args(["--at", fake.path.to_str().unwrap()]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn before_there_is_a_configuration_it_says_so() {
    let fake = Fake::start(World::Obliging);
    let (code, body) = raw::get(&fake.path, "/v1/config");
    assert_eq!((code, body.contains("is starting")), (503, true), "{body}");
    let (code, body) = raw::get(&fake.path, "/v1/audit");
    let list: AuditList = serde_json::from_str(&body).unwrap();
    assert_eq!((code, list.entries.len(), list.file), (200, 0, None));
}

#[test]
fn the_command_shows_each_file_with_its_problems_at_their_lines() {
    let fake = Fake::start(World::Obliging);
    publish(&fake, &report("lvs1", FILE));
    let (code, text) = said(&fake, &["config"]);
    assert_eq!(code, 0);
    let line = text.lines().position(|l| l.contains("7      ") && l.contains("auth_pass")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[line].starts_with('!') && lines[line + 1].contains("warning["), "{text}");
    assert!(text.contains("the file on the disk is what runs"), "{text}");
    let (_, json) = said(&fake, &["config", "--json"]);
    let whole: ConfigReport = serde_json::from_str(&json).unwrap();
    assert_eq!(whole, report("lvs1", FILE));
}

#[test]
fn what_differs_between_nodes_is_told_and_what_must_not_fails() {
    let (first, second) = (Fake::start(World::Obliging), Fake::start(World::Obliging));
    publish(&first, &report("lvs1", FILE));
    publish(&second, &report("lvs2", &FILE.replace("150", "100")));
    let at = second.path.to_str().unwrap().to_owned();
    let (code, text) = said(&first, &["config", "--compare", "--at", &at]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Nothing differs that must not"), "{text}");
    assert!(text.contains("-     priority 150") || text.contains("-     priority 100"), "{text}");
    publish(&second, &report("lvs2", &FILE.replace("192.0.2.10", "192.0.2.11")));
    let (code, text) = said(&first, &["config", "--compare", "--json", "--at", &at]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, value["problems"][0]["problem"]["id"].as_str()), (1, Some("addresses-differ")), "{text}");
}

#[test]
fn the_log_is_shown_from_a_moment_on() {
    let fake = Fake::start(World::Obliging);
    let file = Some("/var/lib/vipdeck/lvs1.audit".to_owned());
    let entries = (1..=3).map(|n| entry(n, &format!("demote VI_{n}"))).collect();
    fake.board.records().begin_audit(AuditList { node: "lvs1".into(), file, entries, earlier: false });
    let (code, text) = said(&fake, &["audit"]);
    assert_eq!((code, text.lines().count()), (0, 3), "{text}");
    assert!(text.contains("ops1 (local socket): demote VI_2, reason: kernel patch (priority 0 sent)"), "{text}");
    let (_, json) = said(&fake, &["audit", "--json", "--since", "2026-11-22T12:04:31.000003Z"]);
    let last: AuditEntry = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(last.command, "demote VI_3");
    let (code, _) = said(&fake, &["audit", "--since", "tomorrow"]);
    assert_eq!(code, 2);
    for bad in ["since=x", "after=-1", "until=3"] {
        assert_eq!(raw::get(&fake.path, &format!("/v1/audit?{bad}")).0, 400, "{bad}");
    }
}

#[test]
fn a_console_is_told_both_and_of_each_change_once() {
    let fake = Fake::start(World::Obliging);
    publish(&fake, &report("lvs1", FILE));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let feed = client::connect(fake.target(), runtime.handle());
    let records = feed.board.records();
    until(|| records.configuration(true).is_some());
    assert_eq!(*records.configuration(true).unwrap(), report("lvs1", FILE), "root may operate: nothing is masked");
    fake.board.records().add_audit(vec![entry(1, "demote VI_1"), entry(2, "restore VI_1")]);
    until(|| records.audit().entries.len() == 2);
    fake.board.records().add_audit(vec![entry(3, "demote VI_1")]);
    until(|| records.audit().entries.len() == 3);
    publish(&fake, &report("lvs1", "vrrp_instance VI_9 {\n}\n"));
    until(|| records.configuration(true).unwrap().running.files[0].text.contains("VI_9"));
    let mut lines = Lines::of(&fake.path, "/v1/stream", "");
    while lines.next("event:").unwrap() != "audit" {}
    let list: AuditList = serde_json::from_str(&lines.next("data:").unwrap()).unwrap();
    assert_eq!(list.entries.len(), 3, "a stream begins with all of it");
}

fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it has not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn hostile_sizes_are_bounded() {
    let fake = Fake::start(World::Obliging);
    let long = format!("{FILE}{}", format!("# {}\n", "x".repeat(1000)).repeat(3000));
    let huge = report("lvs1", &long);
    assert_eq!((huge.running.files.len(), huge.running.left_out), (0, 1));
    publish(&fake, &huge);
    let (code, body) = raw::get(&fake.path, "/v1/config");
    assert_eq!(code, 200);
    assert!(body.len() < 4096, "{}", body.len());
    let many = "nonsense nonsense\n".repeat(2000);
    let bad = report("lvs1", &many);
    assert!(bad.running.problems.len() <= 1000);
    let entries = (1..=5000).map(|n| entry(n, &"x".repeat(600))).collect();
    fake.board.records().add_audit(entries);
    let (_, body) = raw::get(&fake.path, "/v1/audit");
    let list: AuditList = serde_json::from_str(&body).unwrap();
    assert_eq!((list.entries.len(), list.earlier), (AUDIT_KEPT, true));
}

#[test]
fn who_may_only_look_sees_no_password_in_any_form() {
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
    let ask = |access: Access, words: &[&str]| {
        let fake = Fake::with_access(World::Obliging, access);
        let file = format!("# auth_pass verysecretword\n{FILE}");
        publish(&fake, &ConfigReport { disk: Some(report("lvs1", &file).running), ..report("lvs1", &file) });
        for directory in [fake.directory(), programs.path()] {
            std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new(&program);
        command.args(words).args(["--at", fake.path.to_str().unwrap()]);
        let command = command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw()).current_dir("/");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let groups =
        |operate: Option<&str>| Access { view_group: Some(group.name.clone()), operate_group: operate.map(Into::into) };
    for words in [["config"].as_slice(), &["config", "--json"], &["config", "--disk"]] {
        let text = ask(groups(None), words);
        assert!(text.contains("lvs1") && !text.contains("verysec"), "{text}");
    }
    assert!(ask(groups(Some(&group.name)), &["config", "--json"]).contains("verysecretword"));
}
