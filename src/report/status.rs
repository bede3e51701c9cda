//! `vipdeck status`: what engines report, as JSON or as tables.

use super::checks;
use super::engines::{self, complain, until_closed};
use super::exit;
use super::table::Table;
use super::text::{UNKNOWN, known, plain, span};
use super::wire;
use crate::cli;
use crate::control::Target;
use crate::privacy::Privacy;
use crate::settings::Settings;
use crate::status::{
    API, Admin, DemoteMode, Health, HoldKind, Instance, Presence, Real, Rising, Role, Service, Snapshot, Verdict,
};
use crate::time::Duration;
use std::io::{self, Write};

/// Prints every engine that is meant. One engine gives an object as JSON, several an array.
pub fn run(args: &cli::Status, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = engines::targets(&args.at, settings)?;
    match (args.checks, args.values) {
        (true, _) => checks::print(&targets, args.json, args.privacy.privacy, out),
        (false, true) => print_settings(&targets, args.privacy.privacy, out),
        (false, false) => print(&targets, args.json, args.privacy.privacy, out),
    }
}

/// Every value that instances run by, and where it comes from.
fn print_settings(targets: &[Target], privacy: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let snapshots = asked(targets, privacy)?;
    let write = |out: &mut dyn Write| -> io::Result<()> {
        for snapshot in &snapshots {
            for instance in &snapshot.instances {
                writeln!(out, "{} on {}:", plain(&instance.name), plain(&snapshot.node.name))?;
                settings_of(snapshot, instance).write(out)?;
            }
        }
        Ok(())
    };
    until_closed(write(out))?;
    Ok(if snapshots.is_empty() { exit::NOT_ASKED } else { exit::DONE })
}

fn settings_of(snapshot: &Snapshot, instance: &Instance) -> Table {
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    for setting in snapshot.settings(instance) {
        table.row(vec![setting.name.to_string(), setting.value.to_string(), setting.origin()]);
    }
    table
}

fn asked(targets: &[Target], privacy: bool) -> anyhow::Result<Vec<Snapshot>> {
    let answers = engines::runtime()?.block_on(engines::statuses(targets));
    let mut snapshots = Vec::new();
    for (_, answer) in answers {
        match answer {
            Ok(snapshot) => snapshots.push(with_all_settings(snapshot)),
            Err(failure) => complain(&failure),
        }
    }
    if privacy {
        let mut stand_ins = Privacy::default();
        for snapshot in &mut snapshots {
            *snapshot = stand_ins.of(snapshot)?;
        }
    }
    Ok(snapshots)
}

/// Each instance with every value, also those that are as everywhere.
fn with_all_settings(mut snapshot: Snapshot) -> Snapshot {
    let all: Vec<_> = snapshot.instances.iter().map(|i| snapshot.settings(i).cloned().collect::<Vec<_>>()).collect();
    for (instance, settings) in snapshot.instances.iter_mut().zip(all) {
        instance.settings = settings;
    }
    snapshot
}

/// The same for engines that have been found already.
pub fn print(targets: &[Target], json: bool, privacy: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let snapshots = asked(targets, privacy)?;
    if snapshots.is_empty() {
        return Ok(exit::NOT_ASKED);
    }
    let written = match (json, snapshots.as_slice()) {
        (true, [one]) => writeln!(out, "{}", serde_json::to_string_pretty(one)?),
        (true, several) => writeln!(out, "{}", serde_json::to_string_pretty(several)?),
        (false, several) => tables(several, out),
    };
    until_closed(written)?;
    Ok(exit::DONE)
}

