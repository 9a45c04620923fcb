//! Real mounts, real programs' calls, an emulated Box: what a person would see go wrong.
#![allow(clippy::unwrap_used)]

mod life;
mod rig;
mod semantics;
mod travel;
