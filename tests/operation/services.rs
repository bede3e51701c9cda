//! The virtual servers of keepalived's own samples: what keepalived's dump says of them, and what ours does. In the guest.

use crate::dumped::{Objects, differences};
use crate::host::Host;
use crate::namespaces::wait_for;
use crate::programs::signal;
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Environment, Memory, Severity};
use vipdeck::engine::{Engine, Setup};
use vipdeck::report::dump::{self, Dump};
use vipdeck::status::{Dataplane, DataplaneKind};
use vipdeck::time::{Duration, Instant};

/// How many are run at once.
const AT_ONCE: usize = 5;

/// What is compared of a service and of a real server.
const OF_SERVICE: &[&str] = &[
    "Address family",
    "lvs_sched",
    "flag-",
    "One packet",
    "persistence timeout",
    "protocol",
    "omega",
    "quorum =",
    "Using smtp",
    "default forwarding",
    "sorry server",
];
const OF_REAL: &[&str] = &["forwarding method", "connection limit", "Inhibit", "Using smtp"];

pub(crate) fn both_find_the_same_services() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(crate::samples::SAMPLES).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_none_or(|e| e != "gz" && e != "sh"));
    files.sort();
    let supported: Vec<_> = files.iter().filter_map(|path| Some((path, ours(path)?))).collect();
    assert!(supported.len() > 10, "{supported:?}");
    let mut wrong = String::new();
    for some in supported.chunks(AT_ONCE) {
        let found: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> =
                some.iter().map(|(path, ours)| (path, scope.spawn(|| differences(ours, &theirs(path))))).collect();
            all.into_iter().map(|(path, thread)| (path, thread.join().unwrap())).collect()
        });
        for (path, text) in found.into_iter().filter(|(_, text)| !text.is_empty()) {
            write!(wrong, "{}:\n{text}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    eprintln!("measured: virtual servers of {} samples are keepalived's", supported.len());
}

/// None: there is no virtual server that could be read. Whether its checks are known does not matter here.
fn ours(path: &Path) -> Option<Objects> {
    let text = std::fs::read_to_string(path).unwrap();
    let environment = Environment { config_id: "high".into(), ..Environment::default() };
    let (config, diagnostics, _) = conf::parse_in(Path::new("x"), &Memory::one("x", &text), &environment);
    let fails =
        diagnostics.iter().any(|d| d.severity == Severity::Error && !["bad-address", "not-supported"].contains(&d.id));
    if fails || config.services.is_empty() {
        return None;
    }
    let mut engine = Engine::new(Setup {
        config: config.clone(),
        host: "lvs".into(),
        config_path: "x".into(),
        pid: 1,
        guard: None,
        seed: 1,
        wall_zero_us: 0,
        dataplane: Dataplane { kind: DataplaneKind::Ipvs, note: None },
        uptime: Duration::ZERO,
        lease: None,
        probe_addresses: false,
        legacy: None,
    });
    let snapshot = engine.snapshot(Instant::ZERO);
    Some(objects(&dump::services(&Dump { config, snapshot })))
}

fn theirs(path: &Path) -> Objects {
    let host = Host::bare().unwrap();
    let keepalived = host.checker(path, &["-i", "high"]);
    let file = host.path("keepalived_check.data");
    wait_for("keepalived takes signals", 60, || keepalived.said().contains("Startup complete"));
    signal(keepalived.pid(), Signal::SIGUSR1);
    // It is written piece by piece.
    let mut length = 0;
    wait_for(&format!("a dump of {}", path.display()), 30, || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let before = std::mem::replace(&mut length, std::fs::metadata(&file).map_or(0, |m| m.len()));
        length > 0 && length == before
    });
    let text = std::fs::read_to_string(&file).unwrap();
    keepalived.stop();
    objects(&text)
}

fn objects(dump: &str) -> Objects {
    let mut objects = Objects::new();
    let lines = dump.lines().skip_while(|line| !line.contains("LVS Topology"));
    let (mut service, mut real) = (String::new(), String::new());
    for line in lines.take_while(|line| !line.contains("Health checkers")).map(str::trim) {
        if line.starts_with("VS ") {
            (service, real) = (line.to_owned(), String::new());
        } else if line.starts_with("RIP =") {
            line.split(" EFF WEIGHT").next().unwrap().clone_into(&mut real);
        } else if service.is_empty() {
            continue;
        }
        let lines = objects.entry((service.clone(), real.clone())).or_default();
        let wanted = if real.is_empty() { OF_SERVICE } else { OF_REAL };
        if wanted.iter().any(|start| line.starts_with(start)) {
            lines.insert(line.to_owned());
        }
    }
    objects
}
