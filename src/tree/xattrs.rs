//! Extended attributes that Box cannot hold: kept here.

use super::error::TreeError;
use super::store::Tree;
use crate::base::Ino;
use rusqlite::{OptionalExtension, params};

impl Tree {
    pub fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Option<Vec<u8>>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT value FROM xattrs WHERE ino = ?1 AND name = ?2")?;
        Ok(statement.query_row(params![ino.0 as i64, name], |r| r.get(0)).optional()?)
    }

    /// Names only, in order.
    pub fn xattrs(&self, ino: Ino) -> Result<Vec<Vec<u8>>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT name FROM xattrs WHERE ino = ?1 ORDER BY name")?;
        let rows = statement.query_map([ino.0 as i64], |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub fn set_xattr(&self, ino: Ino, name: &[u8], value: &[u8]) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO xattrs (ino, name, value) VALUES (?1, ?2, ?3)")?
                .execute(params![ino.0 as i64, name, value])?;
            Ok(())
        })
    }

    /// Returns whether it was there.
    pub fn remove_xattr(&self, ino: Ino, name: &[u8]) -> Result<bool, TreeError> {
        self.write(|tx| {
            let gone = tx
                .prepare_cached("DELETE FROM xattrs WHERE ino = ?1 AND name = ?2")?
                .execute(params![ino.0 as i64, name])?;
            Ok(gone > 0)
        })
    }
}
