//! Names: a hundred thousand that were listed once, and an account of a million.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use boxfs::emulator::Options;

use crate::support::{Mode, World};
use crate::{median, mount};

const RUNS: usize = 5;

/// Seconds that a program takes which names everything below `dir`.
fn seconds(program: &str, dir: &Path) -> f64 {
    let begun = Instant::now();
    let mut command = Command::new(program);
    if program == "ls" {
        command.arg("-lR");
    }
    assert!(command.arg(dir).stdout(Stdio::null()).status().unwrap().success());
    begun.elapsed().as_secs_f64()
}

/// The same names and sizes on the disk of this machine.
fn copy_names(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        let to = to.join(entry.file_name());
        if metadata.is_dir() {
            copy_names(&entry.path(), &to);
        } else {
            std::fs::File::create(&to).unwrap().set_len(metadata.len()).unwrap();
        }
    }
}

fn calls(world: &World) -> usize {
    world.emulator.requests().iter().filter(|r| !r.path.contains("/events") && !r.path.contains("/subscribe")).count()
}

pub fn hundred_thousand() {
    let world = World::with(Mode::Copying, Options { generate: 100_000, ..Options::default() });
    let mount = mount(&world, "names");
    let begun = Instant::now();
    let (ours, native) = (mount.at("generated"), world.dir().join("native"));
    seconds("find", &ours);
    println!(
        "names: 100,000 items listed for the first time in {:.1} s, {} calls",
        begun.elapsed().as_secs_f64(),
        calls(&world)
    );
    copy_names(&ours, &native);
    world.emulator.reset_requests();
    for program in ["find", "ls"] {
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for warm in [&native, &ours] {
            seconds(program, warm);
        }
        for _ in 0..RUNS {
            others.push(seconds(program, &native));
            mine.push(seconds(program, &ours));
        }
        let (mine, others) = (median(mine), median(others));
        println!(
            "names: {program} over 100,000 items: {mine:.2} s, native {others:.2} s, ratio {:.2} (at least 0.3)",
            others / mine
        );
    }
    println!("names: {} calls meanwhile (0)", calls(&world));
}

pub fn a_million() {
    let world = World::with(Mode::Copying, Options { generate: 1_000_000, ..Options::default() });
    let first = mount(&world, "account");
    let begun = Instant::now();
    seconds("find", &first.root);
    println!(
        "account: 1,000,000 items walked in {:.0} s, {} calls; resident {} MB, at most {} MB (at most 150)",
        begun.elapsed().as_secs_f64(),
        calls(&world),
        first.memory_bytes("VmRSS") / 1_000_000,
        first.memory_bytes("VmHWM") / 1_000_000
    );
    drop(first);
    let begun = Instant::now();
    let again = mount(&world, "account");
    println!("account: mounted again in {:.2} s (at most 1)", begun.elapsed().as_secs_f64());
    world.emulator.reset_requests();
    let begun = Instant::now();
    seconds("find", &again.root);
    println!(
        "account: walked again in {:.0} s, {} calls, resident {} MB",
        begun.elapsed().as_secs_f64(),
        calls(&world),
        again.memory_bytes("VmRSS") / 1_000_000
    );
    assert!(begun.elapsed() < Duration::from_secs(600));
}
