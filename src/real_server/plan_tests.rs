//! A namespace as a value, the steps applied to it.

use super::*;

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);

fn fresh() -> Observed {
    let setting = |setting| ObservedSetting { setting, value: "0".into() };
    Observed {
        lo_is_up: true,
        addresses: BTreeSet::new(),
        routes: BTreeSet::new(),
        settings: SETTINGS.into_iter().map(setting).collect(),
    }
}

fn apply(observed: &mut Observed, steps: &[Step]) {
    for step in steps {
        match step {
            Step::RaiseLo => observed.lo_is_up = true,
            Step::Set { setting, value, .. } => {
                let seen = observed.settings.iter_mut().find(|s| s.setting == *setting).unwrap();
                seen.value.clone_from(value);
            }
            Step::AddAddress(vip) => assert!(observed.addresses.insert(*vip)),
            Step::AddRoute(vip) => assert!(observed.routes.insert(*vip)),
            Step::RemoveRoute(vip) => assert!(observed.routes.remove(vip)),
            Step::RemoveAddress(vip) => assert!(observed.addresses.remove(vip)),
            Step::Leave { .. } => {}
        }
    }
}

fn set(vips: &[Ipv4Addr]) -> BTreeSet<Ipv4Addr> {
    vips.iter().copied().collect()
}

fn text(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn up_silences_arp_before_the_first_vip_comes() {
    let (steps, _) = up(&set(&[A]), &fresh(), Memory::default());
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
fn up_twice_does_nothing_and_down_puts_all_back() {
    let mut host = fresh();
    host.settings[0].value = "1".into();
    host.settings[1].value = "1".into();
    let before = host.clone();
    let (steps, memory) = up(&set(&[A, B]), &host, Memory::default());
    apply(&mut host, &steps);
    let (again, memory) = up(&set(&[A, B]), &host, memory);
    assert!(again.is_empty(), "{again:?}");
    let (steps, memory) = down(&set(&[]), &host, memory);
    apply(&mut host, &steps);
    assert_eq!(host, before);
    assert_eq!(memory, Memory::default());
}

#[test]
fn the_settings_stay_until_the_last_vip_goes() {
    let mut host = fresh();
    let (steps, memory) = up(&set(&[A]), &host, Memory::default());
    apply(&mut host, &steps);
    let (steps, memory) = up(&set(&[B]), &host, memory);
    assert_eq!(text(&steps), ["add 192.0.2.20/32 to lo", "add route to 192.0.2.20 over lo"]);
    apply(&mut host, &steps);
    let (steps, memory) = down(&set(&[A]), &host, memory);
    assert_eq!(text(&steps), ["remove route to 192.0.2.10 over lo", "remove 192.0.2.10/32 from lo"]);
    apply(&mut host, &steps);
    let (steps, memory) = down(&set(&[B]), &host, memory);
    apply(&mut host, &steps);
    assert_eq!((host, memory), (fresh(), Memory::default()));
}

#[test]
fn what_was_there_before_stays() {
    let mut host = fresh();
    host.addresses.insert(A);
    let (steps, memory) = up(&set(&[A]), &host, Memory::default());
    apply(&mut host, &steps);
    let (steps, _) = down(&set(&[]), &host, memory);
    apply(&mut host, &steps);
    assert!(host.addresses.contains(&A) && !host.routes.contains(&A));
}

#[test]
fn a_setting_that_somebody_changed_since_is_left() {
    let mut host = fresh();
    let (steps, memory) = up(&set(&[A]), &host, Memory::default());
    apply(&mut host, &steps);
    host.settings[0].value = "8".into();
    let (steps, _) = down(&set(&[]), &host, memory);
    assert!(
        text(&steps).contains(&"leave net.ipv4.conf.all.arp_ignore at 8: it was changed since".into()),
        "{steps:?}"
    );
}

#[test]
fn a_memory_without_a_trace_is_forgotten() {
    let (_, memory) = up(&set(&[A]), &fresh(), Memory::default());
    let (steps, memory) = down(&set(&[]), &fresh(), memory.clone());
    assert_eq!((steps, memory), (vec![], Memory::default()));
}

#[test]
fn a_named_vip_goes_even_if_nothing_is_remembered() {
    let mut host = fresh();
    host.addresses.insert(A);
    let (steps, _) = down(&set(&[A]), &host, Memory::default());
    assert_eq!(text(&steps), ["remove 192.0.2.10/32 from lo"]);
}

#[test]
fn an_address_that_cannot_be_a_vip_is_refused() {
    for bad in ["127.0.0.1", "0.0.0.0", "224.0.0.18", "255.255.255.255"] {
        assert!(matches!(vips(&[bad.parse().unwrap()]), Err(NoVip::Special(_))), "{bad}");
    }
    let error = vips(&["2001:db8::1".parse().unwrap()]).unwrap_err();
    assert_eq!(error.to_string(), "2001:db8::1: IPv6 is not supported yet; give IPv4 addresses");
}
