//! What a program takes: all of its processes together (proc(5)).

use crate::programs::Running;

/// The process and its descendants.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    for task in tasks.filter_map(Result::ok) {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().flat_map(|child| tree(child.parse().unwrap())));
    }
    all
}

/// Seconds of all threads of all its processes.
pub(crate) fn cpu(running: &Running) -> f64 {
    let ticks = |pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_whitespace().skip(11).take(2).map(|t| t.parse::<f64>().unwrap()).sum::<f64>()
    };
    // USER_HZ is 100 on every architecture that matters here.
    tree(running.pid()).into_iter().map(ticks).sum::<f64>() / 100.0
}

/// Of all its processes, in megabytes.
pub(crate) fn resident(running: &Running) -> f64 {
    let one = |pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    };
    tree(running.pid()).into_iter().map(one).sum()
}
