//! The daemon is killed with SIGKILL at every point that docs/on-disk.md names, at random moments, and with the power cut; what is
//! found afterwards is read from the emulator.
//!
//! Needs the feature `failpoints`; `scripts/test` builds everything with it.
#![allow(clippy::unwrap_used)]

#[macro_use]
#[path = "../mount/support/mod.rs"]
mod support;

mod company;
mod eviction;
mod lists;
mod matrix;
mod power;
mod resume;
mod scene;
mod stories;
mod storm;
