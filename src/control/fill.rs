//! Filling ahead: walks what is below a node, has its folders listed and its files fetched, and says how far it is.
//!
//! Keeps a page of one folder's files and the folders still to be walked in memory, never the account. What was fetched stays when
//! it is cut off: begun again, it goes on where it was.

use crate::base::Ino;
use crate::vfs::{Member, Vfs, VfsError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Folders and files that are asked for at once: what the engine lists and keeps in parallel, and a few that wait for their turn.
const MAX_AT_ONCE: usize = 12;
/// Files up to this size of which nothing is here are fetched together, where there are several: each alone costs two calls, together they
/// cost two. Larger ones come faster over connections of their own.
const SMALL_BYTES: u64 = 512 << 10;
/// What is fetched together: at least so many that it saves calls, at most so many files and bytes that what is cut off costs little.
const TOGETHER_AT_LEAST: usize = 4;
const TOGETHER_FILES: usize = 200;
const TOGETHER_BYTES: u64 = 32 << 20;
/// The least between two walks of the pins: changes come in bursts.
const WALK_PINS_EVERY: Duration = Duration::from_secs(2);
/// Pins are walked at least so often: what could not be fetched is tried again.
const WALK_PINS_AT_LEAST: Duration = Duration::from_secs(300);

/// What is to be here afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Names,
    NamesAndBytes,
}

/// How far filling is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filling {
    /// Folders listed, and those known but not looked at yet.
    pub folders: u64,
    pub folders_left: u64,
    pub files: u64,
    /// Bytes of all files seen so far, and those of them that are here.
    pub bytes: u64,
    pub bytes_here: u64,
    /// Files and folders that could not be had.
    pub failed: u64,
    /// Why the first of them could not.
    pub trouble: Option<String>,
}

/// One answer on the way.
enum Step {
    Page {
        folder: Ino,
        members: Vec<Member>,
        next: Option<Ino>,
    },
    Kept(Member),
    /// Fetched together: those that are here, and those that are not yet.
    Together {
        here: Vec<Member>,
        left: Vec<Member>,
    },
    NoPage(VfsError),
    Failed(VfsError),
}

/// A walk under way.
struct Walk {
    vfs: Arc<Vfs>,
    wish: Wish,
    folders: Vec<(Ino, Ino)>,
    /// Pages of folders that are being read.
    pages: usize,
    files: VecDeque<Member>,
    /// Small files that wait for more of them.
    small: Vec<Member>,
    small_bytes: u64,
    steps: JoinSet<Step>,
    filling: Filling,
}

/// Brings what is below `top` here; `tell` hears how far it is. Ends early when Box cannot be reached, or nobody listens any more.
pub async fn fill(vfs: Arc<Vfs>, top: Ino, wish: Wish, mut tell: impl FnMut(&Filling) -> bool) -> Filling {
    let mut walk = Walk {
        vfs: vfs.clone(),
        wish,
        folders: Vec::new(),
        pages: 0,
        files: VecDeque::new(),
        small: Vec::new(),
        small_bytes: 0,
        steps: JoinSet::new(),
        filling: Filling::default(),
    };
    match vfs.until_answered(move |vfs| vfs.member(top)).await {
        Ok(member) => walk.take_in(member),
        Err(error) => walk.fail(&error),
    }
    while walk.begin() {
        let Some(step) = walk.steps.join_next().await else { break };
        let step = step.unwrap_or_else(|_| Step::Failed(VfsError::Unreachable));
        if !walk.note(step) || !tell(&walk.filling) {
            break;
        }
    }
    walk.filling
}

