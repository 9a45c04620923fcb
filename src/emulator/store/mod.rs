//! Everything an account is, in memory: items, versions, users, tokens, sessions, events. Decides what Box would decide
//! and knows nothing of HTTP, files or threads; the desk holds it under one lock and writes its changes to the journal.

mod access;
mod changes;
mod collaborations;
mod copies;
mod metadata;
mod model;
mod names;
mod news;
mod render;
mod sessions;
mod table;
mod tokens;
mod trash;
mod tree;
mod versions;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::options::Options;

pub(super) use access::{Act, Who};
pub(super) use changes::{Change, Precondition};
pub(super) use model::*;
pub(super) use news::{NewsFilter, Stream};
pub(super) use render::{Detail, View, id_text};
pub(super) use sessions::ListedPart;
use table::Table;
pub(super) use tokens::{Issued, random_token, slug};
pub(super) use versions::Upload;

/// Rows of one journal line when everything is written: a line stays around a megabyte.
const ROWS_PER_LINE: usize = 4000;

/// The state and what is derived from it.
pub(super) struct Store {
    pub(super) items: Table<Key, Item>,
    pub(super) versions: Table<u64, Version>,
    pub(super) users: Table<u64, User>,
    pub(super) accesses: Table<String, Access>,
    pub(super) refreshes: Table<String, Refresh>,
    pub(super) sessions: Table<String, Session>,
    pub(super) parts: Table<(String, u64), Part>,
    pub(super) collaborations: Table<u64, Collaboration>,
    pub(super) events: Table<u64, Event>,
    pub(super) counters: Counters,
    written_counters: Option<Counters>,
    pub(super) options: Arc<Options>,
    /// Seconds since 1970, set whenever the store is locked.
    pub(super) now: i64,

    /// What is in each folder, in listing order, by folded name. INVARIANT: exactly the items that are not trashed themselves.
    children: HashMap<u64, BTreeMap<(Kind, String), Key>>,
    /// Bytes below each folder.
    sizes: HashMap<u64, u64>,
    /// Bytes of all versions that count against each user.
    used: HashMap<u64, u64>,
    /// How many versions and parts use each blob.
    blob_uses: HashMap<u64, u32>,
    /// Blobs that nothing uses since the last commit.
    freed: Vec<u64>,
    /// Names that uploads in flight hold, by folder and folded name.
    reserved: HashSet<(u64, String)>,
    /// Collaborations by item.
    shared_with: HashMap<Key, Vec<u64>>,
    /// Folders that an operation in progress has locked, with all below them.
    busy: HashSet<u64>,
}

/// One journal line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Batch {
    items: Vec<(Key, Option<Item>)>,
    versions: Vec<(u64, Option<Version>)>,
    users: Vec<(u64, Option<User>)>,
    accesses: Vec<(String, Option<Access>)>,
    refreshes: Vec<(String, Option<Refresh>)>,
    sessions: Vec<(String, Option<Session>)>,
    parts: Vec<((String, u64), Option<Part>)>,
    collaborations: Vec<(u64, Option<Collaboration>)>,
    events: Vec<(u64, Option<Event>)>,
    counters: Option<Counters>,
}

/// Does one thing to each table: the list of tables stands here once.
macro_rules! each_table {
    ($store:expr, $table:ident => $body:expr) => {
        each_table!(@ $store, $table, $body, items versions users accesses refreshes sessions parts collaborations events)
    };
    (@ $store:expr, $table:ident, $body:expr, $($name:ident)*) => {
        {
            $(let $table = &mut $store.$name; $body;)*
        }
    };
}

impl Store {
    pub(super) fn new(options: Arc<Options>) -> Store {
        Store {
            items: Table::new("items"),
            versions: Table::new("versions"),
            users: Table::new("users"),
            accesses: Table::new("accesses"),
            refreshes: Table::new("refreshes"),
            sessions: Table::new("sessions"),
            parts: Table::new("parts"),
            collaborations: Table::new("collaborations"),
            events: Table::new("events"),
            counters: Counters::default(),
            written_counters: None,
            options,
            now: 0,
            children: HashMap::new(),
            sizes: HashMap::new(),
            used: HashMap::new(),
            blob_uses: HashMap::new(),
            freed: Vec::new(),
            reserved: HashSet::new(),
            shared_with: HashMap::new(),
            busy: HashSet::new(),
        }
    }

    /// Applies a journal line; [`Store::rebuild`] must follow the last one.
    pub(super) fn replay(&mut self, batch: Batch) {
        self.items.replay(batch.items);
        self.versions.replay(batch.versions);
        self.users.replay(batch.users);
        self.accesses.replay(batch.accesses);
        self.refreshes.replay(batch.refreshes);
        self.sessions.replay(batch.sessions);
        self.parts.replay(batch.parts);
        self.collaborations.replay(batch.collaborations);
        self.events.replay(batch.events);
        if let Some(counters) = batch.counters {
            self.written_counters = Some(counters.clone());
            self.counters = counters;
        }
    }

    /// All that changed since the last call, as one journal line without its newline; `None` if nothing did.
    pub(super) fn take_changes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = vec![b'{'];
        each_table!(self, table => table.write_changes(&mut line)?);
        if line.len() == 1 && self.written_counters.as_ref() == Some(&self.counters) {
            return Ok(None);
        }
        self.write_counters(&mut line)?;
        Ok(Some(line))
    }

    /// Forgets what changed without writing it, for an account that is not kept.
    pub(super) fn drop_changes(&mut self) {
        each_table!(self, table => table.forget_changes());
    }

    /// Everything, as journal lines of bounded length.
    pub(super) fn write_all(&mut self, sink: &mut dyn io::Write) -> io::Result<()> {
        each_table!(self, table => write_table(table, sink)?);
        let mut line = vec![b'{'];
        self.write_counters(&mut line)?;
        line.push(b'\n');
        sink.write_all(&line)?;
        self.drop_changes();
        Ok(())
    }

    fn write_counters(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        line.extend_from_slice(b"\"counters\":");
        serde_json::to_writer(&mut *line, &self.counters)?;
        line.push(b'}');
        self.written_counters = Some(self.counters.clone());
        Ok(())
    }

    /// Blobs to delete from disk once the changes are written.
    pub(super) fn take_freed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.freed)
    }

    pub(super) fn uses_blob(&self, blob: u64) -> bool {
        self.blob_uses.contains_key(&blob)
    }

    pub(super) fn use_blob(&mut self, blob: u64) {
        *self.blob_uses.entry(blob).or_insert(0) += 1;
    }

    pub(super) fn release_blob(&mut self, blob: u64) {
        let Some(uses) = self.blob_uses.get_mut(&blob) else {
            unreachable!("a blob is released as often as it was used");
        };
        *uses -= 1;
        if *uses == 0 {
            self.blob_uses.remove(&blob);
            self.freed.push(blob);
        }
    }

    /// The next number of what has no sequence of its own: locks, collaborations, links.
    pub(super) fn next_other(&mut self) -> u64 {
        self.counters.other += 1;
        self.counters.other
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.counters.sequence += 1;
        self.counters.sequence
    }
}

fn write_table<K: Ord + Clone + Serialize, V: Serialize>(
    table: &Table<K, V>,
    sink: &mut dyn io::Write,
) -> io::Result<()> {
    let keys: Vec<&K> = table.rows().keys().collect();
    for some in keys.chunks(ROWS_PER_LINE) {
        let mut line = vec![b'{'];
        table.write_rows(some.iter().copied(), &mut line)?;
        line.pop();
        line.extend_from_slice(b"}\n");
        sink.write_all(&line)?;
    }
    Ok(())
}
