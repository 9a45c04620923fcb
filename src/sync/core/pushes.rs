//! Whoever waits until Box has the bytes of a moment: `close` and `fsync` with durability `box`, and files that stay open for writing.
//! A push asks for the bytes, not for the seal: a writer may still have the file open. Nor for name and times, which may settle yet.

use super::{Core, answer};
use crate::base::Ino;
use crate::sync::planner::{Pushed, hold_reason};
use crate::tree::{AskError, Hold, PushAsk, TreeError};

#[derive(Default)]
pub(super) struct Pushes(Vec<Push>);

struct Push {
    ask: PushAsk,
    seal: Seal,
}

/// How far the bytes of the push are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seal {
    /// A seal that is under way may have begun before.
    Wanted,
    UnderWay,
    Done,
}

impl Pushes {
    /// Who stopped waiting makes room.
    pub fn add(&mut self, ask: PushAsk) {
        self.0.retain(|push| !push.ask.reply.is_closed());
        self.0.push(Push { ask, seal: Seal::Wanted });
    }

    /// What those who wait for `ino` still need.
    pub fn of(&self, ino: Ino) -> Pushed {
        let seals = self.0.iter().filter(|p| p.ask.ino == ino && !p.ask.reply.is_closed()).map(|p| p.seal);
        seals.fold(Pushed::No, |so_far, seal| match (so_far, seal) {
            (Pushed::Unsealed, _) | (_, Seal::Wanted) => Pushed::Unsealed,
            _ => Pushed::Sealed,
        })
    }

    /// A seal of the bytes as they are now begins.
    pub fn sealing(&mut self, ino: Ino) {
        self.0.iter_mut().filter(|p| p.ask.ino == ino && p.seal == Seal::Wanted).for_each(|p| p.seal = Seal::UnderWay);
    }

    /// It is over.
    pub fn sealed(&mut self, ino: Ino, worked: bool) {
        let seal = if worked { Seal::Done } else { Seal::Wanted };
        self.0.iter_mut().filter(|p| p.ask.ino == ino && p.seal == Seal::UnderWay).for_each(|p| p.seal = seal);
    }

    fn take(&mut self, taken: impl Fn(&Push) -> bool) -> Vec<PushAsk> {
        self.0.extract_if(.., |push| taken(push)).map(|push| push.ask).collect()
    }
}

impl Core {
    pub(super) fn answer_pushes(&mut self, ino: Ino) -> Result<(), TreeError> {
        let Ok(node) = self.tree.node(ino) else { return Ok(()) };
        let sent = node.base.as_ref().is_some_and(|base| base.generation == Some(node.generation));
        let whole = node.dirty_since.is_none() || (sent && !node.unsealed);
        for push in self.pushes.take(|p| p.ask.ino == ino && (whole || (sent && p.seal == Seal::Done))) {
            answer(Some(push.reply), Ok(()));
        }
        Ok(())
    }

    /// Nobody waits for bytes that do not move until somebody does something about them.
    /// Returns whether somebody waited.
    pub(super) fn fail_pushes(&mut self, ino: Ino, hold: &Hold) -> bool {
        let errno = hold.error().map_or("EIO", |(errno, _)| errno);
        let pushes = self.pushes.take(|p| p.ask.ino == ino);
        let any = !pushes.is_empty();
        for push in pushes {
            answer(Some(push.reply), Err(AskError::Held { errno: errno.to_owned(), reason: hold_reason(hold) }));
        }
        any
    }

    /// Nobody waits for bytes that cannot leave: without Box, whoever closes or syncs hears so at once.
    pub(super) fn give_up_pushes(&mut self, reason: &str) {
        for push in self.pushes.take(|_| true) {
            answer(Some(push.reply), Err(AskError::Unreachable(reason.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    const INO: Ino = Ino(7);

    #[test]
    fn a_seal_that_began_before_a_push_does_not_count_for_it() {
        let mut pushes = Pushes::default();
        let (first, _first) = oneshot::channel();
        let (second, _second) = oneshot::channel();
        pushes.add(PushAsk { ino: INO, reply: first });
        assert_eq!(pushes.of(INO), Pushed::Unsealed);
        pushes.sealing(INO);
        pushes.add(PushAsk { ino: INO, reply: second });
        pushes.sealed(INO, true);
        assert_eq!(pushes.of(INO), Pushed::Unsealed);
        assert_eq!(pushes.take(|p| p.seal == Seal::Done).len(), 1);
        pushes.sealing(INO);
        pushes.sealed(INO, false);
        assert_eq!(pushes.of(INO), Pushed::Unsealed);
        pushes.sealing(INO);
        pushes.sealed(INO, true);
        assert_eq!((pushes.of(INO), pushes.of(Ino(8))), (Pushed::Sealed, Pushed::No));
    }

    #[test]
    fn who_stopped_waiting_is_not_sent_for() {
        let mut pushes = Pushes::default();
        let (reply, answer) = oneshot::channel();
        pushes.add(PushAsk { ino: INO, reply });
        drop(answer);
        assert_eq!(pushes.of(INO), Pushed::No);
    }
}