/// All of them, one below the other.
fn tables(snapshots: &[Snapshot], out: &mut dyn Write) -> io::Result<()> {
    for (number, snapshot) in snapshots.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        node(snapshot, out)?;
        instances(snapshot).write(out)?;
        write_kept(snapshot, out)?;
        if !snapshot.bfd.sessions.is_empty() {
            sessions(snapshot).write(out)?;
        }
        takeovers(snapshot, out)?;
        plumbing(snapshot, out)?;
        asked_for(snapshot, out)?;
        wire::write(snapshot, out)?;
        for service in &snapshot.services {
            write_service(snapshot, service, out)?;
        }
        findings(snapshot, out)?;
    }
    Ok(())
}

fn node(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let node = &s.node;
    let stopping = if node.stopping { ", STOPPING" } else { "" };
    writeln!(
        out,
        "{}: vipdeck {}, pid {}, up {}, dataplane {}, {}{stopping}",
        plain(&node.name),
        plain(&node.version),
        node.pid,
        span(node.uptime),
        node.dataplane.kind,
        plain(&node.config),
    )?;
    let engine = format!("engine pid {}, started {} ago", node.engine_pid, span(s.age(node.started_at)));
    match (node.guarded, node.restarts) {
        (true, 0) => writeln!(out, "  guarded: {engine}")?,
        (true, restarts) => writeln!(out, "  guarded: {engine}, the one before it ended; {restarts} in all")?,
        (false, _) => writeln!(out, "  no guard: an engine that dies is not started again")?,
    }
    if let Some(skew) = s.skew() {
        let (api, own) = (s.api, API);
        writeln!(out, "  {skew} engine: its API level is {api}, that of this program {own}")?;
    }
    for unread in &s.unread {
        writeln!(out, "  not understood, and left out: {}", plain(unread))?;
    }
    if let Some(note) = &node.dataplane.note {
        writeln!(out, "  {}: {}", node.dataplane.kind, plain(note))?;
    }
    Ok(())
}

fn instances(s: &Snapshot) -> Table {
    let mut table =
        Table::new(&["INSTANCE", "VRID", "LINK", "STATE", "SINCE", "PRIORITY", "MASTER HEARD", "ADDRESSES"]);
    for i in &s.instances {
        table.row(vec![
            i.name.clone(),
            i.vrid.to_string(),
            i.interface.to_string(),
            state(s, i),
            span(s.age(i.since)),
            priority(i),
            master(s, i),
            i.vips.iter().map(|v| format!("{} {}", v.net, presence(v.present))).collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}

/// What moves with instances beside their addresses, and what stands.
fn write_kept(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let moving = s.instances.iter().flat_map(|i| i.moves.iter().map(|kept| (i.name.as_str(), kept)));
    let all: Vec<_> = moving.chain(s.statics.iter().map(|kept| ("(static)", kept))).collect();
    if all.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["MOVES WITH", "WHAT", "", "HERE", "WANTED", "PROBLEM"]);
    for (with, kept) in all {
        let wanted = if kept.wanted { "yes" } else { "no" };
        table.row(vec![
            with.to_owned(),
            kept.kind.to_string(),
            kept.text.clone(),
            presence(kept.present).to_owned(),
            wanted.to_owned(),
            kept.problem.clone().unwrap_or_default(),
        ]);
    }
    table.write(out)
}

fn sessions(s: &Snapshot) -> Table {
    let heading = ["BFD", "NEIGHBOR", "STATE", "SINCE", "ITS STATE", "SENDS EVERY", "DOWN AFTER", "TRACKED BY", "WHY"];
    let mut table = Table::new(&heading);
    for b in &s.bfd.sessions {
        table.row(vec![
            b.name.clone(),
            b.neighbor.to_string(),
            b.state.to_string(),
            span(s.age(b.since)),
            known(b.remote_state),
            millis(b.tx_interval),
            known(b.detection.map(millis)),
            if b.tracked_by.is_empty() { "nobody here".into() } else { b.tracked_by.join(", ") },
            b.cause.clone(),
        ]);
    }
    table
}

fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_micros() as f64 / 1e3)
}

