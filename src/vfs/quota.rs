//! Box's limits on an account: what `df` says, and what is refused early.

use super::error::{Result, VfsError};
use super::state::Vfs;
use super::types::StatFs;
use crate::base::Ino;
use crate::tree::{Node, Quota};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The block size that `df` counts in.
const BLOCK_BYTES: u32 = 4096;
/// What `df` says while Box has not told the quota: a pebibyte, so that no program believes that the disk is full.
const UNKNOWN_QUOTA_BYTES: u64 = 1 << 50;
/// Characters, which is what Box counts; a name can have more bytes.
const NAME_MAX: u32 = 255;

/// A refusal rests on a word of Box's that is at most this old; above it, Box is asked again first.
const SURE_FOR: Duration = Duration::from_secs(10);
/// How long the sum of what is on its way is believed: it costs the database a millisecond for a thousand files.
const SUM_FOR: Duration = Duration::from_secs(1);

/// What is remembered about the quota besides Box's word.
#[derive(Default)]
pub(super) struct Doubt {
    /// When Box was last asked because a refusal was near.
    asked: Mutex<Option<Instant>>,
    /// Bytes on their way, and when they were summed up.
    unsent: Mutex<Option<(Instant, u64)>>,
}

impl Vfs {
    /// The account's quota as a disk.
    pub fn statfs(&self) -> Result<StatFs> {
        let (total, free) = self.quota()?.map_or((UNKNOWN_QUOTA_BYTES, UNKNOWN_QUOTA_BYTES), |q| (q.total, q.free()));
        let block = u64::from(BLOCK_BYTES);
        Ok(StatFs { block_size: BLOCK_BYTES, blocks: total / block, free: free / block, files: 0, name_max: NAME_MAX })
    }

    /// Refuses that the file `ino` has `size` bytes if Box would not take them. Before a refusal Box is asked, unless it was a
    /// moment ago.
    pub(super) fn check_quota(&self, ino: Ino, size: u64) -> Result<()> {
        let Some(refusal) = self.over_quota(ino, size)? else { return Ok(()) };
        let mut asked = self.doubt.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|at| at.elapsed() < SURE_FOR) {
            return Err(refusal);
        }
        *asked = Some(Instant::now());
        Err(VfsError::Wait(self.asks.quota()))
    }

    /// Why Box would not take a file of `size` bytes in the place of `ino`, as far as is known.
    pub(super) fn over_quota(&self, ino: Ino, size: u64) -> Result<Option<VfsError>> {
        let Some(quota) = self.quota()? else { return Ok(None) };
        if size > quota.largest_file {
            return Ok(Some(VfsError::TooBig));
        }
        let over = size > quota.free() || size > quota.free().saturating_sub(self.unsent_others(ino)?);
        Ok(over.then_some(VfsError::OverQuota))
    }

    /// How much further the file `ino` of `size` bytes may grow.
    pub(super) fn quota_left(&self, ino: Ino, size: u64) -> Result<u64> {
        let Some(quota) = self.quota()? else { return Ok(u64::MAX) };
        let free = quota.free().saturating_sub(self.unsent_others(ino)?);
        Ok(free.min(quota.largest_file).saturating_sub(size))
    }

    /// Whether Box would take `bytes` more, also in a single file.
    pub(super) fn quota_leaves(&self, ino: Ino, bytes: u64) -> Result<bool> {
        Ok(self.quota_left(ino, 0)? >= bytes)
    }

    /// Bytes on their way to Box, those of `ino` left out.
    fn unsent_others(&self, ino: Ino) -> Result<u64> {
        let mut sum = self.doubt.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match *sum {
            Some((at, bytes)) if at.elapsed() < SUM_FOR => bytes,
            _ => {
                let bytes = self.tree.unsent_bytes().map_err(|e| self.tree_error(e))?;
                *sum = Some((Instant::now(), bytes));
                bytes
            }
        };
        let counted = |node: &Node| node.dirty_since.is_some() && node.content_dirty();
        let own = self.tree.node(ino).ok().filter(counted).map_or(0, |node| node.attr.size);
        Ok(all.saturating_sub(own))
    }

    fn quota(&self) -> Result<Option<Quota>> {
        self.tree.quota().map_err(|e| self.tree_error(e))
    }
}
