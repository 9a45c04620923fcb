//! The planner: a pure function from a dirty node, and what it depends on, to the single next step that brings Box nearer,
//! or a reason to wait (DESIGN.md section 6; the table's rows are the functions below, in its order).

use super::call::{Call, Target, Upload};
use crate::base::{BoxId, ContentId, Ino, fold, parked_name, unparked};
use crate::tree::{
    Attempt, AttemptKind, AttemptState, ContentRow, ContentState, Hold, Inside, Node, NodeKind, Picture, Presence,
    SlotHolder,
};

/// Whether programs have the node's bytes open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenState {
    pub handles: bool,
    pub writers: bool,
    pub pushed: Pushed,
}

/// Whether somebody waits until Box has the bytes of a moment, although the file may be open for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pushed {
    #[default]
    No,
    /// They are not sealed yet.
    Unsealed,
    /// They are.
    Sealed,
}

/// What the engine itself remembers about a deleted folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FolderMemory {
    /// It was listed a moment ago, so that what Box told of its inside is fresh.
    pub listed: bool,
    /// Its items are deleted one by one.
    pub one_by_one: bool,
    /// The same of the parent folder.
    pub parent_one_by_one: bool,
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Nothing to do.
    Clean,
    /// Remove the row and the bytes: Box does not have it and nobody has it open.
    Forget,
    /// Find out whether the bytes can still change, and their digest.
    Seal(ContentId),
    /// Take the bytes as they are now, although somebody can still write.
    SealOpen(ContentId),
    /// Fetch what is missing.
    Complete(ContentId),
    Call(Call),
    /// Send again what an attempt of unknown outcome asked for.
    Repeat(Box<Attempt>, Call),
    /// Ask Box what became of the item.
    Look(BoxId),
    /// List the folder (by its inode) before more can be said.
    List(Ino),
    /// List the folder (by its id) to find out what became of an attempt to make something in it.
    FindOut(Box<Attempt>, String),
    /// Delete the items of this folder one by one.
    OneByOne,
    /// Somebody put something into a deleted folder.
    Undelete,
    /// Somebody changed or moved a file that was deleted here: it comes back, as Box has it.
    ComeBack,
    /// Box has a version that we did not make from base, and its bytes are those of base, or those of here: it is base from here on.
    Rebase,
    /// The bytes become a conflict copy.
    Split,
    /// A backup has the name that another mount gave its item for a moment: it gets one of its own.
    Unpark,
    Wait(Wait),
}

/// Why nothing can be done for a node at present. `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    ParentNotInBox,
    /// The deletion of the folder takes this item along.
    ParentWillGo,
    OpenForWriting,
    /// Deleted, but a program still has it open.
    StillOpen,
    MissingRanges,
    NameHeld {
        by: String,
    },
    InFlight,
    ChildrenFirst,
    /// Deleted, and what takes its place is not in Box yet.
    SuccessorFirst,
    /// A backup is copied in Box from the version that it had.
    CopyFirst,
    Held(Hold),
    LocalOnly,
}

impl Wait {
    /// One line for people.
    pub fn reason(&self) -> String {
        match self {
            Wait::ParentNotInBox => "its folder is not in Box yet".to_owned(),
            Wait::ParentWillGo => "goes with its folder".to_owned(),
            Wait::OpenForWriting => "open for writing".to_owned(),
            Wait::StillOpen => "deleted, but still open".to_owned(),
            Wait::MissingRanges => "the rest of the file is being fetched".to_owned(),
            Wait::NameHeld { by } => format!("the name is still held in Box by {by}"),
            Wait::InFlight => "a call is on its way".to_owned(),
            Wait::ChildrenFirst => "what is inside goes first".to_owned(),
            Wait::CopyFirst => "a backup of it is copied first".to_owned(),
            Wait::SuccessorFirst => "goes after what takes its place".to_owned(),
            Wait::LocalOnly => "kept on this machine only".to_owned(),
            Wait::Held(hold) => hold_reason(hold),
        }
    }
}

/// What a hold means to a person.
pub fn hold_reason(hold: &Hold) -> String {
    match hold {
        Hold::Retrying { reason } => format!("will be tried again: {reason}"),
        Hold::Failed { reason, .. } => format!("failed: {reason}"),
        Hold::Interrupted => "interrupted while it was written; write it again, or run `boxfs retry`".to_owned(),
        Hold::Suspect { reason, .. } => format!("suspect: {reason}"),
        Hold::NeedsUser { reason } => format!("needs you: {reason}"),
        Hold::LocalOnly => "kept on this machine only".to_owned(),
    }
}

