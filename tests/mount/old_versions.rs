//! The view of old versions: `.boxfs-versions` in the root, read with plain system calls and programs.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use boxfs::emulator::Options;

use crate::support::{Mode, Mount, SOON, TOKEN, World, bytes_of, errno, eventually, http_client, run_in};

/// What needs Box and cannot have it fails within this.
const PROMPT: Duration = Duration::from_secs(10);
const VIEW: &str = ".boxfs-versions";
const SIZE: usize = 5_000_000;

in_both_modes!(
    old_versions_are_read_through_the_mount_and_cost_nothing_before,
    a_piece_of_an_old_version_costs_a_piece_and_is_kept,
    nothing_in_the_view_can_be_changed,
    nothing_is_given_the_name_of_the_view,
    an_item_of_box_with_the_name_of_the_view_comes_first,
    the_view_follows_new_versions_and_renames,
    a_version_that_is_gone_is_told,
    without_box_what_is_known_of_versions_is_there,
);

fn with_versions(world: &World) {
    for text in ["one\n", "number two\n", "the third\n"] {
        world.emulator.act().write_file("/docs/report.txt", text.as_bytes()).unwrap();
    }
    world.emulator.act().write_file("/docs/single", b"only").unwrap();
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

/// The only version with this number in the view of a file.
fn version(mount: &Mount, path: &str, number: u32) -> PathBuf {
    let folder = mount.at(VIEW).join(path);
    let found: Vec<_> = names(&folder).into_iter().filter(|name| name.starts_with(&format!("{number} "))).collect();
    assert_eq!(found.len(), 1, "{:?}", names(&folder));
    folder.join(&found[0])
}

fn cache_bytes(mount: &Mount) -> u64 {
    let entries = fs::read_dir(&mount.cache_dir).unwrap().flatten();
    entries.map(|entry| entry.metadata().map_or(0, |m| m.blocks() * 512)).sum()
}

fn asked_for_versions(world: &World) -> usize {
    world.requests("GET", "/2.0/files/*/versions").len()
}

fn old_versions_are_read_through_the_mount_and_cost_nothing_before(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    assert_eq!(names(&mount.root), ["docs"]);
    assert_eq!(names(&mount.at("docs")), ["report.txt", "single"]);
    world.emulator.reset_requests();
    assert_eq!(names(&mount.at(VIEW)), ["docs"]);
    assert_eq!(names(&mount.at(VIEW).join("docs")), ["report.txt", "single"]);
    assert!(mount.at(VIEW).join("docs/report.txt").is_dir());
    assert_eq!(world.requests("GET", "/2.0/files/*/*").len(), 0, "{:#?}", world.emulator.requests());

    let folder = mount.at(VIEW).join("docs/report.txt");
    let shown = names(&folder);
    assert_eq!(shown.len(), 2, "{shown:?}");
    for (name, number) in shown.iter().zip(1..) {
        let parts: Vec<_> = name.split(' ').collect();
        assert_eq!((parts[0], parts[2]), (number.to_string().as_str(), "report.txt"));
        assert!(boxfs::base::Timestamp::parse_rfc3339(parts[1]).is_ok(), "{name}");
    }
    assert_eq!(fs::read_to_string(version(&mount, "docs/report.txt", 1)).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(version(&mount, "docs/report.txt", 2)).unwrap(), "number two\n");
    assert_eq!(asked_for_versions(&world), 1);
    let attributes = version(&mount, "docs/report.txt", 2).metadata().unwrap();
    assert_eq!((attributes.mode() & 0o7777, attributes.size()), (0o444, 11));
    let item = world.in_box("/docs/report.txt");
    let told = |name: &str| xattr::get(version(&mount, "docs/report.txt", 2), format!("user.box.{name}")).unwrap();
    assert_eq!(told("version"), Some(item.version_ids[1].clone().into_bytes()));
    assert_eq!(told("sha1"), Some(crate::support::sha1_hex(b"number two\n").into_bytes()));
    assert_eq!((told("id"), told("state")), (Some(item.id.into_bytes()), None));
    assert_eq!(folder.metadata().unwrap().mode() & 0o7777, 0o555);
    // Programs of every day.
    let diff = "diff .boxfs-versions/docs/report.txt/2* docs/report.txt; cp .boxfs-versions/docs/report.txt/1* \
                copied; cat copied .boxfs-versions/docs/report.txt/*";
    let ran = run_in(&mount.root, "sh", ["-c", diff]);
    assert_eq!(ran.stdout, "1c1\n< number two\n---\n> the third\none\none\nnumber two\n");
    assert!(names(&mount.at(VIEW).join("docs/single")).is_empty());
    assert!(names(&mount.at(VIEW).join("copied")).is_empty(), "Box has no version of it yet");
    assert_eq!(asked_for_versions(&world), 2);
    mount.wait();
    world.expect_bytes("/copied", b"one\n");
    let in_box = crate::support::tree_in_box(&world);
    assert!(!format!("{in_box:?}").contains(VIEW));
}

fn a_piece_of_an_old_version_costs_a_piece_and_is_kept(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/large", &bytes_of(SIZE, 1)).unwrap();
    world.emulator.act().write_file("/large", &bytes_of(SIZE, 2)).unwrap();
    let mount = world.mount();
    let old = version(&mount, "large", 1);
    assert_eq!(cache_bytes(&mount), 0);
    let mut piece = vec![0; 1000];
    File::open(&old).unwrap().read_exact_at(&mut piece, 3_000_000).unwrap();
    assert_eq!(piece, bytes_of(SIZE, 1)[3_000_000..3_001_000]);
    assert!(cache_bytes(&mount) < 1_000_000, "{}", cache_bytes(&mount));
    assert!(fs::read(&old).unwrap() == bytes_of(SIZE, 1) && fs::read(mount.at("large")).unwrap() == bytes_of(SIZE, 2));
    mount.umount();
    // What is in the cache outlives the daemon; the list does not.
    let mount = world.mount();
    let old = version(&mount, "large", 1);
    world.emulator.reset_requests();
    assert!(fs::read(&old).unwrap() == bytes_of(SIZE, 1));
    assert!(world.requests("GET", "/2.0/files/*/content").is_empty());
    mount.command(&["evict"], "large").ok();
    assert_eq!(cache_bytes(&mount), 0);
}

fn nothing_in_the_view_can_be_changed(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    let (view, old) = (mount.at(VIEW), version(&mount, "docs/report.txt", 1));
    let inside = view.join("docs/new");
    let refused = [
        errno(fs::write(&inside, b"x")),
        errno(fs::create_dir(&inside)),
        errno(symlink("target", &inside)),
        errno(fs::remove_file(&old)),
        errno(fs::remove_dir(view.join("docs/single"))),
        errno(fs::remove_dir(&view)),
        errno(fs::rename(&old, mount.at("taken"))),
        errno(fs::rename(mount.at("docs/single"), &inside)),
        errno(fs::rename(&view, mount.at("moved"))),
        errno(File::options().append(true).open(&old)),
        errno(nix::unistd::truncate(&old, 0).map_err(Into::into)),
        errno(File::open(&old).unwrap().set_modified(std::time::SystemTime::now())),
        errno(xattr::set(&old, "user.x", b"y")),
    ];
    assert_eq!(refused, [libc::EROFS; 13]);
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\n");
    assert!(world.changing_requests().is_empty(), "{:#?}", world.changing_requests());
}

fn nothing_is_given_the_name_of_the_view(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    assert_eq!(errno(fs::create_dir(mount.at(VIEW))), libc::EEXIST);
    assert_eq!(errno(fs::write(mount.at(VIEW), b"x")), libc::EISDIR);
    assert_eq!(errno(File::options().write(true).create_new(true).open(mount.at(VIEW))), libc::EEXIST);
    assert_eq!(errno(fs::rename(mount.at("docs/single"), mount.at(VIEW))), libc::EISDIR);
    assert_eq!(errno(fs::rename(mount.at("docs"), mount.at(VIEW))), libc::EEXIST);
    // Anywhere else it is a name like any other.
    fs::create_dir(mount.at("docs").join(VIEW)).unwrap();
    mount.wait();
    assert!(world.emulator.find(&format!("/{VIEW}")).is_none());
    world.in_box(&format!("/docs/{VIEW}"));
}

fn an_item_of_box_with_the_name_of_the_view_comes_first(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    assert!(mount.at(VIEW).join("docs").is_dir());
    world.emulator.act().write_file(&format!("/{VIEW}/mine"), b"mine").unwrap();
    eventually("the item is shown", SOON, || names(&mount.root).contains(&VIEW.to_owned()));
    eventually("it comes first", SOON, || fs::read(mount.at(VIEW).join("mine")).is_ok_and(|found| found == b"mine"));
    world.emulator.act().rename(&format!("/{VIEW}"), "elsewhere").unwrap();
    eventually("the view is back", SOON, || mount.at(VIEW).join("docs/report.txt").is_dir());
}

fn the_view_follows_new_versions_and_renames(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    let second = fs::read(version(&mount, "docs/report.txt", 2)).unwrap();
    let held = File::open(version(&mount, "docs/report.txt", 1)).unwrap();
    world.emulator.act().write_file("/docs/report.txt", b"a fourth\n").unwrap();
    eventually("the third is an old one", SOON, || names(&mount.at(VIEW).join("docs/report.txt")).len() == 3);
    assert_eq!(fs::read_to_string(version(&mount, "docs/report.txt", 3)).unwrap(), "the third\n");
    assert_eq!(fs::read(version(&mount, "docs/report.txt", 2)).unwrap(), second);
    fs::rename(mount.at("docs/report.txt"), mount.at("renamed.md")).unwrap();
    eventually("it is called by its name of now", SOON, || mount.at(VIEW).join("renamed.md").is_dir());
    assert!(version(&mount, "renamed.md", 1).ends_with(Path::new(&names(&mount.at(VIEW).join("renamed.md"))[0])));
    assert!(names(&mount.at(VIEW).join("renamed.md")).iter().all(|name| name.ends_with(" renamed.md")));
    let mut bytes = [0; 4];
    held.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"one\n");
    fs::remove_file(mount.at("renamed.md")).unwrap();
    eventually("it goes with its file", SOON, || mount.at(VIEW).join("renamed.md").metadata().is_err());
}

