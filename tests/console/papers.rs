//! The Config and Log views: keys in, screen out.

use crate::fixture::{Console, DARK, Look, WALL, actor, events, snapshot};
use std::path::Path;
use std::sync::Arc;
use vipdeck::cluster::configuration::{masked, text};
use vipdeck::conf::{self, Environment, Memory, Sources};
use vipdeck::console::theme::Depth;
use vipdeck::console::update::{About, Answer, Effect, Msg};
use vipdeck::control::Audit;
use vipdeck::status::{
    Action, ActionState, AuditEntry, AuditResult, Command, ConfigReport, ConfigText, DiskState, Reply,
};

const SIZES: [(u16, u16); 4] = [(120, 36), (100, 30), (80, 24), (60, 16)];

/// The file of lvs1 or lvs2, with a line that nobody knows.
fn file(node: u8) -> String {
    let instance = |which: u8| {
        let priority = if node == which { 150 } else { 100 };
        format!(
            "vrrp_instance VI_{which} {{\n    state {}\n    interface eth0\n    virtual_router_id {}\n    priority {priority}\n    \
             advert_int 1\n    authentication {{\n        auth_type PASS\n        auth_pass abcd1234\n    }}\n    \
             virtual_ipaddress {{\n        10.0.0.{}/24\n    }}\n}}\n\n",
            if node == which { "MASTER" } else { "BACKUP" },
            50 + which,
            19 + which
        )
    };
    format!(
        "! Configuration of lvs{node}\n\nglobal_defs {{\n    router_id lvs{node}\n    vrrp_garp_lower_prio_repeat 1\n    \
         smtp_conect_timeout 30\n}}\n\n{}{}",
        instance(1),
        instance(2)
    )
}

fn read(file: &str) -> ConfigText {
    let main = Path::new("/etc/keepalived/keepalived.conf");
    text(&conf::read(main, &Memory::one(main, file), &Environment::default(), Sources::default()), main)
}

fn report(node: u8, file: &str) -> ConfigReport {
    ConfigReport {
        node: format!("lvs{node}"),
        main: "/etc/keepalived/keepalived.conf".into(),
        config_id: String::new(),
        loaded_us: WALL - 700_000_000,
        masked: false,
        running: read(file),
        note: None,
        looked_us: Some(WALL - 1_000_000),
        state: Some(DiskState::Same),
        disk: None,
    }
}

fn tell(console: &mut Console, node: usize, report: ConfigReport) {
    console.tell(Msg::Configuration { node, report: Some(Arc::new(report)) });
}

fn with_files(look: Look) -> Console {
    let mut console = Console::live(look);
    tell(&mut console, 0, report(1, &file(1)));
    tell(&mut console, 1, report(2, &file(2)));
    console
}

fn at(size: (u16, u16)) -> Look {
    DARK.size(size.0, size.1)
}

fn each_size(name: &str, keys: &str, console: impl Fn(Look) -> Console) {
    for size in SIZES {
        let mut console = console(at(size));
        console.keys(keys);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), console.screen());
    }
}

#[test]
fn a_file_with_its_problems_at_their_lines() {
    each_size("config_file", "6n", with_files);
    let ascii = Look { ascii: true, theme: "mono", depth: Depth::None, ..at((80, 24)) };
    let mut console = with_files(ascii);
    insta::assert_snapshot!("config_file_ascii_80x24", console.keys("6n").screen());
}

/// The person's task "compare two nodes' files" takes two keys.
#[test]
fn two_keys_compare_the_files_of_two_nodes() {
    each_size("config_nodes", "6v", |look| {
        let mut console = with_files(look);
        tell(&mut console, 1, report(2, &file(2).replace("10.0.0.20/24", "10.0.0.30/24")));
        console
    });
    let mut console = with_files(DARK);
    let screen = console.keys("6v").screen();
    assert!(screen.contains("nothing that must not"), "{screen}");
    assert!(screen.contains("priority 150") && screen.contains("priority 100"), "{screen}");
}

#[test]
fn what_runs_against_the_file_on_the_disk() {
    each_size("config_disk", "6vv", |look| {
        let mut console = with_files(look);
        let changed = file(1).replace("priority 150", "priority 90\n    nopreemt");
        let disk = Some(read(&changed));
        tell(
            &mut console,
            0,
            ConfigReport { state: Some(DiskState::Broken { errors: 1 }), disk, ..report(1, &file(1)) },
        );
        console
    });
}

#[test]
fn the_preview_of_a_reload_is_a_question_and_stays_in_the_view() {
    let mut console = with_files(DARK);
    console.keys("6lL");
    let asked = console.effects.iter().find_map(|e| match e {
        Effect::Send { node, ask, .. } => Some((*node, ask.command.clone())),
        _ => None,
    });
    assert_eq!(asked, Some((1, Command::Reload { dry_run: true })), "of the node whose file is shown");
    let text = "this would change: VI_2: priority 150 → 90 (may hand its addresses over); script chk: new";
    let answer = Answer::Reply(Reply::accepted(text.to_owned()));
    console.tell(Msg::Reply { about: About::Preview { node: 1 }, answer });
    assert!(console.screen().contains("Reload lvs2"), "{}", console.screen());
    console.keys("<Esc>");
    insta::assert_snapshot!("config_preview_120x36", console.screen());
}

