//! Routes, rules and static objects: from lines to what is to be kept.

use super::diagnostic::Diagnostic;
use super::keywords::global;
use super::keywords::instance::Vip;
use super::keywords::root::TrackGroupDraft;
use super::lower::{Cx, value_lines};
use super::model::{Static, Statics, TrackGroup};
use super::names::Names;
use super::source::{Span, Spanned};
use super::tree::Statement;
use super::{route, rule, vip};
use crate::kernel::{Address, Route, Rule};
use crate::net::{Family, LinkName};
use std::collections::{BTreeMap, BTreeSet};

/// Rules without a preference are placed downwards from here, each family by itself (keepalived).
const FIRST_PLACE: u32 = 16384;

/// The lines of one `virtual_rules` or `static_rules`, each with its place among all rules of the configuration.
pub(super) type RuleLines = Vec<(usize, Statement)>;

pub(super) fn names<'a>(cx: &Cx<'a>, globals: &global::Draft) -> Names<'a> {
    Names::new(cx.loader, globals.iproute_usr.as_deref(), globals.iproute_etc.as_deref())
}

/// The routes of an instance.
pub(super) fn routes(cx: &mut Cx<'_>, names: &Names<'_>, lines: &[Statement]) -> Vec<Route> {
    let mut read: Vec<Route> = Vec::new();
    value_lines(cx, lines, |cx, line| {
        let (route, _) = route::line(cx, names, line, false)?;
        if !is_double(cx, read.contains(&route), line) {
            read.push(route);
        }
        Ok(())
    });
    read
}

fn is_double(cx: &mut Cx<'_>, known: bool, line: &Statement) -> bool {
    if let (true, Some(span)) = (known, line.span()) {
        cx.report(Diagnostic::warning("written-twice", "the same is written twice").at(span, "this one is ignored"));
    }
    known
}

/// The rules of all blocks, and their track groups: those of one block after the other, as they were given.
pub(super) fn rules(
    cx: &mut Cx<'_>,
    names: &Names<'_>,
    blocks: &[(RuleLines, bool)],
) -> Vec<Vec<(Rule, Option<Spanned<String>>)>> {
    let mut read: Vec<Vec<(usize, rule::Read, Option<Span>)>> = Vec::new();
    for (lines, is_static) in blocks {
        let mut of_block = Vec::new();
        for (place, line) in lines {
            value_lines(cx, std::slice::from_ref(line), |cx, line| {
                let rule = rule::line(cx, names, line, *is_static)?;
                of_block.push((*place, rule, line.span()));
                Ok(())
            });
        }
        read.push(of_block);
    }
    // In the order of the file, whatever block they stand in.
    let mut unplaced: Vec<_> = read.iter_mut().flatten().filter(|(_, rule, _)| rule.unplaced).collect();
    unplaced.sort_by_key(|(place, ..)| *place);
    let mut next: BTreeMap<Family, u32> = BTreeMap::new();
    for (_, read, span) in unplaced {
        let next = next.entry(read.rule.family).or_insert(FIRST_PLACE);
        read.rule.priority = *next;
        *next = next.saturating_sub(1);
        let message = format!("a rule without a preference: {} is taken", read.rule.priority);
        let problem = Diagnostic::warning("no-preference", message);
        if let Some(span) = span {
            cx.report(
                problem
                    .at(*span, "as keepalived does; probably not what is meant")
                    .help("write `preference N`: lower ones are looked at first"),
            );
        }
    }
    let of_block = |rules: Vec<(usize, rule::Read, Option<Span>)>| {
        rules.into_iter().map(|(_, read, _)| (read.rule, read.group)).collect::<Vec<_>>()
    };
    read.into_iter().map(of_block).collect()
}

/// Static objects as they were read.
pub(super) struct StaticLines<'l> {
    pub addresses: &'l [Statement],
    pub routes: &'l [Statement],
}

