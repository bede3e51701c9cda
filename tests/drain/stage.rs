//! Two directors, four servers and a client on one switch, each in a namespace of its own; direct routing.

use crate::namespaces::{run, wait_for};
use crate::programs::{Running, signal};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vipdeck::control::{self, Target, client};
use vipdeck::status::{Admin, Event, Real, Role, Snapshot};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vipdeck");
pub(crate) const VIP: &str = "10.8.0.20";
pub(crate) const SERVERS: usize = 4;

pub(crate) struct Stage {
    /// Dropped first: engines end before their network.
    engines: [Option<Running>; 2],
    namespaces: Vec<String>,
    stem: String,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn real(server: usize) -> String {
    format!("10.8.0.{}:80", 31 + server)
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stem = format!("vdd{}", std::process::id());
        let mut stage =
            Self { engines: [None, None], namespaces: Vec::new(), stem, directory: tempfile::tempdir().unwrap() };
        let switch = stage.add("sw");
        run(&["-n", &switch, "link", "add", "br0", "type", "bridge"]);
        run(&["-n", &switch, "link", "set", "br0", "up"]);
        for director in 0..2 {
            stage.plug(&format!("d{director}"), &format!("10.8.0.{}/24", 11 + director));
        }
        stage.plug("c", "10.8.0.100/24");
        for server in 0..SERVERS {
            let namespace = stage.plug(&format!("s{server}"), &format!("10.8.0.{}/24", 31 + server));
            for (setting, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
                let key = format!("net.ipv4.conf.all.{setting}={value}");
                let set = ["netns", "exec", &namespace, "sysctl", "-q", "-w", &key];
                run(&set);
            }
            run(&["-n", &namespace, "address", "add", &format!("{VIP}/32"), "dev", "lo"]);
        }
        stage
    }

    fn add(&mut self, name: &str) -> String {
        let namespace = self.namespace(name);
        run(&["netns", "add", &namespace]);
        run(&["-n", &namespace, "link", "set", "lo", "up"]);
        self.namespaces.push(namespace.clone());
        namespace
    }

