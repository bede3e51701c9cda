//! What scripts and FIFOs are told of real servers and quorums, beside keepalived: the same servers die and come back
//! for both.

use crate::same::{PATIENCE, end, engine, in_namespace};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PORTS: [u16; 3] = [9001, 9002, 9003];

fn text(directory: &Path) -> String {
    let tell = directory.join("tell");
    let tell = tell.display();
    let real = |number: usize| {
        let weight = if number == 3 { 2 } else { 1 };
        format!(
            "    real_server 127.0.0.1 900{number} {{\n        weight {weight}\n        notify_up \"{tell} up{number} 'a b' c\"\n        \
             notify_down \"{tell} down{number}\"\n        TCP_CHECK {{\n            connect_timeout 1\n        }}\n    }}\n"
        )
    };
    format!(
        "global_defs {{\n    lvs_notify_fifo {}\n    script_user root\n}}\nvirtual_server 10.0.0.1 80 {{\n    delay_loop 1\n    \
         lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    quorum 3\n    hysteresis 1\n    omega\n    quorum_up \"{tell} quorum_up\"\n    \
         quorum_down \"{tell} quorum_down\"\n    retry 1\n    delay_before_retry 0\n    warmup 0\n{}{}{}}}\n",
        directory.join("fifo").display(),
        real(1),
        real(2),
        real(3)
    )
}

/// What was told after each step: the scripts of one step sorted, since keepalived runs them side by side.
type Told = Vec<(Vec<String>, Vec<String>)>;

pub(crate) fn scripts_and_fifos_are_told_the_same() {
    let told = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| in_namespace(|| story(Path::new("/tmp/vipdeck-theirs"), &keepalived)));
        let ours = scope.spawn(|| {
            let start = |file: &Path| engine(file, &file.with_extension("sock"), &file.with_extension("log"));
            in_namespace(|| story(Path::new("/tmp/vipdeck-ours"), &start))
        });
        [theirs.join().unwrap(), ours.join().unwrap()]
    });
    let [theirs, ours] = told;
    assert_eq!(theirs, ours);
    let lines: Vec<_> = ours.iter().flat_map(|(_, lines)| lines).map(String::as_str).collect();
    assert!(lines.contains(&"RS [127.0.0.1]:tcp:9001 [10.0.0.1]:tcp:80 DOWN"), "{lines:?}");
}

fn keepalived(file: &Path) -> Child {
    let log = File::create(file.with_extension("log")).unwrap();
    let mut command = Command::new("keepalived");
    command.args(["--check", "--dont-fork", "--log-console", "--use-file"]).arg(file);
    command.arg("--pid").arg(file.with_extension("pid")).arg("--checkers_pid").arg(file.with_extension("cpid"));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

struct Ears {
    directory: PathBuf,
    fifo: File,
    heard: Vec<u8>,
}

impl Ears {
    fn open(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let script = format!("#!/bin/sh\necho \"$*\" >> {}\n", directory.join("notes").display());
        std::fs::write(directory.join("tell"), script).unwrap();
        std::fs::set_permissions(directory.join("tell"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let fifo = directory.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let fifo = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(fifo).unwrap();
        Self { directory: directory.to_owned(), fifo, heard: Vec::new() }
    }

    /// So many scripts and lines since the last call.
    fn hear(&mut self, step: &str, scripts: usize, lines: usize) -> (Vec<String>, Vec<String>) {
        let begun = Instant::now();
        loop {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = self.fifo.read(&mut some) {
                self.heard.extend_from_slice(&some[..length]);
            }
            let notes = std::fs::read_to_string(self.directory.join("notes")).unwrap_or_default();
            let heard = String::from_utf8_lossy(&self.heard).into_owned();
            if notes.lines().count() >= scripts && heard.lines().count() >= lines {
                sleep(Duration::from_millis(200));
                self.heard.clear();
                let mut ran: Vec<_> = notes.lines().map(str::to_owned).collect();
                ran.sort();
                let _ = std::fs::remove_file(self.directory.join("notes"));
                return (ran, heard.lines().map(str::to_owned).collect());
            }
            assert!(begun.elapsed() < PATIENCE, "{step}: {notes}{heard}");
            sleep(Duration::from_millis(50));
        }
    }
}

fn story(directory: &Path, start: &(dyn Fn(&Path) -> Child + Sync)) -> Told {
    let mut ears = Ears::open(directory);
    let file = directory.join("story.conf");
    std::fs::write(&file, text(directory)).unwrap();
    let open = |port: u16| TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut servers: Vec<_> = PORTS.iter().map(|port| Some(open(*port))).collect();
    let mut child = start(&file);
    let mut told = vec![ears.hear("start", 1, 1)];
    // The first check of each has gone well.
    sleep(Duration::from_secs(3));
    // The last one that goes takes the quorum with it, and the last that comes brings it back.
    for (number, scripts) in [(0, 1), (1, 1), (2, 2)] {
        servers[number] = None;
        told.push(ears.hear("a server goes", scripts, scripts));
    }
    for (number, scripts) in [(2, 1), (1, 1), (0, 2)] {
        servers[number] = Some(open(PORTS[number]));
        told.push(ears.hear("a server comes", scripts, scripts));
    }
    end(&mut child, Signal::SIGTERM);
    let (ran, mut lines) = ears.hear("the end", 4, 4);
    lines.sort();
    told.push((ran, lines));
    told
}
