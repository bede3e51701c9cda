//! The journal of an engine: kept beside it, bounded, and handed out as a recording.

use crate::fake::{Fake, World};
use crate::{raw, words};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vipdeck::control::journal::{self, Journal};
use vipdeck::control::{Board, client};
use vipdeck::recording::{Fed, Recording, Unreadable};
use vipdeck::settings;
use vipdeck::status::{Role, Snapshot};
use vipdeck::sys::journal_files::JournalFiles;

fn read(pieces: &[Arc<[u8]>]) -> Recording {
    Recording::read(pieces.concat()).unwrap()
}

fn fed(recording: &Recording) -> Vec<Fed> {
    let parts = recording.parts.iter().flat_map(|part| recording.play(part).unwrap().entries);
    parts.map(|entry| entry.what).collect()
}

/// `snapshot` at second `n`, after `n` adverts and events.
fn later(snapshot: &Snapshot, n: u64) -> Arc<Snapshot> {
    let mut next = snapshot.clone();
    next.revision += n;
    next.at = next.at + Duration::from_secs(n);
    next.wall_us += n * 1_000_000;
    next.last_event = n;
    for instance in &mut next.instances {
        instance.adverts_sent += n;
        instance.next_advert_at = Some(next.at + Duration::from_micros(u64::from(instance.vrid) * 3917));
    }
    Arc::new(next)
}

#[test]
fn what_is_read_back_is_what_was_published() {
    let journal = Journal::new(&settings::Journal::default(), 10_000_000);
    let first = words::snapshot("lvs1", 7);
    let mut expected = Vec::new();
    for n in 1..200 {
        let mut snapshot = Arc::unwrap_or_clone(later(&first, n));
        if n % 7 == 0 {
            snapshot.instances[0].state = Role::Backup;
            snapshot.services.clear();
        }
        let (snapshot, events) = (Arc::new(snapshot), vec![Arc::new(words::event(n))]);
        journal.take(&snapshot, events.clone());
        expected.push(Fed::Events { node: 0, events });
        expected.push(Fed::Snapshot { node: 0, snapshot: Some(snapshot) });
    }
    let recording = read(&journal.since(0, "lvs1"));
    assert_eq!(recording.header.nodes, ["lvs1"]);
    assert!(recording.parts.len() > 3, "{}", recording.parts.len());
    assert_eq!(recording.damage, None);
    assert_eq!(fed(&recording), expected);
    // From the middle: whole parts, and what happened before as the past.
    let since = first.wall_us + 100_000_000;
    let half = read(&journal.since(since, "lvs1"));
    assert!(half.parts.len() < recording.parts.len() && half.parts[0].until.wall >= since);
    assert_eq!(half.events.iter().map(|e| e.what.1.seq).collect::<Vec<_>>(), (1..200).collect::<Vec<_>>());
}

#[test]
fn the_oldest_goes_when_the_span_or_the_room_is_full() {
    let first = words::snapshot("lvs1", 7);
    let kept = |limits: settings::Journal| {
        let journal = Journal::new(&limits, 5_000_000);
        for n in 1..600 {
            journal.take(&later(&first, n), vec![]);
        }
        let (from, until) = read(&journal.since(0, "lvs1")).span();
        ((until.wall - from.wall) / 1_000_000, journal.size())
    };
    let (whole, size) = kept(settings::Journal::default());
    assert_eq!(whole, 598);
    let (span, _) = kept(settings::Journal { seconds: 60, ..settings::Journal::default() });
    assert!((60..=120).contains(&span), "{span} s");
    let (span, small) = kept(settings::Journal { bytes: size / 3, ..settings::Journal::default() });
    assert!(span < 400 && small < size / 2, "{span} s in {small} bytes, {size} without a limit");
}

#[test]
fn a_thousand_instances_take_a_few_megabytes() {
    let mut snapshot = words::snapshot("lvs1", 7);
    let instance = snapshot.instances[0].clone();
    snapshot.instances = (0..1000u32)
        .map(|n| {
            let mut next = instance.clone();
            next.name = format!("VI_{n}");
            next.vrid = (n % 255) as u8 + 1;
            next
        })
        .collect();
    let journal = Journal::new(&settings::Journal::default(), 60_000_000);
    // One every ten seconds, as for an engine of that extent.
    let began = Instant::now();
    let all: Vec<_> = (0..24).map(|n| later(&snapshot, n * 10)).collect();
    let made = began.elapsed();
    for snapshot in &all {
        journal.take(snapshot, vec![]);
    }
    let each = began.elapsed().saturating_sub(made) / 24;
    let one = serde_json::to_vec(&*all[0]).unwrap().len();
    let packed: usize = journal.since(0, "lvs1").iter().map(|p| p.len()).sum();
    let hour = packed * 15;
    eprintln!(
        "1000 instances: a snapshot has {one} bytes, an hour takes {hour} packed, {} in memory now; {each:?} each",
        journal.size()
    );
    assert!(hour < 16 * 1024 * 1024, "an hour fits: {hour} bytes");
    assert!(journal.size() < 12 * 1024 * 1024, "{} bytes", journal.size());
}

#[test]
fn an_engine_hands_its_journal_out() {
    let fake = Fake::start(World::Obliging);
    assert_eq!(raw::get(&fake.path, "/v1/journal").0, 404, "it keeps none");
    journal::keep(&fake.board, &settings::Journal::default(), None).unwrap();
    fake.record(1..=3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let target = fake.target();
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        let bytes = runtime.block_on(client::journal(&target, 0)).unwrap();
        match Recording::read(bytes) {
            Ok(recording) if recording.events.len() == 3 => {
                assert_eq!(recording.header.nodes, ["lvs1"]);
                let fed = fed(&recording);
                let snapshot = |f: &Fed| matches!(f, Fed::Snapshot { snapshot: Some(s), .. } if s.node.name == "lvs1");
                assert!(fed.iter().any(snapshot));
                break;
            }
            Ok(_) | Err(Unreadable::Empty) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < end, "the events come");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (code, text) = raw::get(&fake.path, "/v1/journal?since=yesterday");
    assert!(code == 400 && text.contains("microseconds since 1970"), "{code} {text}");
}

/// Two lives of one engine, with a kill in between.
#[test]
fn on_disk_it_outlives_the_engine() {
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("journal-lvs1");
    let live = |from: u64| {
        let board = Arc::new(Board::default());
        let settings = settings::Journal::default();
        journal::keep(&board, &settings, Some(JournalFiles::new(place.clone()).unwrap())).unwrap();
        let first = words::snapshot("lvs1", 7);
        let end = Instant::now() + Duration::from_secs(15);
        let mut n = from;
        // Until a part is whole, and so a file.
        while JournalFiles::new(place.clone())
            .unwrap()
            .load()
            .iter()
            .all(|(_, until, _)| until.1 < first.wall_us + from * 1_000_000)
        {
            n += 7;
            board.record([words::event(n)]);
            board.publish(Arc::unwrap_or_clone(later(&first, n)));
            std::thread::sleep(Duration::from_millis(40));
            assert!(Instant::now() < end, "a part becomes a file");
        }
        board
    };
    drop(live(0));
    let board = live(5000);
    let recording = read(&board.journal().unwrap().since(0, "lvs1"));
    let (from, until) = recording.span();
    assert!(until.wall - from.wall > 4_900_000_000, "it reaches back into the life before");
}
