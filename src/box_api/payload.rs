//! Request bodies that come from a local file: read by pieces on blocking threads, never whole in memory, and counted.

use super::limits::Bandwidth;
use super::pulse::Pulse;
use crate::base::{Sha1Digest, Sha1Hasher};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a body that are in memory at a time, per transfer: large enough that the thread switch costs nothing, small
/// enough that a hundred transfers fit into 25 MB.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// A whole file to be uploaded.
#[derive(Clone, Debug)]
pub struct Payload {
    pub file: Arc<File>,
    pub len: u64,
    /// Of the first `len` bytes.
    pub sha1: Sha1Digest,
    /// Grows by each byte handed to the network; what a failed try added is taken back.
    pub progress: Option<Arc<AtomicU64>>,
}

/// One part of a file, for an upload session.
#[derive(Clone, Debug)]
pub struct PartSlice {
    pub file: Arc<File>,
    pub offset: u64,
    pub len: u64,
    /// Size of the whole file.
    pub total_size: u64,
    /// As in [`Payload`].
    pub progress: Option<Arc<AtomicU64>>,
}

/// A body made of bytes, a range of a file, and bytes; can be made again for another try.
#[derive(Clone)]
pub(super) struct FileBody {
    pub head: Bytes,
    pub file: Arc<File>,
    pub offset: u64,
    pub len: u64,
    pub tail: Bytes,
    pub progress: Option<Arc<AtomicU64>>,
}

impl FileBody {
    pub(super) fn total_len(&self) -> u64 {
        self.head.len() as u64 + self.len + self.tail.len() as u64
    }

    /// The body for one try.
    pub(super) fn open(&self, pulse: Arc<Pulse>, line: Option<Arc<Bandwidth>>) -> (reqwest::Body, Arc<Sending>) {
        let sending = Arc::new(Sending { progress: self.progress.clone(), ..Sending::default() });
        let source = Source { body: self.clone(), done: 0, pulse, line, sending: Arc::clone(&sending) };
        (reqwest::Body::wrap_stream(pieces(source)), sending)
    }
}

/// What one try has sent, and what went wrong with the local file meanwhile.
#[derive(Default)]
pub(super) struct Sending {
    sent: AtomicU64,
    progress: Option<Arc<AtomicU64>>,
    trouble: Mutex<Option<String>>,
}

impl Sending {
    /// Why the local file could not be sent in full, if that is what failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes this try's bytes out of the progress again.
    pub(super) fn take_back(&self) {
        if let Some(progress) = &self.progress {
            progress.fetch_sub(self.sent.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn count(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(progress) = &self.progress {
            progress.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// A body on its way out.
struct Source {
    body: FileBody,
    /// Bytes of the body that are out.
    done: u64,
    pulse: Arc<Pulse>,
    line: Option<Arc<Bandwidth>>,
    sending: Arc<Sending>,
}

fn pieces(source: Source) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(source, |mut source| async move {
        let piece = source.next_piece().await;
        if let Err(error) = &piece {
            let text = format!("at byte {}: {error}", source.sending.sent.load(Ordering::Relaxed));
            *source.sending.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
        Ok(piece?.map(|piece| (piece, source)))
    })
}

impl Source {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.pulse.beat();
        let (head, len) = (self.body.head.len() as u64, self.body.len);
        let piece = if self.done < head {
            self.body.head.clone()
        } else if self.done < head + len {
            let at = self.done - head;
            let want = PIECE_BYTES.min(usize::try_from(len - at).unwrap_or(PIECE_BYTES));
            let piece = read_piece(Arc::clone(&self.body.file), self.body.offset + at, want).await?;
            self.sending.count(want);
            piece
        } else if self.done < self.body.total_len() {
            self.body.tail.clone()
        } else {
            return Ok(None);
        };
        if let Some(line) = &self.line {
            self.pulse.sleep_until(line.reserve(piece.len())).await;
        }
        self.done += piece.len() as u64;
        if self.done == self.body.total_len() {
            // Here, since nobody asks for a further piece once the announced length is out.
            self.pulse.all_sent();
        }
        Ok(Some(piece))
    }
}

/// Reads on a blocking thread: the disk may be slow, and the network's threads are few.
async fn read_piece(file: Arc<File>, offset: u64, len: usize) -> io::Result<Bytes> {
    on_blocking_thread(move || {
        let mut piece = vec![0; len];
        file.read_exact_at(&mut piece, offset)?;
        Ok(Bytes::from(piece))
    })
    .await
}

/// The SHA-1 of a range of a file.
///
/// # Errors
/// `UnexpectedEof` where the file ends before the range does; else what reading reports.
pub(super) async fn hash_range(file: Arc<File>, offset: u64, len: u64) -> io::Result<Sha1Digest> {
    on_blocking_thread(move || {
        let mut hasher = Sha1Hasher::new();
        let mut buffer = vec![0; PIECE_BYTES];
        let mut done = 0;
        while done < len {
            let want = PIECE_BYTES.min(usize::try_from(len - done).unwrap_or(PIECE_BYTES));
            file.read_exact_at(&mut buffer[..want], offset + done)?;
            hasher.update(&buffer[..want]);
            done += want as u64;
        }
        Ok(hasher.finish())
    })
    .await
}

async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use std::io::Write;

    fn body(bytes: &[u8], offset: u64, len: u64) -> FileBody {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        FileBody {
            head: Bytes::from_static(b"<"),
            file: Arc::new(file),
            offset,
            len,
            tail: Bytes::from_static(b">"),
            progress: Some(Arc::new(AtomicU64::new(5))),
        }
    }

    fn source(body: &FileBody) -> (Source, Arc<Sending>) {
        let sending = Arc::new(Sending { progress: body.progress.clone(), ..Sending::default() });
        let source = Source {
            body: body.clone(),
            done: 0,
            pulse: Arc::new(Pulse::new()),
            line: None,
            sending: Arc::clone(&sending),
        };
        (source, sending)
    }

    #[tokio::test]
    async fn a_body_is_head_range_and_tail_in_small_pieces() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i / 7) as u8).collect();
        let body = body(&bytes, 1000, 900_000);
        let (source, sending) = source(&body);
        let pieces: Vec<Bytes> = pieces(source).try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES));
        let all = pieces.concat();
        assert_eq!(all.len() as u64, body.total_len());
        assert_eq!(&all[1..900_001], &bytes[1000..901_000]);
        assert_eq!((all[0], all[900_001]), (b'<', b'>'));
        let progress = body.progress.unwrap();
        assert_eq!(progress.load(Ordering::Relaxed), 900_005);
        sending.take_back();
        assert_eq!(progress.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn a_file_that_got_shorter_fails_the_body_and_says_so() {
        let body = body(&[1; 300_000], 0, 400_000);
        let (source, sending) = source(&body);
        let all: Result<Vec<Bytes>, _> = pieces(source).try_collect().await;
        assert!(all.is_err());
        assert!(sending.trouble().unwrap().contains("at byte 262144"));
    }

    #[tokio::test]
    async fn a_range_hashes_like_its_bytes() {
        let body = body(&[7; 600_000], 0, 0);
        let digest = hash_range(Arc::clone(&body.file), 10, 500_000).await.unwrap();
        assert_eq!(digest, Sha1Digest::of(&[7; 500_000]));
        assert!(hash_range(body.file, 10, 600_000).await.is_err());
    }
}
