//! Sending the bytes of a sealed content: the simple upload below the border, the chunker at and above it.

use super::call::{Target, Upload};
use super::effect::Answer;
use super::executor::{Executor, local_error};
use super::executor_bytes::{blocking, data_file};
use super::executor_chunks as chunks;
use crate::box_api::{ApiError, Meaning, NewFile, NewVersion, Payload};
use crate::content::{DataFile, Stamp, SteadyCopy};
use crate::tree::StoredStamp;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Files of this size and larger go through an upload session, unless Box says that they are too small for one.
pub const CHUNKED_FROM_BYTES: u64 = 20_000_000;

/// One upload with what it needs at hand.
pub struct Job<'a> {
    pub executor: &'a Executor,
    pub upload: &'a Upload,
    file: Arc<DataFile>,
    copy: Option<SteadyCopy>,
    pub sent: Arc<AtomicU64>,
}

/// Uploads the sealed bytes. [`Answer::BytesChanged`] if the data file is not what was sealed: nothing was committed then.
pub async fn upload(executor: &Executor, upload: &Upload) -> Result<Answer, ApiError> {
    let unreadable = |reason: String| local_error("upload", Meaning::LocalFile, &reason);
    let (file, _) = data_file(executor, upload.content).await.map_err(unreadable)?;
    let meter = executor.board.uploading(upload.ino, upload.size);
    let copy = if upload.steady { steady_copy(executor, &file).await } else { None };
    let mut job = Job { executor, upload, file, copy: None, sent: meter.sent.clone() };
    if !job.unchanged().await? {
        return Ok(Answer::BytesChanged);
    }
    job.copy = copy;
    if upload.size >= CHUNKED_FROM_BYTES {
        match chunks::upload(&job).await {
            Err(error) if error.meaning == Meaning::TooSmallForSession => {}
            other => return other,
        }
    }
    job.simple().await
}

/// A copy of the bytes as they are now, where there is room for one.
async fn steady_copy(executor: &Executor, file: &Arc<DataFile>) -> Option<SteadyCopy> {
    let (file, content) = (file.clone(), executor.content.clone());
    let copied = blocking(move || content.steady_copy(&file).map_err(|e| e.to_string())).await;
    copied.unwrap_or_else(|reason| {
        log::warn!("a file that is written to more often than it can be sent is sent without a copy: {reason}");
        None
    })
}

impl Job<'_> {
    /// What is sent.
    pub fn reader(&self) -> Arc<File> {
        self.copy.as_ref().map_or_else(|| self.file.reader(), SteadyCopy::reader)
    }

    /// Syncs the data file and says whether what is sent is still what was sealed.
    pub async fn unchanged(&self) -> Result<bool, ApiError> {
        if self.copy.is_some() {
            return Ok(true);
        }
        let (file, stamp) = (self.file.clone(), stamp(self.upload.stamp));
        blocking(move || file.still(&stamp).map_err(|e| e.to_string()))
            .await
            .map_err(|reason| local_error("upload", Meaning::LocalFile, &reason))
    }

    async fn simple(&self) -> Result<Answer, ApiError> {
        let upload = self.upload;
        let payload =
            Payload { file: self.reader(), len: upload.size, sha1: upload.sha1, progress: Some(self.sent.clone()) };
        let modified = Some(upload.modified.as_box_holds());
        let client = &self.executor.client;
        let item = match &upload.target {
            Target::New { parent, name } => {
                let created = Some(upload.created.as_box_holds());
                let file = NewFile { parent, name, content_created_at: created, content_modified_at: modified };
                client.upload_new(&file, &payload).await?
            }
            Target::Version { file_id, rename, if_match, .. } => {
                let version = NewVersion { name: rename.as_deref(), content_modified_at: modified };
                client.upload_version(file_id, &version, if_match.as_deref(), &payload).await?
            }
        };
        Ok(Answer::Item(Box::new(item)))
    }
}

fn stamp(stored: StoredStamp) -> Stamp {
    Stamp { size: stored.size, mtime_ns: stored.mtime_ns, ctime_ns: stored.ctime_ns }
}
