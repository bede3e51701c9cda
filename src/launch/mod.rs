//! Putting the parts together: `run`, `attach` and `demo`.

pub mod attach;
pub mod demo;
mod engine;
mod guard;
mod picture;
pub mod record;
pub mod replay;
pub mod report;

pub mod run;
