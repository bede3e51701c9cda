//! All that decides the picture. Only `update` writes it; `screens` draw it; neither asks a clock.

use super::changes::{Batch, Change};
use super::foresee::WhatIf;
use super::keymap::{Context, Key, Keymap};
use super::locks::Locks;
use super::memo::Memo;
use super::palette::Palette;
use super::papers::Papers;
use super::prompt::Prompt;
use super::question::Question;
use super::replay::Replay;
use super::table::{Choose, Look};
use super::theme::Theme;
use crate::control::Audit;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::net::{Family, LinkName};
pub use crate::recording::Link;
use crate::status::{ClockOffset, ConfigReport, Event, Mode, Snapshot, Stage};
use crate::time::Instant;
use ratatui::layout::Size;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// Below this the screen holds one sentence, and verbs are off.
pub const SMALLEST: Size = Size { width: 60, height: 16 };

/// A snapshot older than this by the console's clock is stale, whatever the link says.
pub const STALE_AFTER: u64 = 3_000_000;

/// How many events of one node the console keeps.
pub const EVENTS_KEPT: usize = 2000;

#[derive(Debug)]
pub struct Model {
    pub title: String,
    pub mode: Mode,
    pub owns_engine: bool,
    pub view_only: bool,
    pub ascii: bool,
    pub themes: Vec<Theme>,
    pub theme: usize,
    pub keymap: Keymap,
    /// For wall-clock times on screen.
    pub zone: jiff::tz::TimeZone,
    /// The console's own clock, in microseconds.
    pub now: u64,
    /// The same moment in microseconds since 1970.
    pub wall_us: u64,
    pub size: Size,
    pub live: Picture,
    /// What is drawn while frozen.
    pub frozen: Option<Frozen>,
    pub has_stage: bool,
    pub view: View,
    pub pane: Pane,
    /// The row that has the keys, for each pane.
    pub selected: BTreeMap<Pane, RowId>,
    /// Rows that the next verb means, all of them; see [`Model::meant`].
    pub marked: BTreeSet<RowId>,
    /// Groups whose rows are not shown.
    pub folded: BTreeSet<RowId>,
    /// What the operator made of each table.
    pub tables: BTreeMap<Pane, Look>,
    /// The node column that has the keys.
    pub column: Option<usize>,
    pub filter: String,
    pub filtering: bool,
    pub zoomed: bool,
    /// The event lists stay at the newest.
    pub follows: bool,
    pub modal: Option<Modal>,
    pub pending: Vec<Key>,
    pub message: Option<Message>,
    pub asked: Vec<Asked>,
    /// Of the Config and Log views.
    pub papers: Papers,
    /// Tells the consoles of one user apart: `HOST:PID`.
    pub session: String,
    /// The verbs work only while armed (`arm = true`).
    pub needs_arming: bool,
    pub armed_until: Option<u64>,
    /// What is on its way.
    pub batch: Option<Batch>,
    /// What was changed from here, the newest last.
    pub mine: Vec<Change>,
    /// The banner that asks whether to keep was put away.
    pub keep_later: bool,
    pub locks: Locks,
    /// Of a recording: where it is played.
    pub replay: Option<Box<Replay>>,
    /// The alarms that have been told aloud, each with its beginning.
    pub rung: BTreeMap<String, Option<u64>>,
}

/// What is known of the cluster, as far as it has arrived.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    pub nodes: Vec<NodeView>,
    pub stage: Option<StageView>,
    /// The console's clock when this was the latest.
    pub at: u64,
    pub wall_us: u64,
    /// What was noted here and no engine has been told of, the newest last.
    #[serde(skip)]
    pub notes: VecDeque<Arc<Event>>,
    #[serde(skip)]
    pub memo: Memo,
}

#[derive(Clone, Debug)]
pub struct Frozen {
    pub picture: Picture,
    pub changes: u64,
}

