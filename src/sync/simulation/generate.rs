//! Traces from a seed, and the smallest part of a trace that still fails.

use super::step::{Fault, Path, Step};
use fastrand::Rng;

/// What the steps of one trace are drawn from: each seed leaves some out, so that the others meet more often.
struct Taste {
    folders: bool,
    cases: bool,
    handles: bool,
    faults: bool,
    crashes: bool,
    moves: bool,
    shared: bool,
    hasty: bool,
    /// Files grow old.
    aged: bool,
    /// Few different bytes, often written in place.
    alike: bool,
    /// Programs write while bytes are being sent.
    slow: bool,
}

const STEPS: std::ops::Range<usize> = 12..60;

/// The trace of a seed; with `shared` somebody else changes Box as well.
pub fn trace(seed: u64, shared: bool) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let taste = Taste {
        folders: rng.u8(..3) > 0,
        cases: rng.u8(..4) == 0,
        handles: rng.u8(..3) == 0,
        faults: rng.bool(),
        crashes: rng.bool(),
        moves: rng.u8(..4) > 0,
        shared,
        hasty: rng.bool(),
        alike: rng.u8(..3) == 0,
        aged: rng.u8(..3) == 0,
        slow: rng.u8(..3) == 0,
    };
    let mut mark = 0;
    let mut trace = Vec::new();
    for _ in 0..rng.usize(STEPS) {
        if taste.slow && rng.u8(..8) == 0 {
            overtaken(&mut rng, &taste, &mut mark, &mut trace);
        }
        trace.push(step(&mut rng, &taste, &mut mark));
    }
    trace
}

/// A file is written in place while its bytes are being sent.
fn overtaken(rng: &mut Rng, taste: &Taste, mark: &mut u8, trace: &mut Vec<Step>) {
    let path = path(rng, taste);
    let sealed = [Step::Hurry, Step::Do(0, Fault::Fine), Step::Hear(0)];
    trace.push(Step::Save(path, next_mark(rng, taste, mark), true));
    trace.extend(sealed);
    trace.push(Step::Read(rng.u8(..2)));
    trace.push(Step::Save(path, next_mark(rng, taste, mark), false));
    trace.push(Step::Do(0, fault(rng, taste)));
}

fn path(rng: &mut Rng, taste: &Taste) -> Path {
    const FLAT: [Path; 3] = ["a", "b", "c"];
    const CASED: [Path; 4] = ["a", "A", "b", "B"];
    const DEEP: [Path; 12] = ["a", "b", "c", "d", "e", "d/a", "d/b", "d/e", "e/a", "e/b", "d/e/a", "e/d"];
    const DEEP_CASED: [Path; 10] = ["a", "A", "d", "D", "d/a", "D/a", "d/A", "e", "e/a", "e/d"];
    let from: &[Path] = match (taste.folders, taste.cases) {
        (false, false) => &FLAT,
        (false, true) => &CASED,
        (true, false) => &DEEP,
        (true, true) => &DEEP_CASED,
    };
    from[rng.usize(..from.len())]
}

fn folder(rng: &mut Rng, taste: &Taste) -> Path {
    let all: &[Path] = if taste.cases { &["d", "D", "e", "e/d"] } else { &["d", "e", "d/e", "e/d"] };
    all[rng.usize(..all.len())]
}

fn step(rng: &mut Rng, taste: &Taste, mark: &mut u8) -> Step {
    match rng.u8(..100) {
        0..40 => local(rng, taste, mark),
        40..58 => Step::Do(rng.u8(..4), fault(rng, taste)),
        58..62 => Step::Tell(rng.u8(..8)),
        62..78 => Step::Hear(rng.u8(..4)),
        78..80 if taste.aged => Step::Wait(700_000),
        78..90 => Step::Wait(if taste.hasty { rng.u32(..1500) } else { rng.u32(..40_000) }),
        90 => Step::Hurry,
        91 => Step::Tell(rng.u8(..8)),
        92..94 => Step::List(if rng.bool() { "" } else { folder(rng, taste) }),
        94..97 if taste.crashes => {
            if rng.bool() {
                Step::Crash
            } else {
                Step::CrashAfter(rng.u8(..7))
            }
        }
        _ if taste.shared => foreign(rng, taste, mark),
        _ => Step::Wait(2000),
    }
}

fn next_mark(rng: &mut Rng, taste: &Taste, mark: &mut u8) -> u8 {
    if taste.alike {
        return rng.u8(..2);
    }
    if rng.u8(..6) > 0 {
        *mark = mark.saturating_add(1);
    }
    *mark
}

fn local(rng: &mut Rng, taste: &Taste, mark: &mut u8) -> Step {
    let (a, b) = (path(rng, taste), path(rng, taste));
    match rng.u8(..20) {
        0..6 => Step::Save(a, next_mark(rng, taste, mark), if taste.alike { rng.bool() } else { rng.u8(..4) > 0 }),
        6..9 if taste.moves => Step::Rename(a, b),
        9 if taste.moves => Step::Exchange(a, b),
        10..13 => Step::Unlink(a),
        13..15 if taste.folders => Step::Mkdir(folder(rng, taste)),
        15 if taste.folders => Step::Rmdir(folder(rng, taste)),
        16 => Step::Touch(a, 1_000_000_000 + rng.u32(..3)),
        17 if taste.handles => Step::Open(rng.u8(..2), a),
        18 if taste.handles => Step::Put(rng.u8(..2), next_mark(rng, taste, mark)),
        19 if taste.handles => Step::Close(rng.u8(..2)),
        _ => Step::Save(a, next_mark(rng, taste, mark), true),
    }
}

fn foreign(rng: &mut Rng, taste: &Taste, mark: &mut u8) -> Step {
    let (a, b) = (path(rng, taste), path(rng, taste));
    match rng.u8(..10) {
        0..4 => Step::TheySave(a, next_mark(rng, taste, mark)),
        4..6 => Step::TheyRename(a, b),
        6..9 => Step::TheyDelete(a),
        _ => Step::TheyMkdir(folder(rng, taste)),
    }
}

fn fault(rng: &mut Rng, taste: &Taste) -> Fault {
    if !taste.faults || rng.bool() {
        return Fault::Fine;
    }
    let all = [Fault::AnswerLost, Fault::AnswerLost, Fault::Vanished, Fault::NotSent, Fault::Throttled, Fault::Blocked];
    all[rng.usize(..all.len())]
}

/// Leaves out whatever can be left out while `fails` still says so.
pub fn shrink(trace: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut best = trace;
    let mut size = best.len() / 2;
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.len() {
            let mut tried = best.clone();
            tried.drain(at..(at + size).min(best.len()));
            if fails(&tried) {
                best = tried;
                shorter = true;
            } else {
                at += size;
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    simpler(best, fails)
}

/// Faults become none, and numbers 0, where that makes no difference.
fn simpler(mut best: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    for at in 0..best.len() {
        let candidates = match best[at] {
            Step::Do(n, fault) => vec![Step::Do(0, Fault::Fine), Step::Do(n, Fault::Fine), Step::Do(0, fault)],
            Step::Read(_) => vec![Step::Read(0)],
            Step::Hear(_) => vec![Step::Hear(0)],
            Step::Wait(ms) => vec![Step::Wait(ms.next_multiple_of(1000))],
            Step::Save(path, mark, _) => vec![Step::Save(path, mark, true)],
            _ => vec![],
        };
        for candidate in candidates {
            let mut tried = best.clone();
            tried[at] = candidate;
            if tried[at] != best[at] && fails(&tried) {
                best = tried;
                break;
            }
        }
    }
    best
}
