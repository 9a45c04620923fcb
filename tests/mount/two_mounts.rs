//! Two people's mounts of one shared folder, edited at the same time: each row of the conflict table, with the bytes of both sides
//! afterwards.

use std::fs;

use boxfs::emulator::{Options, UserOptions};

use crate::support::{Mode, Mount, SOON, Tree, World, eventually_ok, sha1_hex, tree_at, tree_in_box};

/// Longer than a test: what the first mount changes goes up when the test says so.
const HELD_BACK: &str = "100s";

/// Where the shared folder is in Box; each mount shows it as its root.
const SHARED: &str = "/shared";
const THEIR_LOGIN: &str = "they@example.com";
const THEIR_TOKEN: &str = "token-of-theirs-0c9d";

in_both_modes!(
    an_edit_against_an_edit_keeps_both,
    an_edit_against_the_same_edit_is_one,
    an_edit_against_a_delete_stays,
    an_edit_against_a_delete_for_good_is_a_new_file,
    a_delete_against_an_edit_brings_it_back,
    of_two_renames_the_last_one_wins,
    an_edit_goes_to_where_the_file_was_moved,
    of_two_files_of_one_name_both_are_kept,
    two_folders_of_one_name_are_one,
    a_file_against_a_folder_of_its_name_keeps_both,
    unsent_work_in_a_folder_that_goes_is_kept_with_its_path,
);

/// Two people's mounts; what `before` made is in both.
struct Pair {
    world: World,
    ours: Mount,
    theirs: Mount,
}

