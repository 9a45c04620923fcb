//! The secrets of a stored sign-in are in one file that is its owner's alone, and nowhere else.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::support::{CLIENT_SECRET, Mode, Person, Ran, World, boxfs, mode_of, run};

/// `nobody`, who is on every system and owns nothing.
const USER: &str = "65534";
const PROXY_PASSWORD: &str = "hunter2-of-the-proxy";

fn all_files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(all_files_below(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Everything secret of this sign-in, as text that a leak would show.
fn secrets_of(person: &Person) -> Vec<String> {
    let stored = person.stored();
    let tokens = ["access", "refresh", "spent"].map(|name| stored["tokens"][name].as_str().map(str::to_owned));
    let fixed = [CLIENT_SECRET, PROXY_PASSWORD].map(|text| Some(text.to_owned()));
    tokens.into_iter().chain(fixed).flatten().collect()
}

#[track_caller]
fn expect_none(what: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        let found = memchr::memmem::find(bytes, secret.as_bytes());
        assert_eq!(found, None, "{what} shows a secret: {}", String::from_utf8_lossy(bytes));
    }
}

fn shown(pid: impl std::fmt::Display) -> Vec<u8> {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
    [read("cmdline"), read("environ")].concat()
}

#[test]
fn a_signed_in_daemon_shows_its_secrets_nowhere() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let before = secrets_of(&person);
    person.let_token_expire();
    let mounter = person.mounter("main").args(["--log-level", "trace"]);
    let mounter = mounter.variable("BOXFS_CLIENT_SECRET", CLIENT_SECRET);
    // The emulator is on this machine, so that the proxy is not used; it is there to leak.
    let proxy = format!("http://ada:{PROXY_PASSWORD}@127.0.0.1:1");
    let mount = mounter.variable("BOXFS_PROXY", &proxy).start();
    std::fs::write(mount.at("letter"), "nothing of interest").unwrap();
    mount.wait();
    // A refresh that fails is told with what Box said, not with what was sent.
    let secrets = [before, secrets_of(&person)].concat();
    expect_none("the list of processes", &shown(mount.pid()), &secrets);
    let log = mount.log.clone();
    expect_none("the status", mount.status().to_string().as_bytes(), &secrets);
    mount.umount();
    let text = std::fs::read(log).unwrap();
    assert!(memchr::memmem::find(&text, b"POST /oauth2/token: 200").is_some(), "a log that shows the refresh");
    for path in all_files_below(world.dir()) {
        if path == person.sign_in_file() {
            assert_eq!(mode_of(&path), 0o600);
        } else {
            expect_none(&path.display().to_string(), &std::fs::read(&path).unwrap(), &secrets);
        }
    }
}

#[test]
fn programs_that_are_started_inherit_no_secret() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let said = world.dir().join("what-the-browser-saw");
    let browser = person
        .file("browser", &format!("#!/bin/sh\n{{ env; echo \"$@\"; }} >{0}.part\nmv {0}.part {0}\n", said.display()));
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut login = person.command(&["login"]);
    login
        .env("BROWSER", &browser)
        .env("BOXFS_TOKEN", "a-token-that-is-secret")
        .env("BOXFS_PROXY", format!("http://a:{PROXY_PASSWORD}@h:1"));
    let mut login = login.stdout(Stdio::null()).spawn().unwrap();
    crate::support::eventually("the browser is opened", Duration::from_secs(20), || said.exists());
    let seen = std::fs::read(&said).unwrap();
    let secrets = [CLIENT_SECRET, PROXY_PASSWORD, "a-token-that-is-secret"].map(str::to_owned);
    assert!(memchr::memmem::find(&seen, b"oauth2/authorize").is_some(), "it was told where to go");
    expect_none("the browser", &seen, &secrets);
    expect_none("the command itself", &shown(login.id()), &secrets);
    login.kill().unwrap();
    login.wait().unwrap();
}

