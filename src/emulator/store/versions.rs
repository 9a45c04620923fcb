//! Files and their versions: new ones, promotion, deletion and restoring of versions.

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::changes::Precondition;
use super::model::*;

/// What an upload brings besides its bytes.
#[derive(Debug, Clone, Default)]
pub(in crate::emulator) struct Upload {
    pub(in crate::emulator) content_created_at: Option<i64>,
    pub(in crate::emulator) content_modified_at: Option<i64>,
    pub(in crate::emulator) description: Option<String>,
}

impl Store {
    /// The current version of a file.
    pub(in crate::emulator) fn current(&self, file: u64) -> Option<(u64, &Version)> {
        let id = *self.items.get(&Key::file(file))?.versions.last()?;
        Some((id, self.versions.get(&id)?))
    }

    /// Checks all that can be checked of an upload of a new file before its bytes are there; answers the name as kept.
    pub(in crate::emulator) fn check_new_file(
        &self,
        who: &Who,
        folder: u64,
        name: &str,
        size: u64,
    ) -> Result<String, Refusal> {
        self.allow(who, Key::folder(folder), Act::Upload)?;
        let name = self.accept_name(name, Kind::File)?;
        self.check_free(who, folder, &name, None, true)?;
        self.check_space(self.owner_of(Key::folder(folder)), size)?;
        Ok(name)
    }

    /// The same for a new version.
    pub(in crate::emulator) fn check_new_version(
        &self,
        who: &Who,
        file: u64,
        name: Option<&str>,
        size: u64,
        precondition: &Precondition,
    ) -> Result<Option<String>, Refusal> {
        let key = Key::file(file);
        let item = self.allow(who, key, Act::Upload)?;
        self.check_lock(who, key)?;
        precondition.check(item.etag)?;
        self.check_space(self.owner_of(key), size)?;
        let Some(name) = name else { return Ok(None) };
        let name = self.accept_name(name, Kind::File)?;
        self.check_free(who, item.parent, &name, Some(key), true)?;
        Ok(Some(name))
    }

    /// Makes a file; all checks of [`Store::check_new_file`] hold.
    pub(in crate::emulator) fn new_file(
        &mut self,
        who: &Who,
        folder: u64,
        name: &str,
        content: Content,
        upload: &Upload,
    ) -> u64 {
        let file = self.next_id(Kind::File);
        let key = Key::file(file);
        let mut item = self.blank_item(name, folder, who.user);
        item.content_modified_at = upload.content_modified_at.unwrap_or(self.now);
        item.content_created_at = upload.content_created_at.unwrap_or(item.content_modified_at);
        if let Some(description) = &upload.description {
            item.extra_mut().description = description.clone();
        }
        self.items.insert(key, item);
        self.add_version(key, who.user, content);
        self.attach(key);
        self.tell("ITEM_UPLOAD", key, who.user);
        file
    }

    /// Adds a version to a file; all checks of [`Store::check_new_version`] hold.
    pub(in crate::emulator) fn new_version(
        &mut self,
        who: &Who,
        file: u64,
        name: Option<&str>,
        content: Content,
        upload: &Upload,
    ) {
        let key = Key::file(file);
        self.detach(key);
        self.touch(key, who.user);
        let now = self.now;
        if let Some(item) = self.items.get_mut(&key) {
            item.content_modified_at = upload.content_modified_at.unwrap_or(now);
            if let Some(name) = name {
                item.name = name.to_owned();
            }
            if let Some(description) = &upload.description {
                item.extra_mut().description = description.clone();
            }
        }
        self.add_version(key, who.user, content);
        self.attach(key);
        self.tell("ITEM_UPLOAD", key, who.user);
    }

    /// Appends a version to a file that is not attached.
    pub(super) fn add_version(&mut self, key: Key, user: u64, content: Content) -> u64 {
        self.counters.version += 1;
        let id = self.counters.version;
        self.add_used(self.owner_of(key), content.size as i64);
        for extent in &content.extents {
            self.use_blob(extent.blob);
        }
        let last = self.current(key.id).map_or(0, |(_, version)| version.number);
        let now = self.now;
        let Some(item) = self.items.get_mut(&key) else {
            unreachable!("a version is added to a file of the table");
        };
        item.versions.push(id);
        let version = Version {
            file: key.id,
            number: last + 1,
            name: item.name.clone(),
            content,
            created_at: now,
            modified_at: now,
            by: user,
            trashed: None,
            restored: None,
        };
        self.versions.insert(id, version);
        id
    }

