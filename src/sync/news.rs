//! Events of Box, taken into the tree: they come twice, late, and in any order (API.md 7.3).
//!
//! An event that describes an item whole is Box's word on it as of its sequence number, and is taken as it is: of all that is said of an
//! item the newest stays, in whatever order it comes. Any other is a hint, and Box is asked (ARCHITECTURE.md, "News").

use super::core::Core;
use super::effect::Effect;
use super::translate;
use crate::base::{BoxId, ItemKind, Timestamp};
use crate::box_api::{Event as BoxEvent, Item};
use crate::tree::{Flow, Remote, Rights, TreeError};
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
/// The tree's value that says since when we have followed the stream without a gap, in nanoseconds.
const SINCE: &str = "stream_since";
/// Events whose source is the item as it became. Those of other types can be about what an item was to somebody.
const STATES: [&str; 9] = [
    "ITEM_CREATE",
    "ITEM_UPLOAD",
    "ITEM_COPY",
    "ITEM_MOVE",
    "ITEM_RENAME",
    "ITEM_MODIFY",
    "ITEM_MAKE_CURRENT_VERSION",
    "ITEM_TRASH",
    "ITEM_UNDELETE_VIA_TRASH",
];

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
        let since = self.since()?;
        let mut crowded = Vec::new();
        for event in entries {
            if self.stream.seen.put(event.event_id.clone(), ()).is_some() {
                continue;
            }
            let Some(item) = &event.source else { continue };
            let whole = tells_all(event, item, since);
            // Whoever has its name here may lose it further down in the page.
            if self.is_crowded(item)? {
                crowded.push((item, whole));
            } else {
                self.hint(item, whole, now, out)?;
            }
        }
        self.crowded(crowded, now, out)?;
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

    fn is_crowded(&self, item: &Item) -> Result<bool, TreeError> {
        Ok(!item.trashed && self.tree.is_name_taken(&item.id, item.parent.as_deref(), &item.name)?)
    }

    /// Items whose names others had, in the order in which those let go of them.
    fn crowded(
        &mut self,
        mut items: Vec<(&Item, bool)>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), TreeError> {
        loop {
            let count = items.len();
            let mut still = Vec::new();
            for (item, whole) in items {
                if self.is_crowded(item)? {
                    still.push((item, whole));
                } else {
                    self.hint(item, whole, now, out)?;
                }
            }
            if still.len() == count {
                return still.into_iter().try_for_each(|(item, whole)| self.hint(item, whole, now, out));
            }
            items = still;
        }
    }

    /// From here on nothing that happens in Box escapes us.
    pub(super) fn follow_from(&mut self, now: Timestamp) -> Result<(), TreeError> {
        self.tree.set_meta(SINCE, &now.to_nanos().to_string())
    }

    /// `None`: since before anything that is told.
    fn since(&self) -> Result<Option<Timestamp>, TreeError> {
        let text = self.tree.meta(SINCE)?;
        Ok(text.and_then(|nanos| nanos.parse().ok()).map(Timestamp::from_nanos))
    }

    /// One item that may have changed; `whole`: all that there is to know of it is told.
    fn hint(&mut self, item: &Item, whole: bool, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), TreeError> {
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
        if whole || (shown && !item.trashed && is_whole(item)) {
            let remote = self.with_rights(translate::remote(item, self.me()), known.as_ref(), item)?;
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
        self.follow_from(now)?;
        for folder in self.tree.complete_folders()? {
            self.list(folder, None, now, out)?;
        }
        Ok(())
    }

    /// Events carry no permissions: what was known of them stays, and where more than reading is forbidden in a folder, it is
    /// in what appears in it.
    fn with_rights(&self, mut remote: Remote, known: Option<&Remote>, item: &Item) -> Result<Remote, TreeError> {
        if item.permissions.is_some() {
            return Ok(remote);
        }
        if let Some(known) = known {
            remote.rights = known.rights;
            remote.lock.clone_from(&known.lock);
        } else if let Some(parent) = &item.parent {
            let folder = self.tree.remote(&BoxId::folder(parent.clone()))?.map(|folder| folder.rights);
            let narrow = |rights: &Rights| !rights.upload || !rights.download;
            remote.rights = folder.filter(narrow).unwrap_or_default();
        }
        Ok(remote)
    }
}

/// Whether the event says all that a look at the item would, or more recently did. What happened before we followed the stream can
/// have been undone in a part of it that we never saw.
fn tells_all(event: &BoxEvent, item: &Item, since: Option<Timestamp>) -> bool {
    let seen = since.is_none_or(|since| event.created_at.is_some_and(|at| at > since));
    let described = match item.id.kind {
        _ if item.trashed => item.sequence_id.is_some(),
        ItemKind::File => is_whole(item) && item.sha1.is_some(),
        ItemKind::Folder => is_whole(item),
        ItemKind::WebLink => false,
    };
    seen && described && STATES.contains(&event.event_type.as_str())
}

/// An event's source can be a shadow of the item: without a version a file says nothing of its bytes.
fn is_whole(item: &Item) -> bool {
    item.sequence_id.is_some() && item.parent.is_some() && (item.version_id.is_some() || item.id.is_folder())
}
