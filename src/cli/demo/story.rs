//! The demo, step by step.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::base::show_size;
use crate::cli::exit::Failure;

use super::bench::{Bench, DemoMount};
use super::children::{self, EmulatorChild, announce, boxfs, quoted};
use super::input::{self, BIG_FILE_BYTES, Input};
use super::inspect::Inspector;
use super::interrupt::Interrupt;
use super::proof::{Prints, compare, list_files, print_files};

/// The developer token of the demo's own emulator.
const TOKEN: &str = "demo-token";
const BIG_FILE: &str = "boxfs-demo-random.bin";
/// The source of the large file, Box's copy, and one cache per mount.
const COPIES: u64 = 4;
/// Databases, logs, and air to breathe.
const SPARE_BYTES: u64 = 300_000_000;

/// One line of the closing table.
struct Step {
    what: &'static str,
    how: &'static str,
    seconds: f64,
}

/// Tells it all; `keep` leaves the first mount at the end.
pub(super) fn tell(dir: Option<&Path>, keep: bool, interrupt: &Interrupt) -> Result<(), Failure> {
    let input = input::choose(dir, interrupt)?;
    let needed = (input.bytes + BIG_FILE_BYTES) * COPIES + SPARE_BYTES;
    let bench = Bench::set_up(needed)?;
    introduce(&input, needed, &bench);
    let big = bench.at(BIG_FILE);
    input::write_big_file(&big, interrupt)?;
    let mut files = input.files.clone();
    files.insert(BIG_FILE.to_owned(), big.clone());

    let mut emulator = EmulatorChild::start(&bench.at("box"), &bench.at("box.log"), TOKEN)?;
    let server = emulator.url().to_owned();
    println!("An emulator of Box listens on {server}\n");
    let inspector = Inspector::new(&server, TOKEN)?;
    let first = DemoMount::mount(&bench, 1, &server, TOKEN)?;
    let mut steps = vec![copy_in(&input, &big, &first, interrupt)?];
    steps.push(wait_for_box(&first, interrupt)?);
    let expected = print_files(&files, interrupt)?;
    compare("in Box", &expected, &inspector.files()?)?;
    println!("\nProof: {} files in Box, each with the size and SHA-1 of its source.\n", expected.len());
    let calls_in = inspector.calls()?;

    let second = DemoMount::mount(&bench, 2, &server, TOKEN)?;
    steps.push(read_back(&second, &expected, interrupt)?);
    second.unmount()?;
    if keep {
        print_table(&expected, &steps, &calls_in);
        say_how_to_stop(&first, &emulator, &bench);
        emulator.keep();
        first.keep();
        bench.keep();
    } else {
        first.unmount()?;
        print_table(&expected, &steps, &calls_in);
    }
    Ok(())
}

fn introduce(input: &Input, needed_bytes: u64, bench: &Bench) {
    println!(
        "This copies {} files ({}) from {} and a random file of {} through boxfs into an emulator of Box, and back.",
        input.files.len(),
        show_size(input.bytes),
        input.dir.display(),
        show_size(BIG_FILE_BYTES)
    );
    if input.unfit > 0 {
        let links = "links, special files or names that Box does not take";
        println!("{} entries are left out: they have {links}.", input.unfit);
    }
    println!(
        "It takes a minute or two and up to {} of disk in {}, removed at the end.",
        show_size(needed_bytes),
        bench.path().display()
    );
    println!("--api-limits off: a real Box wants a few calls per second only; the emulator does not mind.\n");
}

fn copy_in(input: &Input, big: &Path, mount: &DemoMount, interrupt: &Interrupt) -> Result<Step, Failure> {
    let started = Instant::now();
    let mount_shown = quoted(&mount.mountpoint.display().to_string());
    println!("$ cp -r {}/... {mount_shown}    # {} entries", input.dir.display(), input.entries.len());
    let mut tree = Command::new("cp");
    tree.args(["-r", "--"]).args(&input.entries).arg(&mount.mountpoint);
    children::run(tree, interrupt)?;
    let mut large = Command::new("cp");
    large.arg(big).arg(&mount.mountpoint);
    announce(&large);
    children::run(large, interrupt)?;
    Ok(Step { what: "copied in", how: "cp has ended", seconds: started.elapsed().as_secs_f64() })
}

fn wait_for_box(mount: &DemoMount, interrupt: &Interrupt) -> Result<Step, Failure> {
    let started = Instant::now();
    let mut wait = boxfs(["wait", "--timeout", "600"]);
    wait.arg(&mount.mountpoint);
    announce(&wait);
    children::run(wait, interrupt)?;
    Ok(Step { what: "in Box", how: "boxfs wait, after cp", seconds: started.elapsed().as_secs_f64() })
}

fn read_back(mount: &DemoMount, expected: &Prints, interrupt: &Interrupt) -> Result<Step, Failure> {
    println!("Reading everything back through this mount, which knows nothing yet ...");
    let started = Instant::now();
    let found = print_files(&list_files(&mount.mountpoint)?, interrupt)?;
    let seconds = started.elapsed().as_secs_f64();
    compare("in the second mount", expected, &found)?;
    println!("Proof: {} files read back, each with the size and SHA-1 of its source.\n", found.len());
    Ok(Step { what: "read back", how: "second mount, empty state", seconds })
}

fn print_table(expected: &Prints, steps: &[Step], calls: &BTreeMap<&'static str, u64>) {
    let bytes: u64 = expected.values().map(|print| print.size).sum();
    println!("\n{:<12}{:>8}{:>10}{:>10}", "", "files", "bytes", "seconds");
    for Step { what, how, seconds } in steps {
        println!("{what:<12}{:>8}{:>10}{seconds:>10.1}  {how}", expected.len(), show_size(bytes));
    }
    let all: u64 = calls.values().sum();
    let kinds = calls.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
    println!("{all} calls to bring them into Box: {kinds}");
}

fn say_how_to_stop(mount: &DemoMount, emulator: &EmulatorChild, bench: &Bench) {
    let mountpoint = quoted(&mount.mountpoint.display().to_string());
    let bench = quoted(&bench.path().display().to_string());
    let program = std::env::current_exe().unwrap_or_else(|_| "boxfs".into());
    println!("\nBox is mounted on {mountpoint}. When you have seen enough:");
    println!(
        "  {} umount {mountpoint}; kill {}; rm -r {bench}",
        quoted(&program.display().to_string()),
        emulator.pid()
    );
}