#[test]
fn keys_go_from_problem_to_problem_and_out_again() {
    let mut console = with_files(DARK);
    let first = console.keys("6n").screen();
    let line = |screen: &str| screen.lines().find(|l| l.contains('▸')).unwrap_or("").to_owned();
    assert!(line(&first).contains("smtp_conect_timeout"), "{first}");
    let details = console.keys("<Enter>").screen();
    assert!(details.contains("help:") || details.contains("keepalived.conf:6"), "{details}");
    console.keys("<Esc>v/priority<Enter>");
    let shown = console.screen();
    assert!(shown.contains("priority 150") && !shown.contains("auth_type"), "{shown}");
    console.keys("<Esc><Esc>");
    assert!(!console.screen().contains("differ"), "{}", console.screen());
    console.keys("y");
    assert!(matches!(console.effects.last(), Some(Effect::Copy(json)) if json.contains("\"line\"")));
}

#[test]
fn what_is_not_known_is_said() {
    let mut console = Console::live(DARK);
    assert!(console.keys("6").screen().contains("its configuration is not known here"));
    tell(&mut console, 0, masked(&report(1, &file(1))));
    assert!(console.screen().contains("passwords hidden"));
    assert!(!console.screen().contains("abcd1234"));
    assert!(console.keys("v").screen().contains("the other node's configuration is not known here"));
    tell(&mut console, 1, masked(&report(2, &file(2))));
    assert!(console.screen().contains("whether they agree is not known here"), "{}", console.screen());
    console.tell(Msg::Snapshot { node: 0, snapshot: None });
    assert!(console.screen().contains("no word of"), "{}", console.screen());
}

fn entry(
    node: u8,
    seq: u64,
    command: &str,
    result: AuditResult,
    answer: &str,
    reason: Option<&str>,
) -> Arc<AuditEntry> {
    Arc::new(AuditEntry {
        seq,
        wall_us: WALL - 600_000_000 + seq * 31_000_000 + u64::from(node) * 400_000,
        node: format!("lvs{node}"),
        actor: actor(),
        verb: command.split(' ').next().unwrap().into(),
        command: command.into(),
        reason: reason.map(str::to_owned),
        result,
        answer: answer.into(),
        took_us: 1800,
    })
}

fn with_logs(look: Look) -> Console {
    let mut console = Console::live(look);
    let done = AuditResult::Accepted;
    let log = |node: u8, entries: Vec<Arc<AuditEntry>>| {
        let file = Some(format!("/var/lib/vipdeck/lvs{node}.audit"));
        Arc::new(Audit { node: format!("lvs{node}"), file, entries: entries.into(), earlier: node == 1 })
    };
    let first = vec![
        entry(1, 7, "demote VI_1", done, "VI_1: priority 0 sent", Some("CHG-1042 kernel patch")),
        entry(1, 8, "restore VI_1", done, "VI_1: BACKUP, now at priority 150", None),
        entry(1, 9, "demote VI_9", AuditResult::Rejected, "lvs1 has no instance VI_9; it has: VI_1, VI_2", None),
        entry(1, 10, "reload", AuditResult::Unanswered, "the engine ended before it had answered", None),
    ];
    let second = vec![entry(2, 3, "drain 10.0.0.11:80", done, "no new connections", Some("disk is full"))];
    console.tell(Msg::Audit { node: 0, audit: log(1, first) });
    console.tell(Msg::Audit { node: 1, audit: log(2, second) });
    let mut told = snapshot(2);
    told.actions = vec![Action {
        id: 4,
        verb: "drain".into(),
        on: "10.0.0.11:80".into(),
        line: "drain 10.0.0.11:80".into(),
        by: actor(),
        reason: Some("disk is full".into()),
        at_us: WALL - 500_000_000,
        state: ActionState::Done,
        keep_until_us: None,
        gives_back: Some("weight 1, new connections".into()),
        does_not: Some("the connections that have ended".into()),
        since: Vec::new(),
    }];
    console.show(snapshot(1), told);
    console
}

#[test]
fn the_audit_log_of_all_nodes_on_one_clock() {
    each_size("log_audit", "7", with_logs);
    let mut console = with_logs(DARK);
    console.keys("7");
    let screen = console.screen();
    let order: Vec<&str> = ["reload", "demote VI_9", "restore VI_1", "demote VI_1", "drain 10.0.0.11:80"].into();
    let places: Vec<_> = order.iter().map(|word| screen.find(word).unwrap()).collect();
    assert!(places.is_sorted(), "newest first: {screen}");
    assert!(screen.lines().any(|l| l.contains('▸') && l.contains("reload")), "the newest has the keys: {screen}");
    assert!(console.keys("j").screen().contains("gg follows the newest"));
    assert!(console.keys("<Enter>").screen().contains("lvs1 has no instance VI_9; it has: VI_1, VI_2"));
    let shown = console.keys("<Esc>/disk<Enter>").screen();
    assert!(shown.contains("drain 10.0.0.11:80") && !shown.contains("restore VI_1"), "{shown}");
}

#[test]
fn the_other_logs() {
    each_size("log_changes", "7v", with_logs);
    each_size("log_engine", "7vv", with_logs);
    let mut console = with_logs(DARK);
    assert!(console.keys("7v").screen().contains("undo: weight 1"));
    assert!(console.keys("v").screen().contains("BACKUP → MASTER"));
    assert!(console.keys("v").screen().contains("[Audit]"));
    console.tell(Msg::Events { node: 0, events: events(1) });
    assert!(console.screen().contains("[Audit]"), "what arrives does not change the list");
}
