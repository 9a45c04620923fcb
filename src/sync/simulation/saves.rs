//! Ten thousand renames and saves at random: the ways in which programs save (`tests/corpus` has those of real ones), with any gap, kill,
//! fault or outage between any two steps, against the reference of names, bytes (`posix.rs`) and ids (`documents.rs`).

use super::step::Step::{
    Close, Compare, Exchange, IsMarked, Mark, Mkdir, Open, Put, Rename, Save, Touch, Unlink, Wait,
};
use super::step::{Fault, Path, Step};
use super::world::Done;
use super::{generate, kind, run, seeds_or, verdict};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Renames and saves that a run performs at least; and with `BOXFS_TEST_LONG`.
const AT_LEAST: usize = 10_000;
const AT_LEAST_LONG: usize = 200_000;

/// Saves and renames of one machine's life, and after how many of them Box is compared.
const DANCES: usize = 24;
const DANCES_BEFORE_A_LOOK: usize = 6;

/// Each of these is expected to keep the id for so long between its steps, by what a user expects of it: a name is remembered for 30 s, a
/// temporary file counts as one for 10 minutes (DESIGN.md section 6). Less, since steps take time as well.
const WINDOW_MS: u32 = 29_000;
const YOUNG_MS: u32 = 580_000;

/// A document, and the names that go with its saves.
struct Names {
    doc: Path,
    backup: Path,
    temp: Path,
    away: Path,
    other: Path,
}

const DOCUMENTS: [Names; 3] = [
    Names { doc: "doc", backup: "doc~", temp: "doc.tmp", away: "doc.away", other: "d/doc" },
    Names { doc: "plan", backup: "plan.bak", temp: "plan.lock", away: "d/plan.away", other: "doc" },
    Names { doc: "d/sheet", backup: "d/sheet~", temp: "d/sheet.new", away: "sheet.away", other: "sheet" },
];

/// For how long the name has to keep its document; `None`: the reference alone says where that is afterwards.
type Keeps = Option<u32>;

