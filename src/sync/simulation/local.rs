//! What programs do, on the tree and the data files as the file system does it, and on the POSIX model; both must agree.

use super::posix::Refused;
use super::step::{Path, Step};
use super::world::{OpenFile, Verdict, World};
use crate::base::{Ino, Timestamp};
use crate::sync::effect::Event;
use crate::tree::{Ask, AttrChange, NewNode, Node, NodeKind, Place, RenameHow, Tree, TreeError};

type Outcome<T> = Result<T, TreeError>;

impl World {
    pub fn local(&mut self, step: &Step) -> Verdict {
        if self.waits_for_a_listing(step)? {
            return Ok(());
        }
        let (is, should) = match *step {
            Step::Save(path, mark, empty) => return self.save(step, (path, mark, empty)),
            Step::Open(slot, path) => return self.open(slot, path, false).map(drop),
            Step::Put(slot, mark) => return self.put(slot, mark),
            Step::Close(slot) => {
                if self.open.contains_key(&slot) {
                    self.done.note(step);
                }
                return self.close(slot);
            }
            Step::Rename(from, to) => (self.rename(from, to, RenameHow::Replace), self.posix.rename(from, to)),
            Step::Exchange(a, b) => (self.rename(a, b, RenameHow::Exchange), self.posix.exchange(a, b)),
            Step::Unlink(path) => (self.unlink(path), self.posix.unlink(path)),
            Step::Mkdir(path) => (self.make(path, NodeKind::Folder).map(drop), self.posix.mkdir(path)),
            Step::Rmdir(path) => (self.remove(path, Tree::rmdir), self.posix.rmdir(path)),
            Step::Touch(path, to) => (self.touch(path, to), self.posix.touch(path, i64::from(to))),
            _ => unreachable!("not a program's step: {step:?}"),
        };
        let worked = is.is_ok();
        self.agree(step, is, should)?;
        if worked {
            self.done.note(step);
        }
        Ok(())
    }

    fn agree<T, U>(&self, step: &Step, is: Outcome<T>, should: Result<U, Refused>) -> Verdict {
        match (&is, &should) {
            (Err(TreeError::Sql(e)), _) => Err(format!("{step:?}: the database failed: {e}")),
            _ if self.shared || is.is_ok() == should.is_ok() => Ok(()),
            (Err(error), _) => Err(format!("I5: {step:?} fails ({error}) and should not")),
            (Ok(_), _) => Err(format!("I5: {step:?} works and should not")),
        }
    }

    /// A program that needs a folder which is not listed waits: here, the step is skipped.
    fn waits_for_a_listing(&mut self, step: &Step) -> Result<bool, String> {
        let paths: Vec<Path> = match *step {
            Step::Save(p, ..)
            | Step::Open(_, p)
            | Step::Unlink(p)
            | Step::Mkdir(p)
            | Step::Rmdir(p)
            | Step::Touch(p, _) => vec![p],
            Step::Rename(a, b) | Step::Exchange(a, b) => vec![a, b],
            _ => vec![],
        };
        for path in paths {
            let mut part = path;
            while let Some((folder, _)) =
                part.rsplit_once('/').or(if part.is_empty() { None } else { Some(("", part)) })
            {
                for at in [folder, path] {
                    if let Some(node) = self.find(at)?.filter(|n| n.is_folder() && !n.complete) {
                        let (reply, _nobody) = tokio::sync::oneshot::channel();
                        self.feed(Event::Asked(Ask::List { ino: node.ino, reply }))?;
                        return Ok(true);
                    }
                }
                part = folder;
            }
        }
        Ok(false)
    }

