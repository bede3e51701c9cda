//! The lab's client: asks addresses without pause, and reports as JSON lines.
//!
//! [`run`] has the schedule, [`tally`] does the counting, [`ask`] the talking.

mod ask;
mod run;
mod tally;

pub use run::run;
