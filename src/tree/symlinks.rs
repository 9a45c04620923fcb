//! Symbolic links that are kept on this machine.

use super::error::TreeError;
use super::node::{Node, NodeKind};
use super::rows;
use super::store::Tree;
use crate::base::Ino;
use rusqlite::params;

impl Tree {
    /// Where a symlink leads.
    pub fn target(&self, ino: Ino) -> Result<Vec<u8>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT target FROM nodes WHERE ino = ?1")?;
        let target: Option<Vec<u8>> = statement.query_row([ino.0 as i64], |r| r.get(0))?;
        target.ok_or(TreeError::NotFound)
    }

    /// The links that are shown, with numbers above `after`, at most `limit`.
    pub fn symlinks(&self, after: Ino, limit: usize) -> Result<Vec<Node>, TreeError> {
        let inner = self.lock();
        let sql = format!(
            "SELECT {} FROM nodes WHERE kind = ?1 AND deleted = 0 AND ino > ?2 ORDER BY ino LIMIT ?3",
            rows::COLUMNS
        );
        let mut statement = inner.db().prepare_cached(&sql)?;
        let found =
            statement.query_map(params![NodeKind::Symlink.to_sql(), after.0 as i64, limit as i64], rows::from_row)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether a file of this name stays on this machine.
    pub fn keeps_here(&self, name: &str) -> bool {
        self.lock().keeps_here(name)
    }
}
