//! The desktop around a mount: the keyring, which guards sign-ins while nobody is at the machine.
//!
//! Everything here may be absent, as on a server; nothing of a mount depends on it but what was begun with it. Only commands use it:
//! a daemon gets what it needs from the command that starts it.

mod keyring;

pub use keyring::{Keyring, KeyringError};
