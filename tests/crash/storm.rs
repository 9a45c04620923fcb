//! The invariants of the engine (I1, I2, I4, I5, I8 and I10 of one user; `company.rs` has what needs two) on the real daemon:
//! mixed work while the daemon is killed at random moments and every twentieth call to Box goes wrong. In the end Box has what a
//! plain directory has, on which the same work was done.
//!
//! `scripts/soak` runs it for long. A step counts once all its calls have succeeded; one that was cut off by a kill is done again
//! after the next mount, as a person would.

mod steps;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use boxfs::emulator::{FaultScript, Options, SessionReport};
use nix::sys::signal::{Signal, kill};

use crate::support::{Mode, Mount, Mounter, SOON, Tree, World, eventually_ok, tree_at, tree_in_box};
use steps::{Step, Work};

/// What `scripts/test` has time for.
const FEW_KILLS: u32 = 20;
/// Large files have several parts.
const PART_BYTES: u64 = 5 << 20;
/// From a mount to the kill, milliseconds.
const LIFE_MS: std::ops::Range<u64> = 20..2_000;
/// The last mount sends what is left, through all the faults.
const LAST_LIMIT: Duration = Duration::from_secs(300);

#[test]
fn nothing_is_lost_or_doubled_in_a_storm_of_kills() {
    let kills = asked("BOXFS_SOAK_KILLS").unwrap_or(FEW_KILLS.into());
    let seed = asked("BOXFS_SOAK_SEED").unwrap_or(1);
    println!("storm: {kills} kills, seed {seed}");
    let options = Options { min_session_bytes: PART_BYTES, part_size: Some(PART_BYTES), ..Options::default() };
    let world = World::with(Mode::Copying, Options { commit_202: 1, faults: faults(seed), ..options });
    let mut storm = Storm::new(&world, seed);
    for _ in 0..kills {
        storm.work_until_killed();
    }
    storm.end();
}

/// One call in twenty goes wrong, in each way that a network and Box have.
fn faults(seed: u64) -> FaultScript {
    let api = "*/2.0/*";
    let mut rules = Vec::new();
    let mut rule = |path: &str, percent: f64, fault: serde_json::Value| {
        rules.push(serde_json::json!({"path": path, "probability": percent / 100.0, "do": fault}));
    };
    for status in [500, 502, 503, 504] {
        rule(api, 0.4, serde_json::json!({"kind": "answer", "status": status}));
        rule(api, 0.4, serde_json::json!({"kind": "answer_after", "status": status}));
    }
    rule(api, 0.4, serde_json::json!({"kind": "answer", "status": 429, "retry_after": 1}));
    rule(api, 0.4, serde_json::json!({"kind": "close_before"}));
    rule(api, 0.4, serde_json::json!({"kind": "close_after"}));
    rule(api, 0.4, serde_json::json!({"kind": "close_in_body", "bytes": 100}));
    rule(api, 0.4, serde_json::json!({"kind": "stall", "ms": 700}));
    rule(api, 0.2, serde_json::json!({"kind": "cut", "bytes": 20}));
    rule("*/events*", 1.0, serde_json::json!({"kind": "lose_events"}));
    rule("*/commit", 5.0, serde_json::json!({"kind": "answer", "status": 202, "retry_after": 1}));
    FaultScript::parse(&serde_json::json!({"seed": seed, "rules": rules}).to_string()).unwrap()
}

struct Storm<'a> {
    world: &'a World,
    random: fastrand::Rng,
    work: Work,
    /// A step that a kill cut off.
    open: Option<Step>,
    done: u32,
    mounts: u32,
}

