//! Tells the kernel what to forget.
//!
//! One thread, which holds no lock, sends all notifications: sent from inside a handler they deadlock with the very
//! call that is being answered (FUSE.md section 4). The kernel may keep this thread waiting for as long as it waits
//! for an answer of ours; nobody may therefore wait for room in the channel inside a vfs call.

use std::ffi::OsStr;
use std::io;
use std::thread::{self, JoinHandle};

use fuser::{INodeNo, Notifier};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::panics::contained;
use crate::base::link_name;
use crate::vfs::Invalidation;

/// An offset below zero leaves the bytes in the page cache and drops the attributes only.
const ATTRIBUTES_ONLY: i64 = -1;
/// A length of zero reaches to the end of the file.
const TO_THE_END: i64 = 0;

/// Starts the thread; it ends when all senders are gone, or the session is.
pub(super) fn start(
    notifier: Notifier,
    mut news: Receiver<Invalidation>,
    mut ended: watch::Receiver<bool>,
    runtime: Handle,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("fuse-notify".to_owned()).spawn(move || {
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    invalidation = news.recv() => invalidation,
                    _ = ended.wait_for(|ended| *ended) => None,
                }
            })
        };
        while let Some(invalidation) = next() {
            match contained(|| tell(&notifier, &invalidation)) {
                Some(Ok(())) | None => {}
                // What the kernel keeps too long ends with its lifetime.
                Some(Err(error)) => log::debug!("the kernel was not told of {invalidation:?}: {error}"),
            }
        }
    })
}

/// That the kernel does not know the inode or name is no error; fuser leaves it out.
fn tell(notifier: &Notifier, invalidation: &Invalidation) -> io::Result<()> {
    match invalidation {
        Invalidation::Entry { parent, name } => {
            // The kernel may know the file of a symbolic link under the link's name.
            if let Some(link) = link_name(name) {
                notifier.inval_entry(INodeNo(parent.0), OsStr::new(link))?;
            }
            notifier.inval_entry(INodeNo(parent.0), OsStr::new(name))?;
            // A name that the kernel does not know leaves the listing that it keeps as it is.
            notifier.inval_inode(INodeNo(parent.0), 0, TO_THE_END)
        }
        Invalidation::Inode { ino } => notifier.inval_inode(INodeNo(ino.0), ATTRIBUTES_ONLY, TO_THE_END),
        Invalidation::Data { ino } => notifier.inval_inode(INodeNo(ino.0), 0, TO_THE_END),
    }
}
