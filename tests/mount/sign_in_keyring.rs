//! The desktop's keyring: a real GNOME Keyring on a session bus of its own guards the sign-in; without it the file opens nothing.

use std::path::Path;
use std::process::Command;

use crate::support::{Mode, PROGRAM_LIMIT, Person, Ran, World, is_mounted, run};

/// Runs a script of `boxfs` commands on a desktop whose keyring is open.
#[track_caller]
fn on_a_desktop(person: &Person, script: &str) -> Ran {
    let binary = Path::new(env!("CARGO_BIN_EXE_boxfs"));
    let whole = format!(
        "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n\
         set -e\nPATH={}:$PATH\n{script}",
        binary.parent().unwrap().display()
    );
    let runtime_dir = person.home.join("run");
    std::fs::create_dir_all(&runtime_dir).unwrap();
    std::fs::set_permissions(&runtime_dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", &whole]).env_clear().env("XDG_RUNTIME_DIR", runtime_dir);
    for (name, value) in person.command(&[]).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    run(command.current_dir(&person.home), PROGRAM_LIMIT)
}

#[test]
fn where_there_is_a_keyring_the_file_alone_opens_nothing() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let login = format!("boxfs login --client-credentials --user {}", world.emulator.first_user());
    let root = person.home.join("Box");
    let job = "mkdir Box; boxfs mount Box; echo guarded > Box/letter; boxfs wait Box; boxfs umount Box";
    let told = on_a_desktop(&person, &format!("{login}\nboxfs whoami\n{job}")).ok();
    assert!(told.stdout.contains("first.user@example.com"), "{}", told.stdout);
    assert!(!is_mounted(&root));
    world.expect_bytes("/letter", b"guarded\n");
    let stored = person.stored();
    assert_eq!(stored.as_object().unwrap().keys().collect::<Vec<_>>(), ["sealed"]);
    // A backup, another machine, or nobody at the desktop: no key.
    let told = person.says(&["whoami"], "").expect_code(5);
    assert!(told.stderr.contains("unlock the keyring, or sign in again"), "{}", told.stderr);
    // The next session has it again, and a sign-in that replaces it keeps the key, so that a daemon goes on.
    let daemon = "boxfs mount Box; echo more > Box/more";
    let again = format!("boxfs whoami\n{daemon}\n{login}\nboxfs wait Box\nboxfs umount Box\nboxfs logout\n");
    let told = on_a_desktop(&person, &again).ok();
    assert!(told.stdout.contains("Signed out"), "{}", told.stdout);
    assert!(world.emulator.find("/more").is_some() && !person.sign_in_file().exists());
}

#[test]
fn the_keyring_may_be_left_out() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let login = format!("boxfs login --client-credentials --user {}", world.emulator.first_user());
    on_a_desktop(&person, &format!("boxfs config set keyring off\n{login}\n")).ok();
    assert!(person.stored()["tokens"]["access"].is_string());
    person.says(&["whoami"], "").ok();
}
