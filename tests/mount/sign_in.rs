//! Every way to sign in, from the first command to a file that is in Box; who is signed in; and the end of it.

use serde_json::Value;

use crate::support::{CLIENT_SECRET, Mode, Person, World, browse, bytes_of, mode_of, sha1_hex};

/// Mounts, copies a file, waits, looks, unmounts: Box must have the bytes, owned by `owner`.
#[track_caller]
fn expect_main_job(world: &World, person: &Person, owner: Option<&str>) {
    let bytes = bytes_of(300_000, 7);
    let mount = person.mounter("main").start();
    std::fs::write(mount.at("letter"), &bytes).unwrap();
    mount.wait();
    assert_eq!(mount.status()["pending"]["count"], 0);
    mount.umount();
    let found: Vec<_> = world.emulator.items().into_iter().filter(|item| item.name == "letter").collect();
    let [item] = &found[..] else { panic!("{found:?}") };
    assert_eq!(item.sha1, sha1_hex(&bytes));
    if let Some(owner) = owner {
        assert_eq!(item.owner, owner);
    }
}

#[test]
fn a_person_signs_in_with_a_developer_token() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let told = person.says(&["login", "--developer-token"], &format!("{}\n", world.emulator.token())).ok();
    assert_eq!(told.stdout, "Signed in as first.user@example.com.\n");
    assert_eq!((mode_of(&person.sign_in_file()), mode_of(person.sign_in_file().parent().unwrap())), (0o600, 0o700));
    expect_main_job(&world, &person, Some(&world.emulator.first_user()));
}

#[test]
fn a_person_signs_in_by_a_browser_on_this_machine() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    expect_main_job(&world, &person, Some(&world.emulator.first_user()));
}

#[test]
fn a_person_signs_in_by_a_browser_elsewhere() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    for whole_address in [true, false] {
        let mut login = person.begin_login(&["login", "--no-browser"]);
        let back = browse(&login.url, Some(&format!("user={}", world.emulator.first_user()))).location.unwrap();
        let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
        login.paste(if whole_address { &back } else { code });
        login.ended().ok();
    }
    expect_main_job(&world, &person, Some(&world.emulator.first_user()));
}

#[test]
fn an_application_signs_in_with_its_key() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "server");
    let config = person.file("config.json", &world.emulator.jwt_config().unwrap());
    let told = person.says(&["login", "--jwt", config.to_str().unwrap()], "").ok();
    assert!(told.stdout.contains("AutomationUser"), "{}", told.stdout);
    // The file is not needed any more.
    std::fs::remove_file(config).unwrap();
    expect_main_job(&world, &person, None);
}

#[test]
fn an_application_signs_in_with_its_key_as_a_user() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "server");
    let user = world.emulator.add_user("Bob", "bob@example.com").unwrap();
    let config = person.file("config.json", &world.emulator.jwt_config().unwrap());
    let told = person.says(&["login", "--jwt", config.to_str().unwrap(), "--user", &user], "").ok();
    assert_eq!(told.stdout, "Signed in as bob@example.com.\n");
    expect_main_job(&world, &person, Some(&user));
}

#[test]
fn an_application_signs_in_with_its_secret() {
    for (option, id) in [("--enterprise", "900000001"), ("--user", "")] {
        let world = World::new(Mode::Copying);
        let person = Person::new(&world, "server");
        let first = world.emulator.first_user();
        let id = if id.is_empty() { &first } else { id };
        person.says(&["login", "--client-credentials", option, id], "").ok();
        expect_main_job(&world, &person, (option == "--user").then_some(first.as_str()));
    }
}

#[test]
fn an_administrator_acts_as_a_user() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "admin");
    let user = world.emulator.add_user("Bob", "bob@example.com").unwrap();
    let token = format!("{}\n", world.emulator.token());
    let refused = person.says(&["login", "--developer-token", "--as-user", "77"], &token).expect_code(1);
    assert!(refused.stderr.contains("act as user 77"), "{}", refused.stderr);
    person.says(&["login", "--developer-token", "--as-user", &user], &token).ok();
    expect_main_job(&world, &person, Some(&user));
}

#[test]
fn whoami_says_whose_sign_in_it_is_what_it_may_do_and_until_when() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let nobody = person.says(&["whoami"], "").expect_code(5);
    assert!(nobody.stderr.contains("run 'boxfs login'"), "{}", nobody.stderr);
    person.sign_in();
    let told = person.says(&["whoami"], "").ok().stdout;
    for part in [
        "First User <first.user@example.com>",
        "0 bytes of 10.0 TB used",
        "read and write all files",
        "browser (OAuth 2.0), since 20",
        "renewed by itself",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let object: Value = serde_json::from_str(&person.says(&["whoami", "--json"], "").ok().stdout).unwrap();
    assert_eq!(object["login"], "first.user@example.com");
    assert_eq!(object["scope"], "root_readwrite");
}

