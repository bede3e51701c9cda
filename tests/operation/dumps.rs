//! What signals have an engine write, beside what they have keepalived write.

use crate::dumped::{differences, objects};
use crate::engine::status;
use crate::host::Host;
use crate::namespaces::wait_for;
use crate::programs::{Running, has};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

const FILE: &str = include_str!("dumped.conf");
const USR1: i32 = 10;
const USR2: i32 = 12;
const JSON: i32 = 36;
const STATS_CLEAR: i32 = 63;

fn send(pid: u32, number: i32) {
    // kill(1) takes any number, nix no real-time signal.
    let status = std::process::Command::new("kill").arg(format!("-{number}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

/// The file that a signal has a program write.
fn dumped(host: &Host, program: &Running, number: i32, name: &str) -> String {
    let path = host.path(name);
    let _ = std::fs::remove_file(&path);
    send(program.pid(), number);
    wait_for(name, 10, || std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n') || text.ends_with(']')));
    // keepalived writes it piece by piece.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{name}");
    std::fs::read_to_string(&path).unwrap()
}

/// The file, and what it tracks.
fn configuration(host: &Host) -> String {
    host.write("tracked", "3\n");
    FILE.replace("/nowhere", &crate::host::text(host.directory.path()))
}

// parity: 71
#[test]
fn signals_write_what_they_have_keepalived_write() {
    if !has(&["keepalived", "ip", "kill"]) {
        return;
    }
    let Some(host) = Host::new() else { return };
    let file = host.write("dumped.conf", &configuration(&host));
    let keepalived = host.keepalived(&file, &[]);
    wait_for("keepalived takes signals", 10, || keepalived.said().contains("Startup complete"));
    wait_for("keepalived is MASTER", 15, || host.ip("address show dev eth1").contains("10.9.1.101"));
    let all = |program: &Running| {
        [(USR1, "keepalived.data"), (USR2, "keepalived.stats"), (JSON, "keepalived.json")]
            .map(|(number, name)| dumped(&host, program, number, name))
    };
    let theirs = all(&keepalived);
    keepalived.stop();
    let vipdeck = host.vipdeck(&file, &[]);
    let is_master = || status(&host.socket()).is_some_and(|s| crate::engine::is_master(s.instance("VI_1").unwrap()));
    wait_for("vipdeck is MASTER", 15, is_master);
    let ours = all(&vipdeck);

    let found = differences(&objects(&ours[0]), &objects(&theirs[0]));
    assert!(found.is_empty(), "{found}");
    assert!(!ours[0].contains("secret"), "no password in a dump");
    let names =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect() };
    assert_eq!(names(&ours[1]), names(&theirs[1]));
    same_json(&ours[2], &theirs[2]);

    let sent = |text: &str| -> u64 {
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Sent: ")).unwrap();
        line.parse().unwrap()
    };
    wait_for("some adverts are sent", 15, || host.snapshot().instance("VI_1").unwrap().adverts_sent > 4);
    let before = sent(&dumped(&host, &vipdeck, STATS_CLEAR, "keepalived.stats"));
    let after = sent(&dumped(&host, &vipdeck, USR2, "keepalived.stats"));
    assert!(before > after, "{before} adverts before the statistics were cleared, {after} after");
    vipdeck.stop();
}

/// The same fields of the same kinds, and the same values but for those of the moment.
fn same_json(ours: &str, theirs: &str) {
    let read = |text: &str| -> Vec<Value> { serde_json::from_str(text).unwrap() };
    let (ours, theirs) = (read(ours), read(theirs));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for part in ["data", "stats"] {
            let (ours, theirs) = (fields(ours, part), fields(theirs, part));
            let name = &fields_name(theirs, ours);
            // keepalived writes this one only since 2.3.
            let is_old = |field: &&String| *field != "track_process";
            let names = |fields: &Map<String, Value>| fields.keys().filter(is_old).cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(ours), names(theirs), "{name} {part}");
            let of_the_moment = ["last_transition", "effective_priority", "auth_data", "master_priority"];
            for (field, value) in theirs {
                let own = &ours[field];
                assert_eq!(own.is_number(), value.is_number(), "{name} {field}: {own} {value}");
                assert_eq!(own.is_boolean(), value.is_boolean(), "{name} {field}: {own} {value}");
                if part == "data" && !of_the_moment.contains(&field.as_str()) {
                    // The one uses nftables for some addresses, the other for all of its kind.
                    let path =
                        |value: &Value| value.to_string().replace("'/bin/", "'/usr/bin/").replace(" nftable_set", "");
                    assert_eq!(path(own), path(value), "{name} {field}");
                }
            }
        }
    }
}

