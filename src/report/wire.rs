//! Neighbours on the wire as `vipdeck status` prints them.

use super::table::Table;
use super::text::{plain, span};
use crate::status::{Snapshot, Standing};
use std::io::{self, Write};

pub(super) fn write(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let heading =
        ["HEARD ON", "VRID", "FROM", "VRRP", "PRIORITY", "EVERY", "LAST", "ADVERTS", "LOST", "AUTH", "ADDRESSES", "IS"];
    let mut table = Table::new(&heading);
    for n in &s.wire.neighbours {
        let standing = n.standing(s.age(n.at));
        let is = match standing {
            Standing::Silent if n.conflict.is_none() => standing.to_string(),
            Standing::Silent => format!("silent; before, {}", n.relation()),
            Standing::Fits | Standing::Heard | Standing::Collides => format!("{standing} {}", n.relation()),
        };
        table.row(vec![
            n.link.to_string(),
            n.vrid.to_string(),
            n.address.to_string(),
            format!("v{}", n.version),
            n.priority.to_string(),
            span(n.interval),
            format!("{} ago", span(s.age(n.at))),
            n.adverts.to_string(),
            n.lost.to_string(),
            n.auth.to_string(),
            n.vips(),
            is,
        ]);
    }
    table.write(out)?;
    for link in &s.wire.links {
        let groups: Vec<String> = link.groups.iter().map(ToString::to_string).collect();
        let hears = if groups.is_empty() { "only what is sent to this node".to_owned() } else { groups.join(", ") };
        let free = link.free_vrid.map_or_else(|| "no VRID is free".to_owned(), |vrid| format!("VRID {vrid} is free"));
        writeln!(out, "  {} {}: hears {hears}; {free}", plain(link.link.as_str()), link.family)?;
    }
    if s.wire.untold > 0 {
        writeln!(out, "  {} adverts of more senders than are listed", s.wire.untold)?;
    }
    Ok(())
}
