//! Names: what is found, what is refused, what a rename leaves behind.

use super::*;

#[test]
fn names_are_found_exactly_and_taken_in_any_case() {
    let rig = rig();
    rig.file("Makefile", b"");
    assert!(rig.look("Makefile").is_some());
    assert!(rig.look("makefile").is_none());
    let again = rig.call(|vfs| vfs.create(ROOT, name("MAKEFILE"), 0o644, WRITE, &ME));
    assert!(matches!(again, Err(VfsError::Exists)));
    assert!(matches!(rig.call(|vfs| vfs.mkdir(ROOT, name("makefile"), 0o755, &ME)), Err(VfsError::Exists)));
    rig.call(|vfs| vfs.rename(ROOT, name("Makefile"), ROOT, name("makefile"), RenameHow::Replace)).unwrap();
    assert!(rig.look("makefile").is_some() && rig.look("Makefile").is_none());
}

#[test]
fn names_box_would_refuse_are_refused_at_once() {
    let rig = rig();
    let make = |text: &str| rig.call(|vfs| vfs.mkdir(ROOT, name(text), 0o755, &ME));
    assert!(matches!(make("a\\b"), Err(VfsError::Invalid)));
    assert!(matches!(make("end "), Err(VfsError::Invalid)));
    assert!(matches!(make(&"x".repeat(256)), Err(VfsError::NameTooLong)));
    assert!(matches!(make(".Trash-1000"), Err(VfsError::NotPermitted)));
    assert!(make(&"ຮ".repeat(255)).is_ok());
}

#[test]
fn a_name_that_is_not_text_is_not_there() {
    use std::os::unix::ffi::OsStrExt;
    let rig = rig();
    let odd = OsStr::from_bytes(b"\xff");
    assert!(matches!(rig.vfs.lookup(ROOT, odd), Ok(Looked::Missing { .. })));
    assert!(matches!(rig.vfs.unlink(ROOT, odd), Err(VfsError::NotFound)));
}

#[test]
fn creating_a_name_that_exists_opens_it_unless_exclusive() {
    let rig = rig();
    let ino = rig.file("a", b"hello");
    let (same, opened) = rig.create("a", WRITE);
    assert_eq!(same, ino);
    rig.close(opened.fh);
    let exclusive = OpenHow { exclusive: true, ..WRITE };
    let refused = rig.call(|vfs| vfs.create(ROOT, name("a"), 0o644, exclusive, &ME));
    assert!(matches!(refused, Err(VfsError::Exists)));
}

#[test]
fn a_rename_replaces_and_readers_of_the_old_keep_reading_it() {
    let rig = rig();
    let old = rig.file("doc", b"old");
    let new = rig.file("doc.tmp", b"new");
    let reader = rig.open(old, READ).fh;
    rig.call(|vfs| vfs.rename(ROOT, name("doc.tmp"), ROOT, name("doc"), RenameHow::Replace)).unwrap();
    assert_eq!(rig.look("doc").unwrap().ino, new);
    assert!(rig.look("doc.tmp").is_none());
    assert_eq!(rig.read(reader, 0, 100), b"old");
    assert_eq!(rig.bytes(new), b"new");
    rig.close(reader);
    rig.eventually(|far| far.released.iter().filter(|&&ino| ino == old).count() == 2);
}

#[test]
fn a_rename_keeps_its_word_about_what_exists() {
    let rig = rig();
    let (a, b) = (rig.file("a", b"a"), rig.file("b", b"b"));
    let rename = |from: &str, to: &str, how| rig.call(|vfs| vfs.rename(ROOT, name(from), ROOT, name(to), how));
    assert!(matches!(rename("a", "b", RenameHow::NoReplace), Err(VfsError::Exists)));
    assert!(matches!(rename("x", "b", RenameHow::Replace), Err(VfsError::NotFound)));
    rename("a", "b", RenameHow::Exchange).unwrap();
    assert_eq!((rig.look("a").unwrap().ino, rig.look("b").unwrap().ino), (b, a));
    rig.call(|vfs| vfs.mkdir(ROOT, name("d"), 0o755, &ME)).unwrap();
    assert!(matches!(rename("a", "d", RenameHow::Replace), Err(VfsError::IsDirectory)));
    assert!(matches!(rename("d", "a", RenameHow::Replace), Err(VfsError::NotDirectory)));
    let inside = rig.look("d").unwrap().ino;
    let into_itself = rig.call(|vfs| vfs.rename(ROOT, name("d"), inside, name("d"), RenameHow::Replace));
    assert!(matches!(into_itself, Err(VfsError::Invalid)));
}

#[test]
fn folders_are_removed_only_when_empty() {
    let rig = rig();
    let folder = rig.call(|vfs| vfs.mkdir(ROOT, name("d"), 0o755, &ME)).unwrap().attr.ino;
    rig.call(|vfs| vfs.mkdir(folder, name("e"), 0o755, &ME)).unwrap();
    assert!(matches!(rig.call(|vfs| vfs.rmdir(ROOT, name("d"))), Err(VfsError::NotEmpty)));
    assert!(matches!(rig.call(|vfs| vfs.unlink(ROOT, name("d"))), Err(VfsError::IsDirectory)));
    rig.call(|vfs| vfs.rmdir(folder, name("e"))).unwrap();
    rig.call(|vfs| vfs.rmdir(ROOT, name("d"))).unwrap();
    assert!(rig.look("d").is_none());
    rig.file("f", b"");
    assert!(matches!(rig.call(|vfs| vfs.rmdir(ROOT, name("f"))), Err(VfsError::NotDirectory)));
}

