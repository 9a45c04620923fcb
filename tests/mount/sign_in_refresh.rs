//! Refresh tokens work once: two processes, a process that is killed, an answer that is lost, a clock that is wrong.

use std::time::Duration;

use boxfs::emulator::{FaultScript, Options};

use crate::support::{Mode, Person, World};

/// A Box that lets a spent refresh token live until what it brought is used, as Box says it does.
fn world() -> World {
    let options = Options::default();
    assert!(options.refresh_token_until_use);
    World::with(Mode::Copying, options)
}

fn faults(world: &World, rules: &str) {
    world.emulator.set_faults(FaultScript::parse(&format!(r#"{{"rules": [{rules}]}}"#)).unwrap());
}

#[test]
fn two_processes_that_refresh_at_once_spend_one_token_a_hundred_times() {
    // The strictest Box: a token that is spent twice ends the sign-in.
    let world = World::with(Mode::Copying, Options { refresh_token_until_use: false, ..Options::default() });
    let person = Person::new(&world, "ada");
    person.sign_in();
    for round in 0..100 {
        person.let_token_expire();
        world.emulator.reset_requests();
        let both = [(); 2].map(|()| person.command(&["whoami"]).stdout(std::process::Stdio::null()).spawn().unwrap());
        for mut one in both {
            assert_eq!(one.wait().unwrap().code(), Some(0), "round {round}");
        }
        assert_eq!(world.requests("POST", "/oauth2/token").len(), 1, "round {round}");
    }
}

#[test]
fn a_lost_answer_to_a_refresh_is_asked_for_again() {
    let world = world();
    let person = Person::new(&world, "ada");
    person.sign_in();
    // Within one command.
    person.let_token_expire();
    faults(&world, r#"{"path": "/oauth2/token", "times": 2, "do": {"kind": "close_after"}}"#);
    person.says(&["whoami"], "").ok();
    // Over several: the first gives up.
    person.let_token_expire();
    faults(&world, r#"{"path": "/oauth2/token", "do": {"kind": "close_after"}}"#);
    let told = person.says(&["whoami"], "").expect_code(1);
    assert!(told.stderr.contains("cannot be reached"), "{}", told.stderr);
    faults(&world, "");
    person.says(&["whoami"], "").ok();
    let mount = person.mounter("main").start();
    std::fs::write(mount.at("letter"), "kept").unwrap();
    mount.wait();
    mount.umount();
}

#[test]
fn a_clock_ten_minutes_off_does_not_keep_an_application_out() {
    for ahead in [true, false] {
        let world = World::new(Mode::Copying);
        let ten = Duration::from_secs(600);
        if ahead {
            world.emulator.advance_clock(ten)
        } else {
            world.emulator.turn_clock_back(ten)
        }
        let person = Person::new(&world, "server");
        let config = person.file("config.json", &world.emulator.jwt_config().unwrap());
        person.says(&["login", "--jwt", config.to_str().unwrap()], "").ok();
        let mount = person.mounter("main").start();
        std::fs::write(mount.at("letter"), "on time").unwrap();
        mount.wait();
        mount.umount();
        assert!(world.emulator.items().iter().any(|item| item.name == "letter" && item.size == 7));
    }
}

#[test]
fn a_token_that_expires_in_the_middle_of_an_upload_is_no_event() {
    let world = world();
    let person = Person::new(&world, "ada");
    person.sign_in();
    let mount = person.mounter("main").start();
    // Each third part finds its token expired.
    faults(
        &world,
        r#"{"method": "PUT", "path": "*/upload_sessions/*", "nth": 2, "do": {"kind": "expire_token"}},
           {"path": "*/commit", "nth": 1, "do": {"kind": "expire_token"}}"#,
    );
    let bytes = crate::support::bytes_of(40_000_000, 3);
    std::fs::write(mount.at("large"), &bytes).unwrap();
    mount.wait();
    world.expect_bytes("/large", &bytes);
    assert!(!world.requests("POST", "/oauth2/token").is_empty());
    assert_eq!(world.uploads().sessions, 1, "the upload did not begin again");
    mount.umount();
}

/// Kills a command at each step of a refresh; the next one finds a sign-in that Box takes.
#[cfg(feature = "failpoints")]
#[test]
fn a_kill_at_any_step_of_a_refresh_loses_no_sign_in() {
    let world = world();
    let person = Person::new(&world, "ada");
    person.sign_in();
    for point in [
        "refresh.locked",
        "refresh.leaving",
        "refresh.answered",
        "durable.written",
        "durable.renamed",
        "refresh.stored",
    ] {
        person.let_token_expire();
        let mut killed = person.command(&["whoami"]);
        killed.env("BOXFS_FAILPOINTS", format!("{point}=kill"));
        let killed = crate::support::run(&mut killed, crate::support::PROGRAM_LIMIT);
        assert_eq!(killed.code, None, "{point} kills: {}{}", killed.stdout, killed.stderr);
        person.says(&["whoami"], "").ok();
        let dir = person.sign_in_file().parent().unwrap().to_owned();
        let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{point}: a file and its lock, not {left:?}");
    }
}
