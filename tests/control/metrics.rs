//! OpenMetrics: a strict reader of the format, and the numbers next to those of the status.

use crate::fake::{Fake, World};
use crate::verbs::run;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use vipdeck::control::server::serve_metrics;
use vipdeck::metrics;
use vipdeck::status::Snapshot;

/// The samples by name and labels, if the text keeps every rule of OpenMetrics 1.0 that concerns it.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end in # EOF")?;
    let mut samples = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let (mut family, mut kind, mut unit, mut stage) = ("", "", "", 0);
    for line in body.lines() {
        let bad = |why: &str| Err(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# ") {
            let mut parts = rest.splitn(3, ' ');
            let (word, name, value) = (parts.next(), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let place = match word {
                Some("TYPE") => 1,
                Some("UNIT") => 2,
                Some("HELP") => 3,
                _ => return bad("no such comment"),
            };
            if place == 1 {
                if !seen.insert(name) {
                    return bad("a family is there twice");
                }
                (family, kind, unit, stage) = (name, value, "", 0);
                if !["gauge", "counter", "info", "stateset"].contains(&kind) {
                    return bad("no such type");
                }
            }
            if name != family || place <= stage {
                return bad("metadata out of order");
            }
            if place == 2 {
                unit = value;
                if !family.ends_with(&format!("_{unit}")) {
                    return bad("the name does not end in its unit");
                }
            }
            if place == 3 && (value.is_empty() || value.replace("\\\\", "").replace("\\n", "").contains('\\')) {
                return bad("help");
            }
            stage = place;
            continue;
        }
        let (name, labels, value) = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        if stage == 0 || name != format!("{family}{suffix}") {
            return bad("not a sample of the family above it");
        }
        if kind == "counter" && (value < 0.0 || value.is_nan())
            || kind == "info" && value.to_bits() != 1.0_f64.to_bits()
        {
            return bad("no value of its type");
        }
        if kind == "stateset"
            && (!labels.contains_key(family) || ![0.0_f64, 1.0].map(f64::to_bits).contains(&value.to_bits()))
        {
            return bad("no state of a set");
        }
        if unit.is_empty() && (family.ends_with("_seconds") || family.ends_with("_bytes")) {
            return bad("a unit that is not told");
        }
        if samples.insert(format!("{name}{labels:?}"), value).is_some() {
            return bad("the same labels twice");
        }
    }
    Ok(samples)
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Option<(&str, BTreeMap<String, String>, f64)> {
    let (name, mut rest) = line.split_once('{')?;
    let is_name = |n: &str| {
        !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !n.starts_with(char::is_numeric)
    };
    let mut labels = BTreeMap::new();
    loop {
        let (label, after) = rest.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), after.char_indices());
        rest = loop {
            match chars.next()? {
                (at, '"') => break after.get(at + 1..)?,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
            return None;
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let number = rest.strip_prefix("} ")?;
    (is_name(name) && !number.contains(' ')).then_some((name, labels, number.parse().ok()?))
}

#[test]
fn the_reader_is_strict() {
    let good =
        "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Time.\na_seconds{x=\"1\"} 2\n# EOF\n";
    assert_eq!(parse(good).unwrap().len(), 1);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# HELP", "# HALP"),
        ("# UNIT a_seconds seconds\n", ""),
        ("a_seconds{", "b{"),
        ("gauge", "counter"),
        ("gauge", "info"),
        ("x=\"1\"", "x=\"1\",x=\"2\""),
        ("x=\"1\"", "x=\"\\q\""),
        ("a_seconds{x=\"1\"} 2\n", "a_seconds{x=\"1\"} 2\na_seconds{x=\"1\"} 3\n"),
        ("} 2", "} two"),
    ] {
        assert!(parse(&good.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn the_numbers_are_those_of_the_status() {
    let fake = Fake::start(World::Stubborn);
    {
        let mut state = fake.state.lock().unwrap();
        state.instances[0].adverts_sent = 9_007_199_254_740_993;
        state.instances[0].name = "a \"quoted\\\" name".into();
        state.services[0].reals[0].active = None;
        state.counters.worst_lateness = Duration::from_millis(1500);
    }
    fake.record(1..=3);
    let text = run(&["metrics", "--at", fake.path.to_str().unwrap()]);
    assert_eq!(text.status.code(), Some(0), "{}", String::from_utf8_lossy(&text.stderr));
    let text = String::from_utf8(text.stdout).unwrap();
    let samples = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let status = run(&["status", "--json", "--at", fake.path.to_str().unwrap()]);
    let s: Snapshot = serde_json::from_slice(&status.stdout).unwrap();
    let find = |name: &str, words: &[&str]| {
        let matching: Vec<_> = samples
            .iter()
            .filter(|(k, _)| k.starts_with(&format!("{name}{{")) && words.iter().all(|w| k.contains(w)))
            .collect();
        assert!(matching.len() < 2, "{matching:?}");
        matching.first().map(|(_, value)| **value)
    };
    let state = |word: &str| find("vipdeck_instance_state", &[&format!("vipdeck_instance_state\": \"{word}\"")]);
    assert_eq!((state("MASTER"), state("BACKUP")), (Some(1.0), Some(0.0)));
    assert_eq!(find("vipdeck_instance_priority", &[]), Some(s.instances[0].effective_priority.into()));
    assert_eq!(find("vipdeck_instance_transitions_total", &[]), Some(s.instances[0].transitions_total as f64));
    assert_eq!(find("vipdeck_worst_lateness_seconds", &[]), Some(1.5));
    assert_eq!(find("vipdeck_events_total", &[]), Some(3.0));
    assert_eq!(find("vipdeck_real_up", &["192.0.2.21:80"]), Some(1.0));
    assert_eq!(find("vipdeck_real_active_connections", &["192.0.2.21:80"]), None, "not known is not zero");
    let active = s.services[0].reals[1].active.map(f64::from);
    assert_eq!(find("vipdeck_real_active_connections", &["192.0.2.22:80"]), active);
    assert!(text.contains(" 9007199254740993\n"), "a counter is whole");
    // All families are there, in the order of the table.
    let types: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(types, metrics::all().iter().map(|f| f.name).collect::<Vec<_>>());
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn scrape(at: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost: {at}\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_loopback_port_tells_the_same_and_nothing_else() {
    let fake = Fake::start(World::Stubborn);
    let at = free_port();
    let server = serve_metrics(fake.board.clone(), at).unwrap();
    let (head, body) = scrape(at, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    parse(&body).unwrap();
    for path in ["/v1/status", "/v1/commands", "/"] {
        assert!(scrape(at, path).0.starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(serve_metrics(fake.board.clone(), at).is_err(), "the port is taken");
    server.stop();
    assert!(TcpStream::connect(at).is_err());
    let error = serve_metrics(fake.board.clone(), "0.0.0.0:1".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("not a loopback address"), "{error}");
}

#[test]
fn silent_clients_take_the_places_for_a_moment_only() {
    let fake = Fake::start(World::Stubborn);
    let at = free_port();
    let _server = serve_metrics(fake.board.clone(), at).unwrap();
    let silent: Vec<_> = (0..60).map(|_| TcpStream::connect(at).unwrap()).collect();
    let began = Instant::now();
    while !scrape(at, "/metrics").0.starts_with("HTTP/1.1 200") {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody can scrape any more");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The engine's own link is another thread's.
    assert_eq!(crate::raw::get(&fake.path, "/v1/status").0, 200);
    drop(silent);
}

#[test]
fn everything_the_dashboard_and_the_alert_rules_name_exists() {
    let known: BTreeSet<_> = metrics::all().iter().map(vipdeck::metrics::Family::sample).collect();
    for (file, least) in [("assets/grafana.json", 15), ("assets/alerts.yml", 8)] {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<_> = words.filter(|w| w.starts_with("vipdeck_")).map(str::to_owned).collect();
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        assert!(named.len() >= least, "{file} names only {named:?}");
    }
}
