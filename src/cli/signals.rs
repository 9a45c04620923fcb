//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first SIGTERM, SIGINT or SIGHUP from now on.
///
/// # Panics
/// Outside a tokio runtime with its signal driver.
#[expect(dead_code, reason = "the daemon waits for it once it is put together")]
pub(super) async fn stop_asked() {
    let listen = |kind| signal(kind).expect("a runtime with IO takes these signals");
    let (mut term, mut int, mut hup) =
        (listen(SignalKind::terminate()), listen(SignalKind::interrupt()), listen(SignalKind::hangup()));
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hup.recv() => {}
    }
}