/// The next step for the node in `picture`.
pub fn plan(picture: &Picture, open: OpenState, memory: FolderMemory) -> Plan {
    let node = &picture.node;
    if let Some(step) = attempts(picture) {
        return step;
    }
    if !node.is_dirty(picture.parent.id.as_deref()) {
        return Plan::Clean;
    }
    match &node.hold {
        Some(Hold::LocalOnly) => return Plan::Wait(Wait::LocalOnly),
        Some(hold) if hold.is_terminal() => return Plan::Wait(Wait::Held(hold.clone())),
        _ => {}
    }
    if node.presence == Presence::Deleted {
        return deleted(picture, open, memory);
    }
    let Some(parent) = picture.parent.id.as_deref() else { return Plan::Wait(Wait::ParentNotInBox) };
    match node.kind {
        NodeKind::Folder => folder(picture, parent),
        NodeKind::File => file(picture, parent, open),
        NodeKind::Symlink | NodeKind::WebLink => Plan::Wait(Wait::LocalOnly),
    }
}

/// One call in flight per node, id and name slot; an unknown outcome is settled before anything else is sent.
fn attempts(picture: &Picture) -> Option<Plan> {
    let unknown = picture.attempts.iter().find(|a| a.state == AttemptState::Unknown);
    match unknown {
        None if picture.attempts.is_empty() => None,
        None => Some(Plan::Wait(Wait::InFlight)),
        Some(attempt) if attempt.call.ino != picture.node.ino => Some(Plan::Wait(Wait::InFlight)),
        Some(attempt) => Some(find_out(picture, attempt)),
    }
}

/// How the outcome of a lost call is found: an item with an id is looked at; something new is sent again where it is still
/// wanted as it was, since the name it filled tells (a taken name with the attempt's SHA-1 is ours), and looked for otherwise.
fn find_out(picture: &Picture, attempt: &Attempt) -> Plan {
    if let Some(target) = &attempt.call.target {
        return Plan::Look(target.clone());
    }
    let (Some(parent), Some(name)) = (attempt.call.parent.clone(), attempt.call.name.clone()) else {
        return Plan::Wait(Wait::InFlight);
    };
    let node = &picture.node;
    let wanted = node.presence == Presence::Here && node.name == name && picture.parent.id.as_ref() == Some(&parent);
    let again = match attempt.call.kind {
        _ if !wanted => None,
        AttemptKind::CreateFolder => Some(Call::CreateFolder { parent: parent.clone(), name }),
        _ => upload(picture, Target::New { parent: parent.clone(), name }).map(Call::Upload),
    };
    match again {
        Some(call) if call.attempt(attempt.call.ino).sha1 == attempt.call.sha1 => {
            Plan::Repeat(Box::new(attempt.clone()), call)
        }
        _ => Plan::FindOut(Box::new(attempt.clone()), parent),
    }
}

fn deleted(picture: &Picture, open: OpenState, memory: FolderMemory) -> Plan {
    let node = &picture.node;
    let Some(item) = node.item() else {
        return if open.handles { Plan::Wait(Wait::StillOpen) } else { Plan::Forget };
    };
    if goes_with_parent(picture) && !memory.parent_one_by_one && node.is_file() {
        return Plan::Wait(Wait::ParentWillGo);
    }
    if node.is_folder() { deleted_folder(picture, item, memory) } else { deleted_file(picture, item) }
}

/// Whether the deleted folder of the node is, in Box too, the one that its item is in.
fn goes_with_parent(picture: &Picture) -> bool {
    let there = picture.remote.as_ref().and_then(|remote| remote.parent.as_ref());
    picture.parent.deleted && picture.parent.id.is_some() && picture.parent.id.as_ref() == there
}

/// `DELETE` with `If-Match`: only the version that the program saw is deleted, where it saw it.
fn deleted_file(picture: &Picture, item: BoxId) -> Plan {
    let Some(remote) = picture.remote.as_ref().filter(|r| !r.trashed) else { return Plan::Look(item) };
    let Some(base) = &picture.node.base else { return Plan::Look(item) };
    if remote.version != base.version || remote.parent.as_ref().is_some_and(|p| *p != base.parent) {
        return Plan::ComeBack;
    }
    // What takes its place is in Box before it goes.
    if picture.name_wanted {
        return step_aside(picture);
    }
    if picture.needed {
        return Plan::Wait(Wait::SuccessorFirst);
    }
    Plan::Call(Call::Delete { item, recursive: false, if_match: remote.etag.clone() })
}