impl Storm<'_> {
    fn new(world: &World, seed: u64) -> Storm<'_> {
        let work = Work::new(&world.make_dir("plain"), &world.make_dir("sources"), seed);
        Storm { world, random: fastrand::Rng::with_seed(seed), work, open: None, done: 0, mounts: 0 }
    }

    /// Both ways of file data take turns, where there are both.
    fn mounter(&mut self) -> Mounter {
        self.mounts += 1;
        let root = nix::unistd::geteuid().is_root();
        let mode = if root && self.mounts.is_multiple_of(2) { Mode::Passthrough } else { Mode::Copying };
        let mut mounter = self.world.mounter("main");
        mounter.mode = mode;
        mounter.args(["--settle", "50ms"])
    }

    fn work_until_killed(&mut self) {
        let mut mount = self.mounter().start();
        let pid = mount.pid();
        let life = Duration::from_millis(self.random.u64(LIFE_MS));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(life);
            kill(pid, Signal::SIGKILL).unwrap();
        });
        while mount.is_alive() {
            self.step(&mut mount);
        }
        killer.join().unwrap();
        mount.death(SOON);
    }

    fn step(&mut self, mount: &mut Mount) {
        let (step, again) = match self.open.take() {
            Some(step) => (step, true),
            None => (self.work.next_step(), false),
        };
        match self.work.perform(&step, &mount.root, again) {
            Ok(()) => {
                self.work.done(&step);
                self.done += 1;
            }
            Err(error) => {
                // The daemon's death is known a moment after the program's error.
                let dead = eventually_ok(SOON, || {
                    let dead = !mount.is_alive();
                    if dead { Ok(dead) } else { Err(format!("{step:?} failed under a living daemon: {error}")) }
                });
                assert!(dead);
                self.open = Some(step);
            }
        }
    }

    fn end(&mut self) {
        let mut mount = self.mounter().limit(LAST_LIMIT * 2).start();
        if self.open.is_some() {
            self.step(&mut mount);
        }
        let started = Instant::now();
        let secs = LAST_LIMIT.as_secs().to_string();
        let waited = mount.command_within(&["wait", "--timeout", &secs], LAST_LIMIT * 2);
        println!("storm: {} steps done, {:?} for the rest", self.done, started.elapsed());
        assert_eq!(waited.code, Some(0), "{}{}", waited.stdout, waited.stderr);
        let reference = tree_at(self.work.plain());
        expect_same(&tree_in_box(self.world), &reference, "Box", self.world);
        expect_same(&tree_at(&mount.root), &reference, "the mount", self.world);
        self.expect_nothing_left(&mount);
        mount.umount();
        self.expect_no_more_calls();
    }

    /// A start that finds everything in order changes nothing.
    fn expect_no_more_calls(&mut self) {
        self.world.emulator.reset_requests();
        let mount = self.mounter().start();
        mount.wait();
        mount.umount();
        let mut changing = self.world.changing_requests();
        // The answer to an abort was lost: it is sent once more, and Box knows no such session.
        changing.retain(|r| !(r.method == "DELETE" && r.path.contains("/upload_sessions/") && r.status == 404));
        assert!(changing.is_empty(), "one more mount changes Box: {changing:#?}");
    }

    /// No session that boxfs knew of, no version that was no file at any moment, no byte in the spool, no more versions than saves, no more in the trash than was deleted.
    fn expect_nothing_left(&self, mount: &Mount) {
        let emulator = &self.world.emulator;
        let requests = emulator.requests();
        eventually_ok(SOON, || {
            let spool = std::fs::read_dir(mount.state_dir.join("spool")).unwrap().count();
            let open = emulator.sessions().into_iter().filter(|session| session.committed.is_none());
            // A session is noted before anything is sent to it: one that has parts was known.
            let known: Vec<_> = open.filter(|session| session.parts_stored > 0).collect();
            if spool == 0 && known.is_empty() {
                return Ok(());
            }
            let about = |session: &SessionReport| requests.iter().filter(|r| r.path.contains(&session.id)).collect();
            let calls: Vec<Vec<_>> = known.iter().map(about).collect();
            Err(format!("{spool} spool files, sessions {known:#?} with {calls:#?}"))
        });
        let items = emulator.items();
        for item in &items {
            let torn = item.version_sha1s.iter().find(|sha1| !self.work.was_whole(sha1));
            assert_eq!(torn, None, "a version of {} that no program made", item.path);
        }
        let versions: usize = items.iter().map(|item| item.version_ids.len()).sum();
        assert!(versions <= self.work.saves(), "{versions} versions of {} saves", self.work.saves());
        let trashed = items.iter().filter(|item| item.trashed).count();
        assert!(trashed <= self.work.removals(), "{trashed} trashed for {} removals", self.work.removals());
        println!("storm: {} requests, {versions} versions, {trashed} in the trash", requests.len());
    }
}

/// Tells what differs, since the trees are long.
fn expect_same(found: &Tree, expected: &Tree, whose: &str, world: &World) {
    let missing: BTreeMap<_, _> = expected.iter().filter(|(path, sha1)| found.get(*path) != Some(sha1)).collect();
    let extra: BTreeMap<_, _> = found.iter().filter(|(path, _)| !expected.contains_key(*path)).collect();
    if !missing.is_empty() || !extra.is_empty() {
        keep(world.dir());
    }
    assert!(missing.is_empty(), "{whose} lacks or has otherwise {missing:#?}");
    assert!(extra.is_empty(), "{whose} has besides {extra:#?}");
}

/// The number in a variable of the environment.
pub fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Keeps the evidence where `BOXFS_SOAK_KEEP` says.
pub fn keep(dir: &Path) {
    if let Some(to) = std::env::var_os("BOXFS_SOAK_KEEP") {
        let copied = std::process::Command::new("cp").args(["-a", "--one-file-system"]).arg(dir).arg(&to).status();
        println!("storm: kept in {}: {copied:?}", to.display());
    }
}
