//! Box's limits on an account: what `df` says, and what is refused early.

use super::error::{Result, VfsError};
use super::handles::FileHandle;
use super::state::Vfs;
use super::types::StatFs;
use crate::tree::Hold;

/// The block size that `df` counts in.
const BLOCK_BYTES: u32 = 4096;
/// What `df` says while Box has not told the quota: a pebibyte, so that no program believes that the disk is full.
const UNKNOWN_QUOTA_BYTES: u64 = 1 << 50;
/// Characters, which is what Box counts; a name can have more bytes.
const NAME_MAX: u32 = 255;

/// Where the engine keeps what Box said, in `tree`'s values: three decimal numbers of bytes.
const QUOTA_KEY: &str = "quota";

/// What an account may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quota {
    pub total: u64,
    pub used: u64,
    /// The largest single file.
    pub largest_file: u64,
}

impl Quota {
    /// `TOTAL USED LARGEST`.
    fn parse(text: &str) -> Option<Quota> {
        let mut numbers = text.split_ascii_whitespace().map(|n| n.parse().ok());
        Some(Quota { total: numbers.next()??, used: numbers.next()??, largest_file: numbers.next()?? })
    }

    fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

impl Vfs {
    /// The account's quota as a disk.
    pub fn statfs(&self) -> Result<StatFs> {
        let (total, free) = self.quota()?.map_or((UNKNOWN_QUOTA_BYTES, UNKNOWN_QUOTA_BYTES), |q| (q.total, q.free()));
        let block = u64::from(BLOCK_BYTES);
        Ok(StatFs { block_size: BLOCK_BYTES, blocks: total / block, free: free / block, files: 0, name_max: NAME_MAX })
    }

    /// Refuses a file of `size` bytes that Box would not take.
    pub(super) fn check_quota(&self, size: u64) -> Result<()> {
        let Some(quota) = self.quota()? else { return Ok(()) };
        if size > quota.largest_file {
            return Err(VfsError::TooBig);
        }
        if size > quota.free() { Err(VfsError::OverQuota) } else { Ok(()) }
    }

    /// How much further a file of `size` bytes may grow.
    pub(super) fn quota_left(&self, size: u64) -> Result<u64> {
        Ok(self.quota()?.map_or(u64::MAX, |q| q.free().min(q.largest_file).saturating_sub(size)))
    }

    /// Under passthrough nobody sees the writes: a file that outgrew what Box takes is told at its close and not sent.
    pub(super) fn refuse_outgrown(&self, handle: &FileHandle) -> Result<()> {
        let refused = match self.check_quota(handle.file.stamp()?.size) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let errno = if matches!(refused, VfsError::TooBig) { "EFBIG" } else { "EDQUOT" };
        let reason = "it is larger than Box has room for".to_owned();
        let hold = Hold::Failed { reason, errno: errno.to_owned() };
        self.tree.hold(handle.ino, Some(hold), None).map_err(|e| self.tree_error(e))?;
        Err(refused)
    }

    /// Whether Box would take `bytes` more, also in a single file.
    pub(super) fn quota_leaves(&self, bytes: u64) -> Result<bool> {
        Ok(self.quota()?.is_none_or(|quota| quota.free().min(quota.largest_file) >= bytes))
    }

    fn quota(&self) -> Result<Option<Quota>> {
        let text = self.tree.meta(QUOTA_KEY).map_err(|e| self.tree_error(e))?;
        Ok(text.as_deref().and_then(Quota::parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_three_numbers_or_unknown() {
        assert_eq!(Quota::parse("100 40 7"), Some(Quota { total: 100, used: 40, largest_file: 7 }));
        assert_eq!(Quota::parse("100 40"), None);
        assert_eq!(Quota::parse(""), None);
        assert_eq!(Quota::parse("a b c"), None);
    }
}
