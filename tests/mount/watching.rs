//! `boxfs watch`: what others change and what goes up from here, line by line, to a reader fast or slow.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Mode, Mount, SOON, World, boxfs, eventually};

/// More than all queues between the daemon and a reader that does not read hold together.
const MANY: usize = 6_000;

in_both_modes!(
    what_others_do_is_told_with_who_did_it,
    what_goes_up_from_here_is_told,
    a_first_listing_is_no_news_and_a_watched_folder_is_all_that_is_told,
    lines_for_a_person_and_an_end_by_interrupt,
    a_watch_ends_with_its_mount,
    a_slow_reader_is_told_how_much_it_missed,
);

/// A watch under way; killed when dropped.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    /// Starts one and waits until it sees everything.
    #[track_caller]
    fn start(mount: &Mount, arguments: &[&str], path: &str) -> Watch {
        let mut child = spawn(mount, arguments, path);
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Watch { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line")
    }

    /// The next lines without their times, in the order of their paths where they come together.
    #[track_caller]
    fn changes(&self, count: usize) -> Vec<Value> {
        let mut changes: Vec<Value> = (0..count).map(|_| serde_json::from_str(&self.line()).unwrap()).collect();
        for change in &mut changes {
            let at = change.as_object_mut().unwrap().remove("at").unwrap();
            assert!(boxfs::base::Timestamp::parse_rfc3339(at.as_str().unwrap()).is_ok(), "{at}");
        }
        changes
    }

    fn interrupt(&mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
        self.code()
    }

    fn code(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None);
        status.code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `boxfs watch`, of which standard output was not read yet, when it sees everything.
#[track_caller]
fn spawn(mount: &Mount, arguments: &[&str], path: &str) -> Child {
    let mut command = boxfs(mount.root.parent().unwrap());
    command.arg("watch").args(arguments).arg(mount.at(path));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut word = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut word).unwrap();
    assert!(word.contains("watching"), "{word}");
    // Read on, so that the command never waits for a reader of its talk.
    std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
    child
}

fn change(what: &str, kind: &str, path: &str, from: Option<&str>, made_in: &str, by: Option<&str>) -> Value {
    json!({"what": what, "kind": kind, "path": path, "from": from, "made_in": made_in, "by": by})
}

/// A world with a listed root and folder.
fn listed(mode: Mode) -> (World, Mount) {
    let world = World::new(mode);
    world.emulator.act().write_file("/docs/old", b"old").unwrap();
    world.emulator.act().write_file("/other", b"other").unwrap();
    let mount = world.mount();
    assert!(mount.at("docs/old").exists());
    (world, mount)
}

fn what_others_do_is_told_with_who_did_it(mode: Mode) {
    let (world, mount) = listed(mode);
    let watch = Watch::start(&mount, &["--json"], "");
    let login = mount.status()["account"]["login"].as_str().unwrap().to_owned();
    let theirs = |what, kind, path, from| change(what, kind, path, from, "box", Some(login.as_str()));
    let act = world.emulator.act();
    act.write_file("/docs/new", b"new").unwrap();
    assert_eq!(watch.changes(1), [theirs("created", "file", "docs/new", None)]);
    act.write_file("/docs/new", b"newer").unwrap();
    assert_eq!(watch.changes(1), [theirs("edited", "file", "docs/new", None)]);
    act.rename("/docs/new", "renamed").unwrap();
    assert_eq!(watch.changes(1), [theirs("moved", "file", "docs/renamed", Some("docs/new"))]);
    act.create_folder("/made").unwrap();
    assert_eq!(watch.changes(1), [theirs("created", "folder", "made", None)]);
    act.move_to("/docs/renamed", "/made").unwrap();
    assert_eq!(watch.changes(1), [theirs("moved", "file", "made/renamed", Some("docs/renamed"))]);
    act.trash("/docs").unwrap();
    assert_eq!(watch.changes(1), [theirs("deleted", "folder", "docs", None)]);
    // A file that a program has open is edited all the same.
    assert!(mount.at("made/renamed").exists());
    let _held = fs::File::open(mount.at("other")).unwrap();
    act.write_file("/other", b"other bytes").unwrap();
    assert_eq!(watch.changes(1), [theirs("edited", "file", "other", None)]);
}

