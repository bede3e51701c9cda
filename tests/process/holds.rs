//! What operators ask for, at real engines: what undo gives back, and what outlives the engine and the asker.

use crate::engine::{PROGRAM, events, is_master, status};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{Running, signal};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vipdeck::status::{Action, ActionState, Admin, DemoteMode, Instance, Real, Role, Snapshot};

/// Two nodes, the first preferred: `ON` preempts, `OFF` does not; a virtual service without a check.
struct Cluster {
    /// Dropped first: engines end before their network.
    engines: Vec<Running>,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Option<Self> {
        let pair = Pair::new()?;
        let mut cluster = Self { engines: Vec::new(), pair, directory: tempfile::tempdir().unwrap() };
        for node in 0..2 {
            cluster.write(node, "150");
            cluster.start(node);
            wait_for("the first is MASTER", 10, || cluster.masters(0) == ["ON", "OFF"]);
        }
        let listens = |i: &Instance| i.state == Role::Backup && i.adverts_heard > 0;
        wait_for("the second listens", 10, || {
            status(&cluster.socket(1)).is_some_and(|s| s.instances.iter().all(listens))
        });
        Some(cluster)
    }

    fn write(&self, node: usize, priority: &str) {
        let priority = [priority, "100"][node];
        let instance = |name: &str, vrid: u32, vip: &str, more: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\nversion 3\nadvert_int 0.2\n\
                 priority {priority}\n{more}\nvirtual_ipaddress {{\n{vip}/24\n}}\n}}\n"
            )
        };
        let service = "virtual_server 10.9.0.20 80 {\nlb_algo wrr\nlb_kind NAT\nprotocol TCP\n\
                       real_server 10.9.0.2 8080 {\nweight 5\n}\n}\n";
        let text = instance("ON", 51, "10.9.0.20", "")
            + &instance("OFF", 52, "10.9.0.21", "state BACKUP\nnopreempt")
            + service;
        std::fs::write(self.file(node), text).unwrap();
    }

    fn start(&mut self, node: usize) {
        let (file, socket) = (self.file(node).display().to_string(), self.socket(node).display().to_string());
        let argv = [PROGRAM, "run", "--headless", "-f", &file, "--control", &socket];
        let namespace = [&self.pair.a, &self.pair.b][node];
        self.engines.push(Running::start(namespace, self.directory.path(), &format!("node{node}"), &argv));
        wait_for("the engine answers", 10, || status(&self.socket(node)).is_some());
    }

    fn file(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node{node}.conf"))
    }

    fn socket(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node{node}.sock"))
    }

    fn snapshot(&self) -> Snapshot {
        wait_for("the engine answers", 10, || status(&self.socket(0)).is_some());
        status(&self.socket(0)).unwrap()
    }

    fn instance(&self, name: &str) -> Instance {
        self.snapshot().instance(name).unwrap().clone()
    }

    fn real(&self) -> Real {
        self.snapshot().services[0].reals[0].clone()
    }

    fn masters(&self, node: usize) -> Vec<String> {
        let snapshot = status(&self.socket(node));
        snapshot.iter().flat_map(|s| &s.instances).filter(|i| is_master(i)).map(|i| i.name.clone()).collect()
    }

    fn wait_masters(&self, node: usize, names: &[&str]) {
        wait_for(&format!("node {node} is MASTER of {names:?}"), 10, || self.masters(node) == names);
    }

    /// A verb at a node; what it said, and whether it went well.
    fn verb(&self, node: usize, line: &str) -> (bool, String) {
        let words = line.split(' ');
        let output = Command::new(PROGRAM).args(words).arg("--at").arg(self.socket(node)).output().unwrap();
        // What is reported is at most a tenth of a second old.
        std::thread::sleep(Duration::from_millis(150));
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }

    fn done(&self, node: usize, line: &str) -> String {
        let (good, said) = self.verb(node, line);
        assert!(good, "{line}: {said}");
        said
    }

    fn last(&self) -> Action {
        self.snapshot().actions.pop().unwrap()
    }

    /// Ends the engine so, and waits for the next one.
    fn next_engine(&self, end: impl FnOnce(u32)) {
        let before = self.snapshot().node.engine_pid;
        end(before);
        wait_for("the next engine", 10, || status(&self.socket(0)).is_some_and(|s| s.node.engine_pid != before));
    }
}

