//! What a start makes of the spool files that the last run left (DESIGN.md section 5, closed or interrupted).

use crate::base::Timestamp;
use crate::content::{Content, SpoolFile};
use crate::tree::{ContentRow, ContentState, StoredStamp, Tree, TreeError};

/// What was found in the spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Closed before the end, or sealed: they go up by themselves.
    pub closed: u64,
    /// Not as their last close left them: kept under their names and told.
    pub interrupted: u64,
    /// Of no node: moved to `rescue/`.
    pub rescued: u64,
}

/// Looks at every spool file. `power_cut` says that the machine stopped without the daemon: bytes that were not synced may be
/// missing then, whatever the stamps say.
///
/// # Errors
/// What the database reports; a spool file that cannot be read is logged and left where it is.
pub fn recover(tree: &Tree, content: &Content, power_cut: bool, now: Timestamp) -> Result<Recovered, TreeError> {
    let mut found = Recovered::default();
    let files = match content.spool_files() {
        Ok(files) => files,
        Err(error) => {
            log::error!("the spool cannot be read: {error}");
            return Ok(found);
        }
    };
    for file in files {
        match file {
            Ok(file) => one(tree, content, &file, power_cut, now, &mut found)?,
            Err(error) => log::error!("a spool file cannot be read, and stays where it is: {error}"),
        }
    }
    Ok(found)
}

fn one(
    tree: &Tree,
    content: &Content,
    file: &SpoolFile,
    power_cut: bool,
    now: Timestamp,
    found: &mut Recovered,
) -> Result<(), TreeError> {
    let Some(row) = tree.content(file.id)? else {
        found.rescued += 1;
        match content.to_rescue(file.id) {
            Ok(path) => log::warn!("a spool file that belongs to nothing is now {}", path.display()),
            Err(error) => log::error!("a spool file that belongs to nothing cannot be moved: {error}"),
        }
        return Ok(());
    };
    let stamp = StoredStamp { size: file.stamp.size, mtime_ns: file.stamp.mtime_ns, ctime_ns: file.stamp.ctime_ns };
    match fate(&row, stamp, power_cut) {
        Fate::Leave => {}
        Fate::Closed => {
            found.closed += 1;
            tree.found_closed(file.id, now)?;
        }
        Fate::Interrupted => {
            found.interrupted += 1;
            if let Some(node) = tree.found_interrupted(file.id, stamp, now)? {
                log::warn!("'{}' was interrupted while it was written: it is kept, and not sent", node.name);
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Leave,
    Closed,
    Interrupted,
}

fn fate(row: &ContentRow, stamp: StoredStamp, power_cut: bool) -> Fate {
    let as_closed = row.stamp == Some(stamp);
    match row.state {
        ContentState::Clean => Fate::Leave,
        // What was sealed is on the disk; what is not as sealed was written by a program that outlived the daemon.
        ContentState::Sealed { .. } if as_closed => Fate::Leave,
        ContentState::Writable if as_closed && !power_cut => Fate::Closed,
        ContentState::Sealed { .. } | ContentState::Writable => Fate::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ContentId, Ino, Sha1Digest};
    use crate::tree::Place;

    #[test]
    fn only_bytes_that_are_as_they_were_closed_go_up_by_themselves() {
        let stamp = StoredStamp { size: 1, mtime_ns: 2, ctime_ns: 3 };
        let sealed = ContentState::Sealed { sha1: Sha1Digest::of(b"x") };
        let other = StoredStamp { size: 2, ..stamp };
        for (state, noted, power_cut, expected) in [
            (ContentState::Clean, None, true, Fate::Leave),
            (sealed, Some(stamp), true, Fate::Leave),
            (sealed, Some(other), false, Fate::Interrupted),
            (ContentState::Writable, Some(stamp), false, Fate::Closed),
            (ContentState::Writable, Some(stamp), true, Fate::Interrupted),
            (ContentState::Writable, Some(other), false, Fate::Interrupted),
            (ContentState::Writable, None, false, Fate::Interrupted),
        ] {
            let row = ContentRow {
                id: ContentId(1),
                ino: Ino(2),
                place: Place::Spool,
                state,
                origin: None,
                ranges: None,
                size: 1,
                smallest: 0,
                stamp: noted,
                durable: false,
                boot: String::new(),
            };
            assert_eq!(fate(&row, stamp, power_cut), expected, "{state:?} {noted:?} {power_cut}");
        }
    }
}
