//! What if: the questions that a row can be asked, and the answer of [`crate::forecast`] to the chosen one.

use super::facts;
use super::model::{Freshness, Modal, Model, Picture, RowId, Tone};
use super::update::say;
use crate::forecast::{self, Forecast, Hypothesis, Known, Standing as Word};
use crate::status::{Instance, Role};
use crate::time::Duration;

/// Above this many instances a question is worked out once, and not again whenever something changes.
const AT_ONCE: usize = 64;

/// The open pop-up.
#[derive(Clone, Debug)]
pub struct WhatIf {
    pub row: RowId,
    pub choices: Vec<Hypothesis>,
    pub at: usize,
    pub answer: Result<Forecast, String>,
    /// When it was worked out, in microseconds since 1970.
    pub wall_us: u64,
}

/// "If lb-a dies now", of the selected instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub master: String,
    pub answer: Result<Forecast, String>,
}

/// The nodes as a forecast wants them.
fn known(picture: &Picture) -> Vec<Known<'_>> {
    let of = |node: &'_ super::model::NodeView| picture.clock().saturating_sub(node.received);
    let nodes = picture.nodes.iter().enumerate();
    nodes
        .map(|(n, node)| Known {
            name: node.name(),
            snapshot: node.snapshot.as_deref(),
            age: Duration::from_micros(of(node)),
            standing: match picture.freshness(n) {
                Freshness::Fresh => Word::Fresh,
                Freshness::Dead => Word::Dead,
                Freshness::Stale(_) | Freshness::Never => Word::Stale,
            },
        })
        .collect()
}

/// What can be asked of a row, what matters most first.
fn questions(model: &Model, row: &RowId) -> Vec<Hypothesis> {
    let picture = model.shown();
    let named = |n: usize| picture.nodes.get(n).map(|v| v.name().to_owned());
    match row {
        RowId::Instance(..) => {
            let rows = facts::rows(picture);
            let Some(row) = rows.iter().find(|r| r.id == *row) else { return Vec::new() };
            let mut members = row.all_fresh(picture);
            members.sort_by_key(|(n, i)| (model.column != Some(*n), i.state != Role::Master));
            let of = |make: &dyn Fn(String, &Instance) -> Vec<Hypothesis>| -> Vec<Hypothesis> {
                members.iter().filter_map(|(n, i)| Some(make(named(*n)?, i))).flatten().collect()
            };
            let mut all = of(&|node, _| vec![Hypothesis::Crash { node }]);
            all.extend(of(&|node, _| vec![Hypothesis::Cut { node }]));
            all.extend(of(&|node, i| {
                let demote = |fence| Hypothesis::Demote { node: node.clone(), instance: i.name.clone(), fence };
                if i.state == Role::Master { vec![demote(false), demote(true)] } else { Vec::new() }
            }));
            all.extend(of(&|node, i| {
                let own = ("interface".to_owned(), i.interface.to_string());
                let tracked = i.tracks.iter().map(|t| (t.kind.clone(), t.name.clone())).filter(|t| *t != own);
                let fail = |(kind, name)| Hypothesis::Fail { node: node.clone(), kind, name, number: None };
                tracked.chain([own.clone()]).map(fail).collect()
            }));
            all
        }
        RowId::Real(_, real) => vec![Hypothesis::Down { real: *real }, Hypothesis::Drain { real: *real }],
        RowId::Service(key) => {
            let served = facts::served(picture).into_iter().find(|s| s.service.id == *key);
            let reals = served.into_iter().flat_map(|s| &s.service.reals).map(|r| Hypothesis::Down { real: r.id });
            reals.collect()
        }
        RowId::StageNode(node) => {
            vec![Hypothesis::Crash { node: node.clone() }, Hypothesis::Cut { node: node.clone() }]
        }
        RowId::StageServer(name) => {
            let server = picture.stage.iter().flat_map(|s| &s.stage.servers).find(|s| s.name == *name);
            server.map(|s| Hypothesis::Down { real: s.address }).into_iter().collect()
        }
        RowId::Paper(_) => Vec::new(),
        RowId::Event(node, ..)
        | RowId::Wire(node, ..)
        | RowId::Neighbour(node, ..)
        | RowId::Audit(node, _)
        | RowId::Change(node, _) => named(*node).map(|node| Hypothesis::Crash { node }).into_iter().collect(),
    }
}

pub(super) fn open(model: &mut Model) {
    let Some(row) = model.row().cloned() else { return };
    let choices = questions(model, &row);
    if choices.is_empty() {
        say(model, Tone::Info, "nothing to ask here: no node that can be believed has it");
        return;
    }
    let answer = Err(String::new());
    model.modal = Some(Modal::WhatIf(Box::new(WhatIf { row, choices, at: 0, answer, wall_us: 0 })));
    work_out(model);
}

/// Moves the choice.
pub(super) fn choose(model: &mut Model, by: isize) {
    let Some(Modal::WhatIf(open)) = &mut model.modal else { return };
    open.at = open.at.saturating_add_signed(by).min(open.choices.len().saturating_sub(1));
    work_out(model);
}

fn work_out(model: &mut Model) {
    let picture = model.shown();
    let Some(Modal::WhatIf(open)) = &model.modal else { return };
    let Some(hypothesis) = open.choices.get(open.at) else { return };
    let (answer, wall_us) = (forecast::of(&known(picture), hypothesis, None), picture.wall_us);
    if let Some(Modal::WhatIf(open)) = &mut model.modal {
        (open.answer, open.wall_us) = (answer, wall_us);
        // The instance that was asked about stands first.
        if let (Ok(forecast), RowId::Instance(vrid, name)) = (&mut open.answer, &open.row) {
            forecast.instances.sort_by_key(|o| (o.vrid, &o.instance) != (*vrid, name));
        }
    }
}

/// After anything: the open pop-up, where that is quick.
pub(super) fn refresh(model: &mut Model, data: bool) {
    let extent: usize = model.live.nodes.iter().filter_map(|n| n.snapshot.as_ref()).map(|s| s.instances.len()).sum();
    if data && extent <= AT_ONCE && model.frozen.is_none() && matches!(model.modal, Some(Modal::WhatIf(_))) {
        work_out(model);
    }
}

/// Of the picture alone, so that a recording shows what was shown.
pub(super) fn standing(model: &Model, row: &facts::Row) -> Option<Standing> {
    let picture = model.shown();
    let (node, instance) = row.master(picture)?;
    let master = picture.nodes.get(node)?.name().to_owned();
    let crash = Hypothesis::Crash { node: master.clone() };
    let answer = forecast::of(&known(picture), &crash, Some((instance.vrid, &instance.name)));
    Some(Standing { master, answer })
}
