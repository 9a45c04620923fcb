//! [`Vfs`] itself: what it is made of, and the small steps that every family of calls needs.
//!
//! Lock order: one shard of `inodes`, then `handles`, then what `tree` and `content` lock inside their calls. A shard is held while
//! an inode is opened, released, cut or noted; no lock is held while anything is awaited.

use super::asks::Asks;
use super::doubt::Revalidated;
use super::error::{Result, VfsError};
use super::handles::Handles;
use super::inodes::Inodes;
use super::links::Tried;
use super::listings::Listings;
use super::past::Past;
use super::quota::Doubt;
use super::readers::Readers;
use super::room::FullSince;
use super::together::Arriving;
use super::unrecorded::Unrecorded;
use crate::base::{BoxId, Ino, NameError, Timestamp, boot_id, box_name, check_name};
use crate::content::Content;
use crate::tree::{Ask, Node, Rights, Tree, TreeError};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How the mount behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Nothing can be changed.
    pub read_only: bool,
    /// Offer whole files to the kernel to read and write by itself.
    pub passthrough: bool,
    /// How long the kernel may believe names and attributes that it is not told otherwise about.
    pub lifetime: Duration,
    /// As what every file and folder is shown, whatever this machine or Box keeps of it.
    pub owner: ShownOwner,
    /// When close(2) and fsync(2) of a written file return.
    pub durability: Durability,
    /// How long nobody writes into a file that stays open before what was written goes (`quiet.rs`).
    pub rest: Duration,
    /// Symbolic links are small files in Box (`links.rs`).
    pub links: bool,
}

/// `uid=`, `gid=` and `umask=` of the mount; `None` shows what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShownOwner {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Bits taken from every mode.
    pub umask: Option<u32>,
}

/// Where the bytes are when a program hears that all is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// On this machine.
    Local,
    /// In Box, SHA-1 checked.
    Box,
}

/// The file system, without a kernel.
pub struct Vfs {
    pub(super) tree: Arc<Tree>,
    pub(super) content: Arc<Content>,
    pub(super) asks: Asks,
    pub(super) settings: Settings,
    pub(super) inodes: Inodes,
    pub(super) handles: Handles,
    pub(super) listings: Listings,
    pub(super) boot: String,
    pub(super) doubt: Doubt,
    pub(super) full_since: FullSince,
    pub(super) unrecorded: Unrecorded,
    pub(super) tried: Tried,
    pub(super) past: Arc<Past>,
    pub(super) revalidated: Revalidated,
    pub(super) readers: Readers,
    pub(super) arriving: Arriving,
}

impl Vfs {
    /// `asks` is the bounded channel that the engine receives.
    pub fn new(tree: Arc<Tree>, content: Arc<Content>, asks: mpsc::Sender<Ask>, settings: Settings) -> Vfs {
        Vfs {
            tree,
            content,
            asks: Asks::new(asks),
            settings,
            inodes: Inodes::default(),
            handles: Handles::default(),
            listings: Listings::default(),
            boot: boot_id(),
            doubt: Doubt::default(),
            full_since: FullSince::default(),
            unrecorded: Unrecorded::default(),
            tried: Tried::default(),
            past: Arc::default(),
            revalidated: Revalidated::default(),
            readers: Readers::default(),
            arriving: Arriving::default(),
        }
    }

    /// The node, also one that is deleted but not forgotten.
    pub(super) fn node(&self, ino: Ino) -> Result<Node> {
        self.tree.node(ino).map_err(|e| self.tree_error(e))
    }

    /// The answer for what the tree could not do. What only Box can say is asked for.
    pub(super) fn tree_error(&self, error: TreeError) -> VfsError {
        let error = self.tree.suspect(error);
        match error {
            TreeError::Unlisted(folder) => VfsError::Wait(self.asks.list(folder)),
            TreeError::NoNode(_) => VfsError::Stale,
            TreeError::NotFound => VfsError::NotFound,
            TreeError::Exists { .. } => VfsError::Exists,
            TreeError::NotFolder => VfsError::NotDirectory,
            TreeError::IsFolder => VfsError::IsDirectory,
            TreeError::NotEmpty => VfsError::NotEmpty,
            TreeError::IntoItself => VfsError::Invalid,
            error if error.is_disk_full() => VfsError::NoSpace,
            TreeError::TooNew { .. } | TreeError::Damaged(_) | TreeError::Sql(_) => {
                VfsError::Io(std::io::Error::other(error))
            }
        }
    }

    pub(super) fn changeable(&self) -> Result<()> {
        if self.settings.read_only { Err(VfsError::ReadOnly) } else { Ok(()) }
    }

    /// What the user may do with `node`; everything with what Box does not have.
    pub(super) fn rights(&self, node: &Node) -> Result<Rights> {
        let Some(item) = node.item() else { return Ok(Rights::default()) };
        Ok(self.remote(&item)?.map_or_else(Rights::default, |remote| remote.rights))
    }

    pub(super) fn remote(&self, item: &BoxId) -> Result<Option<crate::tree::Remote>> {
        self.tree.remote(item).map_err(|e| self.tree_error(e))
    }

    /// Whether the user may add to the folder `parent`.
    pub(super) fn may_add_to(&self, parent: Ino) -> Result<()> {
        allow(self.rights(&self.node(parent)?)?.upload)
    }
}

/// `Denied` unless allowed.
pub(super) fn allow(allowed: bool) -> Result<()> {
    if allowed { Ok(()) } else { Err(VfsError::Denied) }
}

/// The box name for an item that may exist. No item has a name that is not text, or a shown name that is none.
pub(super) fn existing_name(shown: &OsStr) -> Result<String> {
    shown.to_str().and_then(box_name).map(Cow::into_owned).ok_or(VfsError::NotFound)
}

/// The box name for an item to be.
pub(super) fn fresh_name(name: &OsStr) -> Result<&str> {
    check_name(name).map_err(|e| match e {
        NameError::TooLong => VfsError::NameTooLong,
        NameError::NotText | NameError::Character(_) | NameError::TrailingSpace | NameError::Reserved(_) => {
            VfsError::Invalid
        }
    })
}

pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
