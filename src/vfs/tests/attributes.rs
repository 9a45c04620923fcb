//! Attributes, times and extended attributes.

use super::*;

fn at(secs: i64) -> SetAttr {
    SetAttr { mtime: Some(SetTime::At(Timestamp::new(secs, 7))), ..SetAttr::default() }
}

#[test]
fn a_time_set_on_an_open_file_outlives_its_close() {
    let rig = rig();
    let (ino, opened) = rig.create("a", WRITE);
    rig.write(opened.fh, 0, b"hello");
    let attr = rig.call(|vfs| vfs.setattr(ino, Some(opened.fh), &at(1_000_000), &ME)).unwrap();
    assert_eq!(attr.mtime, Timestamp::new(1_000_000, 7));
    rig.close(opened.fh);
    assert_eq!(rig.look("a").unwrap().mtime, Timestamp::new(1_000_000, 7));
}

#[test]
fn a_time_set_on_a_closed_file_outlives_its_next_writer() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    rig.call(|vfs| vfs.setattr(ino, None, &at(1_000_000), &ME)).unwrap();
    let fh = rig.open(ino, WRITE).fh;
    assert_eq!(rig.look("a").unwrap().mtime, Timestamp::new(1_000_000, 7));
    rig.close(fh);
    assert_eq!(rig.look("a").unwrap().mtime, Timestamp::new(1_000_000, 7));
}

#[test]
fn a_size_set_is_a_write() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    let size = |size| SetAttr { size: Some(size), ..SetAttr::default() };
    let before = rig.far.lock().unwrap().released.len();
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &size(3), &ME)).unwrap().size, 3);
    assert_eq!(rig.bytes(ino), b"hel");
    rig.eventually(|far| far.released.len() > before);
    let reader = rig.open(ino, READ).fh;
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &size(5), &ME)).unwrap().size, 5);
    assert_eq!(rig.read(reader, 0, 9), b"hel\0\0");
    let writer = rig.open(ino, WRITE).fh;
    rig.call(|vfs| vfs.setattr(ino, Some(writer), &size(1), &ME)).unwrap();
    assert_eq!(rig.read(reader, 0, 9), b"h");
    rig.close(writer);
    assert_eq!(rig.look("a").unwrap().size, 1);
    assert!(matches!(rig.call(|vfs| vfs.setattr(ROOT, None, &size(1), &ME)), Err(VfsError::IsDirectory)));
}

#[test]
fn modes_and_owners_stay_here_and_privileges_go_with_a_new_owner() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    let mode = SetAttr { mode: Some(0o4755), ..SetAttr::default() };
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &mode, &ME)).unwrap().mode, 0o4755);
    let owner = SetAttr { uid: Some(5), ..SetAttr::default() };
    let attr = rig.call(|vfs| vfs.setattr(ino, None, &owner, &ME)).unwrap();
    assert_eq!((attr.mode, attr.uid, attr.gid), (0o755, 5, ME.gid));
    rig.call(|vfs| vfs.setattr(ino, None, &mode, &ME)).unwrap();
    let cut = SetAttr { size: Some(0), ..SetAttr::default() };
    assert_eq!(rig.call(|vfs| vfs.setattr(ino, None, &cut, &ME)).unwrap().mode, 0o755);
}

#[test]
fn box_speaks_through_extended_attributes() {
    let rig = unlisted(settings(), limits());
    rig.in_box("7", "far", b"hello");
    let ino = rig.look("far").unwrap().ino;
    let get = |ino, text: &str| {
        let value = rig.call(|vfs| vfs.getxattr(ino, name(text)));
        value.map(|v| String::from_utf8(v).unwrap())
    };
    assert_eq!(get(ino, "user.box.id").unwrap(), "7");
    assert_eq!(get(ino, "user.box.version").unwrap(), "v1");
    assert_eq!(get(ino, "user.box.sha1").unwrap(), Sha1Digest::of(b"hello").to_hex());
    assert_eq!(get(ino, "user.box.state").unwrap(), "synced");
    assert_eq!(get(ino, "user.box.url").unwrap(), "https://app.box.com/file/7");
    let list = rig.call(|vfs| vfs.listxattr(ino)).unwrap();
    assert!(list.is_empty(), "programs that copy attributes take none of these along");
    let own = rig.file("own", b"x");
    assert_eq!(get(own, "user.box.state").unwrap(), "pending");
    assert!(matches!(get(own, "user.box.id"), Err(VfsError::NoAttribute)));
    assert!(matches!(rig.vfs.setxattr(ino, name("user.box.id"), b"8", 0), Err(VfsError::NotPermitted)));
}

#[test]
fn other_extended_attributes_are_kept_here() {
    let rig = rig();
    let ino = rig.file("a", b"");
    let attribute = name("user.color");
    let set = |value: &[u8], flags| rig.vfs.setxattr(ino, attribute, value, flags);
    assert!(matches!(set(b"red", libc::XATTR_REPLACE), Err(VfsError::NoAttribute)));
    set(b"red", libc::XATTR_CREATE).unwrap();
    assert!(matches!(set(b"blue", libc::XATTR_CREATE), Err(VfsError::Exists)));
    set(b"blue", 0).unwrap();
    assert_eq!(rig.vfs.getxattr(ino, attribute).unwrap(), b"blue");
    assert!(rig.vfs.listxattr(ino).unwrap().ends_with(b"user.color\0"));
    rig.vfs.removexattr(ino, attribute).unwrap();
    assert!(matches!(rig.vfs.removexattr(ino, attribute), Err(VfsError::NoAttribute)));
    assert!(matches!(set(&[0; 65_537], 0), Err(VfsError::NoSpace)));
    let capability = name("security.capability");
    assert!(matches!(rig.vfs.setxattr(ino, capability, b"x", 0), Err(VfsError::NotSupported)));
    assert!(matches!(rig.vfs.getxattr(ino, capability), Err(VfsError::NoAttribute)));
    let list = name("system.posix_acl_access");
    assert!(matches!(rig.vfs.getxattr(ino, list), Err(VfsError::NotSupported)));
    // Told that there are no labels at all, `ls -l` does not ask for that of the next file.
    let label = name("security.selinux");
    assert!(matches!(rig.vfs.getxattr(ino, label), Err(VfsError::NotSupported)));
    assert!(matches!(rig.vfs.setxattr(ino, label, b"x", 0), Err(VfsError::NotSupported)));
}
