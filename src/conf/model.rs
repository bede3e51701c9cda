//! What a configuration means: specs of the domain modules, complete and resolved.

use crate::lvs::ServiceSpec;
use crate::time::Duration;
use crate::vrrp;
use serde::{Deserialize, Serialize};

/// One node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `router_id`; none: the host's name.
    pub router_id: Option<String>,
    pub instances: Vec<vrrp::Spec>,
    /// The scripts that instances track.
    pub scripts: Vec<ScriptSpec>,
    pub services: Vec<ServiceSpec>,
}

/// One `vrrp_script`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptSpec {
    pub name: String,
    /// Program and arguments; no shell is involved.
    pub argv: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// The weight of a `track_script` entry that has none.
    pub weight: i32,
    pub reverse: bool,
    /// Good results in a row until it counts as good; the first result counts at once.
    pub rise: u32,
    /// Bad results in a row until it counts as bad.
    pub fall: u32,
    /// `user`, or `script_user`; none: the engine's own.
    pub user: Option<ScriptUser>,
}

/// Who runs a script, by name; resolved when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptUser {
    pub user: String,
    pub group: Option<String>,
}
