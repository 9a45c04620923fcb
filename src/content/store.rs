//! [`Content`]: all data files of one state directory, and the table of those in use.

use super::copy::{Seek, copy_data, seek};
use super::data_file::{DataFile, lock};
use super::error::{ContentError, Result, meaning};
use super::identity::{self, Identity};
use super::places::{Dirs, SpoolFile, create_file};
use super::ranges::Ranges;
use super::stamp::Stamp;
use super::usage::{Limits, Place, Room, Usage, bytes_on_disk, floor, free_bytes, room};
use super::uses::Uses;
use crate::base::{ContentId, sync_dir};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// What the database knows of a content, as needed to use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    pub place: Place,
    /// What is present; `None` if everything is.
    pub ranges: Option<Ranges>,
}

/// The data files of one state directory.
pub struct Content {
    dirs: Dirs,
    limits: Limits,
    one_disk: bool,
    pub(super) usage: Arc<Usage>,
    open: Mutex<Open>,
    /// Held while room is looked for and set aside.
    pub(super) reserving: Mutex<()>,
    pub(super) uses: Mutex<Uses>,
    pub(super) pressure: Notify,
}

/// The data files in use. Entries whose file nobody uses any more are swept out when the table has doubled.
struct Open {
    files: HashMap<ContentId, Weak<DataFile>>,
    sweep_at: usize,
}

/// Entries below which the table is not swept: smaller than what a busy file manager holds open.
const SWEEP_AT_LEAST: usize = 1024;

impl Content {
    /// Makes the directories ready and counts what is in them.
    pub fn open(dirs: Dirs, limits: Limits) -> Result<Content> {
        dirs.prepare()?;
        let one_disk = dirs.one_disk()?;
        let limits = Limits { floor: floor(&dirs.spool, limits.floor)?, ..limits };
        let open = Open { files: HashMap::new(), sweep_at: SWEEP_AT_LEAST };
        let content = Content {
            dirs,
            limits,
            one_disk,
            usage: Arc::default(),
            open: Mutex::new(open),
            reserving: Mutex::default(),
            uses: Mutex::default(),
            pressure: Notify::new(),
        };
        content.usage.set(Place::Spool, content.dirs.count(Place::Spool)?);
        content.usage.set(Place::Cache, content.dirs.count(Place::Cache)?);
        Ok(content)
    }

    /// An empty whole content in the spool. The name survives a power cut only after [`Content::sync_spool`].
    pub fn create(&self, id: ContentId, identity: &Identity) -> Result<Arc<DataFile>> {
        let path = self.dirs.path(Place::Spool, id);
        create_file(&path, id, false)?;
        identity::write(&path, identity)?;
        let file = self.open_file(id, Place::Spool, Ranges::whole())?;
        self.usage.add(Place::Spool, file.counted_bytes());
        self.enter(file)
    }

    /// A content of `size` bytes in the cache of which nothing is present. Replaces a leftover of the same id.
    pub fn create_cold(&self, id: ContentId, size: u64) -> Result<Arc<DataFile>> {
        let file = create_file(&self.dirs.path(Place::Cache, id), id, true)?;
        file.set_len(size).map_err(meaning("sizing a cache file"))?;
        let file = self.open_file(id, Place::Cache, Ranges::from(size))?;
        self.usage.add(Place::Cache, file.counted_bytes());
        self.enter(file)
    }

