//! Upload sessions: creation, parts, commit (API.md section 5). Bytes are in blobs; here is what they mean.

use super::super::refusal::Refusal;
use super::Store;
use super::access::Who;
use super::changes::Precondition;
use super::model::*;
use super::versions::Upload;

const MIB: u64 = 1024 * 1024;
/// Part sizes seen at Box, by the largest file for which each is used.
const PART_SIZES: [(u64, u64); 2] = [(90_000_000, 8 * MIB), (4096 * MIB, 32 * MIB)];
const LARGEST_PART_SIZE: u64 = 64 * MIB;

/// A part as the commit request lists it.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct ListedPart {
    pub(in crate::emulator) id: String,
    pub(in crate::emulator) offset: u64,
    pub(in crate::emulator) size: u64,
    pub(in crate::emulator) sha1: Option<String>,
    pub(in crate::emulator) sha512: Option<String>,
}

impl Session {
    pub(in crate::emulator) fn total_parts(&self) -> u64 {
        self.size.div_ceil(self.part_size)
    }

    /// The size that the part at `offset` must have; `None` off the grid.
    pub(in crate::emulator) fn part_size_at(&self, offset: u64) -> Option<u64> {
        let on_grid = offset.is_multiple_of(self.part_size) && offset < self.size;
        on_grid.then(|| self.part_size.min(self.size - offset))
    }
}

impl Store {
    /// Opens a session; the checks of the target hold.
    pub(in crate::emulator) fn open_session(
        &mut self,
        who: &Who,
        target: Target,
        size: u64,
    ) -> Result<String, Refusal> {
        if size < self.options.min_session_bytes {
            return Err(Refusal::new(
                400,
                "file_size_too_small",
                format!("The size of the file is below the minimum of {} bytes", self.options.min_session_bytes),
            ));
        }
        if self.options.session_conflict
            && let Some(id) = self.live_session(&target)
        {
            return Err(Refusal::new(409, "session_conflict", id));
        }
        let by_size = PART_SIZES.iter().find(|(largest, _)| size <= *largest).map_or(LARGEST_PART_SIZE, |row| row.1);
        let part_size = self.options.part_size.unwrap_or(by_size).max(1);
        let id = format!("{:016X}{:016X}", fastrand::u64(..), fastrand::u64(..));
        let expires_at = self.now + self.options.session_secs;
        let session = Session { user: who.user, target, size, part_size, expires_at, put_off: 0, committed: None };
        self.sessions.insert(id.clone(), session);
        Ok(id)
    }

    fn live_session(&self, target: &Target) -> Option<String> {
        let same = |other: &Target| match (target, other) {
            (Target::NewFile { folder: a, name: n }, Target::NewFile { folder: b, name: m }) => {
                a == b && super::names::fold(n) == super::names::fold(m)
            }
            (Target::Version { file: a, .. }, Target::Version { file: b, .. }) => a == b,
            _ => false,
        };
        let live = |s: &Session| s.committed.is_none() && s.expires_at > self.now && same(&s.target);
        self.sessions.rows().iter().find(|(_, session)| live(session)).map(|(id, _)| id.clone())
    }

    /// A session that lives and that `who` opened.
    pub(in crate::emulator) fn session(&self, who: &Who, id: &str) -> Result<&Session, Refusal> {
        let session = self.sessions.get(&id.to_owned()).filter(|session| session.committed.is_none());
        let session = session.ok_or_else(Refusal::not_found)?;
        if session.expires_at <= self.now {
            return Err(Refusal::new(410, "session_expired", "The upload session has expired"));
        }
        if session.user != who.user {
            return Err(Refusal::forbidden());
        }
        Ok(session)
    }

    /// The parts of a session in order, by offset.
    pub(in crate::emulator) fn parts_of(&self, session: &str) -> impl Iterator<Item = (u64, &Part)> {
        let range = (session.to_owned(), 0)..=(session.to_owned(), u64::MAX);
        self.parts.rows().range(range).map(|((_, offset), part)| (*offset, part))
    }

