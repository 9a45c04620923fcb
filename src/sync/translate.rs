//! Between the words of `box_api` and those of `tree`.

use crate::box_api::Item;
use crate::tree::{Remote, Rights};

/// An item as the tree keeps it. `me` is the signed-in user's id: a lock of our own is none.
pub fn remote(item: &Item, me: &str) -> Remote {
    let rights = item.permissions.map_or_else(Rights::default, |p| Rights {
        download: p.can_download,
        upload: p.can_upload,
        delete: p.can_delete,
        rename: p.can_rename,
    });
    let lock = item
        .lock
        .as_ref()
        .filter(|l| l.by_id.as_deref() != Some(me))
        .map(|l| l.by_login.clone().or_else(|| l.by_id.clone()).unwrap_or_else(|| "somebody".to_owned()));
    Remote {
        id: item.id.clone(),
        parent: item.parent.clone(),
        name: item.name.clone(),
        version: item.version_id.clone(),
        etag: item.etag.clone(),
        sequence: item.sequence_id,
        sha1: item.sha1,
        size: item.size,
        created: item.content_created_at.or(item.created_at),
        modified: item.content_modified_at.or(item.modified_at),
        trashed: item.trashed,
        rights,
        lock,
        url: item.url.clone(),
        public: item.shared_link.as_ref().is_some_and(|link| {
            link.effective_access.as_ref().or(link.access.as_ref()).is_some_and(|access| access == "open")
        }),
    }
}
