//! `boxfs thumbnails`: the desktop's thumbnail cache is filled from Box's own pictures, and no file is fetched.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use boxfs::emulator::{Fault, FaultAnswer, FaultRule, FaultScript};

use crate::support::{Mode, Mount, PROGRAM_LIMIT, Ran, World, boxfs, mode_of, run};

in_both_modes!(
    thumbnails_are_where_the_desktop_looks_and_no_file_is_fetched,
    a_picture_that_box_still_makes_is_waited_for,
    what_box_has_no_picture_of_is_left_out,
    pictures_that_cannot_be_had_are_told,
);

fn world(mode: Mode) -> (World, Mount) {
    let world = World::new(mode);
    for path in ["/photos/me & you.png", "/photos/old/beach.JPG", "/photos/notes.txt", "/elsewhere.png"] {
        world.emulator.act().write_file(path, path.as_bytes()).unwrap();
    }
    let mount = world.mount();
    (world, mount)
}

/// The desktop's cache of whoever runs the command.
fn cache(world: &World) -> PathBuf {
    world.make_dir("xdg-cache")
}

fn fill(world: &World, mount: &Mount, arguments: &[&str], path: &str) -> Ran {
    let mut command = boxfs(world.dir());
    command.env("XDG_CACHE_HOME", cache(world)).arg("thumbnails").args(arguments).arg(mount.at(path));
    run(&mut command, PROGRAM_LIMIT)
}

/// Where the specification puts the thumbnail of a file, by the system's own `md5sum`.
fn place(world: &World, mount: &Mount, folder: &str, path: &str) -> PathBuf {
    let uri = format!("file://{}", mount.at(path).display()).replace(' ', "%20");
    let script = "printf %s \"$0\" | md5sum | cut -d ' ' -f 1";
    let digest = run(Command::new("sh").args(["-c", script, &uri]), PROGRAM_LIMIT).ok().stdout;
    cache(world).join("thumbnails").join(folder).join(format!("{}.png", digest.trim()))
}

fn has_text(picture: &Path, keyword: &str, value: &str) -> bool {
    let found = fs::read(picture).unwrap();
    let text = [keyword.as_bytes(), b"\0", value.as_bytes()].concat();
    found.windows(text.len()).any(|window| window == text)
}

fn pictures(world: &World) -> usize {
    world.requests("GET", "/2.0/files/*/thumbnail.png").len()
}

/// All files in the cache.
fn made(world: &World) -> usize {
    let folders = ["normal", "large"].map(|folder| cache(world).join("thumbnails").join(folder));
    folders.iter().map(|folder| fs::read_dir(folder).map_or(0, Iterator::count)).sum()
}

fn thumbnails_are_where_the_desktop_looks_and_no_file_is_fetched(mode: Mode) {
    let (world, mount) = world(mode);
    let told = fill(&world, &mount, &[], "photos").ok().stdout;
    assert_eq!(told, "4 thumbnails made, 0 were there, of 0 Box has no picture\n");
    assert_eq!((pictures(&world), made(&world)), (4, 4));
    for path in ["photos/me & you.png", "photos/old/beach.JPG"] {
        for folder in ["normal", "large"] {
            let picture = place(&world, &mount, folder, path);
            assert_eq!(mode_of(&picture), 0o600);
            let uri = format!("file://{}", mount.at(path).display()).replace(' ', "%20");
            assert!(has_text(&picture, "Thumb::URI", &uri));
            assert!(has_text(&picture, "Thumb::MTIME", &mount.at(path).metadata().unwrap().mtime().to_string()));
        }
    }
    assert_eq!(mode_of(&cache(&world).join("thumbnails/large")), 0o700);
    assert!(
        world.requests("GET", "/d/1/*/download").is_empty() && world.requests("GET", "/2.0/files/*/content").is_empty()
    );
    // Once more: all are there. A file that changed gets another.
    assert!(fill(&world, &mount, &[], "photos").ok().stdout.starts_with("0 thumbnails made, 4 were there"));
    assert_eq!(pictures(&world), 4);
    let beach = fs::File::options().append(true).open(mount.at("photos/old/beach.JPG")).unwrap();
    beach.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    drop(beach);
    mount.wait();
    let told = fill(&world, &mount, &["--size", "large"], "photos").ok().stdout;
    assert!(told.starts_with("1 thumbnails made, 1 were there"), "{told}");
    assert!(has_text(&place(&world, &mount, "large", "photos/old/beach.JPG"), "Thumb::MTIME", "1000000000"));
    // A file by its name.
    assert!(fill(&world, &mount, &["--size", "normal"], "elsewhere.png").ok().stdout.starts_with("1 thumbnails made"));
}

fn answers(world: &World, status: u16, code: Option<&str>, times: Option<u64>) {
    let fault = Fault::Answer(FaultAnswer { status, code: code.map(str::to_owned), retry_after: Some(1) });
    let path = "/2.0/files/*/thumbnail.png*".to_owned();
    let rule = FaultRule { method: None, path, nth: None, times, probability: None, fault };
    world.emulator.set_faults(FaultScript { seed: 1, rules: vec![rule] });
}

fn a_picture_that_box_still_makes_is_waited_for(mode: Mode) {
    let (world, mount) = world(mode);
    answers(&world, 202, None, Some(2));
    let told = fill(&world, &mount, &["--size", "large"], "elsewhere.png").ok();
    assert!(told.stdout.starts_with("1 thumbnails made") && told.took >= std::time::Duration::from_secs(2), "{told:?}");
    assert_eq!((pictures(&world), made(&world)), (3, 1));
}

fn what_box_has_no_picture_of_is_left_out(mode: Mode) {
    let (world, mount) = world(mode);
    answers(&world, 404, Some("preview_cannot_be_generated"), Some(1));
    let told = fill(&world, &mount, &["--size", "large"], "photos").ok().stdout;
    assert_eq!(told, "1 thumbnails made, 0 were there, of 1 Box has no picture\n");
    answers(&world, 302, None, None);
    let told = fill(&world, &mount, &["--size", "normal"], "photos").ok().stdout;
    assert_eq!(told, "0 thumbnails made, 0 were there, of 2 Box has no picture\n");
    // What Box does not have yet has no picture there.
    fs::write(mount.at("photos/fresh.png"), b"just made").unwrap();
    assert_eq!(made(&world), 1);
}

fn pictures_that_cannot_be_had_are_told(mode: Mode) {
    let (world, mount) = world(mode);
    answers(&world, 403, Some("forbidden_by_policy"), None);
    let ran = fill(&world, &mount, &["--size", "large"], "photos").expect_code(1);
    assert!(ran.stderr.contains("2 pictures could not be had") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    assert_eq!(made(&world), 0);
    let ran = fill(&world, &mount, &[], "nothing").expect_code(1);
    assert!(ran.stderr.lines().count() == 1, "{}", ran.stderr);
}
