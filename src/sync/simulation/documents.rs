//! Which document a file is, by the rule of DESIGN.md section 6 (name memory) and the local trace alone: the reference that the ids in
//! Box are compared with.

use std::collections::{BTreeMap, BTreeSet};

/// A name in a folder.
type Place<'p> = (u64, &'p str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    pub number: u64,
    /// On the boot clock.
    born_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Left {
    holder: u64,
    document: Document,
    at_ms: u64,
    /// The holder lives on under another name, without this document.
    taken: bool,
}

#[derive(Debug, Default)]
pub struct Documents {
    of: BTreeMap<u64, Document>,
    pub(super) left: BTreeMap<(u64, String), LeftName>,
    next: u64,
    pub now_ms: u64,
    /// Files that Box has, or may have, as the last step found it.
    pub in_box: BTreeSet<u64>,
    /// Deleted files that stand for documents in Box that a living file gave up for another.
    pub ghosts: BTreeSet<u64>,
}

/// What a name remembers.
#[derive(Debug, Clone, Copy)]
pub struct LeftName(Left);

/// Numbers that no file has.
const FIRST_GHOST: u64 = 1 << 60;

const REMEMBERED_MS: u64 = 30_000;
const YOUNG_MS: u64 = 600_000;

impl Documents {
    pub fn of(&self, file: u64) -> Option<u64> {
        self.of.get(&file).map(|d| d.number)
    }

    pub fn born(&mut self, file: u64) {
        self.next += 1;
        self.of.insert(file, Document { number: self.next, born_ms: self.now_ms });
    }

    pub fn leaves(&mut self, file: u64, (folder, name): Place<'_>) {
        let left = Left { holder: file, document: self.of[&file], at_ms: self.now_ms, taken: false };
        self.left.insert((folder, name.to_owned()), LeftName(left));
    }

    fn taken_from(&self, file: u64, (folder, name): Place<'_>) -> Option<u64> {
        let LeftName(left) = self.left.get(&(folder, name.to_owned()))?;
        let mine = left.taken && left.document.number == self.of[&file].number;
        (mine && left.at_ms + YOUNG_MS >= self.now_ms).then_some(left.holder)
    }

    /// Whether the document of the file may go to another by the rules: back to the file it was taken from, or to one that is made under a
    /// name that it left a moment ago.
    pub fn is_claimed(&self, file: u64, place: Place<'_>) -> bool {
        let elsewhere = |at: &(u64, String)| (at.0, at.1.as_str()) != place;
        let lately = |left: &Left| left.at_ms + REMEMBERED_MS >= self.now_ms;
        let mine = |left: &Left| left.document.number == self.of[&file].number;
        let remembered = self.left.iter().any(|(at, LeftName(left))| elsewhere(at) && mine(left) && lately(left));
        remembered || self.taken_from(file, place).is_some()
    }

    /// A file is about to be deleted, and leaves its name.
    pub fn gives_back(&mut self, file: u64, place: Place<'_>, is_named: impl Fn(u64) -> bool) {
        let holder = self.taken_from(file, place).filter(|holder| is_named(*holder));
        if let Some(holder) = holder {
            self.swap(file, holder);
        }
        self.leaves(holder.unwrap_or(file), place);
    }

    /// A file has come to a name that was free.
    pub fn comes(&mut self, file: u64, (folder, name): Place<'_>, is_named: impl Fn(u64) -> bool) {
        let Some(&LeftName(left)) = self.left.get(&(folder, name.to_owned())) else { return };
        let late = left.at_ms + REMEMBERED_MS < self.now_ms;
        let owner = self.of.iter().find(|(_, d)| d.number == left.document.number).map(|(owner, _)| *owner);
        let Some(owner) = owner.filter(|owner| *owner != file && self.in_box.contains(owner)) else { return };
        if late || !self.may_take(file) || (is_named(owner) && owner != left.holder) {
            return;
        }
        if left.document.born_ms >= self.of[&file].born_ms && self.is_young(&left.document) {
            return;
        }
        if is_named(owner) {
            let taken = self.of[&owner];
            self.left.insert((folder, name.to_owned()), LeftName(Left { taken: true, ..left }));
            self.bury(file);
            self.born(owner);
            self.of.insert(file, taken);
            self.swap_presence(file, owner);
        } else {
            self.swap(file, owner);
            if self.in_box.contains(&owner) {
                self.ghosts.insert(owner);
            }
        }
    }

    /// A file that was at `from` is renamed over another.
    pub fn replaces(&mut self, file: u64, from: Place<'_>, holder: u64) {
        let taken_from = self.taken_from(file, from);
        self.leaves(file, from);
        if taken_from != Some(holder)
            && self.in_box.contains(&holder)
            && (self.may_take(file) || !self.may_take(holder))
        {
            self.swap(file, holder);
        }
    }

    /// Two files, each at its place, are exchanged.
    pub fn exchange(&mut self, (a, a_place): (u64, Place<'_>), (b, b_place): (u64, Place<'_>)) {
        let comes_home = self.taken_from(a, a_place) == Some(b) || self.taken_from(b, b_place) == Some(a);
        let stays = |x, y| self.may_take(x) && self.in_box.contains(&y);
        if !comes_home && (stays(a, b) || stays(b, a)) {
            self.swap(a, b);
        }
    }

    /// The document of `file`, which is about to get another, is deleted, and can be taken again like that of a deleted file.
    fn bury(&mut self, file: u64) {
        if self.in_box.contains(&file) {
            let ghost = FIRST_GHOST + self.next;
            self.of.insert(ghost, self.of[&file]);
            self.ghosts.insert(ghost);
            self.in_box.insert(ghost);
        }
    }

    fn is_young(&self, document: &Document) -> bool {
        self.now_ms - document.born_ms < YOUNG_MS
    }

    fn may_take(&self, file: u64) -> bool {
        self.is_young(&self.of[&file]) || !self.in_box.contains(&file)
    }

    fn swap(&mut self, a: u64, b: u64) {
        let (of_a, of_b) = (self.of[&a], self.of[&b]);
        self.of.insert(a, of_b);
        self.of.insert(b, of_a);
        self.swap_presence(a, b);
    }

    fn swap_presence(&mut self, a: u64, b: u64) {
        let (in_a, in_b) = (self.in_box.contains(&a), self.in_box.contains(&b));
        for (file, there) in [(a, in_b), (b, in_a)] {
            if there {
                self.in_box.insert(file);
            } else {
                self.in_box.remove(&file);
                self.ghosts.remove(&file);
            }
        }
    }
}