/// Somebody deletes an old version of a file.
fn delete_version(world: &World, path: &str, index: usize) {
    let item = world.in_box(path);
    let url = format!("{}/2.0/files/{}/versions/{}", world.emulator.url(), item.id, item.version_ids[index]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(http_client().delete(url).bearer_auth(TOKEN).send()).unwrap().status();
    assert_eq!(status.as_u16(), 204);
}

fn a_version_that_is_gone_is_told(mode: Mode) {
    let world = World::new(mode);
    with_versions(&world);
    let mount = world.mount();
    let (first, second) = (version(&mount, "docs/report.txt", 1), version(&mount, "docs/report.txt", 2));
    delete_version(&world, "/docs/report.txt", 0);
    assert_eq!(errno(fs::read(&first)), libc::ESTALE);
    eventually("it is not listed any more", SOON, || names(&mount.at(VIEW).join("docs/report.txt")).len() == 1);
    // The next is the first now, as `boxfs versions` counts.
    assert_eq!(fs::read_to_string(version(&mount, "docs/report.txt", 1)).unwrap(), "number two\n");
    eventually("its old name is gone", SOON, || second.metadata().is_err());
}

fn without_box_what_is_known_of_versions_is_there(mode: Mode) {
    let mut world = World::lasting(mode, Options::default());
    with_versions(&world);
    let mount = world.mount();
    assert_eq!(names(&mount.at("docs")), ["report.txt", "single"]);
    let (first, second) = (version(&mount, "docs/report.txt", 1), version(&mount, "docs/report.txt", 2));
    assert_eq!(fs::read_to_string(&first).unwrap(), "one\n");
    world.unplug();
    assert_eq!(names(&mount.at(VIEW).join("docs")), ["report.txt", "single"]);
    assert_eq!(fs::read_to_string(&first).unwrap(), "one\n");
    let started = Instant::now();
    assert_eq!(errno(fs::read(&second)), libc::EIO);
    assert_eq!(
        errno(fs::read_dir(mount.at(VIEW).join("docs/single")).and_then(|mut all| all.next().unwrap())),
        libc::EIO
    );
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    world.plug_in();
    eventually("the rest is there again", SOON, || {
        fs::read_to_string(&second).is_ok_and(|text| text == "number two\n")
    });
}
