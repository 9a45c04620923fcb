//! What became of seals and mutating calls: recorded, tried again, held, or found out about.

use super::{Core, Outage, RECHECK, SEAL_AGAIN, SEAL_TRIES};
use crate::base::{AttemptId, BoxId, ContentId, Ino, Timestamp, failpoint, fold};
use crate::box_api::{ApiError, Applied, ExistingItem, Heals, Meaning};
use crate::sync::backoff::backoff;
use crate::sync::call::{Call, Target};
use crate::sync::effect::{Answer, Effect, SealResult};
use crate::sync::translate;
use crate::tree::{AskError, Attempt, Finish, Hold, MissingSource, Node, Presence, Settled, StoredStamp, TreeError};
use std::time::Duration;

/// Tries to restore an item that Box says is in the trash and says is not: after these it counts as purged.
const RESTORE_TRIES: u32 = 3;

/// Why a file waits whose source is looked at. Found there once more, its version counts as purged.
const SOURCE_ASKED: &str = "Box does not give the bytes that it was made from";

/// A mutating call that is over.
pub(super) struct Over<'a> {
    pub attempt: AttemptId,
    pub ino: Ino,
    pub call: &'a Call,
    /// It repeated a call whose outcome is not known: that Box did not carry out this one says nothing about the first.
    pub again: bool,
}

impl Core {
    pub(super) fn sealed(
        &mut self,
        ino: Ino,
        content: ContentId,
        open: bool,
        result: SealResult,
        now: Timestamp,
    ) -> Result<(), TreeError> {
        self.seals.remove(&ino);
        self.pushes.sealed(ino, matches!(result, SealResult::Sealed { .. }));
        if !self.tree.node(ino).is_ok_and(|node| node.content == Some(content)) {
            // It was about bytes that a program has replaced meanwhile, or the node is gone.
            return self.tree.set_due(ino, Some(now));
        }
        match result {
            SealResult::Sealed { stamp, sha1 } => match self.tree.sealed(ino, content, stored(stamp), sha1, open) {
                Ok(node) => {
                    failpoint("seal.recorded");
                    self.sessions_changed(now);
                    self.answer_pushes(ino)?;
                    self.tree.set_due(ino, Some(if node.unsealed { now.after(SEAL_AGAIN) } else { now }))
                }
                Err(TreeError::NoNode(_)) => Ok(()),
                Err(error) => Err(error),
            },
            SealResult::Busy => self.tree.set_due(ino, Some(now.after(SEAL_AGAIN))),
            SealResult::Unreadable(reason) => self.unreadable(ino, &reason, now),
        }
    }

    /// A data file that cannot be read may be one that is only just being made; only after some tries is it a failure.
    fn unreadable(&mut self, ino: Ino, reason: &str, now: Timestamp) -> Result<(), TreeError> {
        let reason = format!("the local copy cannot be read: {reason}");
        let failures = self.tree.node(ino)?.failures + 1;
        if failures >= SEAL_TRIES {
            return self.tree.give_up(ino, &reason).map(|_| ());
        }
        let wait = backoff(failures, (self.jitter)(), None);
        self.tree.hold(ino, Some(Hold::Retrying { reason }), Some(now.after(wait))).map(|_| ())
    }

    /// A mutating call is over, one way or another.
    pub(super) fn over(
        &mut self,
        over: &Over<'_>,
        result: Result<Answer, ApiError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.sessions_changed(now);
        let finish = match result {
            Ok(Answer::Item(item)) => Finish::Answered(Box::new(translate::remote(&item, &self.me))),
            Ok(Answer::Deleted) => Finish::Deleted,
            Ok(Answer::BytesChanged) => {
                self.not_applied(over, now, out)?;
                return self.overtaken(over.ino, now);
            }
            Ok(Answer::Paused) => {
                self.not_applied(over, now, out)?;
                // A resume that came first finds it due.
                let again = self.paused().is_none().then_some(now);
                return self.tree.set_due(over.ino, again);
            }
            Err(error) => return self.refused(over, &error, now, out),
        };
        self.reached();
        self.overtaken.remove(&over.ino);
        let settled = self.tree.settle_attempt(over.attempt, &finish, now)?;
        failpoint("call.settled");
        let news = settled.news;
        self.after_settling(settled, now, out)?;
        if let (true, Finish::Answered(item)) = (news, &finish) {
            self.learn(item, now, now, out)?;
        }
        self.wake_parent(over.ino, now)?;
        self.answer_pushes(over.ino)
    }

