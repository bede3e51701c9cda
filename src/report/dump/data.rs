//! keepalived.data: the configuration and the state of everything, for people.

use super::{Dump, objects, quoted, total, wanted};
use crate::conf::{FileSpec, ProcessSpec, ScriptSpec};
use crate::kernel::{Address, VirtualLinkKind};
use crate::net::Family;
use crate::report::text::wall;
use crate::status::{Instance, Presence, Role, Snapshot, Track};
use crate::time::Duration;
use crate::vrrp::{Auth, Command, Notify, OldUnicast, Peering, Spec, Tracker, Version};
use std::fmt::{Display, Write};

/// Lines, each with its depth.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn section(&mut self, title: &str) {
        let _ = writeln!(self.0, "------< {title} >------");
    }

    pub(super) fn head(&mut self, text: impl Display) {
        let _ = writeln!(self.0, " {text}");
    }

    pub(super) fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "   {text}");
    }

    pub(super) fn inner(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "     {text}");
    }

    pub(super) fn part(&mut self, title: &str) {
        let _ = writeln!(self.0, " ------< {title} >------");
    }

    pub(super) fn inner_part(&mut self, title: &str) {
        let _ = writeln!(self.0, "   ------< {title} >------");
    }

    pub(super) fn text(self) -> String {
        self.0
    }

    fn list(&mut self, title: impl Display, entries: Vec<String>) {
        if !entries.is_empty() {
            self.line(title);
            for entry in &entries {
                self.inner(entry);
            }
        }
    }
}

/// The text of keepalived.data.
pub fn data(dump: &Dump) -> String {
    let mut lines = Lines::default();
    globals(dump, &mut lines);
    statics(dump, &mut lines);
    lines.section("VRRP Topology");
    for (spec, status) in dump.instances() {
        instance(dump, spec, status, &mut lines);
    }
    groups(dump, &mut lines);
    scripts(dump, &mut lines);
    files(dump, &mut lines);
    processes(dump, &mut lines);
    links(&dump.snapshot, &mut lines);
    lines.0
}

fn globals(dump: &Dump, lines: &mut Lines) {
    let globals = &dump.config.globals;
    lines.section("Global definitions");
    let namespace = globals.net_namespace.as_deref().unwrap_or("(default)");
    lines.head(format_args!("Network namespace = {namespace}"));
    if let Some(name) = &globals.instance_name {
        lines.head(format_args!("Instance name = {name}"));
    }
    lines.head(format_args!("Router ID = {}", dump.snapshot.node.name));
    if let Some(mail) = &globals.notify.mail {
        lines.head(format_args!("Smtp server = {}", mail.server));
        lines.head(format_args!("Smtp server port = {}", mail.port));
        lines.head(format_args!("Email notification from = {}", mail.from.as_deref().unwrap_or_default()));
        for to in &mail.to {
            lines.head(format_args!("Email notification = {to}"));
        }
    }
    let dynamic = globals.dynamic_interfaces != crate::conf::DynamicInterfaces::No;
    lines.head(format_args!("Dynamic interfaces = {dynamic}"));
    if let Some(link) = &globals.default_interface {
        lines.head(format_args!("Default interface = {link}"));
    }
    let interval = globals.garp_interval.as_secs_f64();
    lines.head(format_args!("Gratuitous ARP interval = {interval:.6}"));
    lines.head(format_args!("Gratuitous NA interval = {:.6}", globals.gna_interval.as_secs_f64()));
    let security = if globals.script_security { "enabled" } else { "disabled" };
    lines.head(format_args!("Script security {security}"));
}

fn statics(dump: &Dump, lines: &mut Lines) {
    let statics = &dump.config.statics;
    let here = |address: &Address| {
        let text = address.to_string();
        dump.snapshot.statics.iter().any(|kept| kept.text == text && kept.present == Presence::Yes)
    };
    let sections = [
        (
            "Static Addresses",
            statics.addresses.iter().map(|s| objects::address(&s.object, None, here(&s.object))).collect::<Vec<_>>(),
        ),
        ("Static Routes", statics.routes.iter().map(|s| objects::route(&s.object)).collect()),
        ("Static Rules", statics.rules.iter().map(|s| objects::rule(&s.object)).collect()),
    ];
    for (title, entries) in sections {
        if !entries.is_empty() {
            lines.section(title);
            for entry in &entries {
                lines.inner(entry);
            }
        }
    }
}