/// One node as far as the console knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeView {
    /// What the operator called it.
    pub label: String,
    /// What it calls itself, once it has said so.
    pub called: Option<String>,
    #[serde(skip)]
    pub snapshot: Option<Arc<Snapshot>>,
    /// When the snapshot came, on the cluster's clock (see [`Picture::clock`]) and on the console's.
    pub received: u64,
    pub received_console: u64,
    pub link: Link,
    /// Its wall clock against this machine's; none: not measured.
    pub clock: Option<ClockOffset>,
    /// The newest last.
    #[serde(skip)]
    pub events: VecDeque<Arc<Event>>,
    /// The last sequence number taken, and how many were missed.
    pub last_seq: u64,
    pub missed: u64,
    /// None: it has not told yet, or is older than that. In no file that leaves this machine: it may hold passwords.
    #[serde(skip)]
    pub config: Option<Arc<ConfigReport>>,
    #[serde(skip)]
    pub audit: Option<Arc<Audit>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageView {
    pub stage: Stage,
    /// When it came, on the console's clock.
    pub received: u64,
}

/// How far a node's word can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// The age of the last word, in microseconds.
    Stale(u64),
    /// The stage says that its machine is crashed.
    Dead,
    /// Not one word yet.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    Overview,
    Instances,
    Services,
    Timeline,
    Config,
    Log,
}

impl View {
    pub const ALL: [Self; 6] =
        [Self::Overview, Self::Instances, Self::Services, Self::Timeline, Self::Config, Self::Log];

    /// Its key; 5 is the drill's, which there is not yet.
    pub const fn number(self) -> u8 {
        match self {
            Self::Overview => 1,
            Self::Instances => 2,
            Self::Services => 3,
            Self::Timeline => 4,
            Self::Config => 6,
            Self::Log => 7,
        }
    }

    /// Its name, and the same for a narrow screen.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "Ov"),
            Self::Instances => ("Instances", "Inst"),
            Self::Services => ("Services", "Svc"),
            Self::Timeline => ("Timeline", "Time"),
            Self::Config => ("Config", "Conf"),
            Self::Log => ("Log", "Log"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pane {
    /// Instances × nodes.
    Matrix,
    /// The services of the overview.
    Summary,
    Stage,
    Events,
    /// Everyone heard on the wire.
    Neighbours,
    /// The table of the services view.
    Servers,
    /// The list of the timeline view.
    History,
    /// The lines of the config view.
    Paper,
    /// The list of the log view.
    Log,
}

/// Rows are named, not counted: they may reorder under the selection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowId {
    /// An instance of the cluster: VRID and name on the first node that has it.
    Instance(u8, String),
    Service(ServiceKey),
    Real(ServiceKey, DestinationKey),
    StageNode(String),
    StageServer(String),
    /// A link that a node listens on.
    Wire(usize, LinkName, Family),
    /// A sender of adverts as one node hears it: node, link, VRID, address.
    Neighbour(usize, LinkName, u8, IpAddr),
    /// Node (a note of this console: none of them), wall clock and sequence number: an engine that was started anew counts from the start again.
    Event(usize, u64, u64),
    /// A line of the config view, by its place.
    Paper(usize),
    /// An entry of a node's audit log.
    Audit(usize, u64),
    /// What an operator did on a node.
    Change(usize, u64),
}

#[derive(Debug)]
pub enum Modal {
    Help {
        scroll: usize,
    },
    Details {
        row: RowId,
        scroll: usize,
    },
    Why {
        row: RowId,
        scroll: usize,
    },
    WhatIf(Box<WhatIf>),
    /// A line that is typed: a note, a time.
    Prompt(Prompt),
    /// With the selected alarm's identity; none: the first.
    Alarms {
        chosen: Option<String>,
    },
    /// What a table is sorted by, or which columns it has.
    Choose(Choose),
    Palette(Palette),
    Question(Box<Question>),
    /// What was changed and what of it can be undone; the line that has the keys.
    Changes {
        selected: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub tone: Tone,
    pub text: String,
    pub at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    Good,
    Bad,
}

/// A command that is on its way, or whose effect has not shown yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub node: usize,
    pub row: RowId,
    pub verb: &'static str,
    pub at: u64,
    /// What the subject looked like: the mark goes when it no longer does.
    pub before: String,
}

/// How large the screen is, in classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    TooSmall,
    Strip,
    Narrow,
    Medium,
    Full,
}

