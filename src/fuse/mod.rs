//! The kernel's side of the wall: decodes what the kernel asks, calls vfs, replies; mounts and unmounts; tells the kernel
//! what to forget.
//!
//! A request that can be answered is answered on fuser's thread; one that must wait for Box takes its reply to the
//! runtime and is repeated there. Nothing here decides what an operation means, waits for the network on a thread of
//! fuser's, or sends a notification from inside a request. The facts about kernel and fuser that this rests on are
//! in ARCHITECTURE.md.

mod adapter;
mod attributes;
mod backing;
mod decode;
mod directories;
mod errno;
mod files;
mod fusermount;
mod kernel;
mod mounting;
mod names;
mod notify;
mod options;
mod panics;
mod session;
mod waiting;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

pub use errno::errno_number;
pub use kernel::{can_pass_through, passthrough_obstacle};
pub use mounting::{Mount, MountError, clear_if_dead, probe};
pub use options::MountRequest;
pub use session::Mounted;

use crate::vfs::{Invalidation, Vfs};
use backing::Backings;
use kernel::Kernel;
use waiting::WaitingRoom;

/// What all requests of one mount share.
struct Fuse {
    vfs: Arc<Vfs>,
    kernel: Kernel,
    backings: Backings,
    /// Where requests wait.
    runtime: Handle,
    waiting: Arc<WaitingRoom>,
    /// True: nobody waits any more.
    stopping: watch::Sender<bool>,
}

/// Mounts `vfs` and serves it until the mount is taken down. Requests wait on `runtime`; what arrives on `news` is told
/// to the kernel.
pub fn mount(
    request: &MountRequest,
    vfs: Arc<Vfs>,
    runtime: Handle,
    news: Receiver<Invalidation>,
) -> Result<Mounted, MountError> {
    let (device, mount) = mounting::mount_at(request)?;
    let fuse = Arc::new(Fuse {
        vfs,
        kernel: Kernel::new(request.options.passthrough, &request.data_dirs),
        backings: Backings::default(),
        runtime,
        waiting: Arc::default(),
        stopping: watch::Sender::new(false),
    });
    session::start(fuse, device, mount.clone(), request.acl(), news).inspect_err(|_| {
        if let Err(error) = mounting::unmount(&mount) {
            log::warn!("{error}");
        }
    })
}
