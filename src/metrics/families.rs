//! The table: names, units, meanings, and where each number comes from.

use super::text::{Family, Kind, Samples, Seen};
use crate::status::{Health, Instance, Presence, Real, Script, Service, Verdict};
use crate::time::{Duration, Instant};
use std::fmt::Display;

type Labels<'a, const N: usize> = [(&'a str, &'a dyn Display); N];
type Source = fn(&Seen, &mut Samples);

const fn gauge(name: &'static str, help: &'static str, samples: Source) -> Family {
    Family { name, kind: Kind::Gauge, unit: "", help, samples }
}

const fn counter(name: &'static str, help: &'static str, samples: Source) -> Family {
    Family { kind: Kind::Counter, ..gauge(name, help, samples) }
}

const fn seconds(name: &'static str, help: &'static str, samples: Source) -> Family {
    Family { unit: "seconds", ..gauge(name, help, samples) }
}

const fn bytes(name: &'static str, help: &'static str, samples: Source) -> Family {
    Family { unit: "bytes", ..counter(name, help, samples) }
}

const fn states(name: &'static str, help: &'static str, samples: Source) -> Family {
    Family { kind: Kind::StateSet, ..gauge(name, help, samples) }
}

const ROLES: [&str; 4] = ["INIT", "BACKUP", "MASTER", "FAULT"];
const ADMINS: [&str; 4] = ["ready", "drain", "drained", "maint"];

/// Every family there is, in the order in which they are written.
pub const fn all() -> &'static [Family] {
    ALL
}