impl Pair {
    fn new(mode: Mode, before: impl Fn(&Mount)) -> Pair {
        let (name, login, token) = ("They".to_owned(), THEIR_LOGIN.to_owned(), THEIR_TOKEN.to_owned());
        let users = vec![UserOptions { name, login, token }];
        let world = World::with(mode, Options { users, ..Options::default() });
        let folder = world.share(SHARED, THEIR_LOGIN, "editor");
        let mounter = |name, settle: &str| world.mounter(name).args(["--root-folder", &folder, "--settle", settle]);
        let theirs = mounter("theirs", "20ms").token(THEIR_TOKEN).start();
        before(&theirs);
        theirs.wait();
        let ours = mounter("ours", HELD_BACK).start();
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
            let trees = [tree_at(&self.ours.root), tree_at(&self.theirs.root), self.in_box()];
            if trees[0] == trees[1] && trees[1] == trees[2] { Ok(()) } else { Err(format!("{trees:#?}")) }
        });
    }

    /// What Box has in the shared folder.
    fn in_box(&self) -> Tree {
        let shared = |(path, sha1): (String, String)| {
            Some((path.strip_prefix(SHARED)?.to_owned(), sha1)).filter(|(path, _)| !path.is_empty())
        };
        tree_in_box(&self.world).into_iter().filter_map(shared).collect()
    }

    /// What Box has, conflict copies without host and date in their names.
    #[track_caller]
    fn expect(&self, expected: &[(&str, &str)]) {
        let shorn = |path: String| match path.split_once(" (conflict ") {
            Some((stem, _)) => format!("{stem} (conflict)"),
            None => path,
        };
        let found: Tree = self.in_box().into_iter().map(|(path, sha1)| (shorn(path), sha1)).collect();
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

fn an_edit_against_an_edit_keeps_both(mode: Mode) {
    let pair = Pair::new(mode, doc);
    pair.at_once(|ours| write(ours, "doc", "ours"), |theirs| write(theirs, "doc", "theirs"));
    pair.expect(&[("/doc", "theirs"), ("/doc (conflict)", "ours")]);
}

fn an_edit_against_the_same_edit_is_one(mode: Mode) {
    let pair = Pair::new(mode, doc);
    pair.at_once(|ours| write(ours, "new", "the same"), |theirs| write(theirs, "new", "the same"));
    pair.expect(&[("/doc", "before"), ("/new", "the same")]);
}

fn an_edit_against_a_delete_stays(mode: Mode) {
    let pair = Pair::new(mode, doc);
    let id = pair.world.in_box("/shared/doc").id;
    pair.at_once(|ours| write(ours, "doc", "ours"), |theirs| fs::remove_file(theirs.at("doc")).unwrap());
    pair.expect(&[("/doc", "ours")]);
    let doc = pair.world.in_box("/shared/doc");
    assert_eq!((doc.id, doc.version_ids.len()), (id, 2), "restored from the trash, with a version more");
}

fn an_edit_against_a_delete_for_good_is_a_new_file(mode: Mode) {
    let pair = Pair::new(mode, doc);
    let id = pair.world.in_box("/shared/doc").id;
    let gone = |theirs: &Mount| {
        fs::remove_file(theirs.at("doc")).unwrap();
        theirs.wait();
        pair.world.emulator.act().purge_file(&id).unwrap();
    };
    pair.at_once(|ours| write(ours, "doc", "ours"), gone);
    pair.expect(&[("/doc", "ours")]);
    let doc = pair.world.in_box("/shared/doc");
    assert_ne!(doc.id, id);
    assert_eq!(doc.version_ids.len(), 1);
}

fn a_delete_against_an_edit_brings_it_back(mode: Mode) {
    let pair = Pair::new(mode, doc);
    pair.at_once(|ours| fs::remove_file(ours.at("doc")).unwrap(), |theirs| write(theirs, "doc", "theirs"));
    pair.expect(&[("/doc", "theirs")]);
}

fn of_two_renames_the_last_one_wins(mode: Mode) {
    let pair = Pair::new(mode, doc);
    let rename = |name: &'static str| move |mount: &Mount| fs::rename(mount.at("doc"), mount.at(name)).unwrap();
    pair.at_once(rename("ours"), rename("theirs"));
    pair.expect(&[("/ours", "before")]);
}

fn an_edit_goes_to_where_the_file_was_moved(mode: Mode) {
    let pair = Pair::new(mode, |mount| {
        doc(mount);
        fs::create_dir(mount.at("folder")).unwrap();
    });
    let moved = |theirs: &Mount| fs::rename(theirs.at("doc"), theirs.at("folder/doc")).unwrap();
    pair.at_once(|ours| write(ours, "doc", "ours"), moved);
    pair.expect(&[("/folder", "folder"), ("/folder/doc", "ours")]);
    assert_eq!(pair.world.in_box("/shared/folder/doc").version_ids.len(), 2);
}

fn of_two_files_of_one_name_both_are_kept(mode: Mode) {
    let pair = Pair::new(mode, doc);
    pair.at_once(|ours| write(ours, "new", "ours"), |theirs| write(theirs, "new", "theirs"));
    pair.expect(&[("/doc", "before"), ("/new", "theirs"), ("/new (conflict)", "ours")]);
}

fn two_folders_of_one_name_are_one(mode: Mode) {
    let pair = Pair::new(mode, doc);
    let fill = |name: &'static str| {
        move |mount: &Mount| {
            fs::create_dir(mount.at("folder")).unwrap();
            write(mount, &format!("folder/{name}"), name);
        }
    };
    pair.at_once(fill("ours"), fill("theirs"));
    pair.expect(&[("/doc", "before"), ("/folder", "folder"), ("/folder/ours", "ours"), ("/folder/theirs", "theirs")]);
}

fn a_file_against_a_folder_of_its_name_keeps_both(mode: Mode) {
    let pair = Pair::new(mode, doc);
    pair.at_once(|ours| write(ours, "new", "ours"), |theirs| fs::create_dir(theirs.at("new")).unwrap());
    pair.expect(&[("/doc", "before"), ("/new", "folder"), ("/new (conflict)", "ours")]);
}

fn unsent_work_in_a_folder_that_goes_is_kept_with_its_path(mode: Mode) {
    let pair = Pair::new(mode, |mount| {
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
