//! What Box or the disk has no room for: the errno, when it is told, and what becomes of the bytes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use boxfs::emulator::{FaultScript, Options};

use crate::support::{Mode, Mount, PROGRAM_LIMIT, SOON, World, bytes_of, errno, eventually, run, run_in};

in_both_modes!(
    a_refused_upload_is_told_once_by_the_next_open_and_its_bytes_stay,
    a_refused_upload_is_told_by_the_next_close_of_a_reader,
    a_file_over_the_largest_size_is_refused_at_the_write,
    what_others_used_of_the_quota_counts,
    space_that_others_freed_is_found_before_a_refusal,
    with_durability_box_a_refusal_is_the_error_of_close,
    a_copy_of_ten_times_the_spool_limit_goes_through,
    a_file_on_a_full_disk_never_replaces_a_good_version,
);

/// Box says no to every upload of bytes.
const NO_SPACE: &str = r#"{"rules": [{"method": "POST", "path": "*/content*",
    "do": {"kind": "answer", "status": 403, "code": "storage_limit_exceeded"}}]}"#;

#[track_caller]
fn expect_failed(mount: &Mount, path: &str, errno: i32) {
    eventually("the refusal is in the status", SOON, || {
        let status = mount.status();
        let failed = status["failed"].as_array().unwrap();
        failed.iter().any(|f| f["path"] == path && f["errno"] == errno)
    });
    assert!(mount.xattr(path, "state").starts_with("failed: "));
}

fn refuse_uploads(world: &World) {
    world.emulator.set_faults(FaultScript::parse(NO_SPACE).unwrap());
}

fn a_refused_upload_is_told_once_by_the_next_open_and_its_bytes_stay(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    refuse_uploads(&world);
    std::fs::write(mount.at("doc"), "precious").unwrap();
    expect_failed(&mount, "doc", libc::EDQUOT);
    let open = || OpenOptions::new().append(true).open(mount.at("doc"));
    assert_eq!(errno(open()), libc::EDQUOT);
    assert_eq!(std::fs::read(mount.at("doc")).unwrap(), b"precious");
    world.emulator.set_faults(FaultScript::default());
    open().unwrap().write_all(b" words").unwrap();
    mount.wait();
    world.expect_bytes("/doc", b"precious words");
}

fn a_refused_upload_is_told_by_the_next_close_of_a_reader(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    refuse_uploads(&world);
    std::fs::write(mount.at("doc"), "precious").unwrap();
    expect_failed(&mount, "doc", libc::EDQUOT);
    let cat = |path: &Path| run(Command::new("cat").arg(path), PROGRAM_LIMIT);
    let first = cat(&mount.at("doc")).expect_code(1);
    assert_eq!(first.stdout, "precious");
    assert!(first.stderr.contains("Disk quota exceeded"), "{first:?}");
    cat(&mount.at("doc")).ok();
    let reader = File::open(mount.at("doc")).unwrap();
    assert_eq!(errno(reader.sync_all()), libc::EDQUOT);
}

fn a_file_over_the_largest_size_is_refused_at_the_write(mode: Mode) {
    let world = World::with(mode, Options { max_upload_size: 3_000_000, ..Options::default() });
    let mount = world.mount();
    let mut file = File::create(mount.at("large")).unwrap();
    assert_eq!(errno(file.write_all(&vec![1; 5_000_000]).and_then(|()| file.sync_all())), libc::EFBIG);
    drop(file);
    expect_failed(&mount, "large", libc::EFBIG);
    assert!(world.emulator.items().is_empty());
    // Cut to what Box takes, it goes up.
    OpenOptions::new().write(true).open(mount.at("large")).unwrap().set_len(1_000_000).unwrap();
    mount.wait();
    world.expect_bytes("/large", &vec![1; 1_000_000]);
}

fn what_others_used_of_the_quota_counts(mode: Mode) {
    let world = World::with(mode, Options { space_amount: 30_000_000, ..Options::default() });
    let mount = world.mount();
    world.emulator.act().write_file("/theirs", &vec![1; 25_000_000]).unwrap();
    std::fs::write(mount.at("first"), vec![2; 8_000_000]).unwrap();
    // Nobody knew: Box refuses the upload, and from there on what is known is right.
    expect_failed(&mount, "first", libc::EDQUOT);
    eventually("the quota is asked for again", SOON, || world.requests("GET", "/2.0/users/me").len() > 1);
    let mut second = File::create(mount.at("second")).unwrap();
    let refused = second.write_all(&vec![3; 8_000_000]).and_then(|()| second.sync_all());
    assert_eq!(errno(refused), libc::EDQUOT);
}

