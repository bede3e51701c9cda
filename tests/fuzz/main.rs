//! Mutated input for everything that reads bytes from outside: no panic, no endless loop.
//!
//! Each target runs for `VIPDECK_FUZZ_SECONDS` (3). An input follows from its seed alone: `VIPDECK_FUZZ_SEED` with the
//! seed of a failure makes it the first one of the next run.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods, reason = "test code")]

mod fuzzer;
mod packets;
mod recordings;
mod texts;
