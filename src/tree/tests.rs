//! The tree as programs and Box see it, on a database in memory.

use super::forget::PIECE;
use super::*;
use crate::base::{BoxId, Ino, Sha1Digest, Timestamp};

fn at(secs: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + secs, 0)
}

fn tree() -> Tree {
    let tree = Tree::in_memory().unwrap();
    let attr = Attr { mode: 0o755, ..Attr::default() };
    tree.plant_root("0", attr).unwrap();
    let listing = tree.begin_listing().unwrap();
    tree.end_listing(Ino::ROOT, listing, at(0), 10).unwrap();
    tree
}

fn new(parent: Ino, name: &str, kind: NodeKind) -> NewNode<'_> {
    NewNode { parent, name, kind, mode: 0o644, uid: 1, gid: 1, target: None }
}

fn file(tree: &Tree, name: &str) -> Node {
    tree.create(&new(Ino::ROOT, name, NodeKind::File), at(0)).unwrap()
}

fn item(id: &str, name: &str, sequence: u64) -> Remote {
    Remote {
        id: BoxId::file(id),
        parent: Some("0".to_owned()),
        name: name.to_owned(),
        version: Some(format!("{id}-v1")),
        etag: Some("0".to_owned()),
        sequence: Some(sequence),
        sha1: Some(Sha1Digest::of(b"box")),
        size: 3,
        created: Some(at(-50)),
        modified: Some(at(-50)),
        trashed: false,
        rights: Rights::default(),
        lock: None,
        url: None,
        public: false,
    }
}

fn folder_item(id: &str, name: &str) -> Remote {
    Remote { id: BoxId::folder(id), version: None, sha1: None, size: 0, ..item(id, name, 1) }
}

/// Sealed with these bytes and due.
fn seal(tree: &Tree, node: &Node, bytes: &[u8]) -> Node {
    let stamp = StoredStamp { size: bytes.len() as u64, mtime_ns: 1, ctime_ns: 1 };
    tree.closed(node.ino, node.content.unwrap(), stamp, stamp.size, at(1), at(1)).unwrap();
    tree.sealed(node.ino, node.content.unwrap(), stamp, Sha1Digest::of(bytes), false).unwrap()
}

fn upload(tree: &Tree, node: &Node, id: &str, bytes: &[u8]) -> Settled {
    let attempt = tree
        .begin_attempt(
            &NewAttempt {
                ino: node.ino,
                kind: AttemptKind::UploadNew,
                target: None,
                parent: Some("0".to_owned()),
                name: Some(node.name.clone()),
                base_version: None,
                sha1: Some(Sha1Digest::of(bytes)),
                generation: Some(node.generation),
                mtime_secs: Some(node.attr.mtime.secs),
            },
            at(2),
        )
        .unwrap()
        .unwrap();
    let answer =
        Remote { sha1: Some(Sha1Digest::of(bytes)), modified: Some(node.attr.mtime), ..item(id, &node.name, 5) };
    tree.settle_attempt(attempt.id, &Finish::Answered(Box::new(answer)), at(3)).unwrap()
}

#[test]
fn a_name_that_folds_to_a_siblings_is_refused_and_a_case_only_rename_works() {
    let tree = tree();
    file(&tree, "Makefile");
    let twin = tree.create(&new(Ino::ROOT, "makefile", NodeKind::File), at(0));
    assert!(matches!(twin, Err(TreeError::Exists { existing }) if existing == "Makefile"));
    let renamed = tree.rename(Ino::ROOT, "Makefile", Ino::ROOT, "makefile", RenameHow::Replace, at(1)).unwrap();
    assert_eq!(renamed.moved.name, "makefile");
    assert!(matches!(tree.child(Ino::ROOT, "Makefile").unwrap(), Lookup::Missing));
}

#[test]
fn an_uploaded_file_is_clean_and_its_bytes_may_go_to_the_cache() {
    let tree = tree();
    let node = seal(&tree, &file(&tree, "a"), b"bytes");
    let settled = upload(&tree, &node, "11", b"bytes");
    assert_eq!(settled.confirmed, vec![node.content.unwrap()]);
    let node = tree.node(node.ino).unwrap();
    assert_eq!((node.box_id.as_deref(), node.dirty_since), (Some("11"), None));
    assert_eq!(tree.pending().unwrap(), Pending::default());
}

#[test]
fn bytes_written_during_an_upload_stay_dirty() {
    let tree = tree();
    let node = seal(&tree, &file(&tree, "a"), b"one");
    tree.begin_writing(node.ino, "boot", at(2)).unwrap();
    let settled = upload(&tree, &node, "11", b"one");
    assert!(settled.confirmed.is_empty());
    let node = tree.node(node.ino).unwrap();
    assert!(node.dirty_since.is_some() && node.content_dirty());
    assert_eq!(node.base.unwrap().version.as_deref(), Some("11-v1"));
}

