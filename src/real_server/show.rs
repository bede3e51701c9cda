//! What is set and what is not, as a table or as JSON. Pure.

use super::memory::Memory;
use super::plan::Observed;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::net::Ipv4Addr;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Whether there are VIPs, and all of them and all settings are as they should be.
    complete: bool,
    vips: Vec<Vip>,
    settings: Vec<Setting>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Vip {
    address: Ipv4Addr,
    on_lo: bool,
    route: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Setting {
    name: String,
    value: String,
    wanted: &'static str,
    /// The value that `down` puts back.
    before: Option<String>,
}

impl Report {
    /// About `vips`, or about those that `up` added if there are none.
    pub(super) fn new(vips: &BTreeSet<Ipv4Addr>, observed: &Observed, memory: Memory) -> Self {
        let memory = memory.unless_stale(observed);
        let remembered = vips.is_empty().then(|| memory.vips.keys().copied().collect());
        let vips: Vec<_> = remembered
            .as_ref()
            .unwrap_or(vips)
            .iter()
            .map(|vip| Vip {
                address: *vip,
                on_lo: observed.addresses.contains(vip),
                route: observed.routes.contains(vip),
            })
            .collect();
        let settings: Vec<_> = observed
            .settings
            .iter()
            .map(|seen| Setting {
                name: seen.setting.to_string(),
                value: seen.value.clone(),
                wanted: seen.setting.wanted,
                before: memory.settings.get(seen.setting.path).cloned(),
            })
            .collect();
        let complete = !vips.is_empty()
            && vips.iter().all(|vip| vip.on_lo && vip.route)
            && settings.iter().all(|setting| setting.value == setting.wanted);
        Self { complete, vips, settings }
    }

    /// Two tables, with a newline at the end.
    pub(super) fn table(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if self.vips.is_empty() {
            writeln!(text, "no VIP has been put on lo by `vipdeck real-server up`")?;
        } else {
            writeln!(text, "{:<15}  {:<5}  ROUTE", "VIP", "ON LO")?;
        }
        for vip in &self.vips {
            writeln!(text, "{:<15}  {:<5}  {}", vip.address.to_string(), yes(vip.on_lo), yes(vip.route))?;
        }
        writeln!(text, "\n{:<30}  VALUE  WANTED  BEFORE", "SETTING")?;
        for setting in &self.settings {
            let before = setting.before.as_deref().unwrap_or("-");
            writeln!(text, "{:<30}  {:<5}  {:<6}  {before}", setting.name, setting.value, setting.wanted)?;
        }
        Ok(text)
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{ObservedSetting, SETTINGS};
    use super::*;

    #[test]
    fn the_table_tells_each_vip_and_each_setting() {
        let vip = Ipv4Addr::new(192, 0, 2, 10);
        let setting = |setting| ObservedSetting { setting, value: "1".into() };
        let observed = Observed {
            lo_is_up: true,
            addresses: BTreeSet::from([vip]),
            routes: BTreeSet::new(),
            settings: SETTINGS.into_iter().map(setting).collect(),
        };
        let mut memory = Memory::default();
        memory.settings.insert(SETTINGS[1].path.into(), "0".into());
        let report = Report::new(&BTreeSet::from([vip]), &observed, memory);
        assert!(!report.complete);
        insta::assert_snapshot!(report.table().unwrap(), @"
        VIP              ON LO  ROUTE
        192.0.2.10       yes    no

        SETTING                         VALUE  WANTED  BEFORE
        net.ipv4.conf.all.arp_ignore    1      1       -
        net.ipv4.conf.all.arp_announce  1      2       0
        net.ipv4.conf.lo.arp_ignore     1      1       -
        net.ipv4.conf.lo.arp_announce   1      2       -
        ");
    }
}
