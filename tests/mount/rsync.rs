//! rsync into the mount, with the flags that people use: one call for each file that changed, in place, and none for the rest.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{
    Calls, Mode, Mount, SOON, World, assert_same_everywhere, at_full_size, bytes_of, eventually, run_in, tree_at,
};

in_both_modes!(
    a_tree_costs_one_call_a_file_and_again_none,
    flags_that_keep_times_send_what_changed_in_place,
    without_times_equal_bytes_are_not_sent_again,
    append_verify_goes_on_with_a_grown_file,
    backups_stay_beside_files_that_keep_their_ids,
    what_is_deleted_at_the_source_is_deleted,
    attributes_of_files_are_kept,
    pushed_over_ssh_it_is_the_same,
);

const OLD: u64 = 1_400_000_000;

/// Files in folders of 100, with times of the past.
fn make_source(world: &World, files: usize) -> std::path::PathBuf {
    let source = world.make_dir("source/tree");
    for n in 0..files {
        let folder = source.join(format!("folder {}", n / 100));
        std::fs::create_dir_all(&folder).unwrap();
        put(&folder.join(format!("file {n}.txt")), &bytes_of(200 + n % 3000, n as u64), OLD + n as u64);
    }
    source
}

fn put(path: &Path, bytes: &[u8], modified: u64) {
    std::fs::write(path, bytes).unwrap();
    let at = UNIX_EPOCH + Duration::new(modified, 123_456_789);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

/// Path, id, number of versions and time of each file in Box.
fn files_in_box(world: &World) -> BTreeMap<String, (String, usize, i64)> {
    let files = world.emulator.items().into_iter().filter(|item| item.kind == "file" && !item.trashed);
    files.map(|item| (item.path, (item.id, item.version_ids.len(), item.content_modified_at))).collect()
}

fn rsync(world: &World, mount: &Mount, flags: &[&str]) -> String {
    let mut arguments = flags.to_vec();
    let to = format!("{}/", mount.root.display());
    arguments.extend(["source/tree", &to]);
    let told = run_in(world.dir(), "rsync", arguments).stdout;
    mount.wait();
    told
}

fn a_tree_costs_one_call_a_file_and_again_none(mode: Mode) {
    let world = World::new(mode);
    let files = if at_full_size() { 2000 } else { 300 };
    let folders = files / 100 + 1;
    let source = make_source(&world, files);
    let mount = world.mounter("main").limit(Duration::from_secs(600)).start();
    world.emulator.reset_requests();
    rsync(&world, &mount, &["-a"]);
    assert_eq!(world.uploads(), Calls { posts: files, ..Calls::default() });
    assert_eq!(world.requests("POST", "/2.0/folders").len(), folders);
    assert_eq!(world.changing_requests().len(), files + folders);
    expect_few_questions(&world, folders + 1);
    let first = files_in_box(&world);
    assert_eq!(first.len(), files);
    assert!(first.values().all(|(_, versions, _)| *versions == 1));
    world.emulator.reset_requests();
    assert_eq!(rsync(&world, &mount, &["-ai"]), "", "nothing differs");
    assert_eq!(world.changing_requests(), []);
    expect_few_questions(&world, 0);
    let changed: Vec<usize> = (0..files).step_by(20).collect();
    for n in &changed {
        let path = source.join(format!("folder {}/file {n}.txt", n / 100));
        put(&path, &bytes_of(500, 7000 + *n as u64), OLD + 100_000 + *n as u64);
    }
    world.emulator.reset_requests();
    rsync(&world, &mount, &["-a"]);
    assert_eq!(world.changing_requests().len(), changed.len(), "{} changed", changed.len());
    expect_few_questions(&world, 0);
    let second = files_in_box(&world);
    assert!(first.iter().all(|(path, (id, ..))| second[path].0 == *id), "every id is kept");
    let twice = second.values().filter(|(_, versions, _)| *versions == 2).count();
    assert_eq!((twice, second.len()), (changed.len(), files));
    let shown = tree_at(&mount.root.join("tree"));
    assert_eq!(shown, tree_at(&source));
}

/// At most `listings` questions beside those about events, the account and the token.
fn expect_few_questions(world: &World, listings: usize) {
    let asked = world.emulator.requests().into_iter().filter(|r| r.method == "GET");
    let other = |path: &str| !["/2.0/events", "/2.0/users/me", "/oauth2"].iter().any(|known| path.starts_with(known));
    let asked: Vec<_> = asked.filter(|r| r.door == "api" && other(&r.path)).map(|r| r.path).collect();
    assert!(asked.iter().all(|path| path.starts_with("/2.0/folders/")), "{asked:#?}");
    assert!(asked.len() <= listings, "{asked:#?}");
}

fn flags_that_keep_times_send_what_changed_in_place(mode: Mode) {
    for flags in
        [&["-a"][..], &["-a", "--inplace"], &["-a", "--partial"], &["-a", "--delay-updates"], &["-a", "--temp-dir=tmp"]]
    {
        let world = World::new(mode);
        let source = make_source(&world, 12);
        let mount = world.mount();
        // Relative to where rsync writes.
        std::fs::create_dir(mount.at("tmp")).unwrap();
        rsync(&world, &mount, flags);
        let first = files_in_box(&world);
        for n in [3_usize, 7] {
            put(&source.join(format!("folder 0/file {n}.txt")), &bytes_of(900, 50 + n as u64), OLD + 500 + n as u64);
        }
        world.emulator.reset_requests();
        rsync(&world, &mount, flags);
        assert_eq!(world.changing_requests().len(), 2, "{flags:?}: {:#?}", world.changing_requests());
        let second = files_in_box(&world);
        for (path, (id, ..)) in &first {
            let changed = path.ends_with("file 3.txt") || path.ends_with("file 7.txt");
            let (id_then, versions, modified) = &second[path];
            assert_eq!((id_then, *versions), (id, 1 + usize::from(changed)), "{flags:?} {path}");
            let n: i64 = path.trim_end_matches(".txt").rsplit(' ').next().unwrap().parse().unwrap();
            assert_eq!(*modified, OLD as i64 + n + if changed { 500 } else { 0 }, "{flags:?} {path}");
        }
        assert_eq!(second.len(), 12, "{flags:?}");
        assert!(world.emulator.items().iter().all(|item| !item.trashed), "{flags:?}");
    }
}

fn without_times_equal_bytes_are_not_sent_again(mode: Mode) {
    let world = World::new(mode);
    make_source(&world, 6);
    let mount = world.mount();
    rsync(&world, &mount, &["-r"]);
    let first = files_in_box(&world);
    world.emulator.reset_requests();
    // Without times rsync believes that every file differs, and writes it again.
    rsync(&world, &mount, &["-r", "--ignore-times"]);
    assert_eq!(world.uploads(), Calls::default());
    let second = files_in_box(&world);
    assert!(first.iter().all(|(path, (id, ..))| second[path].0 == *id && second[path].1 == 1), "{second:#?}");
}

fn append_verify_goes_on_with_a_grown_file(mode: Mode) {
    let world = World::new(mode);
    let source = make_source(&world, 2);
    let mount = world.mount();
    rsync(&world, &mount, &["-a", "--append-verify"]);
    let path = source.join("folder 0/file 1.txt");
    let mut grown = std::fs::read(&path).unwrap();
    grown.extend_from_slice(b"and more");
    put(&path, &grown, OLD + 900);
    let id = world.in_box("/tree/folder 0/file 1.txt").id;
    world.emulator.reset_requests();
    rsync(&world, &mount, &["-a", "--append-verify"]);
    let after = world.expect_bytes("/tree/folder 0/file 1.txt", &grown);
    assert_eq!((after.id, after.version_ids.len(), after.content_modified_at), (id, 2, OLD as i64 + 900));
    assert_eq!(world.changing_requests().len(), 1);
}

fn backups_stay_beside_files_that_keep_their_ids(mode: Mode) {
    let world = World::new(mode);
    let source = make_source(&world, 2);
    let mount = world.mount();
    rsync(&world, &mount, &["-a", "--backup"]);
    let before = world.in_box("/tree/folder 0/file 1.txt");
    let old = std::fs::read(source.join("folder 0/file 1.txt")).unwrap();
    put(&source.join("folder 0/file 1.txt"), b"changed", OLD + 900);
    rsync(&world, &mount, &["-a", "--backup"]);
    let after = world.expect_bytes("/tree/folder 0/file 1.txt", b"changed");
    assert_eq!((&after.id, after.version_ids.len()), (&before.id, 2));
    assert_ne!(world.expect_bytes("/tree/folder 0/file 1.txt~", &old).id, before.id);
}

fn what_is_deleted_at_the_source_is_deleted(mode: Mode) {
    let world = World::new(mode);
    let source = make_source(&world, 103);
    let mount = world.mount();
    rsync(&world, &mount, &["-a", "--delete"]);
    std::fs::remove_dir_all(source.join("folder 1")).unwrap();
    std::fs::remove_file(source.join("folder 0/file 5.txt")).unwrap();
    world.emulator.reset_requests();
    rsync(&world, &mount, &["-a", "--delete"]);
    assert_eq!(files_in_box(&world).len(), 99);
    assert_eq!(world.uploads(), Calls::default());
    assert_same_everywhere(&world, &mount);
}

fn attributes_of_files_are_kept(mode: Mode) {
    let world = World::new(mode);
    let source = make_source(&world, 2);
    let path = source.join("folder 0/file 1.txt");
    xattr::set(&path, "user.origin", b"https://example.org/").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("file 1.txt", source.join("folder 0/link")).unwrap();
    let mount = world.mount();
    rsync(&world, &mount, &["-aX"]);
    mount.umount();
    let mount = world.mount();
    let there = mount.at("tree/folder 0/file 1.txt");
    assert_eq!(xattr::get(&there, "user.origin").unwrap().as_deref(), Some(&b"https://example.org/"[..]));
    assert_eq!(there.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_link(mount.at("tree/folder 0/link")).unwrap().to_str(), Some("file 1.txt"));
    world.emulator.reset_requests();
    assert_eq!(rsync(&world, &mount, &["-aXi"]), "", "nothing differs");
    assert_eq!(world.changing_requests(), []);
}

/// A server for this test alone, on loopback; ended when dropped.
struct SshServer {
    process: Child,
    port: u16,
}

impl SshServer {
    fn start(dir: &Path) -> SshServer {
        for key in ["host_key", "user_key"] {
            run_in(dir, "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
        }
        std::fs::copy(dir.join("user_key.pub"), dir.join("authorized_keys")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| dir.join(name).display().to_string();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPasswordAuthentication no\n",
            at("host_key"),
            at("authorized_keys")
        );
        std::fs::write(dir.join("sshd_config"), configuration).unwrap();
        // Where root runs it, it wants an empty directory of its own, which the package makes at boot.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", &at("sshd_config")]).stdin(Stdio::null());
        command.stderr(File::create(dir.join("sshd.log")).unwrap());
        let process = command.spawn().unwrap();
        eventually("the server listens", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        SshServer { process, port }
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pushed_over_ssh_it_is_the_same(mode: Mode) {
    let world = World::new(mode);
    let source = make_source(&world, 30);
    let mount = world.mount();
    let keys = world.make_dir("keys");
    let server = SshServer::start(&keys);
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let shell = format!(
        "ssh -p {} -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        server.port,
        keys.join("user_key").display()
    );
    let to = format!("{user}@127.0.0.1:{}/", mount.root.display());
    let push = || {
        run_in(world.dir(), "rsync", ["-ai", "-e", &shell, "source/tree", &to]);
        mount.wait();
    };
    push();
    let first = files_in_box(&world);
    assert_eq!((first.len(), world.uploads().posts), (30, 30));
    world.emulator.reset_requests();
    push();
    assert_eq!(world.changing_requests(), []);
    put(&source.join("folder 0/file 4.txt"), b"changed", OLD + 777);
    push();
    assert_eq!(world.changing_requests().len(), 1);
    let after = world.expect_bytes("/tree/folder 0/file 4.txt", b"changed");
    let (id, ..) = &first["/tree/folder 0/file 4.txt"];
    assert_eq!((&after.id, after.version_ids.len(), after.content_modified_at), (id, 2, OLD as i64 + 777));
}
