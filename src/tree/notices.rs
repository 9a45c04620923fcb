//! What the user is to be told although nothing is left to be done: kept over restarts until it is dismissed.

use super::error::TreeError;
use super::store::Tree;
use crate::base::Timestamp;
use rusqlite::params;

/// Notices kept; the oldest go first. More than a person reads, and little to store.
const MAX_NOTICES: i64 = 200;

/// Something that happened to an item, or to everything (an empty path).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub at: Timestamp,
    /// Below the root, as shown; empty: the whole mount.
    pub path: String,
    pub what: String,
}

impl Tree {
    /// Keeps a notice for the user.
    pub fn notice(&self, path: &str, what: &str, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("INSERT INTO notices (at, path, what) VALUES (?1, ?2, ?3)")?.execute(params![
                now.to_nanos(),
                path,
                what
            ])?;
            tx.prepare_cached("DELETE FROM notices WHERE id <= (SELECT MAX(id) FROM notices) - ?1")?
                .execute([MAX_NOTICES])?;
            Ok(())
        })
    }

    /// The notices, newest first.
    pub fn notices(&self) -> Result<Vec<Notice>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached("SELECT at, path, what FROM notices ORDER BY id DESC")?;
        let rows = statement
            .query_map([], |r| Ok(Notice { at: Timestamp::from_nanos(r.get(0)?), path: r.get(1)?, what: r.get(2)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The user has seen them.
    pub fn dismiss_notices(&self) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.execute("DELETE FROM notices", [])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_notices_are_kept_until_they_are_dismissed() {
        let tree = Tree::in_memory().unwrap();
        for n in 0..MAX_NOTICES + 5 {
            tree.notice("doc", &n.to_string(), Timestamp::new(n, 0)).unwrap();
        }
        let kept = tree.notices().unwrap();
        assert_eq!(kept.len(), MAX_NOTICES as usize);
        assert_eq!(kept[0].what, (MAX_NOTICES + 4).to_string());
        tree.dismiss_notices().unwrap();
        assert!(tree.notices().unwrap().is_empty());
    }
}
