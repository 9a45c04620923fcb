//! What the emulator does against a bare hyper server that writes and digests the same bytes, and how long a generated account
//! takes: `scripts/bench emulator`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/ceiling.rs"]
mod ceiling;
#[path = "../tests/emulator/wire.rs"]
#[expect(dead_code, reason = "the tests of the emulator use the rest")]
mod wire;

use std::time::{Duration, Instant};

use boxfs::emulator::{Emulator, Options};

use bare::Bare;
use ceiling::{Source, rate};
use wire::{Caller, noise, send};

const PART_BYTES: usize = 16 * 1024 * 1024;
const PARTS: usize = 32;
const CONNECTIONS: usize = 4;
/// Measured in turns, so that what else the machine does falls on both; the first turn warms up and does not count.
const ROUNDS: usize = 7;
/// What the ratios must reach.
const ENOUGH: f64 = 0.8;

fn main() {
    let source = Source { part: noise(1, PART_BYTES), parts: PARTS };
    let options = Options { part_size: Some(PART_BYTES as u64), delete_forever: true, ..Options::default() };
    let emulator = Emulator::start(options).unwrap();
    let caller = Caller { base: emulator.url(), token: emulator.token() };
    println!(
        "{} MB in parts of {} MB over {CONNECTIONS} connections, medians of {} turns",
        source.size() / 1_000_000,
        PART_BYTES / 1_000_000,
        ROUNDS - 1
    );
    uploads(&source, &caller);
    downloads(&source, &caller);
    drop(emulator);
    a_million_items_are_there_in_seconds();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.remove(0);
    times.sort();
    times[times.len() / 2]
}

/// Prints both rates and what the emulator's is of the bare server's.
fn report(what: &str, size: u64, bare: Vec<Duration>, emulator: Vec<Duration>) {
    let (bare, emulator) = (rate(size, median(bare)), rate(size, median(emulator)));
    let ratio = emulator / bare;
    let verdict = if ratio >= ENOUGH { "enough" } else { "TOO SLOW" };
    println!("{what}: bare {:.0} MB/s, emulator {:.0} MB/s, ratio {ratio:.2} ({verdict})", bare / 1e6, emulator / 1e6);
}

/// Parts put to the bare server, once digested and once as often as Box's protocol asks for, against whole uploads from the
/// session to the commit's answer.
fn uploads(source: &Source, caller: &Caller) {
    let (once, twice) = (Bare::start(false), Bare::start(true));
    let (mut times_once, mut times_twice, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        ceiling::put_parts(&once.url, "", source, CONNECTIONS);
        times_once.push(begun.elapsed());
        once.forget();
        let begun = Instant::now();
        let (_, digest) = ceiling::put_parts(&twice.url, "", source, CONNECTIONS);
        assert_eq!(twice.whole(), digest);
        times_twice.push(begun.elapsed());
        twice.forget();
        let (id, took) = ceiling::upload(caller, source, &format!("file {round}"), CONNECTIONS);
        times.push(took);
        assert_eq!(caller.call("DELETE", &format!("/2.0/files/{id}"), &[], b"").status, 204);
    }
    report("upload, bare digests parts", source.size(), times_once, times.clone());
    report("upload, bare digests parts and the whole", source.size(), times_twice, times);
}

fn downloads(source: &Source, caller: &Caller) {
    let bare = Bare::start(false);
    let (id, _) = ceiling::upload(caller, source, "to download", CONNECTIONS);
    let mut file = std::fs::File::create(bare::whole_file(&bare)).unwrap();
    for _ in 0..source.parts {
        std::io::Write::write_all(&mut file, &source.part).unwrap();
    }
    let expected = source.sha1();
    let (mut times_bare, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        assert_eq!(ceiling::get_ranges(&bare.url, source.size(), CONNECTIONS), expected);
        times_bare.push(begun.elapsed());
        let (digest, took) = ceiling::download(caller, &id, source.size(), CONNECTIONS);
        assert_eq!(digest, expected);
        times.push(took);
    }
    report("download", source.size(), times_bare, times);
}

fn a_million_items_are_there_in_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(dir.path().to_owned()), generate: 1_000_000, ..Options::default() };
    let begun = Instant::now();
    let emulator = Emulator::start(options()).unwrap();
    println!("--generate 1000000: ready in {:.1} s", begun.elapsed().as_secs_f64());
    emulator.stop();
    let begun = Instant::now();
    let emulator = Emulator::start(options()).unwrap();
    println!("read again in {:.1} s", begun.elapsed().as_secs_f64());
    let caller = Caller { base: emulator.url(), token: emulator.token() };
    let begun = Instant::now();
    let folder = emulator.find("/generated/shelf 000/folder 00000").unwrap().id;
    let page = caller
        .get(&format!("/2.0/folders/{folder}/items?usemarker=true&limit=1000&fields=name,size,sha1,etag,modified_at"));
    println!(
        "{} entries in {:.0} ms",
        page.json()["entries"].as_array().unwrap().len(),
        begun.elapsed().as_secs_f64() * 1e3
    );
    assert_eq!(send(&format!("{}/2.0/users/me", caller.base), "GET", &[], b"").status, 401);
}
