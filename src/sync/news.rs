//! Events of Box, taken into the tree: hints about ids, which come twice, late, and in any order (API.md 7.3).

use super::core::Core;
use super::effect::Effect;
use super::translate;
use crate::base::{BoxId, Timestamp};
use crate::box_api::{Event as BoxEvent, Item};
use crate::tree::{Flow, Remote, TreeError};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Event ids remembered to tell repeats: Box's own clients remember 500 to 5,000 (API.md 7.3).
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");
/// News about an item that a call of ours is changing is looked at after this time.
const AFTER_OURS: Duration = Duration::from_secs(2);
/// Items that wait for that; what does not fit is looked at at once, and again if need be.
const MAX_LATE: usize = 10_000;
/// How long questions for events may fail before listed folders are doubted: a hiccup costs no listings.
const DOUBT_AFTER: Duration = Duration::from_secs(60);
/// The tree's value that holds our place in the stream.
pub const POSITION: &str = "stream_position";

/// What is remembered of the stream.
pub struct Stream {
    seen: LruCache<String, ()>,
    late: Vec<Late>,
    /// When Box last answered a question for events.
    pub heard: Option<Timestamp>,
    /// Since when it does not.
    failing_since: Option<Timestamp>,
}

/// News that came while a call of ours was on its way.
struct Late {
    at: Timestamp,
    id: BoxId,
    sequence: Option<u64>,
}

impl Stream {
    pub fn new() -> Stream {
        Stream { seen: LruCache::new(REMEMBERED), late: Vec::new(), heard: None, failing_since: None }
    }

    /// When the next late look is due.
    pub fn next_late(&self) -> Option<Timestamp> {
        self.late.iter().map(|late| late.at).min()
    }

    /// Box was asked for events in vain.
    pub fn failed(&mut self, now: Timestamp) {
        self.failing_since.get_or_insert(now);
    }

    /// When doubt begins, if it has not.
    pub fn next_doubt(&self, now: Timestamp) -> Option<Timestamp> {
        self.failing_since.map(|since| since.after(DOUBT_AFTER)).filter(|at| *at > now)
    }

    fn is_doubted(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.since(since) >= DOUBT_AFTER)
    }
}

impl Core {
    /// A page of events. Our place in the stream moves when everything in it is taken in.
    pub(super) fn news(
        &mut self,
        entries: &[BoxEvent],
        next: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        self.reached();
        self.stream.heard = Some(now);
        self.stream.failing_since = None;
        for event in entries {
            if self.stream.seen.put(event.event_id.clone(), ()).is_some() {
                continue;
            }
            if let Some(item) = &event.source {
                self.hint(item, now, out)?;
            }
        }
        self.tree.set_meta(POSITION, next)
    }

    /// How far the names of listed folders can be believed.
    pub fn flow(&self, now: Timestamp) -> Flow {
        match (self.stream.is_doubted(now), self.outage()) {
            (false, _) => Flow::News,
            (true, None) => Flow::Answers,
            (true, Some(_)) => Flow::Nothing,
        }
    }

    /// One item that may have changed.
    fn hint(&mut self, item: &Item, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let known = self.tree.remote(&item.id)?;
        let old = known.as_ref().and_then(|k| k.sequence).zip(item.sequence_id).is_some_and(|(had, has)| has <= had);
        if old {
            return Ok(());
        }
        if self.tree.is_in_flight(&item.id, item.parent.as_deref(), &item.name)? {
            if self.stream.late.len() < MAX_LATE {
                self.stream.late.push(Late {
                    at: now.after(AFTER_OURS),
                    id: item.id.clone(),
                    sequence: item.sequence_id,
                });
            }
            return Ok(());
        }
        let shown = self.tree.by_item(&item.id)?.is_some();
        if shown && !item.trashed && is_whole(item) {
            let remote = with_rights(translate::remote(item, self.me()), known.as_ref(), item);
            // An event is not an answer to a question; only its sequence says how fresh it is.
            return self.learn(&remote, Timestamp::default(), now, out);
        }
        let parent_shown = match &item.parent {
            Some(parent) => self.tree.by_item(&BoxId::folder(parent.clone()))?.is_some_and(|f| f.complete),
            None => false,
        };
        if shown || parent_shown {
            self.look(item.id.clone(), now, out);
        }
        Ok(())
    }

    /// Looks at what had to wait for calls of ours.
    pub(super) fn late_news(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        let (due, later): (Vec<Late>, Vec<Late>) =
            std::mem::take(&mut self.stream.late).into_iter().partition(|late| late.at <= now);
        self.stream.late = later;
        for late in due {
            // Most of it was the echo of the call itself, whose answer said as much.
            let had = self.tree.remote(&late.id)?.and_then(|r| r.sequence);
            if had.zip(late.sequence).is_none_or(|(had, has)| has > had) {
                self.look(late.id, now, out);
            }
        }
        Ok(())
    }

    /// Our place in the stream is lost: every folder that counts as listed is listed again.
    pub(super) fn revalidate(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
        for folder in self.tree.complete_folders()? {
            self.list(folder, None, now, out)?;
        }
        Ok(())
    }
}

/// An event's source can be a shadow of the item: without a version a file says nothing of its bytes.
fn is_whole(item: &Item) -> bool {
    item.sequence_id.is_some() && item.parent.is_some() && (item.version_id.is_some() || item.id.is_folder())
}

/// Events carry no permissions: what was known of them stays.
fn with_rights(mut remote: Remote, known: Option<&Remote>, item: &Item) -> Remote {
    if let Some(known) = known.filter(|_| item.permissions.is_none()) {
        remote.rights = known.rights;
        remote.lock.clone_from(&known.lock);
    }
    remote
}
