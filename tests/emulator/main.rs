//! The emulator, judged by raw bytes over TCP: Box's statuses, codes and shapes, not our client's idea of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chunked;
mod codes;
mod command;
mod docs;
mod events;
mod extras;
mod fault_scripts;
mod faults;
mod life;
mod rates;
mod refusals;
mod restart;
mod shape;
mod signin;
mod wire;

use boxfs::emulator::{Emulator, Options};
use wire::Caller;

fn start(options: Options) -> (Emulator, Caller) {
    let emulator = Emulator::start(options).unwrap();
    let caller = Caller { base: emulator.url(), token: emulator.token() };
    (emulator, caller)
}
