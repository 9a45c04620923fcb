//! What a reader will want next: finds the sequential streams in the reads of one handle and says what to fetch for them. Pure;
//! fetches nothing itself.

use crate::tree::Run;
use std::ops::Range;
use std::sync::Arc;

/// What is fetched at least, and on whose bounds fetches begin and end where nobody reads on: a request to Box takes as long as
/// some megabytes of its answer, but a program that jumps uses little of what lies around.
const BLOCK_BYTES: u64 = 64 << 10;
/// A file up to this size is fetched whole: one request is all that it costs either way.
const SMALL_FILE_BYTES: u64 = 128 << 10;
/// What is fetched at once for a stream whose read was not foreseen.
const STREAM_FETCH_BYTES: u64 = 1 << 20;
/// The most that is on its way or here ahead of one stream: more than the connections that read-ahead may take carry at a time, so
/// that none of them waits for the reader. It lies on the disk, not in memory.
const MOST_AHEAD_BYTES: u64 = 320 << 20;
/// How much is fetched ahead for each byte that was read without a gap: full speed after a few round trips, and whoever stops
/// early has cost a small multiple of what it read.
const AHEAD_PER_BYTE_READ: u64 = 8;
/// One stream takes at most this part of the cache, so that it does not evict what it is about to read.
const CACHE_SHARE: u64 = 4;
/// Streams that are told apart in one handle: threads of one program that share a descriptor.
const MAX_STREAMS: usize = 4;
/// How far the kernel's own read-ahead may deliver requests out of order: two of its windows.
const MOST_DISORDER_BYTES: u64 = 2 << 20;
/// A handle whose first read is of the beginning and at least so long is taken for a stream. Programs that only look what kind of file
/// it is read less.
const EAGER_BYTES: u64 = 128 << 10;
/// A first read of at least so much is that of `cp` and the like: what a kernel that reads 1 MiB ahead makes of reads of 128 KiB or more. It
/// makes less of those of players and the like, which read 32 KiB at a time and often stop behind the header.
const COPY_BYTES: u64 = 256 << 10;
/// What is on its way ahead of a copy from its first read on: without it, the connections stand idle for the first round trips.
/// A program that stops early has cost what came until it closed the file.
const COPY_AHEAD_BYTES: u64 = 32 << 20;
/// A piece is one request; the smallest that is worth its round trip, and the largest, so that pieces end about in order. A
/// connection of 25 MB/s that waits 80 ms for each request is busy two thirds of the time with the largest.
const PIECE_BYTES: Range<u64> = 2 << 20..4 << 20;
/// Pieces that a window is divided into while it grows: larger ones than would give each connection its own, since with small ones the
/// connections mostly wait.
const PIECES: u64 = 16;
/// Near the end of the file a piece is this part of what is left, so that all connections end at about the same time.
const LAST_PIECES: u64 = 8;

/// What to fetch ahead of a stream, as long as it is wanted.
#[derive(Debug)]
pub(super) struct Ahead {
    pub range: Range<u64>,
    pub piece_bytes: u64,
    pub run: Run,
}

/// The streams of one handle, the one that was read last at the end.
#[derive(Debug)]
pub(super) struct Streams {
    streams: Vec<Stream>,
    most_ahead: u64,
}

/// Reads that follow each other.
#[derive(Debug)]
struct Stream {
    /// Where it began.
    start: u64,
    /// Behind its last byte.
    next: u64,
    /// Behind the last byte that was asked for ahead of it.
    asked: u64,
    /// Whether it is believed to go on.
    goes_on: bool,
    /// What is wanted ahead of it at least.
    least_ahead: u64,
    /// Dropped with the stream: what was asked for and has not begun is not wanted any more.
    _alive: Arc<()>,
    run: Run,
}

impl Streams {
    /// `cache_bytes` is the limit of the cache.
    pub fn new(cache_bytes: u64) -> Streams {
        Streams { streams: Vec::new(), most_ahead: MOST_AHEAD_BYTES.min(cache_bytes / CACHE_SHARE) }
    }

