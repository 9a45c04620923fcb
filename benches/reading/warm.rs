//! A file that is here already, beside the same bytes in an ordinary file on the same disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use boxfs::emulator::Options;

use crate::support::{Mode, World, bytes_of};
use crate::{median, mount};

const GIB: u64 = 1 << 30;
const RUNS: usize = 5;

/// Bytes per second of one read to the end.
fn read(path: &Path, dropped: bool) -> f64 {
    if dropped {
        // SAFETY: sync touches no memory.
        unsafe { libc::sync() };
        std::fs::write("/proc/sys/vm/drop_caches", "1").unwrap();
    }
    let begun = Instant::now();
    let (mut file, mut buffer, mut left) = (File::open(path).unwrap(), vec![0; 1 << 20], GIB);
    while left > 0 {
        left -= file.read(&mut buffer).unwrap() as u64;
    }
    GIB as f64 / begun.elapsed().as_secs_f64()
}

pub fn second_read() {
    for (mode, least) in [(Mode::Passthrough, 0.8), (Mode::Copying, 0.5)] {
        let world = World::with(mode, Options::default());
        let bytes = bytes_of(GIB as usize, 1);
        world.emulator.act().write_file("/big", &bytes).unwrap();
        let native = world.dir().join("native");
        std::fs::write(&native, &bytes).unwrap();
        drop(bytes);
        let mount = mount(&world, "warm");
        read(&mount.at("big"), false);
        world.emulator.reset_requests();
        for dropped in [false, true] {
            read(&native, false);
            read(&mount.at("big"), false);
            let (mut ours, mut natives) = (Vec::new(), Vec::new());
            for _ in 0..RUNS {
                natives.push(read(&native, dropped));
                ours.push(read(&mount.at("big"), dropped));
            }
            let (ours, natives) = (median(ours), median(natives));
            let cache = if dropped { "dropped" } else { "warm" };
            println!(
                "warm: {mode:?}, page cache {cache}: {:.0} MB/s, native {:.0} MB/s, ratio {:.2} (at least {least})",
                ours / 1e6,
                natives / 1e6,
                ours / natives
            );
        }
        assert!(world.emulator.requests().iter().all(|r| !r.path.contains("content") && !r.path.starts_with("/d/")));
    }
}
