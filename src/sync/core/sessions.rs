//! Upload sessions that nobody needs any more: Box would keep their parts for seven days, so they are ended.
//!
//! A session whose commit may have gone through is left alone until that is known (API.md 5.8).

use super::Core;
use crate::base::Timestamp;
use crate::sync::effect::Effect;
use crate::tree::TreeError;
use std::time::Duration;

/// Sessions ended at once; more follow when these are.
const MAX_ENDING: usize = 4;

/// When a session that could not be ended is tried again.
const END_AGAIN: Duration = Duration::from_secs(10);

impl Core {
    /// Something happened that may have left a session without use.
    pub(super) fn sessions_changed(&mut self, now: Timestamp) {
        self.sessions_due = Some(now);
    }

    /// When sessions are to be looked for; while some are being ended, their answers say.
    pub(super) fn sessions_tick(&self) -> Option<Timestamp> {
        self.sessions_due.filter(|_| self.ending.is_empty())
    }

    /// Ends sessions whose upload is over, given up, or about other bytes by now.
    pub(super) fn end_sessions(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        if self.sessions_due.is_none_or(|due| due > now) || !self.ending.is_empty() {
            return Ok(());
        }
        self.sessions_due = None;
        for session in self.tree.useless_sessions(MAX_ENDING)? {
            self.ending.insert(session.id.clone());
            out.push(Effect::EndSession(Box::new(session)));
        }
        Ok(())
    }

    /// Box does not have the session any more (`ended`), or could not be asked.
    pub(super) fn session_ended(&mut self, id: &str, ended: bool, now: Timestamp) -> Result<(), TreeError> {
        self.ending.remove(id);
        if ended {
            self.tree.forget_session(id)?;
            self.sessions_changed(now);
        } else {
            self.sessions_due = Some(now.after(END_AGAIN));
        }
        Ok(())
    }
}
