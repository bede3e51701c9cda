//! A screen as words: what it says, wherever it says it.

/// The words for the state of an instance on a node.
const STATES: [&str; 11] =
    ["MASTER", "BACKUP", "HELD", "YIELDS", "SPLIT", "FAULT", "INIT", "DEAD", "STALE", "no word", "no member"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page(pub(crate) Vec<String>);

impl Page {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.iter().any(|line| line.contains(text))
    }

    /// Whether one line has all of these.
    pub(crate) fn has_line(&self, texts: &[&str]) -> bool {
        self.0.iter().any(|line| texts.iter().all(|text| line.contains(text)))
    }

    /// The states of an instance, one for each node: the row of it in the first pane.
    pub(crate) fn states(&self, instance: &str) -> Vec<&'static str> {
        let row = self.0.iter().find(|line| {
            let words = line.trim_start_matches(|c: char| "║│|▸> ".contains(c));
            words.starts_with(instance) && STATES.iter().any(|s| words.contains(s))
        });
        let Some(row) = row else { return Vec::new() };
        let mut found: Vec<_> = STATES.iter().flat_map(|s| row.match_indices(s)).collect();
        found.sort_unstable();
        found.into_iter().filter_map(|(_, s)| STATES.into_iter().find(|word| *word == s)).collect()
    }

    /// The selected row, without what stands beside its pane.
    pub(crate) fn selected(&self) -> Option<&str> {
        let (_, row) = self.0.iter().find_map(|line| line.split_once('▸'))?;
        row.split(['║', '│']).next().map(str::trim)
    }

    /// The seconds of the virtual clock, with their fraction if it is shown.
    pub(crate) fn clock(&self) -> Option<f64> {
        let (_, clock) = self.0.first()?.split_once(" t ")?;
        clock.trim().split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
    }
}
