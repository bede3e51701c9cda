//! What is set and what is not, what is wrong and how to repair it: as a table or as JSON. Pure.

use super::memory::Memory;
use super::plan::{Observed, SETTINGS};
use super::vip::{Device, Method, Vips};
use serde::Serialize;
use std::fmt::{self, Write};
use std::net::IpAddr;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Whether there are VIPs, and all of them and all settings are as they should be.
    complete: bool,
    vips: Vec<Vip>,
    settings: Vec<Setting>,
    findings: Vec<Finding>,
    /// What is as it should be and matters all the same.
    notes: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Vip {
    address: IpAddr,
    method: Method,
    /// Where it should be.
    link: Device,
    on_link: bool,
    /// For a VIP on lo; as it was when there was nothing else.
    on_lo: bool,
    /// The host route over lo; the kernel has IPv6's, and tunnels need none.
    route: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Setting {
    name: String,
    /// None: its link is not there.
    value: Option<String>,
    wanted: &'static str,
    ok: bool,
    /// The value that `down` puts back.
    before: Option<String>,
}

/// Something wrong, and how to repair it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: String,
    repair: String,
}

impl Report {
    /// About `vips`, or about those that `up` added if there are none.
    pub(super) fn new(vips: &Vips, observed: &Observed, memory: Memory, mut more: Vec<String>) -> Self {
        let memory = memory.unless_stale(observed);
        let serving = if vips.is_empty() { memory.serving() } else { vips.clone() };
        let rows: Vec<_> = serving.iter().map(|(vip, method)| Vip::new(*vip, *method, observed)).collect();
        let needed = |setting: &super::plan::Setting| serving.is_empty() || setting.is_needed(&serving);
        let settings: Vec<_> = observed
            .settings
            .iter()
            .filter(|seen| needed(&seen.setting) && (!serving.is_empty() || seen.value.is_some()))
            .map(|seen| Setting {
                name: seen.setting.to_string(),
                value: seen.value.clone(),
                wanted: seen.setting.wanted,
                ok: seen.value.as_ref().is_some_and(|value| seen.setting.is_met_by(value)),
                before: memory.settings.get(seen.setting.path).cloned(),
            })
            .collect();
        let findings = findings(&serving, observed);
        let complete = !rows.is_empty() && findings.is_empty();
        more.extend(notes(&serving, observed));
        Self { complete, vips: rows, settings, findings, notes: more }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Tables and sentences, with a newline at the end.
    pub(super) fn table(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if self.vips.is_empty() {
            writeln!(text, "no VIP has been added by `vipdeck real-server up`")?;
        } else {
            let width = self.vips.iter().map(|vip| vip.address.to_string().len()).max().unwrap_or(0).max(15);
            writeln!(text, "{:<width$}  METHOD  LINK     THERE  ROUTE", "VIP")?;
            for vip in &self.vips {
                let method = if vip.method == Method::Direct { "DR" } else { "TUN" };
                let route = if vip.needs_route() { yes(vip.route) } else { "-" };
                let address = vip.address.to_string();
                writeln!(text, "{address:<width$}  {method:<6}  {:<7}  {:<5}  {route}", vip.link, yes(vip.on_link))?;
            }
        }
        if !self.settings.is_empty() {
            let width = self.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
            writeln!(text, "\n{:<width$}  VALUE  WANTED  BEFORE", "SETTING")?;
            for setting in &self.settings {
                let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
                let (value, before) = (dash(&setting.value), dash(&setting.before));
                writeln!(text, "{:<width$}  {value:<5}  {:<6}  {before}", setting.name, setting.wanted)?;
            }
        }
        for finding in &self.findings {
            writeln!(text, "\nwrong: {}\n  repair: {}", finding.what, finding.repair)?;
        }
        for note in &self.notes {
            writeln!(text, "\nnote: {note}")?;
        }
        Ok(text)
    }
}

impl Vip {
    fn new(vip: IpAddr, method: Method, observed: &Observed) -> Self {
        let link = Device::of(vip, method);
        Self {
            address: vip,
            method,
            link,
            on_link: observed.has(vip, link),
            on_lo: observed.has(vip, Device::Lo),
            route: observed.has_route(vip),
        }
    }

    fn needs_route(&self) -> bool {
        self.link == Device::Lo && self.address.is_ipv4()
    }
}

fn findings(vips: &Vips, observed: &Observed) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut wrong = |what: String, repair: String| found.push(Finding { what, repair });
    for (vip, method) in vips {
        let device = Device::of(*vip, *method);
        let up = || {
            let tunnel = if *method == Method::Tunnel { " --tunnel" } else { "" };
            format!("vipdeck real-server up --vip {vip}{tunnel}")
        };
        match observed.links.get(&device) {
            None => wrong(format!("there is no {device}: packets in packets are not taken"), up()),
            Some(seen) if !seen.up => wrong(format!("{device} is down"), up()),
            Some(seen) if !seen.addresses.contains(vip) => {
                wrong(format!("{vip} is not on {device}: packets for it are not taken"), up());
            }
            Some(_) => {}
        }
        if let Some(link) = observed.elsewhere.get(vip) {
            wrong(
                format!("{vip} is on {link}: this machine tells that link that it has it, as the director does"),
                format!("ip address delete {vip} dev {link} (with the prefix length that `ip address` shows)"),
            );
        }
    }
    let needed = |setting: &super::plan::Setting| setting.is_needed(vips);
    for seen in observed.settings.iter().filter(|seen| needed(&seen.setting)) {
        match &seen.value {
            Some(value) if !seen.setting.is_met_by(value) => {
                let (setting, wanted) = (&seen.setting, seen.setting.wanted);
                wrong(
                    format!("{setting} is {value}: {}", consequence(setting)),
                    format!("sysctl -w {setting}={wanted}"),
                );
            }
            // That its link is not there has been said.
            _ => {}
        }
    }
    found
}

