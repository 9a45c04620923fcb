//! One save: the document as Box has it before, the steps on a real mount, and what Box has afterwards.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use boxfs::emulator::{Fault, FaultRule, FaultScript, ItemReport};

use crate::box_side::{Attached, attach, attached};
use crate::replay::Replay;
use crate::support::{Mode, Mount, SOON, World, at_full_size, bytes_of, eventually};
use crate::trace::{Seed, Trace};

/// What happens between the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    AtOnce,
    /// Each step settles.
    Slowly,
    /// The daemon is killed, and mounts again.
    Killed,
    /// Nothing, but Box cannot be reached until the last step is done.
    Offline,
}

/// Longer than the steps of a save take on the busiest machine; the wait at the end cuts it short.
const SETTLE_AT_ONCE: &str = "60s";
/// Often over between a mount and the next kill.
const SETTLE_KILLED: &str = "300ms";
/// Shorter than a pause.
const SETTLE_SLOWLY: &str = "50ms";
/// Box has heard nothing for so long: whatever was to settle has settled.
const QUIET: Duration = Duration::from_millis(150);
/// The document's time before, long past.
const OLD_TIME: i64 = 1_500_000_000;
/// Clocks are compared to the second.
const CLOCK_SLACK_SECS: i64 = 1;

/// What Box has before.
struct Before {
    id: String,
    versions: usize,
    attached: Attached,
}

/// What a plain directory has after the steps.
struct Expected {
    /// Path and SHA-1.
    files: BTreeMap<String, String>,
    modified: i64,
}

