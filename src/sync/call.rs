//! Box calls as values: what the planner returns, what an attempt row remembers, what an executor performs.

use crate::base::{BoxId, ContentId, Ino, Sha1Digest, Timestamp};
use crate::tree::{AttemptKind, NewAttempt, StoredStamp};

/// One mutating call.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    CreateFolder {
        parent: String,
        name: String,
    },
    Upload(Upload),
    /// A file whose bytes are a version that Box has: copied there, no byte travels.
    Copy {
        file_id: String,
        version: String,
        sha1: Option<Sha1Digest>,
        generation: u64,
        parent: String,
        name: String,
    },
    /// Name, parent and time in one `PUT`; what is `None` stays.
    Update {
        item: BoxId,
        name: Option<String>,
        parent: Option<String>,
        modified: Option<Timestamp>,
        if_match: Option<String>,
    },
    Delete {
        item: BoxId,
        recursive: bool,
        if_match: Option<String>,
    },
    /// Out of Box's trash, under `name`. Box uses `parent` only where the old folder is gone; the answer says where it lies.
    Restore {
        item: BoxId,
        name: String,
        parent: String,
    },
}

/// The bytes of one sealed generation on their way.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    pub ino: Ino,
    pub target: Target,
    pub content: ContentId,
    pub generation: u64,
    pub size: u64,
    pub sha1: Sha1Digest,
    /// What the data file looked like when it was sealed.
    pub stamp: StoredStamp,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// From a copy: the data file is written to more often than it can be sent.
    pub steady: bool,
}

/// Where the bytes go.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    New {
        parent: String,
        name: String,
    },
    /// A new version of the file; a new name can travel along, a parent cannot.
    Version {
        file_id: String,
        rename: Option<String>,
        if_match: Option<String>,
        base_version: Option<String>,
    },
}

impl Call {
    /// What has to be written down before the call leaves.
    pub fn attempt(&self, ino: Ino) -> NewAttempt {
        let blank = NewAttempt {
            ino,
            kind: AttemptKind::Update,
            target: None,
            parent: None,
            name: None,
            base_version: None,
            sha1: None,
            generation: None,
            mtime_secs: None,
        };
        match self {
            Call::CreateFolder { parent, name } => NewAttempt {
                kind: AttemptKind::CreateFolder,
                parent: Some(parent.clone()),
                name: Some(name.clone()),
                ..blank
            },
            Call::Upload(upload) => upload.attempt(blank),
            Call::Copy { sha1, generation, parent, name, .. } => NewAttempt {
                kind: AttemptKind::Copy,
                parent: Some(parent.clone()),
                name: Some(name.clone()),
                sha1: *sha1,
                generation: Some(*generation),
                ..blank
            },
            Call::Update { item, name, parent, modified, .. } => NewAttempt {
                target: Some(item.clone()),
                parent: parent.clone(),
                name: name.clone(),
                mtime_secs: modified.map(|m| m.as_box_holds().secs),
                ..blank
            },
            Call::Delete { item, .. } => NewAttempt { kind: AttemptKind::Delete, target: Some(item.clone()), ..blank },
            Call::Restore { item, name, parent } => NewAttempt {
                kind: AttemptKind::Restore,
                target: Some(item.clone()),
                parent: Some(parent.clone()),
                name: Some(name.clone()),
                ..blank
            },
        }
    }

    /// Whether the call carries the bytes of a file.
    pub fn is_upload(&self) -> bool {
        matches!(self, Call::Upload(_))
    }
}

impl Upload {
    fn attempt(&self, blank: NewAttempt) -> NewAttempt {
        let common = NewAttempt {
            sha1: Some(self.sha1),
            generation: Some(self.generation),
            mtime_secs: Some(self.modified.as_box_holds().secs),
            ..blank
        };
        match &self.target {
            Target::New { parent, name } => NewAttempt {
                kind: AttemptKind::UploadNew,
                parent: Some(parent.clone()),
                name: Some(name.clone()),
                ..common
            },
            Target::Version { file_id, rename, base_version, .. } => NewAttempt {
                kind: AttemptKind::UploadVersion,
                target: Some(BoxId::file(file_id.clone())),
                name: rename.clone(),
                base_version: base_version.clone(),
                ..common
            },
        }
    }
}
