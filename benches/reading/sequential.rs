//! A file of which this machine has nothing, read from its beginning to its end, beside what parallel downloaders need to bring it here:
//! bare ones of ours, and programs that people use. All in turn, so that what the machine does at a time meets all of them.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use sha1::{Digest, Sha1};

use crate::bare::{self, Source};
use crate::cold::{GIB, sent, with_big_file};
use crate::support::{TOKEN, World};
use crate::{BANDWIDTH, median, mount};

const RUNS: usize = 5;
/// What aria2c opens to one server at most.
const MOST_OF_ARIA2C: u64 = 16;
/// Fewer connections than a mount takes, and more.
const CONNECTIONS: [u64; 3] = [16, 32, 64];
/// Memory touched before each run: the two copies of a mount or the one of a download, and what the kernel needs beside.
const TOUCHED_BYTES: usize = 4 << 30;

/// Somebody who brings the big file here, and the bytes per second of each run.
struct Contender<'c> {
    name: String,
    bring: Box<dyn Fn() -> f64 + 'c>,
    rates: Vec<f64>,
}

pub fn sequential() {
    let (world, bytes, id) = with_big_file();
    let sha1: [u8; 20] = Sha1::digest(&bytes).into();
    let source = Source { server: world.emulator.url(), token: TOKEN, file_id: id, size: GIB, sha1 };
    let to = world.dir().join("download");
    let (has_aria2c, has_rclone) = (is_here("aria2c"), is_here("rclone"));
    let mut contenders = vec![Contender::new("boxfs", || read_whole(&world, &bytes))];
    for n in CONNECTIONS {
        let (source, to) = (&source, to.as_path());
        let name = |who| format!("{who}, {n} connections");
        contenders.push(Contender::new(name("bare that compares"), move || bare::download_comparing(source, n, to)));
        contenders.push(Contender::new(name("bare that does not"), move || bare::download(source, n, to)));
        if n <= MOST_OF_ARIA2C && has_aria2c {
            contenders.push(Contender::new(name("aria2c that compares"), move || aria2c(source, n, to)));
        }
        if has_rclone {
            contenders.push(Contender::new(name("rclone and sha1sum"), move || rclone(source, n, to)));
        }
    }
    for _ in 0..RUNS {
        for contender in &mut contenders {
            touch_memory();
            contender.rates.push((contender.bring)());
        }
    }
    let ours = median(contenders[0].rates.clone());
    println!("sequential: boxfs {:.1} times one connection's bandwidth (at least 6)", ours / BANDWIDTH as f64);
    for Contender { name, rates, .. } in contenders {
        let rate = median(rates.clone());
        let each: Vec<String> = rates.iter().map(|rate| format!("{:.0}", rate / 1e6)).collect();
        println!("sequential: {name}: {:.0} MB/s ({}); boxfs {:.2} of it", rate / 1e6, each.join(", "), ours / rate);
    }
}

impl<'c> Contender<'c> {
    fn new(name: impl Into<String>, bring: impl Fn() -> f64 + 'c) -> Contender<'c> {
        Contender { name: name.into(), bring: Box::new(bring), rates: Vec::new() }
    }
}

/// Touches memory, so that no run pays for it: a virtual machine gives what is free back to its host within seconds, and takes a second or
/// more for each gibibyte that it needs again.
fn touch_memory() {
    let page = 4096;
    let mut memory = vec![0_u8; TOUCHED_BYTES];
    memory.iter_mut().step_by(page).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

/// Reads the big file through a mount that has nothing of it.
fn read_whole(world: &World, bytes: &[u8]) -> f64 {
    let mount = mount(world, "sequential");
    std::fs::metadata(mount.at("big")).unwrap();
    world.emulator.reset_requests();
    let begun = Instant::now();
    let mut file = File::open(mount.at("big")).unwrap();
    let (mut buffer, mut at) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        at += read;
    }
    let rate = GIB as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(at as u64, GIB);
    let (fetched, requests) = sent(world);
    println!("sequential: boxfs: {requests} requests, {} bytes fetched beyond the file", fetched as i64 - GIB as i64);
    drop(file);
    // Only now, since no downloader beside it compares anything with a copy in memory.
    assert!(std::fs::read(mount.at("big")).unwrap() == bytes, "wrong bytes");
    let (cache, state) = (mount.cache_dir.clone(), mount.state_dir.clone());
    mount.umount();
    // What the disk still has to write of it would slow down whoever comes next, and what is known would help the next mount.
    std::fs::remove_dir_all(cache).unwrap();
    std::fs::remove_dir_all(state).unwrap();
    rate
}

fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("sequential: {program} is not on this machine and left out");
    }
    found
}

/// Runs `program` to its end; what it brought is `source`.
fn run(program: &mut Command, source: &Source, to: &Path) -> f64 {
    let begun = Instant::now();
    let done = program.output().unwrap();
    assert!(done.status.success(), "{program:?}: {}", String::from_utf8_lossy(&done.stderr));
    let rate = source.size as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(std::fs::metadata(to).unwrap().len(), source.size);
    std::fs::remove_file(to).unwrap();
    rate
}

fn aria2c(source: &Source, connections: u64, to: &Path) -> f64 {
    let mut aria2c = Command::new("aria2c");
    aria2c.args(["--quiet", "--no-conf", "--file-allocation=none", "--allow-overwrite=true", "--min-split-size=1M"]);
    aria2c.arg(format!("--split={connections}")).arg(format!("--max-connection-per-server={connections}"));
    aria2c.arg(format!("--checksum=sha-1={}", hex::encode(source.sha1)));
    aria2c.arg("--dir").arg(to.parent().unwrap()).arg("--out").arg(to.file_name().unwrap());
    run(aria2c.arg(source.location()), source, to)
}

/// From a Box account rclone compares what it brought, and reads it again for that; a plain server names no digest, hence sha1sum.
fn rclone(source: &Source, connections: u64, to: &Path) -> f64 {
    let location = source.location();
    let (server, path) = location.split_at(location.rfind('/').unwrap() + 1);
    let mut both = Command::new("sh");
    both.args(["-c", r#"rclone copyto "$@" && echo "$sha1  $to" | sha1sum --check --quiet"#, "sh"]);
    both.env("sha1", hex::encode(source.sha1)).env("to", to).env("RCLONE_CONFIG", "/dev/null");
    both.args(["--http-url", server, "--multi-thread-cutoff", "16M", "--multi-thread-chunk-size", "8M"]);
    both.args(["--multi-thread-streams", &connections.to_string()]);
    run(both.arg(format!(":http:{path}")).arg(to), source, to)
}