    /// The bytes that were on their way are not those of the file any more.
    fn overtaken(&mut self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        *self.overtaken.entry(ino).or_default() += 1;
        self.tree.unseal(ino, now)
    }

    /// Fetches what is missing of a changed file; once at a time for each.
    pub(super) fn complete(&mut self, ino: Ino, content: ContentId, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        if self.completing.insert(ino) {
            out.push(Effect::Complete { ino, content });
        }
        self.tree.set_due(ino, None)
    }

    pub(super) fn completed(
        &mut self,
        ino: Ino,
        result: Result<(), AskError>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.completing.remove(&ino);
        let Ok(node) = self.tree.node(ino) else { return Ok(()) };
        match result {
            Ok(()) => self.tree.set_due(ino, Some(now)),
            Err(AskError::Gone) => self.source_gone(&node, now, out),
            Err(error) => self.fetch_again(&node, error.to_string(), now),
        }
    }

    /// Box does not give the bytes that a file was made from.
    fn source_gone(&mut self, node: &Node, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        match self.tree.missing_source(node)? {
            MissingSource::ComesBack => {
                self.fetch_again(node, "what it was made from is in Box's trash".to_owned(), now)
            }
            MissingSource::Deleted => self.take_back_cold(node, now, out),
            MissingSource::NotDeleted(file) if !is_asked(node) => {
                self.look(file, now, out);
                self.fetch_again(node, SOURCE_ASKED.to_owned(), now)
            }
            MissingSource::NotDeleted(_) | MissingSource::Gone => {
                self.tree.give_up(node.ino, "the version that this file was changed from is gone").map(drop)
            }
        }
    }

    pub(super) fn fetch_again(&mut self, node: &Node, reason: String, now: Timestamp) -> Result<(), TreeError> {
        let wait = backoff(node.failures + 1, (self.jitter)(), None);
        self.tree.hold(node.ino, Some(Hold::Retrying { reason }), Some(now.after(wait))).map(drop)
    }

    /// A deleted folder waits for what was inside.
    pub(super) fn wake_parent(&mut self, ino: Ino, now: Timestamp) -> Result<(), TreeError> {
        if let Ok(node) = self.tree.node(ino) {
            self.tree.set_due(node.parent, Some(now))?;
        }
        Ok(())
    }

    pub(super) fn after_settling(
        &mut self,
        settled: Settled,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        out.extend(settled.confirmed.into_iter().map(Effect::ToCache));
        self.follow(settled.learned, now, out)
    }