#[test]
fn errors_of_every_command_quote_no_secret() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let config = world.emulator.jwt_config().unwrap().replace("emulator-passphrase", "hunter2-wrong");
    let config = person.file("config.json", &config);
    let jwt = person.says(&["login", "--jwt", config.to_str().unwrap()], "").expect_code(2);
    person.sign_in();
    let secrets = [secrets_of(&person), vec!["hunter2-wrong".to_owned(), "PRIVATE KEY".to_owned()]].concat();
    expect_none("a wrong passphrase", jwt.stderr.as_bytes(), &secrets);
    let stored = std::fs::read(person.sign_in_file()).unwrap();
    // Damaged, in the middle of a secret.
    std::fs::write(person.sign_in_file(), &stored[..stored.len() - 30]).unwrap();
    for command in [&["whoami"][..], &["logout"], &["doctor"]] {
        let told = person.says(command, "");
        assert_ne!(told.code, Some(0));
        expect_none(&format!("{command:?}"), format!("{}{}", told.stdout, told.stderr).as_bytes(), &secrets);
    }
}

/// A core dump of a process that may make one, or not.
fn dumps_core(command: &mut Command, dir: &Path) -> bool {
    use std::os::unix::process::CommandExt;
    // SAFETY: getrlimit(2) and setrlimit(2) are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(|| {
            let (_, most) = getrlimit(Resource::RLIMIT_CORE)?;
            setrlimit(Resource::RLIMIT_CORE, most, most).map_err(Into::into)
        });
    }
    let mut child = command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Both say a word when they are at work.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGABRT).unwrap();
    child.wait().unwrap().core_dumped()
}

#[test]
fn no_core_dump_holds_a_secret() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let dir = world.make_dir("cores");
    if !dumps_core(Command::new("sh").args(["-c", "echo; exec sleep 60"]), &dir) {
        eprintln!("NOT RUN: this machine dumps no core of any program");
        return;
    }
    assert!(!dumps_core(&mut person.command(&["login", "--no-browser"]), &dir));
}

/// Becoming somebody else takes root.
fn as_nobody(world: &World, program: &Path, arguments: &[&str]) -> Ran {
    let mut command = boxfs(world.dir());
    let mut other = Command::new("setpriv");
    other.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program).args(arguments);
    for (name, value) in command.env("HOME", "/nonexistent").get_envs() {
        if let Some(value) = value {
            other.env(name, value);
        }
    }
    run(&mut other, Duration::from_secs(30))
}

#[test]
fn another_user_gets_nothing_from_socket_or_state_directory() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("NOT RUN: becoming another user takes root");
        return;
    }
    let world = World::new(Mode::Copying);
    std::fs::set_permissions(world.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mount = world.mount();
    let binary = world.dir().join("boxfs");
    std::fs::copy(env!("CARGO_BIN_EXE_boxfs"), &binary).unwrap();
    let told = as_nobody(&world, &binary, &["status", mount.root.to_str().unwrap()]);
    assert!(told.code == Some(1) && told.stderr.contains("belongs to another user"), "{told:?}");
    for file in ["boxfs.db", "log", "spool", "control.sock"] {
        let path = mount.state_dir.join(file);
        let told = as_nobody(&world, Path::new("/bin/cat"), &[path.to_str().unwrap()]);
        assert!(told.stderr.contains("Permission denied"), "{file}: {told:?}");
    }
    // Even where the directory and the socket are opened to all, the daemon looks at who asks.
    let socket = mount.state_dir.join("control.sock");
    for path in [&mount.state_dir, &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let told = as_nobody(&world, &binary, &["status", mount.root.to_str().unwrap()]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.is_empty(), "{told:?}");
    // Its owner is still answered.
    let mut ours = UnixStream::connect(&socket).unwrap();
    ours.write_all(b"{\"version\":1,\"request\":\"status\",\"path\":\"\"}\n").unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    ours.read_exact(&mut [0]).unwrap();
    mount.umount();
}

#[test]
fn a_state_directory_or_a_sign_in_of_another_user_is_not_used() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("NOT RUN: making something of another user takes root");
        return;
    }
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    person.sign_in();
    let user = USER.parse().ok();
    std::os::unix::fs::chown(person.sign_in_file(), user, user).unwrap();
    let told = person.says(&["whoami"], "").expect_code(5);
    assert!(told.stderr.contains("belongs to another user"), "{}", told.stderr);
    let mounter = world.mounter("main");
    std::fs::create_dir(mounter.state_dir()).unwrap();
    std::os::unix::fs::chown(mounter.state_dir(), user, user).unwrap();
    let told = mounter.run().expect_code(1);
    assert!(told.stderr.contains("belongs to another user"), "{}", told.stderr);
}
