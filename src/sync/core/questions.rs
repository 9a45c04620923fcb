//! Questions to Box and what their answers decide: listings, looks, and the outcome of lost calls.

use super::{Core, Listing, MAX_LOOKS, answer, ask_error};
use crate::base::{BoxId, Ino, Timestamp, failpoint, fold};
use crate::box_api::{ApiError, Item, Meaning};
use crate::sync::effect::Effect;
use crate::sync::translate;
use crate::tree::{AskError, Attempt, AttemptKind, Finish, Learned, Listed, Presence, Remote, TreeError};
use tokio::sync::oneshot;

impl Core {
    /// Starts a listing, or joins the one under way.
    pub(in crate::sync) fn list(
        &mut self,
        ino: Ino,
        reply: Option<oneshot::Sender<Result<Listed, AskError>>>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        if let Some(listing) = self.listings.get_mut(&ino) {
            listing.replies.extend(reply);
            return Ok(());
        }
        let Ok(node) = self.tree.node(ino) else {
            answer(reply, Err(AskError::Gone));
            return Ok(());
        };
        let Some(id) = node.box_id else {
            answer(reply, if node.complete { Ok(Listed) } else { Err(AskError::Gone) });
            return Ok(());
        };
        let listing = self.tree.begin_listing()?;
        self.listings.insert(ino, Listing { started: now, replies: reply.into_iter().collect() });
        out.push(Effect::List { folder: ino, id, listing });
        Ok(())
    }

