//! The daemon's Unix socket: one request type, one reply type, JSON lines.
//!
//! The server ([`ControlServer`]) hands each request as a value to whoever answers ([`Asked`]); the client
//! ([`Client`]) blocks, since commands have nothing else to do. [`Mounted`] finds the daemon of a path. Nothing here
//! knows what a request means, and nobody but the mount's owner and root gets an answer.

mod answer;
mod client;
mod fill;
mod mounts;
mod past;
mod pictures;
mod protocol;
mod salvage;
mod server;
mod socket_path;
mod speed;
mod watch;

pub use answer::{Answerer, Facts};
pub use client::{Client, ClientError};
pub use fill::{Filling, keep_pins};
pub use mounts::{FindError, Mounted, Place, find, mount_at, mounts};
pub use protocol::{
    Account, Amount, ApiUse, Change, Conflict, Discarded, Events, Failure, Located, Notice, Pending, Progress, Reader,
    Refusal, Reply, Request, Space, StatusReport, TrashedItem, Troubles, Uploading, Version, Waiting,
};
pub use server::{Asked, ControlError, ControlServer};

/// The socket's name in the state directory.
const SOCKET_NAME: &str = "control.sock";
