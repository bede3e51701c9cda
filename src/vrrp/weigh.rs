//! What a tracker means to a router that tracks it.

use super::spec::Track;
use super::state::{Conditions, Term};

/// What a tracker's state means to a router that tracks it (keepalived.conf(5), track_script). Weight 0: bad is a fault.
/// Otherwise the weight counts while good (positive) or while bad (negative); `reverse` turns the sign of what is added
/// and, without a weight, the side that is the fault.
pub fn weigh(track: &Track, good: bool, detail: &str, conditions: &mut Conditions) {
    let label = format!("{} {}", track.kind, track.name);
    if track.weight == 0 {
        if good == track.reverse {
            conditions.faults.push(format!("{label}: {detail}"));
        }
        return;
    }
    let counts = if track.weight > 0 { good } else { !good };
    let value = match (counts, track.reverse) {
        (false, _) => 0,
        (true, false) => track.weight,
        (true, true) => -track.weight,
    };
    conditions.terms.push(Term { label, value, note: Some(detail.to_owned()) });
}

/// What the number in a tracked file means (keepalived.conf(5), track_file): multiplied by the weight and added, at most
/// 253; −254 and less is a fault. Without a weight any number but 0 is the fault, or with `reverse` 0 is.
pub fn weigh_number(track: &Track, number: i64, detail: &str, conditions: &mut Conditions) {
    let label = format!("{} {}", track.kind, track.name);
    if track.weight == 0 {
        if (number != 0) != track.reverse {
            conditions.faults.push(format!("{label}: {detail}"));
        }
        return;
    }
    let weight = if track.reverse { -i64::from(track.weight) } else { i64::from(track.weight) };
    let product = number.saturating_mul(weight);
    let detail = if weight == 1 { detail.to_owned() } else { format!("{detail}, times {weight}") };
    if product <= -254 {
        conditions.faults.push(format!("{label}: {detail}: {product} is a fault, as everything below −253"));
        return;
    }
    let value = i32::try_from(product.min(253)).unwrap_or(253);
    conditions.terms.push(Term { label, value, note: Some(detail) });
}
