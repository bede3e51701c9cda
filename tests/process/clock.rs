//! The wall clock jumps: under a kernel of our own, for nobody may set this machine's.

use crate::engine::{PROGRAM, status};
use crate::guest;
use crate::namespaces::{skipped, wait_for};
use crate::programs::Running;
use crate::{Bench, INSTANCE, text};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::path::Path;
use std::time::Duration;
use vipdeck::status::Role;

const NAME: &str = "clock::an_hour_more_or_less_on_the_wall_changes_nothing";

// parity: 93
#[test]
fn an_hour_more_or_less_on_the_wall_changes_nothing() {
    if guest::is_inside() {
        jump();
        eprintln!("checked: the clock jumped");
        return;
    }
    let said = guest::run(NAME, ("512M", 180), "checked: the clock jumped");
    said.err().iter().for_each(|reason| skipped(reason));
}

fn jump() {
    let Some(mut master) = Bench::new("") else { return };
    // The guest is slow.
    let slow = |priority: &str| INSTANCE.replace("150", priority).replace("advert_int 0.2", "advert_int 1");
    std::fs::write(master.path("vrrp.conf"), slow("150")).unwrap();
    master.start(&[]);
    // And one that hears it.
    let (file, other) = (master.path("backup.conf"), master.path("backup.sock"));
    std::fs::write(&file, slow("100")).unwrap();
    let argv = [PROGRAM, "run", "--headless", "-f", text(&file), "--control", text(&other)];
    let backup = Running::start(&master.pair.b, master.directory.path(), "backup", &argv);
    let both = [master.path("sock"), other];
    let is = |at: &Path, role| status(at).is_some_and(|s| s.instances[0].state == role);
    wait_for("MASTER and BACKUP", 30, || is(&both[0], Role::Master) && is(&both[1], Role::Backup));
    let seen = || both.each_ref().map(|at| status(at).unwrap());
    let before = seen();
    for hours in [1, -2] {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        let then = TimeSpec::new(now.tv_sec() + hours * 3600, now.tv_nsec());
        clock_settime(ClockId::CLOCK_REALTIME, then).unwrap();
        std::thread::sleep(Duration::from_secs(4));
    }
    let after = seen();
    for (before, after) in before.iter().zip(&after) {
        let [before, after] = [before, after].map(|s| &s.instances[0]);
        assert_eq!((before.state, before.transitions_total), (after.state, after.transitions_total));
    }
    // On the engine's own clock: one advert each second.
    let sent = after[0].instances[0].adverts_sent - before[0].instances[0].adverts_sent;
    let passed = after[0].at.since(before[0].at).as_secs();
    assert!(passed >= 8 && (passed - 2..=passed + 2).contains(&sent), "{sent} adverts in {passed} s");
    // What people are shown follows the wall.
    let shown = |at: &Path| status(at).unwrap().wall_us / 1_000_000;
    let wall = u64::try_from(clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec()).unwrap();
    assert!(shown(&both[0]).abs_diff(wall) < 60);
    assert!(backup.stop().success());
    assert!(master.engine.take().unwrap().stop().success());
}
