//! Files that are open while their names change, and several writers of one file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::support::{Mode, SOON, World, bytes_of, errno, eventually, sha1_hex};

in_both_modes!(
    readers_of_a_file_renamed_over_keep_the_old_bytes,
    an_unlinked_file_lives_until_it_is_closed,
    a_file_renamed_while_it_is_written_arrives_under_its_last_name,
    two_appenders_lose_no_line,
    a_file_held_open_for_writing_is_not_sent_half,
    a_file_that_stays_open_is_sent_once_nobody_writes,
    a_kill_of_a_file_that_stays_open_leaves_nothing_to_tell,
);

/// A file that stays open rests sixty times this.
const SETTLE: [&str; 2] = ["--settle", "20ms"];

fn readers_of_a_file_renamed_over_keep_the_old_bytes(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (old, new) = (bytes_of(300_000, 1), bytes_of(200_000, 2));
    std::fs::write(mount.at("doc"), &old).unwrap();
    std::fs::write(mount.at("next"), &new).unwrap();
    mount.wait();
    let id = world.in_box("/doc").id;
    let mut reader = File::open(mount.at("doc")).unwrap();
    std::fs::rename(mount.at("next"), mount.at("doc")).unwrap();
    assert!(std::fs::read(mount.at("doc")).unwrap() == new);
    mount.wait();
    let mut seen = Vec::new();
    reader.read_to_end(&mut seen).unwrap();
    assert!(seen == old);
    assert_eq!(world.expect_bytes("/doc", &new).id, id, "the document is its name");
    assert!(world.emulator.find("/next").is_none());
}

fn an_unlinked_file_lives_until_it_is_closed(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("doc"), "known to Box").unwrap();
    mount.wait();
    let mut file = File::options().read(true).write(true).open(mount.at("doc")).unwrap();
    let mut unknown = File::create_new(mount.at("unknown")).unwrap();
    std::fs::remove_file(mount.at("doc")).unwrap();
    std::fs::remove_file(mount.at("unknown")).unwrap();
    assert_eq!(errno(File::open(mount.at("doc"))), libc::ENOENT);
    unknown.write_all(b"never seen").unwrap();
    file.write_all(b"still").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still to Box");
    drop((file, unknown));
    mount.wait();
    let items = world.emulator.items();
    assert_eq!(items.len(), 1, "{items:#?}");
    assert!(items[0].trashed && items[0].version_ids.len() == 1, "{items:#?}");
}

fn a_file_renamed_while_it_is_written_arrives_under_its_last_name(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::create_dir(mount.at("folder")).unwrap();
    let bytes = bytes_of(2_000_000, 4);
    let mut file = File::create(mount.at("download.part")).unwrap();
    file.write_all(&bytes[..1_000_000]).unwrap();
    std::fs::rename(mount.at("download.part"), mount.at("folder/download")).unwrap();
    file.write_all(&bytes[1_000_000..]).unwrap();
    drop(file);
    mount.wait();
    let item = world.expect_bytes("/folder/download", &bytes);
    assert_eq!(item.version_ids.len(), 1);
    assert!(world.emulator.find("/download.part").is_none());
}

fn two_appenders_lose_no_line(mode: Mode) {
    const LINES: usize = 300;
    let world = World::new(mode);
    let mount = world.mount();
    std::thread::scope(|scope| {
        for writer in ["first", "second"] {
            let path = mount.at("log");
            scope.spawn(move || {
                let mut file = File::options().append(true).create(true).open(path).unwrap();
                for n in 0..LINES {
                    file.write_all(format!("{writer:>10} {n:>8}\n").as_bytes()).unwrap();
                }
            });
        }
    });
    let text = std::fs::read_to_string(mount.at("log")).unwrap();
    for writer in ["first", "second"] {
        let lines: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with(writer)).collect();
        let expected: Vec<_> = (0..LINES).map(|n| format!("{writer:>10} {n:>8}")).collect();
        assert_eq!(lines, expected);
    }
    mount.wait();
    world.expect_bytes("/log", text.as_bytes());
}

fn a_file_held_open_for_writing_is_not_sent_half(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(["--settle", "100ms"]).start();
    let mut file = File::create(mount.at("growing")).unwrap();
    file.write_all(b"half").unwrap();
    file.sync_all().unwrap();
    // Another reader's close changes nothing.
    assert_eq!(std::fs::read(mount.at("growing")).unwrap(), b"half");
    mount.command(&["wait", "--timeout", "1"], "").expect_code(3);
    assert!(world.emulator.items().is_empty(), "{:#?}", world.emulator.items());
    file.write_all(b" and half").unwrap();
    drop(file);
    mount.wait();
    assert_eq!(world.expect_bytes("/growing", b"half and half").version_ids.len(), 1);
}

fn expect_soon(world: &World, path: &str, bytes: &[u8]) -> String {
    let sha1 = sha1_hex(bytes);
    eventually("it is in Box", SOON, || world.emulator.find(path).is_some_and(|item| item.sha1 == sha1));
    world.in_box(path).id
}

fn a_file_that_stays_open_is_sent_once_nobody_writes(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(SETTLE).start();
    let mut log = File::create(mount.at("log")).unwrap();
    log.write_all(b"one\n").unwrap();
    let id = expect_soon(&world, "/log", b"one\n");
    log.write_all(b"two\n").unwrap();
    assert_eq!(expect_soon(&world, "/log", b"one\ntwo\n"), id);
    log.write_all(b"three\n").unwrap();
    drop(log);
    mount.wait();
    let item = world.expect_bytes("/log", b"one\ntwo\nthree\n");
    assert_eq!((item.id, item.version_ids.len()), (id, 3));
    mount.umount();
}

fn a_kill_of_a_file_that_stays_open_leaves_nothing_to_tell(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mounter("main").args(SETTLE).start();
    let mut log = File::create(mount.at("log")).unwrap();
    log.write_all(b"one\n").unwrap();
    let id = expect_soon(&world, "/log", b"one\n").into_bytes();
    // The mount knows, too.
    eventually("it is settled", SOON, || xattr::get(mount.at("log"), "user.box.id").unwrap().as_ref() == Some(&id));
    mount.kill();
    drop(log);
    let mount = world.mounter("main").args(SETTLE).start();
    mount.wait();
    assert_eq!(std::fs::read(mount.at("log")).unwrap(), b"one\n");
    assert_eq!(world.expect_bytes("/log", b"one\n").version_ids.len(), 1);
    assert!(mount.command(&["status"], "").ok().stdout.contains("all is in Box"));
}
