//! A sign-in that Box ends while a mount lives: everything here stays, the person is told, and all goes on after `boxfs login`.

use std::time::Duration;

use crate::support::{CLIENT_ID, CLIENT_SECRET, Mode, Person, SOON, World, browse, eventually};

/// Ends the sign-in as an administrator or the person would in Box's settings.
fn revoke(world: &World, person: &Person) {
    let token = person.stored()["tokens"]["refresh"].as_str().unwrap().to_owned();
    let form = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&token={token}");
    assert_eq!(browse(&format!("{}/oauth2/revoke", world.emulator.url()), Some(&form)).status, 200);
}

#[test]
fn a_revoked_sign_in_costs_nothing_and_the_mount_goes_on_after_the_next() {
    let world = World::new(Mode::Copying);
    world.emulator.act().write_file("/old", b"from before").unwrap();
    let person = Person::new(&world, "ada");
    person.sign_in();
    let mount = person.mounter("main").start();
    assert_eq!(std::fs::read(mount.at("old")).unwrap(), b"from before");
    revoke(&world, &person);
    std::fs::write(mount.at("letter"), "written without Box").unwrap();
    eventually("the status asks for a sign-in", SOON, || mount.status()["sign_in_needed"] == true);
    // Readable and writable here.
    assert_eq!(std::fs::read(mount.at("old")).unwrap(), b"from before");
    assert_eq!(std::fs::read(mount.at("letter")).unwrap(), b"written without Box");
    std::fs::rename(mount.at("letter"), mount.at("sent later")).unwrap();
    std::fs::create_dir(mount.at("folder")).unwrap();
    let words = mount.command(&["status"], "").ok().stdout;
    assert!(words.contains("sign-in needed") && words.contains("boxfs login"), "{words}");
    let waited = mount.command(&["wait", "--timeout", "1"], "").expect_code(5);
    assert!(waited.stderr.contains("boxfs login"), "{}{}", waited.stdout, waited.stderr);
    assert!(world.emulator.find("/sent later").is_none());

    person.sign_in();
    eventually("the mount goes on by itself", SOON, || world.emulator.find("/sent later").is_some());
    mount.wait();
    world.expect_bytes("/sent later", b"written without Box");
    assert!(world.emulator.find("/folder").is_some());
    assert_eq!(mount.status()["sign_in_needed"], false);
    mount.umount();
}

#[test]
fn a_mount_does_not_go_on_with_somebody_elses_sign_in() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let mount = person.mounter("main").start();
    // A folder that was never listed cannot be written to without Box.
    assert_eq!(std::fs::read_dir(&mount.root).unwrap().count(), 0);
    revoke(&world, &person);
    std::fs::write(mount.at("letter"), "mine alone").unwrap();
    eventually("the status asks for a sign-in", SOON, || mount.status()["sign_in_needed"] == true);
    let bob = world.emulator.add_user("Bob", "bob@example.com").unwrap();
    person.says(&["login", "--client-credentials", "--user", &bob], "").ok();
    eventually("it says whose sign-in that is", SOON, || mount.status()["trouble"].to_string().contains("bob@"));
    assert!(world.emulator.items().is_empty());
    person.says(&["login", "--client-credentials", "--user", &world.emulator.first_user()], "").ok();
    mount.wait();
    world.expect_bytes("/letter", b"mine alone");
    mount.umount();
}

#[test]
fn unmounting_without_a_sign_in_says_what_is_left_and_loses_nothing() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let mut mount = person.mounter("main").start();
    assert_eq!(std::fs::read_dir(&mount.root).unwrap().count(), 0);
    revoke(&world, &person);
    std::fs::write(mount.at("letter"), "kept").unwrap();
    eventually("the status asks for a sign-in", SOON, || mount.status()["sign_in_needed"] == true);
    let left = mount.command(&["umount", "--timeout", "1"], "").expect_code(3);
    assert!(left.stdout.contains("letter"), "{}", left.stdout);
    mount.ended(Duration::from_secs(20));
    drop(mount);
    let refused = person.mounter("main").run().expect_code(5);
    assert!(refused.stderr.contains("boxfs login"), "{}", refused.stderr);
    person.sign_in();
    let mount = person.mounter("main").start();
    mount.wait();
    world.expect_bytes("/letter", b"kept");
    mount.umount();
}
