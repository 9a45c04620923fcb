//! A panic in a request costs that request and nothing else (DESIGN.md section 9).
//!
//! fuser's loop threads die of a panic, and when all have died every program hangs (FUSE.md section 5, trap 5). So
//! each handler runs inside [`contained`]. The reply that was lost in it answers `EIO` by itself when it is dropped.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`contained`].
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it is logged with its backtrace and gives `None`.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    log_contained_panics();
    let outer = CONTAINED.replace(true);
    // What a panic leaves half done stays consistent without this room's help: its own tables are changed in
    // single steps, and vfs commits in transactions.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    result.ok()
}

/// The backtrace exists only inside the hook, before unwinding: contained panics are logged there, with it; all
/// others go the way they went before.
fn log_contained_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CONTAINED.get() {
                log::error!("a request panicked: {info}\n{}", Backtrace::force_capture());
            } else {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained() {
        assert_eq!(contained(|| 7), Some(7));
        assert_eq!(contained(|| -> u32 { panic!("on purpose") }), None);
        assert!(!CONTAINED.get());
    }
}
