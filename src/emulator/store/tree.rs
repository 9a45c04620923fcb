//! Which item is in which folder: the index of names, sizes of folders, owners, ancestors, new items and users.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::options::ConflictShape;
use super::super::refusal::Refusal;
use super::access::Who;
use super::model::*;
use super::names::{self, fold};
use super::{Detail, Store, View};

/// Deeper than any account's folders; a longer walk would be a cycle.
const MAX_DEPTH: usize = 10_000;

static NOTHING: BTreeMap<(Kind, String), Key> = BTreeMap::new();

impl Store {
    /// Derives the indexes from the tables, after the journal was read.
    pub(in crate::emulator) fn rebuild(&mut self) {
        let rows: Vec<(Key, u64, String)> = self
            .items
            .rows()
            .iter()
            .filter(|(key, item)| !key.is_root() && item.trashed.is_none())
            .map(|(key, item)| (*key, item.parent, fold(&item.name)))
            .collect();
        for (key, parent, folded) in rows {
            self.children.entry(parent).or_default().insert((key.kind, folded), key);
            if key.kind == Kind::File {
                self.grow(parent, self.size_of(key) as i64);
            }
        }
        let versions: Vec<(u64, u64, Vec<u64>)> = self
            .versions
            .rows()
            .values()
            .map(|v| (v.file, v.content.size, v.content.extents.iter().map(|e| e.blob).collect()))
            .collect();
        for (file, size, blobs) in versions {
            *self.used.entry(self.owner_of(Key::file(file))).or_insert(0) += size;
            blobs.into_iter().for_each(|blob| self.use_blob(blob));
        }
        let parts: Vec<u64> = self.parts.rows().values().flat_map(|p| p.extents.iter().map(|e| e.blob)).collect();
        parts.into_iter().for_each(|blob| self.use_blob(blob));
        for (id, collaboration) in self.collaborations.rows() {
            self.shared_with.entry(collaboration.item).or_default().push(*id);
        }
    }

    /// Makes a user and their root folder.
    pub(in crate::emulator) fn add_user(&mut self, name: &str, login: &str, role: UserRole) -> u64 {
        self.counters.user += 1;
        let id = self.counters.user;
        let user = User { name: name.to_owned(), login: login.to_owned(), created_at: self.now, role };
        self.users.insert(id, user);
        let root = root_of(id);
        self.items.insert(Key::folder(root), self.blank_item("All Files", root, id));
        id
    }

    /// An item as it is when created; counts up nothing.
    pub(super) fn blank_item(&self, name: &str, parent: u64, user: u64) -> Item {
        Item {
            name: name.to_owned(),
            parent,
            etag: 0,
            sequence: 0,
            created_at: self.now,
            modified_at: self.now,
            content_created_at: self.now,
            content_modified_at: self.now,
            created_by: user,
            modified_by: user,
            versions: Vec::new(),
            trashed: None,
            extra: None,
        }
    }

    pub(super) fn next_id(&mut self, kind: Kind) -> u64 {
        let counter = match kind {
            Kind::File => &mut self.counters.file,
            Kind::Folder => &mut self.counters.folder,
            Kind::WebLink => &mut self.counters.web_link,
        };
        *counter += 1;
        *counter
    }

    pub(in crate::emulator) fn children(&self, folder: u64) -> &BTreeMap<(Kind, String), Key> {
        self.children.get(&folder).unwrap_or(&NOTHING)
    }

    /// The item that holds `name`, compared as Box does.
    pub(in crate::emulator) fn holder(&self, folder: u64, name: &str) -> Option<Key> {
        let children = self.children.get(&folder)?;
        let folded = fold(name);
        let kinds = [Kind::File, Kind::Folder, Kind::WebLink];
        kinds.into_iter().find_map(|kind| children.get(&(kind, folded.clone())).copied())
    }

    /// Refuses a name that an item other than `except` has, or that an upload in flight holds.
    pub(in crate::emulator) fn check_free(
        &self,
        who: &Who,
        folder: u64,
        name: &str,
        except: Option<Key>,
        uploading: bool,
    ) -> Result<(), Refusal> {
        match self.holder(folder, name) {
            Some(holder) if Some(holder) != except => Err(Refusal::name_in_use(self.conflicts(who, holder, uploading))),
            _ if self.reserved.contains(&(folder, fold(name))) => Err(Refusal::name_reserved()),
            _ => Ok(()),
        }
    }

    /// `context_info.conflicts`: an object for uploads and a list elsewhere (API.md 1.5).
    fn conflicts(&self, who: &Who, holder: Key, uploading: bool) -> Value {
        let view = View { who, detail: Detail::Mini, fields: None };
        let one = self.render(&view, holder);
        match (self.options.conflicts, uploading) {
            (ConflictShape::Absent, _) => Value::Null,
            (ConflictShape::Object, _) | (ConflictShape::AsObserved, true) => one,
            (ConflictShape::List, _) | (ConflictShape::AsObserved, false) => Value::Array(vec![one]),
        }
    }