fn space_that_others_freed_is_found_before_a_refusal(mode: Mode) {
    let world = World::with(mode, Options { space_amount: 30_000_000, delete_forever: true, ..Options::default() });
    world.emulator.act().write_file("/theirs", &vec![1; 25_000_000]).unwrap();
    let mount = world.mount();
    world.emulator.act().trash("/theirs").unwrap();
    std::fs::write(mount.at("mine"), vec![2; 8_000_000]).unwrap();
    mount.wait();
    world.expect_bytes("/mine", &vec![2; 8_000_000]);
}

fn with_durability_box_a_refusal_is_the_error_of_close(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--durability", "box"]).start();
    refuse_uploads(&world);
    std::fs::write(world.dir().join("source"), "closed").unwrap();
    let cp = Command::new("cp").arg(world.dir().join("source")).arg(mount.at("doc")).output().unwrap();
    assert!(String::from_utf8_lossy(&cp.stderr).contains("Disk quota exceeded"), "{cp:?}");
    expect_failed(&mount, "doc", libc::EDQUOT);
    world.emulator.set_faults(FaultScript::default());
    mount.command(&["retry"], "doc").ok();
    mount.wait();
    world.expect_bytes("/doc", b"closed");
}

fn a_copy_of_ten_times_the_spool_limit_goes_through(mode: Mode) {
    let world = World::with(mode, Options { line: Some(20_000_000), ..Options::default() });
    let mount = world.mounter("main").args(["--spool-size", "3MB"]).start();
    let source = world.make_dir("source");
    for n in 0..30u64 {
        std::fs::write(source.join(format!("file-{n}")), bytes_of(1_000_000, n)).unwrap();
    }
    run_in(world.dir(), "cp", ["-r".as_ref(), source.as_os_str(), mount.at("copy").as_os_str()]);
    mount.wait();
    for n in 0..30u64 {
        world.expect_bytes(&format!("/copy/file-{n}"), &bytes_of(1_000_000, n));
    }
}

/// A disk of its own below the test's directory, gone with this value.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn small(at: &'a Path, size: &str) -> Option<Disk<'a>> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("NOT RUN: a disk of its own takes root");
            return None;
        }
        let size = format!("size={size}");
        run_in(at, "mount", ["-t", "tmpfs", "-o", &size, "boxfs-test", at.to_str().unwrap()]);
        Some(Disk(at))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Under passthrough there is a gigabyte of room when the file is opened, and none when the kernel writes it.
fn a_file_on_a_full_disk_never_replaces_a_good_version(mode: Mode) {
    let world = World::new(mode);
    let disk = world.make_dir("disk");
    let size = if mode == Mode::Passthrough { "1300m" } else { "64m" };
    let Some(_disk) = Disk::small(&disk, size) else { return };
    let (state, cache) = (disk.join("state"), disk.join("cache"));
    let state = ["--state-dir".into(), state.into_os_string(), "--cache-dir".into(), cache.into_os_string()];
    let mount = world.mounter("main").args(state).start();
    std::fs::write(mount.at("doc"), "good").unwrap();
    mount.wait();
    let mut file = File::create(mount.at("doc")).unwrap();
    file.write_all(b"half of").unwrap();
    // Somebody else fills the disk: all of it, so that what fails is the write itself.
    let ballast = disk.join("ballast");
    let full = File::create(&ballast).unwrap().write_all(&vec![0; 1_400_000_000]);
    assert_eq!(errno(full), libc::ENOSPC);
    let write = file.write_all(&vec![7; 20_000_000]);
    assert_eq!(errno(write), libc::ENOSPC);
    assert_eq!(errno(file.sync_all()), libc::ENOSPC);
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    expect_failed(&mount, "doc", libc::ENOSPC);
    mount.command(&["wait", "--timeout", "5"], "").expect_code(3);
    assert_eq!(world.expect_bytes("/doc", b"good").version_ids.len(), 1);
    // The disk was too full to note that close and fsync had told it: the next open tells it once more.
    if mode == Mode::Passthrough {
        assert_eq!(errno(File::create(mount.at("doc"))), libc::ENOSPC);
    }
    // Written again, all is well.
    std::fs::write(mount.at("doc"), "better").unwrap();
    mount.wait();
    world.expect_bytes("/doc", b"better");
}
