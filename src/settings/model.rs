//! The settings and their defaults.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub console: Console,
    pub control: Control,
    pub engine: Engine,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Seconds that addresses stay on their links when no engine renews them any more; 0: for ever, as keepalived leaves
    /// them. None: twice the longest master-down time, at least 4.
    pub lease_seconds: Option<u32>,
    /// Ask the links now and then who else has the addresses this node is master of (ARP probes, neighbour
    /// solicitations), and raise an alarm if somebody does.
    pub probe_addresses: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self { lease_seconds: None, probe_addresses: true }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// `dark`, `light`, `mono` or `high`.
    pub theme: String,
    /// ASCII glyphs only.
    pub ascii: bool,
    /// Take the verbs away.
    pub view_only: bool,
    pub mouse: bool,
    /// Extra key bindings, in the form of `assets/keys.toml`.
    pub keys: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Where engines put their sockets, and where `attach` looks for names.
    pub directory: PathBuf,
    /// Members may read; none: only root and the engine's own user.
    pub view_group: Option<String>,
    /// Members may command; none: only root and the engine's own user.
    pub operate_group: Option<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self { theme: "dark".into(), ascii: false, view_only: false, mouse: true, keys: None }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { directory: "/run/vipdeck".into(), view_group: None, operate_group: None }
    }
}
