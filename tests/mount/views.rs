//! What a person sees: `status` on wide and narrow terminals and through a pipe, `status --watch`, `doctor`.

use std::time::Duration;

use boxfs::emulator::Options;
use serde_json::Value;

use crate::support::{Mode, Mount, Person, Ran, SOON, World, boxfs, bytes_of, eventually_ok, run};

/// Runs a command of the mount's owner with a terminal of so many columns.
fn on_a_terminal(mount: &Mount, columns: u32, variables: &str, arguments: &str) -> Ran {
    let binary = env!("CARGO_BIN_EXE_boxfs");
    let inner = format!("stty cols {columns} rows 40; {variables} {binary} {arguments} {}", mount.root.display());
    let mut command = boxfs(mount.root.parent().unwrap());
    let program = std::ffi::OsString::from("script");
    let mut terminal = std::process::Command::new(program);
    for (name, value) in command.env("TERM", "xterm").get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    run(terminal.args(["-qefc", &inner, "/dev/null"]), Duration::from_secs(60))
}

/// A mount whose upload of 30 MB takes a while.
fn busy(world: &World) -> Mount {
    let mount = world.mounter("main").start();
    std::fs::create_dir(mount.at("a folder with a rather long name")).unwrap();
    let path = "a folder with a rather long name/and a file with an even longer name than that.bin";
    std::fs::write(mount.at(path), bytes_of(30_000_000, 1)).unwrap();
    eventually_ok(SOON, || match mount.status() {
        status if status["speed"].as_u64() > Some(0) => Ok(()),
        status => Err(format!("{status:#}")),
    });
    mount
}

#[test]
fn status_says_speed_and_time_left_in_the_columns_there_are() {
    let world = World::with(Mode::Copying, Options { line: Some(2_000_000), ..Options::default() });
    let mount = busy(&world);
    let piped = mount.command(&["status"], "").ok().stdout;
    let first = piped.lines().next().unwrap();
    assert!(
        first.contains(" file") && first.contains("MB) on") && first.contains("/s, about ") && first.ends_with(" left")
    );
    assert!(!piped.contains('\u{1b}') && !piped.contains('█'), "{piped}");
    for columns in [40, 80, 160] {
        let seen = on_a_terminal(&mount, columns, "", "status").stdout;
        assert!(seen.contains("\u{1b}[36m"), "colors: {seen}");
        let line = seen.lines().skip_while(|line| !line.contains("Uploading:")).nth(1).unwrap();
        let plain: String = line.replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
        assert!(plain.trim_end().chars().count() <= columns as usize, "{columns}: {plain}");
        assert_eq!(plain.contains('█') || plain.contains('░'), columns >= 60, "{columns}: {plain}");
        assert_eq!(plain.contains('…'), columns < 120, "{columns}: {plain}");
    }
    let plain = on_a_terminal(&mount, 80, "NO_COLOR=1", "status").stdout;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let watched = on_a_terminal(&mount, 80, "timeout 3", "status --watch");
    assert!(watched.stdout.matches("\u{1b}[H").count() >= 2, "{}", watched.stdout);
    world.emulator.set_faults(Default::default());
    let _ = mount.command(&["umount", "--now"], "");
}

#[test]
fn status_as_json_keeps_its_names() {
    let world = World::new(Mode::Copying);
    let mount = world.mount();
    let status: Value = mount.status();
    for name in [
        "mountpoint",
        "account",
        "online",
        "pending",
        "uploading",
        "failed",
        "conflicts",
        "cache",
        "spool",
        "api",
        "events",
    ] {
        assert!(status.get(name).is_some(), "{name}");
    }
    mount.umount();
}

#[test]
fn a_file_over_the_quota_comes_with_what_to_do() {
    let world = World::with(Mode::Copying, Options { space_amount: 1_000_000, ..Options::default() });
    let mount = world.mounter("main").start();
    for name in ["one", "two", "three"] {
        std::fs::write(mount.at(name), bytes_of(400_000, 1)).unwrap();
    }
    let told = eventually_ok(SOON, || match mount.command(&["status"], "").stdout {
        text if text.contains("Problems:") => Ok(text),
        other => Err(other),
    });
    assert!(told.contains("no space left") && told.contains("make room in Box"), "{told}");
}

#[test]
fn doctor_works_before_the_first_sign_in_and_after() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let told = person.says(&["doctor"], "").ok().stdout;
    for part in
        ["ok    FUSE: ", "ok    Kernel: Linux ", "Passthrough: ", "ok    State: ", "ok    Open files: ", "answers in "]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(told.contains("note  Sign-in: nobody is signed in yet\n        run 'boxfs login'\n"), "{told}");
    assert!(!person.home.join(".local").exists(), "it changes nothing");
    person.sign_in();
    let told = person.says(&["doctor"], "").ok().stdout;
    assert!(told.contains("ok    Sign-in: First User <first.user@example.com>, by browser (OAuth 2.0)"), "{told}");
    assert!(told.contains("ok    Quota: "), "{told}");
    let mount = person.mounter("main").start();
    assert!(person.says(&["doctor"], "").ok().stdout.contains("its daemon answers"));
    mount.umount();
}

#[test]
fn doctor_finds_what_is_wrong() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let file = person.file("file", "");
    std::fs::create_dir(person.home.join("open")).unwrap();
    let looked = |name: &str, value: &str| {
        let mut command = person.command(&["doctor"]);
        run(command.env(name, value), Duration::from_secs(60)).expect_code(1).stdout
    };
    assert!(looked("BOXFS_STATE_DIR", file.to_str().unwrap()).contains("BAD   State: "));
    let open = looked("BOXFS_STATE_DIR", person.home.join("open").to_str().unwrap());
    assert!(open.contains("is open to others") && open.contains("'chmod 700 "), "{open}");
    assert!(looked("BOXFS_SERVER", "http://127.0.0.1:1").contains("Box cannot be reached"));
    assert!(looked("BOXFS_SETTLE", "soon").contains("BAD   Configuration: "));
}
