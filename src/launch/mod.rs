//! Putting the parts together: `run`, `attach` and `demo`.

pub mod attach;
pub mod demo;
mod engine;
mod look;
pub mod run;

pub use look::look;
