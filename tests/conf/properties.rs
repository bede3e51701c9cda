//! Whatever the text, parsing ends without a panic and every place lies in its source.

use crate::root;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Memory, Severity};
use vipdeck::report::check::{Look, text};

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "\\PC{0,300}") {
        read(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn any_mixture_of_words_is_read(words in prop::collection::vec(prop::sample::select(WORDS), 0..120)) {
        read(words.concat().as_bytes());
    }

    #[test]
    fn damaged_files_are_read(
        which in 0..4_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..12),
    ) {
        let mut bytes = valid(which);
        for (at, how, byte) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        read(&bytes);
    }

    /// A brace too many or too few is never passed over.
    #[test]
    fn a_lost_brace_is_an_error(which in 0..4_usize, nth in any::<prop::sample::Index>()) {
        let mut bytes = valid(which);
        let mut in_comment = false;
        let braces: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| {
            in_comment = if **b == b'\n' { false } else { in_comment || **b == b'#' };
            !in_comment && (**b == b'{' || **b == b'}')
        }).map(|(i, _)| i).collect();
        bytes[braces[nth.index(braces.len())]] = b' ';
        prop_assert_eq!(read(&bytes), Some(Severity::Error));
    }
}

#[test]
fn deep_nesting_and_long_words_end() {
    read("a{".repeat(100_000).as_bytes());
    read("}".repeat(100_000).as_bytes());
    read(&vec![b'x'; 1_000_000]);
    read("vrrp_instance A {\n".repeat(2000).as_bytes());
    for part in ["$", "${", "${A} ", "$A ", "{@a ", "{$A=", "@x ", "~SEQ(i,1,2) ", "{include ", "\"$A "] {
        read(part.repeat(200_000).as_bytes());
        read(part.repeat(3000).as_bytes());
    }
}

const WORDS: &[&str] = &[
    " ",
    "\n",
    "\n",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "! ",
    "\\",
    "vrrp_instance ",
    "A ",
    "interface ",
    "eth0 ",
    "priority ",
    "100 ",
    "virtual_router_id ",
    "51",
    "virtual_ipaddress ",
    "192.0.2.1/24 ",
    "dev ",
    "label ",
    "track_script ",
    "vrrp_script ",
    "script ",
    "weight ",
    "-20 ",
    "reverse ",
    "virtual_server ",
    "192.0.2.1 80 ",
    "real_server ",
    "TCP_CHECK ",
    "protocol TCP",
    "include ",
    "$A=",
    "$A ",
    "${A}",
    "@",
    "^x ",
    "~SEQ(i,1,3) ",
    "~LST(",
    "x ",
    "*",
    "$X=1",
    "${X}",
    "@a ",
    "~SEQ(",
    "仮想 ",
    "\u{3000}",
    "\r",
    "5s",
    "authentication ",
    "auth_pass ",
    "unicast_peer ",
    "\0",
    "state MASTER",
    "brd + ",
    "scope ",
    "global_defs ",
    "vrrp_strict ",
    "lb_algo ",
    "rr ",
];

fn valid(which: usize) -> Vec<u8> {
    let files = ["vip-pair/server1", "vip-pair/server2", "dual-master-dr/lvs1", "dual-master-dr/lvs2"];
    std::fs::read(root().join("assets").join(format!("{}.conf", files[which]))).unwrap()
}

/// Parses and draws; the worst severity.
fn read(bytes: &[u8]) -> Option<Severity> {
    let mut memory = Memory::default();
    memory.0.insert(PathBuf::from("x"), bytes.to_vec());
    let (_, diagnostics, sources) = conf::parse(Path::new("x"), &memory);
    for diagnostic in &diagnostics {
        for label in &diagnostic.labels {
            let source = sources.get(label.span.source).unwrap();
            let inside = source.text.get(label.span.start..label.span.end);
            assert!(inside.is_some(), "{diagnostic:?} is not in a text of {} bytes", source.text.len());
        }
    }
    for diagnostic in diagnostics.iter().take(5).filter(|_| bytes.len() < 10_000) {
        text(diagnostic, &sources, Path::new("x"), Look::Plain);
        text(diagnostic, &sources, Path::new("x"), Look::Coloured);
    }
    conf::worst(&diagnostics)
}
