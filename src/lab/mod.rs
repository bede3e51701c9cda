//! The dual-master example for real: network namespaces, engines, web servers and a client on one bridge.
//!
//! [`scenario`] says what there is, [`site`] keeps account of what was made, [`network`] wires it, [`crew`] runs the
//! programs, [`command`] is the mode. [`server`] and [`client`] are programs of the lab.

pub mod client;
pub mod command;
mod console;
mod crew;
mod headless;
pub mod network;
pub mod report;
pub mod scenario;
pub mod server;
pub mod site;
