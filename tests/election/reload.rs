//! A reload under way: what did not change is not touched, what left is handed over.

use super::cluster::Cluster;
use std::time::Duration;
use vipdeck::conf::Config;
use vipdeck::kernel::Address;
use vipdeck::net::LinkName;
use vipdeck::status::Role;
use vipdeck::vrrp::{Spec, Vrid};

fn link() -> LinkName {
    LinkName::new("eth0").unwrap()
}

fn instance(number: u8, priority: u8) -> Spec {
    let address = format!("192.168.10.{}/24", 200 + number).parse().unwrap();
    Spec {
        priority,
        addresses: vec![Address::new(link(), address)],
        ..Spec::new(&format!("VI_{number}"), link(), Vrid::new(50 + number).unwrap())
    }
}

fn config(node: &str, instances: Vec<Spec>) -> Config {
    Config { router_id: Some(node.into()), instances, ..Config::default() }
}

/// Two nodes with two instances; the first is master of both.
fn cluster() -> Cluster {
    let mut cluster = Cluster::build(3, &[150, 100], |config| {
        let priority = config.instances[0].priority;
        config.instances = vec![instance(1, priority), instance(2, priority)];
    });
    cluster.world.run_for(Duration::from_secs(10));
    assert_eq!(roles(&mut cluster, 0), [Role::Master, Role::Master]);
    cluster
}

fn roles(cluster: &mut Cluster, host: usize) -> Vec<Role> {
    cluster.world.snapshot(host).unwrap().instances.iter().map(|i| i.state).collect()
}

fn holds(cluster: &Cluster, host: usize, last: u8) -> bool {
    cluster.world.hosts[host].holds(std::net::IpAddr::from([192, 168, 10, last]))
}

#[test]
fn what_did_not_change_is_not_touched() {
    let mut cluster = cluster();
    let before = cluster.world.snapshot(0).unwrap();
    let text = cluster.reload(0, config("node0", vec![instance(1, 150), instance(2, 120)])).unwrap();
    assert!(text.contains("VI_2: priority 150 → 120") && !text.contains("VI_1"), "{text}");
    let after = cluster.world.snapshot(0).unwrap();
    assert_eq!(after.instances[0], before.instances[0], "state, timers and statistics go on");
    assert_eq!(after.instances[1].adverts_sent, before.instances[1].adverts_sent + 1);
    assert_eq!(after.instances[1].since, before.instances[1].since);
    cluster.watch(Duration::from_secs(5), |c| assert!(holds(c, 0, 201) && holds(c, 0, 202)));
    assert_eq!(
        cluster.reload(0, config("node0", vec![instance(1, 150), instance(2, 120)])).unwrap(),
        "nothing differs"
    );
}

// parity-virtual: 86
#[test]
fn an_address_that_is_new_comes_and_one_that_left_goes_and_the_others_stay() {
    let mut cluster = cluster();
    let mut changed = instance(1, 150);
    changed.addresses = vec![Address::new(link(), "192.168.10.210/24".parse().unwrap())];
    cluster.reload(0, config("node0", vec![changed.clone(), instance(2, 150)])).unwrap();
    cluster.watch(Duration::from_secs(2), |c| {
        assert!(!holds(c, 0, 201) && holds(c, 0, 210) && holds(c, 0, 202));
    });
    // From one instance to another in one reload, both master: it never leaves.
    let mut other = instance(2, 150);
    other.addresses.extend(changed.addresses.clone());
    cluster.world.set_configuration(0, config("node0", vec![instance(1, 150), other.clone()]));
    cluster.reload(0, config("node0", vec![instance(1, 150), other])).unwrap();
    cluster.watch(Duration::from_secs(2), |c| assert!(holds(c, 0, 210) && holds(c, 0, 201)));
}

#[test]
fn an_instance_that_left_hands_its_address_over() {
    let mut cluster = cluster();
    let text = cluster.reload(0, config("node0", vec![instance(2, 150)])).unwrap();
    assert!(text.contains("VI_1: removed, hands its addresses over"), "{text}");
    let mut both = 0;
    cluster.watch(Duration::from_secs(3), |c| {
        assert!(holds(c, 0, 201) || holds(c, 1, 201), "somebody has it always");
        both += u32::from(holds(c, 0, 201) && holds(c, 1, 201));
    });
    assert!(holds(&cluster, 1, 201) && !holds(&cluster, 0, 201));
    assert!(both <= 1, "both had it for {both} ms");
    assert_eq!(roles(&mut cluster, 0), [Role::Master]);
    cluster.reload(0, config("node0", vec![instance(1, 150), instance(2, 150)])).unwrap();
    cluster.watch(Duration::from_secs(6), |c| assert!(holds(c, 0, 201) || holds(c, 1, 201)));
    assert_eq!(roles(&mut cluster, 0), [Role::Master, Role::Master]);
}

#[test]
fn a_preview_changes_nothing() {
    let mut cluster = cluster();
    let before = cluster.world.snapshot(0).unwrap();
    let text = cluster.preview(0, config("node0", vec![instance(2, 100), instance(3, 150)])).unwrap();
    assert_eq!(
        text,
        "this would change: VI_2: priority 150 → 100 (may lose MASTER to a higher priority); VI_3: new, starts as \
         BACKUP; VI_1: removed, hands its addresses over"
    );
    let after = cluster.world.snapshot(0).unwrap();
    assert_eq!(after.instances, before.instances);
}

// parity-virtual: 57
#[test]
fn the_same_weights_count_after_a_reload() {
    let mut cluster = Cluster::with_script(1, &[110, 100], 20);
    cluster.world.run_for(Duration::from_secs(6));
    let priority = |c: &mut Cluster| c.world.snapshot(0).unwrap().instances[0].effective_priority;
    assert_eq!(priority(&mut cluster), 130);
    let mut config = cluster.world.hosts[0].configuration().clone();
    config.instances[0].tracks[0].reverse = true;
    cluster.reload(0, config.clone()).unwrap();
    assert_eq!(priority(&mut cluster), 90, "the kept result counts with its sign");
    cluster.reload(0, config).unwrap();
    assert_eq!(priority(&mut cluster), 90);
}
