//! Keeping this process's memory to itself: it holds tokens.

use nix::sys::resource::{Resource, setrlimit};

/// No core dump, and no debugger of the same user. A kernel that refuses one of the two still has the other.
pub(super) fn keep_memory_private() {
    let undumpable = nix::sys::prctl::set_dumpable(false);
    let coreless = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    if let (Err(error), Err(_)) = (undumpable, coreless) {
        eprintln!("boxfs: core dumps stay possible: {error}");
    }
}
