//! Through a real sshd on loopback: who may what, a lost connection, nothing done twice, the other nodes of a cluster.

use crate::fake::{Fake, World};
use crate::skipped;
use crate::watching::Watch;
use crate::words;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vipdeck::control::{Access, NodeList};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vipdeck");
/// Groups that every Debian has, for the two levels.
const VIEW: (&str, u32) = ("games", 60);
const OPERATE: (&str, u32) = ("news", 9);

/// An sshd of our own, with users of its own: it alone sees them in /etc/passwd.
struct Sshd {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Sshd {
    fn start() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skipped("an sshd needs root");
            return None;
        }
        if !Path::new("/usr/sbin/sshd").exists() || !Path::new("/usr/bin/ssh").exists() {
            skipped("openssh is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
            assert!(made.unwrap().success());
        }
        fs::create_dir_all(at("bin")).unwrap();
        fs::copy(PROGRAM, at("bin/vipdeck")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = directory.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\nAuthorizedKeysFile {here}/user.pub\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSetEnv PATH={here}/bin:/usr/bin:/bin\n"
        );
        fs::write(at("sshd_config"), config).unwrap();
        let users = [("vdtview", 64_001, VIEW.1), ("vdtoper", 64_002, OPERATE.1), ("vdtnone", 64_003, 65_534)];
        let own = users.map(|(name, uid, gid)| format!("{name}:*:{uid}:{gid}::/:/bin/sh\n")).concat();
        fs::write(at("passwd"), fs::read_to_string("/etc/passwd").unwrap() + &own).unwrap();
        let client = format!(
            "IdentityFile {here}/user\nIdentitiesOnly yes\nUserKnownHostsFile {here}/known\nStrictHostKeyChecking accept-new\n"
        );
        fs::write(at("ssh_config"), client).unwrap();
        // The program runs `ssh`, whose settings are the user's; these are the test's.
        fs::create_dir_all(at("client")).unwrap();
        fs::write(at("client/ssh"), format!("#!/bin/sh\nexec /usr/bin/ssh -F {here}/ssh_config \"$@\"\n")).unwrap();
        fs::set_permissions(at("client/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        let script =
            format!("mount --bind {here}/passwd /etc/passwd && exec /usr/sbin/sshd -D -e -f {here}/sshd_config");
        let log = fs::File::create(at("sshd.log")).unwrap();
        let mut sshd = Command::new("unshare");
        let child = sshd.args(["-m", "sh", "-c", &script]).stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let sshd = Self { child, port, directory };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(sshd.path("sshd.log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(20), "sshd does not listen: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(sshd)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn word(&self, user: &str, socket: &str) -> String {
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, self.path(socket).display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let path = format!("{}:{}", self.path("client").display(), std::env::var("PATH").unwrap());
        command.args(arguments).env("PATH", path).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (status.code().unwrap(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    /// Ends the sessions, and leaves the server.
    fn cut(&self) {
        let listed = Command::new("pgrep").args(["-P", &self.child.id().to_string()]).output().unwrap();
        for pid in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            // One may have ended by itself meanwhile.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), nix::sys::signal::SIGKILL);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn engine(sshd: &Sshd, socket: &str, name: &str, pid: u32) -> Fake {
    let access = Access { view_group: Some(VIEW.0.into()), operate_group: Some(OPERATE.0.into()) };
    Fake::at(&sshd.path(socket), World::Stubborn, access, words::snapshot(name, pid))
}

#[test]
fn who_may_look_and_who_may_command_is_the_same_through_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let fake = engine(&sshd, "lvs1.sock", "lvs1", 1);
    let asked = || fake.asked.lock().unwrap().len();
    for (user, look, command) in [("root", 0, 0), ("vdtview", 0, 1), ("vdtoper", 0, 0), ("vdtnone", 2, 2)] {
        let at = sshd.word(user, "lvs1.sock");
        let (code, text) = sshd.run(&["status", "--at", &at]);
        let log = || fs::read_to_string(sshd.path("sshd.log")).unwrap();
        assert_eq!(code, look, "{user} looks: {text}\n{}", log());
        let before = asked();
        let (code, text) = sshd.run(&["demote", "VI_1", "--reason", "through ssh", "--at", &at]);
        assert_eq!(code, command, "{user} commands: {text}");
        assert_eq!(asked() - before, usize::from(command == 0), "{user}");
        if user == "vdtview" {
            assert!(text.contains("members of news may command this engine"), "{text}");
        }
    }
}

#[test]
fn a_lost_connection_is_told_found_again_and_nothing_is_done_twice() {
    let Some(sshd) = Sshd::start() else { return };
    let fake = engine(&sshd, "lvs1.sock", "lvs1", 1);
    let second = engine(&sshd, "lvs2.sock", "lvs2", 2);
    let at = sshd.word("root", "lvs1.sock");
    fake.record(1..=1);
    // It knows of the second node by its socket there.
    let nodes = ["lvs1.sock", "lvs2.sock"].map(|name| sshd.path(name).display().to_string()).to_vec();
    fake.board.set_nodes(NodeList { cluster: Some("web".into()), nodes });
    let (code, text) = sshd.run(&["attach", "--list", &at]);
    assert!(code == 0 && text.contains("knows web: ") && text.contains("lvs2.sock"), "{text}");

    let watch = Watch::of(sshd.command(&["attach", "--all", "--plain", &at]));
    let mut seen: Vec<String> = Vec::new();
    while !["lvs1: instance VI_1", "lvs2: instance VI_1"].iter().all(|w| seen.iter().any(|line| line.contains(w))) {
        seen.push(watch.line());
    }
    // A command whose session is cut while it waits for its outcome.
    let mut waiting = sshd
        .command(&["drain", "192.0.2.21:80", "--wait", "--timeout", "4", "--at", &at])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while fake.asked.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "the command arrives");
        std::thread::sleep(Duration::from_millis(20));
    }
    sshd.cut();
    watch.until("does not answer: ");
    watch.until("instance VI_1 is MASTER");
    fake.record(2..=2);
    watch.until("event number 2");
    let code = waiting.wait().unwrap().code();
    assert!(matches!(code, Some(2 | 3)), "not done, and said so: {code:?}");
    assert_eq!(fake.asked.lock().unwrap().len(), 1, "sent once");
    assert!(second.asked.lock().unwrap().is_empty());
    fake.record(3..=3);
    let mut last = watch.line();
    while !last.contains("event number 3") {
        assert!(!last.contains("event number 2"), "told once");
        last = watch.line();
    }
}
