//! What would happen if: the machines of all nodes run on from where their snapshots say that they stand, on a virtual
//! clock, with something done to them. The election is [`crate::vrrp`]'s own; only the wire between the nodes is made
//! here.
//!
//! Pure, and nothing is changed: [`of`] takes snapshots and a [`Hypothesis`], and says who would serve what, from when
//! to when, and what stays uncertain.

mod known;
mod outcome;
mod services;
mod world;

pub use known::{Known, Standing};
pub use outcome::{Forecast, Outcome, ServiceOutcome, Span};

use crate::kernel::DestinationKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is done to the cluster, in thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "if", rename_all = "kebab-case")]
pub enum Hypothesis {
    /// The machine ends without a word.
    Crash {
        node: String,
    },
    /// Nothing passes to or from the node any more; its links keep their carrier.
    Cut {
        node: String,
    },
    /// An operator demotes an instance; its sync group goes with it.
    Demote {
        node: String,
        instance: String,
        fence: bool,
    },
    /// A script, an interface, tracked processes or a BFD session fails; a file has another number.
    Fail {
        node: String,
        kind: String,
        name: String,
        number: Option<i64>,
    },
    /// A real server is drained, or fails its checks, on every node.
    Drain {
        real: DestinationKey,
    },
    Down {
        real: DestinationKey,
    },
}

impl fmt::Display for Hypothesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node } => write!(f, "{node} dies now"),
            Self::Cut { node } => write!(f, "the link of {node} is cut"),
            Self::Demote { node, instance, fence: false } => write!(f, "{instance} is demoted on {node}"),
            Self::Demote { node, instance, fence: true } => write!(f, "{instance} is fenced on {node}"),
            Self::Fail { node, kind, name, number: Some(number) } => write!(f, "{kind} {name} is {number} on {node}"),
            Self::Fail { node, kind, name, number: None } => write!(f, "{kind} {name} fails on {node}"),
            Self::Drain { real } => write!(f, "{real} is drained"),
            Self::Down { real } => write!(f, "{real} fails"),
        }
    }
}

/// Works it out. `only`: the instances of this VRID and name and what moves with them, without
/// services, else all. The error says why the
/// question makes no sense.
pub fn of(nodes: &[Known], hypothesis: &Hypothesis, only: Option<(u8, &str)>) -> Result<Forecast, String> {
    if let Hypothesis::Drain { real } | Hypothesis::Down { real } = hypothesis {
        let drained = matches!(hypothesis, Hypothesis::Drain { .. });
        return services::without(nodes, real, drained, hypothesis);
    }
    known::check(nodes, hypothesis)?;
    let mut forecast = Forecast { question: hypothesis.to_string(), ..Forecast::default() };
    for part in known::parts(nodes, only) {
        outcome::of_part(&part, nodes, hypothesis, &mut forecast)?;
    }
    forecast.uncertain.dedup();
    if only.is_none() {
        services::after(nodes, hypothesis, &mut forecast);
    }
    Ok(forecast)
}