/// What stands while the engine runs; `rules` are read already.
pub(super) fn statics(
    cx: &mut Cx<'_>,
    names: &Names<'_>,
    lines: &StaticLines<'_>,
    rules: Vec<(Rule, Option<Spanned<String>>)>,
    globals: &global::Draft,
    groups: &[TrackGroupDraft],
) -> Statics {
    let mut statics = Statics::default();
    value_lines(cx, lines.addresses, |cx, line| {
        let vip = vip::line(cx, line)?;
        let track_group = track_group(cx, vip.track_group.as_ref(), groups);
        let address = address(cx, &vip, globals)?;
        if !is_double(cx, statics.addresses.iter().any(|s| s.object.net == address.net), line) {
            statics.addresses.push(Static { object: address, track_group });
        }
        Ok(())
    });
    value_lines(cx, lines.routes, |cx, line| {
        let (route, group) = route::line(cx, names, line, true)?;
        let track_group = track_group(cx, group.as_ref(), groups);
        if !is_double(cx, statics.routes.iter().any(|s| s.object == route), line) {
            statics.routes.push(Static { object: route, track_group });
        }
        Ok(())
    });
    for (rule, group) in rules {
        let track_group = track_group(cx, group.as_ref(), groups);
        statics.rules.push(Static { object: rule, track_group });
    }
    statics
}

fn address(cx: &mut Cx<'_>, vip: &Vip, globals: &global::Draft) -> Result<Address, Diagnostic> {
    let link = match (&vip.link, &globals.default_interface) {
        (Some(link), _) => link.clone(),
        (None, Some(default)) => default.clone(),
        (None, None) => {
            cx.report(
                Diagnostic::note("default-interface", "a static address without `dev` goes on eth0")
                    .at(vip.net.span, "as in keepalived")
                    .help("write `dev INTERFACE`, or `default_interface INTERFACE` in global_defs"),
            );
            LinkName::new("eth0").map_err(|e| Diagnostic::error("bad-interface", e.to_string()))?
        }
    };
    Ok(vip.address(link))
}

/// The track group of a static object: it is defined before it is named.
fn track_group(cx: &mut Cx<'_>, named: Option<&Spanned<String>>, groups: &[TrackGroupDraft]) -> Option<String> {
    let named = named?;
    let found = groups.iter().find(|group| group.name.value == named.value);
    let before = |group: &TrackGroupDraft| {
        group.name.span.source != named.span.source || group.name.span.start < named.span.start
    };
    let message = match found {
        None => format!("no track_group is named `{}`", named.value),
        Some(group) if !before(group) => format!("track_group `{}` is defined below", named.value),
        Some(_) => return Some(named.value.clone()),
    };
    cx.report(
        Diagnostic::error("undefined-group", message)
            .at(named.span, "keepalived would go on without it")
            .help("define it above: `track_group NAME { group { INSTANCE } }`"),
    );
    None
}

/// The track groups, with members that are instances.
pub(super) fn track_groups(cx: &mut Cx<'_>, drafts: Vec<TrackGroupDraft>, instances: &[&str]) -> Vec<TrackGroup> {
    let mut groups: Vec<TrackGroup> = Vec::new();
    for draft in drafts {
        let Spanned { value: name, span } = draft.name;
        if groups.iter().any(|group| group.name == name) {
            let message = format!("a second track_group named `{name}`");
            cx.report(Diagnostic::error("duplicate-group", message).at(span, "keepalived ignores this one"));
            continue;
        }
        let mut members: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for member in draft.members {
            if !instances.contains(&member.value.as_str()) {
                let message = format!("no vrrp_instance is named `{}`", member.value);
                cx.report(Diagnostic::error("undefined-instance", message).at(member.span, "in this track_group"));
            } else if seen.insert(member.value.clone()) {
                members.push(member.value);
            } else {
                let message = format!("`{}` is a member twice", member.value);
                cx.report(Diagnostic::warning("written-twice", message).at(member.span, "this one is ignored"));
            }
        }
        if seen.is_empty() {
            let message = format!("track_group `{name}` has no members");
            cx.report(Diagnostic::warning("empty-group", message).at(span, "ignored, as keepalived does"));
        }
        groups.push(TrackGroup { name, members });
    }
    groups
}
