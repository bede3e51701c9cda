//! Tests of a kernel with ip_vs: where this one has none, the test's own binary runs again under `tests/uml/run`.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use vipdeck::sys::ipvs::Ipvs;

/// Set by `tests/uml/run`.
const IN_GUEST: &str = "VIPDECK_IN_UML";

/// Whether this kernel has it. In the guest it must.
pub(crate) fn has_ipvs() -> bool {
    let opened = Ipvs::open();
    assert!(opened.is_ok() || std::env::var(IN_GUEST).is_err(), "the guest has no ip_vs: {:?}", opened.err());
    opened.is_ok()
}

/// Runs this binary's test in the guest. It must have said `proof`: that a binary ended well is none.
pub(crate) fn again(test: &str, options: &[&str], proof: &str) {
    if !nix::unistd::geteuid().is_root() {
        return crate::namespaces::skipped("this kernel has no ip_vs, and the guest kernel works on files as root");
    }
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uml/run");
    let mut command = Command::new(runner);
    command.args(options).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) if text.contains(proof) => {
            for line in text.lines().filter(|line| line.starts_with(proof)) {
                writeln!(std::io::stderr(), "{line}").unwrap();
            }
        }
        Some(125) => {
            crate::namespaces::skipped(&format!("this kernel has no ip_vs, and none with it could be started: {text}"));
        }
        code => panic!("under the guest kernel, exit status {code:?}:\n{text}"),
    }
}