    /// The content as the database knows it, shared with all who use it. A file found in the other place, after a crash, is
    /// moved to where it belongs; of a partial one the shorter of its two sizes counts.
    pub fn load(&self, id: ContentId, saved: Saved) -> Result<Arc<DataFile>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.find(id) {
            return Ok(file);
        }
        let found = self.dirs.locate(id, saved.place)?;
        let mut present = saved.ranges.unwrap_or_else(Ranges::whole);
        let path = self.dirs.path(found, id);
        let size = fs::metadata(&path).map_err(meaning("stat of a data file"))?.len();
        present.insert(size..u64::MAX);
        let file = Arc::new(self.open_file(id, found, present)?);
        open.insert(id, &file);
        drop(open);
        if found != saved.place {
            self.relocate(&file, saved.place)?;
        }
        Ok(file)
    }

    /// The content if somebody uses it. Takes a lock under which nothing else is locked, so that a database transaction may ask.
    pub fn get(&self, id: ContentId) -> Option<Arc<DataFile>> {
        lock(&self.open).find(id)
    }

    /// Moves the content to the spool, where it survives: the name is on the disk when this returns. The stamp is the one
    /// after the move, which moves the ctime. Blocks, for long where spool and cache are on different disks.
    pub fn to_spool(&self, file: &Arc<DataFile>, identity: &Identity) -> Result<Stamp> {
        self.relocate(file, Place::Spool)?;
        identity::write(&self.dirs.path(Place::Spool, file.id()), identity)?;
        self.sync_spool()?;
        file.stamp()
    }

    /// Moves the content to the cache, where it may be lost. The stamp is the one after the move, which moves the ctime.
    ///
    /// # Errors
    /// `InUse` where spool and cache are on different disks and somebody else uses the content: whoever holds its descriptor
    /// would stay behind on a file without a name.
    pub fn to_cache(&self, file: &Arc<DataFile>) -> Result<Stamp> {
        if !self.one_disk && Arc::strong_count(file) > 1 {
            return Err(ContentError::InUse { id: file.id() });
        }
        self.relocate(file, Place::Cache)?;
        identity::remove_sidecar(&self.dirs.path(Place::Spool, file.id()));
        file.stamp()
    }

    /// Notes again whose bytes a spool file holds, without a change of its stamp. Nothing to do for a content that is not there.
    pub fn identify(&self, id: ContentId, identity: &Identity) -> Result<()> {
        let path = self.dirs.path(Place::Spool, id);
        if path.exists() { identity::write_beside(&path, identity) } else { Ok(()) }
    }

    /// What a spool file says of itself.
    pub fn identity_of(&self, id: ContentId) -> Option<Identity> {
        identity::read(&self.dirs.path(Place::Spool, id))
    }

    /// Takes the content's data file away. Those who use it keep its bytes. One that is not there is no error.
    pub fn remove(&self, id: ContentId) -> Result<()> {
        let used = self.get(id);
        for place in [Place::Spool, Place::Cache] {
            let path = self.dirs.path(place, id);
            let bytes = fs::metadata(&path).map_or(0, |m| bytes_on_disk(&m));
            match fs::remove_file(&path) {
                Ok(()) if used.is_none() => self.usage.sub(place, bytes),
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(meaning("removing a data file")(e)),
            }
        }
        identity::remove_sidecar(&self.dirs.path(Place::Spool, id));
        if let Some(file) = used {
            file.removed();
        }
        Ok(())
    }

    /// Moves a content that no node owns any more to where a person finds it.
    pub fn to_rescue(&self, id: ContentId) -> Result<PathBuf> {
        let place = self.dirs.locate(id, Place::Spool)?;
        let from = self.dirs.path(place, id);
        let to = self.dirs.rescue_path(id, identity::read(&from).as_ref());
        match fs::hard_link(&from, &to) {
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => fs::copy(&from, &to).map(drop),
            linked => linked,
        }
        .map_err(meaning("moving a content to the rescue directory"))?;
        sync_dir(&self.dirs.rescue).map_err(meaning("syncing the rescue directory"))?;
        self.remove(id)?;
        Ok(to)
    }

    /// Every data file in the spool, one after the other.
    pub fn spool_files(&self) -> Result<impl Iterator<Item = Result<SpoolFile>> + use<>> {
        self.dirs.spool_files()
    }

    /// Every data file in the cache, one after the other.
    pub fn cached(&self) -> Result<impl Iterator<Item = Result<ContentId>> + use<>> {
        self.dirs.cached()
    }

    /// The stamp of a data file that nobody uses; `None` if there is no file.
    pub fn stamp_of(&self, id: ContentId, place: Place) -> Result<Option<Stamp>> {
        self.dirs.stamp(id, place)
    }

    /// Makes the names in the spool survive a power cut. Blocks.
    pub fn sync_spool(&self) -> Result<()> {
        sync_dir(&self.dirs.spool).map_err(meaning("syncing the spool directory"))
    }

    /// The descriptor the kernel may read and write behind our back; `None` if the bytes may move to another file or are not
    /// all there. It is open for reading only: the kernel opens the file again with the flags of each program.
    pub fn passthrough_file(&self, file: &DataFile) -> Option<Arc<File>> {
        let stays = self.one_disk || file.place() == Place::Spool;
        (stays && file.is_whole()).then(|| file.reader())
    }

    /// Bytes on the disk; what programs wrote behind our back counts from the next look at the file.
    pub fn usage(&self, place: Place) -> u64 {
        self.usage.of(place)
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Free bytes of the disk under `place`.
    pub fn free(&self, place: Place) -> Result<u64> {
        free_bytes(self.dirs.of(place))
    }

    /// Whether `bytes` more would fit into `place`. Who evicts is woken if a spool file would after that.
    pub fn room_for(&self, place: Place, bytes: u64) -> Result<Room> {
        let same_disk = self.one_disk || place == Place::Cache;
        let evictable = if same_disk { self.usage(Place::Cache) } else { 0 };
        let room = room(place, bytes, self.usage(place), self.free(place)?, evictable, &self.limits);
        if place == Place::Spool && matches!(room, Room::EvictFirst { .. }) {
            self.pressure.notify_one();
        }
        Ok(room)
    }

    /// Where the data file of a content lies; `None` if it is not there.
    pub fn data_path(&self, id: ContentId) -> Option<PathBuf> {
        self.dirs.find(id)
    }

    /// Whether no byte was ever put into the spool file, whatever its size is.
    pub fn is_hollow(&self, id: ContentId) -> bool {
        let file = File::open(self.dirs.path(Place::Spool, id));
        file.and_then(|file| seek(&file, 0, Seek::Data)).is_ok_and(|data| data.is_none())
    }

    /// Bytes of the disk that the data file of a content takes; zero if it is not there.
    pub fn bytes_taken(&self, id: ContentId) -> u64 {
        let taken = |place| fs::metadata(self.dirs.path(place, id)).map_or(0, |m| bytes_on_disk(&m));
        taken(Place::Cache) + taken(Place::Spool)
    }

    pub(super) fn path(&self, place: Place, id: ContentId) -> PathBuf {
        self.dirs.path(place, id)
    }

    pub(super) fn dir(&self, place: Place) -> &Path {
        self.dirs.of(place)
    }

    /// Every content that somebody uses.
    pub(super) fn in_use(&self) -> Vec<Arc<DataFile>> {
        lock(&self.open).files.values().filter_map(Weak::upgrade).collect()
    }

    fn open_file(&self, id: ContentId, place: Place, present: Ranges) -> Result<DataFile> {
        let reader = File::open(self.dirs.path(place, id)).map_err(meaning("opening a data file"))?;
        DataFile::new(id, self.usage.clone(), reader, place, present)
    }

    fn enter(&self, file: DataFile) -> Result<Arc<DataFile>> {
        let file = Arc::new(file);
        lock(&self.open).insert(file.id(), &file);
        Ok(file)
    }

    fn relocate(&self, file: &DataFile, to: Place) -> Result<()> {
        let id = file.id();
        file.relocate(to, |from| match fs::rename(self.dirs.path(from, id), self.dirs.path(to, id)) {
            Ok(()) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => self.copy_across(id, from, to).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ContentError::Lost { id }),
            Err(e) => Err(meaning("moving a data file")(e)),
        })
    }

    /// The content as another file in `to`, under its name; the one it was copied from has lost its own.
    fn copy_across(&self, id: ContentId, from: Place, to: Place) -> Result<File> {
        let (old, part, path) = (self.dirs.path(from, id), self.dirs.part(to, id), self.dirs.path(to, id));
        let copy = || -> io::Result<File> {
            let source = File::open(&old)?;
            let target = File::create(&part)?;
            copy_data(&source, &target)?;
            target.set_modified(source.metadata()?.modified()?)?;
            target.sync_all()?;
            fs::rename(&part, &path)?;
            sync_dir(self.dirs.of(to))?;
            fs::remove_file(&old)?;
            File::open(&path)
        };
        copy().map_err(meaning("copying a data file to another disk"))
    }
}

impl Open {
    fn find(&self, id: ContentId) -> Option<Arc<DataFile>> {
        self.files.get(&id).and_then(Weak::upgrade)
    }

    fn insert(&mut self, id: ContentId, file: &Arc<DataFile>) {
        if self.files.len() >= self.sweep_at {
            self.files.retain(|_, file| file.strong_count() > 0);
            self.sweep_at = (self.files.len() * 2).max(SWEEP_AT_LEAST);
        }
        self.files.insert(id, Arc::downgrade(file));
    }
}