/// Recursive only when everything inside is itself deleted at an unchanged version, by a listing taken just before.
fn deleted_folder(picture: &Picture, item: BoxId, memory: FolderMemory) -> Plan {
    let delete = |recursive| Plan::Call(Call::Delete { item: item.clone(), recursive, if_match: None });
    match picture.inside {
        Inside::Nothing => delete(false),
        Inside::Folders => Plan::Wait(Wait::ChildrenFirst),
        Inside::DeletedFiles if memory.one_by_one => Plan::Wait(Wait::ChildrenFirst),
        Inside::DeletedFiles if memory.listed => delete(true),
        Inside::DeletedFiles => Plan::List(picture.node.ino),
        // What moves out may need this very name first, for the folder that it moves to.
        Inside::Leaving if picture.name_wanted => step_aside(picture),
        Inside::Leaving => Plan::Wait(Wait::ChildrenFirst),
        Inside::Strangers if !memory.listed => Plan::List(picture.node.ino),
        Inside::Strangers if !memory.one_by_one => Plan::OneByOne,
        Inside::Strangers => Plan::Undelete,
    }
}

fn folder(picture: &Picture, parent: &str) -> Plan {
    if let Some(step) = slot(picture) {
        return step;
    }
    let node = &picture.node;
    match node.item() {
        None => Plan::Call(Call::CreateFolder { parent: parent.to_owned(), name: node.name.clone() }),
        Some(item) => update(picture, item, parent),
    }
}

fn file(picture: &Picture, parent: &str, open: OpenState) -> Plan {
    let node = &picture.node;
    if node.content_dirty() {
        return bytes(picture, parent, open);
    }
    match node.item() {
        None => Plan::Wait(Wait::ParentNotInBox),
        Some(item) => slot(picture).unwrap_or_else(|| update(picture, item, parent)),
    }
}

/// New bytes: sealed first, then a new file or a new version, unless Box's version is not the one they were made from.
fn bytes(picture: &Picture, parent: &str, open: OpenState) -> Plan {
    let node = &picture.node;
    let Some(content) = &picture.content else { return Plan::Wait(Wait::MissingRanges) };
    if open.writers && open.pushed == Pushed::No {
        return Plan::Wait(Wait::OpenForWriting);
    }
    if node.box_id.is_none() && node.is_backup() && unparked(&node.name).is_some() {
        return Plan::Unpark;
    }
    // Before anything is fetched: Box gives no bytes of what lies in its trash.
    if let Some(restore) = restore(picture, parent) {
        return restore;
    }
    if let Some(copy) = copy(node, content, parent) {
        return slot(picture).unwrap_or(copy);
    }
    if content.ranges.is_some() {
        return Plan::Complete(content.id);
    }
    let sealed = matches!(content.state, ContentState::Sealed { .. });
    match (node.unsealed, open.pushed != Pushed::No) {
        (true, true) if !sealed || open.pushed == Pushed::Unsealed => return Plan::SealOpen(content.id),
        (true, true) if Some(node.generation) == sent(node) => return Plan::Wait(Wait::OpenForWriting),
        (true, true) => {}
        (true, false) => return Plan::Seal(content.id),
        (false, _) if !sealed => return Plan::Seal(content.id),
        (false, _) => {}
    }
    if let Some(step) = slot(picture) {
        return step;
    }
    match node.item() {
        None => {
            let target = Target::New { parent: parent.to_owned(), name: node.name.clone() };
            upload(picture, target).map_or(Plan::Wait(Wait::MissingRanges), |u| Plan::Call(Call::Upload(u)))
        }
        Some(item) => version(picture, item, parent),
    }
}

/// The generation that Box has.
fn sent(node: &Node) -> Option<u64> {
    node.base.as_ref().and_then(|b| b.generation)
}

/// A file without an id whose bytes are, untouched, a version in Box: that version is copied there.
fn copy(node: &Node, content: &ContentRow, parent: &str) -> Option<Plan> {
    let untouched = node.box_id.is_none() && !node.unsealed && content.state == ContentState::Clean;
    let origin = content.origin.as_ref().filter(|_| untouched)?;
    Some(Plan::Call(Call::Copy {
        file_id: origin.file_id.clone(),
        version: origin.version.clone(),
        sha1: origin.sha1,
        generation: node.generation,
        parent: parent.to_owned(),
        name: node.name.clone(),
    }))
}

/// Edited here, in the trash there: the id comes back, and takes the bytes as its next version.
fn restore(picture: &Picture, parent: &str) -> Option<Plan> {
    let item = picture.node.item().filter(|_| picture.remote.as_ref().is_some_and(|r| r.trashed))?;
    Some(Plan::Call(Call::Restore { item, name: picture.node.name.clone(), parent: parent.to_owned() }))
}

