//! The values that operations take and give; no logic.

use crate::base::{Ino, Timestamp};
use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    pub pid: u32,
}

/// A handle: one open file or folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fh(pub u64);

/// What programs see an inode as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    File,
    Folder,
    Symlink,
}

/// What `stat` says. `mode` has permission bits only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    pub ino: Ino,
    pub kind: FileKind,
    pub size: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub btime: Timestamp,
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
}

/// An inode under a name, and how long the kernel may believe both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub attr: Attr,
    pub ttl: Duration,
}

/// What a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    Found(Entry),
    /// Nothing, which the kernel may believe for `ttl`.
    Missing {
        ttl: Duration,
    },
}

/// A time to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetTime {
    Now,
    At(Timestamp),
}

/// What `setattr` changes; `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetAttr {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<SetTime>,
    pub mtime: Option<SetTime>,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenHow {
    pub read: bool,
    pub write: bool,
    pub truncate: bool,
    pub append: bool,
    pub exclusive: bool,
}

/// An open file, and how the kernel is to read and write it.
#[derive(Clone, Debug)]
pub struct Opened {
    pub fh: Fh,
    pub way: Way,
}

/// An open folder; `keep`: the names that the kernel has of it are still right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenedFolder {
    pub fh: Fh,
    pub keep: bool,
}

/// How the kernel reads and writes an open file. All handles of one inode are passthrough, or none is.
#[derive(Clone, Debug)]
pub enum Way {
    /// By itself, through this file, which is registered as the backing. Open for reading only: the kernel opens it again
    /// with the flags of the program.
    Passthrough(Arc<File>),
    /// By calls, past its page cache.
    Direct,
    /// By calls, through its page cache; `keep`: what it cached before is still right.
    Cached { keep: bool },
}

/// One name of a folder. `attr` is missing for `.` and `..`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirEntry {
    pub ino: Ino,
    /// Where to go on after this name.
    pub next_offset: u64,
    pub kind: FileKind,
    pub name: OsString,
    pub attr: Option<(Attr, Duration)>,
}

/// What `df` says: Box's quota, in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatFs {
    pub block_size: u32,
    pub blocks: u64,
    pub free: u64,
    pub files: u64,
    pub name_max: u32,
}
