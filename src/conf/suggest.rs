//! The word that was probably meant.

use super::keywords;

/// Longer words are not typos of keywords; comparing them is only work.
const LONGEST: usize = 40;

/// The nearest of `candidates`, if one is near.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if !(2..=LONGEST).contains(&length) {
        return None;
    }
    let limit = (length / 3).clamp(1, 3);
    // Keywords are ASCII, so their bytes are letters; a greater difference in length cannot be near.
    let similar = candidates.into_iter().filter(|candidate| candidate.len().abs_diff(length) <= limit);
    let scored = similar.map(|candidate| (distance(word, candidate), candidate));
    // The first of the nearest: tables put the common words first.
    scored.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, candidate)| candidate)
}

/// The nearest keyword of any block.
pub(super) fn near_any(word: &str) -> Option<&'static str> {
    nearest(word, keywords::list().iter().map(|entry| entry.name))
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment); case does not count, so
/// that `MASTER` is near `master`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&row, j) + usize::from(x != y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        assert_eq!(distance("priorty", "priority"), 1);
        assert_eq!(distance("advret_int", "advert_int"), 1);
        assert_eq!(nearest("intreface", ["interval", "interface"]), Some("interface"));
        assert_eq!(nearest("master", ["MASTER", "BACKUP"]), Some("MASTER"));
        assert_eq!(nearest("wat", ["interface"]), None);
        assert_eq!(nearest("", ["a"]), None);
    }
}
