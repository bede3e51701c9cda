//! The control link: a fake engine behind the real server, the real client, and the program's own command line.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

mod fake;
mod feeds;
mod hostile;
mod http;
mod journal;
mod manual;
mod metrics;
mod papers;
mod raw;
mod skew;
mod ssh;
mod verbs;
mod watching;
mod words;
