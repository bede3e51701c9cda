//! Putting the parts together: `run`, `attach` and `demo`.

pub mod attach;
pub mod demo;
pub mod run;
