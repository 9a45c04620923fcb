//! How the tree fails.

use crate::base::Ino;

/// What a transaction on the tree could not do.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("there is no node {0}")]
    NoNode(Ino),
    #[error("the name does not exist")]
    NotFound,
    /// The name, or one that Box does not tell apart from it, belongs to another node.
    #[error("the name is taken by '{existing}'")]
    Exists { existing: String },
    #[error("it is not a folder")]
    NotFolder,
    #[error("it is a folder")]
    IsFolder,
    #[error("the folder is not empty")]
    NotEmpty,
    /// The folder has to be listed before this can be answered.
    #[error("folder {0} is not listed yet")]
    Unlisted(Ino),
    #[error("a folder cannot be moved below itself")]
    IntoItself,
    #[error(
        "the database was written by a later version of boxfs (schema {found}, this one knows {known}): use that version, or another --state-dir"
    )]
    TooNew { found: i64, known: i64 },
    #[error(
        "the database is damaged ({0}): unmount and mount again; what is not in Box is kept, and the rest is made anew"
    )]
    Damaged(String),
    #[error("the database failed: {0}")]
    Sql(#[from] rusqlite::Error),
}

impl TreeError {
    /// Whether the database is not what it was written as.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            TreeError::Damaged(_) => true,
            TreeError::Sql(e) => matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            _ => false,
        }
    }

    /// The same, with SQLite's words for damage as [`TreeError::Damaged`].
    pub fn or_damaged(self) -> TreeError {
        match &self {
            TreeError::Sql(e) if self.is_damage() => TreeError::Damaged(e.to_string()),
            _ => self,
        }
    }

    /// Whether the disk under the database has no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, TreeError::Sql(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
