//! A namespace as a value, the steps applied to it.

use super::*;

fn a() -> IpAddr {
    "192.0.2.10".parse().unwrap()
}

fn b() -> IpAddr {
    "192.0.2.20".parse().unwrap()
}

fn six() -> IpAddr {
    "2001:db8::10".parse().unwrap()
}

fn fresh() -> Observed {
    let value = |setting: &Setting| match setting.need {
        Need::On(_) => None,
        Need::V4 | Need::V6 => Some("0".into()),
    };
    Observed {
        links: [(Device::Lo, Seen { up: true, addresses: BTreeSet::new() })].into(),
        loopback: true,
        settings: SETTINGS.into_iter().map(|setting| ObservedSetting { setting, value: value(&setting) }).collect(),
        ..Observed::default()
    }
}

/// What the kernel would make of it.
fn apply(observed: &mut Observed, steps: &[Step]) {
    let link = |observed: &mut Observed, device: Device, up: bool| {
        observed.links.get_mut(&device).unwrap().up = up;
        observed.loopback |= device == Device::Lo;
    };
    for step in steps {
        match step {
            Step::Make(device) => {
                assert!(observed.links.insert(*device, Seen::default()).is_none());
                let of = |s: &&mut ObservedSetting| s.setting.need == Need::On(*device);
                observed.settings.iter_mut().filter(of).for_each(|s| s.value = Some("1".into()));
            }
            Step::Remove(device) => {
                assert!(observed.links.remove(device).is_some());
                let of = |s: &&mut ObservedSetting| s.setting.need == Need::On(*device);
                observed.settings.iter_mut().filter(of).for_each(|s| s.value = None);
            }
            Step::Raise(device) => link(observed, *device, true),
            Step::Lower(device) => link(observed, *device, false),
            Step::RemoveLoopback => observed.loopback = false,
            Step::Set { setting, value, .. } => {
                let seen = observed.settings.iter_mut().find(|s| s.setting == *setting).unwrap();
                assert!(seen.value.is_some(), "{setting} is not there");
                seen.value = Some(value.clone());
            }
            Step::AddAddress(vip, device) => {
                assert!(observed.is_up(*device));
                assert!(observed.links.get_mut(device).unwrap().addresses.insert(*vip));
            }
            Step::AddRoute(vip) => assert!(observed.routes.insert(*vip)),
            Step::RemoveRoute(vip) => assert!(observed.routes.remove(vip)),
            Step::RemoveAddress(vip, device) => {
                assert!(observed.links.get_mut(device).unwrap().addresses.remove(vip));
            }
            Step::Leave { .. } => {}
        }
    }
}

/// As the command does it: links first, then again.
fn up_for_real(vips: &Vips, host: &mut Observed, memory: Memory) -> Memory {
    let (steps, memory) = up(vips, host, memory);
    let make: Vec<_> = steps.into_iter().filter(|step| matches!(step, Step::Make(_))).collect();
    apply(host, &make);
    let (steps, memory) = if make.is_empty() { up(vips, host, memory) } else { go_on(vips, host, memory) };
    apply(host, &steps);
    memory
}

fn direct(vips: &[IpAddr]) -> Vips {
    vips.iter().map(|vip| (*vip, Method::Direct)).collect()
}

