//! `vrrp_script`, through a configuration.

use crate::{Bench, Role, instance, millis, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What a run does is one word in a file; each run, and each SIGTERM it gets, is a line in another.
const SCRIPT: &str = "#!/bin/sh
echo run $(id -un) >> DIR/runs
case $(cat DIR/word) in
    good) exit 0 ;;
    bad) exit 1 ;;
    slow) sleep 1; exit 0 ;;
    hang) trap 'echo term >> DIR/runs' TERM; while :; do sleep 0.05; done ;;
esac
";

fn prepare(bench: &Bench, word: &str, lines: &str) {
    let directory = bench.directory.path();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = bench.path("check");
    std::fs::write(&script, SCRIPT.replace("DIR", &directory.display().to_string())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(bench.path("runs"), "").unwrap();
    std::fs::set_permissions(bench.path("runs"), std::fs::Permissions::from_mode(0o666)).unwrap();
    say(bench, word);
    let text = format!("vrrp_script check {{\n    script {}\n{lines}}}\n", script.display());
    bench.write(&format!("{text}{}", instance(51, "eth0", 100, "    track_script {\n        check\n    }\n")));
}

fn say(bench: &Bench, word: &str) {
    std::fs::write(bench.path("new"), word).unwrap();
    std::fs::rename(bench.path("new"), bench.path("word")).unwrap();
}

fn runs(bench: &Bench) -> Vec<String> {
    let runs = std::fs::read_to_string(bench.path("runs")).unwrap();
    runs.lines().map(str::to_owned).collect()
}

// parity: 56
#[test]
fn a_script_that_hangs_is_ended_and_has_failed_and_results_in_a_row_count() {
    let Some(mut bench) = Bench::new() else { return };
    prepare(&bench, "good", "    interval 0.4\n    timeout 0.2\n    rise 3\n    fall 2\n    user nobody\n");
    bench.start();
    bench.wait_for_master(51);
    assert!(runs(&bench).iter().all(|run| run == "run nobody"), "{:?}", runs(&bench));
    // Of `rise 3` the first result alone has decided.
    assert_eq!(bench.told("script", "passing"), 1);
    // A failure that two make, counted in runs.
    let before = runs(&bench).len();
    say(&bench, "bad");
    bench.wait_for_fault(51, 4);
    let until_fault = runs(&bench).len() - before;
    assert!((2..=4).contains(&until_fault), "{until_fault} runs, two of them bad");
    assert_eq!(bench.instance(51).faults, ["script check: exit status 1"]);
    let before = runs(&bench).len();
    say(&bench, "good");
    bench.wait_for_master(51);
    assert!(runs(&bench).len() - before >= 3, "three results in a row");
    say(&bench, "hang");
    bench.wait_for_fault(51, 10);
    assert_eq!(bench.instance(51).faults, ["script check: timed out"]);
    let last = bench.snapshot().scripts[0].last.clone().unwrap();
    // Told to end after 0.2 s, it went on, and was killed two seconds later.
    assert!(!last.good && last.took.as_millis() >= 2200, "{last:?}");
    assert!(runs(&bench).iter().any(|run| run == "term"));
    say(&bench, "good");
    bench.wait_for_master(51);
    let left = Command::new("pgrep").args(["-f", crate::text(&bench.path("check"))]).output().unwrap();
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(left.lines().count() <= 1, "runs that were not ended: {left}");
}

// parity: 58
#[test]
fn a_script_without_a_result_holds_the_start_back_and_is_no_fault_but_with_init_fail_it_is() {
    let Some(mut bench) = Bench::new() else { return };
    prepare(&bench, "slow", "    interval 30\n    timeout 5\n");
    bench.start();
    assert_eq!(bench.instance(51).state, Role::Init);
    millis(500);
    let waiting = bench.instance(51);
    assert_eq!((waiting.state, waiting.transitions_total), (Role::Init, 0), "MASTER after 0.36 s without it");
    bench.wait_for_master(51);
    assert!(bench.instance(51).transitions.iter().all(|t| t.to != Role::Fault));
    drop(bench);
    let Some(mut bench) = Bench::new() else { return };
    prepare(&bench, "slow", "    interval 30\n    timeout 5\n    rise 2\n    init_fail\n");
    bench.start();
    let fault = bench.wait_for_fault(51, 1);
    assert_eq!(fault.faults, ["script check: no result yet (init_fail)"]);
    // The first result decides, whatever `rise` says.
    wait_for("one good run is enough", 4, || bench.instance(51).state == Role::Master);
    assert_eq!(runs(&bench).len(), 1);
}
