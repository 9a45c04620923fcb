//! How a request that cannot be answered at once waits, off fuser's threads.
//!
//! A request is an *attempt*: it replies, or hands its reply back with the reason. Where the reason is a wait, reply,
//! arguments and attempt move to the runtime; when the need is met, the attempt is made again. Nothing here waits for
//! the network on a thread of fuser's, and no request waits longer than [`WAIT_LIMIT`]: a program that waits in a
//! request ignores even SIGKILL.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fuser::Errno;
use tokio::time::{Instant, timeout_at};

use super::Fuse;
use super::errno::{self, errno};
use super::panics::contained;
use crate::vfs::{Need, Vfs, VfsError};

/// The longest a request waits for Box (DESIGN.md section 9).
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// Most requests that wait at one time. Each is one blocked thread of some program and a few hundred bytes here.
const MAX_WAITING_REQUESTS: usize = 4096;
/// Most bytes of written data that waiting requests hold: 32 requests of the largest size.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// What comes of one attempt: replied, or the reply back with the reason why not.
pub(super) type Attempt<R> = Result<(), (R, VfsError)>;

/// A reply that can say no.
pub(super) trait Refuse: Send + 'static {
    fn refuse(self, errno: Errno);
}

macro_rules! refuse {
    ($($reply:ident),*) => { $(
        impl Refuse for fuser::$reply {
            fn refuse(self, errno: Errno) {
                self.error(errno);
            }
        }
    )* };
}

refuse!(
    ReplyAttr,
    ReplyCreate,
    ReplyData,
    ReplyDirectoryPlus,
    ReplyEmpty,
    ReplyEntry,
    ReplyLseek,
    ReplyOpen,
    ReplyStatfs,
    ReplyWrite,
    ReplyXattr
);

/// The seats of those who wait. A seat is freed when its guard is dropped.
#[derive(Default)]
pub(super) struct WaitingRoom {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// One waiting request's share of the limits.
struct Seat {
    room: Arc<WaitingRoom>,
    bytes: usize,
}

impl WaitingRoom {
    /// A seat for a request that holds `bytes` of data; none if that would be over a limit.
    fn take_seat(self: &Arc<Self>, bytes: usize) -> Option<Seat> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let seat = Seat { room: Arc::clone(self), bytes };
        (requests <= MAX_WAITING_REQUESTS && held <= MAX_WAITING_BYTES).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.requests.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Fuse {
    /// Answers a request by `op`, whose result `send` turns into the reply. `args` are what the request borrows from
    /// fuser's buffer: they are copied only if the request has to wait.
    pub(super) fn answer<A, R, T>(
        self: &Arc<Self>,
        reply: R,
        args: &A,
        op: impl Fn(&Vfs, &A) -> Result<T, VfsError> + Send + 'static,
        send: impl Fn(R, T) + Send + 'static,
    ) where
        A: ?Sized + ToOwned + 'static,
        A::Owned: Send + 'static,
        R: Refuse,
    {
        self.serve(reply, args, move |fuse, args: &A, reply| match op(&fuse.vfs, args) {
            Ok(value) => {
                send(reply, value);
                Ok(())
            }
            Err(error) => Err((reply, error)),
        });
    }

    /// Makes `attempt` now, and again after each wait it asks for, until it replied or is refused.
    pub(super) fn serve<A, R>(
        self: &Arc<Self>,
        reply: R,
        args: &A,
        attempt: impl Fn(&Fuse, &A, R) -> Attempt<R> + Send + 'static,
    ) where
        A: ?Sized + ToOwned + 'static,
        A::Owned: Send + 'static,
        R: Refuse,
    {
        match contained(|| attempt(self, args, reply)) {
            // Replied, or panicked: the reply dropped in the panic has answered `EIO`.
            Some(Ok(())) | None => {}
            Some(Err((reply, VfsError::Wait(need)))) => {
                let Some(seat) = self.waiting.take_seat(size_of_val(args)) else {
                    return reply.refuse(errno::CROWDED);
                };
                let parked = Parked { reply, args: args.to_owned(), attempt, need };
                self.runtime.spawn(Arc::clone(self).wait_and_repeat::<A, _, _>(parked, seat));
            }
            Some(Err((reply, error))) => reply.refuse(errno(&error)),
        }
    }

    /// Waits for what the request needs and repeats it, until it has an answer.
    async fn wait_and_repeat<A, R, F>(self: Arc<Self>, parked: Parked<A::Owned, R, F>, seat: Seat)
    where
        A: ?Sized + ToOwned + 'static,
        A::Owned: Send + 'static,
        R: Refuse,
        F: Fn(&Fuse, &A, R) -> Attempt<R> + Send + 'static,
    {
        let _seat = seat;
        let deadline = Instant::now() + WAIT_LIMIT;
        let mut stopping = self.stopping.subscribe();
        let Parked { mut reply, mut args, mut attempt, mut need } = parked;
        loop {
            tokio::select! {
                met = timeout_at(deadline, need) => match met {
                    Ok(Ok(())) => {}
                    Ok(Err(answer)) => return reply.refuse(errno(&answer)),
                    Err(_) => return reply.refuse(errno::WAITED_TOO_LONG),
                },
                _ = stopping.wait_for(|stopping| *stopping) => return reply.refuse(errno::STOPPING),
            }
            let fuse = Arc::clone(&self);
            // An attempt may touch the disk and the database: not on the threads that drive the network.
            let again = self.runtime.spawn_blocking(move || {
                let outcome = contained(|| attempt(&fuse, args.borrow(), reply));
                (outcome, args, attempt)
            });
            let outcome;
            // A failed join is a runtime that shuts down; the reply went with it and has answered.
            (outcome, args, attempt) = match again.await {
                Ok(back) => back,
                Err(_) => return,
            };
            match outcome {
                Some(Ok(())) | None => return,
                Some(Err((back, VfsError::Wait(next)))) => (reply, need) = (back, next),
                Some(Err((back, error))) => return back.refuse(errno(&error)),
            }
        }
    }
}

/// A request between two attempts.
struct Parked<A, R, F> {
    reply: R,
    args: A,
    attempt: F,
    need: Need,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_limited_by_number_and_bytes_and_free_when_left() {
        let room = Arc::new(WaitingRoom::default());
        let seats: Vec<_> = (0..MAX_WAITING_REQUESTS).map(|_| room.take_seat(0).unwrap()).collect();
        assert!(room.take_seat(0).is_none());
        drop(seats);
        let heavy = room.take_seat(MAX_WAITING_BYTES).unwrap();
        assert!(room.take_seat(1).is_none());
        assert!(room.take_seat(0).is_some());
        drop(heavy);
        assert!(room.take_seat(1).is_some());
    }
}
