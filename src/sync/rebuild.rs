//! The spool's files after the database was lost: each says of itself where it belongs, and goes up from there.

use super::recovery::stored;
use crate::base::{ContentId, Ino, Timestamp};
use crate::content::{Content, ContentError, Identity, SpoolFile};
use crate::tree::{Tree, TreeError, Whereabouts};
use std::collections::HashSet;

/// The folder for bytes that do not belong anywhere any more, or not as they are.
const RECOVERED: &str = "Recovered";

/// What became of the spool's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Under their names again.
    pub named: u64,
    /// In the folder for bytes whose place, or a part of which, is not known.
    pub recovered: u64,
    /// Older bytes of a file that is under its name again.
    pub rescued: u64,
}

/// What the data file of `ino` is to say of itself; `whole`: every byte is there.
pub fn identity(tree: &Tree, ino: Ino, whole: bool) -> Result<Identity, TreeError> {
    let at = tree.whereabouts(ino)?;
    Ok(Identity {
        ino,
        name: at.name,
        box_id: at.box_id,
        base_version: at.base_version,
        base_sha1: at.base_sha1,
        above: at.above,
        whole,
    })
}

/// The highest numbers that files in spool and cache bear: a fresh database must not give them again.
pub fn highest_numbers(content: &Content) -> Result<(ContentId, Ino), ContentError> {
    let (mut highest, mut ino) = (ContentId(0), Ino::ROOT);
    for id in content.cached()? {
        highest = highest.max(id?);
    }
    for file in content.spool_files()? {
        let file = file?;
        highest = highest.max(file.id);
        ino = file.identity.map_or(ino, |identity| ino.max(identity.ino));
    }
    Ok((highest, ino))
}

/// Gives every data file in the spool that the database does not know its node again.
///
/// # Errors
/// What the database reports; a data file that cannot be read is logged and stays where it is.
pub fn rebuild(tree: &Tree, content: &Content, now: Timestamp) -> Result<Rebuilt, TreeError> {
    let mut done = Rebuilt::default();
    // As many as lie in the spool, a few hundred bytes each: the newest come first, since of two of one file they count.
    let mut files: Vec<SpoolFile> = match content.spool_files() {
        Ok(files) => files.filter_map(|file| file.inspect_err(|e| log::error!("a spool file: {e}")).ok()).collect(),
        Err(error) => {
            log::error!("the spool cannot be read: {error}");
            return Ok(done);
        }
    };
    files.sort_by_key(|file| std::cmp::Reverse(file.id));
    let mut seen = HashSet::new();
    for file in files {
        let first = file.identity.as_ref().is_none_or(|identity| seen.insert(identity.ino));
        if tree.content(file.id)?.is_some() {
            continue;
        }
        if holds_nothing(content, &file) {
            if let Err(error) = content.remove(file.id) {
                log::warn!("a spool file without bytes stays where it is: {error}");
            }
            continue;
        }
        if !first {
            done.rescued += 1;
            match content.to_rescue(file.id) {
                Ok(path) => log::warn!("older bytes of a file are now {}", path.display()),
                Err(error) => log::error!("older bytes of a file cannot be moved: {error}"),
            }
            continue;
        }
        let (at, known) = whereabouts(&file);
        *if known { &mut done.named } else { &mut done.recovered } += 1;
        let node = tree.adopt(file.id, &at, stored(file.stamp), now)?;
        log::warn!("'{}' was not in Box: it is here again", tree.path(node.ino)?);
    }
    Ok(done)
}

/// A file that was opened to be changed, of which neither program nor Box has put a byte here.
fn holds_nothing(content: &Content, file: &SpoolFile) -> bool {
    let in_part = file.identity.as_ref().is_some_and(|identity| !identity.whole);
    in_part && content.is_hollow(file.id)
}

/// Where the file belongs, and whether that is known.
fn whereabouts(file: &SpoolFile) -> (Whereabouts, bool) {
    match &file.identity {
        Some(identity) if identity.whole => {
            let identity = identity.clone();
            let at = Whereabouts {
                name: identity.name,
                box_id: identity.box_id,
                base_version: identity.base_version,
                base_sha1: identity.base_sha1,
                above: identity.above,
            };
            (at, true)
        }
        // A file changed in part, of which the rest is in Box only: not to replace what is whole there.
        Some(identity) => (in_recovered(format!("{} (in part)", identity.name)), false),
        None => (in_recovered(format!("unnamed {}", file.id)), false),
    }
}

fn in_recovered(name: String) -> Whereabouts {
    Whereabouts { name, above: vec![(RECOVERED.to_owned(), None)], ..Whereabouts::default() }
}
