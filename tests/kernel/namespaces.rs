//! Two namespaces with a cable between them, removed when dropped.

use std::future::Future;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// `a` and `b`, each with `eth0` up, 10.9.0.1/24 and 10.9.0.2/24.
pub(crate) struct Pair {
    pub(crate) a: String,
    pub(crate) b: String,
}

impl Pair {
    /// None if this machine does not let us; then that has been said.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            skipped("network namespaces need root");
            return None;
        }
        let stem = format!("vdt-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pair = Self { a: format!("{stem}a"), b: format!("{stem}b") };
        if !ip(&["netns", "add", &pair.a]).1 || !ip(&["netns", "add", &pair.b]).1 {
            skipped("`ip netns add` does not work here");
            return None;
        }
        run(&["link", "add", "eth0", "netns", &pair.a, "type", "veth", "peer", "name", "eth0", "netns", &pair.b]);
        for (namespace, address) in [(&pair.a, "10.9.0.1/24"), (&pair.b, "10.9.0.2/24")] {
            run(&["-n", namespace, "address", "add", address, "dev", "eth0"]);
            run(&["-n", namespace, "link", "set", "lo", "up"]);
            run(&["-n", namespace, "link", "set", "eth0", "up"]);
        }
        Some(pair)
    }

    /// `ip -n a ARGUMENTS…`
    pub(crate) fn ip_a(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.a];
        all.extend(arguments.split(' '));
        run(&all)
    }

    pub(crate) fn ip_b(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.b];
        all.extend(arguments.split(' '));
        run(&all)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.a]);
        ip(&["netns", "delete", &self.b]);
    }
}

/// Says so where it can be seen; where nothing may be skipped it fails.
pub(crate) fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped: {reason}");
}

fn ip(arguments: &[&str]) -> (String, bool) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

pub(crate) fn run(arguments: &[&str]) -> String {
    let (text, good) = ip(arguments);
    assert!(good, "ip {}: {text}", arguments.join(" "));
    text
}

/// Runs `work` on a thread of its own in the namespace.
pub(crate) fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            vipdeck::sys::netns::enter(namespace).unwrap();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a future in the namespace, for at most 20 seconds.
pub(crate) fn inside_async<F: Future<Output = T>, T: Send>(namespace: &str, work: impl FnOnce() -> F + Send) -> T {
    inside(namespace, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), work()).await.unwrap() })
    })
}

/// Asks until the answer is yes, for at most `seconds`.
pub(crate) fn wait_for(what: &str, seconds: u64, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !is() {
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