#[test]
fn logout_ends_the_sign_in_in_box_too() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let stored = person.stored();
    let told = person.says(&["logout"], "").ok();
    assert_eq!(told.stdout, "Signed out: first.user@example.com.\n");
    assert!(!person.sign_in_file().exists());
    person.says(&["whoami"], "").expect_code(5);
    assert_eq!(world.requests("POST", "/oauth2/revoke").len(), 1);
    // Neither token opens anything any more.
    person.store(&stored);
    person.says(&["whoami"], "").expect_code(5);
    person.says(&["logout"], "").ok();
    assert_eq!(person.says(&["logout"], "").ok().stdout, "Nobody is signed in.\n");
}

#[test]
fn logout_without_box_keeps_the_sign_in_unless_forced() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let mut stored = person.stored();
    stored["server"] = "http://127.0.0.1:1".into();
    person.store(&stored);
    let told = person.says(&["logout"], "").expect_code(1);
    assert!(told.stderr.contains("still signed in") && told.stderr.contains("--force"), "{}", told.stderr);
    person.says(&["logout", "--force"], "").ok();
    assert!(!person.sign_in_file().exists());
}

#[test]
fn the_secret_of_the_application_is_no_argument_but_may_be_typed_or_configured() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let refused = person.says(&["login", "--client-secret", CLIENT_SECRET], "").expect_code(2);
    assert!(refused.stderr.contains("no place on the command line") && !refused.stderr.contains(CLIENT_SECRET));
    let credentials = ["login", "--client-credentials", "--enterprise", "900000001"];
    let mut typed = person.command(&credentials);
    typed.env_remove("BOXFS_CLIENT_ID").env_remove("BOXFS_CLIENT_SECRET");
    crate::support::run_told(
        &mut typed,
        &format!("emulator-client-id\n{CLIENT_SECRET}\n"),
        crate::support::PROGRAM_LIMIT,
    )
    .ok();
    person.says(&["config", "set", "client-id", "emulator-client-id"], "").ok();
    person.says(&["config", "set", "client-secret"], &format!("{CLIENT_SECRET}\n")).ok();
    assert_eq!(mode_of(&person.home.join(".config/boxfs/config.toml")), 0o600);
    let mut configured = person.command(&credentials);
    configured.env_remove("BOXFS_CLIENT_ID").env_remove("BOXFS_CLIENT_SECRET");
    crate::support::run(&mut configured, crate::support::PROGRAM_LIMIT).ok();
    let wrong = person.command(&credentials).env("BOXFS_CLIENT_SECRET", "wrong").output().unwrap();
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(5) && told.contains("do not belong together"), "{told}");
}

#[test]
fn an_answer_that_began_elsewhere_signs_nobody_in() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let mut login = person.begin_login(&["login"]);
    let back = browse(&login.url, Some(&format!("user={}", world.emulator.first_user()))).location.unwrap();
    let forged = format!("{}state=0000", back.split("state=").next().unwrap());
    assert_eq!(browse(&forged, None).status, 404);
    assert!(login.is_waiting(), "it waits for the right answer");
    assert!(browse(&back, None).body.contains("It worked"));
    login.ended().ok();
}

#[test]
fn a_person_who_says_no_is_told_so_in_both_places() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let login = person.begin_login(&["login"]);
    let back = browse(&login.url, Some("deny=1")).location.unwrap();
    assert!(browse(&back, None).body.contains("Not signed in"));
    let told = login.ended().expect_code(5);
    assert!(told.stderr.contains("The user denied access"), "{}", told.stderr);
}

#[test]
fn profiles_have_sign_ins_and_mounts_of_their_own() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let bob = world.emulator.add_user("Bob", "bob@example.com").unwrap();
    person.says(&["login", "--client-credentials", "--user", &world.emulator.first_user()], "").ok();
    person.says(&["login", "--client-credentials", "--user", &bob, "--profile", "bob"], "").ok();
    let ours = person.mounter("ours").start();
    let bobs = person.mounter("bobs").args(["--profile", "bob"]).start();
    std::fs::write(ours.at("mine"), "mine").unwrap();
    std::fs::write(bobs.at("his"), "his").unwrap();
    ours.wait();
    bobs.wait();
    let owner = |name: &str| world.emulator.items().into_iter().find(|item| item.name == name).unwrap().owner;
    assert_eq!((owner("mine"), owner("his")), (world.emulator.first_user(), bob));
    ours.umount();
    bobs.umount();
}

#[test]
fn one_sign_in_serves_several_mounts_of_different_folders_at_once() {
    let world = World::new(Mode::Copying);
    let act = world.emulator.act();
    let folders = ["photos", "letters"].map(|name| act.create_folder(&format!("/{name}")).unwrap());
    let person = Person::new(&world, "ada");
    person.sign_in();
    for (index, folder) in folders.iter().enumerate() {
        std::fs::create_dir(person.home.join(format!("mnt-{index}"))).unwrap();
        // Directories as they are by default: one for each profile and folder.
        person.says(&["mount", &format!("mnt-{index}"), "--root-folder", folder], "").ok();
        std::fs::write(person.home.join(format!("mnt-{index}/note")), format!("in {index}")).unwrap();
        assert!(person.home.join(format!(".local/state/boxfs/default-{folder}/boxfs.db")).exists());
    }
    for index in 0..folders.len() {
        person.says(&["umount", &format!("mnt-{index}")], "").ok();
    }
    world.expect_bytes("/photos/note", b"in 0");
    world.expect_bytes("/letters/note", b"in 1");
}
