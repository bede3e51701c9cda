//! The embedded balancer as a dataplane: what the settings ask of it, and what it has to say.

use crate::balancer::{Balancer, Options, ProxyVersion};
use crate::engine::Input;
use crate::kernel::{Change, ObservedTable, Protocol, ServiceKey};
use crate::settings;
use crate::status::Severity;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;

/// On the dataplane's thread; the balancer has threads of its own.
pub(super) struct Embedded {
    balancer: Balancer,
    /// Waits for what the balancer's threads answer.
    runtime: tokio::runtime::Runtime,
    /// As they were said.
    problems: BTreeMap<ServiceKey, String>,
}

impl Embedded {
    pub(super) fn start(settings: &settings::Balancer) -> anyhow::Result<Self> {
        let balancer = Balancer::start(options(settings)?).context("start the embedded balancer")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { balancer, runtime, problems: BTreeMap::new() })
    }

    pub(super) fn apply(&self, change: &Change) -> Result<(), String> {
        self.runtime.block_on(self.balancer.apply(change)).map_err(|refused| refused.reason)
    }

    /// The table; services that began or ceased to have a problem are reported.
    pub(super) fn read(&mut self, results: &UnboundedSender<Input>) -> ObservedTable {
        let problems = self.balancer.problems();
        for (severity, text) in news(&self.problems, &problems) {
            // An engine that has ended meanwhile wants nothing.
            let _ = results.send(Input::Report { severity, kind: "balancer", text, cause: None });
        }
        self.problems = problems;
        self.balancer.read()
    }
}

fn options(settings: &settings::Balancer) -> anyhow::Result<Options> {
    let mut proxy = BTreeMap::new();
    for (name, keys, version) in
        [("proxy_v1", &settings.proxy_v1, ProxyVersion::V1), ("proxy_v2", &settings.proxy_v2, ProxyVersion::V2)]
    {
        for key in keys {
            ensure!(
                key.protocol() == Some(Protocol::Tcp),
                "settings: balancer.{name}: {key}: the PROXY protocol is for services over TCP"
            );
            ensure!(proxy.insert(*key, version).is_none(), "settings: balancer.{name}: {key} is named twice");
        }
    }
    Ok(Options { threads: settings.threads, proxy })
}

/// A problem that grew or changed only in its numbers is not said again.
fn news(before: &BTreeMap<ServiceKey, String>, after: &BTreeMap<ServiceKey, String>) -> Vec<(Severity, String)> {
    let fresh = after.iter().filter(|(key, _)| !before.contains_key(key));
    let solved = before.keys().filter(|key| !after.contains_key(key));
    let fresh = fresh.map(|(key, problem)| (Severity::Warning, format!("virtual service {key}: {problem}")));
    let solved = solved.map(|key| (Severity::Info, format!("virtual service {key} takes connections again")));
    fresh.chain(solved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_problem_is_said_once_and_its_end_too() {
        let web = |text: &str| BTreeMap::from([(key("tcp/192.0.2.10:80"), text.to_owned())]);
        let first = news(&BTreeMap::new(), &web("no descriptors: 7"));
        assert_eq!(first, [(Severity::Warning, "virtual service tcp/192.0.2.10:80: no descriptors: 7".to_owned())]);
        assert_eq!(news(&web("no descriptors: 7"), &web("no descriptors: 9")), []);
        let solved = news(&web("x"), &BTreeMap::new());
        assert_eq!(solved, [(Severity::Info, "virtual service tcp/192.0.2.10:80 takes connections again".to_owned())]);
    }

    #[test]
    fn the_proxy_protocol_is_for_tcp_and_in_one_version() {
        let settings = |v1: &[&str], v2: &[&str]| settings::Balancer {
            proxy_v1: v1.iter().map(|text| key(text)).collect(),
            proxy_v2: v2.iter().map(|text| key(text)).collect(),
            ..settings::Balancer::default()
        };
        let good = options(&settings(&["tcp/192.0.2.10:80"], &["tcp/192.0.2.10:443"])).unwrap();
        assert_eq!(good.proxy.get(&key("tcp/192.0.2.10:443")), Some(&ProxyVersion::V2));
        for bad in [settings(&["udp/192.0.2.10:53"], &[]), settings(&["tcp/192.0.2.10:80"], &["tcp/192.0.2.10:80"])] {
            let error = options(&bad).unwrap_err().to_string();
            assert!(error.starts_with("settings: balancer.proxy_v"), "{error}");
        }
    }
}
