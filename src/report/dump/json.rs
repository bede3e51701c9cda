//! keepalived.json, with keepalived's field names.

use super::{Dump, objects, quoted, wanted};
use crate::conf::ProcessSpec;
use crate::status::{Instance, Presence, Role, TrackedProcess};
use crate::time::Duration;
use crate::vrrp::{Auth, Command, Spec, Tracker, Version};
use serde_json::{Map, Value, json};

/// The text of keepalived.json; version 1 is a list of instances, version 2 an object with them and the processes.
pub fn json(dump: &Dump, version: u8) -> String {
    let instances: Vec<Value> = dump.instances().map(|(spec, i)| instance(dump, spec, i)).collect();
    let whole = if version == 2 {
        let status = |spec: &ProcessSpec| dump.snapshot.processes.iter().find(|p| p.name == spec.name);
        let processes: Vec<Value> = dump.config.processes.iter().map(|spec| process(spec, status(spec))).collect();
        json!({ "vrrp": instances, "track_process": processes })
    } else {
        Value::Array(instances)
    };
    format!("{whole}\n")
}

fn instance(dump: &Dump, spec: &Spec, instance: &Instance) -> Value {
    let mut data = numbers(dump, spec, instance);
    scripts(spec, &mut data);
    lists(dump, spec, instance, &mut data);
    let (kind, secret) = match &spec.auth {
        Auth::None | Auth::Hmac(_) => (0, false),
        Auth::Pass(_) => (1, true),
        Auth::Ah(_) => (2, true),
    };
    data.insert("auth_type".into(), kind.into());
    if secret {
        data.insert("auth_data".into(), "********".into());
    }
    json!({ "data": data, "stats": stats(spec, instance) })
}

fn numbers(dump: &Dump, spec: &Spec, i: &Instance) -> Map<String, Value> {
    let own = spec.virtual_link.as_ref().map(|own| own.link.name.to_string());
    let heard = i.master.as_ref().filter(|_| i.state == Role::Backup);
    let learned = heard.filter(|_| spec.version == Version::V3).map_or(spec.interval, |master| master.interval);
    let fields = json!({
        "iname": spec.name,
        "dont_track_primary": u8::from(!spec.track_link),
        "skip_check_adv_addr": u8::from(spec.skip_check_adv_addr),
        "strict_mode": u8::from(spec.strict),
        "vmac_ifname": own.clone().unwrap_or_default(),
        "ifp_ifname": own.unwrap_or_else(|| spec.link.to_string()),
        "master_priority": heard.map_or(0, |master| master.priority),
        "last_transition": dump.since(i),
        "garp_delay": spec.garp.delay.as_secs(),
        "garp_refresh": spec.garp.refresh.as_secs(),
        "garp_rep": spec.garp.repeat,
        "garp_refresh_rep": spec.garp.refresh_repeat,
        "garp_lower_prio_delay": spec.garp.lower_priority_delay.as_secs(),
        "garp_lower_prio_rep": spec.garp.lower_priority_repeat,
        "lower_prio_no_advert": u8::from(spec.lower_prio_no_advert),
        "higher_prio_send_advert": u8::from(spec.higher_prio_send_advert),
        "vrid": spec.vrid,
        "base_priority": spec.priority,
        "effective_priority": i.effective_priority,
        "vipset": i.vips.iter().any(|vip| vip.wanted),
        "promote_secondaries": spec.promote_secondaries,
        "adver_int": number(spec.interval),
        "master_adver_int": number(learned),
        "accept": u8::from(spec.accept),
        "nopreempt": !spec.preempt,
        "preempt_delay": spec.preempt_delay.as_secs(),
        "state": state(i.state),
        "wantstate": state(wanted(spec, i)),
        "version": spec.version.number(),
        "smtp_alert": spec.notify.smtp_alert,
        "notify_deleted": spec.notify.deleted.is_some(),
    });
    if let Value::Object(fields) = fields { fields } else { Map::new() }
}

/// Seconds, whole if they are.
fn number(span: Duration) -> Value {
    if span.subsec_micros() == 0 { span.as_secs().into() } else { span.as_secs_f64().into() }
}

const fn state(role: Role) -> u8 {
    match role {
        Role::Init | Role::Newer(_) => 0,
        Role::Backup => 1,
        Role::Master => 2,
        Role::Fault => 3,
    }
}

