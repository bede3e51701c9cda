//! What `up` found before it changed anything, so that `down` can put it back.

use super::plan::Observed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Kept in a file for each network namespace, from the first `up` to the last `down`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    pub(super) vips: BTreeMap<Ipv4Addr, Added>,
    /// The former value of each setting, by its path.
    pub(super) settings: BTreeMap<String, String>,
}

/// What of a VIP is our doing; the rest was there before and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    pub(super) address: bool,
    pub(super) route: bool,
}

impl Memory {
    /// The memory, or nothing if no trace is left of what it tells: the machine was set back by hand, or the file was
    /// left by another namespace that had the same number.
    pub(super) fn unless_stale(self, observed: &Observed) -> Self {
        let vip_left = self.vips.keys().any(|vip| observed.addresses.contains(vip));
        let setting_left = observed.settings.iter().any(|s| s.value == s.setting.wanted);
        if vip_left || setting_left { self } else { Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.vips.is_empty()
    }
}
