//! Clients that mean no good, or do not know better: nothing panics, nobody else waits.

use crate::fake::{Fake, World};
use crate::raw::{self, Lines};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A panic in a handler would show as a closed connection without an answer; one in the server as no answer at all.
fn is_well(fake: &Fake) {
    let began = Instant::now();
    assert_eq!(raw::get(&fake.path, "/v1/status").0, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?}", began.elapsed());
}

#[test]
fn garbage_is_refused() {
    let fake = Fake::start(World::Obliging);
    let huge_header = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 1 << 20], b"\r\n\r\n"].concat();
    let many_headers = [b"GET / HTTP/1.1\r\n".as_slice(), &b"a: b\r\n".repeat(500), b"\r\n"].concat();
    let requests: [&[u8]; 7] = [
        b"\0\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/commands HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        &huge_header,
        &many_headers,
    ];
    for request in requests {
        let (code, _) = raw::exchange(&fake.path, request);
        assert!(code == 0 || (400..600).contains(&code), "{code}");
        is_well(&fake);
    }
}

#[test]
fn a_huge_body_is_refused_whether_announced_or_not() {
    let fake = Fake::start(World::Obliging);
    assert_eq!(raw::post(&fake.path, &vec![b' '; 100_000]).0, 413);
    let chunk = format!("{:x}\r\n{}\r\n", 8000, " ".repeat(8000)).repeat(20);
    let request = format!(
        "POST /v1/commands HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    assert_eq!(raw::exchange(&fake.path, request.as_bytes()).0, 413);
    let deep = "[".repeat(10_000);
    assert_eq!(raw::post(&fake.path, deep.as_bytes()).0, 400);
    is_well(&fake);
}

#[test]
fn half_a_request_holds_nobody_up_and_is_let_go() {
    let fake = Fake::start(World::Obliging);
    let mut half: Vec<_> = (0..50).map(|_| raw::open(&fake.path)).collect();
    for (number, stream) in half.iter_mut().enumerate() {
        let start = b"POST /v1/commands HTTP/1.1\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(start.get(..number % start.len()).unwrap()).unwrap();
    }
    is_well(&fake);
    for stream in &mut half {
        let mut rest = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.read_to_end(&mut rest).unwrap();
    }
}

#[test]
fn a_thousand_connections_are_bounded() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard).unwrap();
    let fake = Fake::start(World::Obliging);
    let all: Vec<_> = (0..1000).map(|_| raw::open(&fake.path)).collect();
    let told = all.iter().filter(|s| is_told_it_is_full(s)).count();
    assert!(told >= 1000 - 64, "only {told} were refused");
    drop(all);
    // The places come back as soon as the server has seen the ends.
    let deadline = Instant::now() + Duration::from_secs(10);
    while raw::get(&fake.path, "/v1/status").0 != 200 {
        assert!(Instant::now() < deadline, "no place comes free");
    }
}

fn is_told_it_is_full(mut stream: &UnixStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes).is_ok() && bytes == *b"HTTP/1.1 503"
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up() {
    let fake = Fake::start(World::Obliging);
    let _asleep: Vec<_> = (0..20).map(|_| Lines::of(&fake.path, "/v1/stream", "")).collect();
    fake.record(1..=4000);
    let mut awake = Lines::of(&fake.path, "/v1/stream?after=3999", "");
    fake.record(4001..=4001);
    while awake.next("id:").unwrap() != "4001" {}
    is_well(&fake);
}

fn shared() -> &'static Fake {
    static FAKE: std::sync::LazyLock<Fake> = std::sync::LazyLock::new(|| Fake::start(World::Obliging));
    &FAKE
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let words = prop::sample::select(vec![
        "command",
        "demote",
        "drain",
        "weight",
        "instance",
        "VI_1",
        "real",
        "service",
        "192.0.2.21:80",
        "seen",
        "MASTER",
        "actor",
        "user",
        "reason",
        "tcp/192.0.2.10:80",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        any::<String>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(words.clone(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_json_posted_has_an_answer(value in value()) {
        let (code, body) = raw::post(&shared().path, value.to_string().as_bytes());
        prop_assert!([200, 400, 409].contains(&code), "{code} to {value}");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
    }

    #[test]
    fn any_bytes_posted_have_an_answer(bytes: Vec<u8>) {
        prop_assert_eq!(raw::post(&shared().path, &bytes).0, 400);
    }

    #[test]
    fn any_bytes_sent_leave_the_server_well(bytes: Vec<u8>) {
        let mut stream = raw::open(&shared().path);
        let _ = stream.write_all(&bytes);
        drop(stream);
        prop_assert_eq!(raw::get(&shared().path, "/v1/status").0, 200);
    }
}
