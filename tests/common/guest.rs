//! Tests of a kernel with ip_vs and more: where this one has none, the test's own binary runs again under
//! `tests/uml/run`.

use std::path::Path;
use std::process::Command;

/// Whether this is the guest already.
pub(crate) fn is_inside() -> bool {
    std::env::var("VIPDECK_IN_UML").is_ok()
}

/// Runs this binary's test in the guest, for at most so many seconds, and returns what it said. It must have said
/// `proof`: that a binary ended well is none. An error is why it has to be skipped.
pub(crate) fn run(test: &str, (memory, seconds): (&str, u32), proof: &str) -> Result<String, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("the guest kernel works on files as root".into());
    }
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uml/run");
    let mut command = Command::new(runner);
    command.args(["-m", memory, "-t", &seconds.to_string()]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) if text.contains(proof) => Ok(text),
        Some(0) if text.contains("skipped:") => Err(text),
        Some(125) => Err(format!("no guest kernel could be started: {text}")),
        code => panic!("under the guest kernel, exit status {code:?}:\n{text}"),
    }
}
