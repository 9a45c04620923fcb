//! The comparison of a fetched content with Box's digest. The piece that would make it whole is held back until the digest is
//! right, so that nobody reads to the end of wrong bytes, and the kernel is never handed a file that was not compared.

use super::data_file::{DataFile, State, lock};
use super::error::{Result, meaning};
use super::ranges::Ranges;
use super::usage::Place;
use crate::base::{Sha1Digest, Sha1Hasher};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

/// Bytes digested at a time; the digest's lock is held, the others' are not.
const STEP_BYTES: u64 = 1 << 20;
/// Bytes read at a time: they stay in the processor's cache, and on the stack.
const READ_BYTES: usize = 64 << 10;

/// A digest that grows with what has arrived without a gap from the start.
#[derive(Default)]
pub(super) struct Check {
    expected: Option<Sha1Digest>,
    hasher: Sha1Hasher,
    upto: u64,
}

/// What [`DataFile::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing is held back: the content is not whole, was compared before, or has nothing to be compared with.
    NotDue,
    Right,
    /// The bytes are not Box's; they are gone, and can be fetched again.
    Wrong,
}

impl DataFile {
    /// From here the content counts as whole only after its digest was found to be `sha1`. For clean contents in the cache that
    /// are not whole yet.
    pub fn expect(&self, sha1: Sha1Digest) {
        let mut check = lock(&self.check);
        let mut state = lock(&self.state);
        if !self.is_whole() && self.place() == Place::Cache {
            check.expected = Some(sha1);
            state.compare = true;
        }
    }

    /// Digests what is here already, so that little is left to do at the end. Blocks for the disk; does nothing while another
    /// call is at it, and nothing once the content was compared.
    pub fn digest_ahead(&self) -> Result<()> {
        let Ok(mut check) = self.check.try_lock() else { return Ok(()) };
        let due = lock(&self.state).compare;
        if due { self.digest(&mut check) } else { Ok(()) }
    }

    /// Compares the content with what was expected if its last piece is held back. Blocks for the disk; where there is nothing to
    /// compare, not even for somebody who digests.
    pub fn check(&self) -> Result<Checked> {
        if lock(&self.state).held.is_none() {
            return Ok(Checked::NotDue);
        }
        let mut check = lock(&self.check);
        if lock(&self.state).held.is_none() {
            return Ok(Checked::NotDue);
        }
        self.digest(&mut check)?;
        let found = std::mem::take(&mut check.hasher).finish();
        let right = check.expected == Some(found);
        check.upto = 0;
        let mut state = lock(&self.state);
        let Some(held) = state.held.take() else { return Ok(Checked::NotDue) };
        if right {
            state.compare = false;
            self.arrive(&mut state, held);
            return Ok(Checked::Right);
        }
        let size = self.size()?;
        self.spoiled.fetch_add(1, Ordering::AcqRel);
        self.lose(&mut state, &(0..size));
        Ok(Checked::Wrong)
    }

    /// How many bytes from the start the digest covers.
    #[cfg(test)]
    pub(super) fn digested(&self) -> u64 {
        lock(&self.check).upto
    }

    /// Changes whenever bytes that may have been read turned out to be wrong: whoever began to read before must not go on.
    pub fn spoiled(&self) -> u64 {
        self.spoiled.load(Ordering::Acquire)
    }

    /// Moves the digest to the first byte that is not here.
    fn digest(&self, check: &mut Check) -> Result<()> {
        let file = self.reader();
        let mut buffer = [0; READ_BYTES];
        loop {
            let len = self.without_gap_from(check)?.min(STEP_BYTES);
            if len == 0 {
                return Ok(());
            }
            let end = check.upto + len;
            while check.upto < end {
                let part = &mut buffer[..(end - check.upto).min(READ_BYTES as u64) as usize];
                file.read_exact_at(part, check.upto).map_err(meaning("reading a data file"))?;
                check.hasher.update(part);
                check.upto += part.len() as u64;
            }
        }
    }

    /// Bytes from where the digest stands that are here, those held back included. It begins again where bytes have gone that it covers:
    /// others may come in their place, and what was read may have been a hole.
    fn without_gap_from(&self, check: &mut Check) -> Result<u64> {
        let size = self.size()?;
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.lost_from, u64::MAX) < check.upto {
            *check = Check { expected: check.expected, ..Check::default() };
        }
        let end = state.with_held().missing(&(check.upto..size)).first().map_or(size, |gap| gap.start);
        Ok(end.saturating_sub(check.upto))
    }
}

impl State {
    /// Whether `range` is the last piece of a content that has to be compared first; it is held back then.
    pub(super) fn holds_back(&mut self, range: &Range<u64>) -> bool {
        if !self.compare {
            return false;
        }
        let gaps = self.presence.present().missing(&(0..u64::MAX));
        let last = gaps.iter().all(|gap| range.start <= gap.start && gap.end <= range.end);
        if last {
            self.held = Some(range.clone());
        }
        last
    }

    /// The bytes are about to be a program's own: what was held back is here, uncompared.
    pub(super) fn stop_comparing(&mut self) -> Option<Range<u64>> {
        self.compare = false;
        self.held.take()
    }

    fn with_held(&self) -> Ranges {
        let mut here = self.presence.present().clone();
        here.insert(self.held.clone().unwrap_or_default());
        here
    }
}
