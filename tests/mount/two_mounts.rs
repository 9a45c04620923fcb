//! Two mounts of one account, edited at the same time: each row of the conflict table, with the bytes of both sides afterwards.

use std::fs;

use crate::support::{Mode, Mount, SOON, Tree, World, eventually_ok, sha1_hex, tree_at, tree_in_box};

/// Longer than a test: what the first mount changes goes up when the test says so.
const HELD_BACK: &str = "100s";

/// Two people's mounts; what `before` made is in both.
struct Pair {
    world: World,
    ours: Mount,
    theirs: Mount,
}

impl Pair {
    fn new(before: impl Fn(&Mount)) -> Pair {
        let world = World::new(Mode::Copying);
        let theirs = world.mounter("theirs").args(["--settle", "20ms"]).start();
        before(&theirs);
        theirs.wait();
        let ours = world.mounter("ours").args(["--settle", HELD_BACK]).start();
        let pair = Pair { world, ours, theirs };
        pair.alike();
        pair
    }

    /// Changes ours, then theirs, which reaches Box first; then lets ours go.
    fn at_once(&self, ours: impl Fn(&Mount), theirs: impl Fn(&Mount)) {
        ours(&self.ours);
        theirs(&self.theirs);
        self.theirs.wait();
        self.ours.wait();
        self.alike();
    }

    /// Both mounts show what Box has.
    fn alike(&self) {
        eventually_ok(SOON, || {
            let trees = [tree_at(&self.ours.root), tree_at(&self.theirs.root), tree_in_box(&self.world)];
            if trees[0] == trees[1] && trees[1] == trees[2] { Ok(()) } else { Err(format!("{trees:#?}")) }
        });
    }

    /// What Box has, conflict copies without host and date in their names.
    #[track_caller]
    fn expect(&self, expected: &[(&str, &str)]) {
        let shorn = |path: String| match path.split_once(" (conflict ") {
            Some((stem, _)) => format!("{stem} (conflict)"),
            None => path,
        };
        let found: Tree = tree_in_box(&self.world).into_iter().map(|(path, sha1)| (shorn(path), sha1)).collect();
        let told = |text: &str| if text == "folder" { text.to_owned() } else { sha1_hex(text.as_bytes()) };
        let expected: Tree = expected.iter().map(|(path, text)| ((*path).to_owned(), told(text))).collect();
        assert_eq!(found, expected, "Box (left)");
    }
}

fn write(mount: &Mount, path: &str, text: &str) {
    fs::write(mount.at(path), text).unwrap();
}

fn doc(mount: &Mount) {
    write(mount, "doc", "before");
}

#[test]
fn an_edit_against_an_edit_keeps_both() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| write(ours, "doc", "ours"), |theirs| write(theirs, "doc", "theirs"));
    pair.expect(&[("/doc", "theirs"), ("/doc (conflict)", "ours")]);
}

#[test]
fn an_edit_against_the_same_edit_is_one() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| write(ours, "new", "the same"), |theirs| write(theirs, "new", "the same"));
    pair.expect(&[("/doc", "before"), ("/new", "the same")]);
}

#[test]
fn an_edit_against_a_delete_stays() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| write(ours, "doc", "ours"), |theirs| fs::remove_file(theirs.at("doc")).unwrap());
    pair.expect(&[("/doc", "ours")]);
}

#[test]
fn a_delete_against_an_edit_brings_it_back() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| fs::remove_file(ours.at("doc")).unwrap(), |theirs| write(theirs, "doc", "theirs"));
    pair.expect(&[("/doc", "theirs")]);
}

#[test]
fn of_two_renames_the_last_one_wins() {
    let pair = Pair::new(doc);
    let rename = |name: &'static str| move |mount: &Mount| fs::rename(mount.at("doc"), mount.at(name)).unwrap();
    pair.at_once(rename("ours"), rename("theirs"));
    pair.expect(&[("/ours", "before")]);
}

#[test]
fn an_edit_goes_to_where_the_file_was_moved() {
    let pair = Pair::new(|mount| {
        doc(mount);
        fs::create_dir(mount.at("folder")).unwrap();
    });
    let moved = |theirs: &Mount| fs::rename(theirs.at("doc"), theirs.at("folder/doc")).unwrap();
    pair.at_once(|ours| write(ours, "doc", "ours"), moved);
    pair.expect(&[("/folder", "folder"), ("/folder/doc", "ours")]);
    assert_eq!(pair.world.in_box("/folder/doc").version_ids.len(), 2);
}

#[test]
fn of_two_files_of_one_name_both_are_kept() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| write(ours, "new", "ours"), |theirs| write(theirs, "new", "theirs"));
    pair.expect(&[("/doc", "before"), ("/new", "theirs"), ("/new (conflict)", "ours")]);
}

#[test]
fn two_folders_of_one_name_are_one() {
    let pair = Pair::new(doc);
    let fill = |name: &'static str| {
        move |mount: &Mount| {
            fs::create_dir(mount.at("folder")).unwrap();
            write(mount, &format!("folder/{name}"), name);
        }
    };
    pair.at_once(fill("ours"), fill("theirs"));
    pair.expect(&[("/doc", "before"), ("/folder", "folder"), ("/folder/ours", "ours"), ("/folder/theirs", "theirs")]);
}

#[test]
fn a_file_against_a_folder_of_its_name_keeps_both() {
    let pair = Pair::new(doc);
    pair.at_once(|ours| write(ours, "new", "ours"), |theirs| fs::create_dir(theirs.at("new")).unwrap());
    pair.expect(&[("/doc", "before"), ("/new", "folder"), ("/new (conflict)", "ours")]);
}

#[test]
fn unsent_work_in_a_folder_that_goes_is_kept_with_its_path() {
    let pair = Pair::new(|mount| {
        fs::create_dir(mount.at("folder")).unwrap();
        write(mount, "folder/old", "old");
    });
    let ours = |ours: &Mount| {
        write(ours, "folder/old", "ours");
        write(ours, "folder/new", "new");
    };
    pair.at_once(ours, |theirs| fs::remove_dir_all(theirs.at("folder")).unwrap());
    pair.expect(&[("/folder", "folder"), ("/folder/new", "new"), ("/folder/old", "ours")]);
}
