//! What was measured, as a table; and the goals.

use crate::cases::Case;
use crate::client::Silence;
use crate::stage::Program;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One time of one case, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figure {
    pub(crate) lost: f64,
    pub(crate) longest: f64,
    /// Both had the address; none where one of them is out of reach.
    pub(crate) two_owners: Option<f64>,
    /// From the end of the master-down time to the first answer, and to the successor's first advert.
    pub(crate) excess: Option<f64>,
    pub(crate) advert: Option<f64>,
}

impl Figure {
    pub(crate) fn of(silence: Silence, two_owners: Option<Duration>) -> Self {
        Self {
            lost: silence.lost as f64,
            longest: ms(silence.longest),
            two_owners: two_owners.map(ms),
            ..Self::default()
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} probes lost, silence {:.1} ms", self.lost, self.longest)?;
        if let Some(two) = self.two_owners {
            write!(f, ", two owners {two:.1} ms")?;
        }
        if let (Some(excess), Some(advert)) = (self.excess, self.advert) {
            write!(f, ", {excess:.2} ms beyond the master-down time (first advert {advert:.2} ms)")?;
        }
        Ok(())
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[derive(Default)]
pub(crate) struct Figures {
    all: BTreeMap<(Case, [Program; 2]), Vec<Figure>>,
}

type Column = (&'static str, fn(&Figure) -> Option<f64>);

const COLUMNS: [Column; 5] = [
    ("probes lost", lost),
    ("silence, ms", silence),
    ("two owners, ms", two_owners),
    ("excess, ms", excess),
    ("advert late, ms", |f| f.advert),
];

#[expect(clippy::unnecessary_wraps, reason = "as the other columns")]
fn lost(figure: &Figure) -> Option<f64> {
    Some(figure.lost)
}

#[expect(clippy::unnecessary_wraps, reason = "as the other columns")]
fn silence(figure: &Figure) -> Option<f64> {
    Some(figure.longest)
}

fn two_owners(figure: &Figure) -> Option<f64> {
    figure.two_owners
}

fn excess(figure: &Figure) -> Option<f64> {
    figure.excess
}

const OURS: [Program; 2] = [Program::Vipdeck; 2];
const THEIRS: [Program; 2] = [Program::Keepalived; 2];
const MIXED: [Program; 2] = [Program::Vipdeck, Program::Keepalived];

impl Figures {
    pub(crate) fn add(&mut self, pair: [Program; 2], case: Case, figure: Figure) {
        self.all.entry((case, pair)).or_default().push(figure);
    }

    fn of(&self, case: Case, pair: [Program; 2], value: fn(&Figure) -> Option<f64>) -> Option<(f64, f64)> {
        let mut values: Vec<f64> = self.all.get(&(case, pair))?.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        let last = *values.last()?;
        // The upper of the two in the middle.
        Some((values[values.len() / 2], last))
    }

    /// Median and maximum of each, and the ratio of the medians where there is one.
    pub(crate) fn table(&self, cases: &[Case]) -> Vec<String> {
        let mut lines = vec![format!(
            "{:16}{:16}{:>4}{:>20}{:>20}{:>8}{:>22}",
            "case", "median / max", "n", "vipdeck", "keepalived", "ratio", "vipdeck to keepalived"
        )];
        for case in cases {
            for (title, value) in COLUMNS {
                let [ours, theirs, mixed] = [OURS, THEIRS, MIXED].map(|pair| self.of(*case, pair, value));
                if ours.is_none() && theirs.is_none() && mixed.is_none() {
                    continue;
                }
                let count = self.all.get(&(*case, OURS)).or_else(|| self.all.get(&(*case, THEIRS))).map_or(0, Vec::len);
                let text = |pair: Option<(f64, f64)>| {
                    pair.map_or_else(|| "-".to_owned(), |(median, most)| format!("{median:.1} / {most:.1}"))
                };
                let ratio = match (ours, theirs) {
                    (Some((ours, _)), Some((theirs, _))) if theirs > 0.0 => format!("{:.2}", ours / theirs),
                    _ => "-".to_owned(),
                };
                lines.push(format!(
                    "{:16}{title:16}{count:>4}{:>20}{:>20}{ratio:>8}{:>22}",
                    case.name(),
                    text(ours),
                    text(theirs),
                    text(mixed)
                ));
            }
        }
        lines
    }

    /// What a quiet machine is to show.
    pub(crate) fn missed_goals(&self) -> Vec<String> {
        let mut misses = Vec::new();
        for case in Case::ALL {
            for pair in [OURS, MIXED] {
                for (value, name, median, most) in goals(case) {
                    let Some((is_median, is_most)) = self.of(case, pair, value) else { continue };
                    if is_median > median || is_most > most {
                        misses.push(format!(
                            "{} {pair:?}: {name}: median {is_median:.2}, at most {median}; maximum {is_most:.2}, at \
                             most {most}",
                            case.name()
                        ));
                    }
                }
            }
        }
        misses
    }

    /// What vipdeck is to show on any machine, busy as it may be.
    pub(crate) fn missed_bounds(&self) -> Vec<String> {
        let mut misses = Vec::new();
        for ((case, _), figures) in self.all.iter().filter(|((_, pair), _)| *pair != THEIRS) {
            for figure in figures {
                let (most_lost, latest) = match case {
                    Case::HostDies | Case::FastHostDies => (f64::INFINITY, 100.0),
                    _ => (50.0, f64::INFINITY),
                };
                let is_off = figure.excess.is_some_and(|e| !(-2.0..=latest).contains(&e));
                if figure.lost > most_lost || is_off {
                    misses.push(format!("{}: {figure}", case.name()));
                }
            }
        }
        misses
    }
}

type Goal = (fn(&Figure) -> Option<f64>, &'static str, f64, f64);

/// The median and the maximum allowed, in milliseconds or probes.
fn goals(case: Case) -> Vec<Goal> {
    match case {
        Case::HostDies => vec![(excess, "excess, ms", 1.0, 2.0)],
        Case::FastHostDies => vec![(excess, "excess, ms", 1.5, f64::INFINITY)],
        // The lease at an advert a second, and the second that the kernel counts in.
        Case::KillAll => vec![(lost, "probes lost", 0.0, 10.0), (two_owners, "two owners, ms", 9000.0, 9000.0)],
        Case::KillEngine | Case::Return => vec![(lost, "probes lost", 0.0, 0.0)],
        Case::Stop | Case::Demote | Case::Restore | Case::Restart | Case::Upgrade | Case::Reload => {
            vec![(lost, "probes lost", 0.0, 10.0), (silence, "silence, ms", 0.0, 10.0)]
        }
    }
}
