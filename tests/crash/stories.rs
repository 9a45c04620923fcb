//! What programs do in the crash tests, by plain system calls, and what Box has in the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::path::Path;

use boxfs::emulator::{Fault, FaultRule, FaultScript};

use crate::scene::Story;
use crate::support::{World, bytes_of};

const SMALL_BYTES: usize = 50_000;
/// Above the border of chunked uploads; four parts, the last of them not full.
const LARGE_BYTES: usize = 20_500_000;

fn small(seed: u64) -> Vec<u8> {
    bytes_of(SMALL_BYTES, seed)
}

fn large(seed: u64) -> Vec<u8> {
    bytes_of(LARGE_BYTES, seed)
}

/// Writes a file as `cp` does, and believes what `close` says.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    close(file)
}

fn close(file: File) -> io::Result<()> {
    nix::unistd::close(file.into_raw_fd()).map_err(io::Error::from)
}

fn nothing(_: &World, _: &Path) -> io::Result<()> {
    Ok(())
}

pub const NEW_FILE: Story = Story {
    before: nothing,
    act: |_, root| save(&root.join("doc"), &small(1)),
    end: || vec![("/doc", vec![small(1)])],
    trashed: 0,
};

pub const NEW_LARGE_FILE: Story = Story {
    before: nothing,
    act: |_, root| save(&root.join("doc"), &large(1)),
    end: || vec![("/doc", vec![large(1)])],
    trashed: 0,
};

pub const NEW_VERSION: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |_, root| save(&root.join("doc"), &small(2)),
    end: || vec![("/doc", vec![small(1), small(2)])],
    trashed: 0,
};

pub const NEW_LARGE_VERSION: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |_, root| save(&root.join("doc"), &large(2)),
    end: || vec![("/doc", vec![small(1), large(2)])],
    trashed: 0,
};

/// Written in place: the file is not emptied first.
pub const CHANGED_IN_PLACE: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |_, root| {
        let mut file = File::options().write(true).open(root.join("doc"))?;
        file.write_all(b"changed")?;
        close(file)
    },
    end: || {
        let mut changed = small(1);
        changed[..7].copy_from_slice(b"changed");
        vec![("/doc", vec![small(1), changed])]
    },
    trashed: 0,
};

pub const NEW_FOLDER: Story = Story {
    before: nothing,
    act: |_, root| match fs::create_dir(root.join("folder")) {
        // A folder has nothing that could be interrupted: it may be there already.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    },
    end: || vec![("/folder", vec![])],
    trashed: 0,
};

pub const FOLDER_WITH_FILE: Story = Story {
    before: nothing,
    act: |_, root| {
        fs::create_dir(root.join("folder"))?;
        save(&root.join("folder/doc"), &small(1))
    },
    end: || vec![("/folder", vec![]), ("/folder/doc", vec![small(1)])],
    trashed: 0,
};

pub const RENAMED: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |_, root| fs::rename(root.join("doc"), root.join("renamed")),
    end: || vec![("/renamed", vec![small(1)])],
    trashed: 0,
};

pub const MOVED_FOLDER: Story = Story {
    before: |_, root| {
        fs::create_dir_all(root.join("from/folder"))?;
        fs::create_dir(root.join("to"))?;
        save(&root.join("from/folder/doc"), &small(1))
    },
    act: |_, root| fs::rename(root.join("from/folder"), root.join("to/folder")),
    end: || vec![("/from", vec![]), ("/to", vec![]), ("/to/folder", vec![]), ("/to/folder/doc", vec![small(1)])],
    trashed: 0,
};

pub const DELETED: Story = Story {
    before: |_, root| {
        save(&root.join("doc"), &small(1))?;
        save(&root.join("stays"), &small(2))
    },
    act: |_, root| fs::remove_file(root.join("doc")),
    end: || vec![("/stays", vec![small(2)])],
    trashed: 1,
};

pub const DELETED_FOLDER: Story = Story {
    before: |_, root| {
        fs::create_dir(root.join("folder"))?;
        save(&root.join("folder/doc"), &small(1))
    },
    act: |_, root| fs::remove_dir_all(root.join("folder")),
    end: Vec::new,
    trashed: 2,
};

/// Made and deleted before Box hears of it: a file that Box is never told of. The other one ends the wait.
pub const NEVER_IN_BOX: Story = Story {
    before: nothing,
    act: |_, root| {
        save(&root.join("scratch"), &small(1))?;
        fs::remove_file(root.join("scratch"))
    },
    end: Vec::new,
    trashed: 0,
};

/// The answer to the upload is lost.
pub const LOST_ANSWER: Story = Story {
    before: nothing,
    act: |world, root| {
        let rule = FaultRule {
            method: Some("POST".to_owned()),
            path: "*/files/content*".to_owned(),
            nth: None,
            times: Some(1),
            probability: None,
            fault: Fault::CloseAfter,
        };
        world.emulator.set_faults(FaultScript { seed: 1, rules: vec![rule] });
        save(&root.join("doc"), &small(1))
    },
    end: || vec![("/doc", vec![small(1)])],
    trashed: 0,
};

/// Somebody else changes the file at the same time.
pub const CONFLICT: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |world, root| {
        let mut file = File::create(root.join("doc"))?;
        file.write_all(&small(2))?;
        world.emulator.act().write_file("/doc", &small(3)).map_err(io::Error::other)?;
        close(file)
    },
    end: || vec![("/doc", vec![small(1), small(3)]), ("/doc (conflict)", vec![small(2)])],
    trashed: 0,
};

/// A save that keeps a backup, as many editors do.
pub const SAVED_WITH_BACKUP: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |_, root| {
        fs::rename(root.join("doc"), root.join("doc~"))?;
        save(&root.join("doc"), &small(2))
    },
    end: || vec![("/doc", vec![small(1), small(2)]), ("/doc~", vec![small(1)])],
    trashed: 0,
};

/// Somebody else puts the file into the trash at the same time: its id comes back with the version written here.
pub const EDITED_IN_TRASH: Story = Story {
    before: |_, root| save(&root.join("doc"), &small(1)),
    act: |world, root| {
        let mut file = File::create(root.join("doc"))?;
        file.write_all(&small(2))?;
        world.emulator.act().trash("/doc").map_err(io::Error::other)?;
        close(file)
    },
    end: || vec![("/doc", vec![small(1), small(2)])],
    trashed: 0,
};

/// A folder of others that nobody here has looked into.
pub const LISTED: Story = Story {
    before: |world, _| {
        for name in ["/theirs/a", "/theirs/b", "/theirs/c"] {
            world.emulator.act().write_file(name, name.as_bytes()).map_err(io::Error::other)?;
        }
        Ok(())
    },
    act: |_, root| fs::read_dir(root.join("theirs"))?.collect::<io::Result<Vec<_>>>().map(drop),
    end: || {
        let file = |path: &'static str| (path, vec![path.as_bytes().to_vec()]);
        vec![("/theirs", vec![]), file("/theirs/a"), file("/theirs/b"), file("/theirs/c")]
    },
    trashed: 0,
};
