//! Box in memory, as strict as API.md: names are unique case aside and across kinds, nothing is overwritten, `If-Match` holds
//! for everything but moves, deleting means the trash.

use super::disk::Disk;
use super::posix::{Seen, Snapshot};
use crate::base::{BoxId, Sha1Digest, Timestamp, fold};
use crate::box_api::{ApiError, ExistingItem, Item, Meaning};
use crate::sync::call::{Call, Target, Upload};
use crate::sync::effect::Answer;
use crate::sync::executor::local_error;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct Version {
    pub id: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Held {
    pub parent: String,
    pub name: String,
    /// Files: oldest first, never empty. Folders: none.
    pub versions: Vec<Version>,
    etag: u64,
    sequence: u64,
    pub mtime: Timestamp,
    pub trashed: bool,
}

impl Held {
    pub fn version(&self) -> Option<&Version> {
        self.versions.last()
    }
}

#[derive(Debug, Default)]
pub struct Cloud {
    items: BTreeMap<BoxId, Held>,
    next: u64,
    sequence: u64,
    /// What changed, oldest first: the item as it was then.
    pub events: Vec<Item>,
}

type Outcome<T> = Result<T, ApiError>;

fn refuse<T>(meaning: Meaning) -> Outcome<T> {
    Err(local_error("model", meaning, ""))
}

impl Cloud {
    pub fn held(&self, id: &BoxId) -> Option<&Held> {
        self.items.get(id)
    }

    pub fn all(&self) -> impl Iterator<Item = (&BoxId, &Held)> {
        self.items.iter()
    }

    /// Whether the item and all above it are out of the trash.
    pub fn is_alive(&self, id: &BoxId) -> bool {
        let Some(item) = self.items.get(id) else { return id.id == "0" };
        !item.trashed && self.is_alive(&BoxId::folder(item.parent.clone()))
    }

    pub fn children(&self, folder: &str) -> impl Iterator<Item = (&BoxId, &Held)> {
        self.items.iter().filter(move |(_, i)| i.parent == folder && !i.trashed)
    }

    fn holder(&self, parent: &str, name: &str, but: Option<&BoxId>) -> Option<&BoxId> {
        let folded = fold(name);
        self.children(parent).find(|(id, i)| fold(&i.name) == folded && Some(*id) != but).map(|(id, _)| id)
    }

    fn free(&self, parent: &str, name: &str, but: Option<&BoxId>) -> Outcome<()> {
        let Some(id) = self.holder(parent, name, but) else { return Ok(()) };
        let item = &self.items[id];
        let existing = ExistingItem {
            id: id.clone(),
            name: item.name.clone(),
            sha1: item.version().map(|v| Sha1Digest::of(&v.bytes)),
            version_id: item.version().map(|v| v.id.clone()),
            etag: Some(item.etag.to_string()),
        };
        refuse(Meaning::NameTaken { existing: Some(Box::new(existing)) })
    }

    fn folder(&self, id: &str) -> Outcome<()> {
        if self.is_alive(&BoxId::folder(id)) { Ok(()) } else { refuse(Meaning::NotFound) }
    }

    fn live(&self, id: &BoxId) -> Outcome<&Held> {
        match self.items.get(id) {
            Some(item) if item.trashed => refuse(Meaning::Trashed),
            Some(item) if self.is_alive(id) => Ok(item),
            _ => refuse(Meaning::NotFound),
        }
    }

    fn matches(&self, id: &BoxId, if_match: Option<&str>) -> Outcome<()> {
        let etag = self.live(id)?.etag.to_string();
        if if_match.is_none_or(|wanted| wanted == etag) { Ok(()) } else { refuse(Meaning::Changed) }
    }

    fn next_id(&mut self) -> String {
        self.next += 1;
        (100 + self.next).to_string()
    }

    fn add(&mut self, kind: fn(String) -> BoxId, parent: &str, name: &str, mtime: Timestamp) -> BoxId {
        let id = kind(self.next_id());
        self.sequence += 1;
        let held = Held {
            parent: parent.to_owned(),
            name: name.to_owned(),
            versions: Vec::new(),
            etag: 0,
            sequence: self.sequence,
            mtime,
            trashed: false,
        };
        self.items.insert(id.clone(), held);
        id
    }

    fn add_version(&mut self, id: &BoxId, bytes: Vec<u8>, mtime: Timestamp) {
        let version = Version { id: self.next_id(), bytes };
        let item = self.bump(id);
        item.versions.push(version);
        item.mtime = mtime;
    }

    fn bump(&mut self, id: &BoxId) -> &mut Held {
        self.sequence += 1;
        let item = self.items.get_mut(id).expect("the caller has looked");
        item.etag += 1;
        item.sequence = self.sequence;
        item
    }

    pub fn item(&self, id: &BoxId) -> Outcome<Item> {
        let held = self.live(id)?;
        Ok(Item {
            id: id.clone(),
            name: held.name.clone(),
            parent: Some(held.parent.clone()),
            etag: Some(held.etag.to_string()),
            sequence_id: Some(held.sequence),
            size: held.version().map_or(0, |v| v.bytes.len() as u64),
            sha1: held.version().map(|v| Sha1Digest::of(&v.bytes)),
            version_id: held.version().map(|v| v.id.clone()),
            content_created_at: Some(held.mtime),
            content_modified_at: Some(held.mtime),
            created_at: Some(held.mtime),
            modified_at: Some(held.mtime),
            trashed: false,
            permissions: None,
            lock: None,
            url: None,
            shared_link: None,
        })
    }

    /// Writes down that the item changed.
    fn tell(&mut self, id: &BoxId) {
        let trashed = self.items.get(id).is_some_and(|i| i.trashed);
        if let Some(held) = self.items.get_mut(id) {
            held.trashed = false;
        }
        let item = self.item(id);
        if let Some(held) = self.items.get_mut(id) {
            held.trashed = trashed;
        }
        self.events.extend(item.map(|item| Item { trashed, ..item }));
    }

    /// The items of a folder with ids after `after`, at most `limit`, as one page.
    pub fn list(&self, folder: &str, after: Option<&BoxId>, limit: usize) -> Outcome<Vec<Item>> {
        self.folder(folder)?;
        let after = |id: &BoxId| after.is_none_or(|a| id > a);
        self.children(folder).filter(|(id, _)| after(id)).take(limit).map(|(id, _)| self.item(id)).collect()
    }

    /// Carries a call out. `read` are the first bytes of an upload, as they were when they were read.
    pub fn perform(&mut self, call: &Call, disk: &Disk, read: &[u8]) -> Outcome<Answer> {
        let answer = self.apply(call, disk, read)?;
        match (&answer, call) {
            (Answer::Item(item), _) => self.tell(&item.id),
            (Answer::Deleted, Call::Delete { item, .. }) => self.tell(item),
            _ => {}
        }
        Ok(answer)
    }

    fn apply(&mut self, call: &Call, disk: &Disk, read: &[u8]) -> Outcome<Answer> {
        let id = match call {
            Call::CreateFolder { parent, name } => {
                self.folder(parent)?;
                self.free(parent, name, None)?;
                self.add(BoxId::folder, parent, name, Timestamp::default())
            }
            Call::Upload(upload) => match self.upload(upload, disk, read)? {
                Some(id) => id,
                None => return Ok(Answer::BytesChanged),
            },
            Call::Copy { file_id, version, parent, name, .. } => {
                let from = self.live(&BoxId::file(file_id.clone()))?.clone();
                let Some(bytes) = from.versions.iter().find(|v| v.id == *version).map(|v| v.bytes.clone()) else {
                    return refuse(Meaning::NotFound);
                };
                self.folder(parent)?;
                self.free(parent, name, None)?;
                let id = self.add(BoxId::file, parent, name, from.mtime);
                self.add_version(&id, bytes, from.mtime);
                id
            }
            Call::Update { item, name, parent, modified, if_match } => {
                self.update(item, name.as_deref(), parent.as_deref(), *modified, if_match.as_deref())?;
                item.clone()
            }
            Call::Restore { item, name, parent } => {
                self.restore(item, name, parent)?;
                item.clone()
            }
            Call::Delete { item, recursive, if_match } => {
                self.matches(item, if_match.as_deref())?;
                if item.is_folder() && !recursive && self.children(&item.id).next().is_some() {
                    return refuse(Meaning::FolderNotEmpty);
                }
                self.bump(item).trashed = true;
                return Ok(Answer::Deleted);
            }
        };
        Ok(Answer::Item(Box::new(self.item(&id)?)))
    }

    fn upload(&mut self, upload: &Upload, disk: &Disk, read: &[u8]) -> Outcome<Option<BoxId>> {
        let copied = upload.steady && Sha1Digest::of(read) == upload.sha1;
        let bytes = match disk.get(upload.content) {
            _ if copied => read.to_vec(),
            None => return refuse(Meaning::LocalFile),
            Some(data) if data.stored_stamp() != upload.stamp => return Ok(None),
            Some(data) => read.iter().chain(data.bytes.iter().skip(read.len())).copied().collect(),
        };
        if Sha1Digest::of(&bytes) != upload.sha1 {
            return refuse(Meaning::BadDigest);
        }
        let id = match &upload.target {
            Target::New { parent, name } => {
                self.folder(parent)?;
                self.free(parent, name, None)?;
                self.add(BoxId::file, parent, name, upload.modified)
            }
            Target::Version { file_id, rename, if_match, .. } => {
                let id = BoxId::file(file_id.clone());
                self.matches(&id, if_match.as_deref())?;
                if let Some(name) = rename {
                    let parent = self.live(&id)?.parent.clone();
                    self.free(&parent, name, Some(&id))?;
                    self.bump(&id).name.clone_from(name);
                }
                id
            }
        };
        self.add_version(&id, bytes, upload.modified.as_box_holds());
        Ok(Some(id))
    }

    fn update(
        &mut self,
        id: &BoxId,
        name: Option<&str>,
        parent: Option<&str>,
        modified: Option<Timestamp>,
        if_match: Option<&str>,
    ) -> Outcome<()> {
        self.matches(id, if_match.filter(|_| parent.is_none()))?;
        let held = self.live(id)?.clone();
        let (name, parent) = (name.unwrap_or(&held.name), parent.unwrap_or(&held.parent));
        self.folder(parent)?;
        let mut above = Some(BoxId::folder(parent));
        while let Some(at) = above {
            if at == *id {
                return refuse(Meaning::Cyclical);
            }
            above = self.items.get(&at).map(|i| BoxId::folder(i.parent.clone()));
        }
        self.free(parent, name, Some(id))?;
        let (name, parent) = (name.to_owned(), parent.to_owned());
        let item = self.bump(id);
        item.name = name;
        item.parent = parent;
        if let Some(modified) = modified {
            item.mtime = modified.as_box_holds();
        }
        Ok(())
    }

    /// Only what is itself in the trash comes back: to its folder, or to `parent` where that is gone.
    fn restore(&mut self, id: &BoxId, name: &str, parent: &str) -> Outcome<()> {
        let Some(held) = self.items.get(id).filter(|i| i.trashed) else { return refuse(Meaning::NotFound) };
        let home =
            if self.is_alive(&BoxId::folder(held.parent.clone())) { held.parent.clone() } else { parent.to_owned() };
        self.folder(&home)?;
        self.free(&home, name, Some(id))?;
        let item = self.bump(id);
        item.trashed = false;
        item.name = name.to_owned();
        item.parent = home;
        Ok(())
    }

    pub fn find(&self, path: &str) -> Option<BoxId> {
        let mut at = BoxId::folder("0");
        for name in path.split('/').filter(|p| !p.is_empty()) {
            if !at.is_folder() {
                return None;
            }
            let next = self.children(&at.id).find(|(_, i)| i.name == name).map(|(id, _)| id.clone());
            at = next?;
        }
        Some(at)
    }

    fn place<'p>(&self, path: &'p str) -> Option<(String, &'p str)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.find(folder).filter(BoxId::is_folder).map(|id| (id.id, name))
    }

    /// Somebody else saves a file.
    pub fn they_save(&mut self, path: &str, bytes: Vec<u8>, at: Timestamp) {
        if let Some(id) = self.find(path) {
            if !id.is_folder() {
                self.add_version(&id, bytes, at.as_box_holds());
                self.tell(&id);
            }
        } else if let Some((parent, name)) = self.place(path)
            && self.free(&parent, name, None).is_ok()
        {
            let id = self.add(BoxId::file, &parent, name, at.as_box_holds());
            self.add_version(&id, bytes, at.as_box_holds());
            self.tell(&id);
        }
    }

    pub fn they_rename(&mut self, from: &str, to: &str) {
        if let (Some(id), Some((parent, name))) = (self.find(from), self.place(to)) {
            // What Box refuses does not happen.
            let _refused = self.update(&id, Some(name), Some(&parent), None, None);
            self.tell(&id);
        }
    }

    pub fn they_delete(&mut self, path: &str) {
        if let Some(id) = self.find(path).filter(|id| id.id != "0") {
            self.bump(&id).trashed = true;
            self.tell(&id);
        }
    }

    pub fn they_mkdir(&mut self, path: &str) {
        if let Some((parent, name)) = self.place(path)
            && self.free(&parent, name, None).is_ok()
        {
            let id = self.add(BoxId::folder, &parent, name, Timestamp::default());
            self.tell(&id);
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut seen = Snapshot::new();
        self.walk("0", "", &mut seen);
        seen
    }

    fn walk(&self, folder: &str, above: &str, seen: &mut Snapshot) {
        for (id, held) in self.children(folder) {
            let path = if above.is_empty() { held.name.clone() } else { format!("{above}/{}", held.name) };
            match held.version() {
                None => {
                    seen.insert(path.clone(), Seen::Folder);
                    self.walk(&id.id, &path, seen);
                }
                Some(version) => {
                    let bytes = String::from_utf8_lossy(&version.bytes).into_owned();
                    seen.insert(path, Seen::File { bytes, mtime_secs: held.mtime.secs });
                }
            }
        }
    }
}
