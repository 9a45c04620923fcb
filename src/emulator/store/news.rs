//! The log of events, as each user may read it (API.md section 7).

use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::access::Who;
use super::model::*;
use super::{Detail, Store, View};

/// Events kept in memory and in the journal; Box keeps weeks of them.
const MAX_EVENTS: usize = 200_000;

/// What changes the tree as a user sees it; the stream `changes` has these only.
const TREE_CHANGES: [&str; 19] = [
    "ITEM_CREATE",
    "ITEM_UPLOAD",
    "ITEM_COPY",
    "ITEM_MOVE",
    "ITEM_RENAME",
    "ITEM_TRASH",
    "ITEM_UNDELETE_VIA_TRASH",
    "ITEM_MAKE_CURRENT_VERSION",
    "ITEM_MODIFY",
    "ITEM_SYNC",
    "ITEM_UNSYNC",
    "LOCK_CREATE",
    "LOCK_DESTROY",
    "COLLAB_ADD_COLLABORATOR",
    "COLLAB_INVITE_COLLABORATOR",
    "COLLAB_ROLE_CHANGE",
    "COLLAB_REMOVE_COLLABORATOR",
    "GROUP_ADD_USER",
    "GROUP_REMOVE_USER",
];

/// Which events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::emulator) enum Stream {
    All,
    /// Tree changes.
    Changes,
    /// Everybody's, for an administrator.
    Enterprise,
}

/// Which events of an enterprise are wanted; `Default` is all.
#[derive(Debug, Default)]
pub(in crate::emulator) struct NewsFilter {
    /// Seconds since 1970; the end is not in it.
    pub(in crate::emulator) after: Option<i64>,
    pub(in crate::emulator) before: Option<i64>,
    /// Event types; empty is any.
    pub(in crate::emulator) kinds: Vec<String>,
}

impl NewsFilter {
    fn takes(&self, event: &Event) -> bool {
        self.after.is_none_or(|after| event.at >= after)
            && self.before.is_none_or(|before| event.at < before)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

/// A page of the log.
#[derive(Debug)]
pub(in crate::emulator) struct NewsPage {
    pub(in crate::emulator) entries: Vec<Value>,
    /// Where to go on.
    pub(in crate::emulator) next: u64,
}

impl Store {
    /// Logs what happened to an item, for all who see it.
    pub(super) fn tell(&mut self, kind: &str, key: Key, by: u64) {
        let audience = self.audience(key);
        self.tell_to(kind, key, by, audience);
    }

    /// Logs what happened to an item, for the given users; the event's position is the item's `sequence_id`.
    pub(super) fn tell_to(&mut self, kind: &str, key: Key, by: u64, seen_by: Vec<u64>) {
        let position = self.next_sequence();
        if let Some(item) = self.items.get_mut(&key) {
            item.sequence = position;
        }
        let who = Who::user(self.owner_of(key));
        let source = self.render(&View { who: &who, detail: Detail::Standard, fields: None }, key);
        let id = format!("{position:032x}");
        self.events.insert(position, Event { id, kind: kind.to_owned(), at: self.now, by, seen_by, source });
        if self.events.len() > MAX_EVENTS
            && let Some(oldest) = self.events.rows().keys().next().copied()
        {
            self.events.remove(&oldest);
        }
    }

    /// Up to `limit` events after `position`; before them, as Box warns of, some that were there already.
    pub(in crate::emulator) fn news(
        &self,
        who: &Who,
        stream: Stream,
        filter: &NewsFilter,
        position: u64,
        limit: usize,
    ) -> Result<NewsPage, Refusal> {
        let admin = self.users.get(&who.user).is_some_and(|user| user.role == UserRole::Admin);
        if stream == Stream::Enterprise && !admin {
            return Err(Refusal::no_permission());
        }
        let wanted = |event: &&Event| match stream {
            Stream::Enterprise => filter.takes(event),
            Stream::All => event.seen_by.contains(&who.user),
            Stream::Changes => event.seen_by.contains(&who.user) && TREE_CHANGES.contains(&event.kind.as_str()),
        };
        let rows = self.events.rows();
        let mut next = position;
        let mut fresh: Vec<&Event> = Vec::new();
        for (at, event) in rows.range(position.saturating_add(1)..) {
            if wanted(&event) {
                fresh.push(event);
                next = *at;
            }
            if fresh.len() == limit {
                break;
            }
        }
        let mut entries: Vec<Value> = Vec::new();
        if !fresh.is_empty() {
            let again = self.options.events_repeated.min(limit - fresh.len());
            let seen = rows.range(..=position).rev().map(|(_, event)| event).filter(wanted);
            entries.extend(seen.take(again).map(|event| self.event_json(event)));
            entries.reverse();
        }
        entries.extend(fresh.into_iter().map(|event| self.event_json(event)));
        if self.options.events_shuffled {
            fastrand::Rng::with_seed(next).shuffle(&mut entries);
        }
        Ok(NewsPage { entries, next })
    }

    /// Whether something happened that the user sees after a position.
    pub(in crate::emulator) fn has_news(&self, user: u64, position: u64) -> bool {
        self.events.rows().range(position.saturating_add(1)..).any(|(_, event)| event.seen_by.contains(&user))
    }

    fn event_json(&self, event: &Event) -> Value {
        json!({
            "type": "event",
            "event_id": event.id,
            "event_type": event.kind,
            "created_at": self.time(event.at),
            "recorded_at": self.time(event.at),
            "created_by": self.user_mini(event.by),
            "session_id": event.id,
            "source": event.source,
        })
    }
}
