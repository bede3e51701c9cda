//! What `up` found before it changed anything, so that `down` can put it back.

use super::plan::Observed;
use super::vip::{Device, Method, Vips};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Kept in a file for each network namespace, from the first `up` to the last `down`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    pub(super) vips: BTreeMap<IpAddr, Added>,
    /// The former value of each setting, by its path.
    pub(super) settings: BTreeMap<String, String>,
    /// What each link was.
    #[serde(default)]
    pub(super) links: BTreeMap<Device, Before>,
}

/// What of a VIP is our doing; the rest was there before and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    pub(super) address: bool,
    pub(super) route: bool,
    #[serde(default)]
    pub(super) device: Device,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    pub(super) existed: bool,
    pub(super) up: bool,
    /// Of lo: it had 127.0.0.1, which the kernel adds when lo comes up, and leaves when it goes down.
    #[serde(default)]
    pub(super) loopback: bool,
}

impl Memory {
    /// The memory, or nothing if no trace is left of what it tells: the machine was set back by hand, or the file was
    /// left by another namespace that had the same number.
    pub(super) fn unless_stale(self, observed: &Observed) -> Self {
        let vip_left = self.vips.iter().any(|(vip, added)| observed.has(*vip, added.device));
        let setting_left = observed.settings.iter().any(|seen| {
            let former = self.settings.get(seen.setting.path);
            let ours = |value: &String| value == seen.setting.wanted && former.is_some_and(|former| former != value);
            seen.value.as_ref().is_some_and(ours)
        });
        if vip_left || setting_left { self } else { Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.vips.is_empty()
    }

    /// What is served.
    pub(super) fn serving(&self) -> Vips {
        let method = |device| if device == Device::Lo { Method::Direct } else { Method::Tunnel };
        self.vips.iter().map(|(vip, added)| (*vip, method(added.device))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_wrote_is_read() {
        let text = r#"{"vips": {"192.0.2.10": {"address": true, "route": true}}, "settings": {"net/x": "0"}}"#;
        let memory: Memory = serde_json::from_str(text).unwrap();
        assert_eq!(memory.serving(), Vips::from([("192.0.2.10".parse().unwrap(), Method::Direct)]));
    }
}
