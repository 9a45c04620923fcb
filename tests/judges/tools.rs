//! What the judges need from PyPI and npm, installed once into a directory below `target/` that is named after what
//! was asked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use sha1::{Digest, Sha1};

use super::run::run;

/// Registries can be slow; a hang is one all the same.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// The scripts and lists of this test.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges")
}

/// A virtual environment with what `list` (below `python/`) asks for, beside it a link named after the list:
/// `scripts/test` looks there.
pub fn python(list: &str) -> PathBuf {
    let list = sources().join("python").join(list);
    let dir = installed(&list, |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir), INSTALL_LIMIT);
        let mut pip = Command::new(dir.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list), INSTALL_LIMIT);
    });
    let link = dir.with_file_name(list.file_stem().unwrap());
    let _locked = locked(&link);
    if std::fs::read_link(&link).ok().as_deref() != Some(&dir) {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&dir, &link).unwrap();
    }
    dir
}

/// A directory with `node_modules` of what `node/package.json` asks for.
pub fn node() -> PathBuf {
    let list = sources().join("node/package.json");
    installed(&list, |dir| {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::copy(&list, dir.join("package.json")).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]).current_dir(dir);
        run(&mut npm, INSTALL_LIMIT);
    })
}

/// The directory that `install` fills once for all processes; one that it left halfway is filled again.
fn installed(list: &Path, install: impl FnOnce(&Path)) -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judges");
    std::fs::create_dir_all(&base).unwrap();
    let digest = hex::encode(Sha1::digest(std::fs::read(list).unwrap()));
    let kind = list.file_stem().unwrap().to_str().unwrap();
    let dir = base.join(format!("{kind}-{}", &digest[..12]));
    let _locked = locked(&dir);
    let ready = dir.join("ready");
    if !ready.exists() {
        if dir.exists() {
            std::fs::remove_dir_all(&dir).unwrap();
        }
        install(&dir);
        File::create(&ready).unwrap();
    }
    dir
}

/// Keeps other processes from a path until it is dropped.
fn locked(path: &Path) -> Flock<File> {
    let lock = File::create(path.with_extension("lock")).unwrap();
    Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap()
}
