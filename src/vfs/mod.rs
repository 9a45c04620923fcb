//! What an operation means: joins the names of `tree` with the bytes of `content`.
//!
//! Every call is answered at once from this machine, or says what it has to wait for; none waits for the network itself. Knows
//! nothing of the kernel's protocol and nothing of Box's calls: what it needs from Box it asks for by a value on a channel.

mod ahead;
mod asks;
mod attrs;
mod bookmarks;
mod bytes;
mod copy;
mod dirs;
mod doubt;
mod error;
mod handles;
mod inodes;
mod io;
mod keep;
mod links;
mod listings;
mod lookup;
mod names;
mod open;
mod past;
mod quiet;
mod quota;
mod readers;
mod room;
mod state;
#[cfg(test)]
mod tests;
mod together;
mod trouble;
mod types;
mod unrecorded;
mod xattrs;

pub use crate::content::Seek;
pub use crate::tree::{Invalidation, RenameHow};
pub use error::{Need, Result, VfsError};
pub use keep::Member;
pub use readers::Reader;
pub use state::{Durability, Settings, ShownOwner, Vfs};
pub use types::{
    Attr, Caller, DirEntry, Entry, Fh, FileKind, Looked, OpenHow, Opened, OpenedFolder, SetAttr, SetTime, StatFs, Way,
};
