//! Programs as people run them.

use std::path::Path;

use crate::support::{Mode, World, assert_same_everywhere, bytes_of, run_in, tree_at, tree_in_box};

in_both_modes!(
    git_clones_and_commits,
    a_second_rsync_sends_nothing,
    cp_a_of_a_tree_arrives,
    tar_x_of_a_tree_arrives,
    a_shell_redirect_arrives,
);

/// 300 small files in folders, with old times.
fn make_tree(dir: &Path) {
    for n in 0..300_usize {
        let folder = dir.join(format!("folder-{}/sub-{}", n % 5, n % 3));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("file {n}.txt"));
        std::fs::write(&path, bytes_of(n * 37, n as u64)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_400_000_000 + n as u64, 987_654_321);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(std::fs::FileTimes::new().set_modified(time).set_accessed(time))
            .unwrap();
    }
}

/// Paths of the source are those below `/tree` in Box.
fn expect_tree(world: &World, source: &Path) {
    let expected = tree_at(source).into_iter().map(|(path, sha1)| (format!("/tree{path}"), sha1));
    let mut here: crate::support::Tree = expected.collect();
    here.insert("/tree".to_owned(), "folder".to_owned());
    assert_eq!(tree_in_box(world), here);
    for item in world.emulator.items().iter().filter(|item| item.kind == "file") {
        assert_eq!(item.version_ids.len(), 1, "{item:?}");
        let number: i64 = item.name[5..item.name.len() - 4].parse().unwrap();
        assert_eq!(item.content_modified_at, 1_400_000_000 + number, "{item:?}");
    }
}

fn git_clones_and_commits(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    let git = |dir: &Path, arguments: &[&str]| {
        let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        run_in(dir, "git", identity.iter().chain(arguments))
    };
    let origin = world.make_dir("origin");
    git(&origin, &["init", "-q", "-b", "main"]);
    for n in 0..10 {
        std::fs::write(origin.join(format!("file-{n}")), bytes_of(5000, n)).unwrap();
    }
    git(&origin, &["add", "."]);
    git(&origin, &["commit", "-q", "-m", "first"]);
    git(&mount.root, &["clone", "-q", origin.to_str().unwrap(), "clone"]);
    let clone = mount.at("clone");
    std::fs::write(clone.join("more"), "more").unwrap();
    git(&clone, &["add", "more"]);
    git(&clone, &["commit", "-q", "-m", "second"]);
    git(&clone, &["fsck", "--strict"]);
    assert_eq!(git(&clone, &["status", "--porcelain"]).stdout, "");
    mount.wait();
    assert_same_everywhere(&world, &mount);
}

fn a_second_rsync_sends_nothing(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("tree");
    make_tree(&source);
    let mount = world.mount();
    run_in(world.dir(), "rsync", ["-a".as_ref(), source.as_os_str(), mount.root.as_os_str()]);
    mount.wait();
    expect_tree(&world, &source);
    world.emulator.reset_requests();
    let again = run_in(world.dir(), "rsync", ["-ai".as_ref(), source.as_os_str(), mount.root.as_os_str()]);
    assert_eq!(again.stdout, "", "nothing differs");
    mount.wait();
    assert_eq!(world.changing_requests(), []);
}

fn cp_a_of_a_tree_arrives(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("tree");
    make_tree(&source);
    let mount = world.mount();
    run_in(world.dir(), "cp", ["-a".as_ref(), source.as_os_str(), mount.root.as_os_str()]);
    mount.wait();
    expect_tree(&world, &source);
    assert_eq!(world.uploads().posts, 300);
    run_in(world.dir(), "diff", ["-r".as_ref(), source.as_os_str(), mount.at("tree").as_os_str()]);
}

fn tar_x_of_a_tree_arrives(mode: Mode) {
    let world = World::new(mode);
    let source = world.make_dir("tree");
    make_tree(&source);
    run_in(world.dir(), "tar", ["-cf", "tree.tar", "tree"]);
    let mount = world.mount();
    let archive = world.dir().join("tree.tar");
    run_in(&mount.root, "tar", ["-xf".as_ref(), archive.as_os_str()]);
    mount.wait();
    expect_tree(&world, &source);
    assert_eq!(world.uploads().posts, 300);
}

fn a_shell_redirect_arrives(mode: Mode) {
    let world = World::new(mode);
    let mount = world.mount();
    run_in(
        &mount.root,
        "sh",
        ["-ec", "echo one > doc; echo two >> doc; (echo three; echo four) >> doc; cat doc > copy"],
    );
    mount.wait();
    for path in ["/doc", "/copy"] {
        assert_eq!(world.expect_bytes(path, b"one\ntwo\nthree\nfour\n").version_ids.len(), 1);
    }
}
