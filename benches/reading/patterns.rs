//! What programs cost that read a part of what there is: calls and bytes, as a table for docs/reading.md.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Mount, World, bytes_of};
use crate::{far_box, mount};

const MIB: usize = 1 << 20;
const VIDEO_BYTES: usize = 300 * MIB;
/// What a player reads at a time.
const PLAYER_BYTES: usize = 64 << 10;
const SMALL_FILES: usize = 2_000;

pub fn table() {
    println!("| program | files there | listings | addresses | requests for bytes | bytes fetched |");
    println!("|---|---|---|---|---|---|");
    row("video player: header, tail, 20 MiB in sequence", "one of 300 MiB", one_large, play);
    row("`unzip -l`", "an archive of 300 MiB", archive, |mount| run(mount, "unzip", &["-l", "file"]));
    row("`ffprobe`", "a recording of 10 minutes", recording, |mount| run(mount, "ffprobe", &["-v", "error", "file"]));
    row("`git status`", "a work tree of 500 files", work_tree, |mount| run(mount, "git", &["status", "--short"]));
    row("`grep -r`", "2,000 of 3 kB in 20 folders", many_small, |mount| {
        run(mount, "grep", &["-rc", "no such text", "."])
    });
}

fn row(program: &str, there: &str, make: fn(&World), read: fn(&Mount)) {
    let name = program.trim_matches('`').split(' ').next().unwrap();
    if program.starts_with('`') && Command::new(name).arg("--help").output().is_err() {
        return println!("<!-- {name} is not installed here -->");
    }
    let world = far_box();
    make(&world);
    let mount = mount(&world, "patterns");
    std::fs::metadata(&mount.root).unwrap();
    world.emulator.reset_requests();
    read(&mount);
    let requests = world.emulator.requests();
    let like = |end: &str| requests.iter().filter(|r| r.path.split('?').next().unwrap().ends_with(end)).count();
    let fetches: Vec<_> = requests.iter().filter(|r| r.path.starts_with("/d/")).collect();
    let bytes: u64 = fetches.iter().map(|r| r.bytes_out).sum();
    let (listings, addresses) = (like("/items"), like("/content"));
    println!("| {program} | {there} | {listings} | {addresses} | {} | {:.1} MB |", fetches.len(), bytes as f64 / 1e6);
}

/// Runs a program in the mount, whatever it finds.
fn run(mount: &Mount, program: &str, arguments: &[&str]) {
    Command::new(program).args(arguments).current_dir(&mount.root).stdout(Stdio::null()).status().unwrap();
}

fn one_large(world: &World) {
    world.emulator.act().write_file("/file", &bytes_of(VIDEO_BYTES, 1)).unwrap();
}

fn play(mount: &Mount) {
    let file = File::open(mount.at("file")).unwrap();
    let mut piece = vec![0; PLAYER_BYTES];
    file.read_exact_at(&mut piece, 0).unwrap();
    file.read_exact_at(&mut piece, (VIDEO_BYTES - PLAYER_BYTES) as u64).unwrap();
    for at in (0..20 * MIB).step_by(PLAYER_BYTES) {
        file.read_exact_at(&mut piece, at as u64).unwrap();
    }
}

fn archive(world: &World) {
    let (dir, made) = (world.make_dir("archive"), world.dir().join("made.zip"));
    for n in 0..30 {
        std::fs::write(dir.join(format!("part-{n}")), bytes_of(10 * MIB, n)).unwrap();
    }
    ok(Command::new("zip").args(["-q0r"]).arg(&made).arg(".").current_dir(&dir));
    world.emulator.act().write_file("/file", &std::fs::read(made).unwrap()).unwrap();
}

/// A WAV file, whose header says all that a prober asks for.
fn recording(world: &World) {
    let len = 600 * 176_400_u32;
    let mut bytes = Vec::new();
    bytes.write_all(b"RIFF").unwrap();
    bytes.write_all(&(36 + len).to_le_bytes()).unwrap();
    bytes.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x02\0\x44\xac\0\0\x10\xb1\x02\0\x04\0\x10\0data").unwrap();
    bytes.write_all(&len.to_le_bytes()).unwrap();
    bytes.extend(bytes_of(len as usize, 2));
    world.emulator.act().write_file("/file", &bytes).unwrap();
}

fn work_tree(world: &World) {
    let dir = world.make_dir("tree");
    for n in 0..500 {
        let folder = dir.join(format!("folder-{}", n % 10));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("file-{n}")), bytes_of(20_000, n)).unwrap();
    }
    for arguments in
        [&["init", "-q"][..], &["add", "."], &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]]
    {
        ok(Command::new("git").args(arguments).current_dir(&dir));
    }
    copy(world, &dir, "");
}

fn copy(world: &World, dir: &Path, to: &str) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let to = format!("{to}/{}", entry.file_name().into_string().unwrap());
        if entry.metadata().unwrap().is_dir() {
            world.emulator.act().create_folder(&to).unwrap();
            copy(world, &entry.path(), &to);
        } else {
            world.emulator.act().write_file(&to, &std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn many_small(world: &World) {
    for n in 0..SMALL_FILES {
        let path = format!("/folder-{}/file-{n}", n % 20);
        world.emulator.act().write_file(&path, &bytes_of(3_000, n as u64)).unwrap();
    }
}

fn ok(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
