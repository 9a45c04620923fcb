//! Copies inside the mount: what a program copies from a file that Box has, Box can copy without any bytes travelling.

use super::error::Result;
use super::handles::Handle;
use super::past::is_past;
use super::state::Vfs;
use super::types::Fh;
use crate::base::Ino;
use crate::tree::{Node, Origin, Presence};

impl Vfs {
    /// A program copies `length` bytes of `from`, from the start, into a file that it has just made. Where that is all of a file
    /// that Box has, the new file is expected to be equal: if its bytes are, once they are sealed, Box is asked for the copy.
    /// Copies no byte itself.
    pub fn note_copy(&self, from: Ino, to: Fh, length: u64) -> Result<()> {
        if is_past(from) {
            return Ok(());
        }
        let Handle::File(target) = self.handles.get(to)? else { return Ok(()) };
        let Some(origin) = version_of(&self.node(from)?).filter(|origin| origin.size > 0 && origin.size <= length)
        else {
            return Ok(());
        };
        let node = self.node(target.ino)?;
        // A version of a file that Box has cannot be made by a copy.
        let fresh = node.box_id.is_none() && node.content == Some(target.file.id()) && target.file.size()? == 0;
        if fresh && from != target.ino {
            self.tree.expect_copy(target.file.id(), origin).map_err(|e| self.tree_error(e))?;
        }
        Ok(())
    }
}

/// The version that Box has of exactly these bytes.
fn version_of(node: &Node) -> Option<Origin> {
    if node.content_dirty() || node.presence == Presence::Deleted || !node.is_file() {
        return None;
    }
    let base = node.base.as_ref()?;
    let (file_id, version) = node.box_id.clone().zip(base.version.clone())?;
    Some(Origin { file_id, version, sha1: Some(base.sha1?), size: node.attr.size })
}
