//! What Box cannot take is told early, and what belongs to another is not used.

use std::fs::File;
use std::io::Write;

use boxfs::emulator::{Options, UserOptions};

use crate::refusals::expect_refused;
use crate::support::{Mode, World, errno};

in_both_modes!(
    two_daemons_never_share_a_state_directory,
    a_state_directory_of_another_account_is_refused,
    a_read_only_mount_refuses_changes,
    a_folder_that_one_may_only_look_at_refuses_changes,
    a_file_over_the_quota_is_refused_early,
);

fn two_daemons_never_share_a_state_directory(mode: Mode) {
    let world = World::new(mode);
    let first = world.mount();
    let second = world.mounter("other").state_dir_of("main");
    std::fs::create_dir(second.mountpoint()).unwrap();
    expect_refused(&world, &mut second.command(), 1, "another daemon uses the state directory", &[&first.root]);
    std::fs::write(first.at("doc"), "text").unwrap();
    first.umount();
    world.expect_bytes("/doc", b"text");
}

fn a_state_directory_of_another_account_is_refused(mode: Mode) {
    let other = UserOptions {
        name: "Grace".to_owned(),
        login: "grace@example.org".to_owned(),
        token: "token-of-grace-9a8b7c".to_owned(),
    };
    let world = World::with(mode, Options { users: vec![other], ..Options::default() });
    let mount = world.mount();
    std::fs::write(mount.at("doc"), "text").unwrap();
    mount.umount();
    let mut command = world.mounter("main").token("token-of-grace-9a8b7c").command();
    expect_refused(&world, &mut command, 1, "belongs to the account", &[]);
    // It is as it was for its owner.
    let mount = world.mount();
    assert_eq!(std::fs::read(mount.at("doc")).unwrap(), b"text");
}

fn a_read_only_mount_refuses_changes(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/doc", b"text").unwrap();
    let mount = world.mounter("main").args(["-o", "ro"]).start();
    assert_eq!(std::fs::read(mount.at("doc")).unwrap(), b"text");
    assert_eq!(errno(File::create(mount.at("new"))), libc::EROFS);
    assert_eq!(errno(File::options().write(true).open(mount.at("doc"))), libc::EROFS);
    assert_eq!(errno(std::fs::remove_file(mount.at("doc"))), libc::EROFS);
    assert_eq!(errno(std::fs::create_dir(mount.at("folder"))), libc::EROFS);
}

fn a_folder_that_one_may_only_look_at_refuses_changes(mode: Mode) {
    let viewer =
        UserOptions { name: "V".to_owned(), login: "v@example.com".to_owned(), token: "token-v-51".to_owned() };
    let world = World::with(mode, Options { users: vec![viewer.clone()], ..Options::default() });
    world.emulator.act().write_file("/shared/folder/doc", b"text").unwrap();
    world.share("/shared", &viewer.login, "viewer");
    let mount = world.mounter("viewer").token(&viewer.token).start();
    world.emulator.reset_requests();
    let at = |path: &str| mount.at("shared").join(path);
    assert_eq!(std::fs::read(at("folder/doc")).unwrap(), b"text");
    std::fs::write(mount.at("own"), "own").unwrap();
    assert_eq!(errno(File::options().write(true).open(at("folder/doc"))), libc::EACCES);
    assert_eq!(errno(File::options().append(true).open(at("folder/doc"))), libc::EACCES);
    assert_eq!(errno(File::create(at("folder/doc"))), libc::EACCES);
    assert_eq!(errno(File::create(at("new"))), libc::EACCES);
    assert_eq!(errno(std::fs::create_dir(at("new"))), libc::EACCES);
    assert_eq!(errno(std::fs::remove_file(at("folder/doc"))), libc::EACCES);
    assert_eq!(errno(std::fs::remove_dir_all(at("folder"))), libc::EACCES);
    assert_eq!(errno(std::fs::rename(at("folder/doc"), at("doc"))), libc::EACCES);
    assert_eq!(errno(std::fs::rename(mount.at("own"), at("own"))), libc::EACCES);
    mount.wait();
    assert_eq!(std::fs::read(at("folder/doc")).unwrap(), b"text");
    let kept = world.expect_bytes("/shared/folder/doc", b"text");
    assert_eq!(kept.version_ids.len(), 1);
    let asked: Vec<String> = world.changing_requests().into_iter().map(|r| r.path).collect();
    assert_eq!(asked.len(), 1, "the file of one's own, and nothing that Box had to refuse: {asked:?}");
}

fn a_file_over_the_quota_is_refused_early(mode: Mode) {
    let world = World::with(mode, Options { space_amount: 30_000_000, ..Options::default() });
    let mount = world.mount();
    std::fs::write(mount.at("fits"), vec![1; 10_000_000]).unwrap();
    let mut file = File::create(mount.at("too-large")).unwrap();
    // Under passthrough nobody sees the write: then close says it, which is what fsync asks.
    let refused = file.write_all(&vec![2; 40_000_000]).and_then(|()| file.sync_all());
    assert_eq!(errno(refused), libc::EDQUOT);
    drop(file);
    std::fs::remove_file(mount.at("too-large")).unwrap();
    mount.wait();
    assert_eq!(world.emulator.items().len(), 1);
}
