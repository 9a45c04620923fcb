//! Files of which this machine has nothing: whole, their first byte, and little pieces here and there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use sha1::{Digest, Sha1};

use crate::support::{TOKEN, World, bytes_of};
use crate::{BANDWIDTH, LATENCY, bare, far_box, median, mount};

const GIB: u64 = 1 << 30;
const RUNS: usize = 3;
/// Connections that parallel downloaders are usually told to use, and twice as many.
const CONNECTIONS: [u64; 3] = [8, 16, 32];
const RANDOM_READS: usize = 500;

/// A far Box with one file of a gibibyte.
pub fn with_big_file() -> (World, Vec<u8>, String) {
    let world = far_box();
    let bytes = bytes_of(GIB as usize, 1);
    let id = world.emulator.act().write_file("/big", &bytes).unwrap();
    (world, bytes, id)
}

/// Bytes that downloads sent since the last reset, and their number.
fn sent(world: &World) -> (u64, usize) {
    let requests = world.emulator.requests();
    let downloads = requests.iter().filter(|r| r.path.starts_with("/d/"));
    downloads.fold((0, 0), |(bytes, number), r| (bytes + r.bytes_out, number + 1))
}

/// Memory of this machine that one run takes at most: the bytes here, the emulator's, a download, and two copies of a mount's.
const TOUCHED_BYTES: usize = 8 << 30;

/// Touches memory, so that no run pays for what a virtual machine has to ask its host for (FUSE.md, first lines).
fn touch_memory() {
    let page = 4096;
    let mut memory = vec![0_u8; TOUCHED_BYTES];
    memory.iter_mut().step_by(page).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

pub fn sequential() {
    touch_memory();
    let (world, bytes, id) = with_big_file();
    let sha1: [u8; 20] = Sha1::digest(&bytes).into();
    let (url, to) = (world.emulator.url(), world.dir().join("bare"));
    let (mut ours, mut bare, mut digesting) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        for connections in CONNECTIONS {
            let rate = bare::download(&url, TOKEN, &id, GIB, connections, &to);
            println!("sequential: bare, {connections} connections: {:.0} MB/s", rate / 1e6);
            bare.push((connections, rate));
            let rate = bare::download_digesting(&url, TOKEN, &id, (GIB, sha1), connections, &to);
            println!("sequential: bare that digests, {connections} connections: {:.0} MB/s", rate / 1e6);
            digesting.push((connections, rate));
        }
        ours.push(read_whole(&world, &bytes, run));
    }
    let ours = median(ours);
    println!("sequential: boxfs {:.1} times one connection's bandwidth (at least 6)", ours / BANDWIDTH as f64);
    compare("the bare downloader that digests", ours, &digesting);
    compare("the one that does not", ours, &bare);
}

/// Reads the big file through a mount that has nothing of it; bytes per second.
fn read_whole(world: &World, bytes: &[u8], run: usize) -> f64 {
    let mount = mount(world, &format!("sequential-{run}"));
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
    println!(
        "sequential: boxfs: {:.0} MB/s in {requests} requests, {} bytes fetched beyond the file",
        rate / 1e6,
        fetched as i64 - GIB as i64
    );
    drop(file);
    // Only now, since no downloader beside it compares anything with a copy in memory.
    assert!(std::fs::read(mount.at("big")).unwrap() == bytes, "wrong bytes");
    let cache = mount.cache_dir.clone();
    mount.umount();
    // What the disk still has to write of it would slow down whoever comes next.
    std::fs::remove_dir_all(cache).unwrap();
    rate
}

fn compare(with: &str, ours: f64, theirs: &[(u64, f64)]) {
    for connections in CONNECTIONS {
        let rates = theirs.iter().filter(|(c, _)| *c == connections).map(|(_, rate)| *rate).collect();
        println!("sequential: {:.2} of {with}, {connections} connections", ours / median(rates));
    }
}

pub fn first_byte() {
    let world = far_box();
    let mut over = Vec::new();
    (0..9)
        .for_each(|n| drop(world.emulator.act().write_file(&format!("/file-{n}"), &bytes_of(50_000_000, n)).unwrap()));
    let mount = mount(&world, "first");
    std::fs::metadata(mount.at("file-0")).unwrap();
    for n in 0..9 {
        let begun = Instant::now();
        let mut file = File::open(mount.at(&format!("file-{n}"))).unwrap();
        file.read_exact(&mut [0; 4096]).unwrap();
        over.push((begun.elapsed().as_secs_f64() - 2.0 * LATENCY.as_secs_f64()) * 1e3);
    }
    println!("first byte: 2 round trips + {:.1} ms (at most 30)", median(over));
}

pub fn random() {
    let (world, bytes, _) = with_big_file();
    let mount = mount(&world, "random");
    let file = File::open(mount.at("big")).unwrap();
    let mut piece = [0; 4096];
    // The address is known from here on.
    file.read_exact_at(&mut piece, GIB / 2).unwrap();
    world.emulator.reset_requests();
    let mut random = fastrand::Rng::with_seed(5);
    let begun = Instant::now();
    for _ in 0..RANDOM_READS {
        let at = random.u64(..GIB - 4096) & !4095;
        file.read_exact_at(&mut piece, at).unwrap();
        assert!(piece == bytes[at as usize..at as usize + 4096]);
    }
    let each = begun.elapsed().as_secs_f64() / RANDOM_READS as f64 / LATENCY.as_secs_f64();
    let (fetched, requests) = sent(&world);
    println!(
        "random: {RANDOM_READS} reads of 4 KiB in {requests} requests: {} KiB each (at most 128), {each:.2} round trips each (at most 1.2)",
        fetched / RANDOM_READS as u64 / 1024
    );
}
