//! Copies that nobody can change, for uploads of files that are written to more often than they can be sent.

use super::copy::copy_data;
use super::data_file::DataFile;
use super::error::{Result, meaning};
use super::store::Content;
use super::usage::{Place, Room, Usage};
use std::fs::File;
use std::sync::Arc;

/// A copy of a data file without a name: it goes with its last user, also by a kill. Counts as spool while it is there.
pub struct SteadyCopy {
    file: Arc<File>,
    counted: u64,
    usage: Arc<Usage>,
}

impl SteadyCopy {
    pub fn reader(&self) -> Arc<File> {
        self.file.clone()
    }
}

impl Drop for SteadyCopy {
    fn drop(&mut self) {
        self.usage.sub(Place::Spool, self.counted);
    }
}

impl Content {
    /// The bytes of now; `None` where there is no room for them. Of one instant only if the caller finds the stamp of `file` the same
    /// before and after. Blocks for as long as a copy takes where the disk cannot share blocks.
    pub fn steady_copy(&self, file: &DataFile) -> Result<Option<SteadyCopy>> {
        file.stamp()?;
        let counted = file.counted_bytes();
        if self.room_for(Place::Spool, counted)? != Room::Fits {
            return Ok(None);
        }
        let nameless =
            tempfile::tempfile_in(self.dir(Place::Spool)).map_err(meaning("making a copy of a data file"))?;
        self.usage.add(Place::Spool, counted);
        let copy = SteadyCopy { file: Arc::new(nameless), counted, usage: self.usage.clone() };
        // A descriptor of its own: it is read by its offset.
        let source = File::open(self.path(file.place(), file.id()));
        source.and_then(|source| copy_data(&source, &copy.file)).map_err(meaning("copying a data file"))?;
        Ok(Some(copy))
    }
}
