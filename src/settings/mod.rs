//! vipdeck's own settings, layered by the `config` crate: built-in defaults, `/etc/vipdeck/*.toml`, the user's file,
//! `VIPDECK_*` variables, flags.

mod load;
mod look;
mod model;

pub use load::{load, parse};
pub use look::look;
pub use model::{
    Balancer, Cluster, Console, Control, Journal, Loopback, Mail, MailTls, Metrics, NodeWord, Notice, Settings,
    TableDrift,
};
