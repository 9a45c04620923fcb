//! State directories of other versions: an older one is upgraded with all that it holds, a newer one is refused and left as it is.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::support::PROGRAM_LIMIT;
use crate::support::{Mode, World, run};

/// The tables as the first schema had them.
const SCHEMA_1: &str = include_str!("../data/schema-1.sql");

/// What a daemon of the first schema left: `/doc`, closed and not sent, and Box's `/known` (its id and version as given).
fn leave_old_state(state: &Path, known: (&str, &str, &str)) {
    fs::create_dir_all(state.join("spool")).unwrap();
    let file = state.join("spool/0000000000000001");
    fs::write(&file, "from the old days").unwrap();
    let stamp = fs::metadata(&file).unwrap();
    let (mtime, ctime) = stamp_of(&stamp);
    let db = Connection::open(state.join("boxfs.db")).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(SCHEMA_1).unwrap();
    let folder = "0, 0, 0, 0, 0, 493, 0, 0, NULL, 0, 0, '0', NULL, NULL, NULL, NULL, NULL, NULL, 1, 0, NULL, NULL, NULL, 0, NULL, NULL";
    db.execute_batch(&format!(
        "INSERT INTO nodes VALUES (1, 1, 0, '', '', 0, {folder});
         INSERT INTO nodes VALUES (2, 0, 1, 'doc', 'doc', 0, 17, {mtime}, {mtime}, {mtime}, {mtime}, 420, 0, 0, 1, 0, 1,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1, 1, NULL, NULL, 0, NULL, NULL);
         INSERT INTO contents VALUES (1, 2, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, 17, 0, 17, {mtime}, {ctime}, 0, '');
         PRAGMA user_version = 1;"
    ))
    .unwrap();
    let (id, version, sha1) = known;
    db.execute_batch(&format!(
        "INSERT INTO nodes VALUES (3, 0, 1, 'known', 'known', 0, 5, 0, 0, 0, 0, 420, 0, 0, NULL, 0, 0,
             '{id}', '0', 'known', '{version}', '{sha1}', 0, 0, 0, 1, NULL, NULL, NULL, 0, NULL, NULL);"
    ))
    .unwrap();
}

fn stamp_of(metadata: &fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    let nanos = |secs: i64, nanos: i64| secs * 1_000_000_000 + nanos;
    (nanos(metadata.mtime(), metadata.mtime_nsec()), nanos(metadata.ctime(), metadata.ctime_nsec()))
}

#[test]
fn the_state_of_the_first_schema_is_upgraded_with_what_it_holds() {
    let world = World::new(Mode::Copying);
    world.emulator.act().write_file("/known", b"known").unwrap();
    let known = world.in_box("/known");
    let mounter = world.mounter("main");
    leave_old_state(&mounter.state_dir(), (&known.id, known.version_ids.last().unwrap(), &known.sha1));
    let mount = mounter.start();
    assert_eq!(fs::read(mount.at("doc")).unwrap(), b"from the old days");
    mount.wait();
    world.expect_bytes("/doc", b"from the old days");
    assert_eq!(fs::read(mount.at("known")).unwrap(), b"known");
    // What came with later schemas works.
    mount.command(&["conflicts"], "").ok();
    mount.umount();
}

#[test]
fn the_state_of_a_later_version_is_refused_and_left_as_it_is() {
    let world = World::new(Mode::Copying);
    let mount = world.mounter("main").args(["--settle", "100s"]).start();
    fs::write(mount.at("doc"), "unsent").unwrap();
    let state = mount.state_dir.clone();
    mount.command(&["umount", "--now"], "").expect_code(3);
    drop(mount);
    let set = |version: i64| {
        let db = Connection::open(state.join("boxfs.db")).unwrap();
        let was: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        was
    };
    let ours = set(1_000);
    let before = fs::read(state.join("boxfs.db")).unwrap();
    let refused = run(&mut world.mounter("main").command(), PROGRAM_LIMIT).expect_code(1);
    assert!(
        refused.stderr.contains("a later version of boxfs") && refused.stderr.contains("--state-dir"),
        "{refused:?}"
    );
    assert!(fs::read(state.join("boxfs.db")).unwrap() == before, "the database is touched");
    set(ours);
    let mount = world.mount();
    mount.wait();
    world.expect_bytes("/doc", b"unsent");
}
