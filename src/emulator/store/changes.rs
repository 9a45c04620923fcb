//! Creating folders and web links, and changing items: name, parent, times, description, tags, locks, shared links.

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::model::*;

/// `If-Match`, as far as it was sent.
#[derive(Debug, Clone, Default)]
pub(in crate::emulator) struct Precondition(pub(in crate::emulator) Option<String>);

impl Precondition {
    pub(in crate::emulator) fn check(&self, etag: u64) -> Result<(), Refusal> {
        match &self.0 {
            Some(wanted) if wanted != "*" && *wanted != etag.to_string() => Err(Refusal::precondition()),
            _ => Ok(()),
        }
    }
}

/// A `PUT` of an item; `None` leaves a property alone.
#[derive(Debug, Clone, Default)]
pub(in crate::emulator) struct Change {
    pub(in crate::emulator) name: Option<String>,
    pub(in crate::emulator) parent: Option<u64>,
    pub(in crate::emulator) description: Option<String>,
    pub(in crate::emulator) content_created_at: Option<i64>,
    pub(in crate::emulator) content_modified_at: Option<i64>,
    pub(in crate::emulator) tags: Option<Vec<String>>,
    pub(in crate::emulator) url: Option<String>,
    /// `Some(None)` unlocks.
    pub(in crate::emulator) lock: Option<Option<Lock>>,
    /// `Some(None)` removes the link.
    pub(in crate::emulator) shared_link: Option<Option<SharedLink>>,
}

impl Change {
    fn edits(&self) -> bool {
        self.name.is_some() || self.tags.is_some() || self.lock.is_some() || self.modifies()
    }

    fn modifies(&self) -> bool {
        self.description.is_some()
            || self.content_modified_at.is_some()
            || self.content_created_at.is_some()
            || self.url.is_some()
    }
}

impl Store {
    /// A folder, or a web link where `url` is given.
    pub(in crate::emulator) fn create(
        &mut self,
        who: &Who,
        parent: u64,
        name: &str,
        url: Option<&str>,
    ) -> Result<Key, Refusal> {
        let kind = if url.is_some() { Kind::WebLink } else { Kind::Folder };
        self.allow(who, Key::folder(parent), Act::Upload)?;
        let name = self.accept_name(name, kind)?;
        self.check_free(who, parent, &name, None, false)?;
        let mut item = self.blank_item(&name, parent, who.user);
        if let Some(url) = url {
            item.extra_mut().url = url.to_owned();
        }
        Ok(self.enter(who, kind, item))
    }

    /// A folder whose name is right.
    pub(in crate::emulator) fn new_folder(&mut self, who: &Who, parent: u64, name: &str) -> Key {
        let item = self.blank_item(name, parent, who.user);
        self.enter(who, Kind::Folder, item)
    }

    fn enter(&mut self, who: &Who, kind: Kind, item: Item) -> Key {
        let key = Key { kind, id: self.next_id(kind) };
        self.items.insert(key, item);
        self.attach(key);
        self.tell("ITEM_CREATE", key, who.user);
        key
    }

    /// Changes an item. A move ignores the precondition, as Box does (API.md 3.6).
    pub(in crate::emulator) fn update(
        &mut self,
        who: &Who,
        key: Key,
        change: Change,
        precondition: &Precondition,
    ) -> Result<(), Refusal> {
        let item = self.allow(who, key, Act::See)?;
        let (etag, old_parent, old_name) = (item.etag, item.parent, item.name.clone());
        let seen_in = self.parent_seen(who, key);
        let moved_to = change.parent.filter(|parent| *parent != seen_in);
        if moved_to.is_none() {
            precondition.check(etag)?;
        }
        self.check_change(who, key, &change, moved_to)?;
        let parent = moved_to.unwrap_or(old_parent);
        let name = match &change.name {
            Some(name) => self.accept_name(name, key.kind)?,
            None => old_name.clone(),
        };
        if parent != old_parent || name != old_name {
            self.check_free(who, parent, &name, Some(key), false)?;
            self.relocate(key, parent, &name);
        }
        self.set_properties(key, &change);
        self.touch(key, who.user);
        if parent != old_parent {
            self.tell("ITEM_MOVE", key, who.user);
        }
        if name != old_name {
            self.tell("ITEM_RENAME", key, who.user);
        }
        self.tell_properties(key, who, &change);
        Ok(())
    }