/// The last takeover of each instance in parts, beside what its timers promised.
fn takeovers(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let taken: Vec<_> = s.instances.iter().filter_map(|i| Some((i, i.takeover?))).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["TAKEN OVER", "AGO", "PART", "TOOK", "BY THE TIMERS"]);
    for (i, takeover) in taken {
        let ago = span(s.age(takeover.master_at));
        for (number, (part, took)) in takeover.parts().into_iter().enumerate() {
            let (name, ago) = if number == 0 { (i.name.clone(), ago.clone()) } else { Default::default() };
            let expected = takeover.expected.filter(|_| number == 0).map(millis);
            table.row(vec![name, ago, part.to_owned(), millis(took), expected.unwrap_or_default()]);
        }
    }
    table.write(out)
}

/// Virtual links, and what is kept from the addresses.
fn plumbing(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    for i in &s.instances {
        for link in &i.virtual_links {
            writeln!(out, "  {}: {}", plain(&i.name), plain(&link.to_string()))?;
        }
        if let Some(firewall) = &i.firewall {
            writeln!(out, "  {}: {}", plain(&i.name), plain(&firewall.to_string()))?;
        }
    }
    Ok(())
}

/// What of operators is not of one instance: a pause, what is to be kept, locks.
fn asked_for(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let left = |us: u64| span(Duration::from_micros(us.saturating_sub(s.wall_us)));
    if let Some(paused) = s.intents.paused.as_ref().map(|view| &view.order) {
        let end = paused.expires_us.map_or("without an end".to_owned(), |at| format!("{} left", left(at)));
        writeln!(out, "  PAUSED by {}: no preemption, {end}; `vipdeck resume` lifts it", plain(&paused.by.user))?;
    }
    for action in &s.actions {
        if let Some(at) = action.keep_until_us {
            let (id, line, by) = (action.id, plain(&action.line), plain(&action.by.user));
            writeln!(out, "  KEEP? {line} by {by} is taken back in {}: `vipdeck keep {id}` keeps it", left(at))?;
        }
    }
    for lock in &s.locks {
        writeln!(out, "  LOCKED {} by {}", plain(&lock.on), plain(&lock.by.to_string()))?;
    }
    Ok(())
}

fn state(s: &Snapshot, i: &Instance) -> String {
    let hold = match &i.hold {
        Some(hold) if i.yielding => format!(" yielding to anyone ({})", hold.by.user),
        Some(hold) => match hold.kind {
            HoldKind::Demoted if hold.mode == DemoteMode::Fence => format!(" fenced by {}", hold.by.user),
            HoldKind::Demoted => format!(" demoted by {}", hold.by.user),
            HoldKind::Takeover => format!(" taken over by {}", hold.by.user),
            HoldKind::Newer(word) => format!(" {word} by {}", hold.by.user),
        },
        None => String::new(),
    };
    let end = match i.hold.as_ref().map(|h| (h.expired, h.expires_at, h.at_expiry)) {
        Some((true, ..)) => ", its time is over".to_owned(),
        Some((false, Some(at), then)) => format!(", {} left, then {then}", span(s.at.until(at))),
        _ => String::new(),
    };
    let faults = if i.faults.is_empty() { String::new() } else { format!(" ({})", i.faults.join(", ")) };
    format!("{}{hold}{end}{faults}", i.state)
}

/// "130 = 150 base - 20 script chk_web"; only the number where nothing is added.
fn priority(i: &Instance) -> String {
    if i.terms.len() < 2 {
        return i.effective_priority.to_string();
    }
    let mut text = format!("{} =", i.effective_priority);
    for (number, term) in i.terms.iter().enumerate() {
        let sign = match (number, term.value < 0) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => "+ ",
            (_, true) => "- ",
        };
        text = format!("{text} {sign}{} {}", term.value.unsigned_abs(), term.label);
    }
    text
}

