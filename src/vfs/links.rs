//! Symbolic links that Box has as small files (`--links`; `base/links.rs` has the format). The one place that translates between the
//! names that programs see and those of the files: everything below it, name memory and engine included, knows files alone.
//!
//! A file is shown as a link if its bytes may be a target, nobody has it open as a file, and nothing else has the link's name. So what is no
//! link, whatever it is called, is an ordinary file under its own name.

use super::bytes::Bytes;
use super::error::{Need, Result, VfsError};
use super::state::{Vfs, allow, existing_name, now};
use super::types::Caller;
use crate::base::{Ino, is_target, link_file_name, link_name, may_be_target, shown_name};
use crate::content::Read;
use crate::tree::{AttrChange, Lookup, NewNode, Node, NodeKind, Presence, RenameHow, TreeError};
use lru::LruCache;
use std::ffi::OsStr;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Links whose bytes could not be had lately; 32 bytes each.
const MOST_TRIED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// After how long the bytes of such a link are asked for again by who looks at it: nobody is to wait for an unreachable Box at every look.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// Links of an earlier mount that are stored at once.
const PAGE: usize = 1000;

/// The permissions of a link's file, where it is shown as one.
const FILE_MODE: u32 = 0o644;

/// Links whose bytes were asked for in vain, and when.
pub(super) struct Tried(Arc<Mutex<LruCache<Ino, Instant>>>);

impl Default for Tried {
    fn default() -> Tried {
        Tried(Arc::new(Mutex::new(LruCache::new(MOST_TRIED))))
    }
}

impl Tried {
    fn lately(&self, ino: Ino) -> bool {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.get(&ino).is_some_and(|at| at.elapsed() < TRY_AGAIN)
    }

    /// The same need, which is met whatever comes of it.
    fn once(&self, ino: Ino, need: Need) -> Need {
        let tried = self.0.clone();
        Need::new(async move {
            if need.await.is_err() {
                tried.lock().unwrap_or_else(PoisonError::into_inner).put(ino, Instant::now());
            }
            Ok(())
        })
    }
}

/// What the bytes of a file say.
enum Says {
    Target(Vec<u8>),
    /// It is no link.
    Nothing,
    /// They are not here.
    Unknown(Bytes),
}

impl Vfs {
    /// The child of `parent` that programs see as `name`, a box name.
    pub(super) fn named(&self, parent: Ino, name: &str) -> Result<Node> {
        match self.child(parent, name) {
            Ok(node) if self.look_at_link(&node)? => Err(VfsError::NotFound),
            Err(VfsError::NotFound) if self.settings.links => {
                let file = self.child(parent, &link_file_name(name).ok_or(VfsError::NotFound)?)?;
                if self.look_at_link(&file)? { Ok(file) } else { Err(VfsError::NotFound) }
            }
            found => found,
        }
    }

    /// The name that programs see.
    pub(super) fn name_of(&self, node: &Node) -> Result<String> {
        let name = match link_name(&node.name) {
            Some(name) if self.is_shown_as_link(node)? => name,
            _ => &node.name,
        };
        Ok(shown_name(name).into_owned())
    }

    /// Whether programs see the file as a link. What is not known is taken for one, by its name.
    pub(super) fn is_shown_as_link(&self, node: &Node) -> Result<bool> {
        let is_open = || self.inodes.lock(node.ino).get(node.ino).is_some();
        Ok(self.may_be_link(node).is_some() && !is_open() && self.reads_as_link(node)?)
    }

    /// The same of a file that nobody has open. The caller may hold its shard.
    pub(super) fn reads_as_link(&self, node: &Node) -> Result<bool> {
        let Some(name) = self.may_be_link(node) else { return Ok(false) };
        let free = matches!(self.tree.child(node.parent, name).map_err(|e| self.tree_error(e))?, Lookup::Missing);
        Ok(free && !matches!(self.says(node)?, Says::Nothing))
    }