const ALL: &[Family] = &[
    Family {
        kind: Kind::Info,
        ..gauge("vipdeck_node", "The engine: version, API level, file and what serves the virtual services.", node)
    },
    seconds("vipdeck_snapshot_age_seconds", "Age of everything else told here when it was written.", |s, out| {
        out.seconds(&[], s.age);
    }),
    seconds(
        "vipdeck_uptime_seconds",
        "How long the service has been running; its guard's, if it has one.",
        |s, out| {
            out.seconds(&[], s.snapshot.node.uptime);
        },
    ),
    seconds(
        "vipdeck_engine_age_seconds",
        "How long this engine has been running; a guard may have started it again.",
        |s, out| {
            out.seconds(&[], since(s, s.snapshot.node.started_at));
        },
    ),
    counter("vipdeck_engine_restarts", "Engines that went before this one under the same guard.", |s, out| {
        out.count(&[], s.snapshot.node.restarts.into());
    }),
    gauge("vipdeck_guarded", "Whether a guard starts the engine again if it dies.", |s, out| {
        out.add(&[], s.snapshot.node.guarded);
    }),
    gauge("vipdeck_stopping", "Whether the engine is on its way out.", |s, out| {
        out.add(&[], s.snapshot.node.stopping);
    }),
    counter("vipdeck_events", "Events since the engine started.", |s, out| out.count(&[], s.snapshot.last_event)),
    gauge("vipdeck_link_up", "Whether a link that instances use is up.", |s, out| {
        for link in &s.snapshot.node.links {
            if let Some(up) = link.up {
                out.add(&[("link", &link.name)], up);
            }
        }
    }),
    gauge("vipdeck_finding", "Something is wrong; the kind says what. There is a sample while it holds.", |s, out| {
        for f in &s.snapshot.findings {
            out.add(&[("kind", &f.kind), ("subject", &f.subject), ("severity", &f.severity)], 1);
        }
    }),
    seconds("vipdeck_finding_age_seconds", "For how long it has held.", |s, out| {
        for f in &s.snapshot.findings {
            out.seconds(&[("kind", &f.kind), ("subject", &f.subject)], since(s, f.since));
        }
    }),
    counter("vipdeck_late_wakeups", "Wake-ups of the engine more than 50 ms late.", |s, out| {
        out.count(&[], s.snapshot.counters.late_wakeups);
    }),
    seconds("vipdeck_worst_lateness_seconds", "The latest wake-up of the engine since it started.", |s, out| {
        out.seconds(&[], s.snapshot.counters.worst_lateness);
    }),
    counter("vipdeck_malformed_packets", "Packets that were no valid VRRP.", |s, out| {
        out.count(&[], s.snapshot.counters.malformed);
    }),
    counter("vipdeck_unknown_vrid_adverts", "Valid adverts of virtual routers that are not ours.", |s, out| {
        out.count(&[], s.snapshot.counters.unknown_vrid);
    }),
    counter("vipdeck_send_errors", "Packets that could not be sent.", |s, out| {
        out.count(&[], s.snapshot.counters.send_errors);
    }),
    counter("vipdeck_change_errors", "Changes that the kernel refused.", |s, out| {
        out.count(&[], s.snapshot.counters.change_errors);
    }),
    counter(
        "vipdeck_table_drifts",
        "Changes of somebody else to what is ours in the load balancer's table.",
        |s, out| {
            out.count(&[], s.snapshot.counters.table_drifts);
        },
    ),
    seconds(
        "vipdeck_intent_age_seconds",
        "For how long an operator's order has been in force: a demotion, a drain and so on.",
        |s, out| {
            for view in &s.snapshot.intents.orders {
                let age = Duration::from_micros(s.snapshot.wall_us.saturating_sub(view.order.since_us)) + s.age;
                out.seconds(&[("order", &view.order.asked)], age);
            }
        },
    ),
    gauge("vipdeck_intent_not_saved", "Whether operators' orders are in force and not on disk.", |s, out| {
        out.add(&[], s.snapshot.intents.problem.is_some());
    }),
    // -- instances
    states("vipdeck_instance_state", "What a vrrp_instance is on this node.", |s, out| {
        for i in &s.snapshot.instances {
            let now = role(i);
            out.state(&instance(i), &ROLES, &now);
        }
    }),
    seconds("vipdeck_instance_state_age_seconds", "For how long it has been in its state.", |s, out| {
        for i in &s.snapshot.instances {
            out.seconds(&instance(i), since(s, i.since));
        }
    }),
    gauge("vipdeck_instance_priority", "What goes into the adverts.", |s, out| {
        each(s, out, |i| Some(i.effective_priority));
    }),
    gauge("vipdeck_instance_base_priority", "The priority of the file.", |s, out| {
        each(s, out, |i| Some(i.base_priority));
    }),
    gauge("vipdeck_instance_held", "Whether an operator has demoted it or made it take over.", |s, out| {
        each(s, out, |i| Some(i.hold.is_some()));
    }),
    seconds("vipdeck_instance_advert_interval_seconds", "From one advert to the next.", |s, out| {
        each(s, out, |i| Some(i.advert_interval.as_secs_f64()));
    }),
    seconds("vipdeck_instance_master_down_seconds", "Silence of the master until this node acts.", |s, out| {
        each(s, out, |i| Some(i.master_down.as_secs_f64()));
    }),
    seconds(
        "vipdeck_instance_last_advert_age_seconds",
        "Since the last advert of another router was heard.",
        |s, out| {
            for i in &s.snapshot.instances {
                if let Some(heard) = &i.master {
                    out.seconds(&instance(i), since(s, heard.at));
                }
            }
        },
    ),
    counter("vipdeck_instance_transitions", "Changes of state.", |s, out| count(s, out, |i| i.transitions_total)),
    counter("vipdeck_instance_became_master", "How often it became MASTER.", |s, out| {
        count(s, out, |i| i.became_master);
    }),
    counter("vipdeck_instance_released_master", "How often it left MASTER.", |s, out| {
        count(s, out, |i| i.released_master);
    }),
    counter("vipdeck_instance_adverts_sent", "Adverts sent.", |s, out| count(s, out, |i| i.adverts_sent)),
    counter("vipdeck_instance_adverts_heard", "Adverts heard and used.", |s, out| {
        count(s, out, |i| i.adverts_heard);
    }),
    counter("vipdeck_instance_adverts_refused", "Adverts heard and dropped.", |s, out| {
        count(s, out, |i| i.adverts_refused);
    }),
    counter("vipdeck_instance_packet_errors", "Adverts that were not as they should be, by reason.", packet_errors),
    counter(
        "vipdeck_instance_announcements_sent",
        "Gratuitous ARP and unsolicited neighbour advertisements sent.",
        |s, out| {
            count(s, out, |i| i.announcements_sent);
        },
    ),
    gauge("vipdeck_vip_present", "Whether the kernel has a virtual address.", |s, out| {
        vips(s, out, |v| match v.present {
            Presence::Yes => Some(true),
            Presence::No => Some(false),
            Presence::Unknown => None,
        });
    }),
    gauge("vipdeck_vip_wanted", "Whether this node should have the address.", |s, out| {
        vips(s, out, |v| Some(v.wanted));
    }),
    // -- what instances track
    gauge("vipdeck_script_good", "Whether a vrrp_script counts as good.", |s, out| {
        scripts(s, out, |x| x.good.map(f64::from));
    }),
    seconds("vipdeck_script_last_age_seconds", "Since its last run ended.", |s, out| {
        scripts(s, out, |x| x.last.as_ref().map(|l| since(s, l.at).as_secs_f64()));
    }),
    seconds("vipdeck_script_last_duration_seconds", "How long its last run took.", |s, out| {
        scripts(s, out, |x| x.last.as_ref().map(|l| l.took.as_secs_f64()));
    }),
    gauge("vipdeck_track_file_value", "What a tracked file holds.", |s, out| {
        for file in &s.snapshot.files {
            if let Some(value) = file.value {
                out.add(&[("file", &file.name)], value as f64);
            }
        }
    }),
    gauge("vipdeck_track_process_good", "Whether enough of the tracked processes run.", |s, out| {
        for process in &s.snapshot.processes {
            if let Some(good) = process.good {
                out.add(&[("process", &process.name)], good);
            }
        }
    }),
    gauge("vipdeck_bfd_good", "Whether a BFD session counts as good.", |s, out| {
        for session in &s.snapshot.bfd.sessions {
            out.add(&[("bfd", &session.name), ("neighbor", &session.neighbor)], session.good);
        }
    }),
    counter("vipdeck_bfd_downs", "How often a BFD session left Up.", |s, out| {
        for session in &s.snapshot.bfd.sessions {
            out.count(&[("bfd", &session.name), ("neighbor", &session.neighbor)], session.downs);
        }
    }),
    // -- services
    gauge("vipdeck_service_present", "Whether the load balancer's table has a virtual service.", |s, out| {
        services(s, out, |v| v.present.map(f64::from));
    }),
    gauge("vipdeck_service_serving", "Whether this node has its address, and so its traffic.", |s, out| {
        services(s, out, |v| v.serving.map(f64::from));
    }),
    gauge("vipdeck_service_quorum_up", "Whether the servers that are up weigh enough.", |s, out| {
        services(s, out, |v| v.quorum.map(|q| f64::from(q.up)));
    }),
    gauge("vipdeck_service_quorum_needed", "How much they have to weigh.", |s, out| {
        services(s, out, |v| v.quorum.map(|q| q.needed.into()));
    }),
    gauge("vipdeck_service_weight_up", "How much they weigh.", |s, out| {
        services(s, out, |v| v.quorum.map(|q| q.weight as f64));
    }),
    gauge("vipdeck_service_sorry_serving", "Whether the sorry server serves.", |s, out| {
        services(s, out, |v| v.sorry.map(|x| f64::from(x.serving)));
    }),
    // -- real servers
    gauge("vipdeck_real_up", "Whether a real server counts as up; one that is not checked does.", |s, out| {
        reals(s, out, |r| up(&r.health).map(f64::from));
    }),
    seconds("vipdeck_real_health_age_seconds", "For how long it has been so.", |s, out| {
        reals(s, out, |r| Some(since(s, r.health.since).as_secs_f64()));
    }),
    states("vipdeck_real_admin", "What an operator asked of it.", |s, out| {
        for (service, real) in pairs(s) {
            let now = admin(real);
            out.state(&server(service, real), &ADMINS, &now);
        }
    }),
    seconds("vipdeck_real_drain_age_seconds", "For how long it has been draining.", |s, out| {
        reals(s, out, |r| r.drain.as_ref().map(|d| (d.age(s.snapshot.at) + s.age).as_secs_f64()));
    }),
    gauge("vipdeck_real_weight_configured", "Its weight in the file.", |s, out| {
        reals(s, out, |r| Some(r.weight_configured.into()));
    }),
    gauge("vipdeck_real_weight_effective", "The weight that the table should hold.", |s, out| {
        reals(s, out, |r| r.weight_effective.map(f64::from));
    }),
    gauge("vipdeck_real_weight_kernel", "The weight that was read back.", |s, out| {
        reals(s, out, |r| r.weight_kernel.map(f64::from));
    }),
    gauge("vipdeck_real_active_connections", "Established connections.", |s, out| {
        reals(s, out, |r| r.active.map(f64::from));
    }),
    gauge("vipdeck_real_inactive_connections", "Connections in other states.", |s, out| {
        reals(s, out, |r| r.inactive.map(f64::from));
    }),
    gauge("vipdeck_real_sticky_clients", "Clients that stick to it.", |s, out| {
        reals(s, out, |r| r.sticky.map(f64::from));
    }),
    counter("vipdeck_real_connections", "Connections given to it.", |s, out| {
        totals(s, out, |r| r.connections_total);
    }),
    bytes("vipdeck_real_received_bytes", "Sent to it by clients.", |s, out| totals(s, out, |r| r.bytes_in)),
    bytes("vipdeck_real_sent_bytes", "Sent by it to clients, as far as they pass here.", |s, out| {
        totals(s, out, |r| r.bytes_out);
    }),
    counter("vipdeck_real_received_packets", "Sent to it by clients.", |s, out| totals(s, out, |r| r.packets_in)),
    counter("vipdeck_real_sent_packets", "Sent by it to clients, as far as they pass here.", |s, out| {
        totals(s, out, |r| r.packets_out);
    }),
    seconds("vipdeck_real_counted_age_seconds", "Since its connections and bytes were read.", |s, out| {
        reals(s, out, |r| r.counted_at.map(|at| since(s, at).as_secs_f64()));
    }),
    gauge("vipdeck_check_up", "Whether one check of a real server counts as passed.", |s, out| {
        checks(s, out, |c| match c.verdict {
            Verdict::Up => Some(1.0),
            Verdict::Down => Some(0.0),
            Verdict::Unchecked | Verdict::NoCheck | Verdict::Newer(_) => None,
        });
    }),
    gauge("vipdeck_check_failing", "Failures in a row that have not changed that yet.", |s, out| {
        checks(s, out, |c| Some(c.failing.into()));
    }),
    seconds("vipdeck_check_last_duration_seconds", "How long its last run took.", |s, out| {
        checks(s, out, |c| c.last.as_ref().map(|l| l.found.took.as_secs_f64()));
    }),
    seconds("vipdeck_check_last_age_seconds", "Since its last run ended.", |s, out| {
        checks(s, out, |c| c.last.as_ref().map(|l| since(s, l.at).as_secs_f64()));
    }),
];

