//! What went wrong with bytes, and how programs hear of it: a refusal that came after a program was told yes is told once by the
//! next open for writing or close, and by every fsync; a file that a write did not fit into is not sent as if it were whole.

use super::error::{Result, VfsError};
use super::handles::FileHandle;
use super::inodes::OpenInode;
use super::state::Vfs;
use crate::base::Ino;
use crate::tree::{Hold, Node, TreeError};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a file is held of which a write failed.
const NOT_WHOLE: &str = "a write to it failed, so that it is not whole";
/// Why a file is held that the kernel wrote while a limit was passed.
const DISK_FULL: &str = "disk full while it was written";
/// Why a file is held that is larger than the spool.
const OVER_SPOOL: &str = "it is larger than the space for files on their way (spool-size)";
/// Why a file is held that Box would refuse.
const OUTGROWN: &str = "it is larger than Box has room for";

/// What went wrong while an inode was open; shared by its handles.
#[derive(Default)]
pub(super) struct Trouble {
    wrong: Mutex<Option<Wrong>>,
    /// The size at the last look.
    size: AtomicU64,
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// The bytes at `at` could not be written.
    Short { at: u64, errno: &'static str },
    /// The disk was below its floor while the kernel wrote by itself.
    DiskFull,
    /// The kernel wrote more of it than the spool may hold.
    OverSpool,
}

impl Trouble {
    fn lock(&self) -> MutexGuard<'_, Option<Wrong>> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self) -> Option<Wrong> {
        *self.lock()
    }

    /// The disk was too full for anybody to know whether writes succeeded. Returns whether that is news.
    pub fn disk_was_full(&self) -> bool {
        self.lock().replace(Wrong::DiskFull) != Some(Wrong::DiskFull)
    }

    /// The file grew while the spool was over its limit.
    pub fn outgrew_spool(&self) {
        self.lock().get_or_insert(Wrong::OverSpool);
    }

    /// Whether the file is larger than at the last call.
    pub fn has_grown(&self, size: u64) -> bool {
        self.size.swap(size, Ordering::Relaxed) < size
    }

    /// A write at `at` failed for lack of space; what failed first counts.
    pub fn note(&self, at: u64, error: &VfsError) {
        if let Some(errno) = lack_of_space(error) {
            self.lock().get_or_insert(Wrong::Short { at, errno });
        }
    }

    /// What could not be written is written now.
    pub fn written(&self, range: &Range<u64>) {
        self.lock().take_if(|wrong| matches!(wrong, Wrong::Short { at, .. } if range.contains(at)));
    }

    /// What could not be written is not part of the file any more.
    pub fn cut(&self, size: u64) {
        self.lock().take_if(|wrong| match wrong {
            Wrong::Short { at, .. } => *at >= size,
            Wrong::DiskFull | Wrong::OverSpool => size == 0,
        });
    }
}

/// The name of what a program hears, if the error is about space.
fn lack_of_space(error: &VfsError) -> Option<&'static str> {
    match error {
        VfsError::NoSpace => Some("ENOSPC"),
        VfsError::OverQuota => Some("EDQUOT"),
        VfsError::TooBig => Some("EFBIG"),
        _ => None,
    }
}

/// The meaning behind the name of an error that a hold carries.
pub(super) fn meaning_of(errno: &str) -> VfsError {
    match errno {
        "EACCES" => VfsError::Denied,
        "EPERM" => VfsError::NotPermitted,
        "EDQUOT" => VfsError::OverQuota,
        "ENOSPC" => VfsError::NoSpace,
        "EFBIG" => VfsError::TooBig,
        "EINVAL" => VfsError::Invalid,
        "ENAMETOOLONG" => VfsError::NameTooLong,
        _ => VfsError::Refused,
    }
}

impl Vfs {
    /// The refusal of what was written earlier, if no program has heard of it.
    pub(super) fn tell_once(&self, ino: Ino) -> Result<()> {
        let Some(node) = self.held(ino)? else { return Ok(()) };
        match node.hold.as_ref().and_then(Hold::error) {
            Some((errno, false)) => {
                let told = meaning_of(errno);
                self.tree.told(ino).map_err(|e| self.tree_error(e))?;
                Err(told)
            }
            _ => Ok(()),
        }
    }

    /// The refusal of what was written earlier, as long as it stands.
    pub(super) fn tell_always(&self, ino: Ino) -> Result<()> {
        self.tell_once(ino)?;
        let node = self.held(ino)?;
        let error = node.as_ref().and_then(|node| node.hold.as_ref()?.error());
        error.map_or(Ok(()), |(errno, _)| Err(meaning_of(errno)))
    }

