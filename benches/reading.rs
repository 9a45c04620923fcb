//! Reading through a mount, beside what the same machine does without one: `scripts/bench reading [PART...]`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

#[path = "../tests/mount/support/mod.rs"]
#[macro_use]
#[expect(unused_macros, reason = "measurements choose their mode themselves")]
mod support;

#[path = "reading/bare.rs"]
mod bare;
#[path = "reading/cold.rs"]
mod cold;
#[path = "reading/names.rs"]
mod names;
#[path = "reading/patterns.rs"]
mod patterns;
#[path = "reading/sequential.rs"]
mod sequential;
#[path = "reading/warm.rs"]
mod warm;

use std::time::Duration;

use boxfs::emulator::Options;
use support::{Mode, Mount, World};

/// Latency of each request.
const LATENCY: Duration = Duration::from_millis(80);
/// Bytes per second of each connection.
const BANDWIDTH: u64 = 25_000_000;
/// A mount that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(900);

type Part = (&'static str, fn());

const PARTS: [Part; 7] = [
    ("sequential", sequential::sequential),
    ("first-byte", cold::first_byte),
    ("random", cold::random),
    ("warm", warm::second_read),
    ("names", names::hundred_thousand),
    ("account", names::a_million),
    ("patterns", patterns::table),
];

fn main() {
    // `cargo bench` adds arguments of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            part();
        }
    }
}

/// A Box as far away as the real one.
fn far_box() -> World {
    World::with(Mode::Copying, Options { latency: LATENCY, bandwidth: Some(BANDWIDTH), ..Options::default() })
}

/// A mount as users have it, with its own state.
fn mount(world: &World, name: &str) -> Mount {
    mount_in(world, name, &[])
}

fn mount_in(world: &World, name: &str, arguments: &[&str]) -> Mount {
    let mounter = world.mounter(name).limit(LIMIT).variable("BOXFS_LOG_LEVEL", "warn");
    mounter.args(["--cache-size", "20GB"]).args(arguments.iter().copied()).start()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
