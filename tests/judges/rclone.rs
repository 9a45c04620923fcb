//! rclone as its authors build it, through the CONNECT proxy: it knows Box's host names only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boxfs::emulator::Options;
use serde_json::json;

use super::court::{Court, loopback};
use super::run::run;
use super::tools;

/// Several times what the longest call takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(300);
const MIB: u64 = 1024 * 1024;
const FILES: u64 = 300;
/// Beyond rclone's limit of simple uploads, and with a last part that is not whole.
const LARGE_BYTES: [u64; 3] = [60 * MIB + 1, 100 * MIB, 200 * MIB - 77];

struct Rclone {
    court: Court,
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Rclone {
    fn new() -> Rclone {
        let court = Court::open(Options { proxy_listen: Some(loopback()), ..Options::default() });
        let home = tempfile::tempdir().unwrap();
        let user = court.emulator.first_user();
        let (_, refresh) = court.emulator.issue_tokens(&user).unwrap();
        // Expired, so that the first call is a refresh, and the file is written anew.
        let token = json!({
            "access_token": "expired",
            "token_type": "bearer",
            "refresh_token": refresh,
            "expiry": "2020-01-01T00:00:00Z",
        });
        let (id, secret) = court.client();
        let config = format!("[box]\ntype = box\nclient_id = {id}\nclient_secret = {secret}\ntoken = {token}\n");
        fs::write(home.path().join("rclone.conf"), config).unwrap();
        fs::write(home.path().join("ca.pem"), court.emulator.ca_certificate().unwrap()).unwrap();
        Rclone { court, program: tools::python("python.txt").join("bin/rclone"), home }
    }

    /// Runs rclone; what it prints is the answer.
    fn call(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        let at = |name: &str| self.home.path().join(name);
        command.env("HTTPS_PROXY", self.court.emulator.proxy_url().unwrap()).env_remove("NO_PROXY");
        command.env("SSL_CERT_FILE", at("ca.pem")).env("RCLONE_CONFIG", at("rclone.conf")).env("HOME", at("."));
        // A fault that a second try would hide is a fault.
        command.args(["--retries", "1", "--low-level-retries", "3", "--stats", "0"]).args(arguments);
        let started = std::time::Instant::now();
        let said = run(&mut command, LIMIT);
        println!("rclone {}: {:.1} s", arguments.join(" "), started.elapsed().as_secs_f64());
        said
    }

    /// Paths and sizes of the files below a folder, as the emulator has them.
    fn files(&self, top: &str) -> BTreeMap<String, u64> {
        let items = self.court.emulator.items().into_iter().filter(|item| item.kind == "file" && !item.trashed);
        items.filter_map(|item| Some((item.path.strip_prefix(&format!("/{top}/"))?.to_owned(), item.size))).collect()
    }

    fn trashed(&self) -> usize {
        self.court.emulator.items().iter().filter(|item| item.trashed).count()
    }
}

/// Bytes that do not compress, the same for the same seed.
fn write_noise(path: &Path, size: u64, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut block = vec![0; MIB as usize];
    dice.fill(&mut block);
    let mut left = size;
    while left > 0 {
        let now = left.min(MIB) as usize;
        block[..8].copy_from_slice(&dice.u64(..).to_le_bytes());
        file.write_all(&block[..now]).unwrap();
        left -= now as u64;
    }
}

fn name_of(n: u64) -> String {
    match n % 6 {
        0 => format!("plain/file {n}.bin"),
        1 => format!("deep/a/b/c/{n}"),
        2 => format!("Ünïcödé ✓/ñ{n}.txt"),
        3 => format!("odd/ leading & 100% [{n}] 'q' +#.x"),
        4 => format!("odd/per%2Fcent;{n}=.y"),
        _ => format!("{n}.top"),
    }
}

/// Three hundred files of all sizes; their paths and sizes.
fn make_tree(top: &Path) -> BTreeMap<String, u64> {
    let size = |n: u64| match n {
        n if n < 3 => LARGE_BYTES[n as usize],
        n if n % 50 == 3 => 0,
        n if n % 40 == 7 => 3 * MIB + n,
        n => n * n,
    };
    let mut made = BTreeMap::new();
    for n in 0..FILES {
        write_noise(&top.join(name_of(n)), size(n), n);
        made.insert(name_of(n), size(n));
    }
    made
}

/// `SIZE DATE TIME PATH` lines.
fn listed(lsl: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut words = line.trim_start().splitn(4, ' ');
        let size = words.next().unwrap().parse().unwrap();
        (words.nth(2).unwrap().to_owned(), size)
    };
    lsl.lines().map(line).collect()
}