// console-design 1.2 9
#[test]
fn undo_gives_back_what_its_table_says() {
    let Some(cluster) = Cluster::new() else { return };
    // Demote, preempt on: the addresses follow. Preempt off: they stay, and a takeover brings them.
    for (name, follows) in [("ON", true), ("OFF", false)] {
        cluster.done(0, &format!("demote {name} --reason test --wait --timeout 10"));
        wait_for("the other has it", 5, || cluster.masters(1).contains(&name.to_owned()));
        let gives = cluster.last().gives_back.unwrap();
        assert_eq!(gives.contains("come back at once"), follows, "{name}: {gives}");
        cluster.done(0, "undo --wait");
        let instance = cluster.instance(name);
        assert!(instance.hold.is_none() && instance.effective_priority == 150);
        if follows {
            wait_for("it is back", 10, || cluster.masters(0).contains(&name.to_owned()));
        } else {
            std::thread::sleep(Duration::from_millis(1200));
            assert!(cluster.masters(1).contains(&name.to_owned()), "it stays");
            // Take over: undo lifts our override, and the addresses stay with us.
            cluster.done(0, "takeover OFF --wait");
            cluster.done(0, "undo --wait");
            std::thread::sleep(Duration::from_millis(1200));
            assert_eq!(cluster.instance("OFF").effective_priority, 150);
        }
    }
    cluster.wait_masters(0, &["ON", "OFF"]);
    // Drain: the weight of before. Reset: nothing.
    cluster.done(0, "drain 10.9.0.2:8080");
    cluster.done(0, "reset 10.9.0.2:8080");
    let reset = cluster.last();
    assert!(reset.gives_back.is_none() && reset.does_not.unwrap().contains("cannot be had back"));
    assert!(!cluster.verb(0, &format!("undo {}", reset.id)).0);
    let said = cluster.done(0, "undo");
    assert!(said.contains("does not bring back clients"), "{said}");
    wait_for("it comes back slowly", 5, || {
        let real = cluster.real();
        real.admin == Admin::Ready && real.rising.is_some()
    });
    // Weight.
    cluster.done(0, "weight 10.9.0.2:8080 9");
    wait_for("the weight", 5, || cluster.real().weight_asked == Some(9));
    cluster.done(0, "undo");
    wait_for("the weight of the file", 5, || cluster.real().weight_asked.is_none());
    // Pause.
    cluster.done(0, "pause --for 10m --wait");
    wait_for("the pause", 5, || cluster.snapshot().intents.paused.is_some());
    cluster.done(0, "undo");
    wait_for("the end of the pause", 5, || cluster.snapshot().intents.paused.is_none());
    // Reload: the configuration of before, and the file as it is.
    cluster.write(0, "160");
    cluster.done(0, "reload");
    wait_for("the new priority", 5, || cluster.instance("ON").base_priority == 160);
    let said = cluster.done(0, "undo");
    assert!(said.contains("the file is left as it is"), "{said}");
    wait_for("the priority of before", 5, || cluster.instance("ON").base_priority == 150);
    assert!(std::fs::read_to_string(cluster.file(0)).unwrap().contains("priority 160"));
    let changes = cluster.done(0, "changes");
    assert!(changes.contains("demote ON") && changes.contains("undone"), "{changes}");
}

