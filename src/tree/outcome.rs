//! What an answer of Box does to the three truths: *remote* takes Box's word, *base* takes what was sent.

use super::ask::Invalidation;
use super::attempts::{self, Attempt, AttemptKind, NewAttempt};
use super::changes::{MadeIn, What};
use super::contents::{self, ContentState, Origin};
use super::error::TreeError;
use super::memory;
use super::news::{self, Learned, shown_entry};
use super::node::{Base, Hold, Node, Presence};
use super::remote::{self, Remote};
use super::rows;
use super::store::{Tree, Tx};
use crate::base::{AttemptId, BoxId, ContentId, Ino, Timestamp, fold};

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Finish {
    /// Box has what was asked for, and describes it.
    Answered(Box<Remote>),
    /// No answer came, and Box was asked: it has this, which is ours. A folder may have been filled by others meanwhile.
    Found(Box<Remote>),
    /// The item is deleted, or was already.
    Deleted,
    /// Certainly nothing happened.
    NotApplied,
}

/// What else follows from a settled attempt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// What else is shown from here on.
    pub learned: Learned,
    /// Contents whose bytes Box has confirmed: their data files may move to the cache.
    pub confirmed: Vec<ContentId>,
    /// The answer says more than what was asked for: somebody else has changed the item. To be learned like other news.
    pub news: bool,
}

impl Tree {
    /// Ends an attempt in one transaction. An attempt that is not open any more changes nothing.
    pub fn settle_attempt(&self, id: AttemptId, finish: &Finish, now: Timestamp) -> Result<Settled, TreeError> {
        self.write(|tx| {
            let mut settled = Settled::default();
            let Some(attempt) = attempts::get(tx, id)? else { return Ok(settled) };
            let call = attempt.call.clone();
            match finish {
                Finish::NotApplied => {
                    tx.execute("DELETE FROM attempts WHERE id = ?1", [id.0 as i64])?;
                }
                Finish::Deleted => {
                    attempts::settle(tx, id, None, now)?;
                    if let Some(target) = &attempt.call.target {
                        deleted(tx, target, true, now)?;
                    }
                }
                Finish::Answered(answer) | Finish::Found(answer) => {
                    attempts::settle(tx, id, Some(&answer.id), now)?;
                    remote::put(tx, answer, now)?;
                    if let Some(mut node) = concerned(tx, &attempt)? {
                        let made_here = matches!(finish, Finish::Answered(_));
                        let mut attempt = attempt;
                        if let (false, Some(modified)) = (made_here, answer.modified) {
                            // Of several calls that asked for the same bytes, nobody knows which one was carried out.
                            attempt.call.mtime_secs = attempt.call.mtime_secs.and(Some(modified.as_box_holds().secs));
                        }
                        node.complete &= made_here || attempt.call.kind != AttemptKind::CreateFolder;
                        answered(tx, node, &attempt, answer, now, &mut settled)?;
                    }
                }
            }
            appear_in_slot(tx, &call, now, &mut settled)?;
            Ok(settled)
        })
    }

    /// The item is gone from Box, or in its trash: its node has no id any more. A deleted node waits to be forgotten; a live
    /// one counts as not in Box.
    pub fn lost(&self, id: &BoxId, now: Timestamp) -> Result<(), TreeError> {
        self.write(|tx| deleted(tx, id, false, now))
    }
}

/// `by_us`: our own call did it. A live file that took the id while that call was on its way has it restored.
pub(super) fn deleted(tx: &mut Tx<'_>, id: &BoxId, by_us: bool, now: Timestamp) -> Result<(), TreeError> {
    remote::bury(tx, id, now)?;
    if let Some(mut node) = rows::by_item(tx, id)? {
        if by_us {
            tx.tell(MadeIn::Mount, What::Deleted, &node)?;
        }
        if by_us && node.presence == Presence::Here && node.is_file() {
            memory::lies_in_trash(tx, &mut node)?;
        } else {
            memory::trashed(tx, &node)?;
            node.box_id = None;
            node.base = None;
        }
        tx.put(&mut node)?;
        tx.due(node.ino, Some(now))?;
    }
    Ok(())
}

