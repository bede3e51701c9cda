//! keepalived's dump files: configuration and state, statistics, and both as JSON, in keepalived 2.2.7's words and
//! names, for the tools that read them.
//!
//! Two things differ on purpose: a password is never written, and what keepalived calls `uid:gid` of a script is the
//! user as it is written.

mod data;
mod json;
mod objects;
mod services;
mod stats;

pub use data::data;
pub use json::json;
pub use services::services;
pub use stats::stats;

use crate::conf::Config;
use crate::status::{Instance, Role, Snapshot};
use crate::vrrp::Spec;

/// What is dumped: one engine at one instant.
#[derive(Clone, Debug)]
pub struct Dump {
    pub config: Config,
    pub snapshot: Snapshot,
}

impl Dump {
    /// Each instance as it is written and as it is.
    fn instances(&self) -> impl Iterator<Item = (&Spec, &Instance)> {
        let known = |spec: &'_ Spec| self.snapshot.instances.iter().find(|i| i.name == spec.name);
        self.config.instances.iter().filter_map(move |spec| Some((spec, known(spec)?)))
    }

    /// When an instance took its state, in seconds since 1970.
    fn since(&self, instance: &Instance) -> f64 {
        self.snapshot.wall_of(instance.since) as f64 / 1e6
    }
}

/// What keepalived says an instance is on its way to.
const fn wanted(spec: &Spec, instance: &Instance) -> Role {
    match instance.state {
        Role::Master => Role::Master,
        _ if spec.wishes_master => Role::Master,
        _ => Role::Backup,
    }
}

/// Every word in quotes, as keepalived prints the words of a script.
fn quoted(argv: &[String]) -> String {
    argv.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

/// The sum of the terms of a priority, which may be outside 1 to 254.
fn total(instance: &Instance) -> i32 {
    let own = |label: &str| !matches!(label, "demoted" | "takeover" | "limit" | "rival owner");
    instance.terms.iter().filter(|t| own(&t.label)).fold(0, |sum, t| sum.saturating_add(t.value))
}
