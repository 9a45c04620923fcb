//! The answers about bytes that Box does not have: discarding them, and where they are.

use super::answer::{Answerer, failed, no_such};
use super::protocol::{Discarded, Located, Refusal, Reply};
use crate::base::Ino;
use crate::sync;

impl Answerer {
    /// The item at `path`, or the one that was there until it was deleted here.
    pub(super) async fn discard(&self, path: &str, act: bool) -> Reply {
        let found = self.engine().find(path).and_then(|found| match found {
            Some(ino) => Ok(Some(ino)),
            None => self.engine().find_deleted(path),
        });
        let ino = match found {
            Ok(Some(ino)) => ino,
            Ok(None) => return no_such(path),
            Err(error) => return failed(&error),
        };
        match self.engine().discard(ino, act).await {
            Ok(done) => Reply::Discarded { what: said(done) },
            Err(why) => Reply::Error { refusal: Refusal::Failed, message: format!("'{path}' is not discarded: {why}") },
        }
    }

    pub(super) fn locate(&self, ino: Ino) -> Reply {
        match self.engine().locate(ino) {
            Ok(found) => {
                Reply::Located { found: found.map(|f| Located { file: f.file, size: f.size, missing: f.missing }) }
            }
            Err(error) => failed(&error),
        }
    }
}

fn said(done: sync::Discarded) -> Discarded {
    match done {
        sync::Discarded::Nothing => Discarded::Nothing,
        sync::Discarded::Reverted { bytes } => Discarded::Reverted { bytes },
        sync::Discarded::Removed { bytes } => Discarded::Removed { bytes },
        sync::Discarded::MovedBack => Discarded::MovedBack,
        sync::Discarded::Undeleted => Discarded::Undeleted,
    }
}
