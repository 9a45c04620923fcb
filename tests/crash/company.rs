//! The invariants of the engine that need two people (I1 to I3, I7, I9 and I10), on the real daemon: two people work in one folder at the
//! same time, their daemons are killed, and Box fails, tells its news twice and in any order.
//!
//! Nobody knows what the end has to look like. But Box and both mounts agree on it, every save that its maker did not undo is in
//! Box, no version is what no program wrote, and a start that finds everything in order changes nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use boxfs::base::is_conflict_name;
use boxfs::emulator::{FaultScript, ItemReport, Options, UserOptions};

use crate::storm::{asked, keep};
use crate::support::{
    Mode, Mount, Tree, World, at_full_size, bytes_of, eventually_ok, moving_tree_at, sha1_hex, tree_in_box,
};

const SHARED: &str = "/shared";
const THEIR_LOGIN: &str = "they@example.com";
const THEIR_TOKEN: &str = "token-of-theirs-7b1e";

/// Steps of both people together.
const STEPS: usize = 160;
/// One step in so many is a kill.
const STEPS_A_KILL: u32 = 25;
const SEEDS: std::ops::Range<u64> = 1..4;
const MANY_SEEDS: std::ops::Range<u64> = 1..41;
/// A small name space, so that they meet.
const FOLDERS: [&str; 3] = ["", "one", "two"];
const NAMES: [&str; 4] = ["a.txt", "b.txt", "c.txt", "d.txt"];
const BYTES: std::ops::Range<usize> = 1..50_000;
const LONGEST_PAUSE_MS: u64 = 800;
/// What is left goes up through all the faults.
const END_LIMIT: Duration = Duration::from_secs(40);
/// Copies that one save by somebody else can lead to: of the bytes it covers, and of a new file that took the old name.
const COPIES_A_SAVE: usize = 2;

#[test]
fn people_who_work_in_one_folder_lose_nothing() {
    let seeds = if at_full_size() { MANY_SEEDS } else { SEEDS };
    for seed in asked("BOXFS_SOAK_SEED").map_or(seeds, |seed| seed..seed + 1) {
        println!("company: seed {seed}");
        let world = box_of_two();
        let folder = world.share(SHARED, THEIR_LOGIN, "editor");
        world.emulator.set_faults(faults(seed));
        let mut company = Company::new(&world, folder, seed);
        for _ in 0..STEPS {
            company.step();
        }
        company.end();
    }
}

fn box_of_two() -> World {
    let (name, login, token) = ("They".to_owned(), THEIR_LOGIN.to_owned(), THEIR_TOKEN.to_owned());
    let users = vec![UserOptions { name, login, token }];
    let options = Options { users, events_repeated: 3, events_shuffled: true, ..Options::default() };
    World::with(Mode::Copying, options)
}

/// Three calls in a hundred go wrong; some after Box has done what they asked.
fn faults(seed: u64) -> FaultScript {
    let rule = |fault: serde_json::Value| serde_json::json!({"path": "*/2.0/*", "probability": 0.005, "do": fault});
    let rules = [
        rule(serde_json::json!({"kind": "answer", "status": 503})),
        rule(serde_json::json!({"kind": "answer_after", "status": 500})),
        rule(serde_json::json!({"kind": "close_before"})),
        rule(serde_json::json!({"kind": "close_after"})),
        rule(serde_json::json!({"kind": "answer", "status": 429, "retry_after": 1})),
        rule(serde_json::json!({"kind": "stall", "ms": 300})),
    ];
    FaultScript::parse(&serde_json::json!({"seed": seed, "rules": rules}).to_string()).unwrap()
}

struct Company<'a> {
    world: &'a World,
    folder: String,
    random: fastrand::Rng,
    people: [Person; 2],
    saves: usize,
    /// The SHA-1 of everything that was ever saved.
    made: BTreeSet<String>,
}

impl Drop for Company<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines: Vec<String> = self.world.emulator.requests().iter().map(|r| format!("{r:?}")).collect();
            let _ = fs::write(self.world.dir().join("requests"), lines.join("\n"));
            keep(self.world.dir());
        }
    }
}

struct Person {
    name: &'static str,
    token: Option<&'static str>,
    mount: Option<Mount>,
    /// What this person saved, and neither changed nor deleted afterwards.
    saved: BTreeSet<String>,
}