/// What comes of a setting that is not as wanted.
fn consequence(setting: &super::plan::Setting) -> &'static str {
    match setting.path.rsplit('/').next() {
        Some("arp_ignore") => "this machine answers ARP for VIPs, and takes their clients away from the director",
        Some("arp_announce") => "this machine asks by ARP with a VIP as its own, and others learn it",
        Some("rp_filter") => "what comes out of the tunnel is dropped: no route leads back into it",
        _ => "no IPv6 address can be there",
    }
}

pub(super) fn notes(vips: &Vips, observed: &Observed) -> Vec<String> {
    let mut notes = Vec::new();
    let tunnels: std::collections::BTreeSet<_> =
        vips.iter().map(|(vip, method)| Device::of(*vip, *method)).filter(|device| *device != Device::Lo).collect();
    for device in tunnels {
        let Some(overhead) = device.overhead() else { continue };
        let mtu = observed.mtu.unwrap_or(1500);
        let (fits, segment) = (mtu.saturating_sub(overhead), mtu.saturating_sub(overhead + overhead.max(20) + 20));
        notes.push(format!(
            "of a packet of {mtu} bytes the tunnel takes {overhead}: the director asks clients by ICMP to send at most \
             {fits} bytes; where ICMP is filtered, let this machine announce it: `ip route change … advmss {segment}` \
             on the routes to the clients"
        ));
    }
    let direct4 = vips.iter().any(|(vip, method)| vip.is_ipv4() && *method == Method::Direct);
    let strict: Vec<_> = observed.filters.iter().filter(|(_, filter)| **filter == 1).map(|(link, _)| link).collect();
    if direct4 && observed.filters.len() > 1 && !strict.is_empty() {
        let list = strict.iter().map(|link| link.as_str()).collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "rp_filter is strict on {list}: packets of clients to whom the route leaves over another link are dropped \
             there; if directors send over it, `sysctl -w net.ipv4.conf.LINK.rp_filter=2`"
        ));
    }
    notes
}

/// Every setting that VIPs of these kinds need, as sysctl(8) writes them.
pub(super) fn sysctl_lines(vips: &Vips) -> String {
    let needed = SETTINGS.iter().filter(|setting| setting.is_needed(vips));
    let lines: Vec<_> = needed.map(|setting| format!("{setting} = {}", setting.wanted)).collect();
    lines.join("\n") + "\n"
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{ObservedSetting, Seen};
    use super::*;

    fn observed(value: &str) -> Observed {
        let setting = |setting| ObservedSetting { setting, value: Some(value.into()) };
        let vip = "192.0.2.10".parse().unwrap();
        Observed {
            links: [(Device::Lo, Seen { up: true, addresses: [vip].into() })].into(),
            settings: SETTINGS.into_iter().map(setting).collect(),
            ..Observed::default()
        }
    }

    #[test]
    fn the_table_tells_each_vip_each_setting_and_what_is_wrong() {
        let vips = Vips::from([
            ("192.0.2.10".parse().unwrap(), Method::Direct),
            ("2001:db8::10".parse().unwrap(), Method::Tunnel),
        ]);
        let mut memory = Memory::default();
        memory.settings.insert(SETTINGS[1].path.into(), "0".into());
        let mut observed = observed("1");
        observed.elsewhere.insert("192.0.2.10".parse().unwrap(), "eth0".into());
        let report = Report::new(&vips, &observed, memory, Vec::new());
        assert!(!report.is_complete());
        insta::assert_snapshot!(report.table().unwrap());
    }

    #[test]
    fn what_is_as_it_should_be_is_complete_and_silent() {
        let vips = Vips::from([("192.0.2.10".parse().unwrap(), Method::Direct)]);
        let mut observed = observed("1");
        observed.settings[1].value = Some("2".into());
        observed.settings[3].value = Some("2".into());
        let report = Report::new(&vips, &observed, Memory::default(), Vec::new());
        assert!(report.is_complete() && report.notes.is_empty(), "{report:?}");
        observed.filters = [("eth0".into(), 1), ("eth1".into(), 0)].into();
        let report = Report::new(&vips, &observed, Memory::default(), Vec::new());
        assert!(report.is_complete() && report.notes[0].starts_with("rp_filter is strict on eth0"), "{report:?}");
    }
}
