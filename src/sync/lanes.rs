//! Who may fetch bytes now: readers who wait before read-ahead before what is only to be kept, within a limit of connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// How much somebody wants bytes; the first is the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A program waits in a read.
    Reader,
    /// A reader will probably get there.
    Ahead,
    /// Nobody reads it now: pins, and the rest of changed files.
    Keep,
}

/// Fetches under way up to which each urgency may begin one: readers always find a connection that read-ahead may not take, and
/// read-ahead finds what pins may not. A fetch is one connection and at most 1 MiB of memory. At 25 MB/s and 80 ms a connection brings
/// two thirds of its rate with pieces of 4 MiB: 48 bring what 32 would that never wait.
const LIMITS: [usize; 3] = [56, 48, 8];

/// The lanes of one process.
#[derive(Debug, Default)]
pub struct Lanes {
    /// Held for moments.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    busy: usize,
    /// By urgency. As many as requests wait in the kernel, and one for each stream and each file that is fetched whole.
    waiting: [VecDeque<oneshot::Sender<Lane>>; 3],
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub struct Lane(Option<Arc<Lanes>>);

impl Lanes {
    /// Waits for a lane.
    pub async fn enter(self: &Arc<Self>, urgency: Urgency) -> Lane {
        let answer = {
            let mut state = self.lock();
            let first = state.waiting[..=urgency as usize].iter().all(VecDeque::is_empty);
            if first && state.busy < LIMITS[urgency as usize] {
                state.busy += 1;
                return Lane(Some(self.clone()));
            }
            let (sender, answer) = oneshot::channel();
            state.waiting[urgency as usize].push_back(sender);
            answer
        };
        // The sender is dropped only with the lanes themselves, which this call borrows.
        answer.await.unwrap_or(Lane(None))
    }

    fn leave(self: &Arc<Self>) {
        let mut state = self.lock();
        state.busy -= 1;
        while let Some(next) = state.next() {
            state.busy += 1;
            if let Err(mut refused) = next.send(Lane(Some(self.clone()))) {
                // Nobody waits any more: its drop must not come back here, where the lock is held.
                refused.0 = None;
                state.busy -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Lane>> {
        let busy = self.busy;
        let allowed = self.waiting.iter_mut().zip(LIMITS).filter(|(_, limit)| busy < *limit);
        allowed.map(|(queue, _)| queue).find_map(VecDeque::pop_front)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(lanes) = self.0.take() {
            lanes.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn whoever_waits_in_a_read_comes_first_and_pins_last() {
        let lanes = Arc::new(Lanes::default());
        let mut held = Vec::new();
        for _ in 0..LIMITS[1] {
            held.push(lanes.enter(Urgency::Ahead).await);
        }
        let mut keep = Box::pin(lanes.enter(Urgency::Keep));
        let mut ahead = Box::pin(lanes.enter(Urgency::Ahead));
        assert!(keep.as_mut().now_or_never().is_none() && ahead.as_mut().now_or_never().is_none());
        let reader = lanes.enter(Urgency::Reader).now_or_never().expect("readers have lanes of their own");
        drop(held.pop());
        assert!(ahead.as_mut().now_or_never().is_none(), "the reader has taken the place");
        drop(reader);
        let ahead = ahead.as_mut().now_or_never().expect("its turn");
        assert!(keep.as_mut().now_or_never().is_none());
        held.clear();
        drop(ahead);
        assert!(keep.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_blocks_nobody() {
        let lanes = Arc::new(Lanes::default());
        let mut held = Vec::new();
        for _ in 0..LIMITS[0] {
            held.push(lanes.enter(Urgency::Reader).await);
        }
        let mut gone = Box::pin(lanes.enter(Urgency::Reader));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut next = Box::pin(lanes.enter(Urgency::Reader));
        assert!(next.as_mut().now_or_never().is_none());
        drop(gone);
        drop(held.pop());
        assert!(next.as_mut().now_or_never().is_some());
        held.clear();
        assert_eq!(lanes.lock().busy, 0);
    }
}
