//! Which document has which id: the ids in Box against those of the reference (`documents.rs`).

use super::step::Path;
use super::world::{Verdict, World};
use crate::base::{BoxId, Ino};
use std::collections::BTreeSet;

impl World {
    /// Which document is at `path` is remembered, if Box has it and no other file may claim it.
    pub fn mark(&mut self, path: Path) {
        self.prepare_documents();
        let has_id = |file: &u64| {
            self.inos.get(file).and_then(|ino| self.tree.node(*ino).ok()).is_some_and(|n| n.box_id.is_some())
        };
        let file = self.posix.owner(path).ok().filter(has_id);
        self.marked = file.and_then(|file| self.posix.documents.of(file)).map(|document| (path, document));
    }

    /// I6, of what a user expects and not of what the model's rules say.
    pub fn is_marked(&self, path: &str) -> Verdict {
        let is = self.posix.find(path).ok().and_then(|file| self.posix.documents.of(file));
        match (self.marked, is) {
            (Some((at, marked)), Some(is)) if at == path && marked != is => {
                Err(format!("the save: '{path}' was {marked} and is {is}"))
            }
            _ => Ok(()),
        }
    }

    /// What the reference has to know of Box before a program's step.
    pub fn prepare_documents(&mut self) {
        let there = |file: u64, ino: Ino| self.tree.is_in_box(ino) || self.lies_in_trash(file, ino);
        let in_box = self.inos.iter().filter(|(file, ino)| there(**file, **ino)).map(|(file, _)| *file);
        self.posix.documents.in_box = in_box.chain(self.posix.documents.ghosts.iter().copied()).collect();
        self.posix.documents.now_ms = self.now.to_nanos() as u64 / 1_000_000;
    }

    /// The file was deleted, and that has been carried out: Box can give its document back.
    fn lies_in_trash(&self, file: u64, ino: Ino) -> bool {
        let id = self.posix.documents.of(file).and_then(|document| self.ids.get(&document));
        let held = id.and_then(|id| self.cloud.held(&BoxId::file(id.clone())));
        held.is_some_and(|held| held.trashed) && self.tree.node(ino).is_err()
    }

    /// I6: a document keeps its id for as long as Box has it.
    pub fn look_at_ids(&mut self) -> Verdict {
        if self.shared {
            return Ok(());
        }
        for (path, file) in self.posix.files() {
            let (Some(document), Some(ino)) = (self.posix.documents.of(file), self.inos.get(&file)) else { continue };
            let Ok(node) = self.tree.node(*ino) else { return Err(format!("I6: '{path}' is node {ino} no more")) };
            let Some(id) = node.box_id.filter(|id| !self.kept_back.contains(id)) else { continue };
            let known = self.ids.entry(document).or_insert_with(|| id.clone());
            if *known != id {
                return Err(format!("I6: '{path}' was item {known} and is item {id}"));
            }
            *known = id;
        }
        Ok(())
    }

    /// What Box has given an id by now; also to what is deleted meanwhile.
    pub fn learn_ids(&mut self) {
        for (file, ino) in &self.inos {
            let document = self.posix.documents.of(*file).filter(|document| !self.ids.contains_key(document));
            let id = self.tree.node(*ino).ok().and_then(|node| node.box_id).filter(|id| !self.kept_back.contains(id));
            self.ids.extend(document.zip(id));
        }
    }

    /// I6 and I4, by Box's word: each document is the item that it was from the first, under the name that programs see, and no two
    /// are one.
    pub fn each_document_in_box(&self) -> Verdict {
        let mut seen = BTreeSet::new();
        for (path, file) in self.posix.files() {
            let known = self.posix.documents.of(file).and_then(|document| self.ids.get(&document));
            let there = self.cloud.find(&path).map(|item| item.id);
            if there.is_none() || known != there.as_ref() {
                return Err(format!("I6: '{path}' is {there:?} in Box, and should be {known:?}"));
            }
            if !seen.insert(there) {
                return Err(format!("I4: two names have the item of '{path}'"));
            }
        }
        Ok(())
    }
}
