//! What is wrong although every line is right: priorities and weights, read together.

use super::check_bfd;
use super::diagnostic::Diagnostic;
use super::index::Index;
use super::model::{Config, DynamicInterfaces};
use super::source::{Loader, Span};
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Spec, Track, Tracker};
use std::collections::BTreeMap;

/// What one node's file alone shows.
pub(super) fn of_node(config: &Config, index: &Index, loader: &dyn Loader) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = script_security(index).into_iter().collect();
    if config.globals.dynamic_interfaces == DynamicInterfaces::No {
        found.extend(missing_links(config, index, loader));
    }
    for spec in &config.instances {
        for track in spec.tracks.iter().filter(|track| has_fixed_weight(track)) {
            found.extend(stays(spec, track, index));
        }
        found.extend(delay_without_preemption(spec, index));
        found.extend(check_bfd::of_peers(spec, config, index));
        found.extend(service_behind_no_accept(spec, config, index));
    }
    found
}

/// A tracker that is good or bad, and changes the priority by its weight. (A file's weight is a factor.)
pub(super) fn has_fixed_weight(track: &Track) -> bool {
    track.weight != 0 && track.kind != Tracker::File
}

/// What a tracker adds to the priority (keepalived.conf(5), weight): a positive weight while good, a negative one while
/// bad; with `reverse` the other way: it is taken away while good, or added while bad.
fn adds(track: &Track, good: bool) -> i32 {
    match ((track.weight > 0) == good, track.reverse) {
        (true, false) => track.weight,
        (true, true) => -track.weight,
        (false, _) => 0,
    }
}

/// The priority while all trackers are good except `failed`: 1 to 254, or 255, which does not change.
pub(super) fn priority(spec: &Spec, failed: Option<&Track>) -> u8 {
    u8::try_from(sum(spec, failed).clamp(1, 254)).ok().filter(|_| !spec.is_owner()).unwrap_or(spec.priority)
}

fn sum(spec: &Spec, failed: Option<&Track>) -> i32 {
    let tracks = spec.tracks.iter().filter(|track| has_fixed_weight(track));
    i32::from(spec.priority) + tracks.map(|track| adds(track, failed != Some(track))).sum::<i32>()
}

/// How the priority comes about: `150 − 20 = 130`.
pub(super) fn arithmetic(spec: &Spec, failed: Option<&Track>) -> String {
    let tracks = spec.tracks.iter().filter(|track| has_fixed_weight(track));
    let parts = tracks.filter_map(|track| match adds(track, failed != Some(track)) {
        0 => None,
        added if added > 0 => Some(format!(" + {added}")),
        taken => Some(format!(" − {}", taken.unsigned_abs())),
    });
    let text = std::iter::once(spec.priority.to_string()).chain(parts).collect::<String>();
    let (sum, priority) = (sum(spec, failed), priority(spec, failed));
    let whole = if text == sum.to_string() { text } else { format!("{text} = {sum}") };
    if sum == i32::from(priority) { whole } else { format!("{whole}, which counts as {priority}") }
}

/// The keyword of the block that lists trackers of a kind.
pub(super) const fn block_of(kind: Tracker) -> &'static str {
    match kind {
        Tracker::Script => "track_script",
        Tracker::Interface => "track_interface",
        Tracker::File => "track_file",
        Tracker::Process => "track_process",
        Tracker::Bfd => "track_bfd",
    }
}

pub(super) fn place_of(index: &Index, spec: &Spec, track: &Track) -> Option<Span> {
    index.place("vrrp_instance", &spec.name, &format!("{} {}", block_of(track.kind), track.name))
}

/// Commands that run as root, unwatched. keepalived(8) counts it as a violation: `--config-test` exits with 6.
fn script_security(index: &Index) -> Option<Diagnostic> {
    let said = |keyword| index.value("global_defs", "", keyword);
    let as_root = said("script_user").is_none_or(|user| user.split(' ').next() == Some("root"));
    if said("enable_script_security").is_some() || !as_root {
        return None;
    }
    let runs = |block: &str, keyword: &str| match block {
        "vrrp_script" => keyword == "script",
        "vrrp_instance" | "vrrp_sync_group" => keyword.starts_with("notify") && !keyword.contains("priority"),
        "global_defs" => keyword.ends_with("_script"),
        _ => false,
    };
    let place = index.all(runs).min()?;
    Some(
        Diagnostic::warning("no-script-security", "commands run as root, and enable_script_security is not set")
            .at(place, "whoever can change this program is root")
            .help("add `enable_script_security` to global_defs, or a `script_user` other than root"),
    )
}

