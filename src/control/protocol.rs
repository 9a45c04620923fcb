//! What travels over the socket. One JSON object per line, each with the protocol's version.
//!
//! A long request ([`Request::Wait`], [`Request::Unmount`]) is answered by any number of [`Reply::Progress`] and then
//! one last reply; every other request by one reply.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use super::fill::Filling;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Raised when an older side would misread a newer one.
const PROTOCOL_VERSION: u32 = 1;

/// Paths are relative to what the mount shows: `docs/a.txt`; empty is everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Answered by [`Reply::Status`], its lists restricted to what is below `path`.
    Status { path: String },
    /// Ends with [`Reply::Done`] once Box has all below `path`, or with [`Reply::Pending`] when the time is over.
    /// The settle time is skipped.
    Wait { path: String, timeout_ms: Option<u64> },
    /// Tries failed items below `path` again at once: [`Reply::Done`].
    Retry { path: String },
    /// Keeps all below `path` on this machine from now on, and brings it here as [`Request::Prefetch`] does.
    Pin { path: String },
    /// The pin of `path` itself goes: [`Reply::Done`].
    Unpin { path: String },
    /// Drops the bytes below `path` that Box has and nothing keeps: [`Reply::Evicted`].
    Evict { path: String },
    /// Brings the names below `path` here, and with `bytes` the files' bytes: [`Reply::Filling`] on the way, then [`Reply::Filled`].
    Prefetch { path: String, bytes: bool },
    /// Box's own picture of the file at `path`, at most `side` pixels high and wide: [`Reply::Thumbnail`].
    Thumbnail { path: String, side: u32 },
    /// Changes at or below `path` as they are applied: [`Reply::Change`] and [`Reply::Missed`] until the client goes.
    Watch { path: String },
    /// The versions of a file: [`Reply::Versions`].
    Versions { path: String },
    /// Makes the version with this number the current one again: [`Reply::Done`].
    RestoreVersion { path: String, number: u64 },
    /// What lies in the trash: [`Reply::Trash`].
    Trash,
    /// Puts an item back where it was: [`Reply::Restored`].
    RestoreTrashed { kind: String, id: String },
    /// What needs a person below `path`: [`Reply::Troubles`].
    Conflicts { path: String },
    /// What discarding the item at `path` would do, or with `act` does: [`Reply::Discarded`].
    Discard { path: String, act: bool },
    /// Where the bytes of the file at `path` are on this machine: [`Reply::Located`].
    Locate { path: String },
    /// Nothing more is sent, or everything again: [`Reply::Done`].
    Pause { pause: bool },
    /// Held deletions are carried out, or taken back: [`Reply::Count`].
    Deletions { undo: bool },
    /// The user has seen the notices: [`Reply::Done`].
    Dismiss,
    /// Somebody has signed in: whatever waits for that is tried at once. [`Reply::Done`].
    SignedIn,
    /// As `Wait` for everything, then the mount goes and the daemon ends, whichever the last reply is.
    /// A `timeout_ms` of 0 does not wait.
    Unmount { timeout_ms: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    Status(Box<StatusReport>),
    Troubles(Box<Troubles>),
    Count {
        count: u64,
    },
    Discarded {
        what: Discarded,
    },
    /// `None`: none of its bytes are here.
    Located {
        found: Option<Located>,
    },
    /// At least once a second while a long request lasts.
    Progress(Progress),
    /// How far bringing something here is.
    Filling(Filling),
    Change(Change),
    /// The client was too slow for so many changes.
    Missed {
        count: u64,
    },
    /// It ended here.
    Filled(Filling),
    Evicted(Amount),
    /// A PNG in Base64; `None`: Box makes none of such a file, or does not have its bytes yet.
    Thumbnail {
        png: Option<String>,
    },
    /// The oldest first.
    Versions {
        versions: Vec<Version>,
    },
    Trash {
        items: Vec<TrashedItem>,
    },
    Restored {
        name: String,
    },
    Done,
    /// The time is over and this is left.
    Pending(Pending),
    Error {
        refusal: Refusal,
        message: String,
    },
}