/// One way of saving or renaming: its name, and its steps on a document.
type Dance = (&'static str, Keeps, fn(&Names, u8) -> Vec<Step>);

const ALL: [Dance; 20] = [
    ("written in place", Some(u32::MAX), |n, m| vec![Save(n.doc, m, false)]),
    ("emptied and written", Some(u32::MAX), |n, m| vec![Save(n.doc, m, true)]),
    ("held open", Some(u32::MAX), |n, m| vec![Open(0, n.doc), Put(0, m), Put(0, m / 2), Close(0)]),
    ("temporary file renamed over", Some(YOUNG_MS), |n, m| vec![Save(n.temp, m, true), Rename(n.temp, n.doc)]),
    ("backup by renaming, kept", Some(WINDOW_MS), |n, m| vec![Rename(n.doc, n.backup), Save(n.doc, m, true)]),
    ("backup by renaming, deleted", Some(WINDOW_MS), |n, m| {
        vec![Rename(n.doc, n.backup), Save(n.doc, m, true), Unlink(n.backup)]
    }),
    ("backup by copying", Some(u32::MAX), |n, m| vec![Save(n.backup, m / 2, true), Save(n.doc, m, true)]),
    ("deleted first", Some(WINDOW_MS), |n, m| vec![Unlink(n.doc), Save(n.doc, m, true)]),
    ("deleted, temporary file renamed", Some(WINDOW_MS), |n, m| {
        vec![Save(n.temp, m, true), Unlink(n.doc), Rename(n.temp, n.doc)]
    }),
    ("moved away, temporary file renamed", Some(WINDOW_MS), |n, m| {
        vec![Save(n.temp, m, true), Rename(n.doc, n.backup), Rename(n.temp, n.doc), Unlink(n.backup)]
    }),
    ("exchanged with a temporary file", Some(YOUNG_MS), |n, m| {
        vec![Save(n.temp, m, true), Exchange(n.temp, n.doc), Unlink(n.temp)]
    }),
    ("given up and moved back", Some(WINDOW_MS), |n, m| {
        vec![Rename(n.doc, n.away), Save(n.doc, m, true), Unlink(n.doc), Rename(n.away, n.doc)]
    }),
    ("lock file taken twice", Some(WINDOW_MS), |n, m| {
        vec![Save(n.temp, m, true), Rename(n.temp, n.doc), Save(n.temp, m, true), Unlink(n.temp)]
    }),
    ("moved away and back", Some(u32::MAX), |n, _| vec![Rename(n.doc, n.away), Rename(n.away, n.doc)]),
    ("renamed", None, |n, _| vec![Rename(n.doc, n.other)]),
    ("renamed back", None, |n, _| vec![Rename(n.other, n.doc)]),
    ("swapped with its backup", None, |n, _| {
        vec![Rename(n.doc, n.away), Rename(n.backup, n.doc), Rename(n.away, n.backup)]
    }),
    ("exchanged with another", None, |n, _| vec![Exchange(n.doc, n.other)]),
    ("deleted", None, |n, _| vec![Unlink(n.doc)]),
    ("touched while it is written", Some(u32::MAX), |n, m| {
        vec![Open(0, n.doc), Put(0, m), Touch(n.doc, 1_000_000_000 + u32::from(m)), Close(0)]
    }),
];

/// What the gaps of one trace are drawn from.
struct Taste {
    kills: bool,
    faults: bool,
    outages: bool,
    /// Most steps of a save follow each other at once.
    quick: bool,
    aged: bool,
}

struct Writer {
    rng: Rng,
    taste: Taste,
    steps: Vec<Step>,
    offline: bool,
}

/// The trace of a seed, and how often it has each way of saving.
fn trace(seed: u64) -> (Vec<Step>, BTreeMap<&'static str, usize>) {
    let mut rng = Rng::with_seed(seed);
    let taste =
        Taste { kills: rng.bool(), faults: rng.bool(), outages: rng.bool(), quick: rng.bool(), aged: rng.u8(..3) == 0 };
    let mut writer = Writer { rng, taste, steps: vec![Mkdir("d")], offline: false };
    writer.steps.extend(DOCUMENTS.iter().zip(200..).map(|(names, mark)| Save(names.doc, mark, true)));
    writer.steps.push(Compare);
    let mut ways = BTreeMap::new();
    for n in 1..=DANCES {
        *ways.entry(writer.dance()).or_default() += 1;
        if n % DANCES_BEFORE_A_LOOK == 0 {
            writer.offline = false;
            writer.steps.push(Compare);
        }
    }
    (writer.steps, ways)
}

impl Writer {
    fn dance(&mut self) -> &'static str {
        let names = &DOCUMENTS[self.rng.usize(..DOCUMENTS.len())];
        let (name, keeps, make) = ALL[self.rng.usize(..ALL.len())];
        let steps = make(names, self.rng.u8(1..200));
        self.steps.push(Mark(names.doc));
        let mut passed = 0;
        for (at, step) in steps.iter().enumerate() {
            passed += if at == 0 { 0 } else { self.gap() };
            self.steps.push(*step);
        }
        if keeps.is_some_and(|most| passed <= most) {
            self.steps.push(IsMarked(names.doc));
        }
        self.gap();
        name
    }

    /// What happens between two steps; returns how long it takes.
    fn gap(&mut self) -> u32 {
        if self.taste.outages && self.rng.u8(..8) == 0 {
            self.offline = !self.offline;
        }
        match self.rng.u8(..20) {
            0..8 if self.taste.quick => return 0,
            0..4 => return 0,
            4..6 if self.taste.kills => {
                self.steps.push(if self.rng.bool() { Step::Crash } else { Step::CrashAfter(self.rng.u8(..7)) });
            }
            6 => self.steps.push(Step::Hurry),
            _ => {}
        }
        self.engine();
        let passed = match self.rng.u8(..20) {
            0..8 => self.rng.u32(..1500),
            8..14 => self.rng.u32(1500..25_000),
            14..16 if !self.taste.quick => self.rng.u32(31_000..60_000),
            16 if self.taste.aged => 700_000,
            _ => 1,
        };
        self.steps.push(Wait(passed));
        self.engine();
        passed
    }

    /// The engine does some of what it has to do, and Box answers some of that.
    fn engine(&mut self) {
        for _ in 0..self.rng.u8(..6) {
            let fault = self.fault();
            self.steps.push(Step::Do(self.rng.u8(..4), fault));
            if self.rng.u8(..4) > 0 {
                self.steps.push(Step::Hear(self.rng.u8(..4)));
            }
        }
    }

    fn fault(&mut self) -> Fault {
        const ALL: [Fault; 5] =
            [Fault::AnswerLost, Fault::AnswerLost, Fault::Vanished, Fault::Throttled, Fault::NotSent];
        match self.offline {
            true => Fault::NotSent,
            false if self.taste.faults && self.rng.u8(..3) == 0 => ALL[self.rng.usize(..ALL.len())],
            false => Fault::Fine,
        }
    }
}

