//! Where log lines go: standard error in the foreground, a bounded file in the background.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use env_logger::{Builder, Target};

/// At this size the log becomes the old log; one old log is kept.
const MAX_LOG_BYTES: u64 = 10_000_000;

/// The log's name in the state directory.
pub(super) const LOG_NAME: &str = "log";

/// Logs to standard error.
pub(super) fn to_stderr(level: log::LevelFilter) {
    start(level, Target::Stderr);
}

/// Logs to `log` in the state directory.
pub(super) fn to_file(level: log::LevelFilter, state_dir: &Path) -> io::Result<()> {
    let file = RotatingFile::open(state_dir.join(LOG_NAME), MAX_LOG_BYTES)?;
    start(level, Target::Pipe(Box::new(file)));
    Ok(())
}

/// Our own lines at `level`; of libraries only warnings, since theirs could show what a request carries.
fn start(level: log::LevelFilter, target: Target) {
    let libraries = level.min(log::LevelFilter::Warn);
    Builder::new().filter_level(libraries).filter_module("boxfs", level).target(target).init();
    std::panic::set_hook(Box::new(|panic| {
        log::error!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
    }));
}

/// Opens the log for appending, readable by its owner only.
pub(super) fn open_log(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// A file that moves itself aside when it is full.
struct RotatingFile {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    limit_bytes: u64,
}

impl RotatingFile {
    fn open(path: PathBuf, limit_bytes: u64) -> io::Result<RotatingFile> {
        let file = open_log(&path)?;
        let size_bytes = file.metadata()?.len();
        Ok(RotatingFile { path, file, size_bytes, limit_bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, self.path.with_extension("old"))?;
        self.file = open_log(&self.path)?;
        self.size_bytes = 0;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size_bytes > 0 && self.size_bytes.saturating_add(line.len() as u64) > self.limit_bytes {
            self.rotate()?;
        }
        let written = self.file.write(line)?;
        self.size_bytes = self.size_bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_full_log_moves_aside_and_one_old_log_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_NAME);
        let mut log = RotatingFile::open(path.clone(), 10).unwrap();
        for line in ["first\n", "second\n", "third\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third\n");
        assert_eq!(std::fs::read_to_string(dir.path().join("log.old")).unwrap(), "second\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_reopened_log_counts_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_NAME);
        std::fs::write(&path, "12345678").unwrap();
        RotatingFile::open(path.clone(), 10).unwrap().write_all(b"next\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "next\n");
    }
}
