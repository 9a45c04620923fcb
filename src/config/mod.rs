//! The configuration: defaults, then the file, then the environment, then the command line; checked once, here.
//!
//! A value is text with an [`Origin`] until the key table ([`keys`]) reads it, so that every error can say where
//! the text came from. This room never talks to Box, makes no directory, and holds no token but the one that
//! [`token_from_environment`] hands out.

mod dirs;
mod environment;
mod error;
mod file;
mod keys;
mod mount_options;
mod nearest;
mod resolve;
mod server;
mod settings;

pub use environment::token_from_environment;
pub use error::{ConfigError, Origin};
pub use mount_options::{MountOptions, Passthrough};
pub use nearest::nearest;
pub use resolve::{CommandLine, Surroundings, resolve};
pub use server::Server;
pub use settings::{ApiLimits, Durability, Settings};
