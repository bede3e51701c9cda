//! The engine's thread: wait, drain, step, perform, publish. The only place where effects meet verbs.
//!
//! Nothing else runs on this thread. Addresses, routes and rules are changed on `addresses`, news of routes and
//! rules come from `routing`, virtual links and the firewall
//! on `plumbing`, checks and scripts run on `workers`, BFD on `bfd`, the load
//! balancer's table is read and written on `dataplane`, consoles are served by `control`, and the log is written by a
//! thread of its own; all of them hand their results in as inputs and none of them can hold an advert back. Start with
//! [`turn`].

mod addresses;
mod audit;
mod beside;
mod bfd;
mod checkers;
mod dataplane;
mod desk;
mod dumps;
mod embedded;
mod fifos;
mod files;
pub mod genhash;
mod hooks;
mod intents;
mod journal;
mod keep;
mod links;
mod log;
mod mail;
mod notify;
mod perform;
mod plumbing;
mod processes;
mod readers;
mod reload;
mod routing;
mod scheduling;
mod start;
mod turn;
mod watchdog;
mod watches;
mod workers;

pub use start::{configuration, run_headless};
