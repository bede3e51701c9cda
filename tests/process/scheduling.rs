//! Priorities, processors, memory and names, as the kernel has them.

use crate::namespaces::wait_for;
use crate::programs::signal;
use crate::{Bench, read};
use nix::sys::signal::Signal;

/// Of a thread (proc_pid_stat(5)): nice value, real-time priority, policy.
fn scheduled(pid: u32, task: u32) -> (i32, u32, u32) {
    let stat = read(&format!("/proc/{pid}/task/{task}/stat"));
    // Fields after the name, which may contain anything; the first is the third.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[16].parse().unwrap(), fields[37].parse().unwrap(), fields[38].parse().unwrap())
}

/// The threads of a process with their names.
fn threads(pid: u32) -> Vec<(u32, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let named = |task: u32| (task, read(&format!("/proc/{pid}/task/{task}/comm")).trim_end().to_owned());
    tasks.map(|t| named(t.unwrap().file_name().to_str().unwrap().parse().unwrap())).collect()
}

fn field(path: &str, name: &str) -> String {
    let all = read(path);
    let line = all.lines().find_map(|l| l.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {path}")).trim().to_owned()
}

const RR: u32 = nix::libc::SCHED_RR as u32;
const RESET: u32 = nix::libc::SCHED_RESET_ON_FORK as u32;

// parity: 90
#[test]
fn the_engine_s_thread_runs_as_asked_and_no_other_does() {
    let globals = "script_user root\nvrrp_priority -5\nvrrp_cpu_affinity 0\nvrrp_no_swap\nvrrp_process_name my_vrrp\n\
                   checker_priority 3\nchecker_process_name my_checks\numask 0137\nvrrp_rt_priority 10\n\
                   vrrp_rlimit_rttime 200000\nstartup_script \"HERE/hello\"\n";
    let Some(mut bench) = Bench::new(globals) else { return };
    crate::hooks::script(&bench.path("hello"), "umask > HERE/mask; nice > HERE/nice", bench.directory.path());
    bench.start(&[]);
    let pid = bench.engine_pid();
    let (_, level, policy) = scheduled(pid, pid);
    assert_eq!((level, policy & !RESET), (10, RR), "real time");
    assert_eq!(field(&format!("/proc/{pid}/task/{pid}/status"), "Cpus_allowed_list"), "0");
    assert_eq!(field(&format!("/proc/{pid}/status"), "Umask"), "0137");
    assert_ne!(field(&format!("/proc/{pid}/status"), "VmLck"), "0 kB");
    assert_eq!(read(&format!("/proc/{pid}/comm")), "my_vrrp\n");
    assert!(
        read(&format!("/proc/{pid}/limits")).lines().any(|l| l.contains("realtime timeout") && l.contains("200000"))
    );
    // A thread gives itself its name.
    wait_for("the checks' thread", 5, || threads(pid).iter().any(|(_, name)| name == "my_checks"));
    let all = threads(pid);
    let named = |name: &str| all.iter().find(|(_, n)| n == name).unwrap_or_else(|| panic!("no {name} in {all:?}")).0;
    assert_eq!(scheduled(pid, named("my_checks")).0, 3);
    for (task, name) in all.iter().filter(|(task, name)| *task != pid && name != "my_checks") {
        assert_eq!(scheduled(pid, *task), (0, 0, 0), "{name}");
        assert_ne!(field(&format!("/proc/{pid}/task/{task}/status"), "Cpus_allowed_list"), "0", "{name}");
    }
    assert_eq!(read(bench.path("mask").to_str().unwrap()), "0137\n");
    assert_eq!(read(bench.path("nice").to_str().unwrap()), "0\n");
    // And without real time after a reload, the nice value counts.
    bench.write("vrrp_priority -5\nvrrp_cpu_affinity 0\n");
    signal(pid, Signal::SIGHUP);
    wait_for("the reload", 10, || scheduled(pid, pid).2 & !RESET == 0);
    assert_eq!(scheduled(pid, pid).0, -5);
    wait_for("the event", 5, || bench.said("configuration reloaded"));
}

#[test]
fn what_the_kernel_refuses_is_said_and_the_engine_goes_on() {
    let Some(mut bench) = Bench::new("vrrp_cpu_affinity 1023\n") else { return };
    bench.start(&[]);
    wait_for("the event", 5, || bench.said("vrrp_cpu_affinity: keep to processors [1023]: refused by the kernel"));
    wait_for("MASTER", 10, || bench.said("→ MASTER"));
}

#[test]
fn real_time_that_is_used_up_is_said_and_given_up_for_a_while() {
    let Some(mut bench) = Bench::new("vrrp_rt_priority 5\nvrrp_rlimit_rttime 500000\n") else { return };
    bench.start(&[]);
    let pid = bench.engine_pid();
    assert_eq!(scheduled(pid, pid).1, 5);
    // What the kernel sends to a thread that does not pause.
    signal(pid, Signal::SIGXCPU);
    wait_for("the event", 5, || bench.said("real-time starvation: more than 500000 µs"));
    assert_eq!(scheduled(pid, pid).1, 0);
    wait_for("real time again", 15, || scheduled(pid, pid).1 == 5);
}

#[test]
fn an_engine_that_wakes_late_is_raised_step_by_step() {
    let Some(mut bench) = Bench::new("max_auto_priority 2\nmin_auto_priority_delay 200000\n") else { return };
    bench.unguarded = true;
    bench.start(&[]);
    let pid = bench.engine_pid();
    wait_for("MASTER", 10, || bench.said("→ MASTER"));
    for expected in [1, 2, 2] {
        // While it waits, not in the middle of a turn.
        std::thread::sleep(std::time::Duration::from_millis(200));
        signal(pid, Signal::SIGSTOP);
        std::thread::sleep(std::time::Duration::from_millis(800));
        signal(pid, Signal::SIGCONT);
        wait_for("the next priority", 5, || scheduled(pid, pid).1 == expected);
    }
    assert!(bench.said("it runs at real-time priority 2 from now on (max_auto_priority 2)"));
}