fn since(s: &Seen, then: Instant) -> Duration {
    s.snapshot.age(then) + s.age
}

fn node(s: &Seen, out: &mut Samples) {
    let node = &s.snapshot.node;
    out.count(
        &[
            ("version", &node.version),
            ("api", &s.snapshot.api),
            ("config", &node.config),
            ("dataplane", &node.dataplane.kind),
        ],
        1,
    );
}

/// "instance" is what Prometheus calls the process that it asks.
fn instance(i: &Instance) -> Labels<'_, 3> {
    [("vrrp_instance", &i.name), ("vrid", &i.vrid), ("link", &i.interface)]
}

fn role(i: &Instance) -> String {
    match i.state {
        crate::status::Role::Newer(word) => word.as_str().to_owned(),
        role => role.to_string(),
    }
}

fn each<T: Into<f64>>(s: &Seen, out: &mut Samples, value: impl Fn(&Instance) -> Option<T>) {
    for i in &s.snapshot.instances {
        if let Some(value) = value(i) {
            out.add(&instance(i), value);
        }
    }
}

fn count(s: &Seen, out: &mut Samples, value: impl Fn(&Instance) -> u64) {
    for i in &s.snapshot.instances {
        out.count(&instance(i), value(i));
    }
}

fn packet_errors(s: &Seen, out: &mut Samples) {
    for i in &s.snapshot.instances {
        let p = &i.packets;
        let all = [
            ("length", p.length),
            ("checksum", p.checksum),
            ("ttl", p.ttl),
            ("version", p.version),
            ("invalid_type", p.invalid_type),
            ("interval", p.interval),
            ("address_list", p.address_list),
            ("invalid_auth_type", p.invalid_auth_type),
            ("auth_type", p.auth_type),
            ("auth_failure", p.auth_failure),
            ("auth_ext_missing", p.auth_ext_missing),
            ("auth_ext_malformed", p.auth_ext_malformed),
            ("auth_ext_unknown_key", p.auth_ext_unknown_key),
            ("auth_ext_invalid_hmac", p.auth_ext_invalid_hmac),
            ("auth_ext_stale", p.auth_ext_stale),
            ("auth_ext_replay", p.auth_ext_replay),
            ("peer", p.peer),
        ];
        let [name, vrid, link] = instance(i);
        for (reason, number) in all {
            out.count(&[name, vrid, link, ("reason", &reason)], number);
        }
    }
}