    /// As [`Vfs::is_shown_as_link`], after its bytes were fetched or could not be.
    fn look_at_link(&self, node: &Node) -> Result<bool> {
        match self.missing_link(node)? {
            Some(need) => Err(VfsError::Wait(need)),
            None => self.is_shown_as_link(node),
        }
    }

    /// Has the bytes of those files of `page` that may be links fetched, all at once.
    pub(super) fn await_links(&self, page: &[Node]) -> Result<()> {
        let mut needs = Vec::new();
        for node in page {
            needs.extend(self.missing_link(node)?);
        }
        if needs.is_empty() {
            return Ok(());
        }
        Err(VfsError::Wait(Need::new(async move {
            futures_util::future::join_all(needs).await;
            Ok(())
        })))
    }

    /// What has to be awaited before it is known whether the file is a link.
    fn missing_link(&self, node: &Node) -> Result<Option<Need>> {
        if self.may_be_link(node).is_none() || self.tried.lately(node.ino) {
            return Ok(None);
        }
        let Says::Unknown(bytes) = self.says(node)? else { return Ok(None) };
        Ok(self.fetched(&bytes).map(|need| self.tried.once(node.ino, need)))
    }

    /// Met when the bytes are here, and known to be.
    fn fetched(&self, bytes: &Bytes) -> Option<Need> {
        let (tree, file, all) = (self.tree.clone(), bytes.file.clone(), 0..bytes.row.size);
        let fetched = self.asks.fetch(bytes.source()?, all.clone(), all);
        Some(Need::new(async move {
            fetched.await?;
            let noted = tokio::task::spawn_blocking(move || tree.save_ranges(file.id(), None)).await;
            noted.map_err(io::Error::other)?.map_err(io::Error::other)?;
            Ok(())
        }))
    }

