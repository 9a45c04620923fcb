//! Many small files in one archive: two calls in the place of two for each. An archive is a chance, not a promise: whatever is missing in
//! it, or wrong, is fetched by itself afterwards by whoever asked.

use super::core::ask_error;
use super::executor::Executor;
use super::executor_fetch::put;
use super::lanes::Urgency;
use super::unzip::{Piece, Unzip};
use crate::base::{BoxId, Sha1Digest};
use crate::box_api::{ApiError, Archive, Download, Meaning};
use crate::tree::{ArchiveAsk, FetchFrom, Tree};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Archives on their way at once: Box lets a user have five (API.md 8.7), of which other programs may have some.
const MAX_ARCHIVES: usize = 2;
/// The largest file that is taken out of an archive: it is held in memory, one of each archive at a time.
const MAX_HELD_BYTES: usize = 1 << 20;

/// Fetches what the archive brings of these contents, which somebody has open. Returns whether Box answered.
pub async fn archive(executor: &Executor, ask: ArchiveAsk) -> bool {
    let fetched = fetch(executor, &ask.files).await;
    let answer = match &fetched {
        Err(error) if is_shut_out(error) => Err(ask_error(error)),
        Err(error) => {
            log::info!("{} files do not come in one archive: {error}", ask.files.len());
            Ok(())
        }
        Ok(()) => Ok(()),
    };
    let answered = answer.is_ok();
    // Whoever asked may be gone.
    let _ = ask.reply.send(answer);
    answered
}

async fn fetch(executor: &Executor, files: &[FetchFrom]) -> Result<(), ApiError> {
    // Never closed; without a permit Box would say that there are too many.
    let _one_of_few = executor.archives.acquire().await;
    let archive = executor.client.make_archive(files.iter().map(|file| file.file_id.as_str())).await?;
    let wanted = by_name(&executor.tree, &archive, files);
    let _lane = executor.lanes.enter(Urgency::Keep).await;
    if let Some(tally) = files.first().and_then(|file| file.tally.as_ref()) {
        tally.call();
    }
    let download = executor.client.fetch_archive(&archive).await?;
    unpack(executor, download, wanted).await
}

/// The files by what they are called in the archive. One whose name is not known, or that is not alone with it, is left out.
fn by_name(tree: &Tree, archive: &Archive, files: &[FetchFrom]) -> HashMap<String, Option<FetchFrom>> {
    let mut wanted = HashMap::new();
    for file in files {
        let named = archive.name_of(&file.file_id).map(str::to_owned);
        let own = || tree.remote(&BoxId::file(file.file_id.clone())).ok().flatten().map(|remote| remote.name);
        if let Some(name) = named.or_else(own) {
            let twice = wanted.contains_key(&name);
            wanted.insert(name, (!twice).then(|| file.clone()));
        }
    }
    wanted
}

/// Takes the wanted files out of the archive. What cannot be read, or kept, is left out.
async fn unpack(
    executor: &Executor,
    mut download: Download,
    mut wanted: HashMap<String, Option<FetchFrom>>,
) -> Result<(), ApiError> {
    let sizes: HashMap<String, u64> = wanted
        .iter()
        .filter_map(|(name, from)| Some((name.clone(), executor.content.get(from.as_ref()?.content)?.size().ok()?)))
        .collect();
    let mut unzip = Unzip::new(move |name: &str| sizes.get(name).copied());
    let mut arriving: Option<Arriving> = None;
    while let Some(bytes) = download.chunk().await? {
        unzip.feed(&bytes);
        loop {
            match unzip.next() {
                Ok(None) => break,
                Ok(Some(Piece::Entry(name))) => {
                    arriving = wanted.remove(&name).flatten().and_then(|from| Arriving::begin(executor, from));
                }
                Ok(Some(Piece::Bytes(bytes))) => arriving = arriving.and_then(|arriving| arriving.take(&bytes)),
                Ok(Some(Piece::EntryEnd)) => {
                    if let Some(arriving) = arriving.take() {
                        arriving.keep(executor).await;
                    }
                }
                Ok(Some(Piece::End)) => return Ok(()),
                Err(error) => {
                    log::info!("{error}");
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A file that is coming. Held until its digest is found right, since the archive may have a version that nobody here knows of yet:
/// those who read the file meanwhile never see a byte of it.
struct Arriving {
    from: FetchFrom,
    bytes: Vec<u8>,
    size: usize,
    sha1: Sha1Digest,
}

impl Arriving {
    /// `None` for what is too large to be held, or cannot be compared.
    fn begin(executor: &Executor, from: FetchFrom) -> Option<Arriving> {
        let origin = executor.tree.content(from.content).ok()??.origin?;
        let size = usize::try_from(origin.size).ok().filter(|size| *size <= MAX_HELD_BYTES)?;
        Some(Arriving { from, bytes: Vec::with_capacity(size), size, sha1: origin.sha1? })
    }

    /// `None` for more than belongs there.
    fn take(mut self, bytes: &[u8]) -> Option<Arriving> {
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() <= self.size).then_some(self)
    }

    async fn keep(self, executor: &Executor) {
        if Sha1Digest::of(&self.bytes) != self.sha1 {
            log::debug!("file {}: the archive has other bytes", self.from.file_id);
        } else if let Err(error) = put(executor, &self.from, &self.bytes).await {
            log::debug!("file {} of an archive is not kept: {error}", self.from.file_id);
        }
    }
}

/// Whether single files could not be had either. An archive that broke says nothing about them.
fn is_shut_out(error: &ApiError) -> bool {
    matches!(error.meaning, Meaning::NotSent | Meaning::Intercepted | Meaning::SignInNeeded)
}

/// The permits of [`Executor::archives`].
pub fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_ARCHIVES))
}
