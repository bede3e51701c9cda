//! Every effective value of an instance in the words of its file, and where it comes from.
//!
//! One table: keyword, where else it may be written, and how the value reads. What nobody wrote and is as everywhere is
//! told once for the node, so that a snapshot of a thousand instances does not repeat it a thousand times.

use super::core::Engine;
use crate::conf::Origins;
use crate::kernel::VirtualLinkKind;
use crate::net::LinkName;
use crate::status::{Setting, SettingFrom};
use crate::time::Duration;
use crate::vrrp::{Auth, Command, OldUnicast, Peering, Spec, Tracker, Vrid};
use std::borrow::Cow;

type Text = Cow<'static, str>;

struct Entry {
    name: &'static str,
    /// What it is written as in the block; the first of them that is there counts.
    written: &'static [&'static str],
    globals: &'static [&'static str],
    value: fn(&Spec) -> Text,
}

const fn entry(name: &'static str, globals: &'static [&'static str], value: fn(&Spec) -> Text) -> Entry {
    Entry { name, written: &[], globals, value }
}

const fn named(name: &'static str, written: &'static [&'static str], value: fn(&Spec) -> Text) -> Entry {
    Entry { name, written, globals: &[], value }
}

const ENTRIES: &[Entry] = &[
    entry("state", &[], |s| if s.wishes_master { "MASTER" } else { "BACKUP" }.into()),
    entry("interface", &[], |s| s.link.to_string().into()),
    entry("virtual_router_id", &[], |s| s.vrid.to_string().into()),
    entry("version", &["vrrp_version"], |s| s.version.number().to_string().into()),
    entry("priority", &[], |s| s.priority.to_string().into()),
    entry("advert_int", &[], |s| seconds(s.interval)),
    entry("down_timer_adverts", &["vrrp_down_timer_adverts"], |s| s.down_adverts.to_string().into()),
    named("preempt", &["nopreempt", "preempt"], |s| on(s.preempt)),
    entry("preempt_delay", &[], |s| seconds(s.preempt_delay)),
    named("authentication", &["auth_hmac", "authentication"], |s| match s.auth {
        Auth::None => "none".into(),
        Auth::Pass(_) => "PASS".into(),
        Auth::Ah(_) => "AH".into(),
        Auth::Hmac(_) => "HMAC".into(),
    }),
    named("source address", &["unicast_src_ip", "mcast_src_ip"], |s| {
        s.source.map_or_else(|| "the link's first".into(), |source| source.to_string().into())
    }),
    entry("track_src_ip", &[], |s| on(s.track_source)),
    entry("mcast_dst_ip", &["vrrp_mcast_group4", "vrrp_mcast_group6"], |s| match s.peering {
        Peering::Multicast(group) => group.to_string().into(),
        Peering::Unicast(_) => "none: unicast".into(),
    }),
    entry("unicast_peer", &[], |s| match &s.peering {
        Peering::Multicast(_) => "none".into(),
        Peering::Unicast(unicast) => list(unicast.peers.iter().map(|p| p.address)),
    }),
    entry("unicast_ttl", &[], |s| match &s.peering {
        Peering::Multicast(_) => "255".into(),
        Peering::Unicast(unicast) => unicast.hop_limit.to_string().into(),
    }),
    entry("check_unicast_src", &["vrrp_check_unicast_src"], |s| match &s.peering {
        Peering::Multicast(_) => "off".into(),
        Peering::Unicast(unicast) => on(unicast.check_source),
    }),
    entry("strict_mode", &["vrrp_strict"], |s| on(s.strict)),
    named("accept", &["accept", "no_accept"], |s| on(s.accept)),
    entry("dont_track_primary", &[], |s| on(!s.track_link)),
    named("use_vmac", &["use_vmac", "use_ipvlan"], |s| {
        s.virtual_link.as_ref().map_or("off".into(), |own| match own.link.kind {
            VirtualLinkKind::Macvlan(_) => format!("{}", own.link.name).into(),
            VirtualLinkKind::Ipvlan { .. } => format!("{} (ipvlan)", own.link.name).into(),
        })
    }),
    entry("vmac_xmit_base", &[], |s| on(s.virtual_link.as_ref().is_some_and(|own| own.adverts_on_base))),
    entry("garp_master_delay", &["vrrp_garp_master_delay", "vrrp_min_garp"], |s| seconds(s.garp.delay)),
    entry("garp_master_repeat", &["vrrp_garp_master_repeat", "vrrp_min_garp"], |s| number(s.garp.repeat)),
    entry("garp_master_refresh", &["vrrp_garp_master_refresh"], |s| seconds(s.garp.refresh)),
    entry("garp_master_refresh_repeat", &["vrrp_garp_master_refresh_repeat"], |s| number(s.garp.refresh_repeat)),
    entry("garp_lower_prio_delay", &["vrrp_garp_lower_prio_delay"], |s| seconds(s.garp.lower_priority_delay)),
    entry("garp_lower_prio_repeat", &["vrrp_garp_lower_prio_repeat"], |s| number(s.garp.lower_priority_repeat)),
    Entry {
        name: "garp_extra_if",
        written: &["garp_extra_if", "vmac_garp_intvl"],
        globals: &["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"],
        value: |s| {
            if s.garp.extra_all {
                format!("all {}", s.garp.extra_links.as_secs_f64()).into()
            } else {
                seconds(s.garp.extra_links)
            }
        },
    },
    entry("lower_prio_no_advert", &["vrrp_lower_prio_no_advert"], |s| on(s.lower_prio_no_advert)),
    entry("higher_prio_send_advert", &["vrrp_higher_prio_send_advert"], |s| on(s.higher_prio_send_advert)),
    entry("owner_ignore_adverts", &["vrrp_owner_ignore_adverts"], |s| on(s.owner_ignore_adverts)),
    entry("skip_check_adv_addr", &["vrrp_skip_check_adv_addr"], |s| on(s.skip_check_adv_addr)),
    entry("v3_checksum_as_v2", &["v3_checksum_as_v2"], |s| on(s.checksum.v3_as_v2)),
    entry("old_unicast_checksum", &[], |s| match s.checksum.old_unicast {
        OldUnicast::Detect => "as the peer does".into(),
        OldUnicast::Always => "on".into(),
        OldUnicast::Never => "never".into(),
    }),
    named("timer_expired_backup", &["timer_expired_backup", "thread_timer_expired"], |s| {
        s.timer_expired_backup.map_or("off".into(), |priority| priority.to_string().into())
    }),
    entry("promote_secondaries", &[], |s| on(s.promote_secondaries)),
    entry("track_interface", &[], |s| tracks(s, Tracker::Interface)),
    entry("track_script", &[], |s| tracks(s, Tracker::Script)),
    entry("track_file", &[], |s| tracks(s, Tracker::File)),
    entry("track_process", &[], |s| tracks(s, Tracker::Process)),
    entry("track_bfd", &[], |s| tracks(s, Tracker::Bfd)),
    entry("virtual_ipaddress", &[], |s| list(&s.addresses)),
    entry("virtual_ipaddress_excluded", &[], |s| list(&s.excluded)),
    entry("virtual_routes", &[], |s| list(&s.routes)),
    entry("virtual_rules", &[], |s| list(&s.rules)),
    entry("smtp_alert", &["smtp_alert_vrrp", "smtp_alert"], |s| on(s.notify.smtp_alert)),
    entry("notify_priority_changes", &["vrrp_notify_priority_changes"], |s| on(s.notify.priority_changes)),
    entry("notify", &[], |s| command(s.notify.any.as_ref())),
    entry("notify_master", &[], |s| command(s.notify.master.as_ref())),
    entry("notify_backup", &[], |s| command(s.notify.backup.as_ref())),
    entry("notify_fault", &[], |s| command(s.notify.fault.as_ref())),
    entry("notify_stop", &[], |s| command(s.notify.stop.as_ref())),
    entry("notify_deleted", &[], |s| match &s.notify.deleted {
        None => "off".into(),
        Some(None) => "on".into(),
        Some(script) => command(script.as_ref()),
    }),
    entry("notify_master_rx_lower_pri", &[], |s| command(s.notify.master_rx_lower_pri.as_ref())),
];

fn on(is_on: bool) -> Text {
    if is_on { "on" } else { "off" }.into()
}

fn number(number: u32) -> Text {
    number.to_string().into()
}

fn seconds(span: Duration) -> Text {
    span.as_secs_f64().to_string().into()
}

fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> Text {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if all.is_empty() { "none".into() } else { all.join(", ").into() }
}

fn command(command: Option<&Command>) -> Text {
    command.map_or("none".into(), |command| command.argv.join(" ").into())
}

fn tracks(spec: &Spec, kind: Tracker) -> Text {
    let of_kind = spec.tracks.iter().filter(|track| track.kind == kind);
    list(of_kind.map(|track| match (track.weight, track.reverse) {
        (0, false) => track.name.clone(),
        (0, true) => format!("{} reverse", track.name),
        (weight, reverse) => format!("{} weight {weight}{}", track.name, if reverse { " reverse" } else { "" }),
    }))
}

impl Entry {
    fn of(&self, spec: &Spec, origins: &Origins) -> Setting {
        let own: &[&str] = if self.written.is_empty() { std::slice::from_ref(&self.name) } else { self.written };
        let file = origins.of_instance(&spec.name, own).map(|place| (SettingFrom::File, place));
        let written = file.or_else(|| origins.of_globals(self.globals).map(|place| (SettingFrom::Global, place)));
        let (from, place) = match written {
            Some((from, place)) => (from, Some(place)),
            None => (SettingFrom::Default, None),
        };
        Setting { name: self.name.into(), value: (self.value)(spec), from, place }
    }

    fn default(&self, plain: &Spec) -> Setting {
        Setting { name: self.name.into(), value: (self.value)(plain), from: SettingFrom::Default, place: None }
    }
}

/// What holds for an instance that writes nothing.
pub(super) fn default_settings() -> Vec<Setting> {
    let Some((link, vrid)) = LinkName::new("lo").ok().zip(Vrid::new(1).ok()) else { return Vec::new() };
    let plain = Spec::new("", link, vrid);
    ENTRIES.iter().map(|entry| entry.default(&plain)).collect()
}

impl Engine {
    /// What is written of an instance, and what is another value than by default.
    pub(super) fn settings(&self, spec: &Spec, defaults: &[Setting]) -> Vec<Setting> {
        let all = ENTRIES.iter().map(|entry| entry.of(spec, &self.origins));
        let differs = |setting: &Setting, default: &Setting| {
            setting.from != SettingFrom::Default || setting.value != default.value
        };
        all.zip(defaults).filter(|(setting, default)| differs(setting, default)).map(|(setting, _)| setting).collect()
    }
}
