//! What needs a person: conflict copies, and work that Box refuses. Lists are bounded by the caller.

use super::engine::Engine;
use super::report::Failing;
use crate::base::{Ino, Timestamp, original_name, shown_name};
use crate::tree::{Notice, TreeError};

/// Nodes read from the database at a time.
const PAGE: usize = 500;

/// Bytes of ours that met somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictCopy {
    /// What it is a copy of.
    pub path: String,
    pub copy: String,
}

/// Everything below a node that needs a person.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    pub conflicts: Vec<ConflictCopy>,
    pub failed: Vec<Failing>,
    pub notices: Vec<Notice>,
}

impl Engine {
    /// At most `limit` of each kind below `top`.
    pub fn troubles(&self, top: Ino, limit: usize) -> Result<Troubles, TreeError> {
        self.gather_troubles(top, limit).map_err(|error| self.tree().suspect(error))
    }

    fn gather_troubles(&self, top: Ino, limit: usize) -> Result<Troubles, TreeError> {
        let mut notices = if top == Ino::ROOT { self.tree().notices()? } else { Vec::new() };
        notices.truncate(limit);
        if self.tree().is_suspect() {
            let what = TreeError::Damaged("found while it was used".to_owned()).to_string();
            notices.insert(0, Notice { at: Timestamp::now(), path: String::new(), what });
        }
        Ok(Troubles { conflicts: self.conflicts(top, limit)?, failed: self.held(top, limit)?, notices })
    }

    /// The conflict copies below `top` that are known here, at most `limit`.
    fn conflicts(&self, top: Ino, limit: usize) -> Result<Vec<ConflictCopy>, TreeError> {
        let mut found = Vec::new();
        let mut after = Ino(0);
        while found.len() < limit {
            let (copies, next) = self.tree().conflict_copies(after, PAGE)?;
            let Some(next) = next else { break };
            after = next;
            for node in copies {
                let (Some(name), true) = (original_name(&node.name), self.tree().is_below(node.ino, top)?) else {
                    continue;
                };
                let copy = self.tree().path(node.ino)?;
                let folder = copy.rfind('/').map_or("", |at| &copy[..=at]);
                found.push(ConflictCopy { path: format!("{folder}{}", shown_name(&name)), copy });
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Whether work is on its way to Box, and the way is open.
    pub fn is_busy(&self) -> Result<bool, TreeError> {
        let open = self.reach().trouble.is_none() && self.paused_since()?.is_none();
        Ok(open && self.tree().any_on_its_way()?)
    }

    /// The user has seen the notices.
    pub fn dismiss_notices(&self) -> Result<(), TreeError> {
        self.tree().dismiss_notices()
    }
}