    /// Notes a read of `read` in a file of `size` bytes, and says what to fetch ahead of it from here on.
    pub fn note(&mut self, read: &Range<u64>, size: u64) -> Option<Ahead> {
        let most_ahead = self.most_ahead;
        let stream = self.stream_of(read);
        let consumed = stream.next - stream.start;
        if !stream.goes_on || most_ahead < BLOCK_BYTES {
            return None;
        }
        let window = consumed.saturating_mul(AHEAD_PER_BYTE_READ).max(stream.least_ahead).min(most_ahead);
        let start = stream.asked.max(stream.next);
        let range = start..stream.next.saturating_add(window).min(size);
        let fair = (window / PIECES).min(size.saturating_sub(start) / LAST_PIECES);
        let piece_bytes = fair.clamp(PIECE_BYTES.start, PIECE_BYTES.end);
        let worth_it = range.end == size || range.end.saturating_sub(range.start) >= piece_bytes.min(window / 2);
        if range.is_empty() || !worth_it {
            return None;
        }
        stream.asked = range.end;
        Some(Ahead { range, piece_bytes, run: stream.run.clone() })
    }

    /// What to fetch at once for the reader who misses `wanted` of a file of `size` bytes.
    pub fn fetch(&self, wanted: &Range<u64>, size: u64) -> Range<u64> {
        if size <= SMALL_FILE_BYTES {
            return 0..size.max(wanted.end);
        }
        let streams = self.streams.last().is_some_and(|s| s.goes_on);
        let end = if streams {
            wanted.end.max(wanted.start.saturating_add(STREAM_FETCH_BYTES.min(self.most_ahead)))
        } else {
            wanted.end.next_multiple_of(BLOCK_BYTES)
        };
        let start = if streams { wanted.start } else { wanted.start - wanted.start % BLOCK_BYTES };
        start..end.min(size).max(wanted.end)
    }

    /// The stream that `read` belongs to, now the last in the list; a stream of its own if it follows no other.
    fn stream_of(&mut self, read: &Range<u64>) -> &mut Stream {
        let found = self.streams.iter().position(|stream| stream.is_followed_by(read));
        let stream = match found {
            Some(at) => {
                let mut stream = self.streams.remove(at);
                stream.next = stream.next.max(read.end);
                stream.goes_on = true;
                stream
            }
            None => {
                if self.streams.len() == MAX_STREAMS {
                    self.streams.remove(0);
                }
                let goes_on = read.start == 0 && read.end >= EAGER_BYTES;
                let alive = Arc::default();
                let run = Run::of(&alive);
                let copies = goes_on && read.end >= COPY_BYTES;
                let least_ahead = if copies { COPY_AHEAD_BYTES } else { BLOCK_BYTES };
                Stream { start: read.start, next: read.end, asked: 0, goes_on, least_ahead, _alive: alive, run }
            }
        };
        self.streams.push(stream);
        self.streams.last_mut().expect("one was pushed just now")
    }
}