    pub(super) fn page(
        &mut self,
        folder: Ino,
        listing: i64,
        items: &[Item],
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.reached();
        let remotes: Vec<_> = items.iter().map(|i| translate::remote(i, &self.me)).collect();
        let open = &self.open;
        let asked = self.listings.get(&folder).map_or(now, |l| l.started);
        let learned = self.tree.learn_page(folder, listing, &remotes, asked, |content| open(content).handles, now);
        match learned {
            Ok(learned) => {
                failpoint("listing.page");
                self.follow(learned, now, out)
            }
            Err(TreeError::NoNode(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn listed(
        &mut self,
        folder: Ino,
        listing: i64,
        result: Result<(), ApiError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let (started, replies) = self.listings.remove(&folder).map_or((now, Vec::new()), |l| (l.started, l.replies));
        let outcome = match result {
            Ok(()) => {
                match self.tree.end_listing(folder, listing, started, MAX_LOOKS) {
                    Ok(learned) => self.follow(learned, now, out)?,
                    Err(TreeError::NoNode(_)) => {}
                    Err(error) => return Err(error),
                }
                self.settle_by_listing(folder, started, now, out)?;
                self.listed.insert(folder, now);
                self.tree.set_due(folder, Some(now))?;
                Ok(Listed)
            }
            Err(error) => {
                self.unreachable(&error, now);
                Err(ask_error(&error))
            }
        };
        for reply in replies {
            answer(Some(reply), outcome.clone());
        }
        Ok(())
    }

    /// Box was asked about one item: its row moves, and a lost call on it is settled.
    pub(super) fn looked(
        &mut self,
        id: &BoxId,
        result: Result<Item, ApiError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let asked = self.looks.remove(id).unwrap_or(now);
        match result {
            Ok(item) => {
                self.reached();
                let remote = translate::remote(&item, &self.me);
                self.settle_by_look(id, Some(&remote), asked, now, out)?;
                self.settle_by_name(&remote, asked, now, out)?;
                self.learn(&remote, asked, now, out)?;
            }
            Err(error) if matches!(error.meaning, Meaning::NotFound | Meaning::Trashed) => {
                self.reached();
                self.settle_by_look(id, None, asked, now, out)?;
                self.gone(id, error.meaning == Meaning::Trashed, now, out)?;
            }
            Err(error) => self.unreachable(&error, now),
        }
        if let Some(node) = self.tree.by_item(id)? {
            self.tree.set_due(node.ino, Some(now))?;
        }
        Ok(())
    }

    /// An item that Box does not have, or has in its trash: unsent work stays, anything else goes.
    fn gone(&mut self, id: &BoxId, in_trash: bool, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let Some(node) = self.tree.by_item(id)? else { return self.tree.lost(id, now) };
        if node.presence == Presence::Deleted {
            return self.tree.lost(id, now);
        }
        let learned = self.tree.absent(id, in_trash, now)?;
        self.follow(learned, now, out)
    }

    pub(in crate::sync) fn learn(
        &mut self,
        remote: &Remote,
        asked: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let open = &self.open;
        let learned = self.tree.learn(remote, asked, |content| open(content).handles, now)?;
        self.follow(learned, now, out)
    }

    /// Lost calls that were to make something in `folder`, after a listing that was asked for when they had left: a taken name
    /// with the attempt's bytes, or a folder, is ours; anything else is somebody's.
    pub(super) fn settle_by_listing(
        &mut self,
        folder: Ino,
        asked: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let Ok(Some(id)) = self.tree.node(folder).map(|n| n.box_id) else { return Ok(()) };
        for (attempt, holder) in self.tree.unknown_attempts_in(&id)? {
            if attempt.sent_at >= asked {
                continue;
            }
            let finish = match &holder {
                Some(item) if self.is_ours(&attempt, item)? => Finish::Found(Box::new(item.clone())),
                _ => Finish::NotApplied,
            };
            self.settle(&attempt, &finish, now, out)?;
            if let (Some(item), Finish::NotApplied) = (&holder, &finish) {
                self.learn(item, asked, now, out)?;
            }
        }
        Ok(())
    }

    /// Lost calls that were to make something under the name of `item`, which Box has.
    pub(super) fn settle_by_name(
        &mut self,
        item: &Remote,
        asked: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let Some(parent) = &item.parent else { return Ok(()) };
        for (attempt, _) in self.tree.unknown_attempts_in(parent)? {
            let same_name = attempt.call.name.as_deref().is_some_and(|n| fold(n) == fold(&item.name));
            if attempt.sent_at < asked && same_name {
                let ours = self.is_ours(&attempt, item)?;
                let finish = if ours { Finish::Found(Box::new(item.clone())) } else { Finish::NotApplied };
                self.settle(&attempt, &finish, now, out)?;
            }
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        attempt: &Attempt,
        finish: &Finish,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let settled = self.tree.settle_attempt(attempt.id, finish, now)?;
        self.sessions_changed(now);
        self.after_settling(settled, now, out)?;
        self.tree.set_due(attempt.call.ino, Some(now))
    }

    /// Whether the item is what the attempt was to make: no other node stands for it, and it has the bytes, or is a folder.
    pub(super) fn is_ours(&self, attempt: &Attempt, item: &Remote) -> Result<bool, TreeError> {
        let alike = match attempt.call.kind {
            AttemptKind::CreateFolder => item.id.is_folder(),
            AttemptKind::UploadNew | AttemptKind::Copy => item.sha1.is_some() && item.sha1 == attempt.call.sha1,
            AttemptKind::UploadVersion | AttemptKind::Update | AttemptKind::Delete | AttemptKind::Restore => false,
        };
        Ok(alike && self.tree.by_item(&item.id)?.is_none_or(|node| node.ino == attempt.call.ino))
    }

    /// A lost call on an item with an id: what Box has now tells whether it was carried out.
    pub(super) fn settle_by_look(
        &mut self,
        id: &BoxId,
        remote: Option<&Remote>,
        asked: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        for attempt in self.tree.unknown_attempts_on(id)?.into_iter().filter(|a| a.sent_at < asked) {
            let call = &attempt.call;
            let finish = match (call.kind, remote) {
                (AttemptKind::Delete, None) => Finish::Deleted,
                (_, None) | (AttemptKind::Delete, Some(_)) => Finish::NotApplied,
                (AttemptKind::Restore, Some(r)) => Finish::Found(Box::new(r.clone())),
                (AttemptKind::UploadVersion, Some(r)) => {
                    let ours = r.sha1.is_some() && r.sha1 == call.sha1 && r.version != call.base_version;
                    if ours { Finish::Found(Box::new(r.clone())) } else { Finish::NotApplied }
                }
                (_, Some(r)) => {
                    let name = call.name.as_ref().is_none_or(|n| *n == r.name);
                    let parent = call.parent.is_none() || call.parent == r.parent;
                    let time = call.mtime_secs.is_none_or(|m| r.modified.is_some_and(|t| t.secs == m));
                    if name && parent && time { Finish::Found(Box::new(r.clone())) } else { Finish::NotApplied }
                }
            };
            self.settle(&attempt, &finish, now, out)?;
        }
        Ok(())
    }

    pub(super) fn follow(&mut self, learned: Learned, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        if !learned.dropped.is_empty() {
            self.sessions_changed(now);
        }
        out.extend(learned.invalid.into_iter().map(Effect::Tell));
        out.extend(learned.dropped.into_iter().map(Effect::Drop));
        out.extend(learned.rescued.into_iter().map(Effect::Rescue));
        for id in learned.look_at {
            self.look(id, now, out);
        }
        Ok(())
    }

    pub(in crate::sync) fn look(&mut self, id: BoxId, now: Timestamp, out: &mut Vec<Effect>) {
        if !self.looks.contains_key(&id) {
            self.looks.insert(id.clone(), now);
            out.push(Effect::Look(id));
        }
    }
}
