//! What differs between two configurations, line by line.

use crate::status::{ConfigFile, ConfigText};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::path::Path;

/// Beyond so many pairs of lines the middle of two texts counts as differing in one piece: finding out what is alike in
/// it would take seconds.
const PAIRS: usize = 25_000_000;

/// Lines that stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub left: Option<Line>,
    pub right: Option<Line>,
    pub same: bool,
}

/// A line of one side: its file's place in the list, and its number in it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub file: usize,
    pub line: usize,
}

/// The files of both sides beside each other: the main files, then those of one name, then what only one side has.
pub fn rows(left: &ConfigText, right: &ConfigText) -> Vec<Row> {
    let mut pairs: Vec<(Option<usize>, Option<usize>)> = Vec::new();
    let mut taken = vec![false; right.files.len()];
    for (at, file) in left.files.iter().enumerate() {
        let twin = if at == 0 { (!right.files.is_empty()).then_some(0) } else { twin(file, &right.files, &taken) };
        if let Some(taken) = twin.and_then(|twin| taken.get_mut(twin)) {
            *taken = true;
        }
        pairs.push((Some(at), twin));
    }
    pairs.extend(taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(at, _)| (None, Some(at))));
    let text = |files: &[ConfigFile], at: Option<usize>| {
        at.and_then(|at| files.get(at)).map(|f| f.text.lines().map(str::to_owned).collect()).unwrap_or_default()
    };
    let mut rows = Vec::new();
    for (a, b) in pairs {
        let (old, new): (Vec<String>, Vec<String>) = (text(&left.files, a), text(&right.files, b));
        for (i, j, same) in lines(&old, &new) {
            let line = |file: Option<usize>, at: Option<usize>| Some(Line { file: file?, line: at? + 1 });
            rows.push(Row { left: line(a, i), right: line(b, j), same });
        }
    }
    rows
}

/// The same path, or else the same name below another directory.
fn twin(file: &ConfigFile, others: &[ConfigFile], taken: &[bool]) -> Option<usize> {
    let name = |path: &str| Path::new(path).file_name().map(std::ffi::OsStr::to_owned);
    let free = |at: usize| at > 0 && !taken.get(at).copied().unwrap_or(true);
    let find =
        |fits: &dyn Fn(&ConfigFile) -> bool| others.iter().enumerate().position(|(at, other)| free(at) && fits(other));
    find(&|other| other.path == file.path).or_else(|| find(&|other| name(&other.path) == name(&file.path)))
}

/// Lines of two texts beside each other: the place in each, from 0, and whether they are the same.
fn lines(old: &[String], new: &[String]) -> Vec<(Option<usize>, Option<usize>, bool)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let middle = |all: &[String]| all.get(head..all.len() - tail).unwrap_or_default().to_vec();
    let (a, b) = (middle(old), middle(new));
    let mut rows: Vec<_> = (0..head).map(|at| (Some(at), Some(at), true)).collect();
    if a.len().saturating_mul(b.len()) > PAIRS {
        side_by_side(head, a.len(), head, b.len(), &mut rows);
    } else {
        for op in capture_diff_slices(Algorithm::Myers, &a, &b) {
            match op {
                DiffOp::Equal { old_index, new_index, len } => {
                    rows.extend((0..len).map(|n| (Some(head + old_index + n), Some(head + new_index + n), true)));
                }
                DiffOp::Delete { old_index, old_len, new_index } => {
                    side_by_side(head + old_index, old_len, head + new_index, 0, &mut rows);
                }
                DiffOp::Insert { old_index, new_index, new_len } => {
                    side_by_side(head + old_index, 0, head + new_index, new_len, &mut rows);
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                    side_by_side(head + old_index, old_len, head + new_index, new_len, &mut rows);
                }
            }
        }
    }
    rows.extend((0..tail).map(|n| (Some(old.len() - tail + n), Some(new.len() - tail + n), true)));
    rows
}

/// Lines that were replaced by others, pair by pair.
fn side_by_side(a: usize, a_len: usize, b: usize, b_len: usize, rows: &mut Vec<(Option<usize>, Option<usize>, bool)>) {
    let place = |start: usize, len: usize, n: usize| (n < len).then_some(start + n);
    rows.extend((0..a_len.max(b_len)).map(|n| (place(a, a_len, n), place(b, b_len, n), false)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side(files: &[(&str, &str)]) -> ConfigText {
        let file = |(path, text): &(&str, &str)| ConfigFile { path: (*path).into(), text: (*text).into() };
        ConfigText { files: files.iter().map(file).collect(), ..ConfigText::default() }
    }

    /// `=1:1 ~2:2 -3 +3`.
    fn shape(rows: &[Row]) -> String {
        let words = rows.iter().map(|row| match (row.left, row.right, row.same) {
            (Some(a), Some(b), same) => format!("{}{}:{}", if same { '=' } else { '~' }, a.line, b.line),
            (Some(a), None, _) => format!("-{}", a.line),
            (None, Some(b), _) => format!("+{}", b.line),
            (None, None, _) => "?".into(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_that_were_replaced_stand_beside_each_other() {
        let (a, b) = (side(&[("a", "x\n1\ny\nz\n")]), side(&[("b", "x\n2\ny\nq\nz\n")]));
        assert_eq!(shape(&rows(&a, &b)), "=1:1 ~2:2 =3:3 +4 =4:5");
        assert_eq!(shape(&rows(&a, &a)), "=1:1 =2:2 =3:3 =4:4");
        assert_eq!(shape(&rows(&a, &side(&[]))), "-1 -2 -3 -4");
    }

    #[test]
    fn files_are_paired_by_place_path_and_name() {
        let a = side(&[("/a/main", "m"), ("/a/x", "1"), ("/a/only", "o")]);
        let b = side(&[("/b/other", "m"), ("/b/new", "n"), ("/b/x", "1")]);
        let pairs: Vec<_> =
            rows(&a, &b).iter().map(|r| (r.left.map(|l| l.file), r.right.map(|l| l.file), r.same)).collect();
        let expected =
            [(Some(0), Some(0), true), (Some(1), Some(2), true), (Some(2), None, false), (None, Some(1), false)];
        assert_eq!(pairs, expected);
    }

    proptest! {
        #[test]
        fn each_line_of_both_sides_is_there_once_and_in_order(
            old in prop::collection::vec("[abc]", 0..12),
            new in prop::collection::vec("[abc]", 0..12),
        ) {
            let found = lines(&old, &new);
            let left: Vec<usize> = found.iter().filter_map(|r| r.0).collect();
            let right: Vec<usize> = found.iter().filter_map(|r| r.1).collect();
            prop_assert_eq!(left, (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(right, (0..new.len()).collect::<Vec<_>>());
            for (i, j, same) in found {
                if same {
                    prop_assert_eq!(&old[i.unwrap()], &new[j.unwrap()]);
                }
            }
        }
    }
}
