//! Upload sessions that Box opened for us; they outlive the daemon by up to seven days (API.md 1.8).

use super::error::TreeError;
use super::store::Tree;
use crate::base::{ContentId, Ino, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

/// An open session for one generation of one content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    pub ino: Ino,
    pub content: ContentId,
    pub generation: u64,
    pub id: String,
    /// `session_endpoints` as JSON: a matter of the client's.
    pub endpoints: String,
    pub part_size: u64,
    pub size: u64,
    /// The file that gets a version; `None`: a new file in `parent` called `name`.
    pub file_id: Option<String>,
    pub parent: Option<String>,
    pub name: Option<String>,
    pub expires: Option<Timestamp>,
}

const COLUMNS: &str = "ino, content, generation, id, endpoints, part_size, size, file_id, parent, name, expires";

fn from_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        ino: Ino(row.get::<_, i64>(0)? as u64),
        content: ContentId(row.get::<_, i64>(1)? as u64),
        generation: row.get::<_, i64>(2)? as u64,
        id: row.get(3)?,
        endpoints: row.get(4)?,
        part_size: row.get::<_, i64>(5)?.max(0) as u64,
        size: row.get::<_, i64>(6)?.max(0) as u64,
        file_id: row.get(7)?,
        parent: row.get(8)?,
        name: row.get(9)?,
        expires: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_nanos),
    })
}

impl Tree {
    /// The session of the node, if one is open.
    pub fn session(&self, ino: Ino) -> Result<Option<SessionRow>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE ino = ?1"))?;
        Ok(statement.query_row([ino.0 as i64], from_row).optional()?)
    }

    /// Remembers the session, in place of one that the node had.
    pub fn put_session(&self, row: &SessionRow) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO sessions (ino, content, generation, id, endpoints, part_size, size, file_id, \
                 parent, name, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                row.ino.0 as i64,
                row.content.0 as i64,
                row.generation as i64,
                row.id,
                row.endpoints,
                row.part_size as i64,
                row.size as i64,
                row.file_id,
                row.parent,
                row.name,
                row.expires.map(Timestamp::to_nanos),
            ])?;
            Ok(())
        })
    }

    /// Sessions for bytes that are not to be sent any more, at most `limit`. Not where a call for the node may be on its way:
    /// that may be a commit.
    pub fn useless_sessions(&self, limit: usize) -> Result<Vec<SessionRow>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare_cached(&format!(
            "SELECT {COLUMNS} FROM sessions s WHERE NOT EXISTS \
             (SELECT 1 FROM attempts a WHERE a.ino = s.ino AND a.settled_at IS NULL) AND NOT EXISTS \
             (SELECT 1 FROM nodes n WHERE n.ino = s.ino AND n.deleted = 0 AND n.content = s.content \
             AND n.generation = s.generation AND n.base_generation IS NOT n.generation) LIMIT ?1"
        ))?;
        let rows = statement.query_map([limit as i64], from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The session with this id is over.
    pub fn forget_session(&self, id: &str) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
    }

    pub fn drop_session(&self, ino: Ino) -> Result<(), TreeError> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM sessions WHERE ino = ?1")?.execute([ino.0 as i64])?;
            Ok(())
        })
    }
}