    /// A call that Box did not carry out, or that may have been lost.
    pub(super) fn refused(
        &mut self,
        over: &Over<'_>,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        if error.applied() == Applied::Unknown {
            self.tree.attempt_unknown(over.attempt)?;
            failpoint("call.unknown");
            self.unreachable(error, now);
            return self.retry(over.ino, error, now);
        }
        if let Call::Restore { item, .. } = over.call {
            return self.not_restored(over, item, error, now, out);
        }
        if let Meaning::NameTaken { existing } = &error.meaning {
            return self.name_taken(over, existing.as_deref(), now, out);
        }
        self.not_applied(over, now, out)?;
        self.refused_for_good(over.ino, over.call, error, now, out)
    }

    /// The item does not come out of the trash. Somebody may have restored or purged it meanwhile, which a look tells; whatever else
    /// keeps it there, its bytes go up as a new file.
    fn not_restored(
        &mut self,
        over: &Over<'_>,
        item: &BoxId,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.not_applied(over, now, out)?;
        let failures = self.tree.node(over.ino).map_or(0, |node| node.failures);
        let elsewhere = matches!(error.meaning, Meaning::NotFound | Meaning::Trashed);
        if elsewhere && failures < RESTORE_TRIES {
            self.look(item.clone(), now, out);
            return self.retry(over.ino, error, now);
        }
        if !elsewhere && !matches!(error.heals(), Heals::Never) {
            self.unreachable(error, now);
            return self.retry(over.ino, error, now);
        }
        log::info!("{item} stays in Box's trash: {error}");
        self.tree.lost(item, now)
    }

    pub(super) fn refused_for_good(
        &mut self,
        ino: Ino,
        call: &Call,
        error: &ApiError,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let item = match call {
            Call::Update { item, .. } | Call::Delete { item, .. } | Call::Restore { item, .. } => Some(item.clone()),
            Call::Upload(upload) => match &upload.target {
                Target::Version { file_id, .. } => Some(BoxId::file(file_id.clone())),
                Target::New { parent, .. } => Some(BoxId::folder(parent.clone())),
            },
            Call::CreateFolder { parent, .. } => Some(BoxId::folder(parent.clone())),
            Call::Copy { .. } => None,
        };
        match (&error.meaning, call, item) {
            (Meaning::NotFound | Meaning::Trashed, Call::Delete { item, .. }, _) => {
                self.tree.lost(item, now)?;
                self.wake_parent(ino, now)
            }
            (Meaning::NotFound | Meaning::Trashed | Meaning::Changed, _, Some(item)) => {
                self.look(item, now, out);
                self.retry(ino, error, now)
            }
            (Meaning::FolderNotEmpty, ..) => {
                self.listed.remove(&ino);
                self.list(ino, None, now, out)?;
                self.retry(ino, error, now)
            }
            (Meaning::DigestMismatch | Meaning::BadDigest | Meaning::LocalFile, ..) => {
                self.overtaken(ino, now)?;
                self.retry(ino, error, now)
            }
            // What cannot be copied in Box goes up from here.
            (_, Call::Copy { .. }, _) if matches!(error.heals(), Heals::Never) => {
                self.tree.unseal(ino, now)?;
                self.retry(ino, error, now)
            }
            _ => match error.heals() {
                Heals::Waiting { .. } | Heals::SignIn => {
                    self.unreachable(error, now);
                    self.retry(ino, error, now)
                }
                Heals::Never if self.roll_back(ino, call, error, now, out)? => Ok(()),
                Heals::Never => {
                    let hold = Hold::failed(error.to_string(), errno_name(&error.meaning));
                    log::warn!("'{}' is refused: {error}", self.tree.path(ino).unwrap_or_default());
                    self.tree.hold(ino, Some(hold.clone()), None)?;
                    if self.fail_pushes(ino, &hold) { self.tree.told(ino) } else { Ok(()) }
                }
            },
        }
    }

    /// Box certainly did not carry out this call; if it repeated a lost one, that one's outcome is as open as before.
    pub(super) fn not_applied(
        &mut self,
        over: &Over<'_>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        if over.again {
            return self.tree.attempt_unknown(over.attempt);
        }
        self.not_sent(over.attempt, now, out)
    }

    /// An attempt ends as if it had never been.
    pub(super) fn not_sent(
        &mut self,
        attempt: AttemptId,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let settled = self.tree.settle_attempt(attempt, &Finish::NotApplied, now)?;
        self.after_settling(settled, now, out)
    }

    /// 409: the item that has the name is looked at; what it is decides (ours after all, adopted, waited for, or a conflict).
    pub(super) fn name_taken(
        &mut self,
        over: &Over<'_>,
        existing: Option<&ExistingItem>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        let (attempt, ino) = (over.attempt, over.ino);
        // Until it has been looked at, the holder may be what a lost call made.
        self.tree.attempt_unknown(attempt)?;
        self.tree.set_due(ino, Some(now.after(RECHECK)))?;
        let Some(open) = self.tree.attempt(attempt)? else { return Ok(()) };
        if open.call.target.is_some() {
            self.not_sent(attempt, now, out)?;
            if self.tree.rebase_place(ino)? {
                // The name is taken where others have moved the item: from there it comes to its own place, folder and name.
                return self.tree.set_due(ino, Some(now));
            }
        }
        let Some(existing) = existing else {
            let parent = open.call.parent.map(|id| self.tree.folder_of(&id)).transpose()?.flatten();
            return parent.map_or(Ok(()), |parent| self.list(parent, None, now, out));
        };
        match self.clash(&open, existing)? {
            Some(name) => {
                self.not_sent(attempt, now, out)?;
                let hold = Hold::NeedsUser { reason: format!("name clashes with {name}") };
                self.tree.hold(ino, Some(hold), None).map(|_| ())
            }
            None => {
                self.look(existing.id.clone(), now, out);
                Ok(())
            }
        }
    }

    /// A sibling whose name we think distinct, and Box does not.
    pub(super) fn clash(&self, attempt: &Attempt, existing: &ExistingItem) -> Result<Option<String>, TreeError> {
        let Some(holder) = self.tree.by_item(&existing.id)? else { return Ok(None) };
        let Some(wanted) = &attempt.call.name else { return Ok(None) };
        let stays = holder.presence == Presence::Here && holder.base.as_ref().is_some_and(|b| b.name == holder.name);
        Ok((stays && holder.name == existing.name && fold(wanted) != fold(&existing.name)).then_some(holder.name))
    }

    /// Tries the node again after a growing wait.
    pub(super) fn retry(&mut self, ino: Ino, error: &ApiError, now: Timestamp) -> Result<(), TreeError> {
        let Ok(node) = self.tree.node(ino) else { return Ok(()) };
        let told = match error.heals() {
            Heals::Waiting { after } => after,
            _ => None,
        };
        let wait = backoff(node.failures + 1, (self.jitter)(), told);
        let hold = Hold::Retrying { reason: error.to_string() };
        self.tree.hold(ino, Some(hold), Some(now.after(wait)))?;
        Ok(())
    }

    /// Box answered: whatever kept it out of reach is over.
    pub(in crate::sync) fn reached(&mut self) {
        if self.outage.reason.is_some() {
            log::info!("Box can be reached again");
        }
        self.outage = Outage::default();
    }

    /// Stops new calls for a while if Box as a whole cannot be reached.
    pub(super) fn unreachable(&mut self, error: &ApiError, now: Timestamp) {
        let sign_in = matches!(error.meaning, Meaning::SignInNeeded);
        if !sign_in && !matches!(error.meaning, Meaning::NotSent | Meaning::Intercepted) {
            return;
        }
        if self.outage.reason.is_none() {
            log::warn!("Box cannot be used: {error}");
        }
        let failures = self.outage.failures.saturating_add(1);
        let wait = backoff(failures, (self.jitter)(), None).min(Duration::from_secs(60));
        self.give_up_pushes(&error.to_string());
        self.outage =
            Outage { failures, until: Some(now.after(wait)), reason: Some(error.to_string()), sign_in_needed: sign_in };
    }
}

