//! What a data dump says, whoever wrote it: objects, and of each what the configuration says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Section and object to its lines; inner lists stand in their order behind their heading.
pub(crate) type Objects = BTreeMap<(String, String), BTreeSet<String>>;

/// Sections that are compared.
const SECTIONS: &[&str] = &[
    "Static Addresses",
    "Static Routes",
    "Static Rules",
    "VRRP Topology",
    "VRRP Sync groups",
    "VRRP Scripts",
    "VRRP Track files",
    "VRRP Track processes",
];

/// Lines that say how things stand at the moment of the dump, or what only one of the two has.
const OF_THE_MOMENT: &[&str] = &[
    "State =",
    "Status =",
    "Result =",
    "Master router",
    "Master priority",
    "Master advert",
    "Flags",
    "Using unicast",
    "Wantstate",
    "Number of",
    "Num member",
    "Last transition",
    "Read timeout",
    "Master down timer",
    "Effective priority",
    "Total priority",
    "fd_in",
    "Insecure",
    "Init state",
    "Script uid",
    "Script user",
    "Current processes",
    "Have quorum",
    // A password is nobody's business, and vipdeck's dump has none.
    "Password",
    // 0 is keepalived's word for the interval.
    "Timeout =",
    "Fork delay timer",
    "Terminate delay timer",
];

pub(crate) fn objects(dump: &str) -> Objects {
    let mut objects = Objects::new();
    let (mut section, mut object, mut list) = (String::new(), String::new(), String::new());
    for line in dump.lines() {
        if let Some(title) = line.strip_prefix("------< ") {
            title.trim_end_matches(" >------").clone_into(&mut section);
            (object, list) = (String::new(), String::new());
            continue;
        }
        if !SECTIONS.contains(&section.as_str()) {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        let text = plain(line.trim());
        // keepalived drops what is not on this machine.
        if text.contains("transition script = '/usr/local/") {
            continue;
        }
        if depth < 3 {
            (object, list) = (text, String::new());
            objects.entry((section.clone(), object.clone())).or_default();
        } else if depth == 3 {
            list = if text.ends_with(':') { text.clone() } else { String::new() };
            // A list of nothing is no list.
            if list.is_empty() && !OF_THE_MOMENT.iter().any(|start| text.starts_with(start)) {
                objects.entry((section.clone(), object.clone())).or_default().insert(text);
            }
        } else if !OF_THE_MOMENT.iter().any(|start| text.starts_with(start)) {
            objects.entry((section.clone(), object.clone())).or_default().insert(format!("{list} {text}"));
        }
    }
    objects
}

/// Without what is of the moment within a line, and with one name for one program.
fn plain(line: &str) -> String {
    let line = line.split(" [installed ifindex ").next().unwrap();
    let line = line.trim_end_matches(" nftable_set").trim_end_matches(" set").replace("'/bin/", "'/usr/bin/");
    // Found in PATH; and a weight that is the default, which only one of the two says.
    let line = line.replace("'killall'", "'/usr/bin/killall'").replace(" weight 1", "");
    let line = if line.starts_with("Virtual IP (") { "Virtual IP:".to_owned() } else { line };
    // The state of a sync group, and whose a script is.
    let line = if line.starts_with("VRRP Sync Group =") { line.split(", ").next().unwrap().to_owned() } else { line };
    let line = line.split(", uid:gid").next().unwrap().split(", user ").next().unwrap().to_owned();
    let line = line.split(", ifindex ").next().unwrap().to_owned();
    if line.starts_with("Use VMAC") { line.replace("is_up = false", "is_up = true") } else { line }
}

/// What is in one and not in the other, an object a line; empty if they say the same.
pub(crate) fn differences(ours: &Objects, theirs: &Objects) -> String {
    let mut text = String::new();
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        match (ours.get(key), theirs.get(key)) {
            (Some(ours), Some(theirs)) => {
                for line in ours.difference(theirs) {
                    writeln!(text, "{key:?}: only vipdeck: {line}").unwrap();
                }
                for line in theirs.difference(ours) {
                    writeln!(text, "{key:?}: only keepalived: {line}").unwrap();
                }
            }
            (ours, _) => {
                let whose = if ours.is_some() { "vipdeck" } else { "keepalived" };
                writeln!(text, "{key:?}: only {whose} has it").unwrap();
            }
        }
    }
    text
}