impl Reply {
    /// Whether no further reply follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Reply::Progress(_) | Reply::Filling(_) | Reply::Change(_) | Reply::Missed { .. })
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The two sides do not understand each other.
    BadRequest,
    NoSuchPath,
    /// Too many requests at once, or the mount is in use.
    Busy,
    SignInNeeded,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

/// The object of `boxfs status --json`: scripts rely on its names. Times are RFC 3339; lists are bounded by the
/// daemon, the counts beside them are not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    pub mountpoint: String,
    /// `None` until Box has said who we are.
    pub account: Option<Account>,
    /// Since when nothing is sent because the user says so (`boxfs pause`).
    pub paused: Option<String>,
    /// Deletions that wait for `boxfs confirm` or `boxfs undo`.
    pub held_deletions: u64,
    pub online: bool,
    /// Box takes no token of ours: `boxfs login` heals that.
    pub sign_in_needed: bool,
    /// Why Box cannot be used, if it cannot.
    pub trouble: Option<String>,
    /// Bytes per second that go up, over the last seconds.
    pub speed: u64,
    /// What Box does not have yet.
    pub pending: Amount,
    pub uploading: Vec<Uploading>,
    pub failed: Vec<Failure>,
    pub conflicts: Vec<Conflict>,
    pub cache: Space,
    pub spool: Space,
    pub api: ApiUse,
    /// For which programs most was fetched since the mount.
    pub readers: Vec<Reader>,
    pub events: Events,
    /// Why pending items do not move, oldest first.
    pub waiting: Vec<Waiting>,
    /// Paths of what is kept on this machine alone.
    pub local_only: Vec<String>,
    /// What happened that a person should know, newest first, until `boxfs conflicts --dismiss`.
    pub notices: Vec<Notice>,
}

/// What needs a person, in longer lists than a status has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    pub conflicts: Vec<Conflict>,
    pub failed: Vec<Failure>,
    pub notices: Vec<Notice>,
}

/// What discarding an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discarded {
    /// Box has all of it.
    Nothing,
    /// So many bytes go; Box's version shows again.
    Reverted { bytes: u64 },
    /// So many bytes go, and the name with them.
    Removed { bytes: u64 },
    /// It has its old name, folder or time again.
    MovedBack,
    /// The deleted item is here again.
    Undeleted,
}

/// The bytes of a file on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub file: PathBuf,
    pub size: u64,
    /// What of them is in Box only.
    pub missing: Vec<Range<u64>>,
}

/// Something that happened and that leaves nothing to be done by boxfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub at: String,
    /// Empty: the whole mount.
    pub path: String,
    pub what: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub login: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploading {
    pub path: String,
    /// Bytes that Box has confirmed.
    pub sent: u64,
    pub size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub path: String,
    /// What the next `fsync` or `close` says, if it says anything.
    pub errno: Option<i32>,
    pub reason: String,
    /// `None`: not by itself.
    pub next_try: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Box's version.
    pub path: String,
    /// Where the local version went.
    pub copy: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    pub bytes: u64,
    pub limit: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiUse {
    /// Since the mount, by kind.
    pub calls: BTreeMap<String, u64>,
    pub throttled_until: Option<String>,
}

/// What a program cost that read files of which bytes were missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// As the kernel has it: at most 15 bytes.
    pub program: String,
    /// Requests for bytes.
    pub calls: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    pub position: Option<String>,
    /// Seconds since Box last said anything.
    pub age: Option<u64>,
    /// Whether they come. If not, the kernel believes names for a moment only, and folders are listed again when they are used.
    pub flow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub path: String,
    pub reason: String,
}