fn stored(stamp: crate::content::Stamp) -> StoredStamp {
    StoredStamp { size: stamp.size, mtime_ns: stamp.mtime_ns, ctime_ns: stamp.ctime_ns }
}

/// What a failed question means to the file system.
pub fn ask_error(error: &ApiError) -> AskError {
    match (&error.meaning, error.heals()) {
        (Meaning::NotFound | Meaning::Trashed, _) => AskError::Gone,
        (Meaning::SignInNeeded, _) => AskError::SignInNeeded,
        (Meaning::LocalFile, _) => AskError::DiskFull,
        (_, Heals::Waiting { .. }) => AskError::Unreachable(error.to_string()),
        _ => AskError::Refused(error.to_string()),
    }
}

/// The errno that a program is told for a refusal, by name: the table of numbers is the kernel room's.
fn errno_name(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::NoAccess | Meaning::Locked | Meaning::InsufficientScope => "EACCES",
        Meaning::ForbiddenByPolicy => "EPERM",
        Meaning::OutOfQuota => "EDQUOT",
        Meaning::FileTooLarge => "EFBIG",
        Meaning::BadName => "EINVAL",
        Meaning::NameTooLong => "ENAMETOOLONG",
        _ => "EIO",
    }
}

fn is_asked(node: &Node) -> bool {
    matches!(&node.hold, Some(Hold::Retrying { reason }) if reason == SOURCE_ASKED)
}
