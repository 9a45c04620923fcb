//! Box's SDK for Node.

use std::process::Command;
use std::time::Duration;

use boxfs::emulator::Options;

use super::court::{Court, loopback};
use super::run::run;
use super::tools;

/// Several times what a script takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(240);

fn node(script: &str, brief: String) -> Command {
    let mut command = Command::new("node");
    command.arg(tools::sources().join("node").join(script)).env("JUDGE", brief);
    command.env("NODE_PATH", tools::node().join("node_modules"));
    command
}

/// The SDK with the emulator's address as its base URL.
fn judge(script: &str) {
    let court = Court::open(Options::default());
    println!("{}", run(node(script, court.brief(false)).env("NO_PROXY", "*"), LIMIT));
    court.check_traffic();
}

#[test]
fn the_node_sdk_leads_items_through_their_lives() {
    judge("items.js");
}

#[test]
fn the_node_sdk_signs_in_in_each_of_its_modes() {
    judge("sign_in.js");
}

#[test]
fn the_node_sdk_follows_events() {
    judge("events.js");
}

#[test]
fn the_node_sdk_tries_again_by_itself() {
    judge("retries.js");
}

/// The SDK as it comes: Box's host names, a proxy and a certificate authority in the environment.
#[test]
fn the_node_sdk_moves_bytes_without_knowing_of_an_emulator() {
    let court = Court::open(Options { proxy_listen: Some(loopback()), ..Options::default() });
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, court.emulator.ca_certificate().unwrap()).unwrap();
    let mut command = node("transfers.js", court.brief(true));
    command.env("HTTPS_PROXY", court.emulator.proxy_url().unwrap()).env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("NODE_EXTRA_CA_CERTS", &ca);
    println!("{}", run(&mut command, LIMIT));
    court.check_traffic();
}
