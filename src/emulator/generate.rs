//! An account of many items, made in seconds: folders of a thousand files whose bytes come from a few blobs.

use super::contents::Contents;
use super::refusal::Refusal;
use super::store::{Content, Key, Store};

/// Files of one generated folder.
const FILES_A_FOLDER: u64 = 1000;
/// Folders of one generated folder.
const FOLDERS_A_FOLDER: u64 = 100;
/// Different contents; few, so that a million files are not a million blobs.
const CONTENTS: u64 = 16;

/// Fills the first user's root with `count` items below `/generated`, the same ones for the same count.
pub(super) fn generate(store: &mut Store, contents: &Contents, user: u64, count: u64) -> Result<(), Refusal> {
    let bodies = (0..CONTENTS).map(|seed| body(contents, seed)).collect::<Result<Vec<Content>, _>>()?;
    let root = store.seed_folder(user, super::store::root_of(user), "generated");
    let (mut made, mut shelf, mut folder) = (1, root, root);
    let (mut folders, mut files) = (0, FILES_A_FOLDER);
    while made < count {
        if files >= FILES_A_FOLDER {
            if folders % FOLDERS_A_FOLDER == 0 && made + 1 < count {
                shelf = store.seed_folder(user, root, &format!("shelf {:03}", folders / FOLDERS_A_FOLDER));
                made += 1;
            }
            folder = store.seed_folder(user, shelf, &format!("folder {folders:05}"));
            folders += 1;
            files = 0;
        } else {
            let content = bodies[(made % CONTENTS) as usize].clone();
            store.seed_file(user, folder, &format!("file {made:07}.txt"), content);
            files += 1;
        }
        made += 1;
    }
    Ok(())
}

/// Between a few hundred bytes and some kilobytes of text.
fn body(contents: &Contents, seed: u64) -> Result<Content, Refusal> {
    let line = format!("Generated content number {seed} of the emulator.\n");
    Ok(contents.write_all(line.repeat(10 + 20 * seed as usize).as_bytes())?)
}

impl Store {
    fn seed_folder(&mut self, user: u64, parent: u64, name: &str) -> u64 {
        self.seed(user, Key::folder(parent), name, None).id
    }

    fn seed_file(&mut self, user: u64, parent: u64, name: &str, content: Content) {
        self.seed(user, Key::folder(parent), name, Some(content));
    }
}
