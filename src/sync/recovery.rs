//! What a start makes of the data files that the last run left (DESIGN.md section 5, closed or interrupted).

use super::rebuild::identity;
use crate::base::{ContentId, Timestamp};
use crate::content::{Content, Place, Saved, Stamp};
use crate::tree::{self, ContentRow, ContentState, StoredStamp, Tree, TreeError};

/// Contents read from the database at once.
const PAGE: usize = 256;

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

/// How the last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRun {
    /// Everything was put down, or there was none.
    Orderly,
    /// The daemon was killed; the machine went on.
    Killed,
    /// The machine stopped without the daemon: bytes that were not synced may be missing, whatever the stamps say.
    PowerCut,
}

/// Looks at every content that Box has not confirmed, and at every data file that belongs to none.
///
/// # Errors
/// What the database reports; a data file that cannot be read is logged and left where it is.
pub fn recover(tree: &Tree, content: &Content, last: LastRun, now: Timestamp) -> Result<Recovered, TreeError> {
    let mut found = Recovered::default();
    let mut after = ContentId(0);
    loop {
        let rows = tree.contents(tree::Place::Spool, after, PAGE)?;
        let Some(row) = rows.last() else { break };
        after = row.id;
        for row in &rows {
            unconfirmed(tree, content, row, last, now, &mut found)?;
        }
    }
    strangers(tree, content, &mut found)?;
    if last != LastRun::Orderly {
        cached(tree, content, last)?;
    }
    Ok(found)
}

fn unconfirmed(
    tree: &Tree,
    content: &Content,
    row: &ContentRow,
    last: LastRun,
    now: Timestamp,
    found: &mut Recovered,
) -> Result<(), TreeError> {
    let Some(stamp) = stamp_of(tree, content, row)? else { return Ok(()) };
    match fate(row, stamp, last) {
        Fate::Leave => {}
        Fate::Closed => {
            found.closed += 1;
            tree.found_closed(row.id, stamp, now)?;
        }
        Fate::Interrupted if is_unchanged(content, row) => drop(tree.found_closed(row.id, stamp, now)?),
        Fate::Interrupted => {
            if let Some(node) = tree.found_interrupted(row.id, stamp, now)? {
                found.interrupted += 1;
                log::warn!("'{}' was interrupted while it was written: it is kept, and not sent", node.name);
            }
        }
    }
    Ok(())
}

/// The stamp of the data file, which is made if the daemon died before it could be; `None`, and told, where there is none.
fn stamp_of(tree: &Tree, content: &Content, row: &ContentRow) -> Result<Option<StoredStamp>, TreeError> {
    match content.stamp_of(row.id, Place::Spool) {
        Ok(Some(stamp)) => return Ok(Some(stored(stamp))),
        Ok(None) if is_unmade(row) => return make(tree, content, row),
        Ok(None) => log::error!("the data file of content {} is gone", row.id),
        Err(error) => log::error!("content {} cannot be read, and stays where it is: {error}", row.id),
    }
    Ok(None)
}

pub(super) fn stored(stamp: Stamp) -> StoredStamp {
    StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns }
}

/// A name whose data file was still to be made.
fn is_unmade(row: &ContentRow) -> bool {
    row.state == ContentState::Writable && row.stamp.is_none() && row.origin.is_none() && row.size == 0
}

/// Makes the empty data file of a name; `None` if that cannot be: the next open tries again.
fn make(tree: &Tree, content: &Content, row: &ContentRow) -> Result<Option<StoredStamp>, TreeError> {
    let Ok(identity) = identity(tree, row.ino, true) else { return Ok(None) };
    let made = content.create(row.id, &identity).and_then(|file| file.stamp());
    Ok(made.map(stored).inspect_err(|e| log::error!("content {} cannot be made: {e}", row.id)).ok())
}

/// A file that was opened for writing and has the bytes of its version: nobody wrote, or the same. Or one that has the bytes it was
/// sealed with, under another stamp: it was on its way to the cache, and the database is older than that.
fn is_unchanged(content: &Content, row: &ContentRow) -> bool {
    let known = match (row.state, &row.origin) {
        (ContentState::Sealed { sha1 }, _) => Some((row.size, sha1)),
        (_, Some(origin)) => origin.sha1.map(|sha1| (origin.size, sha1)),
        (_, None) => None,
    };
    let Some((known_size, sha1)) = known.filter(|_| row.ranges.is_none()) else { return false };
    let Ok(file) = content.load(row.id, Saved { place: Place::Spool, ranges: None }) else { return false };
    file.size().is_ok_and(|size| size == known_size) && file.hash().ok() == Some(sha1)
}

/// Spool files that the database does not know.
fn strangers(tree: &Tree, content: &Content, found: &mut Recovered) -> Result<(), TreeError> {
    let files = match content.spool_files() {
        Ok(files) => files,
        Err(error) => {
            log::error!("the spool cannot be read: {error}");
            return Ok(());
        }
    };
    for file in files {
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                log::error!("a spool file cannot be read, and stays where it is: {error}");
                continue;
            }
        };
        if tree.content(file.id)?.is_none() {
            found.rescued += 1;
            match content.to_rescue(file.id) {
                Ok(path) => log::warn!("a spool file that belongs to nothing is now {}", path.display()),
                Err(error) => log::error!("a spool file that belongs to nothing cannot be moved: {error}"),
            }
        }
    }
    Ok(())
}

/// Cache files that the database does not know are removed, and after a power cut those whose bytes were never synced.
fn cached(tree: &Tree, content: &Content, last: LastRun) -> Result<(), TreeError> {
    let files = match content.cached() {
        Ok(files) => files,
        Err(error) => {
            log::error!("the cache cannot be read: {error}");
            return Ok(());
        }
    };
    for id in files.flatten() {
        let useless = match tree.content(id)? {
            None => true,
            Some(row) => last == LastRun::PowerCut && row.state == ContentState::Clean && !row.durable,
        };
        if useless && let Err(error) = content.remove(id) {
            log::warn!("cache file {id} cannot be removed: {error}");
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

fn fate(row: &ContentRow, stamp: StoredStamp, last: LastRun) -> Fate {
    let as_closed = row.stamp == Some(stamp);
    match row.state {
        ContentState::Clean => Fate::Leave,
        // What was sealed is on the disk; what is not as sealed was written by a program that outlived the daemon.
        ContentState::Sealed { .. } if as_closed => Fate::Leave,
        ContentState::Writable if as_closed && (row.durable || last != LastRun::PowerCut) => Fate::Closed,
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
        for (state, noted, last, expected) in [
            (ContentState::Clean, None, LastRun::PowerCut, Fate::Leave),
            (sealed, Some(stamp), LastRun::PowerCut, Fate::Leave),
            (sealed, Some(other), LastRun::Killed, Fate::Interrupted),
            (ContentState::Writable, Some(stamp), LastRun::Killed, Fate::Closed),
            (ContentState::Writable, Some(stamp), LastRun::PowerCut, Fate::Interrupted),
            (ContentState::Writable, Some(other), LastRun::Killed, Fate::Interrupted),
            (ContentState::Writable, None, LastRun::Killed, Fate::Interrupted),
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
            assert_eq!(fate(&row, stamp, last), expected, "{state:?} {noted:?} {last:?}");
            let synced = ContentRow { durable: true, ..row };
            let kept = noted == Some(stamp) && state == ContentState::Writable;
            assert!(!kept || fate(&synced, stamp, last) == Fate::Closed, "{last:?}");
        }
    }
}
