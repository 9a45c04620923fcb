//! Ctrl-C and SIGTERM as a flag that every step looks at, so that a stop takes the same way out as an error.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::exit::Failure;
use crate::cli::signals::StopSignals;

/// Whether somebody wants the demo to end.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen. The listening thread ends with the process.
    pub(super) fn watch() -> Result<Interrupt, Failure> {
        let failed = |e: io::Error| Failure::new(format!("cannot wait for signals: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut stop = {
            let _inside = runtime.enter();
            StopSignals::listen().map_err(failed)?
        };
        let flag = Arc::new(AtomicBool::new(false));
        let raised = flag.clone();
        std::thread::spawn(move || {
            runtime.block_on(stop.asked());
            raised.store(true, Ordering::Relaxed);
        });
        Ok(Interrupt(flag))
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) { Err(Failure::new("interrupted: cleaned up")) } else { Ok(()) }
    }
}