fn instance(dump: &Dump, spec: &Spec, i: &Instance, lines: &mut Lines) {
    lines.head(format_args!("VRRP Instance = {}", spec.name));
    lines.line(format_args!("VRRP Version = {}", spec.version.number()));
    if let Some(group) = &i.group {
        lines.line(format_args!("Sync group = {group}"));
    }
    if spec.family == Family::V6 {
        lines.line("Using Native IPv6");
    }
    state(dump, spec, i, lines);
    link(spec, i, lines);
    timing(spec, lines);
    lines.line(format_args!("Virtual Router ID = {}", spec.vrid));
    lines.line(format_args!("Priority = {}", spec.priority));
    lines.line(format_args!("Effective priority = {}", i.effective_priority));
    lines.line(format_args!("Total priority = {}", total(i)));
    lines.line(format_args!("Advert interval = {}", interval(spec, spec.interval)));
    if let Some(master) = heard(i).filter(|_| spec.version == Version::V3) {
        lines.line(format_args!("Master advert interval = {}", interval(spec, master.interval)));
    }
    let enabled = |on| if on { "enabled" } else { "disabled" };
    lines.line(format_args!("Accept = {}", enabled(spec.accept)));
    lines.line(format_args!("Preempt = {}", enabled(spec.preempt)));
    if !spec.preempt_delay.is_zero() {
        lines.line(format_args!("Preempt delay = {} secs", spec.preempt_delay.as_secs_f64()));
    }
    lines.line(format_args!("Promote_secondaries = {}", enabled(spec.promote_secondaries)));
    authentication(spec, lines);
    addresses(spec, i, lines);
    peers(spec, lines);
    lines.list("Virtual Routes :", spec.routes.iter().map(objects::route).collect());
    lines.list("Virtual Rules :", spec.rules.iter().map(objects::rule).collect());
    trackers(&i.tracks, lines);
    notify(&spec.notify, lines);
    let deleted = if spec.notify.deleted.is_some() { "Deleted" } else { "Fault" };
    lines.line(format_args!("Notify deleted = {deleted}"));
    lines.line(format_args!("Notify priority changes = {}", spec.notify.priority_changes));
}

fn heard(i: &Instance) -> Option<&crate::status::Heard> {
    i.master.as_ref().filter(|_| i.state == Role::Backup)
}

fn state(dump: &Dump, spec: &Spec, i: &Instance, lines: &mut Lines) {
    lines.line(format_args!("State = {}", i.state));
    if let Some(master) = heard(i) {
        lines.line(format_args!("Master router = {}", master.address));
        lines.line(format_args!("Master priority = {}", master.priority));
    }
    let unicast = matches!(spec.peering, Peering::Unicast(_));
    lines.line(if unicast { "Flags:" } else { "Flags: none" });
    if unicast {
        lines.inner("Using unicast");
    }
    lines.line(format_args!("Wantstate = {}", wanted(spec, i)));
    lines.line(format_args!("Number of interface and track script faults = {}", i.faults.len()));
    let since = dump.since(i);
    let wall = wall(dump.snapshot.wall_of(i.since));
    lines.line(format_args!("Last transition = {since:.6} ({wall})"));
    lines.line(format_args!("Master down timer = {} usecs", i.master_down.as_micros()));
    if let Some(at) = i.master_down_at.or(i.next_advert_at) {
        let at = dump.snapshot.wall_of(at) as f64 / 1e6;
        lines.line(format_args!("Read timeout = {at:.6}"));
    }
}