#[test]
fn fences_holds_and_keep_timers_outlive_the_engine() {
    let Some(mut cluster) = Cluster::new() else { return };
    let (good, refusal) = cluster.verb(0, "demote ON --mode fence");
    assert!(!good && refusal.contains("vipdeck demote ON --mode fence --force"), "{refusal}");
    cluster.done(0, "demote ON --wait --reason bad-disk");
    cluster.done(0, "demote ON --mode fence --hold 1h");
    cluster.done(0, "demote OFF --keep-within 6s --wait");
    cluster.write(0, "160");
    cluster.done(0, "reload --keep-within 6s");
    let began = Instant::now();
    cluster.next_engine(|pid| signal(pid, Signal::SIGKILL));
    let hold = cluster.instance("ON").hold.unwrap();
    assert_eq!((hold.mode, hold.expires_at.is_some()), (DemoteMode::Fence, true));
    cluster.next_engine(|_| drop(cluster.done(0, "restart")));
    assert_eq!(cluster.instance("ON").hold.unwrap().mode, DemoteMode::Fence);
    assert_eq!((cluster.instance("ON").base_priority, cluster.instance("OFF").hold.is_some()), (160, true));
    assert!(began.elapsed() < Duration::from_secs(6), "before their time");
    wait_for("the demotion is taken back", 10, || cluster.instance("OFF").hold.is_none());
    let reverted = |s: &Snapshot| s.actions.iter().any(|a| a.verb == "demote" && a.state == ActionState::Reverted);
    assert!(reverted(&cluster.snapshot()));
    // A restart has read the file since: the reload cannot be taken back, and that is said.
    wait_for("that it cannot be taken back is said", 5, || {
        events(&cluster.socket(0)).iter().any(|e| e.kind == "keep" && e.text.contains("not taken back"))
    });
    // A start from nothing: what is asked for is on disk.
    assert!(cluster.engines.remove(0).stop().success());
    cluster.start(0);
    assert_eq!(cluster.instance("ON").hold.unwrap().mode, DemoteMode::Fence);
    assert!(cluster.engines.remove(0).stop().success(), "the other node");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(cluster.instance("ON").state, Role::Backup, "it never takes over");
    cluster.wait_masters(0, &["OFF"]);
    cluster.done(0, "restore ON");
    cluster.wait_masters(0, &["ON", "OFF"]);
}

// console-design 1.2 10
#[test]
fn what_a_dead_console_did_is_taken_back_and_its_lock_ends() {
    let Some(cluster) = Cluster::new() else { return };
    cluster.write(0, "160");
    cluster.done(0, "reload --keep-within 3s");
    let mut asker = Command::new(PROGRAM);
    let socket = cluster.socket(0).display().to_string();
    asker.args(["demote", "ON", "--keep-within", "3s", "--wait", "--timeout", "60", "--at", &socket]);
    let mut asker = asker.stdout(Stdio::null()).spawn().unwrap();
    wait_for("it is demoted", 5, || cluster.instance("ON").hold.is_some());
    asker.kill().unwrap();
    asker.wait().unwrap();
    // The engine that took the order is gone as well; the one before the reload is remembered all the same.
    cluster.next_engine(|pid| signal(pid, Signal::SIGKILL));
    assert!(cluster.instance("ON").hold.is_some());
    cluster.wait_masters(0, &["ON", "OFF"]);
    assert!(cluster.instance("ON").hold.is_none());
    wait_for("the reload is taken back", 5, || cluster.instance("ON").base_priority == 150);
    // Another console.
    cluster.done(0, "lock ON --for 2s --session lb-a:1 --reason look");
    let (good, said) = cluster.verb(0, "demote ON");
    assert!(!good && said.contains("lb-a:1") && said.contains("demote ON --force"), "{said}");
    assert!(cluster.done(0, "changes").contains("LOCKED ON by root"));
    assert!(!cluster.verb(0, "lock ON --session lb-a:2").0);
    wait_for("the lock ends", 5, || cluster.snapshot().locks.is_empty());
    cluster.done(0, "lock ON --session lb-a:2");
    cluster.done(0, "unlock ON --session lb-a:2");
    let said = cluster.done(0, "announce ON");
    assert!(said.contains("announced now"), "{said}");
}
