//! What a console needs to run an election on from where it stands.

use super::router::Router;
use crate::net::Family;
use crate::status::Election;
use crate::vrrp::Peering;

/// Everything that decides and stands nowhere else in the instance's report.
pub(super) fn election(router: &Router) -> Election {
    let (spec, moment) = (router.machine.spec(), router.machine.moment());
    Election {
        ipv6: spec.family == Family::V6,
        wishes_master: spec.wishes_master,
        preempt_delay: spec.preempt_delay,
        down_adverts: spec.down_adverts,
        peers: match &spec.peering {
            Peering::Multicast(_) => Vec::new(),
            Peering::Unicast(unicast) => unicast.peers.iter().map(|p| p.address).collect(),
        },
        lower_prio_no_advert: spec.lower_prio_no_advert,
        higher_prio_send_advert: spec.higher_prio_send_advert,
        owner_ignore_adverts: spec.owner_ignore_adverts,
        not_before: moment.not_before,
        master_interval: moment.master_interval,
        quiet_since: moment.quiet_since,
        resigned: moment.resigned,
        preempt_at: moment.preempt_at,
        ready: moment.ready,
        release_at: moment.release_at,
        yields_since: moment.yields_since,
        succeeded: moment.succeeded,
        releases: moment.releases,
        barred: moment.barred,
        paused: moment.paused,
        gave_in: moment.gave_in,
        gives_in_at: moment.gives_in_at,
        adopting: moment.adopting,
        stopped: moment.stopped,
        own_faults: router.own_conditions.faults.clone(),
        waiting: router.machine.conditions().waiting.clone(),
        own_waiting: router.own_conditions.waiting.clone(),
    }
}
