//! Scripts of start and end, and the network namespace.

use crate::engine::{PROGRAM, is_master, status};
use crate::namespaces::wait_for;
use crate::programs::Running;
use crate::{Bench, INSTANCE, read, text};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn script(path: &Path, body: &str, directory: &Path) {
    let body = body.replace("HERE", &directory.display().to_string());
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn scripts_of_start_and_end_run_before_and_after_everything_and_no_longer_than_they_may() {
    let globals = "script_user root\nstartup_script \"HERE/first word\"\nshutdown_script \"HERE/last\"\n\
                   shutdown_script_timeout 1\n";
    let Some(mut bench) = Bench::new(globals) else { return };
    let here = bench.directory.path().to_owned();
    script(&bench.path("first"), "echo \"hello $1\"; test -e HERE/sock || echo before > HERE/when; exit 3", &here);
    script(&bench.path("last"), "ip -brief address show eth0 > HERE/left; exec sleep 30", &here);
    bench.start(&[]);
    assert_eq!(read(text(&bench.path("when"))), "before\n");
    let told = bench.events().into_iter().find(|e| e.text.starts_with("startup_script: exit status 3")).unwrap();
    assert!(told.cause.unwrap().ends_with("first word, which said: hello word"));
    wait_for("MASTER", 10, || status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
    let begun = Instant::now();
    let engine = bench.engine.take().unwrap();
    assert!(engine.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let left = read(text(&bench.path("left")));
    assert!(left.contains("10.9.0.1/24") && !left.contains("10.9.0.20"), "{left}");
    assert!(read(text(&bench.path("engine.log"))).contains("shutdown_script: timed out"));
}

// parity: 91
#[test]
fn engines_of_two_namespaces_run_on_one_host_from_their_files_alone() {
    let Some(bench) = Bench::new("") else { return };
    let sockets = bench.path("sockets");
    std::fs::create_dir(&sockets).unwrap();
    let directory = format!("VIPDECK_CONTROL__DIRECTORY={}", sockets.display());
    let mut running = Vec::new();
    let pair = [(&bench.pair.a, "one"), (&bench.pair.b, "two")];
    for (namespace, name) in pair {
        let file = bench.path(&format!("{name}.conf"));
        let globals = format!("net_namespace {namespace}\ninstance {name}\nglobal_defs {{\nrouter_id lvs1\n}}\n");
        // Two virtual routers: each is master of its own.
        let number = if name == "one" { "51" } else { "52" };
        let vip = if name == "one" { "10.9.0.20" } else { "10.9.0.21" };
        let instance = INSTANCE.replace("51", number).replace("10.9.0.20", vip);
        std::fs::write(&file, format!("{globals}{instance}")).unwrap();
        let socket = sockets.join(format!("lvs1-{namespace}-{name}.sock"));
        // Started in the host's namespace.
        let argv = ["env", &directory, PROGRAM, "run", "--headless", "-f", text(&file)];
        running.push(Running::start_here(bench.directory.path(), name, &argv));
        wait_for("MASTER", 15, || status(&socket).is_some_and(|s| is_master(&s.instances[0])));
        let pid = status(&socket).unwrap().node.engine_pid;
        let inode = |path: &str| std::fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&format!("/proc/{pid}/ns/net")), inode(&format!("/run/netns/{namespace}")));
    }
    assert!(bench.pair.ip_a("-brief address").contains("10.9.0.20"));
    assert!(bench.pair.ip_b("-brief address").contains("10.9.0.21"));
    for engine in running {
        assert!(engine.stop().success());
    }
}

#[test]
fn a_namespace_that_is_not_there_keeps_the_engine_from_starting() {
    let Some(bench) = Bench::new("") else { return };
    let file = bench.path("none.conf");
    std::fs::write(&file, format!("net_namespace vdt-not-there\n{INSTANCE}")).unwrap();
    let output = std::process::Command::new(PROGRAM).args(["run", "--headless", "-f", text(&file)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("net_namespace: network namespace vdt-not-there"), "{said}");
}

#[test]
fn scripts_have_all_groups_of_their_user_where_that_is_asked_for() {
    let Some(nobody) = nix::unistd::User::from_name("mail").unwrap() else { return };
    let with = |set: &str| {
        let globals = format!("script_user mail\n{set}startup_script \"HERE/groups\"\n");
        let mut bench = Bench::new(&globals)?;
        let here = bench.directory.path().to_owned();
        std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o777)).unwrap();
        script(&bench.path("groups"), "id -G > HERE/which; id -u >> HERE/which", &here);
        bench.start(&[]);
        Some(read(text(&bench.path("which"))))
    };
    let name = std::ffi::CString::new("mail").unwrap();
    let mut all: Vec<_> =
        nix::unistd::getgrouplist(&name, nobody.gid).unwrap().iter().map(ToString::to_string).collect();
    all.sort();
    for (set, wanted) in [("", vec![nobody.gid.to_string()]), ("set_supplementary_groups\n", all)] {
        let Some(found) = with(set) else { return };
        let (groups, user) = found.trim_end().split_once('\n').unwrap();
        let mut groups: Vec<_> = groups.split(' ').map(str::to_owned).collect();
        groups.sort();
        assert_eq!((groups, user), (wanted, nobody.uid.to_string().as_str()));
    }
}
