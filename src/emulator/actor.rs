//! Someone else at work in Box: changes the account directly, with the same rules as over HTTP, for tests in this process.

use std::sync::Arc;

use super::desk::Desk;
use super::refusal::Refusal;
use super::report;
use super::store::{Change, Key, Kind, Precondition, Store, Upload, Who};

/// Acts as one user. Paths are from that user's root, `/a/b.txt`, exact in case.
pub struct Actor {
    desk: Arc<Desk>,
    who: Who,
}

/// Box's code for what was refused.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct ActError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl From<Refusal> for ActError {
    fn from(refusal: Refusal) -> ActError {
        ActError { status: refusal.status, code: refusal.code, message: refusal.message }
    }
}

impl Actor {
    pub(super) fn new(desk: Arc<Desk>, user: u64) -> Actor {
        Actor { desk, who: Who::user(user) }
    }

    /// Makes a folder and the folders above it; one that is there is fine. Answers its id.
    pub fn create_folder(&self, path: &str) -> Result<String, ActError> {
        let key = self.desk.write(|store| make_folders(store, &self.who, path))?;
        Ok(super::store::id_text(key))
    }

    /// A file of its own or a new version of the one that is there. Answers the file id.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<String, ActError> {
        let content = self.desk.contents.write_all(bytes).map_err(Refusal::from)?;
        let (folder, name) = split(path);
        let file = self.desk.write(|store| {
            let upload = Upload::default();
            let size = content.size;
            match report::find(store, self.who.user, path) {
                Some(Key { kind: Kind::File, id }) => {
                    store.check_new_version(&self.who, id, None, size, &Precondition::default())?;
                    store.new_version(&self.who, id, None, content, &upload);
                    Ok(id)
                }
                _ => {
                    let folder = make_folders(store, &self.who, folder)?.id;
                    let name = store.check_new_file(&self.who, folder, name, size)?;
                    Ok(store.new_file(&self.who, folder, &name, content, &upload))
                }
            }
        })?;
        Ok(file.to_string())
    }

    /// Makes a file under any name whatever, as an item may have that is older than Box's rules for names. Answers its id.
    pub fn plant_file(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<String, ActError> {
        let content = self.desk.contents.write_all(bytes).map_err(Refusal::from)?;
        let file = self.desk.write(|store| {
            let folder = make_folders(store, &self.who, folder)?.id;
            store.check_free(&self.who, folder, name, None, true)?;
            Ok::<_, Refusal>(store.new_file(&self.who, folder, name, content, &Upload::default()))
        })?;
        Ok(file.to_string())
    }

    /// The same for a folder.
    pub fn plant_folder(&self, above: &str, name: &str) -> Result<String, ActError> {
        let key = self.desk.write(|store| {
            let above = make_folders(store, &self.who, above)?.id;
            store.check_free(&self.who, above, name, None, false)?;
            Ok::<_, Refusal>(store.new_folder(&self.who, above, name))
        })?;
        Ok(super::store::id_text(key))
    }

    /// Gives an item another name in its folder.
    pub fn rename(&self, path: &str, name: &str) -> Result<(), ActError> {
        self.change(path, |_| Ok(Change { name: Some(name.to_owned()), ..Change::default() }))
    }

    /// Moves an item to another folder, which must be there.
    pub fn move_to(&self, path: &str, folder: &str) -> Result<(), ActError> {
        self.change(path, |store| {
            let folder = report::find(store, self.who.user, folder).ok_or_else(Refusal::not_found)?;
            Ok(Change { parent: Some(folder.id), ..Change::default() })
        })
    }

    /// Sets the time that the client gives a file, seconds since 1970.
    pub fn set_content_modified_at(&self, path: &str, at: i64) -> Result<(), ActError> {
        self.change(path, |_| Ok(Change { content_modified_at: Some(at), ..Change::default() }))
    }

    /// Describes an item: changes its etag and nothing that a file system sees.
    pub fn describe(&self, path: &str, description: &str) -> Result<(), ActError> {
        self.change(path, |_| Ok(Change { description: Some(description.to_owned()), ..Change::default() }))
    }

    /// Puts an item into the trash, a folder with all that is in it.
    pub fn trash(&self, path: &str) -> Result<(), ActError> {
        let key = self.find(path)?;
        Ok(self.desk.write(|store| store.delete(&self.who, key, true, &Precondition::default()))?)
    }

    /// Deletes for good what is in the trash, by the id that a report gave.
    pub fn purge_file(&self, id: &str) -> Result<(), ActError> {
        let key = Key::file(id.parse().map_err(|_| Refusal::not_found())?);
        Ok(self.desk.write(|store| store.purge(&self.who, key))?)
    }

    /// Takes an item out of the trash, by the id that a report gave.
    pub fn restore_file(&self, id: &str) -> Result<(), ActError> {
        let key = Key::file(id.parse().map_err(|_| Refusal::not_found())?);
        Ok(self.desk.write(|store| store.restore(&self.who, key, None, None))?)
    }

    /// Makes a bookmark.
    pub fn create_web_link(&self, path: &str, url: &str) -> Result<String, ActError> {
        let (folder, name) = split(path);
        let key = self.desk.write(|store| {
            let folder = make_folders(store, &self.who, folder)?.id;
            store.create(&self.who, folder, name, Some(url))
        })?;
        Ok(super::store::id_text(key))
    }

    fn change(&self, path: &str, make: impl FnOnce(&Store) -> Result<Change, Refusal>) -> Result<(), ActError> {
        let key = self.find(path)?;
        Ok(self.desk.write(|store| {
            let change = make(store)?;
            store.update(&self.who, key, change, &Precondition::default())
        })?)
    }

    fn find(&self, path: &str) -> Result<Key, ActError> {
        let key = self.desk.read(|store| report::find(store, self.who.user, path));
        Ok(key.ok_or_else(Refusal::not_found)?)
    }
}

/// The folder's path and the last name.
fn split(path: &str) -> (&str, &str) {
    path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path))
}

fn make_folders(store: &mut Store, who: &Who, path: &str) -> Result<Key, Refusal> {
    let mut at = Key::folder(super::store::root_of(who.user));
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = match store.holder(at.id, name) {
            Some(key) if key.kind == Kind::Folder => key,
            _ => store.create(who, at.id, name, None)?,
        };
    }
    Ok(at)
}