/// Replays the pattern on a mount and judges by what the emulator holds.
pub fn check(name: &str, way: Way, mode: Mode) {
    let trace = Trace::read(name);
    let world = World::new(mode);
    let expected = on_a_plain_directory(&trace, &world.make_dir("plain"));
    let before = prepare(&trace, &world);
    let started = now();
    let mount = perform(&trace, &world, way);
    let ended = now();
    mount.wait();
    let report = Report { trace: &trace, world: &world, way };
    report.document(&before, &expected, started..=ended);
    report.siblings(&expected);
    report.trash();
    report.calls();
    drop(mount);
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The bytes of a file before the save.
fn bytes_before(trace: &Trace, seed: &Seed) -> Vec<u8> {
    let number = trace.beside.iter().position(|other| other == seed).map_or(0, |n| n as u64 + 1);
    bytes_of(seed.size, number)
}

fn seeds(trace: &Trace) -> impl Iterator<Item = &Seed> {
    std::iter::once(&trace.document).chain(&trace.beside)
}

/// What any file system makes of the steps.
fn on_a_plain_directory(trace: &Trace, dir: &Path) -> Expected {
    for seed in seeds(trace) {
        let path = dir.join(&seed.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes_before(trace, seed)).unwrap();
        let old = UNIX_EPOCH + Duration::from_secs(OLD_TIME.unsigned_abs());
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let mut replay = Replay::new(dir, bytes_before(trace, &trace.document));
    trace.steps.iter().for_each(|step| replay.perform(step));
    drop(replay);
    let modified = dir.join(&trace.document.path).metadata().unwrap().mtime();
    let files = crate::support::tree_at(dir).into_iter().filter(|(_, sha1)| sha1 != "folder");
    Expected { files: files.map(|(path, sha1)| (path[1..].to_owned(), sha1)).collect(), modified }
}

/// Two versions of the document, with a shared link and a description.
fn prepare(trace: &Trace, world: &World) -> Before {
    let act = world.emulator.act();
    let document = format!("/{}", trace.document.path);
    act.write_file(&document, b"the version before").unwrap();
    for seed in seeds(trace) {
        let path = format!("/{}", seed.path);
        act.write_file(&path, &bytes_before(trace, seed)).unwrap();
        act.set_content_modified_at(&path, OLD_TIME).unwrap();
    }
    let item = world.in_box(&document);
    Before { versions: item.version_ids.len(), attached: attach(world, &item.id), id: item.id }
}

fn perform(trace: &Trace, world: &World, way: Way) -> Mount {
    let settle = match way {
        Way::AtOnce | Way::Offline => SETTLE_AT_ONCE,
        Way::Killed => SETTLE_KILLED,
        Way::Slowly => SETTLE_SLOWLY,
    };
    let mount_again = || world.mounter("main").args(["--settle", settle]).start();
    let mut mount = mount_again();
    // The program has read what it saves; files that it looks at first are listed.
    for seed in seeds(trace) {
        std::fs::read(mount.at(&seed.path)).unwrap();
    }
    world.emulator.reset_requests();
    if way == Way::Offline {
        world.emulator.set_faults(FaultScript { rules: vec![nothing_gets_through()], ..FaultScript::default() });
    }
    let mut replay = Replay::new(&mount.root, bytes_before(trace, &trace.document));
    for (n, step) in trace.steps.iter().enumerate() {
        replay.perform(step);
        // In the small size, where the step before has changed no name, the next has nothing else to find.
        let last = n + 1 == trace.steps.len();
        if last || !(step.is_about_names() || at_full_size()) {
            continue;
        }
        match way {
            Way::AtOnce | Way::Offline => {}
            Way::Slowly => until_quiet(world),
            Way::Killed => {
                mount.kill();
                replay.forget_dead_files();
                mount = mount_again();
                replay.open_again();
            }
        }
    }
    drop(replay);
    world.emulator.set_faults(FaultScript::default());
    mount
}

fn nothing_gets_through() -> FaultRule {
    FaultRule {
        method: None,
        path: "*".to_owned(),
        nth: None,
        times: None,
        probability: None,
        fault: Fault::CloseBefore,
    }
}

/// Waits until Box has heard nothing for longer than the settle time.
fn until_quiet(world: &World) {
    let mut heard = (world.emulator.requests().len(), std::time::Instant::now());
    eventually("Box hears nothing more", SOON, || {
        let count = world.emulator.requests().len();
        if count != heard.0 {
            heard = (count, std::time::Instant::now());
        }
        heard.1.elapsed() > QUIET
    });
}

/// What Box holds, against what it should.
struct Report<'a> {
    trace: &'a Trace,
    world: &'a World,
    way: Way,
}

impl Report<'_> {
    fn document(&self, before: &Before, expected: &Expected, while_saved: std::ops::RangeInclusive<i64>) {
        let path = &self.trace.document.path;
        let after = self.world.in_box(&format!("/{path}"));
        assert_eq!(after.id, before.id, "the id; {:#?}", self.world.emulator.items());
        assert_eq!(after.sha1, expected.files[path], "the bytes of {after:?}");
        let made = after.version_ids.len() - before.versions;
        let (least, most) = match self.way {
            Way::AtOnce | Way::Offline => (self.trace.versions, self.trace.versions),
            Way::Slowly => (self.trace.versions_slow, self.trace.versions_slow),
            // A mount sends at once what it finds closed or synced: how much that is depends on how fast it starts.
            Way::Killed => {
                (self.trace.versions, self.trace.versions_slow.max(self.trace.versions) + self.trace.syncs())
            }
        };
        assert!((least..=most).contains(&made), "{made} new versions instead of {least} to {most}");
        assert_eq!(attached(self.world, &before.id), before.attached);
        self.time(&after, expected.modified, while_saved);
    }

    /// A time that the program sets, or that of its last write.
    fn time(&self, after: &ItemReport, expected: i64, while_saved: std::ops::RangeInclusive<i64>) {
        if while_saved.start() - expected > 24 * 3600 {
            return assert_eq!(after.content_modified_at, expected, "the time that the program set");
        }
        let span = while_saved.start() - CLOCK_SLACK_SECS..=while_saved.end() + CLOCK_SLACK_SECS;
        assert!(span.contains(&after.content_modified_at), "{} is not in {span:?}", after.content_modified_at);
    }

    /// Every other file too, and nothing else: no temporary file, no copy.
    fn siblings(&self, expected: &Expected) {
        let there: BTreeMap<String, String> = crate::support::tree_in_box(self.world)
            .into_iter()
            .filter(|(_, sha1)| sha1 != "folder")
            .map(|(path, sha1)| (path[1..].to_owned(), sha1))
            .collect();
        let mut wanted = expected.files.clone();
        wanted.retain(|path, _| !self.trace.stays.contains(path));
        assert_eq!(there, wanted, "what Box has (left) and what the save leaves");
        let known: Vec<&String> = seeds(self.trace).map(|seed| &seed.path).collect();
        let left: Vec<&String> = there.keys().filter(|path| !known.contains(path)).collect();
        assert_eq!(left, self.trace.leaves.iter().collect::<Vec<_>>(), "what is left beside the document");
    }

    /// In one go nothing passes through Box's trash; otherwise at most what the program has deleted itself.
    fn trash(&self) {
        let trashed: Vec<ItemReport> = self.world.emulator.items().into_iter().filter(|item| item.trashed).collect();
        if matches!(self.way, Way::AtOnce | Way::Offline) {
            assert_eq!(trashed, [], "the trash");
        }
        let document = format!("/{}", self.trace.document.path);
        assert!(trashed.iter().all(|item| item.path != document), "the document in the trash: {trashed:#?}");
    }

    fn calls(&self) {
        let sent = self.world.changing_requests().into_iter().filter(|r| (200..300).contains(&r.status));
        let sent: Vec<String> = sent.map(|r| format!("{} {}", r.method, r.path)).collect();
        match self.way {
            Way::AtOnce | Way::Offline => {
                let right = self.trace.calls..=self.trace.calls_most;
                assert!(right.contains(&sent.len()), "{right:?} calls instead of {sent:#?}");
            }
            Way::Slowly | Way::Killed => {}
        }
    }
}
