//! Files that are open while their names change, and several writers of one file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::support::{Mode, World, bytes_of, errno};

in_both_modes!(
    readers_of_a_file_renamed_over_keep_the_old_bytes,
    an_unlinked_file_lives_until_it_is_closed,
    a_file_renamed_while_it_is_written_arrives_under_its_last_name,
    two_appenders_lose_no_line,
    a_file_held_open_for_writing_is_not_sent_half,
);

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
