//! Deleting items, the trash, restoring and purging.

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::changes::Precondition;
use super::model::*;

impl Store {
    /// To the trash, or for good where the enterprise has none. A folder with items needs `recursive`.
    pub(in crate::emulator) fn delete(
        &mut self,
        who: &Who,
        key: Key,
        recursive: bool,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        if key.is_root() {
            return Err(Refusal::no_permission());
        }
        let etag = self.allow(who, key, Act::Delete)?.etag;
        precondition.check(etag)?;
        self.check_idle(key)?;
        self.check_lock(who, key)?;
        self.check_folder_lock(key)?;
        if key.kind == Kind::Folder && !recursive && !self.children(key.id).is_empty() {
            return Err(Refusal::folder_not_empty());
        }
        let audience = self.audience(key);
        self.detach(key);
        self.touch(key, who.user);
        let trashed = Some(Trashed { at: self.now, by: who.user });
        if let Some(item) = self.items.get_mut(&key) {
            item.trashed = trashed;
        }
        self.tell_to("ITEM_TRASH", key, who.user, audience);
        if self.options.delete_forever {
            self.erase(key);
        }
        Ok(())
    }

    /// An item that is itself in the trash.
    pub(in crate::emulator) fn trashed(&self, who: &Who, key: Key) -> Result<&Item, Refusal> {
        let item = self.items.get(&key).ok_or_else(Refusal::not_found)?;
        if !self.may(who, key, Act::See) {
            return Err(Refusal::not_found());
        }
        if item.trashed.is_none() {
            return Err(if self.in_trash(key) { Refusal::not_found() } else { Refusal::not_trashed() });
        }
        Ok(item)
    }

    /// Back to its folder under its name or `name`; to `parent` only where its folder is gone.
    pub(in crate::emulator) fn restore(
        &mut self,
        who: &Who,
        key: Key,
        name: Option<&str>,
        parent: Option<u64>,
    ) -> Result<(), Refusal> {
        let item = self.trashed(who, key)?;
        let home = Key::folder(item.parent);
        let name = match name {
            Some(name) => self.accept_name(name, key.kind)?,
            None => item.name.clone(),
        };
        if !self.may(who, key, Act::Delete) {
            return Err(Refusal::no_permission());
        }
        let gone = !self.items.contains(&home) || self.in_trash(home);
        let folder = parent.filter(|_| gone).unwrap_or(home.id);
        self.allow(who, Key::folder(folder), Act::Upload)?;
        self.check_idle(key)?;
        self.check_idle(Key::folder(folder))?;
        self.check_free(who, folder, &name, Some(key), false)?;
        let (from, to) = (self.owner_of(key), self.owner_of(Key::folder(folder)));
        if let Some(item) = self.items.get_mut(&key) {
            item.trashed = None;
            item.parent = folder;
            item.name = name;
        }
        self.hand_over(key, from, to);
        self.attach(key);
        self.touch(key, who.user);
        self.tell("ITEM_UNDELETE_VIA_TRASH", key, who.user);
        Ok(())
    }

    /// Out of the trash and gone.
    pub(in crate::emulator) fn purge(&mut self, who: &Who, key: Key) -> Result<(), Refusal> {
        self.trashed(who, key)?;
        if !self.may(who, key, Act::Delete) {
            return Err(Refusal::no_permission());
        }
        self.erase(key);
        Ok(())
    }

    /// What a user finds in the trash, oldest deletion first.
    pub(in crate::emulator) fn trash_of(&self, who: &Who) -> Vec<Key> {
        let mut found: Vec<(i64, Key)> = self
            .items
            .rows()
            .iter()
            .filter_map(|(key, item)| item.trashed.as_ref().map(|trashed| (trashed.at, *key)))
            .filter(|(_, key)| self.may(who, *key, Act::See))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, key)| key).collect()
    }

    /// Forgets an item that is not attached, and all that is or was below it.
    fn erase(&mut self, key: Key) {
        let owner = self.owner_of(key);
        let mut doomed = vec![key];
        if key.kind == Kind::Folder {
            let trash: Vec<Key> =
                self.items.rows().iter().filter(|(_, item)| item.trashed.is_some()).map(|(key, _)| *key).collect();
            doomed.extend(self.below(key.id));
            for trashed in trash {
                if trashed != key && self.is_below(trashed, key.id) {
                    doomed.push(trashed);
                    doomed.extend(self.below(trashed.id).into_iter().filter(|_| trashed.kind == Kind::Folder));
                }
            }
        }
        for key in doomed {
            self.erase_one(key, owner);
        }
    }

    fn erase_one(&mut self, key: Key, owner: u64) {
        let Some(item) = self.items.remove(&key) else { return };
        for id in item.versions {
            if let Some(version) = self.versions.remove(&id) {
                self.add_used(owner, -(version.content.size as i64));
                version.content.extents.iter().for_each(|extent| self.release_blob(extent.blob));
            }
        }
        if key.kind == Kind::Folder {
            self.children.remove(&key.id);
            self.sizes.remove(&key.id);
        }
        for id in self.shared_with.remove(&key).unwrap_or_default() {
            self.collaborations.remove(&id);
        }
    }
}
