//! `garp_group`: a limit, and links that are in no other group.

use super::diagnostic::Diagnostic;
use super::keywords::garp_group::Draft;
use super::lower::Cx;
use super::model::GarpGroup;
use super::source::Span;
use crate::net::LinkName;
use std::collections::BTreeMap;

/// The groups that limit something.
pub(super) fn garp_groups(cx: &mut Cx<'_>, drafts: Vec<Draft>) -> Vec<GarpGroup> {
    let mut taken: BTreeMap<LinkName, Span> = BTreeMap::new();
    let mut groups = Vec::new();
    for draft in drafts {
        let Some(span) = draft.span else { continue };
        let mut links = Vec::new();
        for link in draft.links {
            if let Some(before) = taken.get(&link.value) {
                let message = format!("`{}` is in a garp_group already", link.value);
                cx.report(
                    Diagnostic::warning("garp-group-twice", message)
                        .at(link.span, "ignored, as keepalived does")
                        .at(*before, "it is in this one"),
                );
                continue;
            }
            taken.insert(link.value.clone(), link.span);
            links.push(link.value);
        }
        let none = |message: &str, help: &str| {
            Diagnostic::warning("empty-garp-group", message)
                .at(span, "ignored, as keepalived does")
                .help(help.to_owned())
        };
        if draft.is_faulty {
            continue;
        }
        if draft.garp_interval.is_none() && draft.gna_interval.is_none() {
            cx.report(none(
                "this garp_group limits nothing",
                "write `garp_interval SECONDS` or `gna_interval SECONDS`",
            ));
        } else if links.is_empty() {
            cx.report(none("this garp_group has no links", "write `interface NAME` or `interfaces { NAME }`"));
        } else {
            let (garp, gna) = (draft.garp_interval.unwrap_or_default(), draft.gna_interval.unwrap_or_default());
            groups.push(GarpGroup { garp_interval: garp, gna_interval: gna, links });
        }
    }
    groups
}
