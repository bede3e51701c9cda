//! keepalived.conf: text → tokens → tree → typed [`Config`], with diagnostics.
//!
//! Pure: files arrive through a loader argument. Domain modules do not know this language; it produces their specs.

mod model;

pub use model::{Config, ScriptSpec, ScriptUser};
