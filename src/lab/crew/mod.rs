//! The programs of a lab, and what may be done to them. Start with [`Crew`].

mod engine;
mod program;
mod stage;

pub(super) use stage::Crew;
