//! The word to logind that this machine should not go down or to sleep yet, held while work is on its way to Box.
//!
//! Without a system bus, or without logind on it, nothing happens: what is not sent goes up after the next start anyhow.

use std::os::fd::OwnedFd as Descriptor;
use std::time::Duration;

use tokio::sync::watch;
use zbus::{Connection, OwnedFd};

const SERVICE: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const INTERFACE: &str = "org.freedesktop.login1.Manager";
/// What is held up.
const WHAT: &str = "shutdown:sleep";
const WHO: &str = "boxfs";
const WHY: &str = "files are on their way to Box";
/// A person is asked before the machine goes down; whoever may not ask for that gets a few seconds.
const MODES: [&str; 2] = ["block", "delay"];
/// A bus that does not answer by then counts as none.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a bus that was not there is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Holds the machine up while `busy` says so, until nobody says anything any more.
pub async fn inhibit_while(mut busy: watch::Receiver<bool>) {
    let mut held: Option<Descriptor> = None;
    loop {
        let wanted = *busy.borrow_and_update();
        if !wanted {
            // logind sees the descriptor close.
            held = None;
        } else if held.is_none() {
            held = take().await;
        }
        let again = wanted && held.is_none();
        let over = tokio::select! {
            changed = busy.changed() => changed.is_err(),
            () = tokio::time::sleep(LOOK_AGAIN), if again => false,
        };
        if over {
            return;
        }
    }
}

/// The lock, as a descriptor that holds it while it is open.
async fn take() -> Option<Descriptor> {
    match tokio::time::timeout(PATIENCE, ask()).await {
        Ok(Ok(lock)) => Some(lock),
        Ok(Err(error)) => {
            log::debug!("shutdown and sleep are not held up: {error}");
            None
        }
        Err(_) => {
            log::debug!("shutdown and sleep are not held up: the system bus does not answer");
            None
        }
    }
}

async fn ask() -> zbus::Result<Descriptor> {
    let bus = Connection::system().await?;
    let mut refusal = None;
    for mode in MODES {
        let asked = (WHAT, WHO, WHY, mode);
        match bus.call_method(Some(SERVICE), PATH, Some(INTERFACE), "Inhibit", &asked).await {
            Ok(answer) => {
                let (lock,): (OwnedFd,) = answer.body().deserialize()?;
                return Ok(lock.into());
            }
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or(zbus::Error::InvalidReply))
}
