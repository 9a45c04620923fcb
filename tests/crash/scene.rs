//! One crash: a mount whose daemon kills itself at a point, the next mount of the same state, and what Box has then.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use boxfs::emulator::Options;

use crate::support::{Mode, Mount, Mounter, SOON, World, eventually_ok, sha1_hex, tree_at};

/// Small sessions and parts, so that files above the border of chunked uploads have several parts.
const PART_BYTES: u64 = 6 << 20;
/// Short, so that nobody waits; long enough that a file is not sent between two calls of a story.
const SETTLE: &str = "100ms";

/// Every file of Box with the SHA-1 of all its versions, oldest first, and every folder with none.
pub type Versions = BTreeMap<String, Vec<String>>;

/// A path of Box, and the bytes of its versions.
pub type File = (&'static str, Vec<Vec<u8>>);

/// What a program does, and what Box has when all is over.
pub struct Story {
    /// Done in an earlier run that ends in order.
    pub before: fn(&World, &Path) -> io::Result<()>,
    /// Done while the daemon dies; done again where the daemon died in one of its calls.
    pub act: fn(&World, &Path) -> io::Result<()>,
    /// The versions of each file of Box in the end, oldest first; a folder has none.
    pub end: fn() -> Vec<File>,
    /// Items in Box's trash in the end.
    pub trashed: usize,
}

/// What the next start finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The program was told that it is done, and it arrives by itself.
    Promised,
    /// The program's last call failed, and what it did arrives all the same.
    Kept,
    /// The program's call failed, its file is told to be interrupted, and nothing is sent until the program writes again.
    Interrupted,
    /// The program's call failed and did nothing; the program does it again.
    Undone,
}

/// What a crash may leave behind for good.
#[derive(Clone, Copy, Default)]
pub struct Left {
    /// Files in `rescue/`.
    pub rescued: usize,
    /// Upload sessions of which boxfs never learned.
    pub sessions: usize,
}

/// Nothing.
pub const NOTHING: Left = Left { rescued: 0, sessions: 0 };

/// Kills the daemon at the `nth` passing of `point` while the story is acted, and proves that it ends well all the same.
pub fn crash(mode: Mode, point: &str, nth: u32, story: &Story, found: Found, left: Left) {
    let options = Options { min_session_bytes: PART_BYTES, part_size: Some(PART_BYTES), ..Options::default() };
    let world = World::with(mode, options);
    let mounter = || world.mounter("main").args(["--settle", SETTLE]);
    let mount = mounter().start();
    (story.before)(&world, &mount.root).unwrap();
    mount.umount();
    let before = versions(&world);
    let acted = act_and_die(&world, mounter(), point, nth, story);
    assert_eq!(acted.is_ok(), found == Found::Promised, "{acted:?}");
    let mount = mounter().start();
    match found {
        Found::Promised | Found::Kept => {}
        Found::Interrupted => {
            let told = mount.command(&["status"], "").ok().stdout;
            assert!(told.contains("interrupted"), "{told}");
            mount.command(&["wait", "--timeout", "20"], "").expect_code(3);
            assert_eq!(versions(&world), before, "nothing is guessed");
            (story.act)(&world, &mount.root).unwrap();
        }
        Found::Undone => {
            mount.wait();
            assert_eq!(versions(&world), before, "it was not to be done");
            (story.act)(&world, &mount.root).unwrap();
        }
    }
    mount.wait();
    expect_end(&world, &mount, story, left);
    mount.umount();
}

/// What the program was told. The daemon died at the point, by SIGKILL.
fn act_and_die(world: &World, mounter: Mounter, point: &str, nth: u32, story: &Story) -> io::Result<()> {
    let mount = mounter.variable("BOXFS_FAILPOINTS", &format!("{point}=kill@{nth}")).start();
    let acted = (story.act)(world, &mount.root);
    if acted.is_ok() {
        // A deleted file is kept in Box for a while, unless somebody waits; who does sees the daemon die.
        mount.command(&["wait", "--timeout", "20"], "");
    }
    let log = mount.log.clone();
    let status = mount.death(SOON);
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(&format!("failpoint {point}: killing this process\n")), "it died elsewhere: {log}");
    acted
}

fn versions(world: &World) -> Versions {
    let items = world.emulator.items().into_iter().filter(|item| !item.trashed);
    let of = |id: &str, version: &String| sha1_hex(&world.emulator.read(id, Some(version)).unwrap());
    items.map(|item| (shorn(item.path), item.version_ids.iter().map(|v| of(&item.id, v)).collect())).collect()
}

/// A conflict copy without the host and the date in its name.
fn shorn(path: String) -> String {
    match path.split_once(" (conflict ") {
        Some((stem, _)) => format!("{stem} (conflict)"),
        None => path,
    }
}

/// Box has exactly what the story ends with, nobody is on the way any more, and the mount shows the same.
fn expect_end(world: &World, mount: &Mount, story: &Story, left: Left) {
    let end = (story.end)().into_iter();
    let end: Versions =
        end.map(|(path, bytes)| (path.to_owned(), bytes.iter().map(|b| sha1_hex(b)).collect())).collect();
    assert_eq!(versions(world), end, "Box (left) has something else");
    let trashed = world.emulator.items().into_iter().filter(|item| item.trashed).count();
    assert_eq!(trashed, story.trashed, "{:#?}", world.emulator.items());
    let folder = || "folder".to_owned();
    let shown: BTreeMap<_, _> =
        end.iter().map(|(path, versions)| (path.clone(), versions.last().cloned().unwrap_or_else(folder))).collect();
    let tree: BTreeMap<_, _> = tree_at(&mount.root).into_iter().map(|(path, sha1)| (shorn(path), sha1)).collect();
    assert_eq!(tree, shown, "the mount (left) shows something else");
    // All of them have just been read.
    let files = end.values().filter(|versions| !versions.is_empty()).count();
    eventually_ok(SOON, || {
        let sessions = world.emulator.sessions().into_iter().filter(|s| s.committed.is_none()).count();
        let state = |dir: &str| files_in(&mount.state_dir.join(dir));
        let (spool, rescue, cache) = (state("spool"), state("rescue"), files_in(&mount.cache_dir));
        let found = (sessions, spool.len(), rescue.len(), cache.len());
        let expected = (left.sessions, 0, left.rescued, files);
        let told = || format!("{found:?}, not {expected:?}: {spool:?}, {rescue:?}, {cache:?}");
        if found == expected { Ok(()) } else { Err(told()) }
    });
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
