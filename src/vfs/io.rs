//! Reading and writing open files.

use super::bytes::stored;
use super::error::{Result, VfsError};
use super::handles::{FileHandle, Handle};
use super::past::is_past;
use super::state::{Durability, Vfs};
use super::types::Fh;
use crate::content::{Allocate, ContentError, FetchError, Read, Seek, Writer};
use std::ops::Range;
use std::sync::atomic::Ordering;

impl Vfs {
    /// Up to `size` bytes from `offset`; fewer only at the end of the file. Missing bytes are fetched first.
    pub fn read(&self, fh: Fh, offset: u64, size: u32) -> Result<Vec<u8>> {
        let handle = match self.handles.get(fh)? {
            Handle::File(handle) => handle,
            Handle::Text(text) => return Ok(slice(&text, offset, size)),
            Handle::Folder(_) => return Err(VfsError::IsDirectory),
        };
        self.read_ahead(&handle, offset, size)?;
        let found = handle.file.read(offset, size as usize)?;
        if handle.file.spoiled() != handle.spoiled {
            // What this handle has read already may be wrong: it must not come to a good end.
            return Err(FetchError::Corrupt.into());
        }
        match found {
            Read::Bytes(bytes) => Ok(bytes),
            Read::Missing(_) if handle.refused => Err(VfsError::Denied),
            Read::Missing(gaps) => self.fetch(&handle, &gaps),
        }
    }

    /// Has what the reader will want next fetched, without anybody waiting.
    fn read_ahead(&self, handle: &FileHandle, offset: u64, size: u32) -> Result<()> {
        let wanted = !handle.refused && !handle.file.is_whole();
        let Some(source) = handle.source().filter(|_| wanted) else { return Ok(()) };
        let file_bytes = handle.file.size()?;
        let read = offset..offset.saturating_add(size.into()).min(file_bytes);
        if !read.is_empty()
            && let Some(ahead) = handle.streams().note(&read, file_bytes)
        {
            self.asks.ahead(source, ahead);
        }
        Ok(())
    }

    fn fetch<T>(&self, handle: &FileHandle, gaps: &[Range<u64>]) -> Result<T> {
        let (Some(source), Some(first), Some(last)) = (handle.source(), gaps.first(), gaps.last()) else {
            return Err(VfsError::Stale);
        };
        let wanted = first.start..last.end;
        let fetch = handle.streams().fetch(&wanted, handle.file.size()?);
        let need = self.asks.fetch(source.clone(), wanted, fetch);
        Err(VfsError::Wait(if is_past(handle.ino) { self.doubting(handle.ino, need) } else { need }))
    }

    /// Writes all of `data`. The first write to a cold file starts fetching the rest of it.
    pub fn write(&self, fh: Fh, offset: u64, data: &[u8]) -> Result<u32> {
        let handle = self.handles.file(fh)?;
        let writer = writer(&handle)?;
        let written = u32::try_from(data.len()).map_err(|_| VfsError::Invalid)?;
        let room = self.take_room(&handle, offset, data.len() as u64);
        room.inspect_err(|error| handle.trouble.note(offset, error))?;
        self.change_copy(handle.ino, &handle.file, &handle.copy)?;
        match writer.write(offset, data) {
            Ok(()) => handle.trouble.written(&(offset..offset + data.len() as u64)),
            Err(ContentError::Scattered) => return self.fetch_all(&handle),
            Err(e) => {
                let error = e.into();
                handle.trouble.note(offset, &error);
                return Err(error);
            }
        }
        self.changed_cold(&handle)?;
        Ok(written)
    }

    /// fallocate(2); `mode` are its bits.
    pub fn fallocate(&self, fh: Fh, offset: u64, len: u64, mode: i32) -> Result<()> {
        let handle = self.handles.file(fh)?;
        writer(&handle)?;
        let how = allocate(mode)?;
        if len == 0 {
            return Err(VfsError::Invalid);
        }
        if how != Allocate::PunchHole {
            self.take_room(&handle, offset, len)?;
        }
        self.change_copy(handle.ino, &handle.file, &handle.copy)?;
        handle.file.allocate(offset, len, how)?;
        self.changed_cold(&handle)
    }

    /// The next data or hole at or after `offset`.
    pub fn lseek(&self, fh: Fh, offset: u64, what: Seek) -> Result<u64> {
        let handle = self.handles.file(fh)?;
        handle.file.seek(offset, what)?.ok_or(VfsError::BeyondEnd)
    }

    /// Everything written so far is on the disk when this returns, with the names that lead to it. Blocks for the disk.
    pub fn fsync(&self, fh: Fh, data_only: bool) -> Result<()> {
        let Handle::File(handle) = self.handles.get(fh)? else { return Ok(()) };
        // The times are part of what tells a later start that these are the bytes of now: data alone is not enough.
        let before = handle.file.stamp()?;
        handle.file.sync(data_only && handle.writer.is_none())?;
        if !handle.name_synced.swap(true, Ordering::Relaxed) {
            self.content.sync_spool()?;
        }
        if handle.writer.is_some() {
            self.ask_if_outgrown(&handle)?;
            self.note_handle(&handle)?;
            if handle.file.stamp()? == before {
                self.tree.synced(handle.file.id(), stored(before)).map_err(|e| self.tree_error(e))?;
            }
        }
        self.tree.sync().map_err(|e| self.tree_error(e))?;
        let waits = handle.writer.is_some() && self.settings.durability == Durability::Box;
        if waits { self.await_box(&handle) } else { self.tell_always(handle.ino) }
    }

    /// A file that was not whole was written: what is present now is known before the answer, and the rest is on its way.
    fn changed_cold(&self, handle: &FileHandle) -> Result<()> {
        let Some(source) = handle.source() else { return Ok(()) };
        self.save_ranges(&handle.file)?;
        if !handle.file.is_whole() && !handle.asked_for_all.swap(true, Ordering::Relaxed) {
            self.asks.start_fetch(source);
        }
        Ok(())
    }

    fn fetch_all<T>(&self, handle: &FileHandle) -> Result<T> {
        let all = 0..handle.file.size()?;
        let source = handle.source().cloned().ok_or(VfsError::Stale)?;
        Err(VfsError::Wait(self.asks.fetch(source, all.clone(), all)))
    }
}

fn writer(handle: &FileHandle) -> Result<&Writer> {
    handle.writer.as_ref().ok_or(VfsError::BadHandle)
}

fn allocate(mode: i32) -> Result<Allocate> {
    use libc::{FALLOC_FL_KEEP_SIZE as KEEP, FALLOC_FL_PUNCH_HOLE as PUNCH, FALLOC_FL_ZERO_RANGE as ZERO};
    match mode {
        0 => Ok(Allocate::Reserve),
        KEEP => Ok(Allocate::ReserveKeepSize),
        m if m == PUNCH | KEEP => Ok(Allocate::PunchHole),
        ZERO => Ok(Allocate::Zero),
        m if m == ZERO | KEEP => Ok(Allocate::ZeroKeepSize),
        _ => Err(VfsError::NotSupported),
    }
}

fn slice(text: &[u8], offset: u64, size: u32) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let end = start.saturating_add(size as usize).min(text.len());
    text[start..end].to_vec()
}
