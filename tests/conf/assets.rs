//! The examples that come with the program.

use crate::root;
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Config, Memory};

#[test]
fn both_examples_are_clean() {
    for name in ["vip-pair/server1", "vip-pair/server2", "dual-master-dr/lvs1", "dual-master-dr/lvs2"] {
        read(name);
    }
}

#[test]
fn the_pair_agrees_on_everything_but_who_is_first() {
    let (one, two) = (read("vip-pair/server1"), read("vip-pair/server2"));
    assert_eq!((one.router_id.as_deref(), two.router_id.as_deref()), (Some("server1"), Some("server2")));
    assert_eq!(one.scripts, two.scripts);
    let [a] = one.instances.as_slice() else { panic!("one instance") };
    let [b] = two.instances.as_slice() else { panic!("one instance") };
    assert_eq!((a.priority, b.priority, a.wishes_master, b.wishes_master), (100, 90, true, false));
    assert_eq!((a.vrid, &a.addresses, &a.auth), (b.vrid, &b.addresses, &b.auth));
    // A failed check must put server1 below server2.
    assert!(i32::from(a.priority) + one.scripts.iter().map(|s| s.weight).sum::<i32>() < i32::from(b.priority));
}

#[test]
fn the_directors_mirror_each_other() {
    let (one, two) = (read("dual-master-dr/lvs1"), read("dual-master-dr/lvs2"));
    assert_eq!(one.services, two.services);
    assert_eq!(one.services.len(), 2);
    let priorities = |config: &Config| config.instances.iter().map(|i| i.priority).collect::<Vec<_>>();
    assert_eq!((priorities(&one), priorities(&two)), (vec![150, 100], vec![100, 150]));
    for (a, b) in one.instances.iter().zip(&two.instances) {
        assert_eq!((&a.name, a.vrid, &a.addresses, &a.auth), (&b.name, b.vrid, &b.addresses, &b.auth));
    }
}

fn read(name: &str) -> Config {
    let path: PathBuf = root().join("assets").join(format!("{name}.conf"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (config, diagnostics, _) = conf::parse(Path::new("x"), &Memory::one("x", &text));
    assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
    config
}
