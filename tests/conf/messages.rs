//! Every message says where and of what, and says it once.

use crate::keepalived::Namespace;
use crate::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use vipdeck::conf::{self, Diagnostic, Memory};

/// A mistake a line, in every kind of block; `#>` says where it is.
const MISTAKES: &str = "global_defs {
    vrrp_garp_master_delay soon #> global_defs
}
vrrp_script chk {
    script \"/bin/true\"
    interval often #> vrrp_script chk
}
vrrp_sync_group G {
    group {
        VI_1
        VI_9 #> vrrp_sync_group G, group
    }
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    prioritie 100 #> vrrp_instance VI_1
    virtual_ipaddress {
        192.0.2.300 #> vrrp_instance VI_1, virtual_ipaddress
    }
    track_script {
        nobody #> vrrp_instance VI_1, track_script
    }
    authentication {
        auth_type NONE #> vrrp_instance VI_1, authentication
    }
    include more.conf
}
$VIP=192.0.2.400
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress {
        $VIP #> vrrp_instance VI_2, virtual_ipaddress
    }
}
vrrp_instance VI_3 { #> vrrp_instance VI_3
    interface eth0
    virtual_ipaddress {
        192.0.2.3
    }
    track_script {
        chk
    }
}
nonsense 7 #>
";
const MORE: &str = "# One line above.\npreempt_delay late #> vrrp_instance VI_1\n";

/// The lines with mistakes, each with the blocks around it.
fn marked(text: &str) -> BTreeSet<(usize, String)> {
    let marked = text.lines().enumerate().filter_map(|(line, text)| Some((line + 1, text.split_once("#>")?.1)));
    marked.map(|(line, blocks)| (line, blocks.trim().to_owned())).collect()
}

/// The blocks around every line, by its braces.
fn around(text: &str) -> BTreeSet<(usize, String)> {
    let mut open: Vec<&str> = Vec::new();
    let mut all = BTreeSet::new();
    for (line, text) in text.lines().map(|line| line.split("#>").next().unwrap().trim()).enumerate() {
        open.extend(text.strip_suffix(" {"));
        all.insert((line + 1, open.join(", ")));
        if text == "}" {
            open.pop();
        }
    }
    all
}

// parity: 11
#[test]
fn every_message_carries_file_line_and_block_and_comes_once() {
    let directory = tempfile::tempdir().unwrap();
    let (main, more) = (directory.path().join("main.conf"), directory.path().join("more.conf"));
    fs::write(&main, MISTAKES).unwrap();
    fs::write(&more, MORE).unwrap();
    let check = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vipdeck")).arg("check").args(arguments).arg(&main).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let answer: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let diagnostics = answer["files"][0]["diagnostics"].as_array().unwrap();
    for (path, text) in [(&main, MISTAKES), (&more, MORE)] {
        let name = path.display().to_string();
        let told: BTreeSet<(usize, String)> = diagnostics
            .iter()
            .filter(|d| d["labels"][0]["file"] == name.as_str())
            .map(|d| {
                let blocks: Vec<_> = d["blocks"].as_array().unwrap().iter().map(|b| b.as_str().unwrap()).collect();
                (d["labels"][0]["line"].as_u64().unwrap() as usize, blocks.join(", "))
            })
            .collect();
        assert!(marked(text).is_subset(&told), "{name}: {:?}\n{diagnostics:#?}", marked(text).difference(&told));
        if path == &main {
            let around = around(text);
            let elsewhere: Vec<_> = told.difference(&around).collect();
            assert!(elsewhere.is_empty(), "{elsewhere:?}");
        }
    }
    // For people: the first line has the place; the block is said where its own first line is not shown.
    let text = check(&[]);
    let first = |line: usize| format!("{}:{line}:", main.display());
    assert!(text.contains(&format!("{}:2:", more.display())), "{text}");
    let of_line_19 = text.split("\n\n").find(|part| part.starts_with(&first(19))).unwrap();
    assert!(of_line_19.contains("= in: vrrp_instance VI_1, virtual_ipaddress"), "{of_line_19}");
    let of_line_37 = text.split("\n\n").find(|part| part.starts_with(&first(37))).unwrap();
    assert!(!of_line_37.contains("= in:"), "it is shown: {of_line_37}");
    let messages: Vec<_> = text.lines().filter(|line| line.starts_with('/') && line.contains(".conf:")).collect();
    assert_eq!(messages.iter().collect::<BTreeSet<_>>().len(), messages.len(), "{text}");
    assert!(messages.len() > 8, "{text}");
    // keepalived says the same thing once for each of its processes.
    let Some(namespace) = Namespace::new("messages") else { return };
    let (_, said) = namespace.test(&main, &[]);
    let count = |what: &str| said.matches(what).count();
    assert!(count("nonsense") > 1, "{said}");
}

/// In all that is stored here: a place, and nothing twice.
#[test]
fn no_stored_case_has_a_message_without_a_place_or_twice() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("tests/conf/cases")).unwrap() {
        let path = entry.unwrap().path().join("keepalived.conf");
        let text = fs::read(&path).unwrap();
        let mut files = Memory::default();
        files.0.insert("x".into(), text);
        let (_, diagnostics, _) = conf::parse(Path::new("x"), &files);
        let mut told = BTreeSet::new();
        for Diagnostic { id, message, labels, blocks, .. } in &diagnostics {
            seen += 1;
            let place = labels.first().unwrap_or_else(|| panic!("{}: {id}: no place", path.display())).span;
            assert!(told.insert((place, *id, message)), "{}: {id} twice: {message}", path.display());
            assert!(blocks.len() < 6, "{}: {blocks:?}", path.display());
        }
    }
    assert!(seen > 100, "{seen} messages");
}
