//! Feeds over the socket: kept, lost, found again.

use crate::fake::{Fake, World};
use crate::words;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;
use vipdeck::control::{Access, Connection, Feed, Request, client};
use vipdeck::status::{Ask, Command, Reply};

const PATIENCE: Duration = Duration::from_secs(15);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn until(feed: &mut Feed, is_meant: impl FnMut(&Connection) -> bool) -> Connection {
    timeout(PATIENCE, feed.connection.wait_for(is_meant)).await.expect("the connection changes").unwrap().clone()
}

async fn live(feed: &mut Feed) {
    until(feed, |c| *c == Connection::Live).await;
}

async fn lost(feed: &mut Feed) -> String {
    match until(feed, |c| matches!(c, Connection::Lost { .. })).await {
        Connection::Lost { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// Waits until the board has event `last`, and gives all numbers it has.
async fn numbers(feed: &Feed, last: u64) -> Vec<u64> {
    let mut changes = feed.board.watch();
    let all = || feed.board.events_after(0).iter().map(|e| e.seq).collect::<Vec<_>>();
    let there = async {
        while all().last() != Some(&last) {
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("event {last} comes; there are {:?}", all()));
    all()
}

fn ask(instance: &str) -> Ask {
    Ask::new(Command::Restore { instance: instance.into() })
}

#[test]
fn a_feed_has_the_snapshot_and_the_events_and_carries_commands() {
    let fake = Fake::start(World::Obliging);
    fake.record(1..=3);
    let runtime = runtime();
    let mut feed = client::connect(fake.target(), runtime.handle());
    runtime.block_on(async {
        live(&mut feed).await;
        assert_eq!(numbers(&feed, 3).await, [1, 2, 3]);
        assert_eq!(feed.board.latest().unwrap().node.name, "lvs1");
        fake.record(4..=4);
        assert_eq!(numbers(&feed, 4).await, [1, 2, 3, 4]);
        let (reply, replied) = oneshot::channel();
        feed.requests.send(Request { ask: ask("VI_9"), reply }).await.unwrap();
        let reply = timeout(PATIENCE, replied).await.unwrap().unwrap();
        assert!(matches!(reply, Reply::Rejected { .. }), "{reply:?}");
    });
}

#[test]
fn a_feed_goes_on_where_it_was_when_the_link_comes_back() {
    let mut fake = Fake::start(World::Obliging);
    fake.record(1..=2);
    let runtime = runtime();
    let mut feed = client::connect(fake.target(), runtime.handle());
    runtime.block_on(async {
        live(&mut feed).await;
        numbers(&feed, 2).await;
        fake.stop_serving();
        lost(&mut feed).await;
        let (reply, replied) = oneshot::channel();
        feed.requests.send(Request { ask: ask("VI_1"), reply }).await.unwrap();
        assert!(timeout(PATIENCE, replied).await.unwrap().is_err(), "what became of it is not known");
        assert!(feed.board.latest().is_some(), "the last word stays, stale");
        fake.record(3..=3);
        fake.serve_again();
        live(&mut feed).await;
        assert_eq!(numbers(&feed, 3).await, [1, 2, 3]);
    });
}

#[test]
fn the_events_of_a_restarted_engine_begin_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lvs1.sock");
    let engine = |pid| Fake::at(&path, World::Obliging, Access::default(), words::snapshot("lvs1", pid));
    let mut first = engine(1001);
    first.record(1..=2);
    let runtime = runtime();
    let mut feed = client::connect(first.target(), runtime.handle());
    runtime.block_on(async {
        live(&mut feed).await;
        numbers(&feed, 2).await;
        first.stop_serving();
        lost(&mut feed).await;
        // It has had more events than the first one: the numbers alone would not tell.
        let second = engine(1002);
        second.record(1..=5);
        live(&mut feed).await;
        assert_eq!(numbers(&feed, 5).await, [1, 2, 3, 4, 5]);
        assert!(feed.board.events_after(0).iter().all(|e| e.kind == "of-1002"), "none is the first one's");
        assert_eq!(feed.board.latest().unwrap().node.pid, 1002);
    });
}

#[test]
fn three_seconds_without_a_word_are_a_lost_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let snapshot = serde_json::to_string(&words::snapshot("lvs1", 1)).unwrap();
            let body = format!("event: snapshot\ndata: {snapshot}\n\n");
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}").unwrap();
            open.push(stream);
        }
    });
    let runtime = runtime();
    let target = vipdeck::control::resolve(&[path.display().to_string()], directory.path()).unwrap().remove(0);
    let mut feed = client::connect(target, runtime.handle());
    runtime.block_on(async {
        live(&mut feed).await;
        let why = lost(&mut feed).await;
        assert!(why.contains("not a word for 3 s"), "{why}");
    });
}

#[test]
fn what_is_no_engine_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let runtime = runtime();
    let target = vipdeck::control::resolve(&[path.display().to_string()], directory.path()).unwrap().remove(0);
    let failure = runtime.block_on(client::status(&target)).unwrap_err().to_string();
    assert!(failure.contains("no engine listens"), "{failure}");
    drop(UnixListener::bind(&path).unwrap());
    let failure = runtime.block_on(client::status(&target)).unwrap_err().to_string();
    assert!(failure.contains("its engine is gone"), "{failure}");
    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        }
    });
    assert!(runtime.block_on(client::status(&target)).is_err());
}
