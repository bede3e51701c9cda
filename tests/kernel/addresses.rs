//! Adding, removing and watching addresses and links.

use crate::namespaces::{Pair, inside_async, run};
use std::collections::BTreeMap;
use std::process::Command;
use vipdeck::kernel::{Address, Change, Link};
use vipdeck::net::LinkName;
use vipdeck::sys::Outcome;
use vipdeck::sys::netlink::{Batches, LinkEvent, Monitor, Netlink, PROTOCOL_TAG};

fn address(link: &str, net: &str) -> Address {
    Address::new(LinkName::new(link).unwrap(), net.parse().unwrap())
}

/// The first full set.
async fn initial(monitor: &mut Monitor) -> BTreeMap<String, Link> {
    let mut links = BTreeMap::new();
    loop {
        match monitor.next().await {
            LinkEvent::Link(link) => drop(links.insert(link.name.to_string(), link)),
            LinkEvent::Gone(name) => panic!("{name} is gone before it was there"),
            LinkEvent::Resynced => return links,
        }
    }
}

/// The next state of eth0 that satisfies `is`.
async fn eth0(monitor: &mut Monitor, is: impl Fn(&Link) -> bool) -> Link {
    loop {
        if let LinkEvent::Link(link) = monitor.next().await
            && link.name.as_str() == "eth0"
            && is(&link)
        {
            return link;
        }
    }
}

#[test]
fn an_address_comes_and_goes_with_its_label_and_the_monitor_sees_it() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.a, || async {
        let (netlink, mut monitor) = Netlink::open().unwrap();
        let links = initial(&mut monitor).await;
        assert_eq!(links.keys().map(String::as_str).collect::<Vec<_>>(), ["eth0", "lo"]);
        assert!(links["eth0"].mac.is_some() && links["eth0"].mtu == 1500, "{links:?}");
        assert!(links["eth0"].addresses.contains_key(&"10.9.0.1/24".parse().unwrap()));

        let mut vip = address("eth0", "10.9.0.20/24");
        vip.label = Some("eth0:vip".into());
        assert_eq!(netlink.add(&vip).await.unwrap(), Outcome::Done);
        assert_eq!(netlink.add(&vip).await.unwrap(), Outcome::AlreadySo);
        let seen = eth0(&mut monitor, |link| link.addresses.contains_key(&vip.net)).await;
        // Kernels before 5.18 keep no tag.
        assert!([0, PROTOCOL_TAG].contains(&seen.addresses[&vip.net]));
        let listed = pair.ip_a("address show dev eth0");
        assert!(listed.contains("inet 10.9.0.20/24 scope global secondary") && listed.contains("eth0:vip"), "{listed}");
        assert!(!listed.contains("10.9.0.20/24 brd"), "no broadcast address was asked for: {listed}");

        assert_eq!(netlink.apply(&Change::RemoveAddress(vip.clone())).await.unwrap(), Outcome::Done);
        assert_eq!(netlink.apply(&Change::RemoveAddress(vip.clone())).await.unwrap(), Outcome::AlreadySo);
        eth0(&mut monitor, |link| !link.addresses.contains_key(&vip.net)).await;
        assert!(!pair.ip_a("address show dev eth0").contains("10.9.0.20"));
    });
}

#[test]
fn what_others_do_to_addresses_and_links_is_seen() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.a, || async {
        let (netlink, mut monitor) = Netlink::open().unwrap();
        initial(&mut monitor).await;
        let vip = address("eth0", "10.9.0.20/32");
        let six = address("eth0", "2001:db8::20/128");
        netlink.add(&vip).await.unwrap();
        netlink.add(&six).await.unwrap();
        let both = |link: &Link| link.addresses.contains_key(&vip.net) && link.addresses.contains_key(&six.net);
        eth0(&mut monitor, both).await;
        pair.ip_a("address delete 10.9.0.20/32 dev eth0");
        eth0(&mut monitor, |link| !link.addresses.contains_key(&vip.net)).await;

        pair.ip_a("link set eth0 down");
        eth0(&mut monitor, |link| !link.up).await;
        pair.ip_a("link set eth0 up");
        eth0(&mut monitor, |link| link.up).await;
        pair.ip_b("link set eth0 down");
        eth0(&mut monitor, |link| !link.up).await;
        pair.ip_a("link delete eth0");
        while monitor.next().await != LinkEvent::Gone(LinkName::new("eth0").unwrap()) {}
        assert_eq!(netlink.remove(&six).await.unwrap(), Outcome::AlreadySo);
    });
}

#[test]
fn a_refusal_names_verb_object_and_cause() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.a, || async {
        let (netlink, _monitor) = Netlink::open().unwrap();
        let error = netlink.add(&address("nope0", "10.0.0.9/24")).await.unwrap_err();
        assert_eq!(error.to_string(), "add 10.0.0.9/24 to nope0: No such device (os error 19)");
        let mut labelled = address("eth0", "10.0.0.9/24");
        labelled.label = Some("longer-than-a-label-may-be".into());
        let error = netlink.add(&labelled).await.unwrap_err();
        assert!(error.to_string().starts_with("add 10.0.0.9/24 to eth0: "), "{error}");
        let table = Change::RemoveService("tcp/192.0.2.1:80".parse().unwrap());
        assert!(netlink.apply(&table).await.is_err());
    });
}