fn vips(s: &Seen, out: &mut Samples, value: impl Fn(&crate::status::Vip) -> Option<bool>) {
    for i in &s.snapshot.instances {
        for vip in &i.vips {
            if let Some(value) = value(vip) {
                out.add(&[("vrrp_instance", &i.name), ("address", &vip.net), ("link", &vip.link)], value);
            }
        }
    }
}

fn scripts(s: &Seen, out: &mut Samples, value: impl Fn(&Script) -> Option<f64>) {
    for script in &s.snapshot.scripts {
        if let Some(value) = value(script) {
            out.add(&[("script", &script.name)], value);
        }
    }
}

fn services(s: &Seen, out: &mut Samples, value: impl Fn(&Service) -> Option<f64>) {
    for service in &s.snapshot.services {
        if let Some(value) = value(service) {
            out.add(&[("service", &service.id)], value);
        }
    }
}

fn pairs<'a>(s: &Seen<'a>) -> impl Iterator<Item = (&'a Service, &'a Real)> + use<'a> {
    s.snapshot.services.iter().flat_map(|service| service.reals.iter().map(move |real| (service, real)))
}

fn server<'a>(service: &'a Service, real: &'a Real) -> Labels<'a, 2> {
    [("service", &service.id), ("real", &real.id)]
}

