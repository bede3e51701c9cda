//! `vipdeck watch`: what happens, one JSON line or one sentence for each thing; and the same sentences for
//! `attach --plain` and `demo --plain`.
//!
//! The JSON lines have a `type`: `link` (`live` or `lost`), `event`, `gap` (events that this reader has missed). Whoever
//! reads slowly misses nothing that the engine still keeps, and is told of the rest; no engine waits for a reader.

use super::engines::{self, until_closed};
use super::exit;
use super::sentence;
use super::text::{plain, wall};
use crate::cli;
use crate::control::client::{self, Life};
use crate::control::{self, Connection, Feed};
use crate::settings::Settings;
use crate::status::{Event, Finding, Snapshot};
use crate::sys::clock::wall_us;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Until interrupted, or until the reader of the output goes away.
pub fn run(args: &cli::Watch, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::meant(&args.at.targets, settings)?;
    engines::runtime()?.block_on(async {
        let feeds = targets.into_iter().map(|target| client::connect(target, &Handle::current())).collect();
        follow(feeds, args.after, args.plain, out).await
    })
}

/// Sentences about these engines from now on.
pub fn sentences(feeds: Vec<Feed>, out: &mut dyn Write) -> anyhow::Result<u8> {
    engines::runtime()?.block_on(follow(feeds, None, true, out))
}

async fn follow(feeds: Vec<Feed>, after: Option<u64>, is_plain: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (news, mut heard) = mpsc::channel(64);
    for feed in feeds {
        let place = Place { seen: after, life: None, findings: Vec::new() };
        tokio::spawn(listen(feed, place, news.clone()));
    }
    drop(news);
    while let Some(news) = heard.recv().await {
        let written = if is_plain { news.say(out) } else { news.json(out) };
        if !until_closed(written.and_then(|()| out.flush()))? {
            break;
        }
    }
    Ok(exit::DONE)
}

/// One thing that is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum News {
    Link {
        wall_us: u64,
        node: String,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event: Option<u64>,
        #[serde(skip)]
        snapshot: Option<Arc<Snapshot>>,
    },
    Event {
        #[serde(flatten)]
        event: Arc<Event>,
        #[serde(skip)]
        snapshot: Arc<Snapshot>,
    },
    /// Numbers between `after` and `next` are missing. After a restart the numbers begin again.
    Gap { wall_us: u64, node: String, after: u64, next: Option<u64>, lost: Option<u64>, restarted: bool },
    #[serde(skip)]
    Over { wall_us: u64, node: String, finding: Finding },
}

impl News {
    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        if matches!(self, Self::Over { .. }) {
            return Ok(());
        }
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    fn say(&self, out: &mut dyn Write) -> io::Result<()> {
        let (at, node, text) = match self {
            Self::Link { wall_us, node, snapshot: Some(snapshot), .. } => {
                for line in sentence::standing(snapshot) {
                    writeln!(out, "{} {}: {}", wall(*wall_us), plain(node), plain(&line))?;
                }
                return Ok(());
            }
            Self::Link { wall_us, node, why, .. } => {
                let why = why.as_deref().unwrap_or("the link is lost");
                (*wall_us, node, format!("it does not answer: {why}. What it said before is stale; trying again."))
            }
            Self::Event { event, snapshot } => (event.wall_us, &event.node, sentence::of(event, snapshot)),
            Self::Gap { wall_us, node, restarted: true, .. } => {
                (*wall_us, node, "its engine has been started anew; what happened in between is not known.".into())
            }
            Self::Gap { wall_us, node, lost, .. } => {
                let lost = lost.map_or_else(|| "some".to_owned(), |n| n.to_string());
                (*wall_us, node, format!("{lost} events were missed; vipdeck status says how things are."))
            }
            Self::Over { wall_us, node, finding } => {
                (*wall_us, node, format!("no longer so for {}: {}", finding.subject, finding.text))
            }
        };
        writeln!(out, "{} {}: {}", wall(at), plain(node), plain(&text))
    }
}

/// How far one engine has been told of.
struct Place {
    /// None: from now on.
    seen: Option<u64>,
    life: Option<Life>,
    findings: Vec<Finding>,
}

impl Place {
    /// What is new in a snapshot and the events before it.
    fn news(&mut self, feed: &Feed, snapshot: &Arc<Snapshot>) -> Vec<News> {
        let mut news = Vec::new();
        let (wall_us, node) = (snapshot.wall_us, snapshot.node.name.clone());
        let life = Life::from(&**snapshot);
        let is_new = self.life.is_some_and(|known| !known.goes_on_in(&life));
        // Asked to go on after an event that this engine has not had: it was another life's.
        let is_ahead = self.life.is_none() && self.seen.is_some_and(|seen| seen > snapshot.last_event);
        self.life = Some(life);
        if is_new || is_ahead {
            let after = self.seen.replace(0).unwrap_or(0);
            news.push(News::Gap { wall_us, node: node.clone(), after, next: None, lost: None, restarted: true });
        }
        let seen = *self.seen.get_or_insert(snapshot.last_event);
        for event in feed.board.events_after(seen) {
            let seen = self.seen.replace(event.seq).unwrap_or(0);
            if seen > 0 && event.seq > seen + 1 {
                let (next, lost) = (Some(event.seq), Some(event.seq - seen - 1));
                let wall_us = event.wall_us;
                news.push(News::Gap { wall_us, node: node.clone(), after: seen, next, lost, restarted: false });
            }
            news.push(News::Event { event, snapshot: snapshot.clone() });
        }
        let holds = |f: &Finding| snapshot.findings.iter().any(|g| g.kind == f.kind && g.subject == f.subject);
        let over = self.findings.iter().filter(|f| !holds(f)).cloned();
        news.extend(over.map(|finding| News::Over { wall_us, node: node.clone(), finding }));
        self.findings.clone_from(&snapshot.findings);
        news
    }
}

/// Passes on what one engine says, and that it is lost and found again.
async fn listen(mut feed: Feed, mut place: Place, out: mpsc::Sender<News>) {
    let mut snapshots = feed.board.watch();
    snapshots.mark_changed();
    // None: neither has been told yet.
    let mut told_live: Option<bool> = None;
    loop {
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = feed.connection.changed() => if changed.is_err() { return },
        }
        let link = feed.connection.borrow_and_update().clone();
        let snapshot = snapshots.borrow_and_update().clone();
        let mut news = Vec::new();
        match (&link, &snapshot) {
            (Connection::Lost { why, .. }, _) if told_live != Some(false) => {
                told_live = Some(false);
                let node = snapshot.as_ref().map_or_else(|| feed.label.clone(), |s| s.node.name.clone());
                let (state, why) = ("lost", Some(why.clone()));
                news.push(News::Link {
                    wall_us: wall_us(),
                    node,
                    state,
                    why,
                    version: None,
                    last_event: None,
                    snapshot: None,
                });
            }
            (Connection::Live, Some(s)) if told_live != Some(true) => {
                told_live = Some(true);
                let (node, version) = (s.node.name.clone(), Some(s.node.version.clone()));
                let (last_event, snapshot) = (Some(s.last_event), Some(s.clone()));
                news.push(News::Link {
                    wall_us: wall_us(),
                    node,
                    state: "live",
                    why: None,
                    version,
                    last_event,
                    snapshot,
                });
            }
            _ => {}
        }
        if let Some(snapshot) = snapshot.filter(|_| told_live == Some(true)) {
            news.extend(place.news(&feed, &snapshot));
        }
        for one in news {
            if out.send(one).await.is_err() {
                return;
            }
        }
    }
}
