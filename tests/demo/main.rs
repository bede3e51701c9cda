//! `vipdeck demo` as somebody at a terminal has it: keys in, screen out.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

mod cluster;
mod leaving;
mod looks;
mod page;
mod repeat;
mod services;
mod terminal;
