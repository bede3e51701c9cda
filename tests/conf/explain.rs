//! `vipdeck explain`, and the README's list of keywords: both made from the table.

use crate::{compare, root};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use vipdeck::conf::{self, Support};
use vipdeck::report::explain::explain;

fn said(words: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let status = explain(&words, false, &mut out).unwrap();
    (status, String::from_utf8(out).unwrap())
}

#[test]
fn every_block_that_has_the_keyword_is_explained() {
    let (status, text) = said(&["weight"]);
    assert_eq!(status, 0);
    for block in ["vrrp_script", "virtual_server", "real_server"] {
        assert!(text.contains(&format!("in {block} {{ }}")), "{text}");
    }
    for keyword in conf::keywords() {
        let (status, text) = said(&[keyword.name]);
        assert_eq!(status, 0, "{}", keyword.name);
        assert!(text.contains(keyword.help) && text.contains(keyword.default), "{text}");
    }
}

#[test]
fn a_near_miss_is_corrected() {
    let (status, text) = said(&["priorty", "advert_int"]);
    assert_eq!(status, 1);
    assert!(text.contains("did you mean `priority`?") && text.contains("seconds"), "{text}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_vipdeck")).args(["explain", "--json", "advert_int"]).output().unwrap();
    assert!(output.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer[0]["block"], "vrrp_instance");
}

const BEGIN: &str = "<!-- keywords -->\n";
const END: &str = "<!-- /keywords -->\n";

/// Between its two markers the README lists what works and what does not, block by block.
#[test]
fn the_readme_lists_the_keywords_of_the_table() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the marker before the list");
    let (_, after) = rest.split_once(END).expect("the marker after the list");
    compare(&path, &format!("{before}{BEGIN}{}{END}{after}", listed()));
}

fn listed() -> String {
    let mut blocks: Vec<&str> = Vec::new();
    let mut words: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for keyword in conf::keywords() {
        if !blocks.contains(&keyword.block) {
            blocks.push(keyword.block);
        }
        let column = match keyword.support {
            Support::Acts => "acts",
            Support::Noted => "noted",
        };
        words.entry((keyword.block, column)).or_default().push(keyword.name);
    }
    let mut text = String::from("\n| block | works | accepted, has no effect |\n|---|---|---|\n");
    for block in blocks {
        let cell = |column| words.get(&(block, column)).map_or(String::new(), |w| format!("`{}`", w.join("` `")));
        let name = if block.is_empty() { "top level".into() } else { format!("`{block}`") };
        writeln!(text, "| {name} | {} | {} |", cell("acts"), cell("noted")).unwrap();
    }
    text.push('\n');
    text
}
