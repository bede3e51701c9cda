//! Files and processes that instances track, and the delays of links: drafts become specs.

use super::diagnostic::Diagnostic;
use super::keywords::tracker::{FileDraft, ProcessDraft};
use super::lower::Cx;
use super::model::{ArgumentsMatch, DynamicInterfaces, FileSpec, LinkDelay, ProcessSpec};
use super::source::{Span, Spanned};
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Spec, Tracker};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The weight that an entry without one has, by kind and name of the tracker.
pub(super) type Weights = BTreeMap<(Tracker, String), (i32, bool)>;

/// A word that defines a tracker of a kind, for people.
pub(super) const fn defined_by(kind: Tracker) -> &'static str {
    match kind {
        Tracker::Script => "vrrp_script",
        Tracker::Interface => "interface",
        Tracker::File => "track_file",
        Tracker::Process => "vrrp_track_process",
        Tracker::Bfd => "bfd_instance",
    }
}

pub(super) fn files(cx: &mut Cx<'_>, drafts: Vec<FileDraft>, tracked: &BTreeSet<(Tracker, String)>) -> Vec<FileSpec> {
    drafts.into_iter().filter_map(|draft| file(cx, draft, tracked)).collect()
}

fn file(cx: &mut Cx<'_>, draft: FileDraft, tracked: &BTreeSet<(Tracker, String)>) -> Option<FileSpec> {
    let FileDraft { name, span, path, weight, init, failed } = draft;
    let init = init.and_then(|init| initial(cx, &init));
    let Some(path) = path else {
        missing(cx, "track_file", &name, span, ("file", "/run/example"), failed.contains("file"));
        return None;
    };
    if !path.value.starts_with('/') {
        let message = format!("track_file `{name}` needs an absolute path");
        cx.report(Diagnostic::error("bad-path", message).at(path.span, "does not begin with `/`"));
        return None;
    }
    if !tracked.contains(&(Tracker::File, name.clone())) {
        unused(cx, Tracker::File, &name, span);
        return None;
    }
    let (weight, reverse) = weight.unwrap_or(FILE_WEIGHT);
    Some(FileSpec { name, path: PathBuf::from(path.value), weight, reverse, init })
}

/// What holds where neither the file nor the entry says anything.
pub(super) const FILE_WEIGHT: (i32, bool) = (1, false);

/// `init_file [VALUE] [overwrite]`, in any order.
fn initial(cx: &mut Cx<'_>, init: &Spanned<Vec<String>>) -> Option<(i64, bool)> {
    let mut value = None;
    let mut overwrite = false;
    for word in &init.value {
        match (word.as_str(), word.parse::<i64>()) {
            ("overwrite", _) if !overwrite => overwrite = true,
            (_, Ok(number)) if value.is_none() && i32::try_from(number).is_ok() => value = Some(number),
            _ => {
                let message = format!("`init_file` takes a number and `overwrite`, not `{word}`");
                cx.report(Diagnostic::error("bad-word", message).at(init.span, "write `init_file 0 overwrite`"));
                return None;
            }
        }
    }
    Some((value.unwrap_or(0), overwrite))
}

pub(super) fn processes(
    cx: &mut Cx<'_>,
    drafts: Vec<ProcessDraft>,
    tracked: &BTreeSet<(Tracker, String)>,
) -> Vec<ProcessSpec> {
    drafts.into_iter().filter_map(|draft| process(cx, draft, tracked)).collect()
}

fn process(cx: &mut Cx<'_>, draft: ProcessDraft, tracked: &BTreeSet<(Tracker, String)>) -> Option<ProcessSpec> {
    let matching = draft.matching.as_ref().map(|words| matching(cx, words));
    let command = draft.command.as_ref().and_then(|c| Some((c.span, c.value.split_first()?)));
    let Some((span, (program, arguments))) = command else {
        let told = draft.failed.contains("process");
        missing(cx, "vrrp_track_process", &draft.name, draft.span, ("process", "nginx"), told);
        return None;
    };
    let quorum_max = draft.quorum_max.as_ref().map(|max| (u32::try_from(max.value).unwrap_or(u32::MAX), max.span));
    let quorum = draft.quorum.unwrap_or_else(|| u32::from(quorum_max.is_none_or(|(max, _)| max != 0)));
    let quorum_max = quorum_max.filter(|(max, at)| {
        if *max < quorum {
            let message = format!("`quorum_max` {max} is below the quorum of {quorum}");
            cx.report(Diagnostic::error("out-of-range", message).at(*at, "keepalived would ignore it"));
        }
        *max >= quorum
    });
    if !tracked.contains(&(Tracker::Process, draft.name.clone())) {
        unused(cx, Tracker::Process, &draft.name, draft.span);
        return None;
    }
    // As keepalived does: whoever names arguments means the command as it was started.
    let with_arguments = !arguments.is_empty() || matching.is_some();
    let full_command = draft.full_command || with_arguments;
    name_or_command(cx, program, full_command, span);
    Some(ProcessSpec {
        name: draft.name,
        program: program.clone(),
        arguments: arguments.to_vec(),
        arguments_match: match matching {
            Some(matching) => matching,
            None if with_arguments => ArgumentsMatch::Exact,
            None => ArgumentsMatch::Any,
        },
        full_command,
        weight: draft.weight.0,
        reverse: draft.weight.1,
        quorum,
        quorum_max: quorum_max.map(|(max, _)| max),
        fork_delay: draft.fork_delay,
        terminate_delay: draft.terminate_delay,
    })
}