/// What Box had told of the name that the attempt was to fill, and that waited for its outcome.
fn appear_in_slot(tx: &mut Tx<'_>, call: &NewAttempt, now: Timestamp, settled: &mut Settled) -> Result<(), TreeError> {
    let (Some(parent), Some(name)) = (&call.parent, &call.name) else { return Ok(()) };
    for item in remote::holding(tx, parent, &fold(name))? {
        if rows::by_item(tx, &item.id)?.is_none() && attempts::on_item(tx, &item.id)?.is_empty() {
            news::appear(tx, &item, now, &mut settled.learned)?;
        }
    }
    Ok(())
}

/// The node that the answer is about: whoever has the item now, else the one that asked.
fn concerned(tx: &Tx<'_>, attempt: &Attempt) -> Result<Option<Node>, TreeError> {
    match &attempt.call.target {
        Some(target) => rows::by_item(tx, target),
        None => rows::get(tx, attempt.call.ino),
    }
}

fn answered(
    tx: &mut Tx<'_>,
    mut node: Node,
    attempt: &Attempt,
    answer: &Remote,
    now: Timestamp,
    settled: &mut Settled,
) -> Result<(), TreeError> {
    if node.box_id.as_deref() != Some(&answer.id.id) {
        give_way(tx, &answer.id, node.ino, settled)?;
        node.box_id = Some(answer.id.id.clone());
    }
    let sent = generation_sent(tx, &node, attempt)?;
    let before = node.base.clone();
    take_base(&mut node, attempt, answer, sent);
    settled.news = node.base.as_ref().is_some_and(|base| is_more(base, answer));
    adopt_name(&mut node, attempt, answer, settled);
    tell(tx, &node, before.as_ref(), attempt.call.kind)?;
    if brings_bytes(attempt.call.kind) {
        confirm(tx, &node, sent, answer, settled)?;
    }
    node.failures = 0;
    if node.hold.as_ref().is_some_and(|h| matches!(h, Hold::Retrying { .. })) {
        node.hold = None;
    }
    tx.put(&mut node)?;
    if attempt.call.kind == AttemptKind::Copy {
        // Who copies a file sets its time next.
        tx.settle(node.ino, now)?;
    } else {
        tx.due(node.ino, Some(now))?;
    }
    if node.is_folder() {
        tx.wake_children(node.ino, now)?;
    }
    if node.presence == Presence::Here {
        settled.learned.invalid.push(Invalidation::Inode { ino: node.ino });
    }
    Ok(())
}

/// Tells whoever watches what Box has taken, by the names that it has now.
fn tell(tx: &mut Tx<'_>, node: &Node, before: Option<&Base>, kind: AttemptKind) -> Result<(), TreeError> {
    let place = |tx: &Tx<'_>, base: &Base| tx.path_in_box(&base.parent, &base.name);
    let Some(path) = node.base.as_ref().map(|base| place(tx, base)).transpose()?.flatten() else { return Ok(()) };
    let from = before.map(|base| place(tx, base)).transpose()?.flatten().filter(|from| *from != path);
    let made = !matches!(kind, AttemptKind::UploadVersion | AttemptKind::Update);
    if made {
        tx.tell_at(MadeIn::Mount, What::Created, node, path);
        return Ok(());
    }
    if let Some(from) = from {
        tx.tell_at(MadeIn::Mount, What::Moved { from }, node, path.clone());
    }
    if kind == AttemptKind::UploadVersion {
        tx.tell_at(MadeIn::Mount, What::Edited, node, path);
    }
    Ok(())
}

/// Another node that came to stand for the item through news loses it: it shows the same thing twice.
fn give_way(tx: &mut Tx<'_>, id: &BoxId, to: Ino, settled: &mut Settled) -> Result<(), TreeError> {
    if let Some(other) = rows::by_item(tx, id)?.filter(|o| o.ino != to) {
        settled.learned.invalid.push(shown_entry(&other));
        tx.remove(other.ino)?;
    }
    Ok(())
}