impl Stream {
    /// Whether `read` begins where the stream ends, give or take what may come out of order.
    fn is_followed_by(&self, read: &Range<u64>) -> bool {
        let disorder = (self.next - self.start).min(MOST_DISORDER_BYTES);
        read.start == self.next
            || (self.goes_on
                && read.start.abs_diff(self.next) <= disorder
                && read.end.saturating_add(disorder) > self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// Reads `len` bytes at a time from `start` to `end`; all that was asked for ahead.
    fn walk(streams: &mut Streams, start: u64, end: u64, len: u64) -> Vec<Ahead> {
        (start..end).step_by(len as usize).filter_map(|at| streams.note(&(at..at + len), GIB)).collect()
    }

    #[test]
    fn a_sequential_reader_has_tens_of_megabytes_ahead_after_a_few_reads() {
        let mut streams = Streams::new(10 * GIB);
        let aheads = walk(&mut streams, 0, 32 << 20, 1 << 20);
        assert_eq!(aheads[0].range.start, 1 << 20);
        assert!(aheads.windows(2).all(|pair| pair[0].range.end == pair[1].range.start), "{aheads:?}");
        let last = &aheads.last().unwrap();
        assert!(last.range.end - (32 << 20) > 100 << 20);
        assert!(last.range.end - (32 << 20) <= MOST_AHEAD_BYTES);
        assert!(last.run.is_wanted());
    }

    #[test]
    fn whoever_begins_like_a_copy_has_more_ahead_from_the_start_than_whoever_looks_at_the_header() {
        let first = |len: u64| walk(&mut Streams::new(10 * GIB), 0, 2 * len, len).first().map(|a| a.range.end);
        assert_eq!(first(COPY_BYTES), Some(COPY_BYTES + COPY_AHEAD_BYTES));
        assert_eq!(first(EAGER_BYTES), Some(EAGER_BYTES + EAGER_BYTES * AHEAD_PER_BYTE_READ));
        assert_eq!(first(EAGER_BYTES / 2), Some(EAGER_BYTES + EAGER_BYTES * AHEAD_PER_BYTE_READ));
    }

    #[test]
    fn nothing_is_asked_for_beyond_the_end() {
        let mut streams = Streams::new(10 * GIB);
        let aheads = walk(&mut streams, GIB - (8 << 20), GIB, 128 << 10);
        assert_eq!(aheads.last().unwrap().range.end, GIB);
        assert!(streams.note(&(GIB - 10..GIB), GIB).is_none());
    }

    #[test]
    fn near_the_end_pieces_are_smaller_so_that_all_connections_end_together() {
        let aheads = walk(&mut Streams::new(10 * GIB), 0, GIB, 1 << 20);
        let largest = aheads.iter().map(|ahead| ahead.piece_bytes).max();
        assert_eq!(largest, Some(PIECE_BYTES.end));
        let last = aheads.last().unwrap();
        assert_eq!((last.range.end, last.piece_bytes), (GIB, PIECE_BYTES.start));
    }

    #[test]
    fn a_jumping_reader_gets_a_block_and_nothing_ahead() {
        let mut streams = Streams::new(10 * GIB);
        let mut random = fastrand::Rng::with_seed(7);
        let mut fetched = 0;
        for _ in 0..500 {
            let at = random.u64(..GIB - 4096) & !4095;
            assert!(streams.note(&(at..at + 4096), GIB).is_none());
            let fetch = streams.fetch(&(at..at + 4096), GIB);
            assert!(fetch.start <= at && fetch.end >= at + 4096);
            fetched += fetch.end - fetch.start;
        }
        assert!(fetched / 500 <= 128 << 10, "{fetched}");
    }

    #[test]
    fn requests_of_the_kernel_may_come_out_of_order() {
        let mut streams = Streams::new(10 * GIB);
        let order = [0, 1, 3, 2, 4, 6, 5, 7];
        let mib = 1 << 20;
        let aheads = order.iter().filter_map(|n| streams.note(&(n * mib..(n + 1) * mib), GIB));
        assert!(aheads.count() >= 4);
        assert_eq!(streams.streams.len(), 1);
    }

    #[test]
    fn two_readers_of_one_handle_are_two_streams_and_a_jump_ends_the_oldest() {
        let mut streams = Streams::new(10 * GIB);
        let far = 512 << 20;
        let mut last = Vec::new();
        for n in 0..8u64 {
            for base in [0, far] {
                let at = base + n * (256 << 10);
                last.extend(streams.note(&(at..at + (256 << 10)), GIB));
            }
        }
        assert!(last.iter().any(|a| a.range.start < far) && last.iter().any(|a| a.range.start > far));
        (0..MAX_STREAMS as u64)
            .for_each(|n| drop(streams.note(&((n + 1) * 100_000_000..(n + 1) * 100_000_000 + 9), GIB)));
        assert!(last.iter().all(|ahead| !ahead.run.is_wanted()));
    }

    #[test]
    fn a_small_cache_narrows_the_window_and_a_tiny_one_closes_it() {
        let mut streams = Streams::new(32 << 20);
        let aheads = walk(&mut streams, 0, 64 << 20, 1 << 20);
        assert!(aheads.iter().enumerate().all(|(n, a)| a.range.end <= ((n as u64 + 40) << 20)), "{aheads:?}");
        assert!(aheads.last().unwrap().range.end <= 72 << 20);
        assert!(walk(&mut Streams::new(100_000), 0, 1 << 20, 1 << 17).is_empty());
    }

    #[test]
    fn a_small_file_comes_whole_and_a_fetch_ends_with_its_file() {
        let streams = Streams::new(GIB);
        assert_eq!(streams.fetch(&(5000..9096), 100_000), 0..100_000);
        assert_eq!(streams.fetch(&(999_000..1_000_000), 1_000_000), 983_040..1_000_000);
    }
}
