//! Names: what Box refuses is refused at once, what Box takes works.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use crate::support::{Mode, PROGRAM_LIMIT, World, assert_same_everywhere, errno, run, run_in};

in_both_modes!(
    a_name_that_box_refuses_is_refused_at_once,
    a_name_that_folds_to_another_is_refused,
    a_rename_of_case_alone_works,
    the_longest_names_arrive,
    odd_names_arrive,
    names_are_kept_in_their_normal_form,
    tar_says_which_names_box_cannot_tell_apart,
    a_bookmark_is_shown_as_a_url_file,
    o_excl_lets_one_win,
);

fn a_name_that_box_refuses_is_refused_at_once(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("fine"), "x").unwrap();
    let refused: [(&OsStr, i32); 6] = [
        (OsStr::new("back\\slash"), libc::EINVAL),
        (OsStr::new("new\nline"), libc::EINVAL),
        (OsStr::new("end "), libc::EINVAL),
        (OsStr::from_bytes(b"no-text-\xff"), libc::EINVAL),
        (&OsString::from("x".repeat(256)), libc::ENAMETOOLONG),
        (&OsString::from("\u{20ac}".repeat(256)), libc::ENAMETOOLONG),
    ];
    for (name, expected) in refused {
        let path = mount.root.join(name);
        assert_eq!(errno(File::create(&path)), expected, "{name:?}");
        assert_eq!(errno(std::fs::create_dir(&path)), expected, "{name:?}");
        assert_eq!(errno(std::fs::rename(mount.at("fine"), &path)), expected, "{name:?}");
    }
    mount.wait();
    assert_eq!(world.emulator.items().len(), 1);
}

fn a_name_that_folds_to_another_is_refused(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("Report.txt"), "x").unwrap();
    std::fs::create_dir(mount.at("Folder")).unwrap();
    std::fs::write(mount.at("other"), "y").unwrap();
    assert_eq!(errno(File::create(mount.at("report.TXT"))), libc::EEXIST);
    assert_eq!(errno(std::fs::create_dir(mount.at("FOLDER"))), libc::EEXIST);
    assert_eq!(errno(std::fs::create_dir(mount.at("report.txt"))), libc::EEXIST);
    assert_eq!(errno(std::fs::rename(mount.at("other"), mount.at("REPORT.txt"))), libc::EEXIST);
    // Looked up exactly.
    assert_eq!(errno(std::fs::metadata(mount.at("report.txt"))), libc::ENOENT);
    mount.wait();
    assert_same_everywhere(&world, &mount);
}

fn a_rename_of_case_alone_works(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    std::fs::write(mount.at("readme"), "x").unwrap();
    std::fs::create_dir(mount.at("src")).unwrap();
    mount.wait();
    let ids = ["/readme", "/src"].map(|path| world.in_box(path).id);
    std::fs::rename(mount.at("readme"), mount.at("README")).unwrap();
    std::fs::rename(mount.at("src"), mount.at("Src")).unwrap();
    mount.wait();
    assert_eq!(["/README", "/Src"].map(|path| world.in_box(path).id), ids);
    assert_same_everywhere(&world, &mount);
}

fn the_longest_names_arrive(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let name = "\u{20ac}".repeat(255);
    assert_eq!(name.len(), 765);
    std::fs::write(mount.at(&name), "x").unwrap();
    let folder = "\u{0e81}".repeat(255);
    std::fs::create_dir(mount.at(&folder)).unwrap();
    std::fs::write(mount.at(&folder).join(&name), "y").unwrap();
    mount.wait();
    world.expect_bytes(&format!("/{name}"), b"x");
    world.expect_bytes(&format!("/{folder}/{name}"), b"y");
    assert_same_everywhere(&world, &mount);
}

fn odd_names_arrive(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    for name in [" leading", "a:b*c?\"<>|", "%41", "x\u{301}", ".hidden", "...", "\u{1f600}", "-n", "a'b`$c;d&e"] {
        std::fs::write(mount.at(name), name).unwrap();
    }
    mount.wait();
    assert_same_everywhere(&world, &mount);
    world.expect_bytes("/a:b*c?\"<>|", b"a:b*c?\"<>|");
}

fn names_are_kept_in_their_normal_form(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    std::fs::create_dir(mount.at("a")).unwrap();
    std::fs::create_dir(mount.at("b")).unwrap();
    std::fs::write(mount.at("a").join(composed), "1").unwrap();
    std::fs::write(mount.at("b").join(decomposed), "2").unwrap();
    mount.wait();
    world.expect_bytes(&format!("/a/{composed}"), b"1");
    world.expect_bytes(&format!("/b/{decomposed}"), b"2");
    assert_same_everywhere(&world, &mount);
}

fn tar_says_which_names_box_cannot_tell_apart(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("source");
    std::fs::write(source.join("Makefile"), "large").unwrap();
    std::fs::write(source.join("makefile"), "small").unwrap();
    run_in(&source, "tar", ["-cf", "../both.tar", "Makefile", "makefile"]);
    let mount = world.mount();
    let archive = world.dir().join("both.tar");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-xf").arg(archive).current_dir(&mount.root);
    let ran = run(&mut tar, PROGRAM_LIMIT).expect_code(2);
    assert!(ran.stderr.contains("makefile: Cannot open: File exists"), "{}", ran.stderr);
    mount.wait();
    assert_eq!(world.expect_bytes("/Makefile", b"large").version_ids.len(), 1);
    assert_same_everywhere(&world, &mount);
}

fn a_bookmark_is_shown_as_a_url_file(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().create_web_link("/bookmark", "https://example.org/").unwrap();
    let mount = world.mount();
    let names: Vec<_> = std::fs::read_dir(&mount.root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["bookmark.url"]);
    assert!(std::fs::read_to_string(mount.at("bookmark.url")).unwrap().contains("https://example.org/"));
}

fn o_excl_lets_one_win(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let winners = std::thread::scope(|scope| {
        let create = || File::create_new(mount.at("lock")).map_err(|error| error.raw_os_error().unwrap());
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).filter(|won| won.is_ok()).count()
    });
    assert_eq!(winners, 1);
    assert_eq!(errno(File::create_new(mount.at("lock"))), libc::EEXIST);
}