    /// The link's name, if name and size are a link's.
    fn may_be_link<'n>(&self, node: &'n Node) -> Option<&'n str> {
        let fits = self.settings.links && node.is_file() && may_be_target(node.attr.size);
        link_name(&node.name).filter(|_| fits && node.presence == Presence::Here)
    }

    fn says(&self, node: &Node) -> Result<Says> {
        let bytes = self.bytes(node)?;
        // One byte more than there should be tells a file that has grown.
        Ok(match bytes.file.read(0, crate::base::MAX_TARGET_BYTES + 1)? {
            Read::Bytes(target) if is_target(&target) => Says::Target(target),
            Read::Bytes(_) => Says::Nothing,
            Read::Missing(_) => Says::Unknown(bytes),
        })
    }

    /// Where the link leads that a file stands for.
    pub(super) fn target_of(&self, node: &Node) -> Result<Vec<u8>> {
        if self.may_be_link(node).is_none() {
            return Err(VfsError::Invalid);
        }
        match self.says(node)? {
            Says::Target(target) => Ok(target),
            Says::Nothing => Err(VfsError::Invalid),
            Says::Unknown(bytes) => Err(self.fetched(&bytes).map_or(VfsError::Stale, VfsError::Wait)),
        }
    }

    /// The name in Box that `node` gets when programs see it as `to`, and the name of what is to be deleted then because it was seen
    /// under that name and has another one in Box.
    pub(super) fn destination(
        &self,
        node: &Node,
        folder: Ino,
        to: &str,
        how: RenameHow,
    ) -> Result<(String, Option<String>)> {
        if !self.settings.links {
            return Ok((to.to_owned(), None));
        }
        let is_link = self.is_shown_as_link(node)?;
        let holder = match self.named(folder, to) {
            Ok(holder) => Some(holder),
            Err(VfsError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let file = match is_link {
            true => link_file_name(to).ok_or(VfsError::NameTooLong)?,
            false => to.to_owned(),
        };
        let Some(holder) = holder else {
            // What has the link's name in Box and is no link is not to be lost; what is no link does not take a link's name.
            let taken = is_link && matches!(self.tree.child(folder, &file), Ok(Lookup::Found(_)));
            let refused = !is_link && node.is_file() && link_name(to).is_some();
            return match (taken, refused) {
                (true, _) => Err(VfsError::Exists),
                (_, true) => Err(VfsError::Invalid),
                _ => Ok((file, None)),
            };
        };
        if self.is_shown_as_link(&holder)? == is_link {
            return Ok((file, None));
        }
        match how {
            RenameHow::Exchange => Err(VfsError::Invalid),
            RenameHow::NoReplace => Err(VfsError::Exists),
            RenameHow::Replace if holder.is_folder() => Err(VfsError::IsDirectory),
            RenameHow::Replace if node.is_folder() => Err(VfsError::NotDirectory),
            RenameHow::Replace if is_link && matches!(self.tree.child(folder, &file), Ok(Lookup::Found(_))) => {
                Err(VfsError::Exists)
            }
            RenameHow::Replace => {
                allow(self.rights(&holder)?.delete)?;
                Ok((file, Some(holder.name)))
            }
        }
    }

    /// `Exists` if programs see something under the name, which is another one in Box.
    pub(super) fn must_be_free(&self, parent: Ino, name: &OsStr) -> Result<()> {
        if !self.settings.links {
            return Ok(());
        }
        match self.named(parent, &existing_name(name)?) {
            Ok(_) => Err(VfsError::Exists),
            Err(VfsError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The name in Box of a link to be; `None` if it stays on this machine: an editor's lock, or a target that is no text.
    pub(super) fn stored_link(&self, name: &str, target: &[u8]) -> Result<Option<String>> {
        if !self.settings.links || !is_target(target) || self.tree.keeps_here(name) {
            return Ok(None);
        }
        link_file_name(name).map(Some).ok_or(VfsError::NameTooLong)
    }

    /// Makes the file of a link.
    pub(super) fn make_link(&self, parent: Ino, file: &str, target: &[u8], caller: &Caller) -> Result<Node> {
        self.may_add_to(parent)?;
        let new = NewNode {
            parent,
            name: file,
            kind: NodeKind::File,
            mode: FILE_MODE,
            uid: caller.uid,
            gid: caller.gid,
            target: None,
        };
        let node = self.tree.create(&new, now()).map_err(|e| self.tree_error(e))?;
        let bytes = self.fresh_bytes(&node)?;
        bytes.file.open_writer().write(0, target)?;
        self.note_closed(&node, &bytes)?;
        self.asks.released(node.ino);
        self.node(node.ino)
    }

    /// Links that were made while they were not stored become files; what cannot be stored now stays as it is. Before anybody sees the mount.
    pub fn store_links(&self) -> Result<()> {
        if !self.settings.links || self.settings.read_only {
            return Ok(());
        }
        let mut after = Ino(0);
        loop {
            let page = self.tree.symlinks(after, PAGE).map_err(|e| self.tree_error(e))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.ino;
            for node in &page {
                match self.store_link(node) {
                    Ok(()) => {}
                    Err(VfsError::Wait(_)) => {
                        log::info!("the link '{}' stays here: its folder is not listed", node.name)
                    }
                    Err(error) => log::info!("the link '{}' stays here: {error}", node.name),
                }
            }
        }
    }

    fn store_link(&self, node: &Node) -> Result<()> {
        let target = self.tree.target(node.ino).map_err(|e| self.tree_error(e))?;
        let Some(file) = self.stored_link(&node.name, &target)? else { return Ok(()) };
        let owner = Caller { uid: node.attr.uid, gid: node.attr.gid, pid: 0 };
        let made = self.make_link(node.parent, &file, &target, &owner)?;
        let times = AttrChange { mtime: Some(node.attr.mtime), atime: Some(node.attr.atime), ..AttrChange::default() };
        let kept = |e: TreeError| self.tree_error(e);
        self.tree.set_attr(made.ino, &times, now()).map_err(kept)?;
        self.tree.unlink(node.parent, &node.name, now()).map_err(kept)?;
        self.asks.changed(node.ino);
        Ok(())
    }
}
