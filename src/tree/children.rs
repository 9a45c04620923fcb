//! Reading names: exact lookup, and the children of a folder page by page.

use super::error::TreeError;
use super::node::Node;
use super::rows;
use super::store::Tree;
use crate::base::{BoxId, Ino, fold};
use rusqlite::params;

/// What a folder says of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    Found(Box<Node>),
    /// The folder is complete, and the name is not in it.
    Missing,
    /// Not known here, and the folder is not listed: only Box can say.
    Unlisted,
}

impl Tree {
    /// The child of `parent` whose box name is exactly `name`.
    pub fn child(&self, parent: Ino, name: &str) -> Result<Lookup, TreeError> {
        let mut inner = self.lock();
        if let Some(node) = inner.child(parent, name)? {
            return Ok(Lookup::Found(Box::new(node)));
        }
        let folder = inner.node(parent)?;
        if !folder.is_folder() {
            return Err(TreeError::NotFolder);
        }
        Ok(if folder.complete { Lookup::Missing } else { Lookup::Unlisted })
    }

    /// Whether another item than `id` has the name in the folder `parent`, as far as we know.
    pub fn is_name_taken(&self, id: &BoxId, parent: Option<&str>, name: &str) -> Result<bool, TreeError> {
        let Some(parent) = parent else { return Ok(false) };
        let inner = self.lock();
        let Some(folder) = rows::by_item(inner.db(), &BoxId::folder(parent))? else { return Ok(false) };
        let holders = rows::folding(inner.db(), folder.ino, name)?;
        Ok(holders.iter().any(|holder| {
            let other = holder.item().is_some_and(|item| item != *id);
            other && holder.base.as_ref().is_some_and(|base| base.parent == parent && fold(&base.name) == fold(name))
        }))
    }

    /// The folders that count as listed.
    pub fn complete_folders(&self) -> Result<Vec<Ino>, TreeError> {
        let inner = self.lock();
        let mut statement = inner
            .db()
            .prepare_cached("SELECT ino FROM nodes WHERE complete = 1 AND box_id IS NOT NULL AND deleted = 0")?;
        let rows = statement.query_map([], |r| r.get::<_, i64>(0))?;
        rows.map(|r| Ok(Ino(r? as u64))).collect()
    }

    /// At most `limit` children of `parent` with inode numbers above `after`, in that order: a cookie that stays right while
    /// names come and go.
    ///
    /// # Errors
    /// [`TreeError::Unlisted`] if Box has to be asked first.
    pub fn children(&self, parent: Ino, after: Ino, limit: usize) -> Result<Vec<Node>, TreeError> {
        let mut inner = self.lock();
        let folder = inner.node(parent)?;
        if !folder.is_folder() {
            return Err(TreeError::NotFolder);
        }
        if !folder.complete {
            return Err(TreeError::Unlisted(parent));
        }
        let sql = format!(
            "SELECT {} FROM nodes WHERE parent = ?1 AND ino > ?2 AND deleted = 0 ORDER BY ino LIMIT ?3",
            rows::COLUMNS
        );
        let mut statement = inner.db().prepare_cached(&sql)?;
        let found = statement.query_map(params![parent.0 as i64, after.0 as i64, limit as i64], rows::from_row)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}
