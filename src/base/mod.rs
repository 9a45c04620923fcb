//! Small things with no opinion: ids, times, digests, names, durable file writes.
//!
//! Nothing here knows of Box's calls, of the kernel or of the database.

mod clock;
mod digest;
mod durable;
mod failpoint;
mod ids;
mod links;
mod local_only;
mod machine;
mod mount_table;
mod names;
mod pace;
mod secret;
mod units;

pub use clock::{BootClock, Timestamp, TimestampError};
pub use digest::{DigestError, Sha1Digest, Sha1Hasher, hash_file};
pub use durable::{sync_dir, write_file_durably};
pub use failpoint::failpoint;
pub use ids::{AttemptId, BoxId, ContentId, Ino, ItemKind};
pub use links::{MAX_TARGET_BYTES, is_target, link_file_name, link_name, may_be_target};
pub use local_only::LocalOnlyNames;
pub use machine::{boot_id, host_name};
pub use mount_table::{MOUNT_TYPE, MountRow, SOURCE_PREFIX, mount_table, parse_mount_table};
pub use names::{
    NameError, box_name, check_name, conflict_name, fold, is_conflict_name, original_name, parked_name, shown_name,
    unparked,
};
pub use pace::{paced, pause, time_scale};
pub use secret::Secret;
pub use units::{parse_duration, parse_rate, parse_size, show_size};
