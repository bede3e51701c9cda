//! `vipdeck real-server permanent`, below a directory of its own.

use crate::namespaces::{Pair, skipped};
use crate::real_server::{good, real_server};
use std::fs;
use std::process::Command;

#[test]
fn a_unit_is_shown_written_and_removed() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let root = format!("--root {}", directory.path().display());
    let unit = directory.path().join("etc/systemd/system/vipdeck-real-server.service");
    let enabled = directory.path().join("etc/systemd/system/multi-user.target.wants/vipdeck-real-server.service");
    let what = format!("permanent --vip 10.9.0.20 --vip 2001:db8:9::20 {root}");

    let shown = good(&pair.a, &what);
    assert!(shown.contains("real-server up --vip 10.9.0.20 --vip 2001:db8:9::20"), "{shown}");
    assert!(shown.contains("nothing has been written: the same with --write does"), "{shown}");
    assert!(!unit.exists());

    let written = good(&pair.a, &format!("{what} --write"));
    let text = fs::read_to_string(&unit).unwrap();
    for line in text.lines() {
        assert!(shown.contains(line), "written, not shown: {line}");
    }
    assert!(written.contains("systemctl daemon-reload && systemctl start vipdeck-real-server.service"), "{written}");
    assert_eq!(fs::read_link(&enabled).unwrap().to_str().unwrap(), "/etc/systemd/system/vipdeck-real-server.service");
    verify(unit.to_str().unwrap());
    assert!(good(&pair.a, &format!("{what} --write")).contains("nothing to do"));

    // What the unit does is what its words say.
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let (program, arguments) = start.split_once(" real-server ").unwrap();
    assert_eq!(program, env!("CARGO_BIN_EXE_vipdeck"));
    good(&pair.a, arguments);
    assert!(pair.ip_a("address show dev lo").contains("10.9.0.20/32"));
    let stop = text.lines().find_map(|line| line.strip_prefix("ExecStop=")).unwrap();
    good(&pair.a, stop.split_once(" real-server ").unwrap().1);

    assert!(good(&pair.a, &format!("permanent --remove {root}")).contains("would remove"));
    assert!(unit.exists());
    good(&pair.a, &format!("permanent --remove --write {root}"));
    assert!(!unit.exists() && fs::symlink_metadata(&enabled).is_err());
    assert!(good(&pair.a, &format!("permanent --remove --write {root}")).contains("nothing to do"));
}

/// What systemd says to it; some machines have none.
fn verify(unit: &str) {
    match Command::new("systemd-analyze").args(["verify", "--man=no", unit]).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && !text.contains("vipdeck-real-server.service:"), "{text}");
        }
        Err(_) => skipped("there is no systemd-analyze to read the unit"),
    }
}

#[test]
fn settings_are_written_for_sysctl_and_what_is_not_ours_is_left_alone() {
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let root = format!("--root {}", directory.path().display());
    let file = directory.path().join("etc/sysctl.d/60-vipdeck-real-server.conf");
    good(&pair.a, &format!("permanent --sysctl --vip 10.9.0.20 --write {root}"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nnet.ipv4.conf.all.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce = 2\n"), "{text}");
    // sysctl(8) takes it as it is.
    let output =
        Command::new("ip").args(["netns", "exec", &pair.a, "sysctl", "-p", file.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (_, status) = real_server(&pair.a, "status --vip 10.9.0.20");
    assert!(!status.contains("arp_ignore is"), "{status}");
    good(&pair.a, &format!("permanent --remove --write {root}"));
    assert!(!file.exists());

    fs::write(&file, "net.ipv4.conf.all.arp_ignore = 8\n").unwrap();
    let (code, said) = real_server(&pair.a, &format!("permanent --sysctl --vip 10.9.0.20 --write {root}"));
    assert!(code == 2 && said.contains("is not ours"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "net.ipv4.conf.all.arp_ignore = 8\n");
}
