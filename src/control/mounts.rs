//! The boxfs mounts of this machine, from the kernel's own table, and which of them holds a path.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::base::{MountRow, mount_table};

/// A boxfs mount as the kernel knows it; whether its daemon still lives is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    pub mountpoint: PathBuf,
    pub state_dir: PathBuf,
    /// Who mounted it.
    pub uid: u32,
    /// The part of the file system that is shown here: empty, except for a bind mount of a part.
    pub shown: PathBuf,
}

/// A path and the mount that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub mount: Mounted,
    /// Relative to what the whole file system shows; empty is everything.
    pub inner: String,
}

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("{} is not in a boxfs mount: 'boxfs mount DIR' makes one", path.display())]
    NotMounted { path: PathBuf },
    #[error("no boxfs mount: mount one with 'boxfs mount DIR'")]
    NoMount,
    #[error("there are several boxfs mounts, name one of them: {}", list(mountpoints))]
    Several { mountpoints: Vec<PathBuf> },
    #[error("{}: its name is not UTF-8, which no name in Box is", path.display())]
    NotText { path: PathBuf },
    #[error("cannot read the table of mounts: {0}")]
    Table(#[from] io::Error),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The mount that holds `path`; without a path, the only boxfs mount of this user.
pub fn find(path: Option<&Path>) -> Result<Place, FindError> {
    let table = read_table()?;
    match path {
        Some(path) => find_path(&table, path),
        None => find_only(&table, nix::unistd::getuid().as_raw()),
    }
}

/// All boxfs mounts, in the order they were made.
pub fn mounts() -> io::Result<Vec<Mounted>> {
    Ok(read_table()?.into_iter().filter_map(|row| row.boxfs).collect())
}

/// The boxfs mount whose mount point is `path` itself, alive or dead.
pub fn mount_at(path: &Path) -> Result<Mounted, FindError> {
    let place = find(Some(path))?;
    let is_the_mountpoint = place.inner.is_empty() && place.mount.shown.as_os_str().is_empty();
    if is_the_mountpoint { Ok(place.mount) } else { Err(FindError::NotMounted { path: path.to_owned() }) }
}

/// One line of the kernel's table.
#[derive(Debug)]
struct Row {
    mountpoint: PathBuf,
    boxfs: Option<Mounted>,
}

impl From<MountRow> for Row {
    fn from(row: MountRow) -> Row {
        let boxfs = row.boxfs_state_dir().map(|state_dir| Mounted {
            mountpoint: row.mountpoint.clone(),
            state_dir,
            uid: user_id(&row.super_options),
            shown: row.root.strip_prefix("/").unwrap_or(Path::new("")).to_owned(),
        });
        Row { mountpoint: row.mountpoint, boxfs }
    }
}

fn read_table() -> io::Result<Vec<Row>> {
    Ok(mount_table()?.into_iter().map(Row::from).collect())
}

fn user_id(super_options: &str) -> u32 {
    super_options.split(',').find_map(|option| option.strip_prefix("user_id=")?.parse().ok()).unwrap_or(0)
}

fn find_only(table: &[Row], uid: u32) -> Result<Place, FindError> {
    let all: Vec<&Mounted> = table.iter().filter_map(|row| row.boxfs.as_ref()).collect();
    let own: Vec<&Mounted> = all.iter().copied().filter(|mount| mount.uid == uid).collect();
    let candidates = if own.is_empty() && uid == 0 { all } else { own };
    match candidates.as_slice() {
        [] => Err(FindError::NoMount),
        [only] => Ok(Place { mount: (*only).clone(), inner: String::new() }),
        several => Err(FindError::Several { mountpoints: several.iter().map(|m| m.mountpoint.clone()).collect() }),
    }
}

/// The path as written decides first, so that a daemon that hangs is not asked about its own names; only a path that
/// is in no boxfs mount as written is followed through its symbolic links.
fn find_path(table: &[Row], path: &Path) -> Result<Place, FindError> {
    let written = without_dots(&std::path::absolute(path)?);
    let holder = |path: &Path| holding_row(table, path).and_then(|row| row.boxfs.clone());
    if let Some(mount) = holder(&written) {
        return place(mount, &written);
    }
    let followed = written.canonicalize().unwrap_or(written);
    match holder(&followed) {
        Some(mount) => place(mount, &followed),
        None => Err(FindError::NotMounted { path: path.to_owned() }),
    }
}

/// The deepest mount above `path`; of several on one mount point the last is what programs see.
fn holding_row<'t>(table: &'t [Row], path: &Path) -> Option<&'t Row> {
    table
        .iter()
        .enumerate()
        .filter(|(_, row)| path.starts_with(&row.mountpoint))
        .max_by_key(|(index, row)| (row.mountpoint.components().count(), *index))
        .map(|(_, row)| row)
}

