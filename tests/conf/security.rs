//! Scripts that others may change, run by root: what keepalived refuses, vipdeck refuses.

use crate::keepalived::Namespace;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

// parity: 73
#[test]
fn a_script_that_others_may_change_is_refused_with_script_security() {
    let directory = tempfile::tempdir().unwrap();
    let open = directory.path().join("open");
    fs::create_dir(&open).unwrap();
    let script = open.join("check.sh");
    fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
    let file = directory.path().join("x.conf");
    let write = |security: &str| {
        let text = format!(
            "global_defs {{\n{security}\nscript_user root\n}}\nvrrp_script chk {{\nscript \"{}\"\n}}\n\
             vrrp_instance A {{\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {{\n192.0.2.5\n}}\n\
             track_script {{\nchk\n}}\n}}\n",
            script.display()
        );
        fs::write(&file, text).unwrap();
    };
    let ours = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vipdeck"));
        let output = command.args(["check", "--as-keepalived"]).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let mode = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let namespace = Namespace::new("security");
    // What is writable, security asked for, and whether it is refused. The directories above are root's alone, but /tmp.
    for (of_script, of_directory, security, refused) in [
        (0o755, 0o755, "enable_script_security", false),
        (0o757, 0o755, "enable_script_security", true),
        (0o755, 0o757, "enable_script_security", true),
        // Not asked for: it runs, and the test says 6.
        (0o757, 0o755, "", false),
    ] {
        mode(&script, of_script);
        mode(&open, of_directory);
        write(security);
        let (status, said) = ours();
        assert_eq!(said.contains("insecure-script"), refused, "{of_script:o} {of_directory:o} {security}\n{said}");
        assert_eq!(security.is_empty(), status == Some(6), "{said}");
        let Some(namespace) = &namespace else { continue };
        let (theirs, words) = namespace.test(&file, &[]);
        assert_eq!(status, theirs, "{of_script:o} {of_directory:o}\n{said}\n{words}");
    }
}