#[test]
fn equal_bytes_are_not_dirty() {
    let tree = tree();
    let node = seal(&tree, &file(&tree, "a"), b"same");
    upload(&tree, &node, "11", b"same");
    let (node, _) = tree.begin_writing(node.ino, "boot", at(4)).unwrap();
    assert!(node.dirty_since.is_some());
    let node = seal(&tree, &node, b"same");
    assert!(!node.content_dirty());
    assert_eq!(tree.content(node.content.unwrap()).unwrap().unwrap().state, ContentState::Clean);
}

#[test]
fn a_new_file_renamed_over_one_in_box_takes_its_id() {
    let tree = tree();
    let doc = seal(&tree, &file(&tree, "doc"), b"old");
    upload(&tree, &doc, "11", b"old");
    seal(&tree, &file(&tree, "doc.tmp"), b"new");
    let renamed = tree.rename(Ino::ROOT, "doc.tmp", Ino::ROOT, "doc", RenameHow::Replace, at(9)).unwrap();
    assert_eq!(renamed.moved.box_id.as_deref(), Some("11"));
    assert!(renamed.moved.content_dirty());
    let replaced = tree.node(renamed.replaced.unwrap().ino).unwrap();
    assert_eq!((replaced.presence, replaced.box_id), (Presence::Deleted, None));
}

#[test]
fn a_version_of_the_file_that_had_the_id_before_is_not_taken_for_the_bytes_of_the_one_that_has_it() {
    let tree = tree();
    let doc = seal(&tree, &file(&tree, "doc"), b"old");
    upload(&tree, &doc, "11", b"old");
    let save = |bytes: &[u8]| {
        seal(&tree, &file(&tree, "doc.tmp"), bytes);
        tree.rename(Ino::ROOT, "doc.tmp", Ino::ROOT, "doc", RenameHow::Replace, at(9)).unwrap().moved
    };
    let version = |node: &Node, bytes: &[u8]| NewAttempt {
        ino: node.ino,
        kind: AttemptKind::UploadVersion,
        target: Some(BoxId::file("11")),
        parent: Some("0".to_owned()),
        name: Some("doc".to_owned()),
        base_version: Some("11-v1".to_owned()),
        sha1: Some(Sha1Digest::of(bytes)),
        generation: Some(node.generation),
        mtime_secs: Some(node.attr.mtime.secs),
    };
    let answer = |bytes: &[u8]| {
        let item = item("11", "doc", 6);
        let sha1 = Some(Sha1Digest::of(bytes));
        Finish::Answered(Box::new(Remote { sha1, version: Some("11-v2".to_owned()), ..item }))
    };
    let first = save(b"first");
    let attempt = tree.begin_attempt(&version(&first, b"first"), at(10)).unwrap().unwrap();
    let second = save(b"second");
    assert_eq!(first.generation, second.generation);
    tree.settle_attempt(attempt.id, &answer(b"first"), at(11)).unwrap();
    let second = tree.node(second.ino).unwrap();
    assert_eq!((second.box_id.as_deref(), second.content_dirty()), (Some("11"), true));
    assert_eq!(second.base.as_ref().and_then(|b| b.version.as_deref()), Some("11-v2"));
    assert!(tree.begin_attempt(&version(&first, b"first"), at(12)).unwrap().is_none(), "planned for another node");
    let attempt = tree.begin_attempt(&version(&second, b"second"), at(12)).unwrap().unwrap();
    let third = save(b"second");
    tree.settle_attempt(attempt.id, &answer(b"second"), at(13)).unwrap();
    assert!(!tree.node(third.ino).unwrap().content_dirty(), "equal bytes are not sent again");
}

#[test]
fn a_name_that_box_cleaned_is_adopted() {
    let tree = tree();
    let node = seal(&tree, &file(&tree, "a|b"), b"x");
    let attempt = NewAttempt {
        ino: node.ino,
        kind: AttemptKind::UploadNew,
        target: None,
        parent: Some("0".to_owned()),
        name: Some("a|b".to_owned()),
        base_version: None,
        sha1: Some(Sha1Digest::of(b"x")),
        generation: Some(node.generation),
        mtime_secs: Some(node.attr.mtime.secs),
    };
    let attempt = tree.begin_attempt(&attempt, at(2)).unwrap().unwrap();
    let answer = Finish::Answered(Box::new(item("11", "ab", 5)));
    let settled = tree.settle_attempt(attempt.id, &answer, at(3)).unwrap();
    assert_eq!(tree.node(node.ino).unwrap().name, "ab");
    assert!(settled.learned.invalid.contains(&Invalidation::Entry { parent: Ino::ROOT, name: "a|b".to_owned() }));
}

