//! The log of events, as each user may read it.

use super::access::Who;
use super::model::*;
use super::{Detail, Store, View};

/// Events kept in memory and in the journal; Box keeps weeks of them.
const MAX_EVENTS: usize = 200_000;

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
}