fn link(spec: &Spec, i: &Instance, lines: &mut Lines) {
    match &spec.virtual_link {
        Some(own) => {
            let (kind, word) = match own.link.kind {
                VirtualLinkKind::Macvlan(_) => ("VMAC", "vmac"),
                VirtualLinkKind::Ipvlan { .. } => ("IPVLAN", "ipvlan"),
            };
            let up = i.virtual_links.first().is_some_and(|link| link.up == Some(true));
            let name = &own.link.name;
            let base = own.adverts_on_base;
            lines.line(format_args!("Use {kind}, i/f name {name}, is_up = {up}, xmit_base = {base}"));
            lines.line(format_args!("Interface = {name}, {word} on {}", own.link.base));
        }
        None => lines.line(format_args!("Interface = {}", spec.link)),
    }
    if !spec.track_link {
        lines.line("VRRP interface tracking disabled");
    }
    if spec.skip_check_adv_addr {
        lines.line("Skip checking advert IP addresses");
    }
    if spec.strict {
        lines.line("Enforcing strict VRRP compliance");
    }
    let source = i.source.map_or_else(|| "(none)".to_owned(), |source| source.to_string());
    let configured = if spec.source.is_some() { " (from configuration)" } else { "" };
    lines.line(format_args!("Using src_ip = {source}{configured}"));
    if let Peering::Multicast(group) = spec.peering {
        lines.line(format_args!("Multicast address {group}"));
    }
}

fn timing(spec: &Spec, lines: &mut Lines) {
    let garp = &spec.garp;
    lines.line(format_args!("Gratuitous ARP delay = {}", garp.delay.as_secs_f64()));
    lines.line(format_args!("Gratuitous ARP repeat = {}", garp.repeat));
    lines.line(format_args!("Gratuitous ARP refresh = {}", garp.refresh.as_secs_f64()));
    lines.line(format_args!("Gratuitous ARP refresh repeat = {}", garp.refresh_repeat));
    lines.line(format_args!("Gratuitous ARP lower priority delay = {}", garp.lower_priority_delay.as_secs_f64()));
    lines.line(format_args!("Gratuitous ARP lower priority repeat = {}", garp.lower_priority_repeat));
    lines.line(format_args!("Down timer adverts = {}", spec.down_adverts));
    lines.line(format_args!("Send advert after receive lower priority advert = {}", !spec.lower_prio_no_advert));
    lines.line(format_args!("Send advert after receive higher priority advert = {}", spec.higher_prio_send_advert));
}

fn interval(spec: &Spec, span: Duration) -> String {
    match spec.version {
        Version::V2 => format!("{} sec", span.as_secs()),
        Version::V3 => format!("{} milli-sec", span.as_millis()),
    }
}

fn authentication(spec: &Spec, lines: &mut Lines) {
    let kind = match &spec.auth {
        Auth::None if spec.version == Version::V3 => return,
        Auth::None => "none",
        Auth::Pass(_) => "SIMPLE_PASSWORD",
        Auth::Ah(_) => "IPSEC_AH",
        Auth::Hmac(_) => "HMAC-SHA-256",
    };
    lines.line(format_args!("Authentication type = {kind}"));
    if matches!(spec.auth, Auth::Pass(_)) {
        lines.line("Password = ********");
    }
}

fn addresses(spec: &Spec, i: &Instance, lines: &mut Lines) {
    let here = |address: &Address| i.vips.iter().any(|vip| vip.net == address.net && vip.present == Presence::Yes);
    let moved = |address: &Address| {
        let text = address.to_string();
        i.moves.iter().any(|kept| kept.text == text && kept.present == Presence::Yes)
    };
    let vips = spec.addresses.iter().map(|a| objects::address(a, Some(spec), here(a))).collect::<Vec<_>>();
    lines.list(format_args!("Virtual IP ({}):", vips.len()), vips);
    let excluded = spec.excluded.iter().map(|a| objects::address(a, Some(spec), moved(a))).collect();
    lines.list("Virtual IP Excluded :", excluded);
}