    /// Holds a name while an upload is in flight; `false` if another one holds it.
    pub(in crate::emulator) fn reserve(&mut self, folder: u64, name: &str) -> bool {
        self.reserved.insert((folder, fold(name)))
    }

    pub(in crate::emulator) fn unreserve(&mut self, folder: u64, name: &str) {
        self.reserved.remove(&(folder, fold(name)));
    }

    /// Enters an item that is in `items` into its folder.
    pub(super) fn attach(&mut self, key: Key) {
        let (parent, folded) = self.place_of(key);
        self.children.entry(parent).or_default().insert((key.kind, folded), key);
        self.grow(parent, self.size_of(key) as i64);
    }

    /// Takes an item out of its folder; it stays in `items`.
    pub(super) fn detach(&mut self, key: Key) {
        let (parent, folded) = self.place_of(key);
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(&(key.kind, folded));
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
        self.grow(parent, -(self.size_of(key) as i64));
    }

    fn place_of(&self, key: Key) -> (u64, String) {
        let Some(item) = self.items.get(&key) else {
            unreachable!("only an item of the table has a place");
        };
        (item.parent, fold(&item.name))
    }

    /// Bytes of a file's current version or of all below a folder.
    pub(in crate::emulator) fn size_of(&self, key: Key) -> u64 {
        match key.kind {
            Kind::Folder => self.sizes.get(&key.id).copied().unwrap_or(0),
            Kind::WebLink => 0,
            Kind::File => self.current(key.id).map_or(0, |(_, version)| version.content.size),
        }
    }

    /// Adds to the size of `folder` and of all above it, up to one that is in the trash.
    pub(super) fn grow(&mut self, mut folder: u64, bytes: i64) {
        if bytes == 0 {
            return;
        }
        for _ in 0..MAX_DEPTH {
            let size = self.sizes.entry(folder).or_insert(0);
            *size = size.saturating_add_signed(bytes);
            match self.items.get(&Key::folder(folder)) {
                Some(item) if !is_root(folder) && item.trashed.is_none() => folder = item.parent,
                _ => return,
            }
        }
    }

    pub(super) fn add_used(&mut self, user: u64, bytes: i64) {
        let used = self.used.entry(user).or_insert(0);
        *used = used.saturating_add_signed(bytes);
    }

    pub(in crate::emulator) fn used_by(&self, user: u64) -> u64 {
        self.used.get(&user).copied().unwrap_or(0)
    }

    /// The item and the folders above it, the root last.
    pub(in crate::emulator) fn line_of(&self, key: Key) -> impl Iterator<Item = (Key, &Item)> {
        let mut next = Some(key);
        std::iter::from_fn(move || {
            let key = next?;
            let item = self.items.get(&key)?;
            next = (!key.is_root()).then(|| Key::folder(item.parent));
            Some((key, item))
        })
        .take(MAX_DEPTH)
    }

    /// The user whose root an item is below.
    pub(in crate::emulator) fn owner_of(&self, key: Key) -> u64 {
        self.line_of(key).last().map_or(0, |(top, _)| top.id & !ROOT_BIT)
    }

    /// Whether the item or a folder above it is in the trash.
    pub(in crate::emulator) fn in_trash(&self, key: Key) -> bool {
        self.line_of(key).any(|(_, item)| item.trashed.is_some())
    }

    pub(in crate::emulator) fn is_below(&self, key: Key, folder: u64) -> bool {
        self.line_of(key).any(|(above, _)| above == Key::folder(folder))
    }

    /// All items below a folder, parents before children; without the folder.
    pub(in crate::emulator) fn below(&self, folder: u64) -> Vec<Key> {
        let mut found = Vec::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for key in self.children(folder).values() {
                if key.kind == Kind::Folder {
                    folders.push(key.id);
                }
                found.push(*key);
            }
        }
        found
    }

    /// Counts a change of an item: etag, `sequence_id`, time and user.
    pub(super) fn touch(&mut self, key: Key, user: u64) {
        let sequence = self.next_sequence();
        let now = self.now;
        if let Some(item) = self.items.get_mut(&key) {
            item.etag += 1;
            item.sequence = sequence;
            item.modified_at = now;
            item.modified_by = user;
        }
    }

    /// A name as it will be kept, or why not.
    pub(in crate::emulator) fn accept_name(&self, name: &str, kind: Kind) -> Result<String, Refusal> {
        let name = match kind {
            Kind::File if self.options.sanitize_file_names => names::sanitize(name),
            _ => name.to_owned(),
        };
        names::check(&name)?;
        Ok(name)
    }
}
