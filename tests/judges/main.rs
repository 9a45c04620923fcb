//! Judges of the emulator that none of us wrote: Box's official SDKs for Python and Node, and rclone, as their authors
//! publish them. What they need is installed once, below `target/`.
#![allow(clippy::unwrap_used)]

mod court;
mod fuzz;
mod node;
mod python;
mod rclone;
mod run;
mod tools;