    /// A machine on the switch.
    fn plug(&mut self, name: &str, address: &str) -> String {
        let namespace = self.add(name);
        let switch = self.namespace("sw");
        let port = format!("p-{name}");
        run(&["link", "add", "eth0", "netns", &namespace, "type", "veth", "peer", "name", &port, "netns", &switch]);
        run(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
        run(&["-n", &namespace, "address", "add", address, "dev", "eth0"]);
        run(&["-n", &namespace, "link", "set", "eth0", "up"]);
        namespace
    }

    pub(crate) fn namespace(&self, name: &str) -> String {
        format!("{}{name}", self.stem)
    }

    fn file(&self, director: usize, ending: &str) -> PathBuf {
        self.directory.path().join(format!("d{director}.{ending}"))
    }

    pub(crate) fn socket(&self, director: usize) -> PathBuf {
        self.file(director, "sock")
    }

    /// The engine, its guard, and its table once it has been read.
    pub(crate) fn start(&mut self, director: usize) {
        std::fs::write(self.file(director, "conf"), configuration(director)).unwrap();
        let text = |path: PathBuf| path.display().to_string();
        let (file, socket) = (text(self.file(director, "conf")), text(self.socket(director)));
        let state = text(self.file(director, "state"));
        let argv = [PROGRAM, "run", "--headless", "-f", &file, "--control", &socket, "--state", &state];
        let namespace = self.namespace(&format!("d{director}"));
        let name = format!("d{director}");
        self.engines[director] = Some(Running::start(&namespace, self.directory.path(), &name, &argv));
        self.wait_for_table(director);
    }

    pub(crate) fn wait_for_table(&self, director: usize) {
        wait_for("the engine has a table", 20, || {
            let snapshot = status(&self.socket(director));
            snapshot.is_some_and(|s| {
                s.services.iter().all(|v| v.reals.iter().all(|r| r.weight_kernel == r.weight_effective))
            })
        });
    }

    /// SIGTERM.
    pub(crate) fn stop(&mut self, director: usize) {
        self.engines[director].take().unwrap().stop();
    }

    /// The machine dies: guard and engine at once, and with them their addresses and their table.
    pub(crate) fn crash(&mut self, director: usize) {
        let engine = self.snapshot(director).node.engine_pid;
        let guard = self.engines[director].take().unwrap();
        signal(guard.pid(), Signal::SIGKILL);
        signal(engine, Signal::SIGKILL);
        drop(guard);
        let namespace = self.namespace(&format!("d{director}"));
        let remove = ["-n", &namespace, "address", "delete", &format!("{VIP}/24"), "dev", "eth0"];
        // It may have been BACKUP.
        let _ = Command::new("ip").args(remove).output().unwrap();
        if Path::new("/proc/net/ip_vs").exists() {
            run(&["netns", "exec", &namespace, "ipvsadm", "-C"]);
        }
    }

    pub(crate) fn kill_engine(&self, director: usize) {
        let before = self.snapshot(director).node.engine_pid;
        signal(before, Signal::SIGKILL);
        wait_for("the next engine goes on", 20, || {
            status(&self.socket(director)).is_some_and(|s| s.node.engine_pid != before)
        });
        self.wait_for_table(director);
    }

    pub(crate) fn is_master(&self, director: usize) -> bool {
        status(&self.socket(director))
            .is_some_and(|s| s.instances.iter().all(|i| i.state == Role::Master && i.holds_all()))
    }

    pub(crate) fn snapshot(&self, director: usize) -> Snapshot {
        status(&self.socket(director)).expect("the engine answers")
    }

    pub(crate) fn events(&self, director: usize) -> Vec<Event> {
        block_on(client::events(&target(&self.socket(director)).unwrap(), 0)).unwrap()
    }

    /// A server in the first virtual service.
    pub(crate) fn real(&self, director: usize, server: usize) -> Real {
        let snapshot = self.snapshot(director);
        let service = snapshot.services.iter().find(|s| s.id.to_string().ends_with(":80")).unwrap();
        service.reals.iter().find(|r| r.id.to_string() == real(server)).unwrap().clone()
    }

    pub(crate) fn admin(&self, director: usize, server: usize) -> (Admin, Option<u32>) {
        let real = self.real(director, server);
        (real.admin, real.weight_kernel)
    }

    /// The program, told of these directors.
    pub(crate) fn vipdeck(&self, directors: &[usize], arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        for director in directors {
            command.arg("--at").arg(self.socket(*director));
        }
        command.output().unwrap()
    }

    /// The same, and it must be accepted.
    pub(crate) fn must(&self, directors: &[usize], arguments: &[&str]) -> String {
        let output = self.vipdeck(directors, arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "vipdeck {}: {said}", arguments.join(" "));
        said
    }

    pub(crate) fn journal(&self, director: usize) -> PathBuf {
        let state = self.file(director, "state");
        let entries: Vec<_> = std::fs::read_dir(&state).unwrap().map(|e| e.unwrap().path()).collect();
        entries.into_iter().find(|p| p.extension().is_some_and(|e| e == "intent")).expect("a journal")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.engines = [None, None];
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

/// From this process: the guest has one slow processor, and a program to start costs it half a second.
fn status(socket: &Path) -> Option<Snapshot> {
    block_on(client::status(&target(socket)?)).ok()
}

fn target(socket: &Path) -> Option<Target> {
    control::resolve(&[socket.display().to_string()], Path::new("/")).ok()?.pop()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn configuration(director: usize) -> String {
    let priority = [150, 100][director];
    let service = |port: u16, more: &str, weight: u32| {
        let reals: String = (0..SERVERS)
            .map(|s| format!("real_server 10.8.0.{} {port} {{\nweight {weight}\n}}\n", 31 + s))
            .collect::<Vec<_>>()
            .concat();
        format!("virtual_server {VIP} {port} {{\nlb_algo rr\nlb_kind DR\nprotocol TCP\n{more}{reals}}}\n")
    };
    format!(
        "global_defs {{\nrouter_id d{director}\n}}\nvrrp_instance V {{\ninterface eth0\nvirtual_router_id 51\n\
         priority {priority}\nadvert_int 1\nvirtual_ipaddress {{\n{VIP}/24\n}}\n}}\n"
    ) + &service(80, "", 10)
        + &service(81, "persistence_timeout 60\n", 1)
}
