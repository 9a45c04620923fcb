//! Box's SDK for Python.

use std::process::Command;
use std::time::Duration;

use boxfs::emulator::Options;

use super::court::{Court, loopback};
use super::run::run;
use super::tools;

/// Several times what a script takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(240);

fn python(script: &str, brief: String) -> Command {
    let tools = tools::python("python.txt");
    let mut command = Command::new(tools.join("bin/python"));
    command.arg("-B").arg(tools::sources().join("python").join(script)).env("JUDGE", brief);
    command
}

/// The SDK with the emulator's address as its base URL.
fn judge(script: &str) {
    let court = Court::open(Options::default());
    println!("{}", run(python(script, court.brief(false)).env("NO_PROXY", "*"), LIMIT));
    court.check_traffic();
}

#[test]
fn the_python_sdk_leads_items_through_their_lives() {
    judge("items.py");
}

#[test]
fn the_python_sdk_moves_bytes_up_and_down() {
    judge("transfers.py");
}

#[test]
fn the_python_sdk_follows_events() {
    judge("events.py");
}

#[test]
fn the_python_sdk_tries_again_by_itself() {
    judge("retries.py");
}

/// The SDK as it comes: Box's host names, a proxy and a certificate authority in the environment.
#[test]
fn the_python_sdk_signs_in_in_each_of_its_modes_without_knowing_of_an_emulator() {
    let court = Court::open(Options { proxy_listen: Some(loopback()), ..Options::default() });
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, court.emulator.ca_certificate().unwrap()).unwrap();
    let mut command = python("sign_in.py", court.brief(true));
    command.env("HTTPS_PROXY", court.emulator.proxy_url().unwrap()).env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("REQUESTS_CA_BUNDLE", &ca).env("SSL_CERT_FILE", &ca);
    println!("{}", run(&mut command, LIMIT));
    court.check_traffic();
}
