//! Which inode number of the view stands for what. Pure. Numbers of nodes are counted up from 1 and never get here.

use crate::base::Ino;

/// Set in the number of what mirrors a node; the rest is the node's own number.
const MIRROR: u64 = 1 << 62;
/// Set in the number of an old version; the rest is counted up.
const VERSION: u64 = 1 << 61;

/// What an inode of the view is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A folder: of a folder's members, or of a file's old versions.
    Mirror(Ino),
    Version(Ino),
}

/// `None` for an inode that is a node.
pub(super) fn place(ino: Ino) -> Option<Place> {
    if ino.0 & MIRROR != 0 {
        Some(Place::Mirror(Ino(ino.0 & !MIRROR)))
    } else if ino.0 & VERSION != 0 {
        Some(Place::Version(ino))
    } else {
        None
    }
}

/// Whether an inode belongs to the view.
pub(in crate::vfs) fn is_past(ino: Ino) -> bool {
    place(ino).is_some()
}

pub(super) fn mirror_of(node: Ino) -> Ino {
    Ino(node.0 | MIRROR)
}

pub(super) fn version(count: u64) -> Ino {
    Ino(count | VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_for_one_thing() {
        assert_eq!(place(Ino::ROOT), None);
        assert_eq!(place(Ino(1 << 40)), None);
        assert_eq!(place(mirror_of(Ino(7))), Some(Place::Mirror(Ino(7))));
        assert_eq!(place(version(7)), Some(Place::Version(version(7))));
        assert_ne!(mirror_of(Ino(7)), version(7));
    }
}