fn fields<'v>(object: &'v Value, part: &str) -> &'v Map<String, Value> {
    object[part].as_object().unwrap()
}

fn fields_name(theirs: &Map<String, Value>, ours: &Map<String, Value>) -> String {
    theirs.get("iname").or_else(|| ours.get("iname")).map(ToString::to_string).unwrap_or_default()
}

const MORE: &str = "bfd_instance path {
    neighbor_ip 10.9.3.2
}
virtual_server 10.9.1.101 80 {
    protocol TCP
    lb_algo rr
    lb_kind DR
    real_server 10.9.1.11 80 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
";

// parity: 72
#[test]
fn everything_is_in_the_json_of_status() {
    let Some(host) = Host::new() else { return };
    let text = configuration(&host).replace(
        "        chk\n    }\n    notify_m",
        "        chk\n    }\n    track_bfd {\n        path\n    }\n    notify_m",
    );
    let file = host.write("all.conf", &(MORE.to_owned() + &text));
    let vipdeck = host.vipdeck(&file, &[]);
    let known = || {
        let snapshot = host.snapshot();
        snapshot.scripts[0].good == Some(true)
            && snapshot.files[0].value == Some(3)
            && snapshot.processes[0].good.is_some()
    };
    wait_for("trackers have results", 10, known);
    let mut command = std::process::Command::new(crate::engine::PROGRAM);
    let output = command.args(["status", "--json", "--at"]).arg(host.socket()).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let instance = |name: &str| json["instances"].as_array().unwrap().iter().find(|i| i["name"] == name).unwrap();
    assert_eq!(instance("VI_2")["group"], "G1");
    assert_eq!(instance("VI_1")["tracks"][0]["name"], "chk", "{}", instance("VI_1")["tracks"]);
    assert!(instance("VI_1")["moves"].as_array().unwrap().len() > 10);
    assert_eq!(json["scripts"][0]["name"], "chk");
    assert_eq!(json["scripts"][0]["good"], true);
    assert_eq!(json["files"][0]["value"], 3);
    assert_eq!(json["processes"][0]["quorum"], 2);
    assert_eq!(json["bfd"]["sessions"][0]["neighbor"], "10.9.3.2");
    assert_eq!(json["statics"].as_array().unwrap().len(), 3);
    let real = &json["services"][0]["reals"][0];
    assert_eq!((&real["health"]["method"], &real["weight_configured"]), (&"TCP_CHECK".into(), &1.into()), "{real}");
    vipdeck.stop();
}

#[test]
fn dumps_go_where_the_file_says_and_version_2_has_the_processes() {
    let Some(host) = Host::new() else { return };
    let directory = crate::host::text(host.directory.path());
    let globals = format!(
        "global_defs {{\n    json_version 2\n    json_dump_file {directory}/own.json\n    data_use_instance\n}}\n\
         instance blue\n"
    );
    let file = host.write("own.conf", &(globals + &configuration(&host)));
    let vipdeck = host.vipdeck(&file, &[]);
    let json: Value = serde_json::from_str(&dumped(&host, &vipdeck, JSON, "own.json")).unwrap();
    assert_eq!(json["vrrp"].as_array().unwrap().len(), 4);
    assert_eq!(json["track_process"][0]["min_processes"], 2, "{json}");
    assert!(dumped(&host, &vipdeck, USR2, "keepalived_blue.stats").contains("VRRP Instance: VI_4"));
    vipdeck.stop();
}