/// What a model starts from.
#[derive(Debug)]
pub struct Setup {
    pub title: String,
    pub mode: Mode,
    pub owns_engine: bool,
    pub view_only: bool,
    pub ascii: bool,
    pub has_stage: bool,
    /// What the operator called the nodes.
    pub labels: Vec<String>,
    pub themes: Vec<Theme>,
    /// The name of the first theme; an unknown one is an error.
    pub theme: String,
    pub keymap: Keymap,
    pub zone: jiff::tz::TimeZone,
    pub size: Size,
}

impl Model {
    pub fn new(setup: Setup) -> Result<Self, String> {
        let names: Vec<&str> = setup.themes.iter().map(|t| t.name.as_str()).collect();
        let theme = names.iter().position(|n| *n == setup.theme);
        let theme = theme.ok_or_else(|| format!("theme `{}` is none of: {}", setup.theme, names.join(", ")))?;
        let nodes = setup.labels.into_iter().map(NodeView::new).collect();
        Ok(Self {
            title: setup.title,
            mode: setup.mode,
            owns_engine: setup.owns_engine,
            view_only: setup.view_only,
            ascii: setup.ascii,
            themes: setup.themes,
            theme,
            keymap: setup.keymap,
            zone: setup.zone,
            now: 0,
            wall_us: 0,
            size: setup.size,
            live: Picture { nodes, ..Picture::default() },
            frozen: None,
            has_stage: setup.has_stage,
            view: View::Overview,
            pane: Pane::Matrix,
            selected: BTreeMap::new(),
            marked: BTreeSet::new(),
            folded: BTreeSet::new(),
            tables: BTreeMap::new(),
            column: None,
            filter: String::new(),
            filtering: false,
            zoomed: false,
            follows: true,
            modal: None,
            pending: Vec::new(),
            message: None,
            asked: Vec::new(),
            papers: Papers::default(),
            session: String::new(),
            needs_arming: false,
            armed_until: None,
            batch: None,
            mine: Vec::new(),
            keep_later: false,
            locks: Locks::default(),
            replay: None,
            rung: BTreeMap::new(),
        })
    }

    /// What is drawn: the latest, or what was the latest when the display was frozen.
    pub fn shown(&self) -> &Picture {
        self.frozen.as_ref().map_or(&self.live, |f| &f.picture)
    }

    /// What kind of world is shown, live or recorded.
    pub fn world(&self) -> Mode {
        self.replay.as_ref().map_or(self.mode, |r| r.recording().header.mode)
    }

    pub fn theme(&self) -> Option<&Theme> {
        self.themes.get(self.theme)
    }

    pub fn room(&self) -> Room {
        let Size { width, height } = self.size;
        match () {
            () if width < SMALLEST.width || height < SMALLEST.height => Room::TooSmall,
            () if width >= 120 && height >= 36 => Room::Full,
            () if width >= 100 && height >= 30 => Room::Medium,
            () if width >= 80 && height >= 24 => Room::Narrow,
            () => Room::Strip,
        }
    }

    /// Where the keys go, the nearest context first.
    pub fn contexts(&self) -> Vec<Context> {
        match &self.modal {
            Some(Modal::Question(_)) => vec![Context::Question],
            Some(Modal::Changes { .. }) => vec![Context::Changes, Context::Reading],
            Some(Modal::Prompt(_)) => vec![Context::Prompt],
            Some(Modal::Alarms { .. }) => vec![Context::Alarms, Context::Reading],
            Some(Modal::Choose(_)) => vec![Context::Choosing],
            Some(Modal::Palette(_)) => vec![Context::Palette],
            Some(_) => vec![Context::Reading],
            None if self.filtering => vec![Context::Filter],
            None => self.place(),
        }
    }

