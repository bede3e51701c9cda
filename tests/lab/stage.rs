//! Coming up, acting, and leaving nothing behind.

use crate::harness::{Lab, eventually, has_namespace, has_root, is_running, vipdeck};
use nix::sys::signal::{Signal, kill};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use vipdeck::status::{Reply, ServerState, StageAction};
use vipdeck::sys::netns;

const WEB1: &str = "192.168.10.31:80";

/// What a machine gets when it asks an address; none: no answer within half a second.
fn ask_from(lab: &Lab, machine: &str, target: &str) -> Option<String> {
    let target: SocketAddr = target.parse().unwrap();
    let limit = Duration::from_millis(500);
    netns::inside(&lab.namespace(machine), || {
        let mut stream = TcpStream::connect_timeout(&target, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
    .ok()
}

fn host_links() -> Vec<String> {
    let names = std::fs::read_dir("/sys/class/net").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn assert_nothing_left(lab: &Lab) {
    for name in lab.namespaces() {
        assert!(!has_namespace(&name), "{name} is still there");
    }
    assert!(!lab.ready.directory.exists());
    for pid in lab.pids() {
        eventually("its programs end", || !is_running(pid));
    }
}

#[test]
fn a_lab_connects_its_machines_and_leaves_nothing() {
    if !has_root() {
        return;
    }
    let before = host_links();
    let mut lab = Lab::start();
    assert_eq!(lab.namespaces().len(), 6);
    assert!(lab.namespaces().iter().all(|name| has_namespace(name)));
    assert_eq!(host_links(), before, "nothing appears in the host's own namespace");
    for machine in ["client", "lvs1", "lvs2", "web2"] {
        let answer = ask_from(&lab, machine, WEB1).expect("an answer");
        assert!(answer.ends_with("web1\n"), "{machine}: {answer}");
    }
    lab.wait("the client asks", Duration::from_secs(10), |stage, _| {
        stage.clients.len() == 2 && stage.clients.iter().all(|c| c.asked > 50)
    });
    lab.close_stdin();
    assert!(lab.ended().success());
    assert_nothing_left(&lab);
}

#[test]
fn a_cut_link_is_cut_until_it_is_healed() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    let toggle = StageAction::ToggleLink { node: "lvs1".into() };
    lab.must(&toggle);
    lab.wait("cut", Duration::from_secs(5), |stage, _| stage.nodes[0].cut);
    assert_eq!(ask_from(&lab, "lvs1", WEB1), None);
    assert!(ask_from(&lab, "lvs2", WEB1).is_some());
    lab.must(&toggle);
    eventually("healed", || ask_from(&lab, "lvs1", WEB1).is_some());
}

#[test]
fn a_web_server_is_stopped_and_started() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    let toggle = StageAction::ToggleServer { server: "web1".into() };
    lab.must(&toggle);
    lab.wait("stopped", Duration::from_secs(5), |stage, _| stage.servers[0].state == ServerState::Stopped);
    assert_eq!(ask_from(&lab, "client", WEB1), None);
    lab.must(&toggle);
    eventually("it answers again", || ask_from(&lab, "client", WEB1).is_some());
    let reply = lab.act(&StageAction::ToggleServer { server: "web9".into() });
    assert_eq!(reply, Reply::Rejected { reason: "there is no server web9".into() });
    assert!(matches!(lab.act(&StageAction::TogglePause), Reply::Rejected { .. }));
}

#[test]
fn two_labs_do_not_meet() {
    if !has_root() {
        return;
    }
    let (first, second) = (Lab::start(), Lab::start());
    assert!(first.namespaces().iter().all(|name| !second.namespaces().contains(name)));
    assert_ne!(first.ready.directory, second.ready.directory);
    drop(first);
    assert!(ask_from(&second, "client", WEB1).is_some());
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    if !has_root() {
        return;
    }
    let mut lab = Lab::start();
    kill(lab.pid(), Signal::SIGTERM).unwrap();
    assert!(lab.ended().success());
    assert_nothing_left(&lab);
}

#[test]
fn clean_removes_what_a_killed_lab_left() {
    if !has_root() {
        return;
    }
    let mut killed = Lab::start();
    let other = Lab::start();
    kill(killed.pid(), Signal::SIGKILL).unwrap();
    killed.ended();
    for pid in killed.pids() {
        eventually("programs die with their lab", || !is_running(pid));
    }
    assert!(killed.namespaces().iter().all(|name| has_namespace(name)), "nobody was left to remove them");
    let cleaned = vipdeck(&["lab", "clean"]);
    assert!(cleaned.status.success(), "{cleaned:?}");
    let said = String::from_utf8(cleaned.stdout).unwrap();
    assert!(said.contains(&format!("removed what lab {} left behind", killed.pid())), "{said}");
    assert!(said.contains(&format!("lab {} is running", other.pid())), "{said}");
    assert_nothing_left(&killed);
    assert!(other.namespaces().iter().all(|name| has_namespace(name)));
}

#[test]
fn an_unknown_scenario_is_refused() {
    if !has_root() {
        return;
    }
    let refused = vipdeck(&["lab", "nonsense", "--headless"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said, "vipdeck: there is no scenario `nonsense`; there is: dual-master-dr\n");
}
