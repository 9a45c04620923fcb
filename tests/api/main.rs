//! The client against servers: the emulator for what Box does, canned answers for what goes wrong on the way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canned;
mod downloads;
mod emulated;
mod emulated_sessions;
mod faults;
mod log_watch;
mod support;
mod tokens;
mod transfers;
