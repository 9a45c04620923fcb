//! boxfs: a file system backed by Box.
//!
//! Rooms and who may use whom (`tests/tidy.rs` holds these arrows):
//!
//! ```text
//! cli ──> control, fuse, emulator (and what it has to construct)
//! fuse ──> vfs            control ──> vfs, sync        desktop ──> control
//! vfs ──> tree, content   sync ──> tree, content, box_api
//! everything but the emulator may use base and config; emulator ──> nothing
//! ```

pub mod base;
pub mod box_api;
pub mod cli;
pub mod config;
pub mod content;
pub mod control;
pub mod desktop;
pub mod emulator;
pub mod fuse;
pub mod sync;
pub mod tree;
pub mod vfs;