fn text(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn up_silences_arp_before_the_first_vip_comes() {
    let (steps, _) = up(&direct(&[a()]), &fresh(), Memory::default());
    assert_eq!(
        text(&steps),
        [
            "set net.ipv4.conf.all.arp_ignore to 1 (was 0)",
            "set net.ipv4.conf.all.arp_announce to 2 (was 0)",
            "set net.ipv4.conf.lo.arp_ignore to 1 (was 0)",
            "set net.ipv4.conf.lo.arp_announce to 2 (was 0)",
            "add 192.0.2.10/32 to lo",
            "add route to 192.0.2.10 over lo",
        ]
    );
}

#[test]
fn ipv6_needs_no_setting_where_ipv6_is_on() {
    let (steps, _) = up(&direct(&[six()]), &fresh(), Memory::default());
    assert_eq!(text(&steps), ["add 2001:db8::10/128 to lo"]);
    let mut off = fresh();
    off.settings[5].value = Some("1".into());
    let (steps, memory) = up(&direct(&[six()]), &off, Memory::default());
    assert_eq!(text(&steps), ["set net.ipv6.conf.lo.disable_ipv6 to 0 (was 1)", "add 2001:db8::10/128 to lo"]);
    let before = off.clone();
    apply(&mut off, &steps);
    let (steps, _) = down(&BTreeSet::new(), &off, memory);
    apply(&mut off, &steps);
    assert_eq!(off, before);
}

#[test]
fn a_tunnel_is_made_filtered_loosely_and_up_before_its_vip_comes() {
    let vips = Vips::from([(a(), Method::Tunnel), (six(), Method::Tunnel)]);
    let (steps, _) = up(&vips, &fresh(), Memory::default());
    let steps = text(&steps);
    assert_eq!(steps[..2], ["make tunl0 (module ipip)", "make ip6tnl0 (module ip6_tunnel)"]);
    assert!(steps.contains(&"set net.ipv4.conf.tunl0.rp_filter to 2".into()), "{steps:?}");
    assert_eq!(
        steps[steps.len() - 4..],
        ["bring tunl0 up", "bring ip6tnl0 up", "add 192.0.2.10/32 to tunl0", "add 2001:db8::10/128 to ip6tnl0"]
    );
    let mut host = fresh();
    let memory = up_for_real(&vips, &mut host, Memory::default());
    assert_eq!(memory.settings["net/ipv4/conf/tunl0/rp_filter"], "1");
    let (again, memory) = up(&vips, &host, memory);
    assert!(again.is_empty(), "{again:?}");
    // The IPv4 one goes: its link and settings go, the other's stay.
    let (steps, memory) = down(&[a()].into(), &host, memory);
    apply(&mut host, &steps);
    assert!(!host.links.contains_key(&Device::Tunl0) && host.has(six(), Device::Ip6tnl0), "{steps:?}");
    assert_eq!(host.settings[0].value.as_deref(), Some("0"));
    let (steps, memory) = down(&BTreeSet::new(), &host, memory);
    apply(&mut host, &steps);
    assert_eq!((host, memory), (fresh(), Memory::default()));
}

#[test]
fn a_tunnel_that_was_there_stays_as_it_was() {
    let mut host = fresh();
    host.links.insert(Device::Tunl0, Seen::default());
    host.settings[4].value = Some("0".into());
    let before = host.clone();
    let memory = up_for_real(&Vips::from([(a(), Method::Tunnel)]), &mut host, Memory::default());
    let (steps, _) = down(&BTreeSet::new(), &host, memory);
    assert!(text(&steps).contains(&"bring tunl0 down, as it was".into()), "{steps:?}");
    apply(&mut host, &steps);
    assert_eq!(host, before);
}

#[test]
fn a_vip_that_is_served_in_another_way_moves_and_is_never_away() {
    let mut host = fresh();
    let memory = up_for_real(&direct(&[a()]), &mut host, Memory::default());
    host.links.insert(Device::Tunl0, Seen::default());
    host.settings[4].value = Some("1".into());
    let (steps, memory) = up(&Vips::from([(a(), Method::Tunnel)]), &host, memory);
    let steps_text = text(&steps);
    assert_eq!(
        steps_text[steps_text.len() - 3..],
        ["add 192.0.2.10/32 to tunl0", "remove route to 192.0.2.10 over lo", "remove 192.0.2.10/32 from lo"]
    );
    apply(&mut host, &steps);
    let (steps, memory) = down(&BTreeSet::new(), &host, memory);
    apply(&mut host, &steps);
    assert!(!host.has(a(), Device::Lo) && !host.has(a(), Device::Tunl0) && memory == Memory::default());
}

#[test]
fn lo_goes_down_again_without_what_came_with_it() {
    let mut host = fresh();
    host.links.get_mut(&Device::Lo).unwrap().up = false;
    host.loopback = false;
    let before = host.clone();
    let memory = up_for_real(&direct(&[a()]), &mut host, Memory::default());
    assert!(host.loopback);
    let (steps, _) = down(&BTreeSet::new(), &host, memory);
    apply(&mut host, &steps);
    assert_eq!(host, before);
}

#[test]
fn up_twice_does_nothing_and_down_puts_all_back() {
    let mut host = fresh();
    host.settings[0].value = Some("2".into());
    host.settings[1].value = Some("1".into());
    let before = host.clone();
    let memory = up_for_real(&direct(&[a(), b(), six()]), &mut host, Memory::default());
    assert_eq!(host.settings[0].value.as_deref(), Some("2"), "it answers even less");
    let (again, memory) = up(&direct(&[a(), b(), six()]), &host, memory);
    assert!(again.is_empty(), "{again:?}");
    let (steps, memory) = down(&BTreeSet::new(), &host, memory);
    apply(&mut host, &steps);
    assert_eq!(host, before);
    assert_eq!(memory, Memory::default());
}

#[test]
fn the_settings_stay_until_the_last_vip_goes() {
    let mut host = fresh();
    let memory = up_for_real(&direct(&[a()]), &mut host, Memory::default());
    let (steps, memory) = up(&direct(&[b()]), &host, memory);
    assert_eq!(text(&steps), ["add 192.0.2.20/32 to lo", "add route to 192.0.2.20 over lo"]);
    apply(&mut host, &steps);
    let (steps, memory) = down(&[a()].into(), &host, memory);
    assert_eq!(text(&steps), ["remove route to 192.0.2.10 over lo", "remove 192.0.2.10/32 from lo"]);
    apply(&mut host, &steps);
    let (steps, memory) = down(&[b()].into(), &host, memory);
    apply(&mut host, &steps);
    assert_eq!((host, memory), (fresh(), Memory::default()));
}

#[test]
fn what_was_there_before_stays() {
    let mut host = fresh();
    host.links.get_mut(&Device::Lo).unwrap().addresses.insert(a());
    let memory = up_for_real(&direct(&[a()]), &mut host, Memory::default());
    let (steps, _) = down(&BTreeSet::new(), &host, memory);
    apply(&mut host, &steps);
    assert!(host.has(a(), Device::Lo) && !host.has_route(a()));
}

#[test]
fn a_setting_that_somebody_changed_since_is_left() {
    let mut host = fresh();
    let memory = up_for_real(&direct(&[a()]), &mut host, Memory::default());
    host.settings[0].value = Some("8".into());
    let (steps, _) = down(&BTreeSet::new(), &host, memory);
    assert!(
        text(&steps).contains(&"leave net.ipv4.conf.all.arp_ignore at 8: it was changed since".into()),
        "{steps:?}"
    );
}

#[test]
fn a_memory_without_a_trace_is_forgotten() {
    let (_, memory) = up(&direct(&[a(), six()]), &fresh(), Memory::default());
    let (steps, memory) = down(&BTreeSet::new(), &fresh(), memory.clone());
    assert_eq!((steps, memory), (vec![], Memory::default()));
}

#[test]
fn a_named_vip_goes_even_if_nothing_is_remembered() {
    let mut host = fresh();
    host.links.get_mut(&Device::Lo).unwrap().addresses.insert(a());
    let (steps, _) = down(&[a()].into(), &host, Memory::default());
    assert_eq!(text(&steps), ["remove 192.0.2.10/32 from lo"]);
}