impl Company<'_> {
    fn new(world: &World, folder: String, seed: u64) -> Company<'_> {
        let person = |name, token| Person { name, token, mount: None, saved: BTreeSet::new() };
        let people = [person("ours", None), person("theirs", Some(THEIR_TOKEN))];
        let random = fastrand::Rng::with_seed(seed);
        let mut company = Company { world, folder, random, people, saves: 0, made: BTreeSet::new() };
        company.mount(0);
        company.mount(1);
        company
    }

    fn mount(&mut self, who: usize) {
        let person = &mut self.people[who];
        let mounter = self.world.mounter(person.name).args(["--root-folder", &self.folder, "--settle", "50ms"]);
        let mounter = mounter.limit(END_LIMIT * 4);
        person.mount = Some(match person.token {
            Some(token) => mounter.token(token).start(),
            None => mounter.start(),
        });
    }

    fn step(&mut self) {
        let who = self.random.usize(..2);
        if self.random.u32(..STEPS_A_KILL) == 0 {
            self.people[who].mount.take().unwrap().kill();
            return self.mount(who);
        }
        let (path, to) = (self.path(), self.path());
        match self.random.u32(..100) {
            ..50 => self.save(who, &path),
            50..70 => self.rename(who, &path, &to),
            70..85 => self.remove(who, &path),
            85..93 => {
                let folder = FOLDERS[self.random.usize(1..FOLDERS.len())];
                // There already, or not wanted because of what is in it: as it is.
                let _ = if self.random.u32(..4) == 0 {
                    fs::remove_dir(self.at(who, Path::new(folder)))
                } else {
                    fs::create_dir(self.at(who, Path::new(folder)))
                };
            }
            // Everybody meets what the other one did.
            _ => std::thread::sleep(Duration::from_millis(self.random.u64(..LONGEST_PAUSE_MS))),
        }
    }

    fn path(&mut self) -> PathBuf {
        let folder = FOLDERS[self.random.usize(..FOLDERS.len())];
        Path::new(folder).join(NAMES[self.random.usize(..NAMES.len())])
    }

    fn at(&self, who: usize, path: &Path) -> PathBuf {
        self.people[who].mount.as_ref().unwrap().root.join(path)
    }

    /// What is there now, and so is known to this person; `None` where nothing is, or nothing can be read.
    fn known(&self, who: usize, path: &Path) -> Option<String> {
        fs::read(self.at(who, path)).ok().map(|bytes| sha1_hex(&bytes))
    }

    fn is_there(&self, who: usize, path: &Path) -> bool {
        fs::symlink_metadata(self.at(who, path)).is_ok()
    }

    fn save(&mut self, who: usize, path: &Path) {
        let before = self.known(who, path);
        if before.is_none() && self.is_there(who, path) {
            return;
        }
        let bytes = bytes_of(self.random.usize(BYTES), self.random.u64(..));
        let sha1 = sha1_hex(&bytes);
        let path = self.at(who, path);
        let saved = if self.random.bool() { write(&path, &bytes) } else { replace(&path, &bytes) };
        self.made.insert(sha1.clone());
        self.saves += 1;
        if saved.is_ok() {
            self.forget(who, before);
            self.people[who].saved.insert(sha1);
        }
    }

    fn rename(&mut self, who: usize, from: &Path, to: &Path) {
        let covered = self.known(who, to);
        if covered.is_none() && self.is_there(who, to) {
            return;
        }
        if from != to && fs::rename(self.at(who, from), self.at(who, to)).is_ok() {
            self.forget(who, covered);
        }
    }

    fn remove(&mut self, who: usize, path: &Path) {
        let removed = self.known(who, path);
        if removed.is_some() && fs::remove_file(self.at(who, path)).is_ok() {
            self.forget(who, removed);
        }
    }

    /// A program made this superfluous, having seen it.
    fn forget(&mut self, who: usize, sha1: Option<String>) {
        if let Some(sha1) = sha1 {
            self.people[who].saved.remove(&sha1);
        }
    }

    fn end(&mut self) {
        for who in 0..2 {
            self.retry_interrupted(who);
        }
        // What one of them sends can be news that the other has to answer.
        for who in [0, 1, 0, 1] {
            self.wait(who);
        }
        self.expect_agreement();
        let items = self.world.emulator.items();
        self.expect_nothing_lost(&items);
        self.expect_nothing_made_up(&items);
        let copies = items.iter().filter(|item| is_conflict_name(&item.name)).count();
        assert!(copies <= COPIES_A_SAVE * self.saves, "{copies} conflict copies of {} saves", self.saves);
        println!("company: {} saves, {copies} conflict copies, {} items", self.saves, items.len());
        self.expect_no_more_calls();
    }

    /// What a kill cut off is kept and not sent; this person wants it sent as it is.
    fn retry_interrupted(&mut self, who: usize) {
        let mount = self.people[who].mount.as_ref().unwrap();
        for path in self.shown(who).keys() {
            let path = mount.at(path.trim_start_matches('/'));
            // Somebody may take it away meanwhile.
            let state = xattr::get(&path, "user.box.state").ok().flatten().unwrap_or_default();
            if let (true, Ok(bytes)) = (state.starts_with(b"failed"), fs::read(&path)) {
                self.made.insert(sha1_hex(&bytes));
            }
        }
        mount.command(&["retry"], "").ok();
    }

    fn shown(&self, who: usize) -> Tree {
        let root = &self.people[who].mount.as_ref().unwrap().root;
        eventually_ok(END_LIMIT, || moving_tree_at(root).map_err(|e| e.to_string()))
    }

    fn wait(&self, who: usize) {
        let mount = self.people[who].mount.as_ref().unwrap();
        let secs = END_LIMIT.as_secs().to_string();
        let waited = mount.command_within(&["wait", "--timeout", &secs], END_LIMIT * 2);
        assert_eq!(waited.code, Some(0), "{}{}\n{:#}", waited.stdout, waited.stderr, mount.status());
    }

    /// I1: both mounts show what Box has.
    fn expect_agreement(&self) {
        eventually_ok(END_LIMIT, || {
            let in_box = self.in_box();
            for person in &self.people {
                let shown = moving_tree_at(&person.mount.as_ref().unwrap().root).map_err(|e| e.to_string())?;
                if shown != in_box {
                    let only = [(&shown, &in_box), (&in_box, &shown)].map(|(one, other)| {
                        one.iter().filter(|(path, sha1)| other.get(*path) != Some(sha1)).collect::<Vec<_>>()
                    });
                    return Err(format!("{} shows {:#?}, Box has {:#?}", person.name, only[0], only[1]));
                }
            }
            Ok(())
        });
    }

    fn in_box(&self) -> Tree {
        let all = tree_in_box(self.world).into_iter();
        let below = all.filter_map(|(path, sha1)| Some((path.strip_prefix(SHARED)?.to_owned(), sha1)));
        below.filter(|(path, _)| !path.is_empty()).collect()
    }

    /// I2 and I3: what was saved is a version in Box, if only of an item that the other one deleted.
    fn expect_nothing_lost(&self, items: &[ItemReport]) {
        let held: BTreeSet<&String> = items.iter().flat_map(|item| &item.version_sha1s).collect();
        for person in &self.people {
            let lost: Vec<&String> = person.saved.iter().filter(|sha1| !held.contains(sha1)).collect();
            assert!(lost.is_empty(), "lost of {}: {lost:?}\n{items:#?}", person.name);
        }
    }

    /// I10: each version is what a file was at one instant.
    fn expect_nothing_made_up(&self, items: &[ItemReport]) {
        let made_up = |item: &&ItemReport| item.version_sha1s.iter().any(|sha1| !self.made.contains(sha1));
        let made_up: Vec<&ItemReport> = items.iter().filter(made_up).collect();
        assert!(made_up.is_empty(), "nobody saved this: {made_up:#?}");
        let parked: Vec<&ItemReport> =
            items.iter().filter(|item| !item.trashed && item.name.contains(".boxfs-")).collect();
        assert!(parked.is_empty(), "left under a temporary name: {parked:#?}");
    }

    /// I1: a start that finds everything in order changes nothing.
    fn expect_no_more_calls(&mut self) {
        for person in &mut self.people {
            person.mount.take().unwrap().umount();
        }
        self.world.emulator.reset_requests();
        self.mount(0);
        self.mount(1);
        for who in 0..2 {
            self.wait(who);
            self.people[who].mount.take().unwrap().umount();
        }
        let changing = self.world.changing_requests();
        assert!(changing.is_empty(), "one more mount changes Box: {changing:#?}");
    }
}

/// Writes in place, as `cp` does.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    close(file)
}

/// Through a temporary file, as editors do.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("saving");
    write(&temporary, bytes)?;
    fs::rename(temporary, path)
}

fn close(file: File) -> io::Result<()> {
    nix::unistd::close(std::os::fd::IntoRawFd::into_raw_fd(file)).map_err(io::Error::from)
}
