//! The engine: brings Box and the tree together. A planner that is a pure function, a synchronous core that remembers what is
//! on its way, executors that perform its effects (DESIGN.md sections 2, 3 and 6).

mod backoff;
mod board;
mod call;
mod core;
mod effect;
mod engine;
mod eviction;
mod executor;
mod executor_account;
mod executor_archive;
mod executor_bytes;
mod executor_chunks;
mod executor_events;
mod executor_fetch;
mod executor_past;
mod executor_pictures;
mod executor_upload;
mod lanes;
mod news;
mod parts;
mod past;
mod planner;
mod rebuild;
mod recovery;
mod report;
mod salvage;
#[cfg(test)]
mod simulation;
mod translate;
mod troubles;
mod unzip;
mod watch;

pub use crate::tree::AskError;
pub use crate::tree::Discarded;
pub use crate::tree::{Change, MadeIn, NodeKind, What};
pub use board::{Reach, Uploading};
pub use engine::{Engine, Parts};
pub use executor::Line;
pub use planner::hold_reason;
pub use rebuild::{Rebuilt, highest_numbers, rebuild};
pub use recovery::{LastRun, Recovered, recover};
pub use report::{Failing, Left, Report};
pub use salvage::{Located, find, locate};
pub use troubles::{ConflictCopy, Troubles};
pub use watch::{Seen, Watching};
