//! The real engine against the emulator over HTTP, without a kernel: programs are calls on the tree and the data files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conflicts;
mod deletes;
mod faults;
mod rig;
mod uploads;
