//! What the Config and Log views are about: files as lines, compared with another node's or with the disk's, and which
//! log is shown.

use super::model::{Model, Pane, RowId, View};
use super::text;
use crate::cluster::configuration::{Comparison, Found, compared};
use crate::cluster::difference::{Line, Row, rows};
use crate::status::{ConfigReport, ConfigText, Gravity, Place, Problem};
use serde_json::{Value, json};
use std::sync::Arc;

/// Equal lines shown around those that differ.
const AROUND: usize = 3;

/// What the two views remember.
#[derive(Debug, Default)]
pub struct Papers {
    /// Whose file is shown.
    pub node: usize,
    pub against: Against,
    /// What a reload would change, when it was asked last.
    pub preview: Option<Preview>,
    pub source: Source,
    pub sheet: Sheet,
}

/// What a node's file is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    #[default]
    Nothing,
    /// What runs on another node.
    Node(usize),
    /// The file as it is on the disk.
    Disk,
}

/// The list of the Log view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    #[default]
    Audit,
    Changes,
    Engine,
}

impl Source {
    pub const ALL: [Self; 3] = [Self::Audit, Self::Changes, Self::Engine];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Changes => "Changes",
            Self::Engine => "Engine log",
        }
    }
}

/// A node's own answer to a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    pub node: usize,
    /// Microseconds since 1970.
    pub wall_us: u64,
    pub lines: Vec<String>,
}

/// The lines of the Config view.
#[derive(Debug, Default)]
pub struct Sheet {
    made_of: Option<Inputs>,
    pub lines: Vec<SheetLine>,
    /// Lines that differ, problems that matter, and those of them that must not be.
    pub differ: usize,
    pub problems: usize,
    pub errors: usize,
}

#[derive(Debug)]
struct Inputs {
    node: usize,
    against: Against,
    whole: bool,
    wide: bool,
    here: Option<Arc<ConfigReport>>,
    there: Option<Arc<ConfigReport>>,
}

impl PartialEq for Inputs {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<ConfigReport>>, b: &Option<Arc<ConfigReport>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        (self.node, self.against, self.whole, self.wide) == (other.node, other.against, other.whole, other.wide)
            && same(&self.here, &other.here)
            && same(&self.there, &other.there)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetLine {
    /// Here the lines of a file begin; both names if two are compared.
    File(String),
    Text {
        left: Option<Numbered>,
        right: Option<Numbered>,
        same: bool,
        /// The worst that is said of it.
        gravity: Option<Gravity>,
    },
    Problem(Box<Problem>),
    Note(String),
    /// So many equal lines are left out.
    Skipped(usize),
}

/// A line with its number in its file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub line: usize,
    pub text: String,
}

impl SheetLine {
    /// What the filter looks in.
    pub fn words(&self) -> String {
        match self {
            Self::File(text) | Self::Note(text) => text.clone(),
            Self::Text { left, right, .. } => {
                [left, right].into_iter().flatten().map(|n| n.text.as_str()).collect::<Vec<_>>().join(" ")
            }
            Self::Problem(p) => format!("{} {} {}", p.severity, p.id, p.message),
            Self::Skipped(_) => String::new(),
        }
    }

    /// Whether `n` stops here.
    fn is_worth_a_stop(&self) -> bool {
        matches!(self, Self::Problem(_) | Self::Text { same: false, .. })
    }
}

/// After anything: the lines are those of what is known now.
pub(super) fn refresh(model: &mut Model) {
    if model.view != View::Config {
        return;
    }
    let count = model.shown().nodes.len();
    model.papers.node = model.papers.node.min(count.saturating_sub(1));
    let node = model.papers.node;
    if matches!(model.papers.against, Against::Node(other) if other == node || other >= count) {
        model.papers.against = Against::Nothing;
    }
    let report = |at: usize| model.shown().nodes.get(at).and_then(|view| view.config.clone());
    let there = if let Against::Node(other) = model.papers.against { report(other) } else { None };
    let inputs = Inputs {
        node,
        against: model.papers.against,
        whole: model.zoomed,
        wide: model.size.width >= 100,
        here: report(node),
        there,
    };
    if model.papers.sheet.made_of.as_ref() != Some(&inputs) {
        model.papers.sheet = Sheet::new(inputs);
    }
}

/// Another file beside it, the disk's after all nodes', and then none.
pub(super) fn versus(model: &mut Model) {
    let (node, count) = (model.papers.node, model.shown().nodes.len());
    let mut choices = vec![Against::Nothing];
    choices.extend((node + 1..count).chain(0..node).map(Against::Node));
    choices.push(Against::Disk);
    let at = choices.iter().position(|c| *c == model.papers.against).unwrap_or(0);
    model.papers.against = choices.get((at + 1) % choices.len()).copied().unwrap_or_default();
    model.selected.remove(&Pane::Paper);
    refresh(model);
    let lines = &model.papers.sheet.lines;
    let bad = lines.iter().position(|line| matches!(line, SheetLine::Problem(p) if p.severity > Gravity::Note));
    let bad = bad.filter(|_| matches!(model.papers.against, Against::Node(_)));
    let first = bad.or_else(|| lines.iter().position(SheetLine::is_worth_a_stop));
    if let Some(first) = first.filter(|_| model.papers.against != Against::Nothing) {
        model.selected.insert(Pane::Paper, RowId::Paper(first));
    }
}