#[test]
fn news_moves_clean_fields_and_leaves_dirty_ones() {
    let tree = tree();
    tree.learn(&item("11", "a", 1), at(0), |_| false, at(0)).unwrap();
    let Lookup::Found(node) = tree.child(Ino::ROOT, "a").unwrap() else { panic!("not shown") };
    tree.learn(&item("11", "b", 2), at(1), |_| false, at(1)).unwrap();
    assert_eq!(tree.node(node.ino).unwrap().name, "b");
    tree.rename(Ino::ROOT, "b", Ino::ROOT, "mine", RenameHow::Replace, at(2)).unwrap();
    tree.learn(&item("11", "theirs", 3), at(3), |_| false, at(3)).unwrap();
    let node = tree.node(node.ino).unwrap();
    assert_eq!((node.name.as_str(), node.base.unwrap().name.as_str()), ("mine", "b"));
}

#[test]
fn old_news_changes_nothing() {
    let tree = tree();
    tree.learn(&item("11", "b", 7), at(0), |_| false, at(0)).unwrap();
    tree.learn(&item("11", "a", 6), at(1), |_| false, at(1)).unwrap();
    assert!(matches!(tree.child(Ino::ROOT, "b").unwrap(), Lookup::Found(_)));
    assert!(matches!(tree.child(Ino::ROOT, "a").unwrap(), Lookup::Missing));
}

#[test]
fn an_item_of_the_name_and_bytes_of_ours_is_ours_and_other_bytes_are_a_conflict() {
    let tree = tree();
    let same = seal(&tree, &file(&tree, "same"), b"box");
    tree.learn(&item("11", "same", 1), at(2), |_| false, at(2)).unwrap();
    assert_eq!(tree.node(same.ino).unwrap().box_id.as_deref(), Some("11"));
    let other = seal(&tree, &file(&tree, "other.txt"), b"ours");
    tree.learn(&item("12", "other.txt", 2), at(2), |_| false, at(2)).unwrap();
    let other = tree.node(other.ino).unwrap();
    assert!(other.box_id.is_none() && crate::base::is_conflict_name(&other.name));
    let Lookup::Found(theirs) = tree.child(Ino::ROOT, "other.txt").unwrap() else { panic!("not shown") };
    assert_eq!(theirs.box_id.as_deref(), Some("12"));
}

#[test]
fn a_folder_made_on_both_sides_is_one_folder_to_be_listed() {
    let tree = tree();
    let ours = tree.create(&new(Ino::ROOT, "dir", NodeKind::Folder), at(0)).unwrap();
    tree.learn(&folder_item("22", "dir"), at(1), |_| false, at(1)).unwrap();
    let ours = tree.node(ours.ino).unwrap();
    assert_eq!((ours.box_id.as_deref(), ours.complete), (Some("22"), false));
}

#[test]
fn what_a_listing_does_not_mention_is_looked_at_and_not_dropped() {
    let tree = tree();
    tree.learn(&item("11", "a", 1), at(0), |_| false, at(0)).unwrap();
    let listing = tree.begin_listing().unwrap();
    tree.learn_page(Ino::ROOT, listing, &[item("12", "b", 2)], at(1), |_| false, at(1)).unwrap();
    let learned = tree.end_listing(Ino::ROOT, listing, at(0), 10).unwrap();
    assert_eq!(learned.look_at, vec![BoxId::file("11")]);
    assert!(matches!(tree.child(Ino::ROOT, "a").unwrap(), Lookup::Found(_)));
    tree.absent(&BoxId::file("11"), false, at(2)).unwrap();
    assert!(matches!(tree.child(Ino::ROOT, "a").unwrap(), Lookup::Missing));
}

#[test]
fn a_conflict_keeps_both_and_the_local_inode() {
    let tree = tree();
    tree.learn(&item("11", "doc", 1), at(0), |_| false, at(0)).unwrap();
    let Lookup::Found(node) = tree.child(Ino::ROOT, "doc").unwrap() else { panic!("not shown") };
    let (fresh, _) = tree.fresh_content(node.ino, at(1)).unwrap();
    let ours = Node { content: Some(fresh.id), ..*node };
    seal(&tree, &ours, b"ours");
    tree.learn(&Remote { version: Some("v2".to_owned()), ..item("11", "doc", 2) }, at(2), |_| false, at(2)).unwrap();
    tree.split_conflict(ours.ino, at(3)).unwrap();
    let copy = tree.node(ours.ino).unwrap();
    assert!(copy.box_id.is_none() && crate::base::is_conflict_name(&copy.name));
    let Lookup::Found(theirs) = tree.child(Ino::ROOT, "doc").unwrap() else { panic!("not shown") };
    assert_ne!(theirs.ino, copy.ino);
    assert_eq!(theirs.base.unwrap().version.as_deref(), Some("v2"));
}