/// What a run has done by now.
#[derive(Default)]
struct Sum {
    done: Done,
    ways: BTreeMap<&'static str, usize>,
    lives: usize,
    kills: usize,
    looks: usize,
}

impl Sum {
    fn add(&mut self, trace: &[Step], done: Done, ways: BTreeMap<&'static str, usize>) {
        self.done.saves += done.saves;
        self.done.renames += done.renames;
        self.done.exchanges += done.exchanges;
        self.done.deletes += done.deletes;
        self.lives += 1;
        self.kills += trace.iter().filter(|step| matches!(step, Step::Crash | Step::CrashAfter(_))).count();
        self.looks += trace.iter().filter(|step| **step == Compare).count();
        for (way, count) in ways {
            *self.ways.entry(way).or_default() += count;
        }
    }

    fn counted(&self) -> usize {
        self.done.saves + self.done.renames + self.done.exchanges
    }
}

fn fail(seed: u64, trace: Vec<Step>) -> ! {
    let first = verdict(&trace);
    if kind(&first).is_some_and(|kind| kind.starts_with("the save")) {
        // A part of a save keeps nothing.
        let (wrong, world) = run(&trace);
        panic!("seed {seed}:\n{}\n\n{wrong:?}", world.told.join("\n"));
    }
    let small = generate::shrink(trace, |part| kind(&verdict(part)) == kind(&first));
    let (wrong, world) = run(&small);
    panic!("seed {seed} shrinks to {small:?}:\n{}\n\n{wrong:?}", world.told.join("\n"));
}

/// Runs one seed after the other, on as many threads as there are cores, until enough was done. A seed that fails is the answer.
fn until_enough(seeds: std::ops::Range<u64>, at_least: usize) -> Result<Sum, u64> {
    let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new(Ok(Sum::default())));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let enough = |sum: &Result<Sum, u64>| sum.as_ref().map_or(true, |sum| sum.counted() >= at_least);
            if seed >= seeds.end || enough(&sum.lock().expect("no thread panics")) {
                return;
            }
            let (trace, ways) = trace(seed);
            let outcome = std::panic::catch_unwind(|| run(&trace)).ok().filter(|(verdict, _)| verdict.is_ok());
            let mut sum = sum.lock().expect("no thread panics");
            match (outcome, sum.as_mut()) {
                (Some((_, world)), Ok(sum)) => sum.add(&trace, world.done, ways),
                (None, _) => *sum = Err(seed),
                (_, Err(_)) => {}
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    sum.into_inner().expect("no thread panics")
}

#[test]
fn ten_thousand_renames_and_saves_at_random_keep_every_id() {
    let at_least = if std::env::var_os("BOXFS_TEST_LONG").is_some() { AT_LEAST_LONG } else { AT_LEAST };
    let seeds = seeds_or(0..u64::MAX);
    let is_all = seeds.end == u64::MAX;
    let sum = until_enough(seeds, at_least).unwrap_or_else(|seed| fail(seed, trace(seed).0));
    let Done { saves, renames, exchanges, deletes } = sum.done;
    println!("{saves} saves, {renames} renames, {exchanges} exchanges, {deletes} deletes in {} lives", sum.lives);
    println!("{} kills; names, ids and bytes compared with Box {} times", sum.kills, sum.looks);
    sum.ways.iter().for_each(|(way, count)| println!("{count:6} {way}"));
    assert!(sum.counted() >= at_least || !is_all, "{} renames and saves", sum.counted());
    assert!(sum.ways.len() == ALL.len() || !is_all, "not every way of saving: {:?}", sum.ways);
}
