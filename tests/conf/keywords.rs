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
        let text = within(keyword.block, line);
        let (_, diagnostics, sources) = conf::parse(Path::new("x"), &Memory::one("x", &text));
        let about = |id: &str| {
            diagnostics.iter().find(|d| d.id == id && d.span().is_some_and(|s| sources.text(s) == keyword.name))
        };
        assert!(about("no-effect").is_some_and(|d| d.severity < Severity::Error), "{text}{diagnostics:?}");
    }
}

/// Names that keepalived has given up, as far as the table has them: each is taken with a word about the new one, or
/// with the reason why it has no effect.
// parity: 12
#[test]
fn old_names_are_taken_with_a_message() {
    let old = [
        "thread_timer_expired",
        "global_tracking",
        "lvs_flush_onstop",
        "lvs_process_name",
        "nb_get_retry",
        "vrrp_rlimit_rtime",
        "vrrp_track_file",
        "vmac_garp_intvl",
        "vrrp_vmac_garp_intvl",
    ];
    for name in old {
        let keyword = conf::keywords().iter().find(|k| k.name == name).unwrap_or_else(|| panic!("no {name}"));
        let (word, _) = samples(&keyword.argument, name).unwrap_or_default();
        let text = within(keyword.block, format!("    {name} {word}\n"));
        let (_, diagnostics, sources) = conf::parse(Path::new("x"), &Memory::one("x", &text));
        let about: Vec<_> = diagnostics.iter().filter(|d| d.span().is_some_and(|s| sources.text(s) == name)).collect();
        assert!(about.iter().any(|d| d.id == "deprecated" && d.severity < Severity::Error), "{text}{diagnostics:?}");
    }
}

/// Old words of lines, which no table has.
// parity: 12
#[test]
fn old_words_of_routes_and_rules_are_taken_with_a_message() {
    let text = "vrrp_instance X {\n    interface eth0\n    virtual_router_id 5\n    virtual_ipaddress {\n        192.0.2.5\n    }\n    \
                virtual_routes {\n        default6 via 2001:db8::1 dev eth0\n    }\n    virtual_rules {\n        \
                from default6 table 7 preference 3\n    }\n}\n";
    let (config, diagnostics, sources) = conf::parse(Path::new("x"), &Memory::one("x", text));
    let old: Vec<_> = diagnostics.iter().filter(|d| d.id == "deprecated").collect();
    let words: Vec<_> = old.iter().map(|d| sources.text(d.span().unwrap())).collect();
    assert_eq!(words, ["default6", "default6"], "{diagnostics:?}");
    assert!(old.iter().all(|d| d.severity == Severity::Warning) && diagnostics.len() == 2, "{diagnostics:?}");
    let instance = &config.instances[0];
    assert_eq!(instance.routes[0].to.to_string(), "::/0");
    assert_eq!((instance.rules[0].family, instance.rules[0].from), (vipdeck::net::Family::V6, None));
}

/// A line in its block, in the blocks it needs.
fn within(block: &str, line: String) -> String {
    match block {
        "" => line,
        "global_defs" | "garp_group" => format!("{block} {{\n{line}}}\n"),
        "vrrp_script" | "bfd_instance" | "vrrp_instance" | "vrrp_sync_group" | "track_file" | "vrrp_track_process" => {
            format!("{block} X {{\n{line}}}\n")
        }
        "virtual_server" => format!("virtual_server 192.0.2.1 80 {{\n{line}}}\n"),
        "real_server" => format!("virtual_server 192.0.2.1 80 {{\nreal_server 192.0.2.2 80 {{\n{line}}}\n}}\n"),
        "SSL" => format!("SSL {{\n{line}}}\n"),
        // What they name must be there.
        "BFD_CHECK" => "bfd_instance /bin/true {\nneighbor_ip 192.0.2.7\n}\n".to_owned() + &checker(block, &line),
        "FILE_CHECK" => "track_file /bin/true {\nfile /run/x\n}\n".to_owned() + &checker(block, &line),
        "url" => checker("HTTP_GET", &format!("url {{\n{line}}}\n")),
        "host" => checker("SMTP_CHECK", &format!("host {{\n{line}}}\n")),
        _ if block.ends_with("_CHECK") || block.ends_with("_GET") => checker(block, &line),
        "authentication" => format!("vrrp_instance X {{\nauthentication {{\n{line}}}\n}}\n"),
        "auth_hmac" => format!("vrrp_instance X {{\nauth_hmac {{\n{line}}}\n}}\n"),
        other => panic!("no sample for block {other}"),
    }
}

/// A line in a checker.
fn checker(block: &str, line: &str) -> String {
    format!("virtual_server 192.0.2.1 80 {{\nreal_server 192.0.2.2 80 {{\n{block} {{\n{line}}}\n}}\n}}\n")
}

