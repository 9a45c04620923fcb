//! Performs the steps of a trace in a directory by real system calls, and goes on after the file system below it has died.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{AT_FDCWD, FallocateFlags, RenameFlags, fallocate, renameat2};

use crate::support::bytes_of;
use crate::trace::{Bytes, How, Step};

/// Where the steps happen.
pub struct Replay {
    dir: PathBuf,
    /// The document as it was before.
    old: Vec<u8>,
    open: HashMap<u32, Opened>,
    done: u64,
}

struct Opened {
    file: File,
    /// `None`: its name is gone.
    path: Option<String>,
    how: How,
    at: u64,
}

impl Replay {
    pub fn new(dir: &Path, old: Vec<u8>) -> Replay {
        Replay { dir: dir.to_owned(), old, open: HashMap::new(), done: 0 }
    }

    /// Panics where a step fails: the program would have failed too.
    #[track_caller]
    pub fn perform(&mut self, step: &Step) {
        self.done += 1;
        if let Err(error) = self.call(step) {
            panic!("step {}, {step:?}: {error}", self.done);
        }
    }

    /// The file system died: what was open is dead, as for a program that is started again and goes on where it was.
    pub fn forget_dead_files(&mut self) {
        for opened in self.open.values_mut() {
            // Its number is given back before another file is opened.
            opened.file = tempfile::tempfile().unwrap();
        }
    }

    /// The file system is there again.
    #[track_caller]
    pub fn open_again(&mut self) {
        for opened in self.open.values_mut() {
            let Some(path) = &opened.path else { continue };
            let how = How { create: false, exclusive: false, truncate: false, ..opened.how };
            opened.file = options(how, 0).open(self.dir.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            opened.file.seek(SeekFrom::Start(opened.at)).unwrap();
        }
    }

    fn call(&mut self, step: &Step) -> std::io::Result<()> {
        match step {
            Step::Open { file, path, how, mode } => {
                let opened = options(*how, *mode).open(self.dir.join(path))?;
                self.open.insert(*file, Opened { file: opened, path: Some(path.clone()), how: *how, at: 0 });
                Ok(())
            }
            Step::Write { file, count, at, bytes } => self.write(*file, *count, *at, *bytes),
            Step::Seek { file, to } => {
                let opened = self.file(*file);
                opened.at = *to;
                opened.file.seek(SeekFrom::Start(*to)).map(drop)
            }
            Step::Cut { file, size } => self.file(*file).file.set_len(*size),
            Step::Allocate { file, end, keep_size } => {
                let flags = if *keep_size { FallocateFlags::FALLOC_FL_KEEP_SIZE } else { FallocateFlags::empty() };
                Ok(fallocate(self.file(*file).file.as_fd(), flags, 0, *end as i64)?)
            }
            Step::Sync { file } => self.file(*file).file.sync_all(),
            Step::Close { file } => {
                drop(self.open.remove(file));
                Ok(())
            }
            other => self.change_names(other),
        }
    }

    fn change_names(&mut self, step: &Step) -> std::io::Result<()> {
        let at = |path: &String| self.dir.join(path);
        match step {
            Step::Truncate { path, size } => OpenOptions::new().write(true).open(at(path))?.set_len(*size),
            Step::Rename { from, to } => {
                std::fs::rename(at(from), at(to))?;
                self.renamed(to, None);
                self.renamed(from, Some(to));
                Ok(())
            }
            Step::Exchange { from, to } => {
                renameat2(AT_FDCWD, &at(from), AT_FDCWD, &at(to), RenameFlags::RENAME_EXCHANGE)?;
                let aside = "\\aside".to_owned();
                self.renamed(from, Some(&aside));
                self.renamed(to, Some(from));
                self.renamed(&aside, Some(to));
                Ok(())
            }
            Step::Unlink { path } => {
                std::fs::remove_file(at(path))?;
                self.renamed(path, None);
                Ok(())
            }
            Step::MakeDir { path, mode } => std::fs::DirBuilder::new().mode(*mode).create(at(path)),
            Step::RemoveDir { path } => std::fs::remove_dir(at(path)),
            Step::Chmod { path, mode } => std::fs::set_permissions(at(path), Permissions::from_mode(*mode)),
            Step::Times { path, at: time } => {
                let time = time.map_or_else(SystemTime::now, |(secs, nanos)| {
                    UNIX_EPOCH + Duration::new(u64::try_from(secs).unwrap(), nanos)
                });
                // Read-only, so that setting a time does not make the file one that is open for writing.
                File::open(at(path))?.set_times(std::fs::FileTimes::new().set_modified(time).set_accessed(time))
            }
            Step::Symlink { path, target } => symlink(target, at(path)),
            Step::SetXattr { path, key } => xattr::set(at(path), key, b"value"),
            _ => unreachable!("the others are about open files"),
        }
    }

    fn write(&mut self, file: u32, count: usize, at: Option<u64>, bytes: Bytes) -> std::io::Result<()> {
        let bytes = match bytes {
            Bytes::Fresh => bytes_of(count, 1000 + self.done),
            Bytes::Old(from) => self.old[from..from + count].to_vec(),
        };
        let opened = self.file(file);
        match at {
            Some(at) => opened.file.write_all_at(&bytes, at),
            None => {
                opened.at += count as u64;
                opened.file.write_all(&bytes)
            }
        }
    }

    fn file(&mut self, number: u32) -> &mut Opened {
        self.open.get_mut(&number).unwrap_or_else(|| panic!("file {number} is not open"))
    }

    fn renamed(&mut self, from: &str, to: Option<&String>) {
        for opened in self.open.values_mut().filter(|opened| opened.path.as_deref() == Some(from)) {
            opened.path = to.cloned();
        }
    }
}

fn options(how: How, mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    // The library refuses what the kernel allows: creating without writing.
    let flags = [(how.create, libc::O_CREAT), (how.exclusive, libc::O_EXCL), (how.truncate, libc::O_TRUNC)];
    let flags = flags.iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag);
    options.read(how.read || !how.write).write(how.write && !how.append).append(how.append && how.write);
    options.custom_flags(flags).mode(mode);
    options
}
