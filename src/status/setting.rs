//! What an instance runs by, and where each value comes from.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// One value, in the words of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The keyword of `vrrp_instance`.
    pub name: Cow<'static, str>,
    pub value: Cow<'static, str>,
    pub from: SettingFrom,
    /// `FILE:LINE`; none: it is written nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingFrom {
    /// Written in the instance's block.
    File,
    /// Written in `global_defs`.
    Global,
    /// Nobody wrote it; it may follow from something else that is written.
    Default,
}

impl Setting {
    /// Where the value comes from: `lvs1.conf:12`, `global_defs, lvs1.conf:3`, `default`.
    pub fn origin(&self) -> String {
        match (self.from, &self.place) {
            (SettingFrom::File, Some(place)) => place.clone(),
            (SettingFrom::Global, Some(place)) => format!("global_defs, {place}"),
            (from, _) => from.to_string(),
        }
    }
}

impl fmt::Display for SettingFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Global => "global_defs",
            Self::Default => "default",
        })
    }
}
