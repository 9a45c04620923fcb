//! A delete, move or rename that Box refuses for good is taken back here, and told: the mount shows again what Box has.
//!
//! What the user discards goes the same way. Refused bytes are another matter: they stay, since nobody else has them.

use super::{Core, answer};
use crate::base::{Ino, Timestamp};
use crate::box_api::ApiError;
use crate::sync::call::Call;
use crate::sync::effect::Effect;
use crate::tree::{DiscardAsk, Discarded, InUse, Learned, Node, NotDiscarded, TreeError};

impl Core {
    /// Takes back what the refused call was to carry out. `false`: it was not about names, or cannot be taken back; then the node is
    /// to be held.
    pub(super) fn roll_back(
        &mut self,
        ino: Ino,
        call: &Call,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<bool, TreeError> {
        match call {
            Call::Delete { item, .. } => {
                let learned = self.tree.bring_back(ino, now)?;
                self.tell_back(ino, format!("it is here again: Box refused to delete it: {error}"), now)?;
                self.tree.wake_below(ino, now)?;
                self.after_rollback(item.clone(), learned, now, out)
            }
            Call::Update { item, name, parent, .. } if name.is_some() || parent.is_some() => {
                let wanted = self.tree.path(ino)?;
                let Some(learned) = self.tree.move_back(ino, now)? else { return Ok(false) };
                self.tell_back(ino, format!("it is back: Box refused to make it '{wanted}': {error}"), now)?;
                self.after_rollback(item.clone(), learned, now, out)
            }
            // A time that Box does not take stays a local matter.
            Call::Update { .. } => {
                let version = self.tree.node(ino)?.base.and_then(|base| base.version);
                let Some(version) = version else { return Ok(false) };
                self.tree.refuse_time(ino, &version).map(|_| true)
            }
            _ => Ok(false),
        }
    }

    /// Throws away what Box does not have of an item.
    pub(super) fn discard(&mut self, ask: DiscardAsk, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let done = self.throw_away(ask.ino, ask.act, now, out)?;
        answer(Some(ask.reply), done);
        Ok(())
    }

    /// Others deleted the file whose bytes were to be those of `node`, before they were fetched: their delete wins, as it does over a
    /// rename.
    pub(super) fn take_back_cold(
        &mut self,
        node: &Node,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let path = self.tree.path(node.ino).unwrap_or_default();
        if self.throw_away(node.ino, true, now, out)?.is_err() {
            return self.fetch_again(node, "somebody else deleted what it was made from".to_owned(), now);
        }
        let what = "somebody else deleted the file that was renamed to this name, or copied; it is in Box's trash";
        log::warn!("'{path}': {what}");
        self.tree.notice(&path, what, now)
    }

    fn throw_away(
        &mut self,
        ino: Ino,
        act: bool,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<Result<Discarded, NotDiscarded>, TreeError> {
        let open = &self.open;
        let in_use = |content| {
            let open = open(content);
            InUse { handles: open.handles, writers: open.writers }
        };
        Ok(match self.tree.discard(ino, act, in_use, now)? {
            Ok((what, learned)) => {
                self.follow(learned, now, out)?;
                self.sessions_changed(now);
                Ok(what)
            }
            Err(why) => Err(why),
        })
    }

    /// What may be done with the item is asked again, so that programs hear the refusal at once next time.
    fn after_rollback(
        &mut self,
        item: crate::base::BoxId,
        learned: Learned,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<bool, TreeError> {
        self.follow(learned, now, out)?;
        self.look(item, now, out);
        Ok(true)
    }

    fn tell_back(&mut self, ino: Ino, what: String, now: Timestamp) -> Result<(), TreeError> {
        let path = self.tree.path(ino).unwrap_or_default();
        log::warn!("'{path}': {what}");
        self.tree.notice(&path, &what, now)
    }
}
