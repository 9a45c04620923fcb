//! The data files: bytes, times, and who may still write.

use crate::base::{ContentId, Timestamp};
use crate::content::Stamp;
use crate::sync::call::Upload;
use crate::tree::StoredStamp;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<ContentId, Data>,
    ticks: i64,
    /// All bytes that a data file had at one instant.
    instants: BTreeMap<ContentId, BTreeSet<Vec<u8>>>,
}

#[derive(Debug, Clone, Default)]
pub struct Data {
    pub bytes: Vec<u8>,
    pub mtime: Timestamp,
    changed: i64,
    pub writers: u32,
}

impl Data {
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.bytes.len() as u64, mtime_ns: self.mtime.to_nanos(), ctime_ns: self.changed }
    }

    pub fn stored_stamp(&self) -> StoredStamp {
        let Stamp { size, mtime_ns, ctime_ns } = self.stamp();
        StoredStamp { size, mtime_ns, ctime_ns }
    }
}

impl Disk {
    pub fn create(&mut self, id: ContentId, bytes: Vec<u8>, mtime: Timestamp) {
        self.ticks += 1;
        self.instants.entry(id).or_default().insert(bytes.clone());
        self.files.insert(id, Data { bytes, mtime, changed: self.ticks, writers: 0 });
    }

    pub fn get(&self, id: ContentId) -> Option<&Data> {
        self.files.get(&id)
    }

    pub fn change(&mut self, id: ContentId, change: impl FnOnce(&mut Data)) {
        self.ticks += 1;
        if let Some(data) = self.files.get_mut(&id) {
            change(data);
            data.changed = self.ticks;
            self.instants.entry(id).or_default().insert(data.bytes.clone());
        }
    }

    /// What an upload that has begun does not read again: the first half, or all of its copy.
    pub fn begin_upload(&self, upload: &Upload) -> Vec<u8> {
        match self.files.get(&upload.content) {
            Some(data) if !upload.steady => data.bytes[..data.bytes.len() / 2].to_vec(),
            Some(data) if data.stored_stamp() == upload.stamp => data.bytes.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether the data file ever had exactly these bytes.
    pub fn had(&self, id: ContentId, bytes: &[u8]) -> bool {
        self.instants.get(&id).is_some_and(|all| all.contains(bytes))
    }

    /// A writer comes (1) or goes (-1); that changes no bytes.
    pub fn writers(&mut self, id: ContentId, more: i32) {
        if let Some(data) = self.files.get_mut(&id) {
            data.writers = data.writers.saturating_add_signed(more);
        }
    }

    pub fn remove(&mut self, id: ContentId) {
        self.files.remove(&id);
    }
}
