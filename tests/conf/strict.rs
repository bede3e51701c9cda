//! Strict mode, rule by rule (keepalived.conf(5), vrrp_strict), and what virtual links and `no_accept` ask for.

use std::path::Path;
use vipdeck::conf::{self, Diagnostic, Entry, EntryKind, Loader, Memory, Program, Severity};
use vipdeck::kernel::VirtualLinkKind;
use vipdeck::time::Duration;
use vipdeck::vrrp::{Auth, Spec, Version};

const VIPS: &str = "virtual_ipaddress {\n192.0.2.10\n}";
const VIPS_6: &str = "virtual_ipaddress {\nfe80::10\n2001:db8::10\n}";

fn read(text: &str) -> (Vec<Spec>, Vec<Diagnostic>) {
    let (config, diagnostics, _) = conf::parse(Path::new("x"), &Memory::one("x", text));
    (config.instances, diagnostics)
}

fn of(lines: &str) -> String {
    format!("vrrp_instance A {{\ninterface eth0\nvirtual_router_id 51\n{lines}\n}}\n")
}

/// One instance in strict mode, and the ids of what is said.
fn strict(lines: &str) -> (Spec, Vec<(&'static str, Severity)>) {
    let (mut specs, diagnostics) = read(&of(&format!("strict_mode\n{lines}")));
    (specs.remove(0), diagnostics.iter().map(|d| (d.id, d.severity)).collect())
}

fn says(said: &[(&'static str, Severity)], id: &str, severity: Severity) -> bool {
    said.contains(&(said.iter().map(|(id, _)| *id).find(|known| *known == id).unwrap_or_default(), severity))
}

// parity: 33
#[test]
fn strict_mode_refuses_an_instance_without_addresses_and_unicast() {
    let (_, said) = strict("priority 100");
    assert!(says(&said, "no-addresses", Severity::Error), "{said:?}");
    let (_, said) = strict(&format!("no_virtual_ipaddress\nunicast_peer {{\n192.0.2.2\n}}\n{VIPS}"));
    assert!(says(&said, "strict-unicast", Severity::Error), "{said:?}");
    let (_, said) = strict(VIPS);
    assert!(said.is_empty(), "{said:?}");
}

// parity: 33
#[test]
fn strict_mode_speaks_vrrpv3_over_ipv6_and_wants_a_link_local_address_first() {
    let (spec, said) = strict(&format!("version 2\n{VIPS_6}"));
    assert_eq!(spec.version, Version::V3);
    assert!(says(&said, "vrrp-version", Severity::Warning), "{said:?}");
    let (_, said) = strict("virtual_ipaddress {\n2001:db8::10\n}");
    assert!(says(&said, "strict-link-local", Severity::Warning), "{said:?}");
    assert!(strict(VIPS_6).1.is_empty());
}

// parity: 33
#[test]
fn strict_mode_has_only_an_owner_begin_as_master_and_ignore_adverts() {
    let (spec, said) = strict(&format!("state MASTER\npriority 150\n{VIPS}"));
    assert!(!spec.wishes_master);
    assert!(says(&said, "strict-state", Severity::Warning), "{said:?}");
    let (spec, _) = strict(&format!("state MASTER\npriority 255\n{VIPS}"));
    assert!(spec.wishes_master && spec.owner_ignore_adverts);
    let (spec, _) = strict(&format!("priority 254\n{VIPS}"));
    assert!(!spec.owner_ignore_adverts);
}

// parity: 33
#[test]
fn strict_mode_drops_authentication_and_preempt_delay() {
    let auth = "authentication {\nauth_type PASS\nauth_pass secret\n}";
    let (spec, said) = strict(&format!("{auth}\npreempt_delay 20\n{VIPS}"));
    assert_eq!((spec.auth, spec.preempt_delay), (Auth::None, Duration::ZERO));
    assert!(says(&said, "authentication-ignored", Severity::Warning), "{said:?}");
    assert!(says(&said, "preempt-delay-cleared", Severity::Warning), "{said:?}");
}

// parity: 33
#[test]
fn strict_mode_sets_how_a_master_answers_others() {
    let lines = "down_timer_adverts 5\nlower_prio_no_advert off\nhigher_prio_send_advert\ngarp_lower_prio_repeat 4\n\
                 garp_lower_prio_delay 3";
    let text = format!(
        "global_defs {{\nvrrp_strict\nvrrp_higher_prio_send_advert\n}}\n{}",
        of(&format!("{}\n{VIPS}", lines.replace("lower_prio_no_advert off\nhigher_prio_send_advert\n", "")))
    );
    let spec = read(&text).0.remove(0);
    assert!(spec.strict && spec.lower_prio_no_advert && !spec.higher_prio_send_advert);
    assert_eq!(spec.down_adverts, 3);
    assert_eq!((spec.garp.lower_priority_repeat, spec.garp.lower_priority_delay), (0, Duration::ZERO));
}

// parity: 33
#[test]
fn strict_mode_accepts_packets_for_an_owner_and_in_vrrpv3_if_it_is_said() {
    let refuses = |lines: &str| strict(&format!("{lines}\n{VIPS}")).0.refuses_packets();
    assert!(refuses("priority 100"));
    assert!(!refuses("priority 255\nstate MASTER"));
    assert!(!refuses("version 3\naccept"));
    assert!(refuses("version 3\nno_accept"));
    assert!(refuses("version 3"));
    let (spec, said) = strict(&format!("accept\n{VIPS}"));
    assert!(spec.refuses_packets());
    assert!(says(&said, "strict-accept", Severity::Warning), "{said:?}");
    assert!(!read(&of(VIPS)).0[0].refuses_packets(), "not in strict mode");
    assert!(read(&of(&format!("no_accept\n{VIPS}"))).0[0].refuses_packets());
}

// parity: 33
#[test]
fn strict_mode_takes_the_hardware_address_of_the_rfc_and_sends_with_it() {
    let (spec, said) = strict(&format!("use_vmac 02:00:00:00:00:07\nvmac_xmit_base\n{VIPS}"));
    assert_eq!(said.iter().filter(|s| **s == ("strict-vmac", Severity::Warning)).count(), 2, "{said:?}");
    let own = spec.virtual_link.unwrap();
    assert!(!own.adverts_on_base);
    assert_eq!(own.link.kind, VirtualLinkKind::Macvlan("00:00:5e:00:01:33".parse().unwrap()));
}

#[test]
fn virtual_links_are_named_as_keepalived_names_them() {
    let six = of("use_vmac\nvirtual_ipaddress {\nfe80::10\n}").replace("instance A", "instance B");
    let far = of("use_vmac\nvirtual_ipaddress {\n198.51.100.1\n}").replace("instance A", "instance C");
    let far = far.replace("eth0", "eth1");
    let own = of(&format!("use_vmac mine 02:00:00:00:01 group 7\n{VIPS}")).replace("51", "60");
    let own = own.replace("instance A", "instance D");
    let (specs, said) = read(&format!("{}{six}{far}{own}", of(&format!("use_vmac\n{VIPS}"))));
    assert_eq!(said, []);
    let shown = |spec: &Spec| spec.virtual_link.as_ref().map(|own| own.link.to_string()).unwrap_or_default();
    assert_eq!(
        specs.iter().map(shown).collect::<Vec<_>>(),
        [
            "macvlan vrrp.51 over eth0 with 00:00:5e:00:01:33",
            "macvlan vrrp6.51 over eth0 with 00:00:5e:00:02:33",
            "macvlan vrrp1.51 over eth1 with 00:00:5e:00:01:33",
            "macvlan mine over eth0 with 02:00:00:00:01:3c",
        ]
    );
    assert_eq!(specs[3].virtual_link.as_ref().unwrap().link.group, Some(7));
    assert_eq!(specs[0].addresses[0].link.as_str(), "vrrp.51");
}

/// As keepalived 2.2.7 puts them.
#[test]
fn addresses_go_on_the_link_with_the_hardware_address_of_their_family() {
    let lines = "use_vmac\nuse_vmac_addr\nvirtual_ipaddress {\n192.0.2.10\n198.51.100.1/24 dev eth1\n}\n\
                 virtual_ipaddress_excluded {\n2001:db8::10\n192.0.2.11 dev eth0\n}";
    let (specs, said) = read(&of(lines));
    assert_eq!(said, []);
    let links: Vec<_> = specs[0].all_addresses().map(|a| a.link.as_str()).collect();
    assert_eq!(links, ["vrrp.51", "vrrp1.51", "vrrp6.51", "vrrp.51"]);
    let (specs, _) = read(&of("use_vmac\nvirtual_ipaddress {\n192.0.2.10\n198.51.100.1/24 dev eth1 use_vmac\n}"));
    let links: Vec<_> = specs[0].virtual_links().map(ToString::to_string).collect();
    assert_eq!(links[1], "macvlan vrrp1.51 over eth1 with 00:00:5e:00:01:33");
}

#[test]
fn what_cannot_work_is_said() {
    let said = |text: &str| read(text).1.iter().map(|d| (d.id, d.severity)).collect::<Vec<_>>();
    let error = |lines: &str| {
        let said = said(&of(&format!("{lines}\n{VIPS}")));
        let found = said.iter().find(|(_, severity)| *severity == Severity::Error).map(|(id, _)| *id);
        found.unwrap_or_else(|| panic!("{lines}: {said:?}"))
    };
    assert_eq!(error("use_vmac a-name-that-is-too-long"), "bad-interface");
    assert_eq!(error("use_vmac eth0"), "bad-interface");
    assert_eq!(error("use_vmac 01:00:00:00:00:01"), "bad-mac");
    assert_eq!(error("use_vmac 00:00:5e:00:01:07"), "bad-mac");
    assert_eq!(error("use_vmac 00:11:22"), "bad-mac");
    assert_eq!(error("use_ipvlan"), "missing-argument");
    assert_eq!(error("use_ipvlan 2001:db8::1/64"), "bad-address");
    assert_eq!(said(&of(&format!("vmac_xmit_base\n{VIPS}"))), [("needs-vmac", Severity::Warning)]);
    assert_eq!(said(&of(&format!("no_accept\npriority 255\n{VIPS}"))), [("owner-accepts", Severity::Note)]);
    let prefix = format!("global_defs {{\nvmac_prefix a-long-prefix\n}}\n{}", of(&format!("use_vmac\n{VIPS}")));
    assert_eq!(said(&prefix), [("bad-interface", Severity::Error)]);
    // 192.0.2.10 of one and 192.0.2.11 of the other, on a third link.
    let with = |name: &str, vip: &str| {
        let lines = format!("use_vmac_addr\nvirtual_ipaddress {{\n{vip} dev eth9\n}}");
        of(&lines).replace("instance A", &format!("instance {name}")).replace("eth0", &format!("eth{}", name.len()))
    };
    let both = format!("{}{}", with("A", "192.0.2.10"), with("BB", "192.0.2.11"));
    assert_eq!(said(&both), [("duplicate-vmac", Severity::Error)]);
}

#[test]
fn unicast_leaves_on_the_base_link_and_an_ipvlan_sends_from_its_address() {
    let (specs, _) = read(&of(&format!("use_vmac\nunicast_peer {{\n192.0.2.2\n}}\n{VIPS}")));
    assert_eq!(specs[0].advert_link().as_str(), "eth0");
    let (specs, said) = read(&of(&format!("use_ipvlan 192.0.2.1/24 private\n{VIPS}")));
    assert_eq!(said, []);
    assert_eq!(specs[0].source, Some([192, 0, 2, 1].into()));
    assert_eq!(specs[0].advert_link().as_str(), "vrrp.51");
}

#[test]
fn a_service_on_an_address_that_accepts_nothing_is_said() {
    let service = "virtual_server 192.0.2.10 80 {\nlb_kind DR\nreal_server 192.0.2.20 80 {\n}\n}\n";
    let said = |lines: &str| {
        let (_, diagnostics) = read(&format!("{}{service}", of(&format!("{lines}\n{VIPS}"))));
        diagnostics.iter().any(|d| d.id == "no-accept-service")
    };
    assert!(said("no_accept") && said("strict_mode") && said("strict_mode\naccept"));
    assert!(!said("") && !said("strict_mode\nversion 3\naccept") && !said("no_accept\npriority 255"));
}

/// A machine without nft.
struct Bare(Memory);

impl Loader for Bare {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<Entry>> {
        self.0.list(directory)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.0.kind(path)
    }

    fn program(&self, _name: &str) -> Option<Program> {
        Some(Program::Missing)
    }
}

#[test]
fn what_needs_nft_is_an_error_where_there_is_none() {
    let said = |lines: &str| {
        let bare = Bare(Memory::one("x", &of(&format!("{lines}\n{VIPS}"))));
        conf::parse(Path::new("x"), &bare).1.iter().map(|d| (d.id, d.severity)).collect::<Vec<_>>()
    };
    assert_eq!(said("no_accept"), [("nft-missing", Severity::Error)]);
    assert_eq!(said("use_vmac"), [("nft-missing", Severity::Error)]);
    assert_eq!(said("strict_mode"), [("nft-missing", Severity::Error)]);
    assert_eq!(said("accept"), []);
    assert_eq!(said("strict_mode\npriority 255\nstate MASTER"), []);
}
