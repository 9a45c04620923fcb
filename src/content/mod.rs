//! The bytes of one file wherever they are: in the spool (which must not lose them), in the cache (which may), or still in Box.
//!
//! Knows data files by [`ContentId`] and nothing of names, versions or the database: what has to outlive the process (ranges,
//! stamps, places) is handed to the callers as plain values. Fetches nothing; it only says what is missing.

mod check;
mod copy;
mod data_file;
mod error;
mod give_back;
mod identity;
mod places;
mod presence;
mod ranges;
mod raw;
mod seal;
mod stamp;
mod steady;
mod store;
#[cfg(test)]
mod tests;
mod usage;
mod uses;

pub use check::Checked;
pub use copy::Seek;
pub use data_file::{DataFile, Read, Writer};
pub use error::{ContentError, FetchError, Result};
pub use give_back::Reservation;
pub use identity::Identity;
pub use places::{Dirs, SpoolFile};
pub use presence::Arrived;
pub use ranges::{Ranges, RangesError};
pub use raw::Allocate;
pub use seal::Sealing;
pub use stamp::{STAMP_PROVES_AFTER, Stamp};
pub use steady::SteadyCopy;
pub use store::{Content, Saved};
pub use usage::{Limits, Place, Room};
