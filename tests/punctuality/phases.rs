//! One engine after the other, each with a console to which things happen.

use crate::capture::{Capture, wall};
use crate::console::Console;
use crate::engine::{is_master, status};
use crate::gaps::{Witness, extremes, is_punctual, tolerance};
use crate::namespaces::{Pair, wait_for};
use crate::programs::{has, signal};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// The address of namespace a.
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const VIP: &str = "10.9.0.20";
const CONFIG: &str = "\
global_defs {
    router_id punctual
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    advert_int 1
    virtual_ipaddress {
        10.9.0.20/24
    }
}
";

#[test]
fn nothing_that_happens_to_the_console_delays_an_advert() {
    if !has(&["tcpdump", "setsid"]) {
        return;
    }
    let Some(pair) = Pair::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let capture = Capture::start(&pair.b, "eth0", directory.path(), "peer");
    let config = directory.path().join("punctual.conf");
    std::fs::write(&config, CONFIG).unwrap();
    let bench = Bench { socket: directory.path().join("punctual.sock"), config, capture, pair: &pair };
    console_lives_and_dies(&bench);
    terminal_closes(&bench);
}

fn console_lives_and_dies(bench: &Bench) {
    let (mut console, engine) = bench.start();
    bench.phase("undisturbed", &engine, || {});

    bench.phase("console stopped (SIGSTOP)", &engine, || {
        console.signal(Signal::SIGSTOP);
        wait_for("the console is stopped", 2, || state(console.pid()) == 'T');
    });
    assert_eq!(state(console.pid()), 'T', "it was stopped all the time");
    let before = console.read();
    console.signal(Signal::SIGCONT);
    wait_for("the console draws again", 5, || console.read() > before);

    bench.phase("terminal full, nobody reads", &engine, || {
        console.pause_reading(true);
        // Help and back, again and again: whole pictures, until the terminal takes no more.
        wait_for("the terminal is full", 20, || {
            console.press("?");
            // Two presses within one picture would leave it as it was.
            std::thread::sleep(Duration::from_millis(150));
            console.is_blocked()
        });
    });
    assert!(console.is_blocked(), "it was full all the time");
    console.pause_reading(false);
    wait_for("the console writes again", 5, || !console.is_blocked());

    bench.phase("console killed (SIGKILL)", &engine, || {
        console.signal(Signal::SIGKILL);
        wait_for("the console is gone", 5, || console.has_ended());
    });
    engine.stop(bench);
}

fn terminal_closes(bench: &Bench) {
    let (mut console, engine) = bench.start();
    bench.phase("terminal closed (SIGHUP)", &engine, || {
        console.close_terminal();
        wait_for("the console leaves", 5, || console.has_ended());
    });

    // The measurement itself: a stall of the engine is seen.
    let from = wall();
    // With its guard, as when the machine is paused: nobody is to blame the engine afterwards.
    for pid in [engine.pid, engine.engine_pid] {
        signal(pid, Signal::SIGSTOP);
    }
    std::thread::sleep(Duration::from_millis(1300));
    for pid in [engine.engine_pid, engine.pid] {
        signal(pid, Signal::SIGCONT);
    }
    wait_for("adverts after a stall", 5, || bench.adverts(from, wall()).len() >= 3);
    let measured = extremes(&bench.adverts(from - Duration::from_secs(2), wall()));
    eprintln!("engine stalled for 1.3 s: {:.1} ms at most, as it must be", ms(measured.1));
    assert!(!is_punctual(measured, tolerance(Duration::MAX)), "{measured:?}");
    assert_eq!(status(&bench.socket).unwrap().node.engine_pid, engine.engine_pid, "the same engine");
    engine.stop(bench);
}

struct Bench<'a> {
    socket: PathBuf,
    config: PathBuf,
    capture: Capture,
    pair: &'a Pair,
}

impl Bench<'_> {
    fn start(&self) -> (Console, Engine) {
        let console = Console::start(&self.pair.a, &self.config, &self.socket);
        wait_for("the engine answers", 20, || status(&self.socket).is_some());
        let node = status(&self.socket).unwrap().node;
        let engine = Engine { pid: node.pid, engine_pid: node.engine_pid };
        assert_ne!(engine.pid, console.pid(), "a process of its own");
        wait_for("MASTER", 10, || self.is_master());
        wait_for("the console shows it", 5, || console.said().contains("MASTER"));
        (console, engine)
    }

    fn is_master(&self) -> bool {
        status(&self.socket).is_some_and(|s| s.instance("VI_1").is_some_and(is_master))
    }

    fn has_vip(&self) -> bool {
        self.pair.ip_a("-br address show dev eth0").contains(VIP)
    }

    /// When adverts came in that time.
    fn adverts(&self, from: Duration, to: Duration) -> Vec<Duration> {
        let all = self.capture.adverts_of(SOURCE).into_iter();
        all.filter(|(at, priority)| *at >= from && *at <= to && *priority > 0).map(|(at, _)| at).collect()
    }

    /// Listens before, while and after something happens, and judges what was heard.
    fn phase(&self, what: &str, engine: &Engine, happens: impl FnOnce()) {
        let is_long = std::env::var("VIPDECK_LONG").as_deref() == Ok("1");
        let time = Duration::from_secs(if is_long { 60 } else { 12 });
        let (from, witness) = (wall(), Witness::start());
        // One advert at least from before it.
        std::thread::sleep(Duration::from_millis(1100));
        happens();
        std::thread::sleep(time);
        let (worst, to) = (witness.end(), wall());
        let at = self.adverts(from, to);
        let measured = extremes(&at);
        let count = at.len();
        let (shortest, longest, machine) = (ms(measured.0), ms(measured.1), ms(worst));
        let node = status(&self.socket).expect("status answers").node;
        eprintln!(
            "{what}: {count} adverts, {shortest:.1} to {longest:.1} ms apart; the machine late by {machine:.1} ms"
        );
        assert!(is_punctual(measured, tolerance(worst)), "{what}: {measured:?}, tolerance {:?}", tolerance(worst));
        // No advert is missing at the edges either.
        assert!(count as u64 >= (to - from).as_secs() - 1, "{what}: {count} adverts in {:?}", to - from);
        assert_eq!((node.pid, node.engine_pid), (engine.pid, engine.engine_pid), "{what}: the same engine");
        assert!(self.is_master() && self.has_vip(), "{what}: MASTER with its VIP");
    }
}

/// The engine's guard and the engine by their process ids; told to end also when the test fails.
struct Engine {
    pid: u32,
    engine_pid: u32,
}

impl Engine {
    /// SIGTERM, and everything is gone.
    fn stop(self, bench: &Bench) {
        signal(self.pid, Signal::SIGTERM);
        wait_for("the engine ends", 5, || !is_running(self.pid));
        assert!(!bench.has_vip(), "the VIP is gone");
        assert!(status(&bench.socket).is_none(), "nobody answers");
        assert!(!bench.socket.exists(), "the socket is gone");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() && is_running(self.pid) {
            signal(self.engine_pid, Signal::SIGCONT);
            signal(self.pid, Signal::SIGCONT);
            signal(self.pid, Signal::SIGTERM);
        }
    }
}

fn is_running(pid: u32) -> bool {
    // A zombie has ended.
    !['Z', '-'].contains(&state(pid))
}

/// As in proc_pid_stat(5); `-` if there is no such process.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
