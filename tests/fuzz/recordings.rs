//! Recordings: whatever the file holds, it is read as far as it goes, or refused.

use crate::fuzzer::fuzz;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use vipdeck::recording::{Fed, Header, Limits, Moment, Recording, Writer};
use vipdeck::status::{Mode, Stage};

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn all_of(bytes: &[u8]) {
    let Ok(recording) = Recording::read(bytes.to_vec()) else { return };
    let _ = recording.span();
    for part in &recording.parts {
        let _ = recording.play(part);
    }
    let _ = recording.feeds().count();
}

fn header() -> Header {
    Header::new("t", Mode::Lab, vec!["a".into(), "b".into()], true)
}

/// A recording without snapshots, whose lines are as short as the fuzzer likes them.
fn small() -> Vec<Vec<u8>> {
    let mut writer = Writer::new(Limits { span: 1 << 40, bytes: 1 << 20, part: 10 }, 2);
    for at in 0..40 {
        let stage = Stage::empty(&"s".repeat(at as usize % 3));
        let moment = Moment { at, wall: 1000 + at };
        writer.push(moment, &Fed::Stage(stage), || serde_json::json!({"nodes": []}));
        writer.push(moment, &Fed::Snapshot { node: 1, snapshot: None }, || serde_json::Value::Null);
    }
    writer.recording(&header(), 0).iter().map(|piece| piece.to_vec()).collect()
}

#[test]
fn files() {
    let pieces = small();
    assert!(pieces.len() > 2 && Recording::read(pieces.concat()).unwrap().feeds().count() > 40);
    fuzz("recordings", &[pieces.concat(), pieces[0].clone(), pieces[1].clone()], all_of);
}

/// Below the compression, which hides most of what a mutation does.
#[test]
fn lines() {
    let head = serde_json::to_string(&header()).unwrap();
    let kept = [
        r#"{"at":1,"wall":2,"open":{"nodes":[null,null],"stage":null,"picture":{"nodes":[{"label":"a"}]}}}"#,
        r#"{"at":1,"wall":2,"full":[0,null]}"#,
        r#"{"at":3,"wall":4,"diff":[1,{"a":{"0":[1]},"b":[]}]}"#,
        r#"{"at":3,"wall":4,"link":[1,{"lost":{"since":1,"why":"x"}}]}"#,
        r#"{"at":5,"wall":6,"stage":{"scenario":"s","clock":null,"nodes":[],"servers":[],"clients":[]}}"#,
        r#"{"at":5,"wall":6,"scene":{"scenario":"t"}}"#,
        r#"{"at":7,"wall":8,"events":[0,[]]}"#,
    ];
    let corpus = [kept.join("\n").into_bytes(), kept[0].into(), [kept[0], kept[4], kept[5]].join("\n").into_bytes()];
    fuzz("lines of recordings", &corpus, |text| {
        all_of(&[packed(head.as_bytes()), packed(text)].concat());
        all_of(&packed(text));
    });
}
