//! Bookmarks: items of Box that are an address, shown as the small text file that desktops know.

use super::error::{Result, VfsError};
use super::handles::Handle;
use super::state::Vfs;
use super::types::{OpenHow, Opened, Way};
use crate::tree::Node;

impl Vfs {
    pub(super) fn open_bookmark(&self, node: &Node, how: OpenHow) -> Result<Opened> {
        if how.write || how.truncate {
            return Err(VfsError::Denied);
        }
        let text = self.bookmark(node)?;
        let fh = self.handles.add(Handle::Text(text.into_bytes().into()));
        Ok(Opened { fh, way: Way::Direct })
    }

    pub(super) fn bookmark(&self, node: &Node) -> Result<String> {
        let remote = node.item().map(|item| self.remote(&item)).transpose()?.flatten();
        Ok(text(remote.and_then(|r| r.url).as_deref().unwrap_or_default()))
    }
}

/// The format of `.url` files. An address with a line break would start another key, so that it ends there.
fn text(url: &str) -> String {
    let line = url.lines().next().unwrap_or_default();
    format!("[InternetShortcut]\r\nURL={line}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_add_keys() {
        assert_eq!(text("https://x/\nIconFile=evil"), "[InternetShortcut]\r\nURL=https://x/\r\n");
    }
}
