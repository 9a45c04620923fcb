//! The command as a user types it: what wrong input is told, and what it leaves behind. Nothing here mounts.
#![allow(clippy::unwrap_used)]

mod messages;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary with a home of its own and nothing else from the environment.
fn boxfs(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxfs"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(arguments).stdin(Stdio::null()).current_dir(home);
    command
}

fn told(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// Every file and directory below `dir`.
fn all_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.display().to_string());
        if path.is_dir() {
            found.extend(all_below(&path));
        }
    }
    found
}

#[test]
fn wrong_input_gets_one_line_the_right_code_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("full/sub")).unwrap();
    std::fs::create_dir(home.path().join("empty")).unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    std::fs::write(home.path().join("bad.toml"), "cache-size = '1GB'\nsetle = 1\n").unwrap();
    let before = all_below(home.path());
    for (arguments, code, hint) in [
        (&["mount", "none"][..], 1, "none does not exist: make it with 'mkdir -p none'"),
        (&["mount", "file"], 1, "file is not a directory"),
        (&["mount", "full"], 1, "is not empty: mount on an empty directory"),
        (&["mount", "empty"], 5, "set BOXFS_TOKEN"),
        (&["mount", "empty", "--foreground"], 5, "set BOXFS_TOKEN"),
        (&["mount", "empty", "-o", "frob"], 2, "-o: unknown mount option 'frob'"),
        (&["mount", "empty", "--server", "http://example.org"], 2, "--server: plain http is accepted for this machine"),
        (&["mount", "empty", "--settle", "soon"], 2, "--settle: 'soon' is not a duration"),
        (&["mount", "empty", "--config", "bad.toml"], 2, "bad.toml:2:1: unknown key 'setle'; did you mean 'settle'?"),
        (&["mount", "empty", "--config", "no.toml"], 2, "no.toml: cannot read the configuration file"),
        (&["mount", "empty", "--ready-fd", "1"], 2, "--foreground"),
        (&["mount", "empty", "--foreground", "--ready-fd", "1"], 2, "--ready-fd is for boxfs itself"),
        (&["umount", "empty"], 4, "empty is not in a boxfs mount"),
        (&["umount", "empty", "--now", "--timeout", "5"], 2, "cannot be used with"),
        (&["status", "empty"], 4, "empty is not in a boxfs mount"),
        (&["wait", "empty", "--timeout", "x"], 2, "'x' is not a duration"),
        (&["retry", "/"], 4, "/ is not in a boxfs mount"),
        (&["emulator", "--listen", "0.0.0.0:0"], 1, "not a loopback address"),
        (&["emulator", "--data", "file"], 1, "cannot use the data directory"),
        (&["demo", "none"], 1, "cannot read none"),
        (&["demo", "empty"], 1, "no files that Box can hold"),
        (&["dance"], 2, "unrecognized subcommand"),
    ] {
        let (was, message) = told(&boxfs(home.path(), arguments).output().unwrap());
        assert!(message.contains(hint), "{arguments:?}: {message}");
        assert_eq!(was, code, "{arguments:?}: {message}");
        if code != 2 {
            assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
        }
    }
    assert_eq!(all_below(home.path()), before);
}

#[test]
fn a_wrong_variable_is_named() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("empty")).unwrap();
    let output = boxfs(home.path(), &["mount", "empty"]).env("BOXFS_CACHE_SIZE", "much").output().unwrap();
    let (code, message) = told(&output);
    assert_eq!(code, 2);
    assert!(message.contains("environment variable BOXFS_CACHE_SIZE: 'much' is not a size"), "{message}");
}

#[test]
fn help_and_completions_go_to_standard_output() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["mount", "--help"], &["completions", "bash"], &["--version"]] {
        let output = boxfs(home.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("boxfs"), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_emulator_says_where_it_is_and_ends_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut emulator =
        boxfs(home.path(), &["emulator"]).env("TMPDIR", home.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut banner = BufReader::new(emulator.stdout.take().unwrap()).lines();
    let server = banner.next().unwrap().unwrap();
    assert!(server.starts_with("server: http://127.0.0.1:"), "{server}");
    assert_eq!(banner.next().unwrap().unwrap(), "token: emulator-developer-token");
    kill(Pid::from_raw(i32::try_from(emulator.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(emulator.wait().unwrap().code(), Some(0));
    assert_eq!(all_below(home.path()), Vec::<String>::new());
}
