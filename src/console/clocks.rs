//! The events of several nodes on one clock: that of the first node whose clock has been measured.

use super::model::{NodeView, Picture};
use crate::status::ClockOffset;

/// Whose clock times are told on.
fn reference(picture: &Picture) -> Option<(usize, ClockOffset)> {
    picture.nodes.iter().enumerate().find_map(|(n, view)| Some((n, view.clock?)))
}

/// How far a node's clock is from the reference; none: not measured, or it is the reference.
fn skew(picture: &Picture, node: usize) -> Option<ClockOffset> {
    let (first, offset) = reference(picture)?;
    Some(picture.nodes.get(node)?.clock?.from(offset)).filter(|_| node != first)
}

/// A moment of a node's wall clock on the reference; as it is, if its clock has not been measured.
pub(super) fn corrected(picture: &Picture, node: usize, wall_us: u64) -> u64 {
    skew(picture, node).map_or(wall_us, |skew| skew.corrected(wall_us))
}

/// "one clock, skew lvs2 +3.1 ms ± 0.2", and of whom nothing is known.
pub(super) fn note(picture: &Picture) -> String {
    if picture.nodes.len() < 2 {
        return String::new();
    }
    if picture.stage.as_ref().is_some_and(|s| s.stage.clock.is_some()) {
        return "one virtual clock".into();
    }
    let skews = (0..picture.nodes.len()).filter_map(|n| {
        let skew = skew(picture, n)?;
        Some(format!("skew {} {}", picture.nodes.get(n)?.name(), milliseconds(skew)))
    });
    let skews: Vec<String> = skews.collect();
    let unknown: Vec<&str> = picture.nodes.iter().filter(|n| n.clock.is_none()).map(NodeView::name).collect();
    match (skews.is_empty(), unknown.is_empty()) {
        (true, _) => "each node's own clock: skew not measured".into(),
        (false, true) => format!("one clock, {}", skews.join(", ")),
        (false, false) => format!("one clock, {}; {}: not measured", skews.join(", "), unknown.join(", ")),
    }
}

/// "+3.1 ms ± 0.2".
fn milliseconds(skew: ClockOffset) -> String {
    let ms = |us: i64| us as f64 / 1000.0;
    let error = ms(i64::try_from(skew.error_us).unwrap_or(i64::MAX));
    // No more digits than the measurement has.
    let digits = usize::from(error < 10.0);
    format!("{:+.digits$} ms ± {:.digits$}", ms(skew.offset_us), error.max(0.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_ahead_is_set_back() {
        let node = |name: &str, clock| NodeView { clock, ..NodeView::new(name.into()) };
        let clock = |offset_us, error_us| Some(ClockOffset { offset_us, error_us });
        let nodes = vec![node("a", clock(-5_000, 100)), node("b", clock(-1_900, 150)), node("c", None)];
        let mut picture = Picture { nodes, ..Picture::default() };
        assert_eq!(corrected(&picture, 0, 1_000_000), 1_000_000);
        assert_eq!(corrected(&picture, 1, 1_003_100), 1_000_000);
        assert_eq!(corrected(&picture, 2, 1_003_100), 1_003_100);
        assert_eq!(note(&picture), "one clock, skew b +3.1 ms ± 0.2; c: not measured");
        picture.nodes.pop();
        assert_eq!(note(&picture), "one clock, skew b +3.1 ms ± 0.2");
        picture.nodes = vec![node("a", None), node("b", None)];
        assert_eq!(note(&picture), "each node's own clock: skew not measured");
    }
}
