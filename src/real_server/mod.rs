//! `vipdeck real-server`: this machine as a real server for direct routing (VIPs on lo, no ARP for them).

pub mod command;
