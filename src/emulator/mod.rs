//! Box on this machine: a faithful and strict HTTP server for tests, demos and benchmarks of any Box client. It shares
//! no code with the rest of the crate, not even wire types, so that one wrong field name cannot hide in both.
//!
//! [`Emulator::start`] runs one in this process, on threads of its own. Tests look at what it holds by the methods of
//! [`Emulator`] and act as someone else by [`Emulator::act`]; other processes read the same at `/_emulator/...`.
//!
//! ```text
//! listener ──> shape (rates) ──> http (decode, route, encode) ──> store (what Box decides, under one lock) ──> journal
//!                                        └──> contents (bytes on disk, in blobs)
//! ```

mod actor;
mod app_key;
mod archives;
mod clock;
mod contents;
mod desk;
mod faults;
mod generate;
mod http;
mod journal;
mod limits;
mod listen;
mod options;
mod polls;
mod private;
mod refusal;
mod report;
mod requests;
mod server;
mod shape;
mod store;
mod tls;

pub use actor::{ActError, Actor};
pub use faults::{Fault, FaultAnswer, FaultRule, FaultScript, FaultScriptError};
pub use options::{ConflictShape, Options, RateLimits, UserOptions};
pub use report::{ItemReport, SessionReport};
pub use requests::RequestRecord;
pub use server::{Emulator, StartError};
