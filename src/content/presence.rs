//! Which bytes of one content are here, which are on their way, and who waits for them; pure but for the one-shot replies.

use super::error::FetchError;
use super::ranges::Ranges;
use std::ops::Range;
use tokio::sync::oneshot;

/// What became of a wait for bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// Every byte of the range is here.
    Present,
    /// Who fetched a missing part of the range gave up.
    Failed(FetchError),
    /// A missing part of the range is fetched by nobody: claim it, then wait again.
    Unclaimed,
}

/// Present, claimed and awaited ranges. A byte is never both present and claimed at rest: what arrives leaves its claim.
#[derive(Debug, Default)]
pub(super) struct Presence {
    present: Ranges,
    claimed: Ranges,
    /// As many as requests wait in the kernel and in the engine, both of which are bounded there.
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    range: Range<u64>,
    reply: oneshot::Sender<Arrived>,
}

impl Presence {
    pub fn new(present: Ranges) -> Presence {
        Presence { present, claimed: Ranges::new(), waiters: Vec::new() }
    }

    pub fn present(&self) -> &Ranges {
        &self.present
    }

    pub fn is_claimed(&self) -> bool {
        !self.claimed.is_empty()
    }

    /// Marks what is missing in `range` and fetched by nobody as fetched by the caller, and returns it.
    pub fn claim(&mut self, range: &Range<u64>) -> Vec<Range<u64>> {
        let missing = self.present.missing(range);
        let mine: Vec<_> = missing.iter().flat_map(|gap| self.claimed.missing(gap)).collect();
        mine.iter().for_each(|gap| self.claimed.insert(gap.clone()));
        mine
    }

    /// The bytes of `range` are here.
    pub fn arrive(&mut self, range: Range<u64>) {
        self.claimed.remove(range.clone());
        self.present.insert(range);
        self.answer(|_| None);
    }

    /// The bytes of `range` are here no more. Who waits for some of them hears of it when the rest has arrived.
    pub fn lose(&mut self, range: Range<u64>) {
        self.present.remove(range);
    }

    /// Whoever claimed `range` is done with it, for better or worse.
    pub fn release(&mut self, range: &Range<u64>, outcome: &Result<(), FetchError>) {
        self.claimed.remove(range.clone());
        self.answer(|gaps| match outcome {
            Err(error) if gaps.iter().any(|g| g.start < range.end && range.start < g.end) => {
                Some(Arrived::Failed(error.clone()))
            }
            _ => None,
        });
    }

    pub fn wait(&mut self, range: Range<u64>) -> oneshot::Receiver<Arrived> {
        let (reply, receiver) = oneshot::channel();
        self.waiters.push(Waiter { range, reply });
        self.answer(|_| None);
        receiver
    }

    /// Answers every waiter whose outcome is known; `verdict` is asked first about those with gaps.
    fn answer(&mut self, verdict: impl Fn(&[Range<u64>]) -> Option<Arrived>) {
        let (present, claimed) = (&self.present, &self.claimed);
        let outcome = |range: &Range<u64>| {
            let gaps = present.missing(range);
            if gaps.is_empty() {
                return Some(Arrived::Present);
            }
            let unclaimed = || gaps.iter().any(|g| !claimed.covers(g)).then_some(Arrived::Unclaimed);
            verdict(&gaps).or_else(unclaimed)
        };
        for waiter in std::mem::take(&mut self.waiters) {
            match outcome(&waiter.range) {
                // Nobody listening any more is no fault: the request was given up.
                Some(arrived) => drop(waiter.reply.send(arrived)),
                None if waiter.reply.is_closed() => {}
                None => self.waiters.push(waiter),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    // A vector of one range is what is meant here.
    #![allow(clippy::single_range_in_vec_init)]

    use super::*;

    #[test]
    fn one_range_is_fetched_once_for_two_readers() {
        let mut presence = Presence::new(Ranges::from(100));
        assert_eq!(presence.claim(&(0..60)), vec![0..60]);
        assert_eq!(presence.claim(&(40..120)), vec![60..100]);
        assert_eq!(presence.claim(&(0..120)), vec![]);
        presence.arrive(0..60);
        presence.release(&(60..100), &Ok(()));
        assert_eq!(presence.claim(&(0..100)), vec![60..100]);
    }

    #[test]
    fn a_waiter_hears_when_its_last_byte_is_here() {
        let mut presence = Presence::new(Ranges::from(100));
        presence.claim(&(0..100));
        let mut wait = presence.wait(10..90);
        presence.arrive(0..50);
        assert!(wait.try_recv().is_err());
        presence.arrive(50..100);
        assert_eq!(wait.try_recv(), Ok(Arrived::Present));
    }

    #[test]
    fn a_failed_fetch_is_told_to_those_who_miss_its_bytes_only() {
        let mut presence = Presence::new(Ranges::from(100));
        presence.claim(&(0..50));
        presence.claim(&(50..100));
        let mut near = presence.wait(0..10);
        let mut far = presence.wait(60..70);
        presence.release(&(0..50), &Err(FetchError::Unreachable));
        assert_eq!(near.try_recv(), Ok(Arrived::Failed(FetchError::Unreachable)));
        assert!(far.try_recv().is_err());
    }

    #[test]
    fn waiting_for_what_nobody_fetches_says_so_at_once() {
        let mut presence = Presence::new(Ranges::from(100));
        presence.claim(&(0..50));
        assert_eq!(presence.wait(0..100).try_recv(), Ok(Arrived::Unclaimed));
        let mut wait = presence.wait(0..50);
        presence.release(&(0..50), &Ok(()));
        assert_eq!(wait.try_recv(), Ok(Arrived::Unclaimed));
    }

    #[test]
    fn a_truncation_answers_those_who_wait_beyond_it() {
        let mut presence = Presence::new(Ranges::from(100));
        presence.claim(&(0..100));
        let mut wait = presence.wait(50..100);
        presence.arrive(20..u64::MAX);
        assert_eq!(wait.try_recv(), Ok(Arrived::Present));
    }
}
