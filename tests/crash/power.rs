//! The power is cut: the state directory lies on a disk of its own, whose unsynced bytes are dropped at a random moment. What
//! `fsync` promised is there afterwards, and Box has no file that nobody wrote like that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Mode, Mount, Mounter, SOON, World, at_full_size, bytes_of, eventually, sha1_hex};

/// Sparse; what the daemon leaves free to others is less.
const DISK_BYTES: u64 = 4 << 30;
/// From the mount to the cut, milliseconds.
const LIFE_MS: std::ops::Range<u64> = 5..900;
const FEW_CUTS: u32 = 6;
const MANY_CUTS: u32 = 60;

nix::ioctl_read!(
    /// `EXT4_IOC_SHUTDOWN`, which reads its argument although its number says otherwise.
    ext4_shutdown,
    b'X',
    125,
    u32
);

/// Nothing is written any more, not even the journal (`EXT4_GOING_FLAGS_NOLOGFLUSH`).
const NO_LOG_FLUSH: u32 = 2;

/// An ext4 in a file, mounted through a loop device.
struct Disk {
    image: PathBuf,
    root: PathBuf,
}

impl Disk {
    fn new(dir: &Path) -> Disk {
        let disk = Disk { image: dir.join("disk.img"), root: dir.join("disk") };
        File::create(&disk.image).unwrap().set_len(DISK_BYTES).unwrap();
        std::fs::create_dir(&disk.root).unwrap();
        must(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image));
        disk.plug_in();
        disk
    }

    fn plug_in(&self) {
        must(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.root));
    }

    /// All that was not synced is lost.
    fn cut(&self) {
        let root = File::open(&self.root).unwrap();
        let mut how = NO_LOG_FLUSH;
        // SAFETY: the descriptor is open, and the kernel reads one u32 that outlives the call.
        unsafe { ext4_shutdown(root.as_raw_fd(), &mut how) }.unwrap();
    }

    fn unplug(&self) {
        let unmounted = || Command::new("umount").arg(&self.root).output().unwrap().status.success();
        eventually("nobody uses the disk", SOON, unmounted);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that failed leaves whoever uses it to its end.
        let _ = Command::new("umount").arg("-l").arg(&self.root).output();
    }
}

fn must(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// What a program did until the power went.
#[derive(Default)]
struct Written {
    /// Name and SHA-1 of what `fsync` answered for.
    promised: BTreeMap<String, String>,
    /// SHA-1 of everything that was ever written as a whole.
    whole: BTreeSet<String>,
}

#[test]
fn what_fsync_promised_is_there_after_a_power_cut() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP: loop devices take root");
        return;
    }
    let world = World::new(Mode::Copying);
    let disk = Disk::new(world.dir());
    let cuts = if at_full_size() { MANY_CUTS } else { FEW_CUTS };
    let mut random = fastrand::Rng::with_seed(7);
    let mut written = Written::default();
    for cut in 0..cuts {
        let mode = if cut % 2 == 0 { Mode::Passthrough } else { Mode::Copying };
        let mount = mounter(&world, &disk, mode, cut).start();
        expect_promised(&mount, &written);
        let over = Arc::new(AtomicBool::new(false));
        let life = Duration::from_millis(random.u64(LIFE_MS));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_until_it_fails(&mount.root, cut, &over, &mut written));
            std::thread::sleep(life);
            disk.cut();
            over.store(true, Ordering::SeqCst);
            mount.signal(nix::sys::signal::Signal::SIGKILL);
            writer.join().unwrap();
        });
        let root = mount.root.clone();
        mount.death(SOON);
        // The dead mount's backing files are on the disk.
        must(Command::new("umount").arg("-l").arg(root));
        disk.unplug();
        disk.plug_in();
    }
    let mount = mounter(&world, &disk, Mode::Copying, cuts).start();
    expect_promised(&mount, &written);
    mount.command(&["wait", "--timeout", "30"], "");
    let guessed: Vec<_> =
        world.emulator.items().into_iter().filter(|item| !written.whole.contains(&item.sha1)).collect();
    assert!(guessed.is_empty(), "nobody wrote {guessed:#?}");
    // The person looks at what was interrupted, finds it whole, and says so.
    mount.command(&["retry"], "").ok();
    mount.command(&["wait", "--timeout", "30"], "");
    expect_box(&world, &written);
    println!("power: {cuts} cuts, {} files written, {} promised", written.whole.len(), written.promised.len());
    assert!(written.promised.len() > cuts as usize, "nothing was shown");
    mount.umount();
    disk.unplug();
}

/// Each time as after a start of the machine.
fn mounter(world: &World, disk: &Disk, mode: Mode, boot: u32) -> Mounter {
    let mut mounter = world.mounter("main").args(["--settle", "100ms"]);
    mounter.mode = mode;
    let dir = |name: &str| disk.root.join(name).display().to_string();
    let mounter = mounter.variable("BOXFS_STATE_DIR", &dir("state")).variable("BOXFS_CACHE_DIR", &dir("cache"));
    mounter.variable("BOXFS_BOOT_ID", &format!("boot-{boot}"))
}

/// Files of their own names, every other one synced, until the disk is gone.
fn write_until_it_fails(root: &Path, cut: u32, over: &AtomicBool, written: &mut Written) {
    for n in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let (name, sync) = (format!("file {cut}-{n}"), n % 2 == 0);
        let bytes = bytes_of(1 + (n * 7919) % 60_000, u64::from(cut) << 32 | n as u64);
        let sha1 = sha1_hex(&bytes);
        written.whole.insert(sha1.clone());
        match write(&root.join(&name), &bytes, sync) {
            // What was answered after the cut is nobody's promise.
            Ok(()) if sync && !over.load(Ordering::SeqCst) => drop(written.promised.insert(name, sha1)),
            Ok(()) => {}
            Err(_) => return,
        }
    }
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    nix::unistd::close(file.into_raw_fd()).map_err(io::Error::from)
}

/// The mount, opened again, shows every promised byte.
fn expect_promised(mount: &Mount, written: &Written) {
    for (name, sha1) in &written.promised {
        let found = std::fs::read(mount.at(name)).map(|bytes| sha1_hex(&bytes));
        assert!(found.as_ref().is_ok_and(|found| found == sha1), "{name}: {found:?}, not {sha1}");
    }
}

/// Box has every promised file, and none twice.
fn expect_box(world: &World, written: &Written) {
    let items: Vec<_> = world.emulator.items().into_iter().filter(|item| !item.trashed).collect();
    let there: BTreeMap<_, _> = items.iter().map(|item| (item.path.trim_start_matches('/'), &item.sha1)).collect();
    assert_eq!(there.len(), items.len(), "doubles: {items:#?}");
    for (name, sha1) in &written.promised {
        assert_eq!(there.get(name.as_str()), Some(&sha1), "{name}");
    }
}
