//! The desktop around a mount: the keyring, which guards sign-ins while nobody is at the machine.
//!
//! Everything here may be absent, as on a server; nothing of a mount depends on it but what was begun with it. The keyring is for commands
//! alone: a daemon gets what it needs from the command that starts it. The inhibitor is the daemon's.

mod inhibitor;
mod keyring;

pub use inhibitor::inhibit_while;
pub use keyring::{Keyring, KeyringError};