    /// An item made without checks and events, for an account that is generated: a file where it has a content.
    pub(in crate::emulator) fn seed(&mut self, user: u64, parent: Key, name: &str, content: Option<Content>) -> Key {
        let kind = if content.is_some() { Kind::File } else { Kind::Folder };
        let key = Key { kind, id: self.next_id(kind) };
        let mut item = self.blank_item(name, parent.id, user);
        item.sequence = self.next_sequence();
        self.items.insert(key, item);
        if let Some(content) = content {
            self.add_version(key, user, content);
        }
        self.attach(key);
        key
    }

    /// A past or present version of a file that the user may see.
    pub(in crate::emulator) fn version_of(&self, who: &Who, file: u64, version: u64) -> Result<&Version, Refusal> {
        self.allow(who, Key::file(file), Act::See)?;
        self.versions.get(&version).filter(|v| v.file == file).ok_or_else(Refusal::not_found)
    }

    /// Makes an old version's bytes the current ones, as a version of its own.
    pub(in crate::emulator) fn promote(&mut self, who: &Who, file: u64, version: u64) -> Result<u64, Refusal> {
        let key = Key::file(file);
        self.allow(who, key, Act::Upload)?;
        self.check_lock(who, key)?;
        let old = self.version_of(who, file, version)?;
        if old.trashed.is_some() {
            return Err(Refusal::trashed());
        }
        let content = old.content.clone();
        self.check_space(self.owner_of(key), content.size)?;
        self.detach(key);
        self.touch(key, who.user);
        let id = self.add_version(key, who.user, content);
        self.attach(key);
        self.tell("ITEM_MAKE_CURRENT_VERSION", key, who.user);
        Ok(id)
    }

    /// Trashes a version; in the place of the current one comes the newest that is left.
    pub(in crate::emulator) fn trash_version(
        &mut self,
        who: &Who,
        file: u64,
        version: u64,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        let key = Key::file(file);
        let etag = self.allow(who, key, Act::Delete)?.etag;
        self.check_lock(who, key)?;
        precondition.check(etag)?;
        if self.version_of(who, file, version)?.trashed.is_some() {
            return Err(Refusal::trashed());
        }
        if self.current(file).is_some_and(|(id, _)| id == version) {
            self.step_back(key)?;
            self.touch(key, who.user);
        }
        let trashed = Some(Trashed { at: self.now, by: who.user });
        if let Some(row) = self.versions.get_mut(&version) {
            row.trashed = trashed;
        }
        Ok(())
    }

    /// Makes the newest living version before the current one current; the only one left cannot go.
    fn step_back(&mut self, key: Key) -> Result<(), Refusal> {
        let item = self.items.get(&key).ok_or_else(Refusal::not_found)?;
        let living = |id: &&u64| self.versions.get(id).is_some_and(|v| v.trashed.is_none());
        let before = item.versions.iter().rev().skip(1).find(living).copied();
        let before = before.ok_or_else(Refusal::no_permission)?;
        self.detach(key);
        if let Some(item) = self.items.get_mut(&key) {
            item.versions.retain(|id| *id != before);
            item.versions.push(before);
        }
        self.attach(key);
        Ok(())
    }

    /// Takes a version out of the trash.
    pub(in crate::emulator) fn restore_version(&mut self, who: &Who, file: u64, version: u64) -> Result<(), Refusal> {
        self.allow(who, Key::file(file), Act::Upload)?;
        if self.version_of(who, file, version)?.trashed.is_none() {
            return Err(Refusal::not_trashed());
        }
        let restored = Some(Trashed { at: self.now, by: who.user });
        if let Some(row) = self.versions.get_mut(&version) {
            row.trashed = None;
            row.restored = restored;
        }
        Ok(())
    }
}