    /// The contexts of the selected row, whatever lies over it.
    pub fn place(&self) -> Vec<Context> {
        let mut contexts = Vec::new();
        if self.asks_to_keep() {
            contexts.push(Context::Keep);
        }
        match self.row() {
            Some(RowId::Instance(..)) => contexts.push(Context::Instances),
            Some(RowId::Real(..) | RowId::Service(_)) => contexts.extend([Context::Servers, Context::Groups]),
            Some(RowId::Wire(..) | RowId::Neighbour(..)) => contexts.push(Context::Groups),
            _ => {}
        }
        match self.view {
            View::Config => contexts.push(Context::Config),
            View::Log => contexts.push(Context::Log),
            _ => {}
        }
        if self.has_stage {
            contexts.push(Context::Stage);
            if self.mode == Mode::Lab {
                contexts.push(Context::Clock);
            }
        }
        if self.replay.is_some() {
            contexts.push(Context::Replay);
        }
        contexts.push(Context::Everywhere);
        contexts
    }

    /// In LAB nothing is real, so nothing is locked away.
    pub fn is_armed(&self) -> bool {
        !self.needs_arming || self.mode == Mode::Lab || self.armed_until.is_some_and(|until| self.now < until)
    }

    /// Whether the banner "keep?" is in sight.
    pub fn asks_to_keep(&self) -> bool {
        !self.keep_later && !self.mine.is_empty() && !self.changes_to_keep().is_empty()
    }

    /// The row that has the keys.
    pub fn row(&self) -> Option<&RowId> {
        self.selected.get(&self.pane)
    }

    /// The rows that a verb or a copy means: the marked ones, or else the one that has the keys.
    pub fn meant(&self) -> Vec<RowId> {
        if self.marked.is_empty() {
            self.row().cloned().into_iter().collect()
        } else {
            self.marked.iter().cloned().collect()
        }
    }

    /// Panes of the view in the order of Tab.
    pub fn panes(&self) -> Vec<Pane> {
        match self.view {
            View::Overview if self.has_stage => vec![Pane::Matrix, Pane::Summary, Pane::Stage, Pane::Events],
            View::Overview => vec![Pane::Matrix, Pane::Summary, Pane::Events],
            View::Instances => vec![Pane::Matrix, Pane::Neighbours],
            View::Services => vec![Pane::Servers],
            View::Timeline => vec![Pane::History],
            View::Config => vec![Pane::Paper],
            View::Log => vec![Pane::Log],
        }
    }

    pub fn asked(&self, row: &RowId, node: Option<usize>) -> Option<&Asked> {
        self.asked.iter().find(|a| a.row == *row && node.is_none_or(|n| a.node == n))
    }

    /// How long until the picture moves by itself, in microseconds.
    pub fn tick(&self) -> u64 {
        let paused = self.live.stage.as_ref().and_then(|s| s.stage.clock).is_some_and(|c| c.paused);
        let timers = self.shows_timers();
        let ages = self.live.nodes.iter().any(|n| self.live.freshness_of(n) != Freshness::Fresh)
            || matches!(self.view, View::Services | View::Instances);
        if let Some(replay) = &self.replay {
            return if replay.is_playing() { 50_000 } else { 1_000_000 };
        }
        match () {
            () if self.frozen.is_some() || self.room() == Room::TooSmall || paused => 1_000_000,
            () if timers && self.countdown_under(5_000_000) => 100_000,
            () if timers || ages => 250_000,
            () => 1_000_000,
        }
    }

    /// Whether the bars of the selected instance, or its ages, are in sight.
    fn shows_timers(&self) -> bool {
        let on_matrix = self.pane == Pane::Matrix;
        let on_overview = match self.room() {
            Room::Full => !self.zoomed || on_matrix,
            Room::Medium => (!self.zoomed && !self.has_stage) || on_matrix,
            Room::Narrow => on_matrix,
            Room::Strip | Room::TooSmall => false,
        };
        matches!(self.modal, Some(Modal::Details { .. })) || (self.view == View::Overview && on_overview)
    }