/// The file of the next node, or of the one before.
pub(super) fn choose_node(model: &mut Model, by: isize) {
    let last = model.shown().nodes.len().saturating_sub(1);
    let node = model.papers.node.saturating_add_signed(by).min(last);
    if model.papers.against == Against::Node(node) {
        model.papers.against = Against::Node(model.papers.node);
    }
    model.papers.node = node;
    model.selected.remove(&Pane::Paper);
}

pub(super) fn next_source(model: &mut Model) {
    let at = Source::ALL.iter().position(|s| *s == model.papers.source).unwrap_or(0);
    model.papers.source = Source::ALL.get((at + 1) % Source::ALL.len()).copied().unwrap_or_default();
    model.selected.remove(&Pane::Log);
    model.follows = true;
}

/// To the next problem or difference, round the ends.
pub(super) fn next_stop(model: &mut Model, by: isize) {
    let stops: Vec<usize> = {
        let lines = model.papers.sheet.lines.iter().enumerate();
        lines.filter(|(_, line)| line.is_worth_a_stop()).map(|(at, _)| at).collect()
    };
    let here = match model.selected.get(&Pane::Paper) {
        Some(RowId::Paper(at)) => *at,
        _ => 0,
    };
    let next = if by > 0 {
        stops.iter().find(|at| **at > here).or(stops.first())
    } else {
        stops.iter().rev().find(|at| **at < here).or(stops.last())
    };
    if let Some(next) = next {
        model.selected.insert(Pane::Paper, RowId::Paper(*next));
    }
}

impl Papers {
    /// A line as `y` copies it.
    pub(super) fn value(&self, at: usize) -> Option<Value> {
        let numbered = |side: &Option<Numbered>| side.as_ref().map(|n| json!({ "line": n.line, "text": n.text }));
        Some(match self.sheet.lines.get(at)? {
            SheetLine::Problem(problem) => json!(problem),
            SheetLine::Text { left, right: None, same: true, .. } => json!(numbered(left)),
            SheetLine::Text { left, right, same, .. } => {
                json!({ "left": numbered(left), "right": numbered(right), "same": same })
            }
            SheetLine::File(text) => json!({ "file": text }),
            SheetLine::Note(text) => json!({ "note": text }),
            SheetLine::Skipped(count) => json!({ "same_lines": count }),
        })
    }
}

impl Sheet {
    fn new(inputs: Inputs) -> Self {
        let mut sheet = Self::default();
        match (&inputs.here, &inputs.there, inputs.against) {
            (None, ..) => sheet.note("its configuration is not known here: an older engine, or no word yet"),
            (Some(here), _, Against::Nothing) => sheet.file(here),
            (Some(here), _, Against::Disk) => sheet.disk(here, &inputs),
            (Some(here), Some(there), Against::Node(_)) => sheet.nodes(here, there, &inputs),
            (Some(_), None, Against::Node(_)) => sheet.note("the other node's configuration is not known here"),
        }
        sheet.made_of = Some(inputs);
        sheet
    }

    fn note(&mut self, text: impl Into<String>) {
        self.lines.push(SheetLine::Note(text.into()));
    }

    fn file(&mut self, report: &ConfigReport) {
        self.lines.extend(report.note.iter().cloned().map(SheetLine::Note));
        let text = &report.running;
        let places: Vec<_> = text.problems.iter().map(|p| (p, p.labels.first())).collect();
        self.unplaced(&places);
        for file in &text.files {
            if text.files.len() > 1 {
                self.lines.push(SheetLine::File(file.path.clone()));
            }
            for (at, line) in file.text.lines().enumerate() {
                let here = |place: &Place| place.file == file.path && place.line == at + 1;
                let left = Some(Numbered { line: at + 1, text: tidy(line) });
                self.text(left, None, true, &places, here);
            }
        }
        if text.left_out > 0 {
            self.note(format!("{} more are too long to be shown here", text::plural(text.left_out, "file")));
        }
    }

    fn disk(&mut self, report: &ConfigReport, inputs: &Inputs) {
        let Some(disk) = &report.disk else {
            self.note(match &report.state {
                Some(state) => state.to_string(),
                None => "the file on the disk has not been looked at".into(),
            });
            return self.file(report);
        };
        self.lines.extend(report.state.iter().map(|s| SheetLine::Note(s.to_string())));
        let places: Vec<_> = disk.problems.iter().map(|p| (p, p.labels.first())).collect();
        self.unplaced(&places);
        let shown = rows(&report.running, disk);
        self.compared(&report.running, disk, &shown, inputs, &places, &|row, place| is_at(disk, row.right, place));
    }

