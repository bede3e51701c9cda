//! `track_file`.

use crate::capture::Capture;
use crate::programs::{Running, has};
use crate::{Bench, instance, millis, text};
use std::net::Ipv4Addr;

/// What stands in the file; none: there is no file.
const CONTENTS: &[Option<&str>] = &[
    Some("5\n"),
    Some("-5\n"),
    Some("0x10\n"),
    Some("010\n"),
    Some("5x\n"),
    Some(" 7\n"),
    Some("none\n"),
    Some("300\n"),
    Some("-49\n"),
    Some(""),
    Some("99999999999\n"),
    Some("3\n"),
    None,
];

/// Both programs watch one file; what they advertise is on the wire.
// parity: 59
#[test]
fn a_file_counts_as_in_keepalived() {
    if !has(&["tcpdump", "keepalived", "ip"]) {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    let file = bench.path("number");
    let track = format!("track_file number {{\n    file \"{}\"\n    weight 2\n}}\n", file.display());
    let own = |vrid| instance(vrid, "eth0", 100, "    track_file {\n        number\n    }\n");
    bench.write(&format!("{track}{}", own(51)));
    bench.start();
    let other = bench.path("keepalived.conf");
    std::fs::write(&other, format!("{}{track}{}", crate::FAST, own(52))).unwrap();
    let pids = [bench.path("parent"), bench.path("vrrp")];
    let argv = ["keepalived", "-n", "-l", "-P", "-f", text(&other), "-p", text(&pids[0]), "-r", text(&pids[1])];
    let keepalived = Running::start(&bench.pair.b, bench.directory.path(), "keepalived", &argv);
    bench.wait_for_master(51);
    let capture = Capture::start(&bench.pair.a, "eth0", bench.directory.path(), "both");
    millis(1500);
    let mut seen = Vec::new();
    for content in CONTENTS {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        millis(350);
        let last = |source: [u8; 4]| capture.adverts_of(Ipv4Addr::from(source)).last().map(|(_, priority)| *priority);
        seen.push((content, last([10, 9, 0, 1]), last([10, 9, 0, 2])));
    }
    for (content, ours, theirs) in &seen {
        assert!(ours.is_some() && ours == theirs, "{content:?}: vipdeck {ours:?}, keepalived {theirs:?}; {seen:?}");
    }
    let priorities: Vec<_> = seen.iter().filter_map(|(_, ours, _)| *ours).collect();
    assert_eq!(priorities, [110, 90, 132, 116, 110, 114, 100, 254, 2, 100, 100, 106, 100]);
    assert_eq!(keepalived.stop().code(), Some(0));
    let tracked = &bench.snapshot().files[0];
    assert_eq!((tracked.value, tracked.polled.as_deref()), (Some(0), None), "{tracked:?}");
    assert!(tracked.note.as_deref().is_some_and(|note| note.contains("no such file")), "{tracked:?}");
}

// parity: 59
#[test]
fn a_file_is_a_fault_is_made_at_the_start_and_may_be_replaced_or_come_late() {
    let Some(mut bench) = Bench::new() else { return };
    let (made, weightless, late) = (bench.path("made"), bench.path("weightless"), bench.path("none/late"));
    let track = |name: &str, file: &std::path::Path, more: &str| {
        format!("track_file {name} {{\n    file {}\n{more}}}\n", file.display())
    };
    let lines = "    track_file {\n        made\n        weightless\n        late\n    }\n";
    let tracks = [
        track("made", &made, "    init_file 7\n"),
        track("weightless", &weightless, "    weight 0\n"),
        track("late", &late, "    weight -1\n"),
    ];
    bench.write(&format!("{}{}", tracks.concat(), instance(51, "eth0", 100, lines)));
    bench.start();
    bench.wait_for_master(51);
    assert_eq!(std::fs::read_to_string(&made).unwrap(), "7\n");
    assert_eq!(bench.instance(51).effective_priority, 107);
    assert!(bench.snapshot().files[2].polled.is_some(), "its directory is not there");
    // Replaced, as careful writers do.
    std::fs::write(bench.path("new"), "-254\n").unwrap();
    std::fs::rename(bench.path("new"), &made).unwrap();
    let fault = bench.wait_for_fault(51, 1);
    assert!(fault.faults.iter().any(|f| f.contains("file made: -254")), "{:?}", fault.faults);
    crate::wait_for("no successor: released", 2, || !bench.pair.ip_a("address show dev eth0").contains("10.9.0.51"));
    std::fs::remove_file(&made).unwrap();
    bench.wait_for_master(51);
    assert_eq!(bench.instance(51).effective_priority, 100);
    std::fs::write(&weightless, "1\n").unwrap();
    bench.wait_for_fault(51, 1);
    std::fs::write(&weightless, "0\n").unwrap();
    bench.wait_for_master(51);
    std::fs::create_dir(bench.path("none")).unwrap();
    std::fs::write(&late, "20\n").unwrap();
    crate::wait_for("the file is found", 4, || bench.instance(51).effective_priority == 80);
    // From now on it is not looked for any more, but told of.
    crate::wait_for("it is watched", 4, || bench.snapshot().files[2].polled.is_none());
}