fn what_goes_up_from_here_is_told(mode: Mode) {
    let (_world, mount) = listed(mode);
    let watch = Watch::start(&mount, &["--json"], "");
    let ours = |what, kind, path, from| change(what, kind, path, from, "mount", None);
    fs::create_dir(mount.at("made")).unwrap();
    assert_eq!(watch.changes(1), [ours("created", "folder", "made", None)]);
    fs::write(mount.at("made/file"), b"file").unwrap();
    assert_eq!(watch.changes(1), [ours("created", "file", "made/file", None)]);
    fs::write(mount.at("made/file"), b"file again").unwrap();
    assert_eq!(watch.changes(1), [ours("edited", "file", "made/file", None)]);
    fs::rename(mount.at("made/file"), mount.at("moved")).unwrap();
    assert_eq!(watch.changes(1), [ours("moved", "file", "moved", Some("made/file"))]);
    fs::remove_file(mount.at("moved")).unwrap();
    mount.wait();
    assert_eq!(watch.changes(1), [ours("deleted", "file", "moved", None)]);
}

fn a_first_listing_is_no_news_and_a_watched_folder_is_all_that_is_told(mode: Mode) {
    let (world, mount) = listed(mode);
    world.emulator.act().write_file("/unseen/inner", b"inner").unwrap();
    eventually("the folder is there", SOON, || mount.at("unseen").exists());
    let (all, docs) = (Watch::start(&mount, &["--json"], ""), Watch::start(&mount, &["--json"], "docs"));
    assert_eq!(fs::read_dir(mount.at("unseen")).unwrap().count(), 1);
    world.emulator.act().write_file("/elsewhere", b"x").unwrap();
    assert_eq!(all.changes(1)[0]["path"], "elsewhere");
    world.emulator.act().move_to("/elsewhere", "/docs").unwrap();
    assert_eq!(docs.changes(1)[0]["from"], "elsewhere");
    let ran = mount.command(&["watch"], "nothing").expect_code(1);
    assert!(ran.stderr.contains("there is no 'nothing'"), "{}", ran.stderr);
}

fn lines_for_a_person_and_an_end_by_interrupt(mode: Mode) {
    let (world, mount) = listed(mode);
    let mut watch = Watch::start(&mount, &[], "");
    world.emulator.act().rename("/docs/old", "new").unwrap();
    let line = watch.line();
    let rest = line.split_once("Z  ").unwrap().1;
    assert!(rest.starts_with("moved    docs/old -> docs/new  by "), "{line}");
    fs::write(mount.at("mine"), b"mine").unwrap();
    let line = watch.line();
    assert!(line.ends_with("created  mine  from here"), "{line}");
    assert_eq!(watch.interrupt(), Some(0));
    // A reader that has seen enough.
    let script = format!("{} watch {} | head -n 1", env!("CARGO_BIN_EXE_boxfs"), mount.root.display());
    let head = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let done = std::thread::spawn(move || head.wait_with_output().unwrap());
    let mut number = 0;
    eventually("it ends after its line", SOON, || {
        number += 1;
        world.emulator.act().write_file(&format!("/more-{number}"), b"x").unwrap();
        done.is_finished()
    });
    let output = done.join().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("panicked"), "{told}");
}

fn a_watch_ends_with_its_mount(mode: Mode) {
    let (_world, mount) = listed(mode);
    let mut watch = Watch::start(&mount, &[], "");
    mount.umount();
    assert_eq!(watch.code(), Some(4));
}

fn a_slow_reader_is_told_how_much_it_missed(mode: Mode) {
    let (world, mount) = listed(mode);
    let mut child = spawn(&mount, &["--json"], "");
    let act = world.emulator.act();
    for number in 0..MANY {
        act.write_file(&format!("/docs/{number:0>100}"), b"x").unwrap();
    }
    eventually("the mount has all", Duration::from_secs(100), || {
        fs::read_dir(mount.at("docs")).unwrap().count() == MANY + 1
    });
    let (mut seen, mut missed) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match line["what"].as_str() {
            Some("missed") => missed += line["count"].as_u64().unwrap(),
            _ => seen += 1,
        }
        if seen + missed == MANY as u64 {
            break;
        }
    }
    assert!(missed > 0 && seen > 0, "{seen} seen, {missed} missed");
    child.kill().unwrap();
    child.wait().unwrap();
}
