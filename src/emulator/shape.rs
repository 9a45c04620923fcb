//! Connections as slow as a real network: a rate for each connection and direction, and one for the whole line.
//! Shapes bytes only; latency belongs to requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that may pass at once: small against any rate worth testing, large against a call's cost.
const BURST_BYTES: usize = 32 * 1024;

/// What a connection that was held up may catch up on: timers end up to two milliseconds late, which at a fast rate is more than the
/// bytes between two of them cost.
const CREDIT: Duration = Duration::from_millis(10);

/// A rate in bytes per second: who passes bytes is told how long to wait after them.
#[derive(Debug)]
pub(super) struct Rate {
    bytes_per_second: u64,
    free_at: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(bytes_per_second: u64) -> Arc<Rate> {
        Arc::new(Rate { bytes_per_second: bytes_per_second.max(1), free_at: Mutex::new(Instant::now()) })
    }

    /// Books `bytes` and answers when the line is free again.
    fn book(&self, bytes: usize) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *free_at = (*free_at).max(now.checked_sub(CREDIT).unwrap_or(now)) + cost;
        *free_at
    }
}

/// The rates of one direction of one connection.
#[derive(Debug, Default)]
struct Way {
    rates: Vec<Arc<Rate>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Way {
    /// Ready when the bytes passed so far are paid for.
    fn poll_free(&mut self, context: &mut Context) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }

    fn passed(&mut self, bytes: usize) {
        let free_at = self.rates.iter().map(|rate| rate.book(bytes)).max();
        if let Some(free_at) = free_at.filter(|free_at| *free_at > Instant::now()) {
            self.pause = Some(Box::pin(tokio::time::sleep_until(free_at)));
        }
    }

    fn limit(&self, bytes: usize) -> usize {
        if self.rates.is_empty() { bytes } else { bytes.min(BURST_BYTES) }
    }
}

/// A stream that is read and written at the given rates.
#[derive(Debug)]
pub(super) struct Shaped<S> {
    stream: S,
    inward: Way,
    outward: Way,
}

impl<S> Shaped<S> {
    pub(super) fn new(stream: S, inward: Vec<Arc<Rate>>, outward: Vec<Arc<Rate>>) -> Shaped<S> {
        let way = |rates| Way { rates, pause: None };
        Shaped { stream, inward: way(inward), outward: way(outward) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Shaped<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.inward.rates.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        ready!(this.inward.poll_free(context));
        let room = this.inward.limit(buffer.remaining());
        let mut some = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut some))?;
        let read = some.filled().len();
        buffer.advance(read);
        this.inward.passed(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shaped<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.outward.poll_free(context));
        let room = this.outward.limit(bytes.len());
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, &bytes[..room]))?;
        this.outward.passed(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context,
        slices: &[io::IoSlice],
    ) -> Poll<io::Result<usize>> {
        if self.outward.rates.is_empty() {
            return Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn late_timers_are_caught_up_on_and_rest_is_not_saved() {
        let rate = Rate::new(1_000_000);
        let begun = Instant::now();
        for _ in 0..100 {
            let free_at = rate.book(1_500);
            tokio::time::sleep_until(free_at).await;
        }
        let took = begun.elapsed();
        let right = Duration::from_millis(150);
        assert!(took.abs_diff(right) <= CREDIT + Duration::from_millis(2), "{took:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(rate.book(50_000) >= Instant::now() + Duration::from_millis(50) - CREDIT);
    }
}
