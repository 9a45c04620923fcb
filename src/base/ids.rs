//! The ids of things, as types that cannot be mixed up.

use std::fmt;

/// A local inode number: persistent, never reused (DESIGN.md section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ino(pub u64);

impl Ino {
    /// The root of the mount.
    pub const ROOT: Ino = Ino(1);
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The bytes of one file on this machine: names the data file in spool or cache. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ContentId(pub u64);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A row that stands for one mutating call that may be on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AttemptId(pub u64);

/// What an item in Box is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ItemKind {
    File,
    Folder,
    WebLink,
}

impl ItemKind {
    /// The word Box uses in `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::File => "file",
            ItemKind::Folder => "folder",
            ItemKind::WebLink => "web_link",
        }
    }

    /// The kind for Box's word in `type`; other types (`user`, `comment`) have none.
    pub fn parse(word: &str) -> Option<ItemKind> {
        match word {
            "file" => Some(ItemKind::File),
            "folder" => Some(ItemKind::Folder),
            "web_link" => Some(ItemKind::WebLink),
            _ => None,
        }
    }
}

/// An item in Box. Ids are unique only together with the type (API.md 3.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BoxId {
    pub kind: ItemKind,
    /// A decimal string, as Box writes it.
    pub id: String,
}

impl BoxId {
    pub fn file(id: impl Into<String>) -> BoxId {
        BoxId { kind: ItemKind::File, id: id.into() }
    }

    pub fn folder(id: impl Into<String>) -> BoxId {
        BoxId { kind: ItemKind::Folder, id: id.into() }
    }

    pub fn is_folder(&self) -> bool {
        self.kind == ItemKind::Folder
    }
}

impl fmt::Display for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)
    }
}