#[test]
fn an_unlisted_folder_is_listed_and_offline_it_is_not_called_empty() {
    let rig = unlisted(settings(), limits());
    rig.in_box("7", "far", b"hello");
    rig.far.lock().unwrap().offline = true;
    assert!(matches!(rig.call(|vfs| vfs.lookup(ROOT, name("far"))), Err(VfsError::Unreachable)));
    let made = rig.call(|vfs| vfs.create(ROOT, name("far"), 0o644, WRITE, &ME));
    assert!(matches!(made, Err(VfsError::Unreachable)));
    rig.far.lock().unwrap().offline = false;
    assert_eq!(rig.look("far").unwrap().size, 5);
    assert_eq!(rig.far.lock().unwrap().listed, 3);
}

#[test]
fn what_box_does_not_allow_is_denied_early() {
    let rig = unlisted(settings(), limits());
    let none = Rights { download: false, upload: false, delete: false, rename: false };
    let item = |id: &str, name: &str| remote(BoxId::file(id), name, b"x");
    let folder = Remote { rights: none, sha1: None, ..remote(BoxId::folder("5"), "theirs", b"") };
    let locked = Remote { lock: Some("somebody".to_owned()), ..item("8", "locked") };
    rig.far.lock().unwrap().items = vec![Remote { rights: none, ..item("7", "fixed") }, locked, folder];
    let ino = rig.look("fixed").unwrap().ino;
    let denied = |answer: Result<()>| assert!(matches!(answer, Err(VfsError::Denied)), "{answer:?}");
    denied(rig.call(|vfs| vfs.open(ino, READ, &ME)).map(drop));
    denied(rig.call(|vfs| vfs.open(ino, WRITE, &ME)).map(drop));
    denied(rig.call(|vfs| vfs.unlink(ROOT, name("fixed"))));
    denied(rig.call(|vfs| vfs.rename(ROOT, name("fixed"), ROOT, name("x"), RenameHow::Replace)));
    let cut = SetAttr { size: Some(0), ..SetAttr::default() };
    denied(rig.call(|vfs| vfs.setattr(ino, None, &cut, &ME)).map(drop));
    let theirs = rig.look("theirs").unwrap().ino;
    denied(rig.call(|vfs| vfs.create(theirs, name("x"), 0o644, WRITE, &ME)).map(drop));
    denied(rig.call(|vfs| vfs.mkdir(theirs, name("x"), 0o755, &ME)).map(drop));
    let locked = rig.look("locked").unwrap().ino;
    denied(rig.call(|vfs| vfs.open(locked, WRITE, &ME)).map(drop));
    assert_eq!(rig.call(|vfs| vfs.getxattr(locked, name("user.box.lock"))).unwrap(), b"somebody");
    assert!(rig.call(|vfs| vfs.open(locked, READ, &ME)).is_ok());
}

#[test]
fn symlinks_lead_where_they_were_told() {
    let rig = rig();
    let entry = rig.call(|vfs| vfs.symlink(ROOT, name("l"), b"../else", &ME)).unwrap();
    assert_eq!((entry.attr.kind, entry.attr.size), (FileKind::Symlink, 7));
    assert_eq!(rig.call(|vfs| vfs.readlink(entry.attr.ino)).unwrap(), b"../else");
    assert!(matches!(rig.call(|vfs| vfs.readlink(ROOT)), Err(VfsError::Invalid)));
}

#[test]
fn a_folder_is_read_in_pages_whatever_happens_to_its_names() {
    let rig = rig();
    for i in 0..300 {
        rig.call(|vfs| vfs.mknod(ROOT, name(&format!("f{i:03}")), 0o644, &ME)).unwrap();
    }
    let fh = rig.call(|vfs| vfs.opendir(ROOT)).unwrap().fh;
    let mut seen = Vec::new();
    let mut offset = 0;
    loop {
        let before = seen.len();
        rig.call(|vfs| {
            let mut taken = Vec::new();
            let mut room = 7;
            vfs.readdir(fh, offset, &mut |entry| {
                if room == 0 {
                    return true;
                }
                room -= 1;
                taken.push(entry);
                false
            })?;
            Ok(taken)
        })
        .unwrap()
        .into_iter()
        .for_each(|entry: DirEntry| {
            offset = entry.next_offset;
            seen.push(entry.name.into_string().unwrap());
        });
        if seen.len() == before {
            break;
        }
        if seen.len() == 14 {
            rig.call(|vfs| vfs.unlink(ROOT, name("f000"))).unwrap();
            rig.call(|vfs| vfs.unlink(ROOT, name("f011"))).unwrap();
        }
    }
    rig.call(|vfs| vfs.releasedir(fh)).unwrap();
    assert_eq!(seen[..2], [".", ".."]);
    let expected: Vec<_> = (0..300).map(|i| format!("f{i:03}")).collect();
    assert_eq!(seen[2..], expected);
    let file = rig.look("f001").unwrap().ino;
    assert!(matches!(rig.call(|vfs| vfs.opendir(file)), Err(VfsError::NotDirectory)));
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let rig = unlisted(Settings { read_only: true, ..settings() }, limits());
    rig.in_box("7", "far", b"hello");
    let ino = rig.look("far").unwrap().ino;
    assert_eq!(rig.bytes(ino), b"hello");
    let refused = |answer: Result<()>| assert!(matches!(answer, Err(VfsError::ReadOnly)), "{answer:?}");
    refused(rig.call(|vfs| vfs.open(ino, WRITE, &ME)).map(drop));
    refused(rig.call(|vfs| vfs.create(ROOT, name("x"), 0o644, WRITE, &ME)).map(drop));
    refused(rig.call(|vfs| vfs.unlink(ROOT, name("far"))));
    refused(rig.call(|vfs| vfs.setattr(ino, None, &SetAttr::default(), &ME)).map(drop));
    refused(rig.call(|vfs| vfs.setxattr(ino, name("user.x"), b"", 0)));
}