fn peers(spec: &Spec, lines: &mut Lines) {
    let Peering::Unicast(unicast) = &spec.peering else { return };
    if unicast.hop_limit != 255 {
        lines.line(format_args!("Unicast TTL = {}", unicast.hop_limit));
    }
    lines.line(format_args!("Check unicast src : {}", if unicast.check_source { "yes" } else { "no" }));
    let peer = |p: &crate::vrrp::Peer| format!("{} min_ttl {} max_ttl {}", p.address, p.min_ttl, p.max_ttl);
    lines.list("Unicast Peer :", unicast.peers.iter().map(peer).collect());
    let compatibility = match spec.checksum.old_unicast {
        OldUnicast::Detect => "no",
        OldUnicast::Always => "yes",
        OldUnicast::Never => "never",
    };
    lines.line(format_args!("Unicast checksum compatibility = {compatibility}"));
}

fn trackers(tracks: &[Track], lines: &mut Lines) {
    let kinds = [
        ("interface", "Tracked interfaces :", ""),
        ("script", "Tracked scripts :", ""),
        ("file", "Tracked files :", ","),
        ("process", "Tracked processes :", ","),
        ("bfd", "Tracked BFDs :", ","),
    ];
    for (kind, title, comma) in kinds {
        let of_kind = tracks.iter().filter(|track| track.kind == kind);
        let text = |track: &Track| {
            let reverse = if track.reverse { " reverse" } else { "" };
            format!("{}{comma} weight {}{reverse}", track.name, track.weight)
        };
        lines.list(title, of_kind.map(text).collect());
    }
}

fn notify(notify: &Notify, lines: &mut Lines) {
    lines.line(format_args!("Using smtp notification = {}", if notify.smtp_alert { "yes" } else { "no" }));
    let all: [(&str, Option<&Command>); 7] = [
        ("Backup", notify.backup.as_ref()),
        ("Master", notify.master.as_ref()),
        ("Fault", notify.fault.as_ref()),
        ("Stop", notify.stop.as_ref()),
        ("Deleted", notify.deleted.as_ref().and_then(Option::as_ref)),
        ("Generic", notify.any.as_ref()),
        ("Master rx lower pri", notify.master_rx_lower_pri.as_ref()),
    ];
    for (state, command) in all {
        if let Some(command) = command {
            lines.line(format_args!("{state} state transition script = {}{}", quoted(&command.argv), user(command)));
        }
    }
}

fn user(command: &Command) -> String {
    let name = |user: &crate::vrrp::RunAs| match &user.group {
        Some(group) => format!(", user {} group {group}", user.user),
        None => format!(", user {}", user.user),
    };
    command.user.as_ref().map(name).unwrap_or_default()
}

fn groups(dump: &Dump, lines: &mut Lines) {
    if dump.config.groups.is_empty() {
        return;
    }
    lines.section("VRRP Sync groups");
    for group in &dump.config.groups {
        let members = dump.snapshot.instances.iter().filter(|i| i.group.as_ref() == Some(&group.name));
        // All are in one state, but for the moment in which they change.
        let state = members.map(|i| i.state).min_by_key(|role| *role == Role::Master).unwrap_or(Role::Init);
        lines.head(format_args!("VRRP Sync Group = {}, {state}", group.name));
        lines.list("VRRP member instances :", group.members.clone());
        notify(&group.notify, lines);
    }
}

/// The instances that track something, each with its weight.
fn tracking(dump: &Dump, kind: Tracker, name: &str, lines: &mut Lines) {
    let of = |spec: &Spec| {
        let track = spec.tracks.iter().find(|track| track.kind == kind && track.name == name)?;
        let reverse = if track.reverse { " reverse" } else { "" };
        Some(format!("{}, weight {}{reverse}", spec.name, track.weight))
    };
    lines.list("Tracking instances :", dump.config.instances.iter().filter_map(of).collect());
}

fn scripts(dump: &Dump, lines: &mut Lines) {
    if dump.config.scripts.is_empty() {
        return;
    }
    lines.section("VRRP Scripts");
    for spec in &dump.config.scripts {
        script(dump, spec, lines);
    }
}

