//! Shutdown and sleep are held up while work is on its way: a private system bus with a stand-in of logind on it.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd as Descriptor};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use boxfs::emulator::FaultScript;
use futures_util::StreamExt;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zbus::{Connection, Message, MessageStream, OwnedFd};

use crate::support::{Mode, SOON, World, eventually};

/// A bus of this test alone.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start() -> Bus {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut output = daemon.stdout.take().unwrap();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            address.push(char::from(byte[0]));
        }
        Bus { daemon, address }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// One answered `Inhibit`.
struct Lock {
    asked: [String; 4],
    /// The other end of what the client holds open.
    end: File,
}

impl Lock {
    fn is_held(&self) -> bool {
        let mut polled = [PollFd::new(self.end.as_fd(), PollFlags::empty())];
        poll(&mut polled, PollTimeout::ZERO).unwrap();
        !polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }
}

#[derive(Clone, Default)]
struct Logind {
    locks: Arc<Mutex<Vec<Lock>>>,
    /// Who may not block may delay.
    refuses_blocks: bool,
}

impl Logind {
    /// On `bus` until the runtime goes.
    fn serve(self, bus: &Bus) -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = bus.address.clone();
        let connection = runtime.block_on(async move {
            let connection = zbus::connection::Builder::address(address.as_str()).build().await.unwrap();
            connection.request_name("org.freedesktop.login1").await.unwrap();
            connection
        });
        runtime.spawn(async move {
            let mut calls = MessageStream::from(&connection);
            while let Some(Ok(call)) = calls.next().await {
                if call.header().member().is_some_and(|member| member.as_str() == "Inhibit") {
                    self.inhibit(&connection, &call).await;
                }
            }
        });
        runtime
    }

    async fn inhibit(&self, connection: &Connection, call: &Message) {
        let (what, who, why, mode): (String, String, String, String) = call.body().deserialize().unwrap();
        if self.refuses_blocks && mode == "block" {
            let refusal = "org.freedesktop.DBus.Error.AccessDenied";
            return connection.reply_error(&call.header(), refusal, &("not here",)).await.unwrap();
        }
        let (reader, writer) = std::io::pipe().unwrap();
        let end = File::from(Descriptor::from(reader));
        self.locks.lock().unwrap().push(Lock { asked: [what, who, why, mode], end });
        connection.reply(&call.header(), &(OwnedFd::from(Descriptor::from(writer)),)).await.unwrap();
    }

    fn held(&self) -> usize {
        self.locks.lock().unwrap().iter().filter(|lock| lock.is_held()).count()
    }
}

#[test]
fn shutdown_and_sleep_wait_while_work_is_on_its_way() {
    let world = World::new(Mode::Copying);
    let bus = Bus::start();
    let logind = Logind::default();
    let _running = logind.clone().serve(&bus);
    let mount = world.mounter("main").variable("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).start();
    fs::write(mount.at("before"), "text").unwrap();
    mount.wait();
    eventually("nothing is held without work", SOON, || logind.held() == 0);
    // Box is slow with this one.
    let slow = r#"{"rules": [{"method": "POST", "path": "*/content*", "do": {"kind": "stall", "ms": 6000}}]}"#;
    world.emulator.set_faults(FaultScript::parse(slow).unwrap());
    fs::write(mount.at("doc"), "text").unwrap();
    eventually("shutdown and sleep are held up", SOON, || logind.held() == 1);
    let asked = logind.locks.lock().unwrap().last().unwrap().asked.clone();
    assert_eq!(asked, ["shutdown:sleep", "boxfs", "files are on their way to Box", "block"]);
    mount.wait();
    eventually("they are free again", SOON, || logind.held() == 0);
    // What a pause keeps here does not move: nobody has to wait for it.
    mount.command(&["pause"], "").ok();
    let before = logind.locks.lock().unwrap().len();
    fs::write(mount.at("paused"), "text").unwrap();
    assert_eq!(mount.command(&["wait"], "").code, Some(3));
    mount.command(&["umount", "--now"], "").expect_code(3);
    assert_eq!(logind.locks.lock().unwrap().len(), before);
}

#[test]
fn who_may_not_block_delays() {
    let world = World::new(Mode::Copying);
    let bus = Bus::start();
    let logind = Logind { refuses_blocks: true, ..Logind::default() };
    let _running = logind.clone().serve(&bus);
    let mount = world.mounter("main").variable("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).start();
    let slow = r#"{"rules": [{"method": "POST", "path": "*/content*", "do": {"kind": "stall", "ms": 6000}}]}"#;
    world.emulator.set_faults(FaultScript::parse(slow).unwrap());
    fs::write(mount.at("doc"), "text").unwrap();
    eventually("shutdown and sleep are held up", SOON, || logind.held() == 1);
    assert_eq!(logind.locks.lock().unwrap()[0].asked[3], "delay");
    // A daemon that is killed holds nothing.
    mount.kill();
    eventually("they are free again", SOON, || logind.held() == 0);
}

#[test]
fn without_a_bus_nothing_happens() {
    let world = World::new(Mode::Copying);
    let mount = world.mounter("main").variable("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus").start();
    fs::write(mount.at("doc"), "text").unwrap();
    mount.wait();
    world.expect_bytes("/doc", b"text");
}
