//! Manual pages and completions, made from the tables that the program itself reads: the command line, the keywords,
//! the keys.

mod complete;
mod pages;

pub use complete::{complete, register};
pub use pages::{pages, run};
