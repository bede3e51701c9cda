//! The list of keywords that is made from the table.

use crate::{compare, root};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use vipdeck::conf::{self, Memory, Severity, Support};

#[test]
fn the_list_of_keywords_is_the_stored_one() {
    let mut text = String::new();
    for k in conf::keywords() {
        let block = if k.block.is_empty() { "(top level)" } else { k.block };
        let default = if k.default.is_empty() { String::new() } else { format!(" [{}]", k.default) };
        writeln!(text, "{:?}\t{block}\t{} {}{default}\t{}", k.support, k.name, k.argument, k.help).unwrap();
    }
    compare(&root().join("tests/conf/keywords.txt"), &text);
}

#[test]
fn no_block_has_a_keyword_twice() {
    let mut seen = BTreeSet::new();
    for keyword in conf::keywords() {
        assert!(seen.insert((keyword.block, keyword.name)), "{} {}", keyword.block, keyword.name);
    }
}

/// Nothing that changes what the cluster does is passed over: a refused keyword is an error wherever it stands.
#[test]
fn every_keyword_is_answered_as_the_table_says() {
    for keyword in conf::keywords().iter().filter(|k| k.support != Support::Acts) {
        let word = keyword.argument.trim_start_matches('[').split([' ', ']']).next().unwrap_or_default();
        let line = match keyword.argument.strip_suffix("{ }") {
            Some(head) => format!("{} {head} {{\n}}\n", keyword.name),
            None => format!("{} {word}\n", keyword.name),
        };
        let text = match keyword.block {
            "" => line,
            "global_defs" => format!("global_defs {{\n{line}}}\n"),
            "vrrp_script" | "vrrp_instance" | "vrrp_sync_group" => format!("{} X {{\n{line}}}\n", keyword.block),
            "virtual_server" => format!("virtual_server 192.0.2.1 80 {{\n{line}}}\n"),
            "real_server" => format!("virtual_server 192.0.2.1 80 {{\nreal_server 192.0.2.2 80 {{\n{line}}}\n}}\n"),
            "TCP_CHECK" => {
                format!("virtual_server 192.0.2.1 80 {{\nreal_server 192.0.2.2 80 {{\nTCP_CHECK {{\n{line}}}\n}}\n}}\n")
            }
            other => panic!("no sample for block {other}"),
        };
        let (_, diagnostics, sources) = conf::parse(Path::new("x"), &Memory::one("x", &text));
        let about = |id: &str| {
            diagnostics.iter().find(|d| d.id == id && d.span().is_some_and(|s| sources.text(s) == keyword.name))
        };
        if keyword.support == Support::Refused {
            assert_eq!(about("not-supported").map(|d| d.severity), Some(Severity::Error), "{text}{diagnostics:?}");
        } else {
            assert!(about("no-effect").is_some_and(|d| d.severity < Severity::Error), "{text}{diagnostics:?}");
        }
    }
}
