//! The engine's core against a model of Box and a model of programs, in virtual time: operations, steps of the engine, time,
//! lost calls, crashes at every step, and other people, from seeds. What fails is shrunk and kept in `regressions.rs`.
//!
//! Which invariant (DESIGN.md section 6) is looked at where: I1, I2, I8, I9 at the end (`ending.rs`); I3 and I10 at each call that
//! Box carries out (`world.rs`); I5 after each step, and at the end with Box, which for one user alone is I4 as well; I7 by `Step::Tell`, which
//! repeats, delays and reorders events of every trace, and by telling all of them at the end.

mod cloud;
mod disk;
mod documents;
mod ending;
mod generate;
mod ids;
mod local;
mod posix;
mod regressions;
mod saves;
mod step;
mod world;

use step::Step;
use world::{Verdict, World};

/// Seeds of the default run; `BOXFS_SIM_SEEDS` (`FROM..TO`) runs others.
const SEEDS: std::ops::Range<u64> = 0..600;

/// Runs a trace to its end.
fn run(trace: &[Step]) -> (Verdict, World) {
    let mut world = World::new(trace.iter().any(Step::is_foreign));
    let verdict = trace.iter().try_for_each(|step| world.step(step)).and_then(|()| world.end());
    (verdict, world)
}

/// What a regression test does: the trace ends well.
fn ends_well(trace: &[Step]) {
    let (verdict, world) = run(trace);
    if let Err(wrong) = verdict {
        panic!("{}\n\n{wrong}", world.told.join("\n"));
    }
}

/// The verdict of a trace; a panic is one, too.
fn verdict(trace: &[Step]) -> Verdict {
    std::panic::catch_unwind(|| run(trace).0).unwrap_or_else(|_| Err("it panicked".to_owned()))
}

/// What kind of fault a verdict tells, so that shrinking does not wander from one to another.
fn kind(verdict: &Verdict) -> Option<String> {
    verdict.as_ref().err().map(|wrong| wrong.chars().take(10).collect())
}

/// Those of the environment, or `all`.
fn seeds_or(all: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("BOXFS_SIM_SEEDS") else { return all };
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn search(shared: bool) {
    let mut failed = Vec::new();
    for seed in seeds_or(SEEDS) {
        let trace = generate::trace(seed, shared);
        let first = verdict(&trace);
        if first.is_ok() {
            continue;
        }
        let small = generate::shrink(trace, |part| kind(&verdict(part)) == kind(&first));
        failed.push((small.len(), seed, small));
        if failed.len() >= 5 {
            break;
        }
    }
    failed.sort_by_key(|(len, ..)| *len);
    for (_, seed, small) in &failed {
        let wrong = verdict(small).unwrap_err();
        println!("seed {seed} shrinks to {small:?}:\n{}\n", wrong.chars().take(1500).collect::<String>());
    }
    if let Some((.., small)) = failed.first() {
        ends_well(small);
    }
}

#[test]
fn a_lone_user_finds_in_box_what_programs_wrote() {
    search(false);
}

#[test]
fn people_who_share_a_folder_lose_nothing() {
    search(true);
}
