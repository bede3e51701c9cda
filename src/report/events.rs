//! `vipdeck events`: what has happened, and what happens.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::text::{plain, wall};
use crate::cli;
use crate::control::client::{self, Life};
use crate::control::{Connection, Feed, Target};
use crate::privacy::Privacy;
use crate::settings::Settings;
use crate::status::Event;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Prints the events that are kept, oldest first; with `--follow` those to come as well.
pub fn run(args: &cli::Events, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = engines::targets(&args.at, settings)?;
    let runtime = engines::runtime()?;
    if args.follow { runtime.block_on(follow(args, targets, out)) } else { runtime.block_on(once(args, &targets, out)) }
}

async fn once(args: &cli::Events, targets: &[Target], out: &mut dyn Write) -> anyhow::Result<u8> {
    let asked = targets.iter().map(|target| client::events(target, args.after));
    let mut events = Vec::new();
    let mut has_answer = false;
    for answer in futures_util::future::join_all(asked).await {
        match answer {
            Ok(some) => {
                has_answer = true;
                events.extend(some);
            }
            Err(failure) => complain(&failure),
        }
    }
    events.sort_by_key(|e| e.wall_us);
    if let Some(mut stand_ins) = stand_ins(args, targets).await {
        for event in &mut events {
            *event = stand_ins.of(event)?;
        }
    }
    for event in &events {
        if !until_closed(line(event, args.json, out))? {
            break;
        }
    }
    Ok(if has_answer { exit::DONE } else { exit::NOT_ASKED })
}

/// They know every name of the engines before the first event is shown.
async fn stand_ins(args: &cli::Events, targets: &[Target]) -> Option<Privacy> {
    if !args.privacy.privacy {
        return None;
    }
    let mut stand_ins = Privacy::default();
    for (_, snapshot) in engines::statuses(targets).await {
        if let Ok(snapshot) = snapshot.map_err(|failure| complain(&failure)) {
            let _ = stand_ins.of(&snapshot);
        }
    }
    Some(stand_ins)
}

/// Until interrupted, or until the reader of the output goes away.
async fn follow(args: &cli::Events, targets: Vec<Target>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (news, mut heard) = mpsc::channel(64);
    let mut stand_ins = stand_ins(args, &targets).await;
    for target in targets {
        let feed = client::connect(target, &Handle::current());
        tokio::spawn(listen(feed, args.after, news.clone()));
    }
    drop(news);
    while let Some(news) = heard.recv().await {
        match news {
            News::Event(mut event) => {
                if let Some(stand_ins) = &mut stand_ins {
                    event = Arc::new(stand_ins.of(&*event)?);
                }
                if !until_closed(line(&event, args.json, out).and_then(|()| out.flush()))? {
                    break;
                }
            }
            News::Lost(why) => complain(&why),
        }
    }
    Ok(exit::DONE)
}

enum News {
    Event(Arc<Event>),
    Lost(String),
}

/// Passes on one engine's events, and says when it is lost and found again.
async fn listen(mut feed: Feed, after: u64, news: mpsc::Sender<News>) {
    let mut snapshots = feed.board.watch();
    let mut place = Place { seen: after, life: None };
    let mut is_lost = false;
    loop {
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = feed.connection.changed() => {
                if changed.is_err() { return }
                let state = feed.connection.borrow_and_update().clone();
                let said = match state {
                    Connection::Lost { why, .. } if !is_lost => Some((true, format!("{}: {why}; trying again", feed.label))),
                    Connection::Live if is_lost => Some((false, format!("{}: it answers again", feed.label))),
                    Connection::Live | Connection::Connecting | Connection::Lost { .. } => None,
                };
                if let Some((lost, text)) = said {
                    is_lost = lost;
                    if news.send(News::Lost(text)).await.is_err() { return }
                }
            }
        }
        let snapshot = snapshots.borrow_and_update().clone();
        let Some(snapshot) = snapshot else { continue };
        place.enter(Life::from(&*snapshot));
        for event in feed.board.events_after(place.seen) {
            place.seen = event.seq;
            if news.send(News::Event(event)).await.is_err() {
                return;
            }
        }
    }
}

/// How far the events of one engine have been read.
struct Place {
    seen: u64,
    life: Option<Life>,
}

impl Place {
    /// The numbers of a restarted engine begin again.
    fn enter(&mut self, life: Life) {
        if self.life.is_some_and(|known| !known.goes_on_in(&life)) {
            self.seen = 0;
        }
        self.life = Some(life);
    }
}

fn line(event: &Event, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, event)?;
        return writeln!(out);
    }
    let cause = event.cause.as_deref().map(|c| format!(": {}", plain(c))).unwrap_or_default();
    writeln!(
        out,
        "{} {:>6} {:<7} {} {}: {}{cause}",
        wall(event.wall_us),
        event.seq,
        event.severity,
        plain(&event.node),
        plain(&event.subject.to_string()),
        plain(&event.text),
    )
}