/// `param_match [initial|partial]`.
fn matching(cx: &mut Cx<'_>, words: &Spanned<Vec<String>>) -> ArgumentsMatch {
    match words.value.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => ArgumentsMatch::Exact,
        ["initial"] => ArgumentsMatch::Initial,
        ["partial"] => ArgumentsMatch::Partial,
        _ => {
            let message = format!("`param_match` takes `initial` or `partial`, not `{}`", words.value.join(" "));
            cx.report(Diagnostic::error("bad-word", message).at(words.span, "or nothing: arguments must be equal"));
            ArgumentsMatch::Exact
        }
    }
}

/// A name that no process can have: keepalived says nothing, and counts none for ever.
fn name_or_command(cx: &mut Cx<'_>, program: &str, full_command: bool, span: Span) {
    let problem = |message: String| Diagnostic::warning("process-never-matches", message);
    if !full_command && program.contains('/') {
        cx.report(
            problem(format!("no process has the name `{program}`: a name has no path"))
                .at(span, "compared with the name alone")
                .help("add `full_command` to compare the command as it was started, or write the name alone"),
        );
    } else if !full_command && program.len() > NAME_BYTES {
        let cut: String = program.chars().take(NAME_BYTES).collect();
        cx.report(
            problem(format!("no process has the name `{program}`: the kernel keeps {NAME_BYTES} bytes"))
                .at(span, "compared with the name alone")
                .help(format!("write `{cut}`, or add `full_command` to compare the command as it was started")),
        );
    }
}

/// The kernel's TASK_COMM_LEN without its end.
const NAME_BYTES: usize = 15;

fn missing(cx: &mut Cx<'_>, block: &str, name: &str, span: Span, (keyword, example): (&str, &str), told: bool) {
    if !told {
        cx.report(
            Diagnostic::error("missing-keyword", format!("{block} `{name}` has no `{keyword}`"))
                .at(span, "")
                .help(format!("add `{keyword} {example}` to it")),
        );
    }
}

fn unused(cx: &mut Cx<'_>, kind: Tracker, name: &str, span: Span) {
    let message = format!("no instance tracks {} `{name}`; it is not watched", defined_by(kind));
    let id = if kind == Tracker::File { "unused-file" } else { "unused-process" };
    let block = super::analysis::block_of(kind);
    cx.report(
        Diagnostic::note(id, message)
            .at(span, "")
            .help(format!("name it in the `{block}` block of an instance: `{name}`")),
    );
}

/// `dynamic_interfaces [allow_if_changes]`.
pub(super) fn dynamic_interfaces(cx: &mut Cx<'_>, words: Option<&Spanned<Vec<String>>>) -> DynamicInterfaces {
    let Some(words) = words else { return DynamicInterfaces::No };
    match words.value.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => DynamicInterfaces::Yes,
        ["allow_if_changes"] => DynamicInterfaces::AllowIfChanges,
        _ => {
            let message = format!("`dynamic_interfaces` takes `allow_if_changes`, not `{}`", words.value.join(" "));
            cx.report(Diagnostic::error("bad-word", message).at(words.span, "or nothing"));
            DynamicInterfaces::Yes
        }
    }
}

/// Down delays are cut so that a router whose link is down says so before another takes its silence for its end.
pub(super) fn link_delays(
    cx: &mut Cx<'_>,
    drafts: Vec<(Spanned<LinkName>, LinkDelay)>,
    instances: &[Spec],
) -> BTreeMap<LinkName, LinkDelay> {
    let mut delays: BTreeMap<LinkName, (LinkDelay, Span)> = BTreeMap::new();
    for (link, delay) in drafts {
        if let Some((_, before)) = delays.insert(link.value.clone(), (delay, link.span)) {
            let message = format!("the delays of {} are written twice", link.value);
            cx.report(
                Diagnostic::warning("written-twice", message)
                    .at(link.span, "this one counts")
                    .at(before, "this one does not"),
            );
        }
    }
    for (link, (delay, span)) in &mut delays {
        let uses = |spec: &&Spec| {
            let tracked = spec.tracks.iter().any(|t| t.kind == Tracker::Interface && t.name == link.as_str());
            spec.link == *link || tracked
        };
        let Some((most, spec)) = instances.iter().filter(uses).map(|s| (longest(s), s)).min_by_key(|(most, _)| *most)
        else {
            continue;
        };
        if delay.down > most {
            let message = format!(
                "the down delay of {link} is cut to {} s: the others do not wait longer for `{}`",
                most.as_secs_f64(),
                spec.name
            );
            let problem = Diagnostic::warning("link-delay-cut", message);
            cx.report(problem.at(*span, "as keepalived does"));
            delay.down = most;
        }
    }
    delays.into_iter().map(|(link, (delay, _))| (link, delay)).collect()
}

/// One advert less than a backup waits for, and a little less than that.
fn longest(spec: &Spec) -> Duration {
    spec.interval.saturating_mul(spec.down_adverts.saturating_sub(1)).saturating_sub(spec.interval / 256)
}