    /// The folder in which `who` sees an item: their root for an item that is shared to them.
    pub(in crate::emulator) fn parent_seen(&self, who: &Who, key: Key) -> u64 {
        let parent = self.items.get(&key).map_or(0, |item| item.parent);
        if self.may(&Who::user(who.user), Key::folder(parent), Act::See) { parent } else { root_of(who.user) }
    }

    fn check_change(&self, who: &Who, key: Key, change: &Change, moved_to: Option<u64>) -> Result<(), Refusal> {
        if key.is_root() {
            return Err(Refusal::no_permission());
        }
        if let Some(parent) = moved_to {
            self.check_idle(key)?;
            self.check_idle(Key::folder(parent))?;
            self.check_folder_lock(key)?;
            self.allow(who, Key::folder(parent), Act::Upload)?;
            self.allow(who, key, Act::Delete)?;
            if key.kind == Kind::Folder && self.is_below(Key::folder(parent), key.id) {
                return Err(Refusal::cyclical());
            }
        }
        if change.shared_link.is_some() {
            self.allow(who, key, Act::Share)?;
        }
        if change.edits() {
            self.allow(who, key, Act::Rename)?;
        }
        self.check_lock(who, key)
    }

    /// Puts an item elsewhere, sizes and quotas included.
    pub(super) fn relocate(&mut self, key: Key, parent: u64, name: &str) {
        let (from, to) = (self.owner_of(key), self.owner_of(Key::folder(parent)));
        self.detach(key);
        if let Some(item) = self.items.get_mut(&key) {
            item.parent = parent;
            item.name = name.to_owned();
        }
        self.attach(key);
        self.hand_over(key, from, to);
    }

    /// Counts the bytes of an item and of all below it against another user.
    pub(super) fn hand_over(&mut self, key: Key, from: u64, to: u64) {
        if from == to {
            return;
        }
        let below = if key.kind == Kind::Folder { self.below(key.id) } else { Vec::new() };
        let bytes: u64 = std::iter::once(key)
            .chain(below)
            .filter_map(|key| self.items.get(&key))
            .flat_map(|item| &item.versions)
            .filter_map(|id| self.versions.get(id))
            .map(|version| version.content.size)
            .sum();
        self.add_used(from, -(bytes as i64));
        self.add_used(to, bytes as i64);
    }

    fn set_properties(&mut self, key: Key, change: &Change) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if let Some(at) = change.content_created_at {
            item.content_created_at = at;
        }
        if let Some(at) = change.content_modified_at {
            item.content_modified_at = at;
        }
        if let Some(description) = &change.description {
            item.extra_mut().description = description.clone();
        }
        if let Some(tags) = &change.tags {
            item.extra_mut().tags = tags.clone();
        }
        if let Some(url) = &change.url {
            item.extra_mut().url = url.clone();
        }
        if let Some(lock) = &change.lock {
            item.extra_mut().lock = lock.clone();
        }
        if let Some(link) = &change.shared_link {
            item.extra_mut().shared_link = link.clone();
        }
    }

    fn tell_properties(&mut self, key: Key, who: &Who, change: &Change) {
        if change.modifies() {
            self.tell("ITEM_MODIFY", key, who.user);
        }
        match &change.lock {
            Some(Some(_)) => self.tell("LOCK_CREATE", key, who.user),
            Some(None) => self.tell("LOCK_DESTROY", key, who.user),
            None => {}
        }
        match &change.shared_link {
            Some(Some(_)) => self.tell("ITEM_SHARED_CREATE", key, who.user),
            Some(None) => self.tell("ITEM_SHARED_UNSHARE", key, who.user),
            None => {}
        }
        if change.tags.is_some() {
            self.tell("TAG_ITEM_CREATE", key, who.user);
        }
    }
}
