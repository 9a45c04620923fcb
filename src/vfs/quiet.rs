//! Files that stay open for writing, such as logs and databases: what was written goes to Box once nobody has written for a while,
//! as it is then. Otherwise a program that never closes a file would keep it out of Box for ever.

use super::error::Result;
use super::state::Vfs;
use crate::base::Ino;
use crate::content::{DataFile, Stamp};
use crate::tree::AskError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// The pause between two versions of a file that stays open is doubled each time, up to so many times the first: with one of a minute,
/// an hour.
const LONGEST: u32 = 60;

/// What a file that is open for writing looked like.
pub(super) struct Quiet(Mutex<Look>);

struct Look {
    stamp: Stamp,
    /// Since when it has that stamp.
    since: Instant,
    /// The stamp of the bytes that need not go: they went, or were there when it was opened.
    sent: Stamp,
    /// Not before this.
    earliest: Instant,
    /// From one push to the next.
    pause: Duration,
    push: Option<(Stamp, oneshot::Receiver<std::result::Result<(), AskError>>)>,
}

impl Quiet {
    /// A file that is opened for writing now. `rest` is how long nobody has to write.
    pub fn begin(stamp: Stamp, now: Instant, rest: Duration) -> Quiet {
        Quiet(Mutex::new(Look { stamp, since: now, sent: stamp, earliest: now, pause: rest, push: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Look> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the file. Whether what was written is to go now.
    fn is_due(&self, stamp: Stamp, now: Instant, rest: Duration) -> bool {
        let mut look = self.lock();
        look.hear(stamp, now, rest);
        if stamp != look.stamp {
            (look.stamp, look.since) = (stamp, now);
            return false;
        }
        let quiet = now.duration_since(look.since) >= rest && now >= look.earliest;
        // A file that was made and never written waits for its first write.
        quiet && look.push.is_none() && stamp != look.sent && stamp.size > 0
    }

    /// It does not go before `until`.
    fn put_off(&self, until: Instant) {
        self.lock().earliest = until;
    }

    /// It goes.
    fn goes(
        &self,
        stamp: Stamp,
        answer: oneshot::Receiver<std::result::Result<(), AskError>>,
        now: Instant,
        rest: Duration,
    ) {
        let mut look = self.lock();
        look.earliest = now + look.pause;
        look.pause = (look.pause * 2).min(rest * LONGEST);
        look.push = Some((stamp, answer));
    }
}

impl Look {
    /// What became of the push: given up when somebody writes, tried again after a while when it failed.
    fn hear(&mut self, stamp: Stamp, now: Instant, rest: Duration) {
        let Some((pushed, answer)) = &mut self.push else { return };
        match answer.try_recv() {
            Ok(Ok(())) => self.sent = *pushed,
            Ok(Err(_)) | Err(TryRecvError::Closed) => self.earliest = self.earliest.max(now + rest),
            Err(TryRecvError::Empty) if *pushed == stamp => return,
            Err(TryRecvError::Empty) => {}
        }
        self.push = None;
    }
}

impl Vfs {
    /// Sends what was written to files that are still open, once they are quiet; to be called often.
    pub(super) fn send_quiet(&self) {
        let now = Instant::now();
        for (ino, file, quiet) in self.inodes.written() {
            if let Err(error) = self.send_if_due(ino, &file, &quiet, now) {
                log::error!("what was written to the open file {ino} cannot be sent yet: {error}");
                quiet.put_off(now + self.settings.rest);
            }
        }
    }

    fn send_if_due(&self, ino: Ino, file: &DataFile, quiet: &Quiet, now: Instant) -> Result<()> {
        let rest = self.settings.rest;
        if quiet.is_due(file.stamp()?, now, rest)
            && let Some(stamp) = self.note_quiet(ino)?
            && let Some(answer) = self.asks.push_soon(ino)
        {
            log::debug!("file {ino} stays open for writing: what was written goes to Box");
            quiet.goes(stamp, answer, now, rest);
        }
        Ok(())
    }

    /// Notes the bytes as fsync would; `None` where they are not to go.
    fn note_quiet(&self, ino: Ino) -> Result<Option<Stamp>> {
        let mut shard = self.inodes.lock(ino);
        let Some(inode) = shard.get(ino).filter(|inode| inode.writers > 0 && !inode.copy.is_asked()) else {
            return Ok(None);
        };
        let Ok(node) = self.tree.node(ino) else { return Ok(None) };
        if node.presence == crate::tree::Presence::Deleted || node.is_local_only() {
            return Ok(None);
        }
        self.record(ino, inode)?;
        Ok(inode.noted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(60);
    const NEVER: [u64; 0] = [];

    fn stamp(size: u64, at: i64) -> Stamp {
        Stamp { size, mtime_ns: at, ctime_ns: at }
    }

    /// Looks each second of `seconds` at a file with `stamp`; the seconds at which it was due.
    fn due(quiet: &Quiet, from: Instant, seconds: std::ops::Range<u64>, stamp: Stamp) -> Vec<u64> {
        seconds.filter(|s| quiet.is_due(stamp, from + Duration::from_secs(*s), REST)).collect()
    }

    #[test]
    fn what_was_written_is_due_after_a_minute_of_quiet_and_what_was_there_never() {
        let start = Instant::now();
        let quiet = Quiet::begin(stamp(5, 1), start, REST);
        assert_eq!(due(&quiet, start, 0..500, stamp(5, 1)), NEVER);
        assert_eq!(due(&quiet, start, 500..560, stamp(6, 2)), NEVER);
        assert_eq!(due(&quiet, start, 560..562, stamp(6, 2)), [560, 561]);
        assert_eq!(due(&quiet, start, 562..700, stamp(0, 3)), NEVER);
    }

    #[test]
    fn each_push_waits_twice_as_long_as_the_one_before_up_to_an_hour() {
        let start = Instant::now();
        let quiet = Quiet::begin(stamp(5, 0), start, REST);
        let (mut at, mut gaps) = (0, Vec::new());
        for n in 1..9 {
            let began = at;
            let (answer, heard) = oneshot::channel();
            while !quiet.is_due(stamp(5, n), start + Duration::from_secs(at), REST) {
                at += 1;
            }
            gaps.push((at - began).div_ceil(60));
            quiet.goes(stamp(5, n), heard, start + Duration::from_secs(at), REST);
            answer.send(Ok(())).unwrap();
        }
        assert_eq!(gaps, [1, 1, 2, 4, 8, 16, 32, 60]);
    }

    #[test]
    fn a_push_that_failed_is_tried_again_and_one_that_was_written_into_is_given_up() {
        let start = Instant::now();
        let quiet = Quiet::begin(stamp(5, 0), start, REST);
        assert_eq!(due(&quiet, start, 0..61, stamp(5, 1)), [60]);
        let (answer, heard) = oneshot::channel();
        quiet.goes(stamp(5, 1), heard, start + Duration::from_secs(60), REST);
        assert_eq!(due(&quiet, start, 61..200, stamp(5, 1)), NEVER, "it is on its way");
        answer.send(Err(AskError::Gone)).unwrap();
        assert_eq!(due(&quiet, start, 200..261, stamp(5, 1)), [260]);
        let (answer, heard) = oneshot::channel();
        quiet.goes(stamp(5, 1), heard, start + Duration::from_secs(260), REST);
        assert_eq!(due(&quiet, start, 261..262, stamp(6, 2)), NEVER);
        assert!(answer.is_closed());
    }
}
