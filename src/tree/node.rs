//! A node: what the mount shows now, and what that was last reconciled with.

use crate::base::{BootClock, BoxId, ContentId, Ino, ItemKind, LocalOnlyNames, Sha1Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// What a node is for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum NodeKind {
    File,
    Folder,
    /// Kept here: Box has none.
    Symlink,
    /// A bookmark in Box, shown as `NAME.url`.
    WebLink,
}

impl NodeKind {
    pub(super) fn to_sql(self) -> i64 {
        match self {
            NodeKind::File => 0,
            NodeKind::Folder => 1,
            NodeKind::Symlink => 2,
            NodeKind::WebLink => 3,
        }
    }

    pub(super) fn from_sql(value: i64) -> Option<NodeKind> {
        [NodeKind::File, NodeKind::Folder, NodeKind::Symlink, NodeKind::WebLink]
            .into_iter()
            .find(|k| k.to_sql() == value)
    }

    /// The kind of item that holds such a node in Box; symlinks have none.
    pub fn item_kind(self) -> Option<ItemKind> {
        match self {
            NodeKind::File => Some(ItemKind::File),
            NodeKind::Folder => Some(ItemKind::Folder),
            NodeKind::WebLink => Some(ItemKind::WebLink),
            NodeKind::Symlink => None,
        }
    }
}

/// Whether the mount shows the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    Here,
    /// Deleted by a program; the row lives until Box knows and the last handle is released.
    Deleted,
}

/// What `stat` shows. Times keep their nanoseconds; `mode` has permission bits only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attr {
    pub size: u64,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub atime: Timestamp,
    pub btime: Timestamp,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What *local* was last reconciled with: Box's word of then, field by field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Base {
    /// Box id of the parent folder.
    pub parent: String,
    pub name: String,
    /// Files: the version whose bytes are those of `generation`.
    pub version: Option<String>,
    pub sha1: Option<Sha1Digest>,
    /// The local content generation that `version` holds; `None` while a base version is someone else's bytes that
    /// this node is to replace.
    pub generation: Option<u64>,
    /// `content_modified_at` as sent or as told, whole seconds.
    pub mtime_secs: i64,
}

/// What a program is told of a [`Hold::Suspect`].
const DISK_FULL: &str = "ENOSPC";

/// Why a dirty node is not worked on, beyond what follows from its neighbors.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Hold {
    /// A call failed for a reason that may heal; tried again at `due`.
    Retrying { reason: String },
    /// Box refuses; nothing is tried until the user says so or the node changes. `told`: a program has heard of it.
    Failed {
        reason: String,
        errno: String,
        #[serde(default)]
        told: bool,
    },
    /// The writer was killed, or the machine stopped, before the bytes were closed.
    Interrupted,
    /// A limit was passed while the kernel wrote behind our back. `told` as above.
    Suspect {
        reason: String,
        #[serde(default)]
        told: bool,
    },
    /// Only the user can decide.
    NeedsUser { reason: String },
    /// Never sent to Box.
    LocalOnly,
}

impl Hold {
    /// Whether only the user, or a change of the node, ends it.
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Hold::Retrying { .. })
    }

    /// A refusal that no program has heard of yet.
    pub fn failed(reason: impl Into<String>, errno: &str) -> Hold {
        Hold::Failed { reason: reason.into(), errno: errno.to_owned(), told: false }
    }

    /// The name of the error that programs are told, and whether one has been told already.
    pub fn error(&self) -> Option<(&str, bool)> {
        match self {
            Hold::Failed { errno, told, .. } => Some((errno, *told)),
            Hold::Suspect { told, .. } => Some((DISK_FULL, *told)),
            _ => None,
        }
    }

    /// The same, after a program was told.
    pub(super) fn now_told(mut self) -> Hold {
        if let Hold::Failed { told, .. } | Hold::Suspect { told, .. } = &mut self {
            *told = true;
        }
        self
    }
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub ino: Ino,
    pub kind: NodeKind,
    pub parent: Ino,
    /// The box name; what the mount shows is `base::shown_name` of it.
    pub name: String,
    pub presence: Presence,
    pub attr: Attr,
    /// The bytes on this machine, if any are.
    pub content: Option<ContentId>,
    /// Counts the sealed states of the bytes that differ from the one before.
    pub generation: u64,
    /// A program has, or had, the bytes open for writing since they were last sealed.
    pub unsealed: bool,
    /// The id in Box, together with `kind`.
    pub box_id: Option<String>,
    pub base: Option<Base>,
    /// Folders: every child that Box has is here.
    pub complete: bool,
    /// When a program last changed it.
    pub changed_at: Timestamp,
    pub dirty_since: Option<Timestamp>,
    pub hold: Option<Hold>,
    /// Calls that failed in a row.
    pub failures: u32,
    /// The version for which Box did not take a time.
    pub time_refused: Option<String>,
    /// Files: the number of the identity that the node has, if it is not its inode number (`tree::memory`).
    pub identity: Option<i64>,
    /// When that identity was made by a program on this machine, on this boot.
    pub born_at: Option<BootClock>,
}

impl Node {
    pub fn item(&self) -> Option<BoxId> {
        Some(BoxId { kind: self.kind.item_kind()?, id: self.box_id.clone()? })
    }

    pub fn is_folder(&self) -> bool {
        self.kind == NodeKind::Folder
    }

    /// Whether it is what is left of a file that lost its identity to another one (`tree::memory`).
    pub fn is_backup(&self) -> bool {
        self.identity.is_some_and(|number| number < 0)
    }

    pub fn is_file(&self) -> bool {
        self.kind == NodeKind::File
    }

    /// Box may not have these bytes.
    pub fn content_dirty(&self) -> bool {
        self.is_file() && (self.unsealed || self.base.as_ref().and_then(|b| b.generation) != Some(self.generation))
    }

    /// The node stays on this machine: Box cannot hold it, or its name says that a program makes it again by itself. An item
    /// that Box has is never one.
    pub(super) fn stays_here(&self, names: &LocalOnlyNames) -> bool {
        let here = self.presence == Presence::Here && self.box_id.is_none();
        here && (self.kind == NodeKind::Symlink || (self.is_file() && names.hold_for(&self.name)))
    }

    pub fn is_local_only(&self) -> bool {
        self.hold == Some(Hold::LocalOnly)
    }

    /// The modification time differs from what Box holds of it.
    pub fn time_dirty(&self) -> bool {
        let Some(base) = self.base.as_ref().filter(|_| self.is_file()) else { return false };
        let refused = self.time_refused.is_some() && self.time_refused == base.version;
        !refused && base.mtime_secs != self.attr.mtime.as_box_holds().secs
    }

    /// Name or parent differ from base; `parent_id` is the parent's id in Box, if it has one.
    pub fn place_dirty(&self, parent_id: Option<&str>) -> bool {
        match &self.base {
            None => true,
            Some(base) => base.name != self.name || Some(base.parent.as_str()) != parent_id,
        }
    }

    /// Box and this node differ in some way that a call can cure.
    pub fn is_dirty(&self, parent_id: Option<&str>) -> bool {
        if self.kind == NodeKind::WebLink || self.ino == Ino::ROOT {
            return self.presence == Presence::Deleted;
        }
        self.presence == Presence::Deleted
            || self.box_id.is_none()
            || self.content_dirty()
            || self.place_dirty(parent_id)
            || self.time_dirty()
    }
}
