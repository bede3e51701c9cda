//! `vrrp_track_process`.

use crate::namespaces::{skipped, wait_for};
use crate::{Bench, Child, Command, PROGRAM, Role, Stdio, instance, text};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vipdeck::sys::process_events::ProcessEvents;

/// An engine that was not started by `ip netns exec`: it moves to its namespace itself.
struct Own(Child);

impl Own {
    fn start(bench: &Bench) -> Self {
        let log = std::fs::File::create(bench.path("own.log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--netns", &bench.pair.a]).args(bench.arguments());
        let own = Self(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        bench.wait_for_answer();
        own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        crate::programs::signal(self.0.id(), nix::sys::signal::Signal::SIGTERM);
        self.0.wait().unwrap();
    }
}

/// A program that sleeps, under a name that no other has.
struct Sleeper {
    program: PathBuf,
    running: Vec<Child>,
}

impl Sleeper {
    fn new(bench: &Bench, name: &str) -> Self {
        let program = bench.path(name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        Self { program, running: Vec::new() }
    }

    fn start(&mut self) {
        self.running.push(Command::new(&self.program).arg("1000").spawn().unwrap());
    }

    fn kill(&mut self) {
        let mut child = self.running.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        while !self.running.is_empty() {
            self.kill();
        }
    }
}

fn configuration(program: &Path) -> String {
    let name = text(Path::new(program.file_name().unwrap())).to_owned();
    let track = |name: &str, lines: &str| format!("vrrp_track_process {name} {{\n{lines}}}\n");
    let tracks = [
        track("one", &format!("    process {name}\n")),
        track("two", &format!("    process {name}\n    quorum 2\n    weight 20\n")),
        track("arguments", &format!("    process {} 1000\n    weight 5\n", text(program))),
        track("other", &format!("    process {} 1001\n    weight 7\n", text(program))),
        track("none", &format!("    process {name}\n    quorum_max 0\n    weight -50\n")),
    ];
    let of = |names: &str| format!("    track_process {{\n{names}    }}\n");
    let instances = [
        instance(51, "eth0", 100, &of("        one\n")),
        instance(52, "eth0", 100, &of("        two\n        arguments\n        other\n")),
        instance(53, "eth0", 100, &of("        none\n")),
    ];
    [tracks.concat(), instances.concat()].concat()
}

/// Which priorities the second and the third instance have.
fn priorities(bench: &Bench) -> (u8, u8) {
    (bench.instance(52).effective_priority, bench.instance(53).effective_priority)
}

/// How long it takes until `is`.
fn until(what: &str, is: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    wait_for(what, 5, is);
    start.elapsed()
}

// parity: 60
#[test]
fn a_process_that_is_killed_counts_at_once_and_a_quorum_is_honoured() {
    let told_of = std::thread::spawn(|| ProcessEvents::open().map(drop)).join().unwrap();
    if let Err(why) = told_of {
        skipped(&format!("the kernel does not tell of processes: {why}"));
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let mut sleeper = Sleeper::new(&bench, &format!("vdt{}", std::process::id()));
    bench.write(&configuration(&sleeper.program));
    sleeper.start();
    sleeper.start();
    let engine = Own::start(&bench);
    bench.wait_for_master(51);
    let counted: Vec<_> = bench.snapshot().processes.into_iter().map(|p| (p.count, p.good, p.polled)).collect();
    let expected = [(2, true), (2, true), (2, true), (0, false), (2, false)];
    assert_eq!(counted, expected.map(|(count, good)| (Some(count), Some(good), None)));
    assert_eq!(priorities(&bench), (125, 50));
    sleeper.kill();
    let lost = until("the quorum of two is lost", || priorities(&bench) == (105, 50));
    assert_eq!(bench.instance(51).state, Role::Master);
    sleeper.kill();
    let fault = until("FAULT", || bench.instance(51).state == Role::Fault);
    wait_for("none runs", 1, || priorities(&bench) == (100, 100));
    eprintln!("measured: of processes that were killed, told after: quorum {lost:?}, FAULT {fault:?}");
    assert!(lost.max(fault) < Duration::from_secs(1), "{lost:?} {fault:?}");
    let why = bench.instance(51).faults.join("; ");
    assert!(why.contains("process one: 0 running, 1 wanted"), "{why}");
    sleeper.start();
    bench.wait_for_master(51);
    assert_eq!(bench.told("process", "has no quorum"), 6, "other and none; two; one and arguments; none again");
    drop(engine);
}

/// In a namespace of its own the kernel tells nothing: that is said, and all processes are looked at every second.
#[test]
fn where_the_kernel_does_not_tell_of_processes_they_are_looked_for_and_that_is_said() {
    let Some(mut bench) = Bench::new() else { return };
    let mut sleeper = Sleeper::new(&bench, &format!("vds{}", std::process::id()));
    bench.write(&configuration(&sleeper.program));
    sleeper.start();
    bench.start();
    bench.wait_for_master(51);
    let snapshot = bench.snapshot();
    match &snapshot.processes[0].polled {
        Some(why) => {
            assert!(why.contains("namespace"), "{why}");
            let finding = snapshot.findings.iter().find(|f| f.kind == "processes-scanned").unwrap();
            assert!(finding.text.contains("once a second"), "{}", finding.text);
            assert_eq!(bench.told("process", "looked for once a second"), 1);
        }
        // Process 1 let us into its namespace.
        None => assert!(snapshot.findings.iter().all(|f| f.kind != "processes-scanned")),
    }
    sleeper.kill();
    bench.wait_for_fault(51, 3);
    sleeper.start();
    bench.wait_for_master(51);
}