#[test]
fn lost_notifications_lead_to_a_new_full_read() {
    const MANY: usize = 6000;
    let Some(pair) = Pair::new() else { return };
    let mut batch = tempfile::NamedTempFile::new().unwrap();
    for i in 0..MANY {
        let line = format!("address add 10.{}.{}.{}/32 dev eth0", 10 + i / 40_000, i / 200 % 200, i % 200 + 1);
        std::io::Write::write_all(&mut batch, (line + "\n").as_bytes()).unwrap();
    }
    inside_async(&pair.a, || async {
        let (_netlink, mut monitor) = Netlink::open().unwrap();
        initial(&mut monitor).await;
        // The runtime stands still meanwhile: nothing is read from the socket.
        let done = Command::new("ip").args(["-n", &pair.a, "-batch"]).arg(batch.path()).status().unwrap();
        assert!(done.success());
        let mut known = 0;
        loop {
            match monitor.next().await {
                LinkEvent::Link(link) if link.name.as_str() == "eth0" => known = link.addresses.len(),
                LinkEvent::Resynced => break,
                LinkEvent::Link(_) | LinkEvent::Gone(_) => {}
            }
        }
        assert!(known >= MANY, "{known} addresses after the new read");
    });
    run(&["-n", &pair.a, "link", "delete", "eth0"]);
}

#[test]
fn every_option_of_an_address_stands_in_the_kernel_and_leaves_with_it() {
    let Some(pair) = Pair::new() else { return };
    let mut peered = address("eth0", "10.9.7.1/32");
    peered.peer = Some("10.9.7.2/24".parse().unwrap());
    let mut old = address("eth0", "10.9.8.1/24");
    (old.preferred, old.flags.noprefixroute, old.scope) = (Some(0), true, vipdeck::kernel::Scope::Link);
    old.broadcast = Some("10.9.8.255".parse().unwrap());
    let six = address("eth0", "2001:db8::20/64");
    let mut detected = address("eth0", "2001:db8::21/64");
    (detected.flags.dad, detected.flags.home, detected.preferred) = (true, true, Some(3000));
    let all = [peered, old, six, detected];
    inside_async(&pair.a, || async {
        let (netlink, mut monitor) = Netlink::open().unwrap();
        initial(&mut monitor).await;
        for address in &all {
            assert_eq!(netlink.add(address).await.unwrap(), Outcome::Done, "{address}");
        }
        eth0(&mut monitor, |link| all.iter().all(|a| link.addresses.contains_key(&a.listed()))).await;
        let listed = pair.ip_a("address show dev eth0");
        let line = |of: &str| listed.lines().find(|l| l.contains(of)).unwrap_or_else(|| panic!("{of}: {listed}"));
        assert!(line("10.9.7.1").contains("inet 10.9.7.1 peer 10.9.7.2/24"), "{listed}");
        let old = line("10.9.8.1");
        assert!(old.contains("brd 10.9.8.255 scope link") && old.contains("deprecated noprefixroute"), "{listed}");
        assert!(line("2001:db8::20/64").contains("nodad"), "{listed}");
        assert!(!line("2001:db8::21/64").contains("nodad") && line("2001:db8::21/64").contains("home"), "{listed}");
        assert!(listed.contains("preferred_lft 3000sec") || listed.contains("preferred_lft 2999sec"), "{listed}");
        for address in &all {
            assert_eq!(netlink.remove(address).await.unwrap(), Outcome::Done, "{address}");
        }
        let left = pair.ip_a("address show dev eth0");
        assert!(!left.contains("10.9.7.") && !left.contains("10.9.8.") && !left.contains("2001:db8"), "{left}");
    });
}

#[test]
fn many_changes_go_together_and_each_has_its_own_result() {
    let Some(pair) = Pair::new() else { return };
    let nets = (1..=100).map(|n| address("eth0", &format!("10.9.5.{n}/32"))).collect::<Vec<_>>();
    inside_async(&pair.a, || async {
        let mut batches = Batches::open().unwrap();
        let leases: Vec<_> = nets.iter().map(|a| Change::LeaseAddress(a.clone(), 600)).collect();
        assert!(batches.apply(&leases).into_iter().all(|r| r.unwrap() == Outcome::Done));
        assert_eq!(pair.ip_a("-oneline address show dev eth0").matches("10.9.5.").count(), 100);

        let mut labelled = address("eth0", "10.9.6.2/32");
        labelled.label = Some("longer-than-a-label-may-be".into());
        let mixed = [
            Change::RenewAddress(nets[0].clone(), 900),
            Change::AddAddress(nets[1].clone()),
            Change::AddAddress(address("eth0", "10.9.6.1/32")),
            Change::AddAddress(labelled),
            Change::RemoveAddress(nets[2].clone()),
            Change::RemoveAddress(address("eth0", "10.9.6.9/32")),
            Change::AddAddress(address("nope0", "10.9.6.3/32")),
            Change::RemoveAddress(address("nope0", "10.9.6.3/32")),
            Change::RemoveService("tcp/192.0.2.1:80".parse().unwrap()),
        ];
        let results = batches.apply(&mixed);
        let told: Vec<_> = results.iter().map(|r| r.as_ref().map_err(ToString::to_string)).collect();
        let (done, so) = (Ok(&Outcome::Done), Ok(&Outcome::AlreadySo));
        assert_eq!((&told[0], &told[1], &told[2]), (&done, &so, &done));
        assert!(told[3].as_ref().unwrap_err().starts_with("add 10.9.6.2/32 to eth0: "), "{told:?}");
        assert_eq!((&told[4], &told[5], &told[7]), (&done, &so, &so));
        assert_eq!(told[6].as_ref().unwrap_err(), "add 10.9.6.3/32 to nope0: No such device (os error 19)");
        assert!(told[8].is_err());
        let listed = pair.ip_a("address show dev eth0");
        assert!(listed.contains("valid_lft 900sec") || listed.contains("valid_lft 899sec"), "{listed}");
        assert!(listed.contains("10.9.6.1/32") && !listed.contains("10.9.5.3/32"), "{listed}");
    });
}