    fn countdown_under(&self, limit: u64) -> bool {
        self.live.nodes.iter().filter(|n| self.live.freshness_of(n) == Freshness::Fresh).any(|n| {
            n.snapshot.iter().flat_map(|s| &s.instances).any(|i| {
                let times = [i.next_advert_at, i.master_down_at, i.announce_at];
                times.iter().flatten().any(|at| self.live.remaining(n, *at) < limit)
            })
        })
    }
}

impl Picture {
    /// The clock that the engines run on: the console's own, or the stage's virtual one.
    pub fn clock(&self) -> u64 {
        match self.stage.as_ref().and_then(|s| s.stage.clock.map(|c| (s.received, c))) {
            None => self.at,
            Some((received, clock)) => {
                let real = self.at.saturating_sub(received) as f64;
                let passed = if clock.paused { 0.0 } else { real * clock.speed.max(0.0) };
                u64::try_from(clock.now.as_micros()).unwrap_or(u64::MAX).saturating_add(passed as u64)
            }
        }
    }

    pub fn freshness(&self, node: usize) -> Freshness {
        self.nodes.get(node).map_or(Freshness::Never, |n| self.freshness_of(n))
    }

    pub fn freshness_of(&self, node: &NodeView) -> Freshness {
        if self.stage_node(node.name()).is_some_and(|s| !s.alive) {
            return Freshness::Dead;
        }
        if node.snapshot.is_none() {
            return Freshness::Never;
        }
        let age = self.clock().saturating_sub(node.received);
        // A virtual clock may stand still or crawl: silence counts only if both clocks have felt it.
        let silent = age.min(self.at.saturating_sub(node.received_console)) > STALE_AFTER;
        if node.link != Link::Live || silent { Freshness::Stale(age) } else { Freshness::Fresh }
    }

    pub fn is_fresh(&self, node: usize) -> bool {
        self.freshness(node) == Freshness::Fresh
    }

    pub fn stage_node(&self, name: &str) -> Option<&crate::status::StageNode> {
        self.stage.as_ref()?.stage.nodes.iter().find(|n| n.name == name)
    }

    /// The snapshot of a node that can be believed.
    pub fn fresh(&self, node: usize) -> Option<&Snapshot> {
        self.nodes.get(node).filter(|n| self.freshness_of(n) == Freshness::Fresh)?.snapshot.as_deref()
    }

    /// How long ago `then`, on the node's clock, was.
    pub fn age(&self, node: &NodeView, then: Instant) -> u64 {
        let at = node.snapshot.as_ref().map_or(0, |s| s.at.as_micros());
        self.clock().saturating_sub(node.received) + at.saturating_sub(then.as_micros())
    }

    /// How long until `then`, on the node's clock; zero if it has passed.
    pub fn remaining(&self, node: &NodeView, then: Instant) -> u64 {
        let at = node.snapshot.as_ref().map_or(0, |s| s.at.as_micros());
        then.as_micros().saturating_sub(at + self.clock().saturating_sub(node.received))
    }
}

impl Picture {
    /// An event by its row.
    pub fn event(&self, node: usize, wall_us: u64, seq: u64) -> Option<&Arc<Event>> {
        let of = self.nodes.get(node).map_or(&self.notes, |n| &n.events);
        of.iter().find(|e| e.seq == seq && e.wall_us == wall_us)
    }
}

impl NodeView {
    pub const fn new(label: String) -> Self {
        Self {
            label,
            called: None,
            snapshot: None,
            received: 0,
            received_console: 0,
            link: Link::Connecting,
            clock: None,
            events: VecDeque::new(),
            last_seq: 0,
            missed: 0,
            config: None,
            audit: None,
        }
    }

    /// What it calls itself; until it has, what the operator called it.
    pub fn name(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.label)
    }
}
