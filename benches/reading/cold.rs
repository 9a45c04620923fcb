//! Files of which this machine has nothing: their first byte, and little pieces here and there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use crate::support::{World, bytes_of};
use crate::{LATENCY, far_box, median, mount};

pub const GIB: u64 = 1 << 30;
const RANDOM_READS: usize = 500;

/// A far Box with one file of a gibibyte.
pub fn with_big_file() -> (World, Vec<u8>, String) {
    let world = far_box();
    let bytes = bytes_of(GIB as usize, 1);
    let id = world.emulator.act().write_file("/big", &bytes).unwrap();
    (world, bytes, id)
}

/// Bytes that downloads sent since the last reset, and their number.
pub fn sent(world: &World) -> (u64, usize) {
    let requests = world.emulator.requests();
    let downloads = requests.iter().filter(|r| r.path.starts_with("/d/"));
    downloads.fold((0, 0), |(bytes, number), r| (bytes + r.bytes_out, number + 1))
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
