//! Box over HTTP in Rust types.
//!
//! [`BoxClient`] makes the calls: it gets tokens, keeps under the rate limits, repeats what may be repeated, notices stalled
//! connections, and turns each refusal into a [`Meaning`]. It keeps no state about items, decides nothing about them, and
//! never repeats a call that may have been carried out: an [`ApiError`] says so ([`ApiError::applied`]), and the caller looks.
//!
//! One file per resource; `error.rs` alone names HTTP status codes.

mod archives;
mod call;
mod client;
mod downloads;
mod error;
mod events;
mod files;
mod folders;
mod grants;
mod hosts;
mod items;
mod jwt;
mod limits;
mod meaning;
mod payload;
mod pictures;
mod probe;
mod pulse;
mod retry;
mod seal;
mod sessions;
mod sign_in;
mod sign_in_store;
mod tokens;
mod transport;
mod uploads;
mod users;
mod wire;

pub use archives::Archive;
pub use client::{BoxClient, ClientOptions};
pub use downloads::Download;
pub use events::{Event, EventsPage, Poll, RealtimeServer};
pub use files::FileVersion;
pub use folders::Page;
pub use grants::SignInClient;
pub use items::{Item, ItemChange, Lock, Permissions, SharedLink};
pub use jwt::JwtError;
pub use limits::ApiLimits;
pub use meaning::{ApiError, Applied, ExistingItem, Heals, Meaning};
pub use payload::{PartSlice, Payload};
pub use probe::{Probed, probe};
pub use seal::new_seal_key;
pub use sessions::{CommitAnswer, CommitAttributes, Part, PlannedPart, Session, SessionEndpoints, SessionTarget};
pub use sign_in::{App, AppKey, Grant, Owner, SignIn, Subject, Tokens};
pub use sign_in_store::{LockedSignIn, SignInStore, StoreError};
pub use tokens::{StoredSignIn, TokenSource};
pub use uploads::{NewFile, NewVersion};
pub use users::Account;