fn script(dump: &Dump, spec: &ScriptSpec, lines: &mut Lines) {
    let status = dump.snapshot.scripts.iter().find(|s| s.name == spec.name);
    lines.head(format_args!("VRRP Script = {}", spec.name));
    let is_file = spec.argv.first().is_some_and(|program| program.starts_with('<'));
    let command = if is_file { spec.argv.join(" ") } else { quoted(&spec.argv) };
    lines.line(format_args!("Command = {command}"));
    lines.line(format_args!("Interval = {} sec", spec.interval.as_secs_f64()));
    lines.line(format_args!("Timeout = {} sec", spec.timeout.as_secs_f64()));
    lines.line(format_args!("Weight = {}{}", spec.weight, if spec.reverse { " reverse" } else { "" }));
    lines.line(format_args!("Rise = {}", spec.rise));
    lines.line(format_args!("Fall = {}", spec.fall));
    let verdict = match status.and_then(|s| s.good) {
        Some(true) => "GOOD",
        Some(false) => "BAD",
        None => "INIT",
    };
    lines.line(format_args!("Status = {verdict}"));
    if let Some(user) = &spec.user {
        lines.line(format_args!("Script user = {}", user.user));
    }
    tracking(dump, Tracker::Script, &spec.name, lines);
    let running = status.is_some_and(|s| s.running);
    lines.line(format_args!("State = {}", if running { "running" } else { "idle" }));
}

fn files(dump: &Dump, lines: &mut Lines) {
    if dump.config.files.is_empty() {
        return;
    }
    lines.section("VRRP Track files");
    for FileSpec { name, path, weight, reverse, .. } in &dump.config.files {
        let status = dump.snapshot.files.iter().find(|file| file.name == *name);
        lines.head(format_args!("Track file = {name}"));
        lines.line(format_args!("File = {}", path.display()));
        lines.line(format_args!("Status = {}", status.and_then(|s| s.value).unwrap_or(0)));
        lines.line(format_args!("Weight = {weight}{}", if *reverse { " reverse" } else { "" }));
        tracking(dump, Tracker::File, name, lines);
    }
}

fn processes(dump: &Dump, lines: &mut Lines) {
    if dump.config.processes.is_empty() {
        return;
    }
    lines.section("VRRP Track processes");
    for spec in &dump.config.processes {
        process(dump, spec, lines);
    }
}

fn process(dump: &Dump, spec: &ProcessSpec, lines: &mut Lines) {
    let status = dump.snapshot.processes.iter().find(|p| p.name == spec.name);
    lines.head(format_args!("VRRP Track process = {}", spec.name));
    let words: Vec<&str> = std::iter::once(&spec.program).chain(&spec.arguments).map(String::as_str).collect();
    lines.line(format_args!("Process = {}", words.join(" ")));
    lines.line(format_args!("Min processes = {}", spec.quorum));
    if let Some(most) = spec.quorum_max {
        lines.line(format_args!("Max processes = {most}"));
    }
    lines.line(format_args!("Current processes = {}", status.and_then(|s| s.count).unwrap_or(0)));
    lines.line(format_args!("Have quorum = {}", status.and_then(|s| s.good) == Some(true)));
    lines.line(format_args!("Weight = {}{}", spec.weight, if spec.reverse { " reverse" } else { "" }));
    lines.line(format_args!("Terminate delay = {:.6}s", spec.terminate_delay.as_secs_f64()));
    lines.line(format_args!("Fork delay = {:.6}s", spec.fork_delay.as_secs_f64()));
    lines.line(format_args!("Full command = {}", spec.full_command));
    tracking(dump, Tracker::Process, &spec.name, lines);
}

fn links(snapshot: &Snapshot, lines: &mut Lines) {
    lines.section("Interfaces");
    for link in &snapshot.node.links {
        lines.head(format_args!("Name = {}", link.name));
        for net in &link.addresses {
            let family = if net.addr().is_ipv4() { "IPv4" } else { "IPv6" };
            lines.line(format_args!("{family} address = {}", net.addr()));
        }
        if let Some(mac) = link.mac {
            lines.line(format_args!("MAC = {mac}"));
        }
        let state = match link.up {
            Some(true) => "UP, RUNNING",
            Some(false) => "DOWN",
            None => "not there",
        };
        lines.line(format_args!("State = {state}"));
    }
}