/// A line of `boxfs watch --json`: scripts rely on its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at: String,
    /// `created`, `edited`, `moved` or `deleted`.
    pub what: String,
    /// `file`, `folder` or `bookmark`.
    pub kind: String,
    pub path: String,
    /// Where it was; for `moved`.
    pub from: Option<String>,
    /// `box`: others made it, and the mount shows it. `mount`: it was made here, and is in Box.
    pub made_in: String,
    /// Login of whoever made it, where Box says so.
    pub by: Option<String>,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1, the oldest.
    pub number: u64,
    /// Box's own.
    pub id: String,
    pub size: u64,
    pub sha1: Option<String>,
    pub at: Option<String>,
    pub by: Option<String>,
    pub current: bool,
}

/// An item in Box's trash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashedItem {
    pub id: String,
    /// `file`, `folder` or `web_link`.
    pub kind: String,
    pub name: String,
    pub size: u64,
}

/// How far a long request is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is left; bytes not yet confirmed by Box.
    pub pending: Amount,
    pub uploading: Vec<Uploading>,
    /// Items that need a person or a later try.
    pub failed: u64,
    pub online: bool,
}

/// What is left when the time is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Since when nothing is sent because the user says so.
    #[serde(default)]
    pub paused: Option<String>,
    pub pending: Amount,
    pub failed: Vec<Failure>,
    pub waiting: Vec<Waiting>,
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    version: u32,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// One line, its newline included.
pub(super) fn encode<T: Serialize>(body: &T) -> String {
    let line = Outgoing { version: PROTOCOL_VERSION, body };
    let mut text = serde_json::to_string(&line).expect("texts, numbers and lists always encode");
    text.push('\n');
    text
}

/// # Errors
/// A sentence that says what is wrong with the line.
pub(super) fn decode<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    let version = serde_json::from_str::<VersionOnly>(line).map_err(|e| format!("not a line of ours: {e}"))?.version;
    if version != PROTOCOL_VERSION {
        return Err(format!(
            "the daemon and this command are of different versions (protocol {version} and {PROTOCOL_VERSION}): \
             unmount and mount again"
        ));
    }
    serde_json::from_str(line).map_err(|e| format!("not understood: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_survive_the_line() {
        let wait = Request::Wait { path: "a\nb".to_owned(), timeout_ms: Some(5) };
        let line = encode(&wait);
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(decode(&line), Ok(wait));
        let reply = Reply::Status(Box::new(StatusReport { online: true, ..StatusReport::default() }));
        assert_eq!(decode(&encode(&reply)), Ok(reply));
        let discarded = Reply::Discarded { what: Discarded::Reverted { bytes: 5 } };
        let located = Located { file: "/spool/1".into(), size: 5, missing: vec![1..2, 4..5] };
        for reply in [Reply::Done, discarded, Reply::Located { found: Some(located) }, Reply::Located { found: None }] {
            assert_eq!(decode(&encode(&reply)), Ok(reply));
        }
    }

    #[test]
    fn the_status_object_has_the_names_that_scripts_rely_on() {
        let object = serde_json::to_value(StatusReport::default()).unwrap();
        let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = [
            "account",
            "api",
            "cache",
            "conflicts",
            "events",
            "failed",
            "held_deletions",
            "local_only",
            "mountpoint",
            "notices",
            "online",
            "paused",
            "pending",
            "readers",
            "sign_in_needed",
            "speed",
            "spool",
            "trouble",
            "uploading",
            "waiting",
        ];
        assert_eq!(names, expected);
        assert_eq!(object["pending"], serde_json::json!({"count": 0, "bytes": 0}));
        assert_eq!(object["events"], serde_json::json!({"position": null, "age": null, "flow": false}));
    }

    #[test]
    fn another_version_is_told_what_to_do() {
        let error = decode::<Reply>("{\"version\":2,\"reply\":\"done\"}").unwrap_err();
        assert!(error.contains("unmount and mount again"), "{error}");
        assert!(decode::<Reply>("{}").is_err());
        assert!(decode::<Request>("{\"version\":1,\"request\":\"dance\"}").is_err());
    }
}
