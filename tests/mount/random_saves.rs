//! Saves and renames at random on a real mount, with kills, waits and outages between any two steps; ids, names and bytes as Box has them.
//! The same at length, in virtual time and with the gaps that matter, is in `sync/simulation/saves.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use boxfs::emulator::{Fault, FaultRule, FaultScript};

use crate::support::{Mode, Mount, World, at_full_size, sha1_hex, tree_in_box};

in_both_modes!(hundreds_of_saves_at_random_keep_every_id);

const DOCUMENTS: usize = 4;
const SAVES: usize = 150;
const SAVES_AT_FULL_SIZE: usize = 3_000;
/// Saves between two looks at Box.
const LOOK_EVERY: usize = 25;
/// `BOXFS_SIM_SEEDS=N..` chooses another.
const SEED: u64 = 5;

/// One step of a save, on names that stand for files beside the document.
#[derive(Clone, Copy)]
enum Step {
    Write(&'static str),
    Move(&'static str, &'static str),
    Exchange(&'static str, &'static str),
    Delete(&'static str),
}

use Step::{Delete, Exchange, Move, Write};

/// What is appended to the document's name; the document itself has nothing appended.
const DOC: &str = "";

const WAYS: [(&str, &[Step]); 12] = [
    ("written", &[Write(DOC)]),
    ("temporary file renamed over", &[Write(".tmp"), Move(".tmp", DOC)]),
    ("backup by renaming, kept", &[Move(DOC, "~"), Write(DOC)]),
    ("backup by renaming, deleted", &[Move(DOC, ".old"), Write(DOC), Delete(".old")]),
    ("backup by copying", &[Write(".copy"), Write(DOC)]),
    ("deleted first", &[Delete(DOC), Write(DOC)]),
    ("deleted, temporary file renamed", &[Write(".tmp"), Delete(DOC), Move(".tmp", DOC)]),
    ("moved away, temporary file renamed", &[Write(".tmp"), Move(DOC, ".old"), Move(".tmp", DOC), Delete(".old")]),
    ("exchanged", &[Write(".tmp"), Exchange(".tmp", DOC), Delete(".tmp")]),
    ("given up", &[Move(DOC, ".away"), Write(DOC), Delete(DOC), Move(".away", DOC)]),
    ("lock file taken twice", &[Write(".lock"), Move(".lock", DOC), Write(".lock"), Delete(".lock")]),
    ("moved away and back", &[Move(DOC, ".away"), Move(".away", DOC)]),
];

/// What there should be, by name.
#[derive(Default)]
struct Model {
    bytes: BTreeMap<String, String>,
    /// The ids of the documents, once Box has told them.
    ids: BTreeMap<String, String>,
    done: BTreeMap<&'static str, usize>,
    steps: usize,
}

impl Model {
    fn perform(&mut self, root: &Path, document: &str, step: Step) {
        let name = |suffix: &str| format!("{document}{suffix}");
        self.steps += 1;
        match step {
            Write(at) => {
                let text = format!("write {} of {}", self.steps, name(at));
                std::fs::write(root.join(name(at)), &text).unwrap();
                self.bytes.insert(name(at), text);
            }
            Move(from, to) => {
                std::fs::rename(root.join(name(from)), root.join(name(to))).unwrap();
                let bytes = self.bytes.remove(&name(from)).unwrap();
                self.bytes.insert(name(to), bytes);
            }
            Exchange(a, b) => {
                exchange(&root.join(name(a)), &root.join(name(b)));
                let (of_a, of_b) = (self.bytes[&name(a)].clone(), self.bytes[&name(b)].clone());
                self.bytes.extend([(name(a), of_b), (name(b), of_a)]);
            }
            Delete(at) => {
                std::fs::remove_file(root.join(name(at))).unwrap();
                self.bytes.remove(&name(at));
            }
        }
    }

    /// Names and bytes in the mount and in Box, and the ids of the documents there.
    fn compare(&mut self, world: &World, mount: &Mount) {
        mount.wait();
        let there: BTreeMap<String, String> =
            tree_in_box(world).into_iter().map(|(path, sha1)| (path[1..].to_owned(), sha1)).collect();
        let wanted: BTreeMap<String, String> =
            self.bytes.iter().map(|(name, text)| (name.clone(), sha1_hex(text.as_bytes()))).collect();
        assert_eq!(there, wanted, "names and bytes in Box (left) and as they were written");
        for (name, text) in &self.bytes {
            assert_eq!(std::fs::read_to_string(mount.at(name)).unwrap(), *text, "{name}");
        }
        for name in self.bytes.keys().filter(|name| name.starts_with("doc ") && !name.contains(['~', '.'])) {
            let id = world.in_box(&format!("/{name}")).id;
            assert_eq!(*self.ids.entry(name.clone()).or_insert_with(|| id.clone()), id, "the id of {name}");
        }
        let ids: std::collections::BTreeSet<&String> = self.ids.values().collect();
        assert_eq!(ids.len(), self.ids.len(), "no two documents are one");
    }
}

fn exchange(a: &Path, b: &Path) {
    let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
    nix::fcntl::renameat2(nix::fcntl::AT_FDCWD, a, nix::fcntl::AT_FDCWD, b, flags).unwrap();
}

fn nothing_gets_through() -> FaultScript {
    let rule = FaultRule {
        method: None,
        path: "*".to_owned(),
        nth: None,
        times: None,
        probability: None,
        fault: Fault::CloseBefore,
    };
    FaultScript { rules: vec![rule], ..FaultScript::default() }
}

fn hundreds_of_saves_at_random_keep_every_id(mode: Mode) {
    let seed = std::env::var("BOXFS_SIM_SEEDS").ok().and_then(|text| text.split("..").next()?.parse().ok());
    let seed = seed.unwrap_or(SEED);
    eprintln!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new(mode);
    let start = || world.mounter("main").args(["--settle", "50ms"]).start();
    let (mut mount, mut model) = (start(), Model::default());
    let mut names: Vec<String> = (0..DOCUMENTS).map(|n| format!("doc {n}")).collect();
    names.iter().for_each(|name| model.perform(&mount.root, name, Write(DOC)));
    model.compare(&world, &mount);
    for save in 1..=if at_full_size() { SAVES_AT_FULL_SIZE } else { SAVES } {
        let document = rng.usize(..names.len());
        let (way, steps) = WAYS[rng.usize(..WAYS.len())];
        *model.done.entry(way).or_default() += 1;
        for step in steps {
            model.perform(&mount.root, &names[document], *step);
            match rng.u8(..60) {
                0 => {
                    mount.kill();
                    mount = start();
                }
                1..4 => world.emulator.set_faults(nothing_gets_through()),
                4..10 => world.emulator.set_faults(FaultScript::default()),
                // No wait for anything: a gap between two steps.
                10..13 => std::thread::sleep(std::time::Duration::from_millis(rng.u64(..300))),
                _ => {}
            }
        }
        if rng.u8(..12) == 0 {
            // A document is renamed on purpose, to a name that nothing ever had.
            let renamed = format!("doc {}", DOCUMENTS + save);
            let old = std::mem::replace(&mut names[document], renamed.clone());
            std::fs::rename(mount.at(&old), mount.at(&renamed)).unwrap();
            let bytes = model.bytes.remove(&old).unwrap();
            model.bytes.insert(renamed.clone(), bytes);
            let id = model.ids.remove(&old);
            model.ids.extend(id.map(|id| (renamed, id)));
        }
        if save % LOOK_EVERY == 0 {
            world.emulator.set_faults(FaultScript::default());
            model.compare(&world, &mount);
        }
    }
    println!("{} steps: {:?}", model.steps, model.done);
    assert!(model.steps >= 2 * SAVES && model.done.len() == WAYS.len());
}
