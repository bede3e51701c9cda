//! What follows from what the nodes hear on the wire.

use super::model::{NodeView, Picture, RowId};
use super::state::State;
use crate::status::{Neighbour, Snapshot, Standing};
use crate::time::Duration;
use std::net::IpAddr;

/// The name of the node that has an address, as far as nodes have said what they have.
pub(super) fn node_at(picture: &Picture, address: IpAddr) -> Option<&str> {
    let has = |snapshot: &Snapshot| {
        let sends = snapshot.instances.iter().any(|i| i.source == Some(address));
        sends || snapshot.node.links.iter().flat_map(|l| &l.addresses).any(|net| net.addr() == address)
    };
    picture.nodes.iter().find(|n| n.snapshot.as_deref().is_some_and(has)).map(NodeView::name)
}

/// How somebody heard stands to the node that hears it.
pub(super) fn state(picture: &Picture, node: usize, neighbour: &Neighbour) -> State {
    let silence = picture.nodes.get(node).map_or(0, |view| picture.age(view, neighbour.at));
    match neighbour.standing(Duration::from_micros(silence)) {
        Standing::Fits => State::Fits,
        Standing::Heard => State::Heard,
        Standing::Silent => State::Silent,
        Standing::Collides => State::Collides,
    }
}

/// Somebody heard, as a node told it last.
pub(super) fn neighbour<'p>(picture: &'p Picture, row: &RowId) -> Option<&'p Neighbour> {
    let RowId::Neighbour(node, link, vrid, address) = row else { return None };
    let wire = &picture.nodes.get(*node)?.snapshot.as_ref()?.wire;
    wire.neighbours.iter().find(|n| n.address == *address && n.vrid == *vrid && n.link == *link)
}

/// Whom a node hears for one of its instances.
pub(super) fn heard_for<'p>(snapshot: &'p Snapshot, instance: &str) -> impl Iterator<Item = &'p Neighbour> {
    snapshot.wire.neighbours.iter().filter(move |n| n.instance.as_deref() == Some(instance))
}

/// What the other nodes hear of a sender: by whom, and what.
pub(super) fn heard_by(
    picture: &Picture,
    node: usize,
    vrid: u8,
    address: IpAddr,
) -> impl Iterator<Item = (&str, &Neighbour)> {
    let others = picture.nodes.iter().enumerate().filter(move |(other, _)| *other != node);
    others.filter_map(move |(other, view)| {
        let heard = picture.fresh(other)?.wire.neighbours.iter().find(|n| n.address == address && n.vrid == vrid)?;
        Some((view.name(), heard))
    })
}
