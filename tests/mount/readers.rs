//! Thumbnailers and indexers: what each program cost is told, and those that are to get nothing get nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Mode, Mount, PROGRAM_LIMIT, Ran, World, bytes_of, run};

in_both_modes!(
    what_each_program_cost_is_told,
    a_refused_program_gets_what_is_here_and_fetches_nothing,
    wrong_names_of_programs_are_told,
);

const SIZE: usize = 3_000_000;
const REFUSED: &str = "tracker-miner-fs-3, tumblerd";

/// `cat` under another name.
fn cat_called(world: &World, name: &str) -> PathBuf {
    let program = world.make_dir("programs").join(name);
    let found = String::from_utf8(Command::new("which").arg("cat").output().unwrap().stdout).unwrap();
    fs::copy(found.trim(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn read_with(program: &PathBuf, mount: &Mount, path: &str) -> Ran {
    run(
        Command::new("sh").args(["-c", "\"$0\" \"$1\" | sha1sum; true"]).arg(program).arg(mount.at(path)),
        PROGRAM_LIMIT,
    )
}

fn read(world: &World, mount: &Mount, program: &str, path: &str) -> Ran {
    read_with(&cat_called(world, program), mount, path)
}

/// Calls that ask for bytes or addresses of bytes.
fn asked(world: &World) -> usize {
    world.requests("GET", "/d/1/*/download").len() + world.requests("GET", "/2.0/files/*/content").len()
}

fn what_each_program_cost_is_told(mode: Mode) {
    let world = World::new(mode);
    world.emulator.act().write_file("/large", &bytes_of(SIZE, 1)).unwrap();
    world.emulator.act().write_file("/small", b"small").unwrap();
    let mount = world.mount();
    read(&world, &mount, "tumblerd", "large");
    read(&world, &mount, "a-program-with-a-long-name", "small");
    // What is here costs nobody anything.
    read(&world, &mount, "late-reader", "large");
    let status = mount.status();
    let readers: Vec<_> = status["readers"].as_array().unwrap().iter().collect();
    let told: Vec<_> = readers.iter().map(|r| (r["program"].as_str().unwrap(), r["bytes"].as_u64().unwrap())).collect();
    assert_eq!(told, [("tumblerd", SIZE as u64), ("a-program-with-", 5)], "{status:#}");
    let requests: u64 = readers.iter().map(|r| r["calls"].as_u64().unwrap()).sum();
    assert_eq!(requests, world.requests("GET", "/d/1/*/download").len() as u64);
    let text = mount.command(&["status"], "").ok().stdout;
    assert!(text.contains("Fetched for:\n  tumblerd: 3.00 MB in "), "{text}");
}

fn a_refused_program_gets_what_is_here_and_fetches_nothing(mode: Mode) {
    let world = World::new(mode);
    for path in ["/cold", "/warm", "/piece"] {
        world.emulator.act().write_file(path, b"an older version").unwrap();
        world.emulator.act().write_file(path, &bytes_of(SIZE, 1)).unwrap();
    }
    world.emulator.act().write_file("/empty", b"").unwrap();
    let mount = world.mounter("main").args(["--refuse-readers", REFUSED]).start();
    fs::read(mount.at("warm")).unwrap();
    let script = format!("tail -c 1000 {} > /dev/null", mount.at("piece").display());
    run(Command::new("sh").args(["-c", &script]), PROGRAM_LIMIT).ok();
    let versions = mount.at(".boxfs-versions/cold");
    let old = fs::read_dir(versions).unwrap().next().unwrap().unwrap().path();
    world.emulator.reset_requests();
    for program in ["tumblerd", "tracker-miner-fs-3"] {
        let program = cat_called(&world, program);
        for path in ["cold", "piece", old.to_str().unwrap()] {
            let ran = read_with(&program, &mount, path);
            assert!(ran.stderr.contains("Permission denied"), "{path}: {}", ran.stderr);
        }
        for path in ["warm", "empty"] {
            assert_eq!(read_with(&program, &mount, path).stderr, "", "{path}");
        }
    }
    assert_eq!(asked(&world), 0, "{:#?}", world.emulator.requests());
    // Everybody else reads as ever.
    assert!(fs::read(mount.at("cold")).unwrap() == bytes_of(SIZE, 1));
    assert_eq!(read(&world, &mount, "tumblerd", "cold").stderr, "");
}

fn wrong_names_of_programs_are_told(mode: Mode) {
    let world = World::new(mode);
    let ran = world.mounter("main").args(["--refuse-readers", "/usr/bin/tumblerd"]).run().expect_code(2);
    assert!(
        ran.stderr.contains("--refuse-readers: '/usr/bin/tumblerd' is not the name of a program"),
        "{}",
        ran.stderr
    );
}
