//! What an operation means: joins the names of `tree` with the bytes of `content`.
//!
//! Every call is answered at once from this machine, or says what it has to wait for; none waits for the network itself. Knows
//! nothing of the kernel's protocol and nothing of Box's calls: what it needs from Box it asks for by a value on a channel.

mod error;
mod types;

pub use crate::content::{Allocate, Seek};
pub use error::{Need, Result, VfsError};
pub use types::{Attr, Caller, DirEntry, Entry, Fh, FileKind, Looked, OpenHow, Opened, SetAttr, SetTime, StatFs, Way};