/// For every keyword that acts: a good argument is no error (some are known and refused as not supported), none and
/// a wrong one are, at their place.
#[test]
fn every_acting_keyword_takes_its_argument_and_no_other() {
    let mut count = 0;
    for keyword in conf::keywords().iter().filter(|k| k.support == Support::Acts && !k.is_block) {
        let Some((good, bad)) = samples(&keyword.argument, keyword.name) else { continue };
        count += 1;
        let said = |argument: &str| {
            let before = if keyword.name.starts_with("sorry_server_") { "    sorry_server 192.0.2.9 80\n" } else { "" };
            let text = within(keyword.block, format!("{before}    {} {argument}\n", keyword.name));
            let (_, diagnostics, sources) = conf::parse(Path::new("x"), &Memory::one("x", &text));
            let here = |d: &&conf::Diagnostic| {
                let place = d.span().map(|s| sources.text(s).to_owned()).unwrap_or_default();
                d.severity == Severity::Error
                    && d.id != "not-supported"
                    && (place == keyword.name || (place == argument && !place.is_empty()))
            };
            diagnostics.iter().find(here).map(|d| d.message.clone())
        };
        assert_eq!(said(&good), None, "{} {} {good}", keyword.block, keyword.name);
        assert!(said(bad).is_some(), "{} {} {bad}: no error", keyword.block, keyword.name);
        if !keyword.argument.starts_with('[') {
            assert!(said("").is_some(), "{} {} without argument: no error", keyword.block, keyword.name);
        }
        assert!(keyword.wrong.contains("error"), "{} {}", keyword.block, keyword.name);
    }
    assert!(count > 60, "only {count} keywords have samples");
}

/// A good and a wrong argument, made from what the table says; none for what takes no argument.
fn samples(argument: &str, name: &str) -> Option<(String, &'static str)> {
    let inner = argument.trim_start_matches('[').trim_end_matches(']');
    let group = name.contains("mcast_") && !name.contains("src");
    Some(match inner {
        "" => return None,
        // With and without any word.
        _ if name == "net_namespace_ipvs" => return None,
        _ if name == "use_vmac" || name == "use_ipvlan" => ("vrrp.5".into(), "a-name-that-is-too-long"),
        _ if name == "lvs_timeouts" => ("tcp 900".into(), "many"),
        _ if name == "lvs_sync_daemon" => ("eth0 id 7".into(), "an-interface-with-a-long-name"),
        _ if name == "persistence_granularity" => ("255.255.255.0".into(), "many"),
        // Not above the upper one, which is not there.
        _ if name == "lthreshold" => ("0".into(), "many"),
        // Not above the largest, which is not there.
        _ if name == "min_reply_length" => ("255".into(), "many"),
        "HEX..." => ("0a1b".into(), "zz"),
        "32 hexadecimal digits" => ("5d41402abc4b2a76b9719d911017c592".into(), "5d41"),
        "CODE|FROM-TO..." => ("200-299".into(), "many"),
        "OPTION..." => ("caseless".into(), "neither"),
        _ if inner.starts_with("NAT|DR|TUN") => ("TUN type gue port 6080 csum".into(), "neither"),
        "ADDRESS [PORT" => ("192.0.2.7 80".into(), "here"),
        "VS" => ("VS".into(), "neither"),
        "TABLE" => ("vipdeck".into(), "1st"),
        "on|off" => ("off".into(), "perhaps"),
        "HOST [PORT" => ("relay.example.org 587".into(), "a/b"),
        "CPU..." => ("0 1".into(), "first"),
        "MASK" => ("0177".into(), "9"),
        _ if argument.starts_with("[\"COMMAND\"") => ("\"/bin/true\"".into(), "/bin/echo a b c"),
        // A choice of one.
        "PASS" | "TCP" | "never" | "allow_if_changes" => (inner.into(), "neither"),
        "VALUE] [overwrite" => ("5 overwrite".into(), "many"),
        "ADDRESS" if group => ("224.0.0.19".into(), "here"),
        "ADDRESS" => ("192.0.2.7".into(), "here"),
        "INTERFACE" => ("eth0".into(), "an-interface-with-a-long-name"),
        _ if name == "key" && inner != "FILE" => ("1 0123456789abcdef0123456789abcdef".into(), "many"),
        // The largest: the smallest interval is none of VRRPv2.
        _ if inner.contains("..") => (inner.split_once("..")?.1.split(' ').next()?.to_owned(), "many"),
        _ if inner.contains('|') && !inner.contains(' ') => (inner.split('|').next()?.to_owned(), "neither"),
        // Any word is good: only a missing one is wrong.
        _ => ("\"/bin/true\"".into(), ""),
    })
}
