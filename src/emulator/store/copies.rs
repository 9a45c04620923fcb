//! Copies of files and folders: items of their own that share their bytes with the original.

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::model::*;

impl Store {
    /// Copies an item; of a file, the given version's bytes or the current ones.
    pub(in crate::emulator) fn copy(
        &mut self,
        who: &Who,
        key: Key,
        folder: u64,
        name: Option<&str>,
        version: Option<u64>,
    ) -> Result<Key, Refusal> {
        if key.is_root() {
            return Err(Refusal::new(500, "internal_server_error", "Internal Server Error"));
        }
        let item = self.allow(who, key, Act::Download)?;
        let name = match name {
            Some(name) => self.accept_name(name, key.kind)?,
            None => item.name.clone(),
        };
        if let Some(version) = version {
            self.version_of(who, key.id, version)?;
        }
        self.allow(who, Key::folder(folder), Act::Upload)?;
        self.check_idle(key)?;
        self.check_idle(Key::folder(folder))?;
        if key.kind == Kind::Folder && self.is_below(Key::folder(folder), key.id) {
            return Err(Refusal::cyclical());
        }
        self.check_free(who, folder, &name, None, false)?;
        self.check_space(self.owner_of(Key::folder(folder)), self.size_of(key).min(self.options.max_upload_size))?;
        let copy = self.copy_one(who, key, folder, &name, version);
        self.tell("ITEM_COPY", copy, who.user);
        Ok(copy)
    }

    fn copy_one(&mut self, who: &Who, key: Key, folder: u64, name: &str, version: Option<u64>) -> Key {
        let inside: Vec<Key> = match key.kind {
            Kind::Folder => self.children(key.id).values().copied().collect(),
            _ => Vec::new(),
        };
        let copy = Key { kind: key.kind, id: self.next_id(key.kind) };
        let mut item = self.blank_item(name, folder, who.user);
        item.sequence = self.next_sequence();
        if let Some(old) = self.items.get(&key) {
            item.content_created_at = old.content_created_at;
            item.content_modified_at = old.content_modified_at;
            if let Some(extra) = &old.extra {
                let kept = item.extra_mut();
                kept.description = extra.description.clone();
                kept.url = extra.url.clone();
                kept.tags = extra.tags.clone();
            }
        }
        self.items.insert(copy, item);
        if key.kind == Kind::File {
            let source = version.or_else(|| self.current(key.id).map(|(id, _)| id));
            let content = source.and_then(|id| self.versions.get(&id)).map(|v| v.content.clone());
            if let Some(content) = content {
                self.add_version(copy, who.user, content);
            }
        }
        self.attach(copy);
        for child in inside {
            let name = self.items.get(&child).map(|item| item.name.clone()).unwrap_or_default();
            self.copy_one(who, child, copy.id, &name, None);
        }
        copy
    }
}
