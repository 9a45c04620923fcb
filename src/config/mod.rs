//! The configuration: defaults, then the file, then the environment, then the command line; checked once, here.
//!
//! A value is text with an [`Origin`] until the key table ([`keys`]) reads it, so that every error can say where
//! the text came from. This room never talks to Box, and makes no directory but that of its own file. Secrets of the
//! environment leave it at the start ([`Surroundings::take`]).

mod delete_guard;
mod dirs;
mod edit;
mod environment;
mod error;
mod file;
mod keys;
mod mount_options;
mod nearest;
mod resolve;
mod server;
mod settings;

pub use delete_guard::DeleteGuard;
pub use edit::{EditError, set_key, unset_key};
pub use environment::Surroundings;
pub use error::{ConfigError, Origin};
pub use keys::secret_keys;
pub use mount_options::{MountOptions, Passthrough};
pub use nearest::nearest;
pub use resolve::{CommandLine, Standing, config_path, explain, resolve};
pub use server::Server;
pub use settings::{ApiLimits, Durability, Settings};
