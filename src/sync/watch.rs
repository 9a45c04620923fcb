//! Changes as they are applied, with who made them where Box says so, for whoever wants to watch.

use super::board::Board;
use super::engine::Engine;
use crate::tree::{Change, Flow, MadeIn};
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Somebody who watches.
pub struct Watching {
    changes: Receiver<Change>,
    board: Arc<Board>,
}

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Change {
        change: Change,
        /// Login; of changes by others alone.
        by: Option<String>,
    },
    /// The watcher was too slow for so many changes.
    Missed(u64),
}

impl Engine {
    /// Every change from now on: what news did to the mount, and what went up from here.
    pub fn watch(&self) -> Watching {
        Watching { changes: self.tree().changes(), board: self.board().clone() }
    }

    /// Whether what others do is heard soon.
    pub fn hears_news(&self) -> bool {
        self.tree().flow() == Flow::News
    }
}

impl Watching {
    /// The next change; `None` when the mount ends.
    pub async fn next(&mut self) -> Option<Seen> {
        match self.changes.recv().await {
            Ok(change) => {
                let item = change.item.as_ref().filter(|_| change.made_in == MadeIn::Box);
                let by = item.and_then(|item| self.board.author(item));
                Some(Seen::Change { change, by })
            }
            Err(RecvError::Lagged(count)) => Some(Seen::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}
