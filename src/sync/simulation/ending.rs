//! Operations and faults are over: everything settles, and the invariants hold (DESIGN.md section 6).

use super::posix::{Seen, Snapshot};
use super::step::Fault;
use super::world::{Verdict, World, same};
use crate::base::{BoxId, Ino, is_conflict_name};
use crate::sync::effect::Event;
use crate::tree::{Ask, Node, Presence};
use std::collections::BTreeSet;

/// Mutating calls that a quiet end takes at most, for each node; and some that every end may take (a cycle of names is broken
/// by two more).
const CALLS_A_NODE: usize = 5;
const CALLS_FREE: usize = 6;

/// Conflict copies that one edit by others can make: of the bytes it covers, and of a new file that took the old name.
const COPIES_AN_EDIT: usize = 2;

/// Events until everything is quiet: far more than any trace needs, few enough to see a loop.
const MOST_EVENTS: usize = 4000;

/// Rounds of listing every folder until news and local changes have met.
const ROUNDS: usize = 4;

impl World {
    pub fn end(&mut self) -> Verdict {
        self.told.push("THE END".to_owned());
        for slot in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(slot)?;
        }
        let nodes = self.nodes()?.len();
        let before = self.calls;
        self.settle()?;
        if self.shared {
            self.hear_of_everything()?;
            for _ in 0..ROUNDS {
                self.list_everything()?;
            }
        }
        let made = self.calls - before;
        let bound = CALLS_FREE + CALLS_A_NODE * nodes;
        if made > bound {
            return Err(format!("I1: {made} calls until it was quiet, {bound} should do"));
        }
        self.all_is_clean()?;
        self.one_more_pass()?;
        self.same_everywhere()?;
        self.look_at_ids()?;
        if !self.shared {
            self.each_document_in_box()?;
        }
        self.no_bytes_lost()?;
        self.bounded()
    }

    /// Everything settles in the middle of a run: names, ids and bytes are right by then. Not while a program has a file open.
    pub fn compare(&mut self) -> Verdict {
        if !self.open.is_empty() {
            return Ok(());
        }
        self.settle()?;
        self.all_is_clean()?;
        self.same_everywhere()?;
        self.look_at_ids()?;
        self.each_document_in_box()?;
        self.bounded()
    }

    fn nodes(&self) -> Result<Vec<Node>, String> {
        self.tree.every_node().map_err(|e| e.to_string())
    }

    /// Performs and hears everything in order, and lets time pass, until nothing is left to wait for.
    pub fn settle(&mut self) -> Verdict {
        for _ in 0..MOST_EVENTS {
            if !self.tasks.is_empty() {
                self.perform(0, Fault::Fine)?;
            } else if !self.outcomes.is_empty() {
                self.hear(0)?;
            } else if let Some(at) = self.next_tick()? {
                self.pass(at.since(self.now));
                self.feed(Event::Tick)?;
            } else {
                return Ok(());
            }
        }
        let dirty: Vec<Node> = self.nodes()?.into_iter().filter(|n| n.dirty_since.is_some()).collect();
        Err(format!("I1: never quiet; dirty: {dirty:?}"))
    }

    /// I7: when every change was told, in whatever order, and the folders are listed that never were, the mount is as Box is.
    fn hear_of_everything(&mut self) -> Verdict {
        for round in 0..ROUNDS {
            let count = self.cloud.events.len();
            for n in 0..count {
                self.tell_event(if round % 2 == 0 { count - 1 - n } else { n })?;
                self.settle()?;
            }
            self.list_those(|folder| !folder.complete)?;
        }
        self.is_as_box_has_it("I7")
    }

    fn list_everything(&mut self) -> Verdict {
        self.list_those(|_| true)
    }

    fn list_those(&mut self, which: impl Fn(&Node) -> bool) -> Verdict {
        for folder in self.nodes()?.into_iter().filter(|n| n.is_folder() && n.box_id.is_some() && which(n)) {
            let (reply, _nobody) = tokio::sync::oneshot::channel();
            self.feed(Event::Asked(Ask::List { ino: folder.ino, reply }))?;
            self.settle()?;
        }
        Ok(())
    }

    /// I1: each node is clean or in a named terminal state.
    fn all_is_clean(&self) -> Verdict {
        for node in self.nodes()? {
            let named = node.hold.as_ref().is_some_and(|h| h.is_terminal());
            if node.dirty_since.is_some() && (!self.shared || !named) {
                let why = self.tree.picture(node.ino).map_err(|e| e.to_string())?;
                return Err(format!("I1: quiet, and this is not in Box: {why:?}"));
            }
            if node.presence == Presence::Deleted && node.dirty_since.is_none() {
                return Err(format!("I1: a deleted node stays for good: {node:?}"));
            }
        }
        Ok(())
    }

    /// I1: a start that finds everything in order makes no call.
    fn one_more_pass(&mut self) -> Verdict {
        let before = self.calls;
        self.crash()?;
        self.settle()?;
        if self.calls == before { Ok(()) } else { Err("I1: one more pass makes calls".to_owned()) }
    }

    fn same_everywhere(&self) -> Verdict {
        if !self.shared {
            let (mount, cloud) = (self.mount()?, self.cloud.snapshot());
            same("I5: the mount", &mount, "the POSIX model", &self.posix.snapshot())?;
            return same("I5: Box", &cloud, "the POSIX model", &self.posix.snapshot());
        }
        self.is_as_box_has_it("I1")
    }

    fn is_as_box_has_it(&self, invariant: &str) -> Verdict {
        let held: BTreeSet<Ino> = self.nodes()?.iter().filter(|n| n.hold.is_some()).map(|n| n.ino).collect();
        let is = same(&format!("{invariant}: the mount"), &self.mount()?, "Box", &self.cloud.snapshot());
        if held.is_empty() { is } else { Ok(()) }
    }

    /// I2: what programs wrote last is in Box, or in a data file that a node has.
    fn no_bytes_lost(&self) -> Verdict {
        let nodes = self.nodes()?;
        for (ino, bytes) in &self.written {
            let here =
                |node: &Node| node.content.is_some_and(|id| self.disk().get(id).is_some_and(|d| d.bytes == *bytes));
            let there = |_: &BoxId, held: &super::cloud::Held| held.versions.iter().any(|v| v.bytes == *bytes);
            if !nodes.iter().any(here) && !self.cloud.all().any(|(id, held)| there(id, held)) {
                return Err(format!("I2: lost: '{}' of node {ino}", String::from_utf8_lossy(bytes)));
            }
        }
        Ok(())
    }

    /// I8: no more versions than saves, renames and deletes, and one for each fault. I9: no conflict copy that nobody's edit made.
    fn bounded(&self) -> Verdict {
        let versions: usize = self.cloud.all().map(|(_, held)| held.versions.len()).sum();
        if !self.shared && versions > self.saves + self.moves + self.faults {
            let (saves, moves, faults) = (self.saves, self.moves, self.faults);
            return Err(format!(
                "I8: {versions} versions of {saves} saves, {moves} renames and deletes, {faults} faults"
            ));
        }
        if let Some((path, _)) = self.cloud.snapshot().iter().find(|(path, _)| path.contains(".boxfs-swap-")) {
            return Err(format!("I1: left under a temporary name: {path}"));
        }
        let copies = |seen: &Snapshot| seen.iter().filter(|(p, s)| is_conflict_name(p) && **s != Seen::Folder).count();
        let copies = copies(&self.cloud.snapshot());
        if copies > COPIES_AN_EDIT * self.foreign_edits {
            return Err(format!("I9: {copies} conflict copies of {} edits by others", self.foreign_edits));
        }
        Ok(())
    }
}