fn reals(s: &Seen, out: &mut Samples, value: impl Fn(&Real) -> Option<f64>) {
    for (service, real) in pairs(s) {
        if let Some(value) = value(real) {
            out.add(&server(service, real), value);
        }
    }
}

fn totals(s: &Seen, out: &mut Samples, value: impl Fn(&Real) -> Option<u64>) {
    for (service, real) in pairs(s) {
        if let Some(value) = value(real) {
            out.count(&server(service, real), value);
        }
    }
}

const fn up(health: &Health) -> Option<bool> {
    match health.verdict {
        Verdict::Up | Verdict::Unchecked | Verdict::NoCheck => Some(true),
        Verdict::Down => Some(false),
        Verdict::Newer(_) => None,
    }
}

fn admin(real: &Real) -> String {
    use crate::status::Admin;
    match real.admin {
        Admin::Ready => "ready",
        Admin::Drain => "drain",
        Admin::Drained => "drained",
        Admin::Maint => "maint",
        Admin::Newer(word) => word.as_str(),
    }
    .to_owned()
}

fn checks(s: &Seen, out: &mut Samples, value: impl Fn(&crate::status::CheckStatus) -> Option<f64>) {
    for (service, real) in pairs(s) {
        let [of, on] = server(service, real);
        for (number, check) in real.checks.iter().enumerate() {
            if let Some(value) = value(check) {
                // Two checks of one server may look at the same place.
                out.add(&[of, on, ("check", &number), ("method", &check.method), ("target", &check.target)], value);
            }
        }
    }
}
