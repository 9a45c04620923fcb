//! The user's word on what may leave: a pause, and the deletions that the guard holds.

use super::{Core, answer};
use crate::base::{Ino, Timestamp};
use crate::sync::call::Call;
use crate::sync::effect::Effect;
use crate::tree::{DeletionsAsk, Gate, PauseAsk, Tree, TreeError};

/// The database's note of a pause: since when.
const PAUSED: &str = "paused_since";

/// What is told to whoever waits for Box during a pause.
pub(super) const PAUSED_BY_USER: &str = "paused by 'boxfs pause'";

/// Since when nothing is sent because the user says so.
pub(in crate::sync) fn paused_since(tree: &Tree) -> Result<Option<Timestamp>, TreeError> {
    Ok(tree.meta(PAUSED)?.and_then(|text| text.parse().ok()).filter(|nanos| *nanos > 0).map(Timestamp::from_nanos))
}

impl Core {
    /// Since when nothing is sent because the user says so.
    pub fn paused(&self) -> Option<Timestamp> {
        self.paused
    }

    /// Nothing more leaves, or everything may again; kept over a restart.
    pub(super) fn pause(&mut self, ask: PauseAsk, now: Timestamp) -> Result<(), TreeError> {
        let since = match (ask.pause, self.paused) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        self.tree.set_meta(PAUSED, &since.map_or(0, Timestamp::to_nanos).to_string())?;
        self.paused = since;
        if since.is_some() {
            self.give_up_pushes(PAUSED_BY_USER);
        } else {
            self.tree.hurry(now)?;
        }
        answer(Some(ask.reply), ());
        Ok(())
    }

    /// Whether the call may leave now; if not, its node is looked at again when that may have changed.
    pub(super) fn may_leave(&mut self, ino: Ino, call: &Call, now: Timestamp) -> Result<bool, TreeError> {
        if self.paused.is_some() {
            self.tree.set_due(ino, None)?;
            return Ok(false);
        }
        if !matches!(call, Call::Delete { .. }) {
            return Ok(true);
        }
        match self.tree.deletion_gate(ino, now)? {
            Gate::Open => Ok(true),
            Gate::Later(at) => self.tree.set_due(ino, Some(at)).map(|()| false),
            Gate::Held { count, first } => {
                if first {
                    let what = format!(
                        "{count} deletions at once are held: 'boxfs confirm' lets them go, 'boxfs undo' brings the items back"
                    );
                    log::warn!("{what}");
                    self.tree.notice("", &what, now)?;
                }
                Ok(false)
            }
        }
    }

    /// The user's word on held deletions.
    pub(super) fn deletions(
        &mut self,
        ask: DeletionsAsk,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let mut count = 0;
        if ask.undo {
            loop {
                let (some, learned) = self.tree.undo_deletions(now)?;
                self.follow(learned, now, out)?;
                count += some;
                if some == 0 {
                    break;
                }
            }
        } else {
            count = self.tree.confirm_deletions(now)?;
        }
        answer(Some(ask.reply), count);
        Ok(())
    }
}