impl Walk {
    /// Begins as much as may be under way at once; whether anything is.
    fn begin(&mut self) -> bool {
        while self.steps.len() < MAX_AT_ONCE {
            let no_more_come = self.folders.is_empty() && self.pages == 0;
            let enough = self.small.len() >= TOGETHER_FILES || self.small_bytes >= TOGETHER_BYTES;
            if enough || (no_more_come && !self.small.is_empty()) {
                self.begin_together();
                continue;
            }
            if let Some(file) = self.files.pop_front() {
                let kept = self.vfs.clone().keep(file.ino);
                self.steps.spawn(async move { kept.await.map_or_else(Step::Failed, |()| Step::Kept(file)) });
            } else if let Some((folder, after)) = self.folders.pop() {
                let page = self.vfs.clone().until_answered(move |vfs| vfs.members(folder, after));
                self.pages += 1;
                self.steps.spawn(async move {
                    let page = page.await;
                    page.map_or_else(Step::NoPage, |(members, next)| Step::Page { folder, members, next })
                });
            } else {
                break;
            }
        }
        self.filling.folders_left = self.folders.len() as u64;
        !self.steps.is_empty()
    }

    /// Small files that wait are fetched together; a few of them each by itself.
    fn begin_together(&mut self) {
        let mut bytes = 0;
        let fits = |file: &&Member| {
            bytes += file.size;
            bytes <= TOGETHER_BYTES
        };
        let count = self.small.iter().take(TOGETHER_FILES).take_while(fits).count();
        let rest = self.small.split_off(count);
        let some = std::mem::replace(&mut self.small, rest);
        self.small_bytes = self.small.iter().map(|file| file.size).sum();
        if some.len() < TOGETHER_AT_LEAST {
            return self.files.extend(some);
        }
        let kept = self.vfs.clone().keep_together(some.iter().map(|file| file.ino).collect());
        self.steps.spawn(async move {
            match kept.await {
                Ok(missing) => {
                    let (left, here) = some.into_iter().partition(|file| missing.contains(&file.ino));
                    Step::Together { here, left }
                }
                Err(error) => Step::Failed(error),
            }
        });
    }

    /// Whether to go on.
    fn note(&mut self, step: Step) -> bool {
        match step {
            Step::Page { folder, members, next } => {
                self.pages -= 1;
                match next {
                    Some(after) => self.folders.push((folder, after)),
                    None => self.filling.folders += 1,
                }
                members.into_iter().for_each(|member| self.take_in(member));
            }
            Step::Kept(file) => self.filling.bytes_here += file.missing,
            Step::Together { here, left } => {
                self.filling.bytes_here += here.iter().map(|file| file.missing).sum::<u64>();
                self.files.extend(left);
            }
            Step::NoPage(error) => {
                self.pages -= 1;
                return self.note(Step::Failed(error));
            }
            // Gone since its folder was read.
            Step::Failed(VfsError::Stale | VfsError::NotFound) => {}
            Step::Failed(error) => {
                self.fail(&error);
                return !matches!(error, VfsError::Unreachable);
            }
        }
        true
    }

    fn take_in(&mut self, member: Member) {
        if member.is_folder {
            self.folders.push((member.ino, Ino(0)));
            return;
        }
        self.filling.files += 1;
        self.filling.bytes += member.size;
        self.filling.bytes_here += member.size.saturating_sub(member.missing);
        if member.missing == 0 || self.wish != Wish::NamesAndBytes {
            return;
        }
        if member.missing == member.size && member.size <= SMALL_BYTES {
            self.small_bytes += member.size;
            self.small.push(member);
        } else {
            self.files.push_back(member);
        }
    }

    fn fail(&mut self, error: &VfsError) {
        self.filling.failed += 1;
        self.filling.trouble.get_or_insert_with(|| error.to_string());
    }
}

/// Keeps what is pinned as Box has it, as long as the mount lives.
pub async fn keep_pins(vfs: Arc<Vfs>) {
    let mut news = vfs.news();
    loop {
        news.borrow_and_update();
        let pins = vfs.clone().until_answered(Vfs::pins).await;
        match pins {
            Ok(pins) => {
                for pin in pins {
                    let filling = fill(vfs.clone(), pin, Wish::NamesAndBytes, |_| true).await;
                    if let Some(trouble) = filling.trouble {
                        log::warn!("{} files of a pin are not here: {trouble}", filling.failed);
                    }
                }
            }
            Err(error) => log::error!("the pins cannot be read: {error}"),
        }
        tokio::time::sleep(WALK_PINS_EVERY).await;
        // Either way it is time for a walk.
        let _ = tokio::time::timeout(WALK_PINS_AT_LEAST, news.changed()).await;
    }
}
