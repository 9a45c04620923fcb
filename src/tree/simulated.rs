//! What a simulation needs of the tree beyond its methods: a crash between two transactions, and every node at once.

use super::error::TreeError;
use super::memory;
use super::node::Node;
use super::rows;
use super::store::Tree;
use crate::base::{BootClock, Ino};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Fails the transaction that was named, and all after it until it is mended.
#[derive(Debug)]
pub(super) struct Fuse(AtomicI64, AtomicU64);

/// The boot clock is the machine's.
const REAL: u64 = u64::MAX;

impl Default for Fuse {
    fn default() -> Fuse {
        Fuse(AtomicI64::new(i64::MAX), AtomicU64::new(REAL))
    }
}

impl Fuse {
    pub(super) fn burn(&self) -> Result<(), TreeError> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(TreeError::Damaged("a simulated crash".to_owned()))
    }

    pub(super) fn boot_clock(&self) -> Option<BootClock> {
        Some(self.1.load(Ordering::Relaxed)).filter(|at| *at != REAL).map(BootClock)
    }
}

impl Tree {
    /// Lets `transactions` more through, then fails: as if the process died there.
    pub fn break_after(&self, transactions: u8) {
        self.fuse.0.store(i64::from(transactions), Ordering::Relaxed);
    }

    /// Whether [`Tree::break_after`] came true.
    pub fn is_broken(&self) -> bool {
        self.fuse.0.load(Ordering::Relaxed) < 0
    }

    /// The boot clock shows `at` from now on.
    pub fn set_boot_clock(&self, at: BootClock) {
        self.fuse.1.store(at.0, Ordering::Relaxed);
    }

    /// Transactions work again.
    pub fn mend(&self) {
        self.fuse.0.store(i64::MAX, Ordering::Relaxed);
    }

    /// Whether Box has, or may have, what the node stands for.
    pub fn is_in_box(&self, ino: Ino) -> bool {
        let inner = self.lock();
        let node = rows::get(inner.db(), ino).ok().flatten();
        node.is_some_and(|node| memory::is_in_box(inner.db(), &node).unwrap_or(false))
    }

    /// Every node, deleted ones too.
    pub fn every_node(&self) -> Result<Vec<Node>, TreeError> {
        let inner = self.lock();
        let mut statement = inner.db().prepare(&format!("SELECT {} FROM nodes ORDER BY ino", rows::COLUMNS))?;
        let found = statement.query_map([], rows::from_row)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}
