//! Putting the parts together: `run`, `attach` and `demo`.

pub mod attach;
pub mod demo;
mod engine;

pub mod run;
