//! Bytes that are kept although nobody reads them: pins, and what a person has fetched ahead.

use super::error::{Result, VfsError};
use super::state::{Vfs, existing_name};
use super::types::{Caller, Fh, OpenHow};
use crate::base::Ino;
use crate::tree::NodeKind;
use std::ffi::OsStr;
use std::sync::Arc;
use tokio::sync::watch;

/// Members of a folder read at once.
const PAGE: usize = 1000;

/// How what is kept is opened.
pub(super) const READ: OpenHow = OpenHow { read: true, write: false, truncate: false, append: false, exclusive: false };

/// Something in a folder, as far as keeping it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub ino: Ino,
    pub is_folder: bool,
    pub size: u64,
    /// Bytes that have to be fetched.
    pub missing: u64,
}

impl Vfs {
    /// Keeps the bytes of `ino`, and of all below it, from now on.
    pub fn pin(&self, ino: Ino) -> Result<()> {
        self.tree.pin(ino).map_err(|e| self.tree_error(e))
    }

    /// Whether there was a pin.
    pub fn unpin(&self, ino: Ino) -> Result<bool> {
        self.tree.unpin(ino).map_err(|e| self.tree_error(e))
    }

    pub fn pins(&self) -> Result<Vec<Ino>> {
        self.tree.pins().map_err(|e| self.tree_error(e))
    }

    /// Changes whenever Box said something, or a pin was set.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.tree.news()
    }

    /// What a path relative to the mount point leads to. Folders on the way that were never listed are listed first.
    pub fn find(&self, path: &str) -> Result<Ino> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts
            .map(|part| existing_name(OsStr::new(part)))
            .try_fold(Ino::ROOT, |at, name| Ok(self.named(at, &name?)?.ino))
    }

    /// The node itself.
    pub fn member(&self, ino: Ino) -> Result<Member> {
        self.member_of(&self.node(ino)?)
    }

    /// Members of a folder with numbers above `after`, and the number to go on from. A folder that was never listed is listed first.
    pub fn members(&self, folder: Ino, after: Ino) -> Result<(Vec<Member>, Option<Ino>)> {
        let page = self.tree.children(folder, after, PAGE).map_err(|e| self.tree_error(e))?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|last| last.ino);
        let shown = page.iter().filter(|node| matches!(node.kind, NodeKind::File | NodeKind::Folder));
        Ok((shown.map(|node| self.member_of(node)).collect::<Result<_>>()?, next))
    }

    fn member_of(&self, node: &crate::tree::Node) -> Result<Member> {
        let missing = self.tree.missing_bytes(node).map_err(|e| self.tree_error(e))?;
        Ok(Member { ino: node.ino, is_folder: node.is_folder(), size: node.attr.size, missing })
    }

    /// Fetches all that is missing of a file, and waits for it.
    pub async fn keep(self: Arc<Self>, ino: Ino) -> Result<()> {
        let opened = self.clone().until_answered(move |vfs| vfs.open(ino, READ, &ourselves())).await?;
        let fh = opened.fh;
        let kept = self.clone().until_answered(move |vfs| vfs.whole(fh)).await;
        self.until_answered(move |vfs| vfs.release(fh)).await?;
        kept
    }

    /// Makes a call until it is answered.
    pub async fn until_answered<T: Send + 'static>(
        self: Arc<Self>,
        call: impl Fn(&Vfs) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let call = Arc::new(call);
        loop {
            let (vfs, call) = (self.clone(), call.clone());
            let answer = tokio::task::spawn_blocking(move || call(&vfs)).await;
            match answer.map_err(|_| VfsError::Unreachable)? {
                Err(VfsError::Wait(need)) => need.await?,
                answer => return answer,
            }
        }
    }

    /// Met when the whole file is here.
    fn whole(&self, fh: Fh) -> Result<()> {
        let handle = self.handles.file(fh)?;
        match handle.source() {
            Some(source) if !handle.file.is_whole() => Err(VfsError::Wait(self.asks.whole(source))),
            _ => Ok(()),
        }
    }
}

/// As whom what is kept is opened: it counts as fetched for boxfs.
pub(super) fn ourselves() -> Caller {
    Caller { uid: 0, gid: 0, pid: std::process::id() }
}
