//! This machine: FUSE, the kernel, directories and their disks, limits of the process.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access, geteuid};

use crate::base::show_size;
use crate::cli::mount_checks::check_machine;
use crate::config::{Passthrough, Settings};
use crate::fuse::passthrough_obstacle;

use super::findings::{Findings, Verdict};

/// Open files beside those of programs: connections, data files, the database.
const FEW_DESCRIPTORS: u64 = 1024;

pub(super) fn look_at_fuse(findings: &mut Findings, settings: &Settings) {
    match check_machine(&settings.mount) {
        Ok(()) if geteuid().is_root() => findings.add("FUSE", Verdict::Good, "/dev/fuse, as root"),
        Ok(()) => findings.add("FUSE", Verdict::Good, "/dev/fuse and fusermount3, as an ordinary user"),
        Err(failure) => {
            let (what, advice) = failure.message.split_once(": ").unwrap_or((&failure.message, "see the README"));
            findings.add("FUSE", Verdict::Bad(advice), what);
        }
    }
    if settings.mount.passthrough == Passthrough::Off {
        findings.add("Passthrough", Verdict::Note("'-o passthrough=auto' uses it where it can be had"), "switched off");
    }
}

pub(super) fn look_at_kernel(findings: &mut Findings) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    findings.add("Kernel", Verdict::Good, &format!("Linux {release}"));
    match passthrough_obstacle(release) {
        None => {
            findings.add("Passthrough", Verdict::Good, "the kernel reads and writes data files by itself: native speed")
        }
        Some(why) => {
            let advice = "everything works without it, at a quarter to a half of the disk's speed";
            findings.add("Passthrough", Verdict::Note(advice), &format!("not to be had: {why}"));
        }
    }
}

pub(super) fn look_at_places(findings: &mut Findings, settings: &Settings) {
    let places = [
        ("State", &settings.state_dir, settings.spool_size_bytes, "--spool-size"),
        ("Cache", &settings.cache_dir, settings.cache_size_bytes, "--cache-size"),
    ];
    for (name, dir, wanted, option) in places {
        match trouble_of(dir) {
            Some((what, advice)) => findings.add(name, Verdict::Bad(&advice), &what),
            None => look_at_space(findings, name, dir, wanted, option),
        }
    }
}

/// Why a directory cannot be used, and what to do. One that is not there yet is made at the first mount.
fn trouble_of(dir: &Path) -> Option<(String, String)> {
    let shown = dir.display();
    match std::fs::metadata(dir) {
        Ok(metadata) if !metadata.is_dir() => {
            Some((format!("{shown} is not a directory"), "move it away, or choose another".to_owned()))
        }
        Ok(metadata) if metadata.uid() != geteuid().as_raw() => {
            Some((format!("{shown} belongs to another user"), "choose another, or another --profile".to_owned()))
        }
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Some((
            format!("{shown} is open to others ({:o})", metadata.permissions().mode() & 0o777),
            format!("'chmod 700 {shown}'"),
        )),
        Ok(_) if access(dir, AccessFlags::W_OK).is_err() => {
            Some((format!("{shown} cannot be written to"), format!("'chmod u+w {shown}', or choose another")))
        }
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = existing(dir);
            access(&above, AccessFlags::W_OK).is_err().then(|| {
                let what = format!("{shown} cannot be made: {} is not yours to write to", above.display());
                (what, "choose another with --state-dir and --cache-dir".to_owned())
            })
        }
        Err(error) => Some((format!("{shown}: {error}"), "choose another".to_owned())),
    }
}

fn look_at_space(findings: &mut Findings, name: &str, dir: &Path, wanted: u64, option: &str) {
    let Ok(stat) = statvfs(&existing(dir)) else {
        return findings.add(
            name,
            Verdict::Note("look with 'df'"),
            &format!("{}: its disk says nothing", dir.display()),
        );
    };
    // The fields' widths differ between machines.
    #[allow(clippy::useless_conversion)]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()));
    let text = format!("{}, {} free", dir.display(), show_size(free));
    if free >= wanted {
        return findings.add(name, Verdict::Good, &text);
    }
    let advice = format!("less than {option} ({}): make room, or lower it", show_size(wanted));
    findings.add(name, Verdict::Note(&advice), &text);
}

/// The nearest directory above that is there.
fn existing(dir: &Path) -> PathBuf {
    dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

pub(super) fn look_at_limits(findings: &mut Findings) {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft >= FEW_DESCRIPTORS => {
            findings.add("Open files", Verdict::Good, &format!("{soft} at once"));
        }
        Ok((soft, _)) => {
            let advice = "programs with many open files will fail: 'ulimit -n 4096' before the mount";
            findings.add("Open files", Verdict::Note(advice), &format!("{soft} at once"));
        }
        Err(error) => findings.add("Open files", Verdict::Note("nothing to do"), &format!("unknown: {error}")),
    }
}
