//! What the engine can say about the work that is left, for `status`, `wait` and unmounting. All lists are bounded.

use super::engine::Engine;
use super::news::POSITION;
use super::planner::hold_reason;
use super::salvage;
use crate::base::{Ino, Timestamp};
use crate::tree::{Hold, Node, Pending, TreeError};

/// Entries in each list of a report: more than a person reads.
const MAX_LISTED: usize = 100;

/// Dirty nodes read from the database at a time.
const PAGE: usize = 500;

/// Uploads under way and what keeps the rest, below one node.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Everything that Box does not have, whatever keeps it.
    pub pending: Pending,
    /// path, bytes sent, size
    pub uploading: Vec<(String, u64, u64)>,
    pub failed: Vec<Failing>,
    /// path, reason
    pub waiting: Vec<(String, String)>,
    /// Paths of what stays on this machine.
    pub local_only: Vec<String>,
    /// Since when nothing is sent because the user says so.
    pub paused: Option<Timestamp>,
    /// Deletions that the guard holds.
    pub held_deletions: u64,
    /// The place in Box's stream of events up to which news is taken in.
    pub events_position: Option<String>,
}

/// A node that is not sent for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    pub path: String,
    /// The name of the error that a program is told, such as `EDQUOT`.
    pub errno: Option<String>,
    pub reason: String,
    pub next_try: Option<Timestamp>,
}

/// What is still to be done below a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Moves by itself.
    pub moving: Pending,
    /// Needs the user, or a change of the file.
    pub stuck: u64,
}

impl Engine {
    /// Everything below `top` that is not in Box.
    pub fn report(&self, top: Ino) -> Result<Report, TreeError> {
        self.gather(top).map_err(|error| self.tree().suspect(error))
    }

    fn gather(&self, top: Ino) -> Result<Report, TreeError> {
        let mut report = Report {
            events_position: self.tree().meta(POSITION)?,
            paused: self.paused_since()?,
            held_deletions: self.tree().held_deletions()?,
            ..Report::default()
        };
        let uploads = self.uploads();
        for upload in &uploads {
            if self.tree().is_below(upload.ino, top)? && report.uploading.len() < MAX_LISTED {
                report.uploading.push((self.tree().path(upload.ino)?, upload.sent, upload.size));
            }
        }
        self.each_dirty(top, |node| {
            if node.is_local_only() {
                if report.local_only.len() < MAX_LISTED {
                    report.local_only.push(self.tree().path(node.ino)?);
                }
                return Ok(());
            }
            let sending = uploads.iter().any(|u| u.ino == node.ino);
            count(&mut report.pending, &node);
            match &node.hold {
                Some(hold) => {
                    if report.failed.len() < MAX_LISTED {
                        report.failed.push(self.failing(&node, hold)?);
                    }
                }
                _ if sending || report.waiting.len() >= MAX_LISTED => {}
                _ => {
                    let reason = self.why(&node)?;
                    report.waiting.push((self.tree().path(node.ino)?, reason));
                }
            }
            Ok(())
        })?;
        Ok(report)
    }

    /// How much is left below `top`.
    pub fn left(&self, top: Ino) -> Result<Left, TreeError> {
        let mut left = Left::default();
        self.each_dirty(top, |node| {
            match &node.hold {
                Some(Hold::LocalOnly) => {}
                Some(hold) if hold.is_terminal() => left.stuck += 1,
                _ => count(&mut left.moving, &node),
            }
            Ok(())
        })?;
        Ok(left)
    }

    /// What is held below `top`, at most `limit`.
    pub(super) fn held(&self, top: Ino, limit: usize) -> Result<Vec<Failing>, TreeError> {
        let mut failed = Vec::new();
        self.each_dirty(top, |node| {
            match &node.hold {
                Some(hold) if !matches!(hold, Hold::LocalOnly) && failed.len() < limit => {
                    failed.push(self.failing(&node, hold)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(failed)
    }

    /// Takes the holds off everything below `top` and looks at it at once.
    pub fn retry(&self, top: Ino) -> Result<(), TreeError> {
        let now = Timestamp::now();
        self.each_dirty(top, |node| {
            if node.hold.is_some() {
                self.tree().hold(node.ino, None, Some(now))?;
            }
            Ok(())
        })?;
        self.hurry();
        Ok(())
    }

    /// The node that `path`, as shown and relative to the root, names among those known here.
    pub fn find(&self, path: &str) -> Result<Option<Ino>, TreeError> {
        salvage::find(self.tree(), path)
    }

    fn each_dirty(&self, top: Ino, mut visit: impl FnMut(Node) -> Result<(), TreeError>) -> Result<(), TreeError> {
        let mut after = Ino(0);
        loop {
            let page = self.tree().dirty(after, false, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.ino;
            for node in page {
                // The node may be gone by now, or its folder: then it is not left.
                if top == Ino::ROOT || self.tree().is_below(node.ino, top).unwrap_or(false) {
                    visit(node)?;
                }
            }
        }
    }

    fn failing(&self, node: &Node, hold: &Hold) -> Result<Failing, TreeError> {
        let errno = hold.error().map(|(errno, _)| errno.to_owned());
        let next_try = if hold.is_terminal() { None } else { self.tree().due_of(node.ino)? };
        Ok(Failing { path: self.tree().path(node.ino)?, errno, reason: hold_reason(hold), next_try })
    }

    fn why(&self, node: &Node) -> Result<String, TreeError> {
        Ok(match self.tree().picture(node.ino)? {
            Some(picture) => self.reason(&picture),
            None => "done".to_owned(),
        })
    }
}

fn count(pending: &mut Pending, node: &Node) {
    pending.count += 1;
    if node.content_dirty() && node.presence == crate::tree::Presence::Here {
        pending.bytes += node.attr.size;
    }
}
