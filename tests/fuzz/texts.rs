//! What people and other programs write.

use crate::fuzzer::fuzz;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vipdeck::conf::{self, Memory};
use vipdeck::console::keymap::Keymap;
use vipdeck::control::sse::Reader;
use vipdeck::report::check::{Look, text};
use vipdeck::settings;
use vipdeck::sim::{World, scenario};
use vipdeck::status::{Ask, Event, Snapshot};

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn keepalived_conf() {
    let corpus = all(&[
        include_str!("../../assets/dual-master-dr/lvs1.conf"),
        include_str!("../../assets/vip-pair/server1.conf"),
        include_str!("../conf/cases/definitions/keepalived.conf"),
        include_str!("../conf/cases/expanded/keepalived.conf"),
        include_str!("../conf/cases/not-supported/keepalived.conf"),
        include_str!("../conf/cases/odd-services/keepalived.conf"),
        include_str!("../conf/cases/quoted-script/keepalived.conf"),
        include_str!("../conf/cases/units/keepalived.conf"),
        include_str!("../conf/cases/unterminated/keepalived.conf"),
        include_str!("../conf/cases/wrapped-comment/keepalived.conf"),
        "include x\ninclude {x,y}*[a-z]\n",
        "$A=$A$A\n$B=${A}\nvrrp_instance $B {\n",
        "~SEQ(i,1,3) ~LST({a,b},{1,2},{3}) @x y${i} $a {include ${b}\n$M=\\\na\\\nb\n$M\n",
        "{{{{}}}}\"\\\n'\u{3000}\u{feff}\r\0",
        "",
    ]);
    fuzz("keepalived.conf", &corpus, |bytes| {
        let mut memory = Memory::default();
        memory.0.insert(PathBuf::from("x"), bytes.to_vec());
        let (_, diagnostics, sources) = conf::parse(Path::new("x"), &memory);
        for label in diagnostics.iter().flat_map(|d| &d.labels) {
            let source = sources.get(label.span.source).unwrap();
            assert!(source.text.get(label.span.start..label.span.end).is_some(), "{label:?} is not in its text");
        }
        for diagnostic in diagnostics.iter().take(5) {
            text(diagnostic, &sources, Path::new("x"), Look::Plain);
        }
    });
}

fn world() -> World {
    let mut world = scenario("dual-master-dr", 42, 0).unwrap();
    world.run_for(Duration::from_secs(12));
    world
}

#[test]
fn commands_as_json() {
    let corpus = all(&[
        r#"{"command":"demote","instance":"VI_1","seen":"MASTER","reason":"patch","actor":{"user":"x","from":"y"}}"#,
        r#"{"command":"restore","instance":"VI_1"}"#,
        r#"{"command":"takeover","instance":"VI_2","seen":"BACKUP"}"#,
        r#"{"command":"drain","real":"192.168.10.31:80"}"#,
        r#"{"command":"return","real":"[2001:db8::1]:80","service":"tcp/192.168.10.20:80"}"#,
        r#"{"command":"weight","real":"192.168.10.31:80","service":"tcp/192.168.10.20:80","weight":65535}"#,
        r#"{"command":"weight","real":"192.168.10.31:80","weight":4294967295}"#,
        r#"{"command":"demote","instance":"\u001b[2J\ud800"}"#,
        "[[[[[[[[",
        "",
    ]);
    let world = world();
    fuzz("commands", &corpus, |bytes| {
        if let Ok(ask) = serde_json::from_slice::<Ask>(bytes) {
            let written = serde_json::to_vec(&ask).unwrap();
            assert_eq!(serde_json::from_slice::<Ask>(&written).unwrap(), ask);
            let mut world = world.clone();
            world.command(0, ask);
            world.run_for(Duration::from_millis(100));
        }
    });
}

#[test]
fn streams_of_an_engine() {
    let mut world = world();
    let snapshot = serde_json::to_string(&world.snapshot(0).unwrap()).unwrap();
    let event = serde_json::to_string(world.take_events(0).first().unwrap()).unwrap();
    let corpus = all(&[
        &format!("event: event\nid: 1\ndata: {event}\n\n: still here\n\n"),
        &format!("event: snapshot\ndata: {snapshot}\n\n"),
        "event: gap\ndata: {\"after\":1,\"next\":3,\"lost\":1}\n\n",
        "event\ndata\n:\n\r\n\ndata:\ndata: a\r\n\r\n",
        "",
    ]);
    fuzz("streams", &corpus, |bytes| {
        let whole = Reader::default().feed(bytes).unwrap();
        let mut reader = Reader::default();
        let pieces: Vec<_> = bytes.chunks(7).flat_map(|piece| reader.feed(piece).unwrap()).collect();
        assert_eq!(whole, pieces, "the size of the pieces does not matter");
        for message in whole {
            let _ = serde_json::from_str::<Snapshot>(&message.data);
            let _ = serde_json::from_str::<Event>(&message.data);
        }
    });
}

#[test]
fn settings_toml() {
    let corpus = all(&[
        "[console]\ntheme = \"light\"\nascii = true\nview_only = false\nmouse = false\nkeys = \"/tmp/keys.toml\"\n",
        "[control]\ndirectory = \"/run/x\"\nview_group = \"0123\"\noperate_group = 7\n",
        "console.theme = 1e999\n[console]\n[[control]]\n",
        "",
    ]);
    assert_eq!(settings::parse("[console]\ntheme = \"light\"\n").unwrap().console.theme, "light");
    fuzz("settings", &corpus, |bytes| {
        let _ = settings::parse(&String::from_utf8_lossy(bytes));
    });
}

#[test]
fn key_tables() {
    let entry = |keys: &str| {
        format!(
            "[[key]]\ncontext = \"everywhere\"\nkeys = [{keys}]\naction = \"down\"\nhint = \"move\"\nhelp = \"next\"\n"
        )
    };
    let corpus = all(&[
        &entry("\"j\", \"Down\""),
        &entry("\"gg\", \"Ctrl-d\", \"S-Tab\", \"F5\""),
        &entry("\"\", \"Ctrl-\", \"ü\", \"-\""),
        include_str!("../../assets/keys.toml").get(..1500).unwrap(),
        "",
    ]);
    assert!(Keymap::load(Some(&entry("\"ü\""))).is_ok());
    fuzz("keys", &corpus, |bytes| {
        let _ = Keymap::load(Some(&String::from_utf8_lossy(bytes)));
    });
}
