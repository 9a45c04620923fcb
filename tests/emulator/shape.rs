//! The shape of the network: latency and rates.

use std::time::{Duration, Instant};

use boxfs::emulator::Options;

use crate::start;
use crate::wire::{noise, send};

#[test]
fn latency_is_counted_once_a_request() {
    let latency = Duration::from_millis(200);
    let (emulator, caller) = start(Options { latency, ..Options::default() });
    let begun = Instant::now();
    caller.new_file("a", &noise(1, 1_000_000));
    let took = begun.elapsed();
    assert!(took >= latency && took < latency * 2, "{took:?}");
    let record = emulator.requests()[0].clone();
    assert_eq!((record.method.as_str(), record.status), ("POST", 201));
    assert!(record.bytes_in > 1_000_000 && record.bytes_out > 0 && record.duration_ms >= 200, "{record:?}");
}

#[test]
fn a_connection_is_as_fast_as_its_bandwidth() {
    let (_emulator, caller) = start(Options { bandwidth: Some(4_000_000), ..Options::default() });
    let bytes = noise(1, 4_000_000);
    let begun = Instant::now();
    let file = caller.new_file("a", &bytes);
    let up = begun.elapsed();
    let redirect = caller.get(&format!("/2.0/files/{}/content", file["id"].as_str().unwrap()));
    let begun = Instant::now();
    assert_eq!(send(redirect.header("location").unwrap(), "GET", &[], b"").body, bytes);
    let down = begun.elapsed();
    for took in [up, down] {
        assert!(took > Duration::from_millis(900) && took < Duration::from_millis(2000), "{took:?}");
    }
}

#[test]
fn the_line_is_shared_by_all() {
    let (_emulator, caller) = start(Options { line: Some(4_000_000), ..Options::default() });
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for index in 0..4 {
            let caller = caller.clone();
            scope.spawn(move || caller.new_file(&format!("f{index}"), &noise(index, 1_000_000)));
        }
    });
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_millis(2000), "{took:?}");
}