fn scripts(spec: &Spec, data: &mut Map<String, Value>) {
    let n = &spec.notify;
    let all: [(&str, Option<&Command>); 7] = [
        ("script_backup", n.backup.as_ref()),
        ("script_master", n.master.as_ref()),
        ("script_fault", n.fault.as_ref()),
        ("script_stop", n.stop.as_ref()),
        ("script_deleted", n.deleted.as_ref().and_then(Option::as_ref)),
        ("script", n.any.as_ref()),
        ("script_master_rx_lower_pri", n.master_rx_lower_pri.as_ref()),
    ];
    for (name, command) in all {
        if let Some(command) = command {
            data.insert(name.into(), quoted(&command.argv).into());
        }
    }
}

fn lists(dump: &Dump, spec: &Spec, i: &Instance, data: &mut Map<String, Value>) {
    let set = |text: &str| i.moves.iter().any(|kept| kept.text == text && kept.present == Presence::Yes);
    let here = |net| i.vips.iter().any(|vip| vip.net == net && vip.present == Presence::Yes);
    let vips = spec.addresses.iter().map(|a| objects::address(a, Some(spec), here(a.net)));
    let evips = spec.excluded.iter().map(|a| objects::address(a, Some(spec), set(&a.to_string())));
    let command = |name: &str| dump.config.scripts.iter().find(|script| script.name == name);
    let tracked = |kind: Tracker| spec.tracks.iter().filter(move |track| track.kind == kind);
    let scripts = tracked(Tracker::Script).filter_map(|track| command(&track.name)).map(|s| quoted(&s.argv));
    let lists: [(&str, Vec<String>); 7] = [
        ("vips", vips.collect()),
        ("evips", evips.collect()),
        ("vroutes", spec.routes.iter().map(objects::route).collect()),
        ("vrules", spec.rules.iter().map(objects::rule).collect()),
        ("track_ifp", tracked(Tracker::Interface).map(|track| track.name.clone()).collect()),
        ("track_script", scripts.collect()),
        ("track_process", tracked(Tracker::Process).map(|track| track.name.clone()).collect()),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            data.insert(name.into(), list.into());
        }
    }
}

fn stats(spec: &Spec, i: &Instance) -> Value {
    let p = &i.packets;
    let mut stats = json!({
        "advert_rcvd": i.adverts_heard,
        "advert_sent": i.adverts_sent,
        "become_master": i.became_master,
        "release_master": i.released_master,
        "packet_len_err": p.length,
        "advert_interval_err": p.interval,
        "ip_ttl_err": p.ttl,
        "invalid_type_rcvd": p.invalid_type,
        "addr_list_err": p.address_list,
        "invalid_authtype": p.invalid_auth_type,
        "authtype_mismatch": p.auth_type,
        "auth_failure": p.auth_failure,
        "pri_zero_rcvd": p.priority_zero_received,
        "pri_zero_sent": p.priority_zero_sent,
    });
    if let (Auth::Hmac(_), Value::Object(all)) = (&spec.auth, &mut stats) {
        let signed = [
            ("auth_ext_missing", p.auth_ext_missing),
            ("auth_ext_malformed", p.auth_ext_malformed),
            ("auth_ext_unknown_key", p.auth_ext_unknown_key),
            ("auth_ext_invalid_hmac", p.auth_ext_invalid_hmac),
            ("auth_ext_stale", p.auth_ext_stale),
            ("auth_ext_replay", p.auth_ext_replay),
        ];
        all.extend(signed.map(|(name, count)| (name.to_owned(), count.into())));
    }
    stats
}

fn process(spec: &ProcessSpec, status: Option<&TrackedProcess>) -> Value {
    let mut fields = json!({
        "process": spec.program,
        "param_match": format!("{:?}", spec.arguments_match).to_lowercase(),
        "min_processes": spec.quorum,
        "current_processes": status.and_then(|s| s.count).unwrap_or(0),
        "have_quorum": status.and_then(|s| s.good) == Some(true),
        "weight": spec.weight,
        "terminate_delay": spec.terminate_delay.as_secs_f64(),
        "fork_delay": spec.fork_delay.as_secs_f64(),
        "fork_delay_timer_running": status.is_some_and(|s| s.changes_at.is_some() && s.good == Some(false)),
        "terminate_delay_timer_running": status.is_some_and(|s| s.changes_at.is_some() && s.good == Some(true)),
        "full_command": spec.full_command,
    });
    if let Value::Object(fields) = &mut fields {
        if !spec.arguments.is_empty() {
            fields.insert("parameters".into(), spec.arguments.join(" ").into());
        }
        if let Some(most) = spec.quorum_max {
            fields.insert("max_processes".into(), most.into());
        }
    }
    fields
}