fn master(s: &Snapshot, i: &Instance) -> String {
    match &i.master {
        Some(heard) => format!("{} priority {}, {} ago", heard.address, heard.priority, span(s.age(heard.at))),
        None if i.state == Role::Master => "(this node)".into(),
        None => UNKNOWN.into(),
    }
}

const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Yes => "here",
        Presence::No => "not here",
        Presence::Unknown => UNKNOWN,
    }
}

fn write_service(s: &Snapshot, service: &Service, out: &mut dyn Write) -> io::Result<()> {
    let yes_no = |value: Option<bool>| known(value.map(|v| if v { "yes" } else { "no" }));
    writeln!(
        out,
        "  {} {} {}, in the table {}, serving {}",
        service.id,
        service.scheduler,
        service.forwarding,
        yes_no(service.present),
        yes_no(service.serving),
    )?;
    if let Some(group) = &service.group {
        writeln!(out, "    group {}: {} entries", group.name, group.entries.len())?;
    }
    if let Some(quorum) = service.quorum.filter(|q| !q.up || q.needed > 1 || q.hysteresis > 0) {
        let word = if quorum.up { "reached" } else { "LOST" };
        let (weight, needed, hysteresis) = (quorum.weight, quorum.needed, quorum.hysteresis);
        writeln!(out, "    quorum {word}: weight {weight} is up, {needed} needed, hysteresis {hysteresis}")?;
    }
    if let Some(sorry) = service.sorry {
        let now = if sorry.serving { "serves" } else { "waits" };
        writeln!(out, "    sorry server {} {}: {now}", sorry.id, sorry.forwarding)?;
    }
    let heading = [
        "REAL SERVER",
        "WEIGHT",
        "IN THE TABLE",
        "HEALTH",
        "SINCE",
        "ADMIN",
        "ACTIVE",
        "INACTIVE",
        "STICKY",
        "CONN/S",
        "LAST CHECK",
    ];
    let mut table = Table::new(&heading);
    for real in &service.reals {
        table.row(vec![
            real.id.to_string(),
            weight(real),
            known(real.weight_kernel),
            health(&real.health).to_owned(),
            span(s.age(real.health.since)),
            admin(real),
            known(real.active),
            known(real.inactive),
            known(real.sticky),
            known(real.rate.map(|r| format!("{r:.1}"))),
            last_check(s, &real.health),
        ]);
    }
    table.write(out)
}

/// The weight of the file, and what an operator made of it.
fn weight(real: &Real) -> String {
    match real.weight_asked {
        Some(asked) => format!("{} asked {asked}", real.weight_configured),
        None => real.weight_configured.to_string(),
    }
}

const fn health(health: &Health) -> &'static str {
    match health.verdict {
        Verdict::Up => "UP",
        Verdict::Down => "DOWN",
        Verdict::Unchecked => "unchecked",
        Verdict::NoCheck => "no check",
        Verdict::Newer(word) => word.as_str(),
    }
}

fn admin(real: &Real) -> String {
    let word = match real.admin {
        Admin::Ready => {
            let step = |r: &Rising| format!("rising {}/{}", r.step, r.steps);
            return real.rising.as_ref().map_or_else(|| "ready".into(), step);
        }
        Admin::Drain => "DRAIN",
        Admin::Drained => "DRAINED",
        Admin::Maint => "MAINT",
        Admin::Newer(word) => word.as_str(),
    };
    real.drain.as_ref().map_or_else(|| word.into(), |d| format!("{word} by {}", d.by.user))
}

fn last_check(s: &Snapshot, health: &Health) -> String {
    health.last.as_ref().map_or_else(|| UNKNOWN.into(), |l| format!("{}, {} ago", l.detail, span(s.age(l.at))))
}

fn findings(s: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    for finding in &s.findings {
        writeln!(
            out,
            "  {} {}: {} (for {})",
            finding.severity,
            plain(&finding.subject),
            plain(&finding.text),
            span(s.age(finding.since)),
        )?;
    }
    Ok(())
}
