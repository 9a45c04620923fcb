//! What the tests stand on: an emulated Box, mounts that cannot hang a test, programs with a time limit.
//!
//! The tests of mounts and of crashes share it.
#![allow(dead_code, unused_imports, reason = "each of the two needs a part of it")]

#[macro_use]
mod mode;
mod bytes;
mod compare;
mod eventually;
mod gate;
mod mount;
mod mounter;
mod person;
mod run;
mod table;
mod watchdog;
mod world;

pub use bytes::{bytes_of, sha1_hex, write_large};
pub use compare::{Tree, assert_same_everywhere, moving_tree_at, tree_at, tree_in_box};
pub use eventually::{eventually, eventually_ok};
pub use gate::Gate;
pub use mode::{Mode, in_mode};
pub use mount::Mount;
pub use mounter::{Mounter, boxfs};
pub use person::{CLIENT_ID, CLIENT_SECRET, Person, browse, http_client, mode_of};
pub use run::{Ran, run, run_in, run_told};
pub use table::{is_mounted, mounts_below};
pub use world::{Calls, TOKEN, World};

use std::time::Duration;

/// A program on two busy cores in a debug build gets this long.
pub const PROGRAM_LIMIT: Duration = Duration::from_secs(60);
/// What the daemon should do soon.
pub const SOON: Duration = Duration::from_secs(20);

/// Whether tests use the sizes of the contract, which take minutes, instead of smaller ones that show the same.
pub fn at_full_size() -> bool {
    std::env::var_os("BOXFS_TEST_LONG").is_some()
}

/// The errno of what failed; panics if it did not.
pub fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}