fn version(picture: &Picture, item: BoxId, parent: &str) -> Plan {
    let node = &picture.node;
    let (Some(base), Some(remote)) = (&node.base, &picture.remote) else { return Plan::Look(item) };
    if remote.version != base.version {
        let ours = match picture.content.as_ref().map(|c| c.state) {
            Some(ContentState::Sealed { sha1 }) => Some(sha1),
            _ => None,
        };
        let nothing_foreign = remote.sha1.is_some() && (remote.sha1 == ours || remote.sha1 == base.sha1);
        return if nothing_foreign { Plan::Rebase } else { Plan::Split };
    }
    // The parent cannot travel with the bytes: a move goes first, so that the name is free where the bytes go.
    if base.parent != parent {
        return update(picture, item, parent);
    }
    if picture.needed {
        return Plan::Wait(Wait::CopyFirst);
    }
    let rename = (base.name != node.name).then(|| node.name.clone());
    let target =
        Target::Version { file_id: item.id, rename, if_match: remote.etag.clone(), base_version: base.version.clone() };
    upload(picture, target).map_or(Plan::Wait(Wait::MissingRanges), |u| Plan::Call(Call::Upload(u)))
}

/// The upload of the node's sealed bytes; `None` if they are not sealed.
fn upload(picture: &Picture, target: Target) -> Option<Upload> {
    let content = picture.content.as_ref()?;
    let ContentState::Sealed { sha1 } = content.state else { return None };
    let node = &picture.node;
    Some(Upload {
        ino: node.ino,
        target,
        content: content.id,
        generation: node.generation,
        size: content.size,
        sha1,
        stamp: content.stamp?,
        created: node.attr.btime.min(node.attr.mtime),
        modified: node.attr.mtime,
        steady: false,
    })
}

/// Name, parent and time that differ, in one `PUT`.
fn update(picture: &Picture, item: BoxId, parent: &str) -> Plan {
    let node = &picture.node;
    let (Some(base), Some(remote)) = (&node.base, &picture.remote) else { return Plan::Look(item) };
    let name = (base.name != node.name).then(|| node.name.clone());
    let moved = (base.parent != parent).then(|| parent.to_owned());
    // A time travels with its bytes; alone only when the bytes are Box's.
    let modified = (node.time_dirty() && !node.content_dirty()).then_some(node.attr.mtime);
    if name.is_none() && moved.is_none() && modified.is_none() {
        return Plan::Clean;
    }
    // A move ignores If-Match (API.md 3.6), and a rename has no bytes at stake: only a time is tied to a version.
    let if_match = modified.is_some().then(|| remote.etag.clone()).flatten();
    Plan::Call(Call::Update { item, name, parent: moved, modified, if_match })
}

/// Whether the wanted name is free in Box; if not, what to do about its holder.
fn slot(picture: &Picture) -> Option<Plan> {
    let holder = picture.slot.as_ref()?;
    let node = &picture.node;
    let wants_name = node.box_id.is_none() || node.place_dirty(picture.parent.id.as_deref());
    if !wants_name {
        return None;
    }
    Some(match &holder.node {
        None => Plan::Look(holder.item.clone()),
        Some(_) if holder.in_cycle && node.box_id.is_some() => step_aside(picture),
        Some(other) if other.presence == Presence::Here && same_place(other, node) => {
            Plan::Wait(Wait::Held(Hold::NeedsUser { reason: format!("name clashes with {}", other.name) }))
        }
        Some(other) => Plan::Wait(Wait::NameHeld { by: held_by(holder, other) }),
    })
}

/// Two siblings whose names Box does not tell apart; neither is about to leave.
fn same_place(a: &Node, b: &Node) -> bool {
    a.parent == b.parent && fold(&a.name) == fold(&b.name)
}

fn held_by(holder: &SlotHolder, node: &Node) -> String {
    format!("'{}' ({})", node.name, holder.item)
}

/// A cycle of names is broken by a temporary one; the right name follows when the slot is free. Somebody else may have renamed the
/// item since.
fn step_aside(picture: &Picture) -> Plan {
    let node = &picture.node;
    let (Some(item), Some(base)) = (node.item(), &node.base) else { return Plan::Wait(Wait::InFlight) };
    let name = parked_name(&node.name, node.ino.0);
    if picture.remote.as_ref().map_or(&base.name, |remote| &remote.name) == &name {
        return Plan::Wait(Wait::NameHeld { by: "a swap under way".to_owned() });
    }
    Plan::Call(Call::Update { item, name: Some(name), parent: None, modified: None, if_match: None })
}

#[cfg(test)]
mod table;