/// The node's generation that the call brought to Box. The id may have gone from the node that asked to another: generations of two
/// nodes say nothing about each other, their digests do.
fn generation_sent(tx: &Tx<'_>, node: &Node, attempt: &Attempt) -> Result<Option<u64>, TreeError> {
    if attempt.call.ino == node.ino && attempt.call.generation.is_some() {
        return Ok(attempt.call.generation);
    }
    let row = node.content.filter(|_| !node.unsealed).map(|id| contents::get(tx, id)).transpose()?.flatten();
    let same = row.and_then(|row| row.sha1()).is_some_and(|sha1| Some(sha1) == attempt.call.sha1);
    Ok(same.then_some(node.generation))
}

/// The sent value is base, whatever is echoed (DESIGN.md section 6), except the name, which Box may clean. What was not sent stays as
/// it was: where Box has something else by now, that is news.
fn take_base(node: &mut Node, attempt: &Attempt, answer: &Remote, sent: Option<u64>) {
    let call = &attempt.call;
    // Box restores to the old folder where that is left, whatever was asked for.
    let is_known = node.base.is_some() && call.kind != AttemptKind::Restore;
    let mut base = node.base.take().unwrap_or_default();
    let asked = call.parent.as_ref().filter(|_| call.kind != AttemptKind::Restore);
    if let Some(parent) = asked.or(answer.parent.as_ref().filter(|_| !is_known)) {
        base.parent.clone_from(parent);
    }
    if call.name.is_some() || !is_known {
        base.name.clone_from(&answer.name);
    }
    if let Some(mtime) = call.mtime_secs {
        base.mtime_secs = mtime;
    }
    if call.kind == AttemptKind::Copy {
        base.mtime_secs = answer.modified.map_or(0, |m| m.as_box_holds().secs);
    }
    if brings_bytes(call.kind) {
        base.version.clone_from(&answer.version);
        base.sha1 = call.sha1;
        base.generation = sent;
    }
    node.base = Some(base);
}

/// Whether Box has something else than was known and sent.
fn is_more(base: &Base, answer: &Remote) -> bool {
    let moved = answer.parent.as_ref().is_some_and(|parent| *parent != base.parent);
    moved || answer.name != base.name || answer.version != base.version
}

/// Whether the call makes a version of the node's bytes.
fn brings_bytes(kind: AttemptKind) -> bool {
    matches!(kind, AttemptKind::UploadNew | AttemptKind::UploadVersion | AttemptKind::Copy)
}

/// A name that Box answers differently (cleaned, normalized) is adopted, unless the node was renamed meanwhile.
fn adopt_name(node: &mut Node, attempt: &Attempt, answer: &Remote, settled: &mut Settled) {
    let sent = attempt.call.name.as_deref();
    if sent == Some(node.name.as_str()) && answer.name != node.name && node.presence == Presence::Here {
        settled.learned.invalid.push(shown_entry(node));
        node.name.clone_from(&answer.name);
        settled.learned.invalid.push(shown_entry(node));
    }
}

/// The bytes that were sent are a version now: if they are still the node's, its content is clean.
fn confirm(
    tx: &Tx<'_>,
    node: &Node,
    sent: Option<u64>,
    answer: &Remote,
    settled: &mut Settled,
) -> Result<(), TreeError> {
    let same = sent == Some(node.generation) && !node.unsealed;
    let (Some(content), true) = (node.content, same) else { return Ok(()) };
    let Some(mut row) = contents::get(tx, content)? else { return Ok(()) };
    let version = answer.version.clone().or_else(|| node.base.as_ref().and_then(|b: &Base| b.version.clone()));
    row.state = ContentState::Clean;
    row.origin = version.map(|version| Origin {
        file_id: answer.id.id.clone(),
        version,
        sha1: node.base.as_ref().and_then(|b| b.sha1),
        size: row.size,
    });
    contents::put(tx, &row)?;
    settled.confirmed.push(content);
    Ok(())
}
