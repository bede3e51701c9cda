//! What the next engine finds if this one ends: kept after each turn, in memory that the guard holds.

use crate::conf::Config;
use crate::engine::{Engine, Legacy, RouterRecord};
use crate::sys::clock::Clock;
use crate::sys::succession::{Blob, SLOT, Succession};
use crate::time::{Duration, Instant};
use anyhow::Context;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

/// Signs of life are not closer than this: an engine of a thousand routers turns a thousand times a second.
const BEAT_APART: Duration = Duration::from_millis(5);
/// Nobody can be saved faster than a new engine starts.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

/// Keeps, if there is a guard.
pub(super) struct Keeper {
    succession: Option<Arc<Succession>>,
    beaten_at: Instant,
    /// Without a turn, the next sign of life comes after this.
    beat_within: Duration,
    slots: usize,
}

impl Keeper {
    pub(super) const fn new(succession: Option<Arc<Succession>>) -> Self {
        Self { succession, beaten_at: Instant::ZERO, beat_within: Duration::MAX, slots: 0 }
    }

    /// From now on the guard watches.
    pub(super) fn begin(&mut self, clock: &Clock, engine: &Engine) -> std::io::Result<()> {
        let Some(succession) = &self.succession else { return Ok(()) };
        let patience = patience(engine);
        self.beat_within = patience / 3;
        succession.begin(clock.to_std(Instant::ZERO), patience)
    }

    /// Signs of life while the loop does not turn: before it begins, and after its end.
    pub(super) async fn alive_during<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LEAST_PATIENCE / 5) => self.wait_with_me(),
            }
        }
    }

    /// A sign of life.
    pub(super) fn wait_with_me(&self) {
        if let Some(succession) = &self.succession {
            said(succession.beat());
        }
    }

    /// When a turn is needed, whether or not there is anything to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.succession.as_ref().map(|_| self.beaten_at + self.beat_within)
    }

    /// After a turn: a sign of life, and what has changed.
    pub(super) fn keep(&mut self, now: Instant, engine: &mut Engine) {
        let Some(succession) = &self.succession else { return };
        if now.since(self.beaten_at) >= BEAT_APART {
            self.beaten_at = now;
            said(succession.beat());
        }
        if self.slots != engine.size() {
            self.slots = engine.size();
            let patience = patience(engine);
            self.beat_within = patience / 3;
            said(succession.set_slots(self.slots).and_then(|()| succession.set_patience(patience)));
        }
        for (slot, record) in engine.take_records() {
            said(succession.keep(slot, &encode(record)).map(drop));
        }
        if let Some(node) = engine.take_node_record() {
            let bytes = serde_json::to_vec(&node).unwrap_or_default();
            said(succession.set_blob(Blob::Node, &bytes));
        }
    }

    /// The next engine is to come because an operator asked for it.
    pub(super) fn planned(&self) -> std::io::Result<()> {
        self.succession.as_ref().map_or(Ok(()), |s| s.set_planned())
    }

    pub(super) const fn is_guarded(&self) -> bool {
        self.succession.is_some()
    }

    /// Keeps a configuration, on a thread of its own: it may be long. `reloads`: the one before is kept, too.
    pub(super) fn keep_configuration(&self, config: Config, reloads: bool) {
        let Some(succession) = self.succession.clone() else { return };
        let keep = move || {
            if let Some(before) = succession.blob(Blob::Configuration).filter(|_| reloads) {
                said(succession.set_blob(Blob::Previous, &before));
            }
            let bytes = serde_json::to_vec(&config).map_err(std::io::Error::other);
            said(bytes.and_then(|bytes| succession.set_blob(Blob::Configuration, &bytes)));
        };
        if let Err(error) = std::thread::Builder::new().name("keep".into()).spawn(keep) {
            tracing::error!("the configuration is not kept for the next engine: start a thread: {error}");
        }
    }

    /// Reads the configuration before the present one, where it is called.
    pub(super) fn previous(&self) -> impl FnOnce() -> anyhow::Result<Config> + Send + 'static {
        let succession = self.succession.clone();
        move || {
            let succession = succession.context("without a guard no configuration of before is kept")?;
            let bytes = succession.blob(Blob::Previous).context("no configuration of before is kept")?;
            serde_json::from_slice(&bytes).context("the configuration of before")
        }
    }
}

/// What was left, and the configuration that was run.
pub(super) fn legacy(succession: &Succession, clock: &Clock) -> (Legacy, Option<Config>) {
    let parsed = |bytes: &Vec<u8>| serde_json::from_slice(bytes).ok();
    let legacy = Legacy {
        routers: succession.records().iter().filter_map(parsed).collect(),
        node: succession.blob(Blob::Node).and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default(),
        silence: succession.silence().unwrap_or_default(),
        now: clock.now(),
        lives: succession.lives(),
        planned: succession.is_planned(),
    };
    (legacy, succession.blob(Blob::Configuration).and_then(|b| serde_json::from_slice(&b).ok()))
}

/// One and a quarter of the shortest interval: noticed at that, a peer has missed one advert of three.
fn patience(engine: &Engine) -> Duration {
    (engine.patience() * 5 / 4).max(LEAST_PATIENCE)
}

/// A reason that does not fit is left out before the router is.
fn encode(record: RouterRecord) -> Vec<u8> {
    let bytes = serde_json::to_vec(&record).unwrap_or_default();
    if bytes.len() <= SLOT { bytes } else { serde_json::to_vec(&record.without_reason()).unwrap_or_default() }
}

fn said(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!("not kept for the next engine: {error}");
    }
}
