//! keepalived's own BFD at the other end.

use crate::namespaces::wait_for;
use crate::programs::{Running, has, signal};
use crate::{Bench, SLACK, report, session, wall_us};
use nix::sys::signal::Signal;
use std::time::Duration;
use vipdeck::status::BfdState;

/// Its BFD, and an instance that tracks both sessions.
fn start(bench: &Bench) -> Running {
    let times = "min_rx 50; min_tx 50; multiplier 6";
    let instance = "vrrp_instance V {\n    interface eth0\n    virtual_router_id 51\n    priority 100\n    \
                    virtual_ipaddress {\n        10.9.0.20/24\n    }\n    track_bfd {\n        four\n    }\n}\n";
    let four = session("four", "10.9.0.1", &format!("{times}; source_ip 10.9.0.2"));
    // Without hoplimit: it sends 64, and that has to do.
    let six = session("six", "fd00:9::1", &format!("{times}; source_ip fd00:9::2"));
    std::fs::write(bench.path("ka.conf"), [four, six, instance.to_owned()].concat()).unwrap();
    let file = |name: &str| bench.text(name);
    let (conf, pids) = (file("ka.conf"), ["ka.pid", "vrrp.pid", "bfd.pid", "check.pid"].map(file));
    let argv =
        ["keepalived", "-n", "-l", "-D", "-f", &conf, "-p", &pids[0], "-r", &pids[1], "-b", &pids[2], "-c", &pids[3]];
    Running::start(bench.namespace(1), bench.directory.path(), "keepalived", &argv)
}

// parity: 61
#[test]
fn sessions_with_keepalived_come_up_over_both_families_and_each_finds_the_other_s_end() {
    if !has(&["keepalived"]) {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    let keepalived = start(&bench);
    let times = "min_rx 50; min_tx 50; multiplier 6";
    let text = [session("four", "10.9.0.2", times), session("six", "fd00:9::2", times)].concat();
    bench.start(0, &text);
    for name in ["four", "six"] {
        bench.wait_up(0, name);
        wait_for("keepalived says so, too", 5, || {
            keepalived.said().contains(&format!("instance {name} is in state Up"))
        });
    }
    // A clean end is told: the other side need not wait for its detection time, and knows why.
    let at = wall_us();
    bench.stop(0);
    let told = "(four) Entering Down state (Local diagnostic - Neighbor Signaled Session Down, Remote diagnostic - \
                Administratively Down)";
    wait_for("keepalived hears of the end", 5, || keepalived.said().contains(told));
    report("our stop known to keepalived within", Duration::from_micros(wall_us() - at));
    // As RFC 5882 asks, its instance takes no notice: that is no failure of the path.
    assert!(!keepalived.said().contains("Tracked BFD instance four is DOWN"), "{}", keepalived.said());
    bench.start(0, &text);
    bench.wait_up(0, "four");
    bench.wait_up(0, "six");

    let child: u32 = std::fs::read_to_string(bench.path("bfd.pid")).unwrap().trim().parse().unwrap();
    let at = wall_us();
    // Not killed: its parent would start another one at once.
    signal(child, Signal::SIGSTOP);
    for name in ["four", "six"] {
        wait_for("its silence", 5, || bench.session(0, name).state == BfdState::Down);
        let down = bench.changes(0, name).pop().unwrap();
        let took = Duration::from_micros(down.wall_us.saturating_sub(at));
        report(&format!("keepalived's BFD stopped, {name} down after"), took);
        assert!(took > Duration::from_millis(245) && took < Duration::from_millis(300) + SLACK, "{name}: {took:?}");
    }
    signal(child, Signal::SIGCONT);
    bench.wait_up(0, "four");
}