    fn held(&self, ino: Ino) -> Result<Option<Node>> {
        match self.tree.node(ino) {
            Ok(node) => Ok(Some(node).filter(|node| node.hold.is_some())),
            // Box and the database have forgotten it; a program still has it open.
            Err(TreeError::NoNode(_)) => Ok(None),
            Err(e) => Err(self.tree_error(e)),
        }
    }

    /// Lets the bytes be tried that Box refused before; whoever waits for them hears what Box says of them now.
    ///
    /// # Errors
    /// The refusal, if it is not Box's: then there is nothing to be tried.
    pub(super) fn clear_refusal(&self, ino: Ino) -> Result<()> {
        let Some(node) = self.held(ino)? else { return Ok(()) };
        match &node.hold {
            Some(hold) if is_ours(hold) => self.tell_always(ino),
            Some(Hold::Failed { .. }) => self.tree.hold(ino, None, None).map(drop).map_err(|e| self.tree_error(e)),
            _ => Ok(()),
        }
    }

    /// Under passthrough nobody sees the writes: before a file is held because it outgrew what Box takes, Box is asked.
    pub(super) fn ask_if_outgrown(&self, handle: &FileHandle) -> Result<()> {
        match self.check_quota(handle.ino, handle.file.stamp()?.size) {
            Err(wait @ VfsError::Wait(_)) => Err(wait),
            _ => Ok(()),
        }
    }

    /// Holds an inode whose bytes are not what programs meant them to be, so that they never replace a good version; takes such a
    /// hold off once they are. The caller holds its shard.
    pub(super) fn hold_troubled(&self, ino: Ino, inode: &OpenInode) -> Result<()> {
        let size = inode.file.stamp()?.size;
        let hold = match inode.trouble.get() {
            Some(Wrong::DiskFull) => Some(Hold::Suspect { reason: DISK_FULL.to_owned(), told: false }),
            Some(Wrong::OverSpool) => Some(Hold::failed(OVER_SPOOL, "ENOSPC")),
            // The write has told it.
            Some(Wrong::Short { errno, .. }) => {
                Some(Hold::Failed { reason: NOT_WHOLE.to_owned(), errno: errno.to_owned(), told: true })
            }
            None => self.over_quota(ino, size)?.as_ref().and_then(lack_of_space).map(|e| Hold::failed(OUTGROWN, e)),
        };
        let now = match self.tree.node(ino) {
            Ok(node) => node.hold,
            Err(TreeError::NoNode(_)) => return Ok(()),
            Err(e) => return Err(self.tree_error(e)),
        };
        let same = match (&hold, &now) {
            (Some(new), Some(old)) => is_ours(old) && new.error().map(|e| e.0) == old.error().map(|e| e.0),
            (None, old) => !old.as_ref().is_some_and(is_ours),
            (Some(_), None) => false,
        };
        if same {
            return Ok(());
        }
        self.tree.hold(ino, hold, Some(super::state::now())).map(drop).map_err(|e| self.tree_error(e))
    }
}

/// Whether the hold was put on by [`Vfs::hold_troubled`].
fn is_ours(hold: &Hold) -> bool {
    let (Hold::Failed { reason, .. } | Hold::Suspect { reason, .. }) = hold else { return false };
    [NOT_WHOLE, DISK_FULL, OVER_SPOOL, OUTGROWN].contains(&reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_failed_is_forgotten_when_its_bytes_come_or_go() {
        let trouble = Trouble::default();
        trouble.note(10, &VfsError::Busy);
        assert_eq!(trouble.get(), None);
        trouble.note(10, &VfsError::NoSpace);
        trouble.note(50, &VfsError::OverQuota);
        let short = Some(Wrong::Short { at: 10, errno: "ENOSPC" });
        assert_eq!(trouble.get(), short);
        trouble.written(&(11..20));
        trouble.cut(11);
        assert_eq!(trouble.get(), short);
        trouble.written(&(10..20));
        assert_eq!(trouble.get(), None);
        trouble.note(10, &VfsError::NoSpace);
        trouble.cut(10);
        assert_eq!(trouble.get(), None);
    }

    #[test]
    fn after_a_full_disk_only_an_empty_file_is_known() {
        let trouble = Trouble::default();
        assert!(trouble.disk_was_full());
        assert!(!trouble.disk_was_full());
        trouble.written(&(0..u64::MAX));
        trouble.cut(1);
        assert_eq!(trouble.get(), Some(Wrong::DiskFull));
        trouble.cut(0);
        assert_eq!(trouble.get(), None);
    }
}
