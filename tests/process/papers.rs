//! The audit log of an engine that is killed, and its configuration's file on the disk.

use crate::engine::{PROGRAM, status};
use crate::namespaces::wait_for;
use crate::{Bench, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vipdeck::control::{Target, client, resolve};
use vipdeck::status::{Ask, AuditEntry, AuditResult, Command as Verb, ConfigReport, DiskState, Reply};

fn target(bench: &Bench) -> Target {
    resolve(&[text(&bench.path("sock")).to_owned()], Path::new("/nonexistent")).unwrap().remove(0)
}

fn log_file(bench: &Bench) -> PathBuf {
    let files = std::fs::read_dir(bench.path("state")).unwrap().map(|e| e.unwrap().path());
    files.into_iter().find(|p| p.extension().is_some_and(|x| x == "audit")).unwrap()
}

/// The lines that are whole, and how many are not.
fn entries(bench: &Bench) -> (Vec<AuditEntry>, usize) {
    let text = std::fs::read_to_string(log_file(bench)).unwrap();
    let (whole, damaged): (Vec<_>, Vec<_>) =
        text.lines().map(serde_json::from_str::<AuditEntry>).partition(Result::is_ok);
    (whole.into_iter().map(Result::unwrap).collect(), damaged.len())
}

fn disk(bench: &Bench) -> Option<DiskState> {
    Some(status(&bench.path("sock"))?.configuration?.disk?.state)
}

fn program(bench: &Bench, words: &[&str]) -> (i32, String) {
    let output = Command::new(PROGRAM).args(words).args(["--at", text(&bench.path("sock"))]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_engine_that_is_killed_in_mid_write_loses_no_entry_that_was_answered() {
    let Some(mut bench) = Bench::new("") else { return };
    bench.start(&[]);
    let (target, stop) = (target(&bench), AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answered = std::thread::scope(|threads| {
        let asking = threads.spawn(|| {
            let mut answered = Vec::new();
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // There is nothing to restore: each is rejected, and nothing moves.
                let command = Verb::Restore { instance: if n % 2 == 0 { "VI_1" } else { "VI_9" }.into() };
                let ask = Ask { reason: Some(format!("n{n}")), ..Ask::new(command) };
                match runtime.block_on(client::command(&target, &ask)) {
                    Ok(Reply::Accepted { .. } | Reply::Rejected { .. }) => answered.push(format!("n{n}")),
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            answered
        });
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(400));
            let before = bench.engine_pid();
            kill(Pid::from_raw(before as i32), Signal::SIGKILL).unwrap();
            wait_for("the next engine", 15, || {
                status(&bench.path("sock")).is_some_and(|s| s.node.engine_pid != before)
            });
        }
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let (entries, _damaged) = entries(&bench);
    assert!(answered.len() > 20, "{}", answered.len());
    let logged: Vec<&str> = entries.iter().filter_map(|e| e.reason.as_deref()).collect();
    let lost: Vec<_> = answered.iter().filter(|n| !logged.contains(&n.as_str())).collect();
    assert!(lost.is_empty(), "answered and not in the log: {lost:?}");
    let numbers: Vec<u64> = entries.iter().map(|e| e.seq).collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
    let other: Vec<_> = entries.iter().filter(|e| e.result != AuditResult::Rejected).collect();
    assert!(other.is_empty(), "{other:?}");
    let (code, shown) = program(&bench, &["audit", "--json"]);
    assert_eq!((code, shown.lines().count()), (0, entries.len().min(1000)), "it is shown over all engines' lives");
}

#[test]
fn whoever_asks_and_however_it_ends_it_is_in_the_log() {
    let Some(mut bench) = Bench::new("") else { return };
    bench.start(&[]);
    let guard = bench.engine.as_ref().unwrap().pid();
    program(&bench, &["demote", "VI_9", "--reason", "no such"]);
    program(&bench, &["reload", "--dry-run"]);
    kill(Pid::from_raw(guard as i32), Signal::SIGHUP).unwrap();
    wait_for("SIGHUP in the log", 10, || entries(&bench).0.len() == 3);
    bench.engine.take().unwrap().stop();
    let (entries, damaged) = entries(&bench);
    let told: Vec<String> = entries.iter().map(|e| format!("{} {} {}", e.actor.user, e.command, e.result)).collect();
    let expected = [
        "root demote VI_9 rejected",
        "root reload --dry-run accepted",
        "SIGHUP reload accepted",
        "SIGTERM stop accepted",
    ];
    assert_eq!((told.iter().map(String::as_str).collect::<Vec<_>>(), damaged), (expected.to_vec(), 0));
    assert_eq!(entries[0].reason.as_deref(), Some("no such"));
}

#[test]
fn a_log_that_cannot_be_written_is_an_alarm_once_and_loses_nothing() {
    let Some(mut bench) = Bench::new("") else { return };
    bench.start(&[]);
    program(&bench, &["restore", "VI_1", "--reason", "one"]);
    let file = log_file(&bench);
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (code, _) = program(&bench, &["restore", "VI_1", "--reason", "two"]);
    assert_eq!(code, 1, "it is answered all the same");
    let finding = |bench: &Bench| {
        status(&bench.path("sock")).unwrap().findings.into_iter().find(|f| f.kind == "audit-log").map(|f| f.text)
    };
    wait_for("the alarm", 10, || finding(&bench).is_some_and(|t| t.contains("directory")));
    program(&bench, &["restore", "VI_1", "--reason", "three"]);
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, kept).unwrap();
    program(&bench, &["restore", "VI_1", "--reason", "four"]);
    wait_for("the end of the alarm", 10, || finding(&bench).is_none());
    let reasons: Vec<_> = entries(&bench).0.into_iter().filter_map(|e| e.reason).collect();
    assert_eq!(reasons, ["one", "two", "three", "four"]);
    assert_eq!(bench.events().iter().filter(|e| e.kind == "audit").count(), 2, "once that, once this");
}

#[test]
fn it_is_seen_that_the_file_on_the_disk_is_not_what_runs() {
    let Some(mut bench) = Bench::new("") else { return };
    bench.start(&[]);
    let file = bench.path("vrrp.conf");
    wait_for("the first look", 10, || disk(&bench) == Some(DiskState::Same));
    let before = status(&bench.path("sock")).unwrap().configuration.unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("# a comment\n{whole}")).unwrap();
    wait_for("another text", 10, || disk(&bench) == Some(DiskState::Rewritten));
    std::fs::write(&file, whole.replace("priority 150", "priority 140")).unwrap();
    wait_for("another priority", 10, || disk(&bench) == Some(DiskState::Differs));
    let (_, shown) = program(&bench, &["config", "--disk"]);
    assert!(shown.contains("-     priority 150\n+     priority 140\n"), "{shown}");
    program(&bench, &["reload"]);
    wait_for("it runs", 10, || disk(&bench) == Some(DiskState::Same));
    let after = status(&bench.path("sock")).unwrap().configuration.unwrap();
    assert_ne!(before.effective, after.effective);
    assert_eq!(before.shared, after.shared, "a priority may differ between nodes");
    let (_, json) = program(&bench, &["config", "--json"]);
    let report: ConfigReport = serde_json::from_str(&json).unwrap();
    assert!(report.running.files[0].text.contains("priority 140") && report.disk.is_none());
    std::fs::write(&file, "nonsense {\n").unwrap();
    wait_for("errors", 10, || matches!(disk(&bench), Some(DiskState::Broken { .. })));
    std::fs::remove_file(&file).unwrap();
    wait_for("a file that vanished", 10, || matches!(disk(&bench), Some(DiskState::Unreadable { .. })));
    assert!(bench.said("cannot be read"));
}
