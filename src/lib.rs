//! vipdeck: an interactive terminal console for high-availability clusters, with a keepalived-compatible VRRP and LVS
//! engine inside.
//!
//! Two halves with opposite tempers live in this package. The engine is right, punctual and dull: its logic takes
//! values in (time and events) and gives values out (effects), reads no clock and opens no socket. The console is
//! quick and free to change. They meet in [`status`], which is plain data.
//!
//! Read in this order: [`status`] (the words), [`vrrp`] (one virtual router), [`engine`] (composition), [`runtime`]
//! (the thread that waits and performs), [`console`] (the screen), [`sim`] (the same engine on a virtual LAN).

pub mod cli;
pub mod time;

pub mod balancer;
pub mod bfd;
pub mod cluster;
pub mod conf;
pub mod console;
pub mod control;
pub mod engine;
pub mod forecast;
pub mod health;
pub mod kernel;
pub mod lab;
pub mod launch;
pub mod lvs;
pub mod manual;
pub mod metrics;
pub mod net;
pub mod privacy;
pub mod real_server;
pub mod recording;
pub mod report;
pub mod runtime;
pub mod settings;
pub mod sim;
pub mod status;
pub mod sys;
pub mod vrrp;
pub mod why;
pub mod wire;
