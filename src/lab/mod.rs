//! The dual-master example for real: network namespaces, engines, web servers and a client on one bridge.

pub mod client;
pub mod command;
pub mod server;