    /// The bytes of the part at an offset.
    pub(in crate::emulator) fn part_content(&self, session: &str, offset: u64) -> Option<Content> {
        let part = self.parts.get(&(session.to_owned(), offset))?;
        Some(Content { size: part.size, sha1: part.sha1.clone(), extents: part.extents.clone() })
    }

    pub(in crate::emulator) fn is_processed(&self, part: &Part, now_ms: i64) -> bool {
        part.stored_ms + self.options.part_processing.as_millis() as i64 <= now_ms
    }

    /// Stores a part; one that is there stays as it is.
    pub(in crate::emulator) fn add_part(&mut self, session: &str, offset: u64, part: Part) -> Result<(), Refusal> {
        let key = (session.to_owned(), offset);
        if self.parts.contains(&key) {
            return Err(Refusal::part_overlaps());
        }
        part.extents.iter().for_each(|extent| self.use_blob(extent.blob));
        self.parts.insert(key, part);
        Ok(())
    }

    /// Forgets a session and its parts; blobs that a file took over stay.
    pub(in crate::emulator) fn drop_parts(&mut self, session: &str) {
        let offsets: Vec<u64> = self.parts_of(session).map(|(offset, _)| offset).collect();
        for offset in offsets {
            if let Some(part) = self.parts.remove(&(session.to_owned(), offset)) {
                part.extents.iter().for_each(|extent| self.release_blob(extent.blob));
            }
        }
    }

    pub(in crate::emulator) fn abort_session(&mut self, session: &str) {
        self.drop_parts(session);
        self.sessions.remove(&session.to_owned());
    }

    /// Checks the list of a commit against what is stored: all parts, in order, as they are.
    pub(in crate::emulator) fn check_parts(&self, id: &str, listed: &[ListedPart]) -> Result<Vec<Extent>, Refusal> {
        if !listed.is_sorted_by_key(|part| part.offset) {
            return Err(Refusal::bad("parts", "parts must be ordered by offset"));
        }
        let hashed = listed.iter().filter(|part| part.sha512.is_some()).count();
        if hashed != 0 && hashed != listed.len() {
            return Err(Refusal::bad("parts", "sha512 must be on every part or on none"));
        }
        let stored: Vec<(u64, &Part)> = self.parts_of(id).collect();
        let session = self.sessions.get(&id.to_owned()).ok_or_else(Refusal::not_found)?;
        if stored.len() != listed.len() || stored.len() as u64 != session.total_parts() {
            return Err(Refusal::parts_mismatch());
        }
        let same = |listed: &ListedPart, offset: u64, part: &Part| {
            listed.offset == offset
                && listed.id == part.id
                && listed.size == part.size
                && listed.sha1.as_ref().is_none_or(|sha1| *sha1 == part.sha1)
                && (listed.sha512.is_none() || part.sha512.is_none() || listed.sha512 == part.sha512)
        };
        if !listed.iter().zip(&stored).all(|(listed, (offset, part))| same(listed, *offset, part)) {
            return Err(Refusal::parts_mismatch());
        }
        Ok(stored.iter().flat_map(|(_, part)| part.extents.clone()).collect())
    }

    /// Makes the file or version of a session whose parts and digest were checked.
    pub(in crate::emulator) fn commit_session(
        &mut self,
        who: &Who,
        id: &str,
        content: Content,
        upload: &Upload,
        precondition: &Precondition,
    ) -> Result<u64, Refusal> {
        let session = self.session(who, id)?;
        let (target, size) = (session.target.clone(), session.size);
        let file = match target {
            Target::NewFile { folder, name } => {
                let name = self.check_new_file(who, folder, &name, size)?;
                self.new_file(who, folder, &name, content, upload)
            }
            Target::Version { file, name } => {
                let name = self.check_new_version(who, file, name.as_deref(), size, precondition)?;
                self.new_version(who, file, name.as_deref(), content, upload);
                file
            }
        };
        self.drop_parts(id);
        if let Some(session) = self.sessions.get_mut(&id.to_owned()) {
            session.committed = Some(file);
        }
        Ok(file)
    }
}
