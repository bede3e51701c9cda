//! Ten thousand connections in full, where this machine's limit of descriptors does not allow them: under a guest
//! kernel (`tests/uml/run`), whose root may raise it.

use crate::guest;
use crate::load::{Side, ask_all, crowd, run_apart};
use crate::namespaces::skipped;
use crate::stage::Stage;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use vipdeck::balancer::Options;
use vipdeck::kernel::{Protocol, Scheduler};
use vipdeck::sys::limits;

const COUNT: usize = 10_000;
/// Four for each connection: the client's, the balancer's two, the server's.
const NEEDED: u64 = 4 * COUNT as u64 + 1_000;

#[test]
fn ten_thousand_connections_in_one_process() {
    if limits::raise_open_files(NEEDED).unwrap() >= NEEDED {
        return ten_thousand();
    }
    if guest::is_inside() {
        return skipped(&format!("{NEEDED} file descriptors are more than the limit of the guest kernel"));
    }
    match guest::run("crowd::ten_thousand_connections_in_one_process", ("1024M", 240), "measured: ") {
        Ok(text) => {
            let measured = text.lines().filter(|line| line.contains("measured: "));
            measured.for_each(|line| writeln!(std::io::stderr(), "{} (guest kernel)", line.trim()).unwrap());
        }
        Err(reason) => skipped(&reason),
    }
}

fn ten_thousand() {
    // The guest has its own loopback, down.
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(!guest::is_inside() || up.is_ok_and(|status| status.success()));
    let _ = std::fs::write("/proc/sys/net/core/somaxconn", "20000");
    let reals: [SocketAddr; 2] = ["127.0.0.2:9001".parse().unwrap(), "127.0.0.2:9002".parse().unwrap()];
    let servers = Side::servers(None, &reals);
    run_apart(None, async move || {
        let stage = Stage::free(Protocol::Tcp, Options::default()).await;
        stage.set(Scheduler::Rr, None, &[(reals[0], 1), (reals[1], 1)]).await;
        let mut streams = crowd(stage.vip, COUNT).await;
        assert_eq!(reals.map(|real| stage.active(real)), [COUNT as u32 / 2; 2]);
        // Without one of the servers, and then with other weights: nobody is cut off.
        stage.set(Scheduler::Wlc, None, &[(reals[1], 1)]).await;
        stage.set(Scheduler::Wrr, None, &[(reals[0], 5), (reals[1], 1)]).await;
        assert_eq!(reals.map(|real| stage.active(real)), [COUNT as u32 / 2; 2]);
        assert_eq!(ask_all(&mut streams).await, COUNT);
        writeln!(std::io::stderr(), "measured: balancer, {COUNT} connections at once in full, none lost").unwrap();
    });
    drop(servers);
}
