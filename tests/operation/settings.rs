//! What instances run by, and where each value comes from.

use crate::engine::PROGRAM;
use crate::host::{Host, text};
use crate::namespaces::wait_for;
use std::process::Command;
use vipdeck::status::{Setting, SettingFrom};

const FILE: &str = "global_defs {
    vrrp_garp_master_delay 7
    vrrp_version 3
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    include more.conf
    virtual_ipaddress {
        10.9.0.101/24
        10.9.0.102
    }
}
vrrp_instance VI_2 {
    interface eth1
    virtual_router_id 52
    version 2
    nopreempt
    virtual_ipaddress {
        10.9.1.101/24
    }
}
";
const MORE: &str = "# More.\nadvert_int 0.5\ngarp_lower_prio_repeat 2\n";

/// Name, value and origin, in the order of the snapshot.
type Told<'t> = (&'t str, &'t str, String);

// parity: 14
#[test]
fn every_value_is_shown_with_the_place_it_comes_from() {
    let Some(host) = Host::new() else { return };
    let file = host.write("node.conf", FILE);
    let more = text(&host.write("more.conf", MORE));
    let vipdeck = host.vipdeck(&file, &[]);
    let snapshot = host.snapshot();
    let told = |name: &str| -> Vec<Setting> { snapshot.instance(name).unwrap().settings.clone() };
    let file = text(&file);
    let at = |line: u32| format!("{file}:{line}");
    let expected: [Told<'_>; 12] = [
        ("state", "BACKUP", "default".into()),
        ("interface", "eth0", at(6)),
        ("priority", "150", at(8)),
        ("version", "3", format!("global_defs, {}", at(3))),
        ("advert_int", "0.5", format!("{more}:2")),
        ("garp_master_delay", "7", format!("global_defs, {}", at(2))),
        ("garp_master_repeat", "5", "default".into()),
        // It follows from the other one, and nobody wrote it.
        ("garp_lower_prio_delay", "7", "default".into()),
        ("garp_lower_prio_repeat", "2", format!("{more}:3")),
        ("preempt", "on", "default".into()),
        ("virtual_ipaddress", "10.9.0.101/24 dev eth0, 10.9.0.102/32 dev eth0", at(10)),
        ("notify_master", "none", "default".into()),
    ];
    let first = told("VI_1");
    for (name, value, origin) in expected {
        let setting = first.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no {name} in {first:#?}"));
        assert_eq!((setting.value.as_ref(), setting.origin()), (value, origin), "{name}");
    }
    let second = told("VI_2");
    let of_second = |name: &str| second.iter().find(|s| s.name == name).unwrap();
    assert_eq!((of_second("version").value.as_ref(), of_second("version").origin()), ("2", at(18)));
    assert_eq!((of_second("preempt").value.as_ref(), of_second("preempt").from), ("off", SettingFrom::File));
    assert_eq!(first.len(), second.len(), "every one of them, written or not");

    // After a reload the places are those of the new file, also where nothing else has changed.
    host.write("node.conf", &format!("# One line more.\n{FILE}"));
    let reloaded = Command::new(PROGRAM).args(["reload", "--wait", "--at"]).arg(host.socket()).output().unwrap();
    assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    let table = || {
        let output = Command::new(PROGRAM).args(["status", "--values", "--at"]).arg(host.socket()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    wait_for("the new places are shown", 5, || table().contains(&at(9)));
    let table = table();
    let line = |name: &str| table.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
    assert!(line("priority").ends_with(&at(9)), "{table}");
    assert!(line("version").ends_with(&format!("global_defs, {}", at(4))), "{table}");
    assert!(line("garp_master_repeat").ends_with("default"), "{table}");
    vipdeck.stop();
}