    fn nodes(&mut self, here: &ConfigReport, there: &ConfigReport, inputs: &Inputs) {
        let Comparison { problems, notes } = compared(&[here, there]);
        self.lines.extend(notes.into_iter().map(SheetLine::Note));
        let places: Vec<_> = problems.iter().map(|f| (&f.problem, f.problem.labels.first())).collect();
        self.unplaced(&places);
        let shown = rows(&here.running, &there.running);
        let at = |row: &Row, place: &Place| {
            let first: fn(&Found) -> usize = |f| f.nodes.first().copied().unwrap_or(0);
            let whose = problems.iter().find(|f| f.problem.labels.first().is_some_and(|l| std::ptr::eq(l, place)));
            match whose.map_or(0, first) {
                0 => is_at(&here.running, row.left, place),
                _ => is_at(&there.running, row.right, place),
            }
        };
        self.compared(&here.running, &there.running, &shown, inputs, &places, &at);
    }

    fn unplaced(&mut self, places: &[(&Problem, Option<&Place>)]) {
        for (problem, _) in places.iter().filter(|(_, place)| place.is_none()) {
            self.problem(problem);
        }
    }

    fn problem(&mut self, problem: &Problem) {
        self.problems += usize::from(problem.severity > Gravity::Note);
        self.errors += usize::from(problem.severity == Gravity::Error);
        self.lines.push(SheetLine::Problem(Box::new(problem.clone())));
    }

    /// A line, and what is said of it below.
    fn text(
        &mut self,
        left: Option<Numbered>,
        right: Option<Numbered>,
        same: bool,
        places: &[(&Problem, Option<&Place>)],
        here: impl Fn(&Place) -> bool,
    ) {
        let found: Vec<&Problem> =
            places.iter().filter(|(_, place)| place.is_some_and(&here)).map(|(problem, _)| *problem).collect();
        let gravity = found.iter().map(|p| p.severity).max();
        self.differ += usize::from(!same);
        self.lines.push(SheetLine::Text { left, right, same, gravity });
        for problem in found {
            self.problem(problem);
        }
    }

    fn compared(
        &mut self,
        left: &ConfigText,
        right: &ConfigText,
        rows: &[Row],
        inputs: &Inputs,
        places: &[(&Problem, Option<&Place>)],
        at: &dyn Fn(&Row, &Place) -> bool,
    ) {
        let tables = [Texts::new(left), Texts::new(right)];
        let speaks = |row: &Row| places.iter().any(|(_, place)| place.is_some_and(|place| at(row, place)));
        let worth: Vec<bool> = rows.iter().map(|row| inputs.whole || !row.same || speaks(row)).collect();
        let near = |i: usize| {
            let from = i.saturating_sub(AROUND);
            worth.iter().skip(from).take(i - from + AROUND + 1).any(|w| *w)
        };
        let (mut skipped, mut file) = (0, None);
        for (i, row) in rows.iter().enumerate() {
            if !near(i) {
                skipped += 1;
                continue;
            }
            if skipped > 0 {
                self.lines.push(SheetLine::Skipped(std::mem::take(&mut skipped)));
            }
            let pair = (row.left.map(|l| l.file), row.right.map(|l| l.file));
            if file.is_none_or(|(a, b)| pair.0.is_some_and(|f| Some(f) != a) || pair.1.is_some_and(|f| Some(f) != b)) {
                file = Some(pair);
                self.header(left, right, pair);
            }
            let [a, b] = &tables;
            let (a, b) = (row.left.and_then(|l| a.line(l)), row.right.and_then(|l| b.line(l)));
            let here = |place: &Place| at(row, place);
            if row.same || inputs.wide || a.is_none() || b.is_none() {
                self.text(a, b, row.same, places, here);
            } else {
                // Without room for both beside each other they stand below each other.
                self.text(a, None, false, &[], |_| false);
                self.text(None, b, false, places, here);
                self.differ -= 1;
            }
        }
        if skipped > 0 {
            self.lines.push(SheetLine::Skipped(skipped));
        }
    }

    fn header(&mut self, left: &ConfigText, right: &ConfigText, (a, b): (Option<usize>, Option<usize>)) {
        let path = |text: &ConfigText, at: Option<usize>| at.and_then(|at| text.files.get(at)).map(|f| f.path.clone());
        let names = match (path(left, a), path(right, b)) {
            (Some(a), Some(b)) if a != b => format!("{a} │ {b}"),
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => return,
        };
        self.lines.push(SheetLine::File(names));
    }
}

/// The lines of each file, found by their numbers.
struct Texts<'t>(Vec<Vec<&'t str>>);

impl<'t> Texts<'t> {
    fn new(text: &'t ConfigText) -> Self {
        Self(text.files.iter().map(|f| f.text.lines().collect()).collect())
    }

    fn line(&self, line: Line) -> Option<Numbered> {
        let text = self.0.get(line.file)?.get(line.line - 1)?;
        Some(Numbered { line: line.line, text: tidy(text) })
    }
}

fn is_at(text: &ConfigText, line: Option<Line>, place: &Place) -> bool {
    line.is_some_and(|line| line.line == place.line && text.files.get(line.file).is_some_and(|f| f.path == place.file))
}

/// Tabs as blanks, and nothing that could steer a terminal.
fn tidy(text: &str) -> String {
    text.replace('\t', "    ").chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