    fn place<'p>(&self, path: &'p str) -> Outcome<(Ino, &'p str)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let node = self.find(folder).map_err(TreeError::Damaged)?.ok_or(TreeError::NotFound)?;
        Ok((node.ino, name))
    }

    fn at(&self, path: &str) -> Outcome<Node> {
        self.find(path).map_err(TreeError::Damaged)?.ok_or(TreeError::NotFound)
    }

    fn make(&mut self, path: &str, kind: NodeKind) -> Outcome<Node> {
        let (parent, name) = self.place(path)?;
        self.tree.create(&NewNode { parent, name, kind, mode: 0o644, uid: 0, gid: 0, target: None }, self.now)
    }

    fn remove(&mut self, path: &str, how: fn(&Tree, Ino, &str, Timestamp) -> Outcome<Node>) -> Outcome<()> {
        let (parent, name) = self.place(path)?;
        let node = how(&self.tree, parent, name, self.now)?;
        self.written.remove(&node.ino);
        Ok(())
    }

    fn unlink(&mut self, path: &str) -> Outcome<()> {
        self.remove(path, Tree::unlink)
    }

    fn rename(&mut self, from: &str, to: &str, how: RenameHow) -> Outcome<()> {
        let ((parent, name), (new_parent, new_name)) = (self.place(from)?, self.place(to)?);
        let renamed = self.tree.rename(parent, name, new_parent, new_name, how, self.now)?;
        if let Some(replaced) = renamed.replaced {
            self.written.remove(&replaced.ino);
        }
        Ok(())
    }

    fn touch(&mut self, path: &str, to: u32) -> Outcome<()> {
        let node = self.at(path)?;
        if node.is_folder() {
            return Err(TreeError::IsFolder);
        }
        let mtime = Timestamp::new(i64::from(to), 0);
        if let Some(id) = node.content.filter(|id| self.disk().get(*id).is_some_and(|d| d.writers > 0)) {
            self.disk().change(id, |d| d.mtime = mtime);
        }
        self.tree.set_attr(node.ino, &AttrChange { mtime: Some(mtime), ..AttrChange::default() }, self.now)?;
        Ok(())
    }

    fn save(&mut self, step: &Step, (path, mark, empty): (Path, u8, bool)) -> Verdict {
        const SLOT: u8 = u8::MAX;
        if self.open(SLOT, path, empty)? {
            self.put(SLOT, mark)?;
            self.close(SLOT)?;
            self.done.note(step);
        }
        Ok(())
    }

    fn open(&mut self, slot: u8, path: Path, empty: bool) -> Result<bool, String> {
        if self.open.contains_key(&slot) {
            return Ok(false);
        }
        let is = self.open_node(path, empty);
        let should = self.posix.open(path, self.now.secs);
        let opened = is.as_ref().ok().copied().zip(should.as_ref().ok().copied());
        if self.shared {
            if let Ok((ino, content)) = is {
                self.open.insert(slot, OpenFile { ino, content, posix: u64::MAX });
                return Ok(true);
            }
            return Ok(false);
        }
        self.agree(&Step::Open(slot, path), is, should)?;
        if let Some(((ino, content), posix)) = opened {
            self.inos.insert(posix, ino);
            self.open.insert(slot, OpenFile { ino, content, posix });
            if empty {
                self.posix.write(posix, Vec::new(), self.now.secs);
            }
        }
        Ok(opened.is_some())
    }

    fn open_node(&mut self, path: Path, empty: bool) -> Outcome<(Ino, crate::base::ContentId)> {
        let node = match self.at(path) {
            Ok(node) if node.is_folder() => return Err(TreeError::IsFolder),
            Ok(node) => Some(node),
            Err(_) => None,
        };
        let (ino, content) = match node {
            None => {
                let node = self.make(path, NodeKind::File)?;
                let content = node.content.expect("a file has a content");
                self.disk().create(content, Vec::new(), self.now);
                (node.ino, content)
            }
            Some(node) => self.open_existing(&node, empty)?,
        };
        self.disk().writers(content, 1);
        Ok((ino, content))
    }

    fn open_existing(&mut self, node: &Node, empty: bool) -> Outcome<(Ino, crate::base::ContentId)> {
        let (ino, now) = (node.ino, self.now);
        let busy = node.content.is_some_and(|id| self.disk().get(id).is_some_and(|d| d.writers > 0));
        if empty && !busy {
            let (row, old) = self.tree.fresh_content(ino, now)?;
            self.disk().create(row.id, Vec::new(), now);
            if let Some(old) = old {
                self.disk().remove(old);
            }
            self.tree.begin_writing(ino, "boot", now)?;
            return Ok((ino, row.id));
        }
        let content = match node.content {
            Some(id) if self.warm(id) => {
                self.tree.save_ranges(id, None)?;
                id
            }
            _ => {
                let bytes = self.cold(node).ok_or(TreeError::NotFound)?;
                let mut row = self.tree.cold_content(ino, Place::Cache)?;
                row.ranges = None;
                self.tree.put_content(&row)?;
                self.disk().create(row.id, bytes, node.attr.mtime);
                row.id
            }
        };
        self.tree.begin_writing(ino, "boot", now)?;
        if !busy {
            self.disk().change(content, |d| d.mtime = node.attr.mtime);
        }
        if empty {
            self.disk().change(content, |d| (d.bytes, d.mtime) = (Vec::new(), now));
        }
        Ok((ino, content))
    }

    fn put(&mut self, slot: u8, mark: u8) -> Verdict {
        let Some(file) = self.open.get(&slot).copied() else { return Ok(()) };
        let bytes = format!("{mark} ours {mark}").into_bytes();
        let now = self.now;
        self.disk().change(file.content, |d| (d.bytes, d.mtime) = (bytes.clone(), now));
        self.posix.write(file.posix, bytes, now.secs);
        Ok(())
    }

    pub fn close(&mut self, slot: u8) -> Verdict {
        let Some(file) = self.open.remove(&slot) else { return Ok(()) };
        let data = self.disk().get(file.content).cloned();
        let Some(data) = data else {
            return Err(format!("the data file of node {} is gone while it is open", file.ino));
        };
        self.saves += 1;
        let stamp = data.stored_stamp();
        let noted = self.tree.closed(file.ino, file.content, stamp, stamp.size, data.mtime, self.now);
        self.disk().writers(file.content, -1);
        match noted {
            Ok(node) => {
                if node.presence == crate::tree::Presence::Here {
                    self.written.insert(file.ino, data.bytes);
                }
                self.feed(Event::Asked(Ask::Released(file.ino)))
            }
            Err(TreeError::NoNode(_)) => Ok(()),
            Err(error) => Err(format!("closing failed: {error}")),
        }
    }
}