fn place(mount: Mounted, path: &Path) -> Result<Place, FindError> {
    let below = path.strip_prefix(&mount.mountpoint).unwrap_or(Path::new(""));
    let inner = mount.shown.join(below);
    let inner = inner.to_str().ok_or_else(|| FindError::NotText { path: path.to_owned() })?;
    Ok(Place { inner: inner.trim_end_matches('/').to_owned(), mount })
}

/// Removes `.` and `..` by the letters alone.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::parse_mount_table;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn parse_table(text: &[u8]) -> Vec<Row> {
        parse_mount_table(text).into_iter().map(Row::from).collect()
    }

    const TABLE: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        40 27 0:50 / /home/ada/Box\\040Drive rw,nosuid,nodev - fuse.boxfs boxfs:/home/ada/st\\134ate rw,user_id=1000\n\
        41 40 0:51 / /home/ada/Box\\040Drive/tmp rw - tmpfs tmpfs rw\n\
        42 27 0:52 / /mnt/box rw shared:7 master:3 - fuse.boxfs boxfs:/var/lib/a rw,user_id=0,group_id=0\n\
        43 27 0:53 / /mnt/box rw - fuse.boxfs boxfs:/var/lib/b rw,user_id=0,group_id=0\n\
        44 27 0:53 /docs /srv/docs rw - fuse.boxfs boxfs:/var/lib/b rw,user_id=0,group_id=0\n\
        45 27 0:54 / /mnt/other rw - fuse.sshfs boxfs:/x rw,user_id=0\nnonsense\n";

    fn place_of(path: &str) -> Result<Place, FindError> {
        find_path(&parse_table(TABLE.as_bytes()), Path::new(path))
    }

    #[test]
    fn a_path_finds_the_nearest_mount_above_it() {
        let place = place_of("/home/ada/Box Drive/./a/../b/c.txt").unwrap();
        assert_eq!(place.mount.state_dir, Path::new("/home/ada/st\\ate"));
        assert_eq!((place.inner.as_str(), place.mount.uid), ("b/c.txt", 1000));
        assert_eq!(place_of("/home/ada/Box Drive").unwrap().inner, "");
        assert!(matches!(place_of("/home/ada/Box Drive/tmp/x"), Err(FindError::NotMounted { .. })));
        assert!(matches!(place_of("/mnt/other/x"), Err(FindError::NotMounted { .. })));
        assert!(matches!(place_of("/mnt/boxes"), Err(FindError::NotMounted { .. })));
    }

    #[test]
    fn of_two_mounts_on_one_point_the_upper_one_answers() {
        assert_eq!(place_of("/mnt/box/x").unwrap().mount.state_dir, Path::new("/var/lib/b"));
    }

    #[test]
    fn a_bind_mount_of_a_part_is_told_by_its_full_path() {
        assert_eq!(place_of("/srv/docs/x").unwrap().inner, "docs/x");
    }

    #[test]
    fn without_a_path_the_only_mount_of_the_user_is_meant() {
        let table = parse_table(TABLE.as_bytes());
        assert_eq!(find_only(&table, 1000).unwrap().mount.mountpoint, Path::new("/home/ada/Box Drive"));
        assert!(matches!(find_only(&table, 1001), Err(FindError::NoMount)));
        let error = find_only(&table, 0).unwrap_err().to_string();
        assert!(error.contains("/mnt/box, /mnt/box, /srv/docs"), "{error}");
    }

    #[test]
    fn names_that_are_no_text_are_refused() {
        let path = Path::new("/mnt/box").join(OsString::from_vec(vec![0xff]));
        let found = find_path(&parse_table(TABLE.as_bytes()), &path);
        assert!(matches!(found, Err(FindError::NotText { .. })));
    }
}
