//! What programs have to see: a plain file system in memory, with Box's one deviation (names that differ only in case cannot
//! be together in one folder).

use super::documents::Documents;
use crate::base::fold;
use std::collections::BTreeMap;

/// Path to what is there.
pub type Snapshot = BTreeMap<String, Seen>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Folder,
    File { bytes: String, mtime_secs: i64 },
}

#[derive(Debug, Clone)]
enum Thing {
    Folder(BTreeMap<String, u64>),
    File { bytes: Vec<u8>, mtime_secs: i64 },
}

#[derive(Debug)]
pub struct Posix {
    things: BTreeMap<u64, Thing>,
    next: u64,
    /// Which document each file is.
    pub documents: Documents,
}

const ROOT: u64 = 0;

/// The operation fails, as it must.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

type Outcome<T> = Result<T, Refused>;

impl Default for Posix {
    fn default() -> Posix {
        Posix {
            things: BTreeMap::from([(ROOT, Thing::Folder(BTreeMap::new()))]),
            next: 1,
            documents: Documents::default(),
        }
    }
}

impl Posix {
    pub fn snapshot(&self) -> Snapshot {
        let mut seen = Snapshot::new();
        self.walk(ROOT, String::new(), &mut seen);
        seen
    }

    fn walk(&self, at: u64, path: String, seen: &mut Snapshot) {
        let Some(Thing::Folder(names)) = self.things.get(&at) else { return };
        for (name, id) in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match &self.things[id] {
                Thing::Folder(_) => {
                    seen.insert(path.clone(), Seen::Folder);
                    self.walk(*id, path, seen);
                }
                Thing::File { bytes, mtime_secs } => {
                    let bytes = String::from_utf8_lossy(bytes).into_owned();
                    seen.insert(path, Seen::File { bytes, mtime_secs: *mtime_secs });
                }
            }
        }
    }

    /// The folder that holds the last name of `path`, and that name.
    fn place<'p>(&self, path: &'p str) -> Outcome<(u64, &'p str)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = ROOT;
        for part in folder.split('/').filter(|p| !p.is_empty()) {
            at = *self.names(at)?.get(part).ok_or(Refused)?;
        }
        self.names(at)?;
        Ok((at, name))
    }

    fn names(&self, at: u64) -> Outcome<&BTreeMap<String, u64>> {
        match self.things.get(&at) {
            Some(Thing::Folder(names)) => Ok(names),
            _ => Err(Refused),
        }
    }

    fn names_mut(&mut self, at: u64) -> &mut BTreeMap<String, u64> {
        match self.things.get_mut(&at) {
            Some(Thing::Folder(names)) => names,
            _ => unreachable!("only folders are changed"),
        }
    }

    pub fn find(&self, path: &str) -> Outcome<u64> {
        let (folder, name) = self.place(path)?;
        self.names(folder)?.get(name).copied().ok_or(Refused)
    }

    fn clashes(&self, folder: u64, name: &str, but: Option<u64>) -> Outcome<bool> {
        Ok(self.names(folder)?.iter().any(|(n, id)| n != name && fold(n) == fold(name) && Some(*id) != but))
    }

    /// The file at `path`, made if it is not there.
    pub fn open(&mut self, path: &str, now_secs: i64) -> Outcome<u64> {
        let (folder, name) = self.place(path)?;
        if let Some(&id) = self.names(folder)?.get(name) {
            return if matches!(self.things[&id], Thing::File { .. }) { Ok(id) } else { Err(Refused) };
        }
        let id = self.add(folder, name, Thing::File { bytes: Vec::new(), mtime_secs: now_secs })?;
        self.documents.born(id);
        let named = self.named();
        self.documents.comes(id, (folder, name), |other| named.contains(&other));
        Ok(id)
    }

    pub fn mkdir(&mut self, path: &str) -> Outcome<()> {
        let (folder, name) = self.place(path)?;
        if self.names(folder)?.contains_key(name) {
            return Err(Refused);
        }
        self.add(folder, name, Thing::Folder(BTreeMap::new())).map(drop)
    }

    fn add(&mut self, folder: u64, name: &str, thing: Thing) -> Outcome<u64> {
        if self.clashes(folder, name, None)? {
            return Err(Refused);
        }
        let id = self.next;
        self.next += 1;
        self.things.insert(id, thing);
        self.names_mut(folder).insert(name.to_owned(), id);
        Ok(id)
    }

    pub fn write(&mut self, id: u64, new: Vec<u8>, now_secs: i64) {
        if let Some(Thing::File { bytes, mtime_secs }) = self.things.get_mut(&id) {
            (*bytes, *mtime_secs) = (new, now_secs);
        }
    }

    pub fn touch(&mut self, path: &str, secs: i64) -> Outcome<()> {
        let id = self.find(path)?;
        match self.things.get_mut(&id) {
            Some(Thing::File { mtime_secs, .. }) => *mtime_secs = secs,
            _ => return Err(Refused),
        }
        Ok(())
    }

    pub fn unlink(&mut self, path: &str) -> Outcome<()> {
        let id = self.find(path)?;
        let (folder, name) = self.place(path)?;
        if matches!(self.things[&id], Thing::Folder(_)) {
            return Err(Refused);
        }
        let named = self.named();
        self.documents.gives_back(id, (folder, name), |other| named.contains(&other));
        self.names_mut(folder).remove(name);
        Ok(())
    }

    pub fn rmdir(&mut self, path: &str) -> Outcome<()> {
        let id = self.find(path)?;
        let (folder, name) = self.place(path)?;
        if !self.names(id)?.is_empty() {
            return Err(Refused);
        }
        self.documents.left.remove(&(folder, name.to_owned()));
        self.names_mut(folder).remove(name);
        Ok(())
    }

    /// The file at `path`, if its document is its own and stays so.
    pub fn owner(&self, path: &str) -> Outcome<u64> {
        let (file, place) = (self.find(path)?, self.place(path)?);
        if self.documents.is_claimed(file, place) { Err(Refused) } else { Ok(file) }
    }

    /// The files that have names, with their paths.
    pub fn files(&self) -> Vec<(String, u64)> {
        let paths = self.snapshot().into_iter().filter(|(_, seen)| *seen != Seen::Folder).map(|(path, _)| path);
        paths.filter_map(|path| self.find(&path).ok().map(|id| (path, id))).collect()
    }

    fn named(&self) -> Vec<u64> {
        self.files().into_iter().map(|(_, id)| id).collect()
    }

    fn is_file(&self, id: u64) -> bool {
        matches!(self.things.get(&id), Some(Thing::File { .. }))
    }

    fn is_inside(&self, at: u64, top: u64) -> bool {
        match self.things.get(&top) {
            _ if at == top => true,
            Some(Thing::Folder(names)) => names.values().any(|child| self.is_inside(at, *child)),
            _ => false,
        }
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Outcome<()> {
        let moved = self.find(from)?;
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        if self.is_inside(to_folder, moved) {
            return Err(Refused);
        }
        let holder = self.names(to_folder)?.get(to_name).copied();
        if holder == Some(moved) {
            return Ok(());
        }
        if self.clashes(to_folder, to_name, Some(moved))? {
            return Err(Refused);
        }
        match holder.map(|h| (&self.things[&moved], &self.things[&h])) {
            None | Some((Thing::File { .. }, Thing::File { .. })) => {}
            Some((Thing::Folder(_), Thing::Folder(names))) if names.is_empty() => {}
            Some(_) => return Err(Refused),
        }
        match holder {
            Some(holder) if self.is_file(moved) => self.documents.replaces(moved, (from_folder, from_name), holder),
            None if self.is_file(moved) => self.documents.leaves(moved, (from_folder, from_name)),
            _ => drop(self.documents.left.remove(&(from_folder, from_name.to_owned()))),
        }
        self.names_mut(from_folder).remove(from_name);
        self.names_mut(to_folder).insert(to_name.to_owned(), moved);
        if holder.is_none() && self.is_file(moved) {
            let named = self.named();
            self.documents.comes(moved, (to_folder, to_name), |other| named.contains(&other));
        }
        Ok(())
    }

    pub fn exchange(&mut self, a: &str, b: &str) -> Outcome<()> {
        let (x, y) = (self.find(a)?, self.find(b)?);
        let ((a_folder, a_name), (b_folder, b_name)) = (self.place(a)?, self.place(b)?);
        if x == y {
            return Ok(());
        }
        if self.is_inside(b_folder, x) || self.is_inside(a_folder, y) {
            return Err(Refused);
        }
        if self.is_file(x) && self.is_file(y) {
            self.documents.exchange((x, (a_folder, a_name)), (y, (b_folder, b_name)));
        }
        self.names_mut(a_folder).insert(a_name.to_owned(), y);
        self.names_mut(b_folder).insert(b_name.to_owned(), x);
        Ok(())
    }
}
