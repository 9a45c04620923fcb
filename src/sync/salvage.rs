//! The user's hand on bytes that Box does not have: throwing them away, and finding where they lie to copy them out, with or without
//! a daemon.

use super::engine::Engine;
use crate::base::{ContentId, Ino, box_name};
use crate::content::Ranges;
use crate::tree::{Ask, ContentState, DiscardAsk, Discarded, Lookup, NotDiscarded, Tree, TreeError};
use std::ops::Range;
use std::path::PathBuf;
use tokio::sync::oneshot;

/// The bytes of one file on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub file: PathBuf,
    pub size: u64,
    /// What of them is in Box only.
    pub missing: Vec<Range<u64>>,
    /// Box has none of these bytes as they are here.
    pub unsent: bool,
}

/// Where the bytes of the file are; `None` where none are on this machine, or it is no file. `data_file` finds a data file.
pub fn locate(
    tree: &Tree,
    ino: Ino,
    data_file: impl Fn(ContentId) -> Option<PathBuf>,
    present: impl Fn(ContentId) -> Option<Ranges>,
) -> Result<Option<Located>, TreeError> {
    let node = tree.node(ino)?;
    let Some(row) = node.content.map(|id| tree.content(id)).transpose()?.flatten() else { return Ok(None) };
    let Some(file) = data_file(row.id) else { return Ok(None) };
    let size = file.metadata().map_or(row.size, |metadata| metadata.len());
    let noted = || row.ranges.as_deref().and_then(|bytes| Ranges::from_bytes(bytes).ok());
    let present = present(row.id).or_else(noted).unwrap_or_else(Ranges::whole);
    let unsent = row.state != ContentState::Clean || node.content_dirty();
    Ok(Some(Located { file, size, missing: present.missing(&(0..size)), unsent }))
}

/// The node that `path`, as shown and relative to the root, names among those known here.
pub fn find(tree: &Tree, path: &str) -> Result<Option<Ino>, TreeError> {
    let mut at = Ino::ROOT;
    for part in path.split('/').filter(|p| !p.is_empty()) {
        let Some(name) = box_name(part) else { return Ok(None) };
        match tree.child(at, &name)? {
            Lookup::Found(node) => at = node.ino,
            Lookup::Missing | Lookup::Unlisted => return Ok(None),
        }
    }
    Ok(Some(at))
}

impl Engine {
    /// Where the bytes of the file are.
    pub fn locate(&self, ino: Ino) -> Result<Option<Located>, TreeError> {
        let content = self.content();
        locate(self.tree(), ino, |id| content.data_path(id), |id| content.get(id).map(|file| file.ranges()))
    }

    /// What `path` names, or named until it was deleted here.
    pub fn find_deleted(&self, path: &str) -> Result<Option<Ino>, TreeError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(folder) = self.find(folder)? else { return Ok(None) };
        box_name(name).map_or(Ok(None), |name| self.tree().deleted_child(folder, &name))
    }

    /// Throws away what Box does not have of `ino`; only says what that would be unless `act`.
    pub async fn discard(&self, ino: Ino, act: bool) -> Result<Discarded, NotDiscarded> {
        let (reply, done) = oneshot::channel();
        let asked = self.asks().send(Ask::Discard(DiscardAsk { ino, act, reply })).await;
        match asked {
            Ok(()) => done.await.unwrap_or(Err(NotDiscarded::Gone)),
            Err(_) => Err(NotDiscarded::Gone),
        }
    }
}
