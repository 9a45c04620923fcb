//! Which names exist: every node with its three truths (local, remote, base) in one SQLite database, with an LRU of hot
//! nodes in front (DESIGN.md sections 2 and 4).
//!
//! All SQL of the program is here. Each method is one transaction; none waits for the network or knows of it.

mod ask;
mod attempts;
mod changes;
mod children;
mod conflicts;
mod contents;
mod copies;
mod dirty;
mod discard;
mod error;
mod evict;
mod flow;
mod forget;
mod guard;
mod leaving;
mod local;
mod memory;
mod name_changes;
mod news;
mod node;
mod notices;
mod outcome;
mod picture;
mod pins;
mod quota;
mod rebuild;
mod recover;
mod remote;
mod rename;
mod repair;
mod rivals;
mod rows;
mod schema;
mod sessions;
#[cfg(test)]
mod simulated;
mod store;
mod symlinks;
mod undo;
mod xattrs;

pub use ask::{
    AheadAsk, ArchiveAsk, Ask, AskError, DeletionsAsk, DiscardAsk, FetchAsk, FetchFrom, Invalidation, Listed, PastAsk,
    PastVersion, PauseAsk, PushAsk, Run, Tally, Trashed,
};
pub use attempts::{Attempt, AttemptKind, AttemptState, NewAttempt};
pub use changes::{Change, MadeIn, What};
pub use children::Lookup;
pub use contents::{ContentRow, ContentState, Origin, Place, StoredStamp};
pub use dirty::Pending;
pub use discard::{Discard, Discarded, InUse, NotDiscarded};
pub use error::TreeError;
pub use evict::{Cached, Pins};
pub use flow::Flow;
pub use forget::{Forgotten, Rest};
pub use guard::Gate;
pub use local::{AttrChange, NewNode};
pub use news::Learned;
pub use node::{Attr, Base, Hold, Node, NodeKind, Presence};
pub use notices::Notice;
pub use outcome::{Finish, Settled};
pub use picture::{Inside, ParentView, Picture, SlotHolder};
pub use quota::Quota;
pub use rebuild::Whereabouts;
pub use remote::{Remote, Rights};
pub use rename::{RenameHow, Renamed};
pub use repair::MissingSource;
pub use sessions::SessionRow;
pub use store::Tree;

#[cfg(test)]
mod tests;
