//! Limits: Box's quota, the spool, the disk.

use super::*;

#[test]
fn the_quota_is_the_size_of_the_disk() {
    let rig = rig();
    assert!(rig.call(Vfs::statfs).unwrap().free > 1 << 30);
    rig.tree.set_meta("quota", "1000000 400000 50000").unwrap();
    let fs = rig.call(Vfs::statfs).unwrap();
    assert_eq!((fs.blocks, fs.free), (1_000_000 / 4096, 600_000 / 4096));
}

#[test]
fn what_box_has_no_room_for_is_refused_at_the_write() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.tree.set_meta("quota", "1000 900 500").unwrap();
    assert!(matches!(rig.call(|vfs| vfs.write(opened.fh, 0, &[0; 501])), Err(VfsError::TooBig)));
    assert!(matches!(rig.call(|vfs| vfs.write(opened.fh, 0, &[0; 101])), Err(VfsError::OverQuota)));
    let cut = SetAttr { size: Some(101), ..SetAttr::default() };
    assert!(matches!(rig.call(|vfs| vfs.setattr(ino, None, &cut, &ME)), Err(VfsError::OverQuota)));
    rig.write(opened.fh, 0, &[0; 100]);
}

#[test]
fn at_the_limit_of_the_spool_a_write_waits_for_room() {
    let rig = unlisted(settings(), Limits { spool: 200_000, cache: 1 << 40, floor: 0 });
    let first = rig.file("first", &[1; 150_000]);
    let (_, opened) = rig.create("second", WRITE);
    assert!(matches!(rig.vfs.write(opened.fh, 0, &[1; 100_000]), Err(VfsError::Wait(_))));
    let id = rig.tree.node(first).unwrap().content.unwrap();
    rig.content.remove(id).unwrap();
    rig.write(opened.fh, 0, &[1; 100_000]);
}

#[test]
fn where_little_room_is_left_the_kernel_does_not_write_by_itself() {
    let little = Limits { spool: 1 << 20, cache: 1 << 40, floor: 0 };
    let rig = unlisted(Settings { passthrough: true, ..settings() }, little);
    let (ino, opened) = rig.create("a", WRITE);
    assert!(matches!(opened.way, Way::Direct));
    rig.write(opened.fh, 0, b"hello");
    rig.close(opened.fh);
    assert!(matches!(rig.open(ino, READ).way, Way::Passthrough(_)));
}
