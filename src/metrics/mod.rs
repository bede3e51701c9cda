//! A snapshot as OpenMetrics: `GET /metrics`, `vipdeck metrics`, the loopback port of the settings.
//!
//! What is not known has no sample, never a zero. [`families`](all) is the one table of names, units and meanings.

mod families;
mod text;

pub use families::all;
pub use text::{CONTENT_TYPE, Family, Kind, render};