#[test]
fn rclone_copies_checks_syncs_moves_links_and_purges() {
    let rclone = Rclone::new();
    let local = rclone.home.path().join("local");
    let mut tree = make_tree(&local);
    let here = local.to_str().unwrap();

    rclone.call(&["copy", here, "box:top"]);
    assert_eq!(rclone.files("top"), tree);
    rclone.call(&["check", "--download", here, "box:top"]);
    assert_eq!(listed(&rclone.call(&["lsl", "box:top"])), tree);
    let large = rclone.court.emulator.sessions();
    assert_eq!(large.iter().filter(|session| session.committed.is_some()).count(), LARGE_BYTES.len());

    sync_brings_changes(&rclone, &local, &mut tree);
    move_takes_all_along(&rclone, &mut tree);
    copyto_makes_a_version(&rclone, &local);
    link_cleanup_purge(&rclone);
    rclone.court.check_traffic();
}

fn sync_brings_changes(rclone: &Rclone, local: &Path, tree: &mut BTreeMap<String, u64>) {
    let file_id = |name: &str| rclone.court.emulator.find(&format!("/top/{name}")).unwrap();
    let (changed, dropped) = (name_of(20), name_of(31));
    let before = file_id(&changed);
    write_noise(&local.join(&changed), 12_345, 1000);
    write_noise(&local.join("added/by sync"), 777, 1001);
    fs::remove_file(local.join(&dropped)).unwrap();
    tree.insert(changed.clone(), 12_345);
    tree.insert("added/by sync".to_owned(), 777);
    tree.remove(&dropped);
    rclone.call(&["sync", local.to_str().unwrap(), "box:top"]);
    assert_eq!(&rclone.files("top"), tree);
    let after = file_id(&changed);
    assert_eq!((after.id, after.version_ids.len()), (before.id, 2), "a changed file is a version");
    assert_eq!(rclone.trashed(), 1);
    rclone.call(&["check", local.to_str().unwrap(), "box:top"]);
}

fn move_takes_all_along(rclone: &Rclone, tree: &mut BTreeMap<String, u64>) {
    rclone.call(&["move", "box:top/deep", "box:elsewhere/deeper"]);
    let moved = rclone.files("elsewhere/deeper");
    let wanted = tree.iter().filter_map(|(name, size)| Some((name.strip_prefix("deep/")?.to_owned(), *size)));
    assert_eq!(moved, wanted.collect());
    tree.retain(|name, _| !name.starts_with("deep/"));
    assert_eq!(&rclone.files("top"), tree);
    rclone.call(&["moveto", "box:elsewhere/deeper/a/b/c/7", "box:elsewhere/renamed"]);
    assert_eq!(rclone.files("elsewhere")["renamed"], moved["a/b/c/7"]);
}

fn copyto_makes_a_version(rclone: &Rclone, local: &Path) {
    let fresh = local.join("fresh");
    write_noise(&fresh, 4321, 1002);
    let at = |path: &str| rclone.court.emulator.find(path).unwrap();
    let before = at("/elsewhere/renamed");
    rclone.call(&["copyto", fresh.to_str().unwrap(), "box:elsewhere/renamed"]);
    let after = at("/elsewhere/renamed");
    assert_eq!((&after.id, after.size, after.version_ids.len()), (&before.id, 4321, 2));
    assert_eq!(rclone.court.emulator.read(&after.id, None).unwrap(), fs::read(&fresh).unwrap());
    // From Box to Box over an existing file: the old one goes.
    rclone.call(&["copyto", "box:elsewhere/renamed", "box:elsewhere/deeper/a/b/c/13"]);
    assert_eq!(at("/elsewhere/deeper/a/b/c/13").sha1, after.sha1);
}

fn link_cleanup_purge(rclone: &Rclone) {
    let link = rclone.call(&["link", "box:elsewhere/renamed"]);
    assert!(link.trim().starts_with("https://"), "{link}");
    assert!(rclone.trashed() > 0);
    rclone.call(&["cleanup", "box:"]);
    assert_eq!(rclone.trashed(), 0);
    rclone.call(&["purge", "box:top"]);
    assert!(rclone.files("top").is_empty());
    assert_eq!(rclone.call(&["lsf", "box:"]).trim(), "elsewhere/");
}