/// Interfaces that this machine does not have. A note: the file may be that of another one.
fn missing_links(config: &Config, index: &Index, loader: &dyn Loader) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut beside: BTreeMap<crate::net::LinkName, Span> = BTreeMap::new();
    for spec in &config.instances {
        let place = |keyword: &str| index.place("vrrp_instance", &spec.name, keyword);
        let made = |link: &LinkName| spec.virtual_links().find(|made| made.name == *link).map(|made| &made.base);
        for address in spec.all_addresses() {
            if let Some(place) = place("virtual_ipaddress") {
                let link = made(&address.link).unwrap_or(&address.link);
                seen.entry(link.as_str()).or_insert(place);
            }
        }
        for (link, _) in spec.beside() {
            if let Some(place) = place("virtual_routes").or_else(|| place("virtual_rules")) {
                beside.entry(link).or_insert(place);
            }
        }
        if let Some(place) = place("interface") {
            seen.insert(spec.link.as_str(), place);
        }
    }
    for (link, place) in &beside {
        seen.entry(link.as_str()).or_insert(*place);
    }
    let missing = seen.into_iter().filter(|(link, _)| loader.has_link(link) == Some(false));
    let note = |(link, place)| {
        Diagnostic::note("interface-missing", format!("this machine has no interface `{link}`"))
            .at(place, "named here")
            .help("an instance whose interface is not there is in FAULT; keepalived would not start")
    };
    missing.map(note).collect()
}

/// A failure that leaves the priority where it is.
fn stays(spec: &Spec, track: &Track, index: &Index) -> Option<Diagnostic> {
    let (good, bad) = (priority(spec, None), priority(spec, Some(track)));
    // An owner's weights are told where they are read.
    if good != bad || spec.is_owner() {
        return None;
    }
    let message = format!(
        "a failure of {} `{}` cannot move the addresses of `{}`: its priority stays {good}",
        track.kind, track.name, spec.name
    );
    let help = format!(
        "good: {}; failed: {}; priorities end at 1 and 254: leave room for the weight, or use weight 0, so that a \
         failure is a fault",
        arithmetic(spec, None),
        arithmetic(spec, Some(track))
    );
    let place = place_of(index, spec, track)?;
    Some(Diagnostic::warning("weight-without-effect", message).at(place, "this weight changes nothing").help(help))
}

/// A virtual service on an address that accepts no packets.
fn service_behind_no_accept(spec: &Spec, config: &Config, index: &Index) -> Option<Diagnostic> {
    let mut held = spec.all_addresses().map(|address| address.net.addr()).filter(|_| spec.refuses_packets());
    let address = held
        .find(|ip| config.services.iter().any(|service| service.entries().iter().any(|key| key.ip() == Some(*ip))))?;
    let place = |keyword| index.place("vrrp_instance", &spec.name, keyword);
    let message = format!("the virtual service on {address} gets no packets: `{}` drops them as MASTER", spec.name);
    let problem =
        Diagnostic::warning("no-accept-service", message).at(place("no_accept")?, "no_accept, or strict mode");
    Some(problem.help("write `accept` (with VRRPv3 in strict mode, too), or balance another address"))
}

/// `preempt_delay` where nothing is preempted.
fn delay_without_preemption(spec: &Spec, index: &Index) -> Option<Diagnostic> {
    if spec.preempt || spec.preempt_delay == Duration::ZERO {
        return None;
    }
    let place = |keyword| index.place("vrrp_instance", &spec.name, keyword);
    let message = format!("`preempt_delay` of `{}` has no effect: it does not preempt at all", spec.name);
    let problem = Diagnostic::warning("delay-without-effect", message).at(place("preempt_delay")?, "waits for nothing");
    Some(problem.at(place("nopreempt")?, "because of this").help("remove one of the two"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LinkName;
    use crate::vrrp::Vrid;

    fn spec(priority: u8, weights: &[(i32, bool)]) -> Spec {
        let mut spec = Spec::new("A", LinkName::new("eth0").unwrap(), Vrid::new(1).unwrap());
        spec.priority = priority;
        for (index, (weight, reverse)) in weights.iter().enumerate() {
            let (weight, reverse) = (*weight, *reverse);
            spec.tracks.push(Track { kind: Tracker::Script, name: format!("s{index}"), weight, reverse });
        }
        spec
    }

    /// Behaviour of keepalived: base 100 with +20 and −30, each reversed, clamped.
    #[test]
    fn weights_are_added_and_clamped() {
        for (base, weights, good, bad) in [
            (100, &[(20, false)][..], 120, 100),
            (100, &[(-30, false)], 100, 70),
            (100, &[(20, true)], 80, 100),
            (100, &[(-30, true)], 100, 130),
            (250, &[(20, false)], 254, 250),
            (10, &[(-20, false)], 10, 1),
            (255, &[(-20, false)], 255, 255),
        ] {
            let spec = spec(base, weights);
            assert_eq!(
                (priority(&spec, None), priority(&spec, spec.tracks.first())),
                (good, bad),
                "{base} {weights:?}"
            );
        }
    }

    #[test]
    fn the_arithmetic_is_shown() {
        let spec = spec(150, &[(-20, false), (5, false)]);
        assert_eq!(arithmetic(&spec, None), "150 + 5 = 155");
        assert_eq!(arithmetic(&spec, spec.tracks.first()), "150 − 20 + 5 = 135");
        let low = self::spec(10, &[(-20, false)]);
        assert_eq!(arithmetic(&low, low.tracks.first()), "10 − 20 = -10, which counts as 1");
    }
}
