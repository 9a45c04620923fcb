//! Networks of companies: a proxy with a password, a certificate authority of their own, IPv6, pages in Box's place, wrong clocks.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use boxfs::emulator::Options;

use crate::support::{Gate, Mode, Mount, Person, World, bytes_of, run_told};

/// Copies files in, waits, looks at Box, reads one back from an empty cache.
#[track_caller]
fn expect_main_job(world: &World, mount: Mount, again: impl FnOnce() -> Mount) {
    let (small, large) = (bytes_of(12_345, 1), bytes_of(21_000_000, 2));
    std::fs::write(mount.at("small"), &small).unwrap();
    std::fs::write(mount.at("large"), &large).unwrap();
    mount.wait();
    world.expect_bytes("/small", &small);
    world.expect_bytes("/large", &large);
    mount.umount();
    let second = again();
    assert!(std::fs::read(second.at("large")).unwrap() == large);
    second.umount();
}

/// An emulator that stands for Box's own hosts behind its proxy, and the file of its authority.
fn behind_a_proxy(listen: &str) -> (World, String) {
    let address = listen.parse().unwrap();
    let options =
        Options { proxy_listen: Some(address), listen: address, download_listen: address, ..Options::default() };
    let world = World::with(Mode::Copying, options);
    let ca = world.dir().join("company.pem");
    std::fs::write(&ca, world.emulator.ca_certificate().unwrap()).unwrap();
    (world, ca.display().to_string())
}

#[test]
fn the_main_job_works_through_a_proxy_with_a_password_a_private_authority_and_ipv6() {
    let (world, ca) = behind_a_proxy("[::1]:0");
    let gate = Gate::open("[::1]:0", &world.emulator.proxy_url().unwrap(), "ada:pass word");
    let proxy = format!("http://ada:pass%20word@{}", gate.address);
    let mounter = |name: &str, variable: &str| {
        world.mounter(name).variable("BOXFS_SERVER", "").variable(variable, &proxy).args(["--ca-file", &ca])
    };
    let mount = mounter("main", "HTTPS_PROXY").start();
    expect_main_job(&world, mount, || mounter("second", "BOXFS_PROXY").start());
    assert!(gate.let_in() > 0 && gate.turned_away() == 0);
}

#[test]
fn a_person_signs_in_through_the_proxy_too() {
    let (world, ca) = behind_a_proxy("127.0.0.1:0");
    let gate = Gate::open("127.0.0.1:0", &world.emulator.proxy_url().unwrap(), "ada:secret");
    let person = Person::new(&world, "ada");
    let proxy = format!("http://ada:secret@{}", gate.address);
    person.says(&["config", "set", "proxy"], &format!("{proxy}\n")).ok();
    person.says(&["config", "set", "ca-file", &ca], "").ok();
    let mut login = person.command(&["login", "--client-credentials", "--user", &world.emulator.first_user()]);
    run_told(login.env("BOXFS_SERVER", ""), "", crate::support::PROGRAM_LIMIT).ok();
    let mount = person.mounter("main").variable("BOXFS_SERVER", "").start();
    std::fs::write(mount.at("letter"), "through the gate").unwrap();
    mount.wait();
    world.expect_bytes("/letter", b"through the gate");
    mount.umount();
    assert_eq!(gate.turned_away(), 0);
}

#[test]
fn what_stands_in_the_way_is_named_with_what_to_do() {
    let (world, ca) = behind_a_proxy("127.0.0.1:0");
    let beyond = world.emulator.proxy_url().unwrap();
    let gate = Gate::open("127.0.0.1:0", &beyond, "ada:secret");
    let (without, wrong) = (format!("http://{}", gate.address), format!("http://ada:hunter2@{}", gate.address));
    for (proxy, trusted, hint) in [
        (without.as_str(), true, "http://USER:PASSWORD@HOST:PORT"),
        (&wrong, true, "http://USER:PASSWORD@HOST:PORT"),
        (&beyond, false, "give its certificate with --ca-file"),
        ("http://127.0.0.1:1", true, "the proxy"),
    ] {
        let mut mounter = world.mounter("main").variable("BOXFS_SERVER", "").variable("HTTPS_PROXY", proxy);
        if trusted {
            mounter = mounter.args(["--ca-file", &ca]);
        }
        let told = mounter.run().expect_code(1).stderr;
        assert!(told.contains(hint), "{proxy}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_main_job_works_over_ipv6_with_https_and_a_private_authority() {
    for tls in [false, true] {
        let address = "[::1]:0".parse().unwrap();
        let world = World::with(
            Mode::Copying,
            Options { listen: address, download_listen: address, tls, ..Options::default() },
        );
        let scheme = if tls { "https://[::1]:" } else { "http://[::1]:" };
        assert!(world.emulator.url().starts_with(scheme), "{}", world.emulator.url());
        let ca = world.dir().join("company.pem");
        let mut options = Vec::new();
        if let Some(certificate) = world.emulator.ca_certificate() {
            std::fs::write(&ca, certificate).unwrap();
            options = vec!["--ca-file", ca.to_str().unwrap()];
        }
        let mount = world.mounter("main").args(options.clone()).start();
        expect_main_job(&world, mount, || world.mounter("second").args(options).start());
    }
}

/// Answers everything with a page, as the network of a hotel does.
fn portal(status: &'static str, header: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.read(&mut [0; 4096]);
            let page = "<html><body>Welcome to the hotel</body></html>";
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\n{header}Content-Length: {}\r\n", page.len());
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{page}").as_bytes());
        }
    });
    url
}

#[test]
fn a_captive_portal_is_recognized_by_mount_and_doctor() {
    let world = World::new(Mode::Copying);
    for (status, header) in [
        ("200 OK", ""),
        ("302 Found", "Location: http://hotel.example/\r\n"),
        ("403 Forbidden", ""),
        ("511 Network Authentication Required", ""),
    ] {
        let portal = portal(status, header);
        let told = world.mounter("main").server(&portal).run().expect_code(1).stderr;
        assert!(told.contains("open a browser and sign in there"), "{status}: {told}");
        let person = Person::new(&world, "ada");
        let looked = run_told(person.command(&["doctor"]).env("BOXFS_SERVER", &portal), "", Duration::from_secs(60));
        let looked = looked.expect_code(1).stdout;
        assert!(
            looked.contains("something else answers in Box's place\n        ") && looked.contains("open a browser")
        );
    }
}

#[test]
fn a_wrong_clock_is_said() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    assert!(person.says(&["doctor"], "").ok().stdout.contains("Clock: agrees with Box's"));
    world.emulator.advance_clock(Duration::from_secs(600));
    let told = person.says(&["doctor"], "").expect_code(1).stdout;
    assert!(told.contains("s behind Box\n        set it: 'timedatectl set-ntp true'"), "{told}");
    world.emulator.turn_clock_back(Duration::from_secs(1200));
    let told = person.says(&["doctor"], "").expect_code(1).stdout;
    assert!(told.contains("s ahead of Box\n"), "{told}");
}
