//! Pins: files and folders whose bytes are kept on this machine, with all that is below them.

use super::error::TreeError;
use super::evict::is_pinned;
use super::node::{Node, Presence};
use super::store::Tree;
use crate::base::Ino;

impl Tree {
    /// From here on the bytes of `ino`, and of all below it, are kept.
    pub fn pin(&self, ino: Ino) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.node(ino)?;
            tx.prepare_cached("INSERT OR IGNORE INTO pins (ino) VALUES (?1)")?.execute([ino.0 as i64])?;
            Ok(())
        })?;
        self.tell_of_news();
        Ok(())
    }

    /// Takes the pin of `ino` itself away; whether there was one.
    pub fn unpin(&self, ino: Ino) -> Result<bool, TreeError> {
        self.write(|tx| {
            let gone = tx.prepare_cached("DELETE FROM pins WHERE ino = ?1")?.execute([ino.0 as i64])?;
            Ok(gone > 0)
        })
    }

    /// What has a pin of its own. A pin goes with its node.
    pub fn pins(&self) -> Result<Vec<Ino>, TreeError> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM pins WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.ino = pins.ino)")?
                .execute([])?;
            let mut statement = tx.prepare_cached("SELECT ino FROM pins ORDER BY ino")?;
            let rows = statement.query_map([], |r| r.get::<_, i64>(0))?;
            rows.map(|r| Ok(Ino(r? as u64))).collect()
        })
    }

    /// Whether `ino` has a pin of its own, and whether it or a folder above it has one.
    pub fn pin_of(&self, ino: Ino) -> Result<(bool, bool), TreeError> {
        self.write(|tx| {
            let own = "SELECT EXISTS (SELECT 1 FROM pins WHERE ino = ?1)";
            let own = tx.prepare_cached(own)?.query_row([ino.0 as i64], |r| r.get(0))?;
            Ok((own, own || is_pinned(tx, ino)?))
        })
    }

    /// How many bytes of a file are not known to be on this machine, though Box has them. Ranges of a file that is not whole count
    /// as all of it.
    pub fn missing_bytes(&self, node: &Node) -> Result<u64, TreeError> {
        let in_box = node.is_file() && node.box_id.is_some() && node.presence != Presence::Deleted;
        if !in_box || node.content_dirty() {
            return Ok(0);
        }
        let row = node.content.map(|id| self.content(id)).transpose()?.flatten();
        Ok(if row.is_some_and(|row| row.ranges.is_none()) { 0 } else { node.attr.size })
    }
}
