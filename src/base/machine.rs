//! What this machine says of itself.

use std::fs::read_to_string;

/// The id of this boot (`/proc/sys/kernel/random/boot_id`): differs after each start of the machine. A test build can be told
/// another one in `BOXFS_BOOT_ID`, so that a power cut of one disk looks like one of the machine.
pub fn boot_id() -> String {
    #[cfg(feature = "failpoints")]
    if let Ok(told) = std::env::var("BOXFS_BOOT_ID") {
        return told;
    }
    read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
}

/// The machine's name, for conflict copies; never empty.
pub fn host_name() -> String {
    let name = read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().replace(['/', '\\'], "-");
    if name.is_empty() { "this machine".to_owned() } else { name }
}