#[test]
fn exchange_swaps_two_names() {
    let tree = tree();
    let (a, b) = (file(&tree, "a"), file(&tree, "b"));
    tree.rename(Ino::ROOT, "a", Ino::ROOT, "b", RenameHow::Exchange, at(1)).unwrap();
    assert_eq!(tree.node(a.ino).unwrap().name, "b");
    assert_eq!(tree.node(b.ino).unwrap().name, "a");
}

#[test]
fn a_folder_cannot_go_below_itself_and_a_full_one_is_not_replaced() {
    let tree = tree();
    let top = tree.create(&new(Ino::ROOT, "top", NodeKind::Folder), at(0)).unwrap();
    let sub = tree.create(&new(top.ino, "sub", NodeKind::Folder), at(0)).unwrap();
    let into = tree.rename(Ino::ROOT, "top", sub.ino, "x", RenameHow::Replace, at(1));
    assert!(matches!(into, Err(TreeError::IntoItself)));
    tree.create(&new(Ino::ROOT, "other", NodeKind::Folder), at(0)).unwrap();
    let over = tree.rename(Ino::ROOT, "other", Ino::ROOT, "top", RenameHow::Replace, at(1));
    assert!(matches!(over, Err(TreeError::NotEmpty)));
}

#[test]
fn inode_numbers_are_never_used_again() {
    let tree = tree();
    let first = file(&tree, "a");
    tree.unlink(Ino::ROOT, "a", at(1)).unwrap();
    assert_eq!(tree.forget(first.ino, at(9)).unwrap().rest, Rest::Nothing);
    assert!(file(&tree, "b").ino > first.ino);
}

#[test]
fn a_large_deleted_folder_is_forgotten_piece_by_piece() {
    let tree = tree();
    let top = tree.create(&new(Ino::ROOT, "top", NodeKind::Folder), at(0)).unwrap();
    let files = 2 * PIECE + 10;
    for n in 0..files {
        let name = format!("{n}");
        tree.create(&new(top.ino, &name, NodeKind::File), at(0)).unwrap();
        tree.unlink(top.ino, &name, at(1)).unwrap();
    }
    tree.rmdir(Ino::ROOT, "top", at(1)).unwrap();
    let mut pieces = Vec::new();
    loop {
        let forgotten = tree.forget(top.ino, at(9)).unwrap();
        pieces.push(forgotten.contents.len());
        match forgotten.rest {
            Rest::More => {}
            rest => break assert_eq!(rest, Rest::Nothing),
        }
    }
    assert_eq!((pieces.iter().sum::<usize>(), pieces.len()), (files, 3));
    assert!(pieces.iter().all(|piece| *piece <= PIECE), "{pieces:?}");
    assert!(tree.node(top.ino).is_err());
}

#[test]
fn a_changed_node_is_due_after_the_settle_time_and_a_busy_one_not_forever() {
    let tree = tree();
    let node = file(&tree, "a");
    assert!(tree.due(at(0), 10).unwrap().is_empty());
    assert_eq!(tree.due(at(1), 10).unwrap(), vec![node.ino]);
    for secs in 1..60 {
        tree.set_attr(node.ino, &AttrChange { mode: Some(0o600), ..AttrChange::default() }, at(secs)).unwrap();
    }
    assert_eq!(tree.due(at(59), 10).unwrap(), vec![node.ino]);
}

#[test]
fn a_later_schema_is_refused_undamaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boxfs.db");
    drop(Tree::open(&path, false).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Tree::open(&path, true), Err(TreeError::TooNew { found: 99, .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boxfs.db");
    std::fs::write(&path, b"this is not a database, and it is long enough to look like one page of something").unwrap();
    assert!(matches!(Tree::open(&path, true), Err(TreeError::Damaged(_))));
}

#[test]
fn a_reopened_tree_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boxfs.db");
    let tree = Tree::open(&path, false).unwrap();
    tree.plant_root("0", Attr::default()).unwrap();
    let listing = tree.begin_listing().unwrap();
    tree.end_listing(Ino::ROOT, listing, at(0), 1).unwrap();
    let node = file(&tree, "a");
    let before = tree.node(node.ino).unwrap();
    drop(tree);
    let tree = Tree::open(&path, true).unwrap();
    assert_eq!(tree.node(node.ino).unwrap(), before);
}

#[test]
fn damage_that_is_met_is_noted_and_told_with_what_to_do() {
    let tree = Tree::in_memory().unwrap();
    let told = tree.suspect(TreeError::NotFound);
    assert!(matches!(told, TreeError::NotFound) && !tree.is_suspect());
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let told = tree.suspect(TreeError::Sql(rusqlite::Error::SqliteFailure(code, None)));
    assert!(told.to_string().contains("is damaged") && told.to_string().contains("unmount and mount again"), "{told}");
    assert!(tree.is_suspect());
}
