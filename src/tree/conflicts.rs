//! Conflict copies: known by their names, so that one is settled by renaming or deleting it, wherever that is done.

use super::error::TreeError;
use super::node::Node;
use super::rows;
use super::store::Tree;
use crate::base::{Ino, is_conflict_name};
use rusqlite::params;

impl Tree {
    /// Conflict copies among the nodes known here, after `after` in the order of their inode numbers; how far it looked is the
    /// second value, `None` at the end. Looks at about `limit` at a time.
    pub fn conflict_copies(&self, after: Ino, limit: usize) -> Result<(Vec<Node>, Option<Ino>), TreeError> {
        let inner = self.lock();
        // The condition is that of the index `nodes_conflict`; what it finds is looked at more closely.
        let sql = format!(
            "SELECT {} FROM nodes WHERE deleted = 0 AND instr(name, ' (conflict ') > 0 AND ino > ?1 ORDER BY ino LIMIT ?2",
            rows::COLUMNS
        );
        let mut statement = inner.db().prepare_cached(&sql)?;
        let rows = statement.query_map(params![after.0 as i64, limit as i64], rows::from_row)?;
        let mut found: Vec<Node> = rows.collect::<rusqlite::Result<_>>()?;
        let next = found.last().map(|node| node.ino);
        found.retain(|node| is_conflict_name(&node.name));
        Ok((found, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_by_their_index() {
        let tree = Tree::in_memory().unwrap();
        let inner = tree.lock();
        let plan: String = inner
            .db()
            .query_row(
                "EXPLAIN QUERY PLAN SELECT ino FROM nodes WHERE deleted = 0 AND instr(name, ' (conflict ') > 0 \
                 AND ino > 5 ORDER BY ino LIMIT 3",
                [],
                |r| r.get(3),
            )
            .unwrap();
        assert!(plan.contains("nodes_conflict"), "{plan}");
    }
}
