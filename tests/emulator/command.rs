//! `boxfs emulator` as a person meets it: help, banner, files.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::wire::{Caller, eventually};

/// A running `boxfs emulator`; ends when dropped.
struct Running {
    child: Child,
    banner: Vec<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxfs"));
        let mut child = command.arg("emulator").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut banner = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            banner.push(line.unwrap());
            if banner.last().is_some_and(|line| line.starts_with("Stop it")) {
                break;
            }
        }
        Running { child, banner }
    }

    fn line(&self, label: &str) -> &str {
        let line = self.banner.iter().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no '{label}' in {:?}", self.banner)).trim()
    }

    fn caller(&self) -> Caller {
        Caller { base: self.line("server: ").to_owned(), token: self.line("token: ").to_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_banner_says_where_everything_is_and_how_to_point_a_client_at_it() {
    let running = Running::start(&["--token", "mine"]);
    let caller = running.caller();
    assert_eq!(caller.token, "mine");
    assert_eq!(running.line("API "), format!("{}/2.0", caller.base));
    assert_eq!(running.line("uploads "), format!("{}/api/2.0", caller.base));
    assert!(running.line("downloads ").starts_with("http://127.0.0.1:"));
    assert!(running.line("Mount it: ").contains(&format!("--server {}", caller.base)));
    let ask = running.line("Ask it: ");
    assert!(ask.starts_with("curl -H 'Authorization: Bearer mine' http"), "{ask}");
    let listed = caller.get(ask.rsplit(' ').next().unwrap());
    assert_eq!((listed.status, listed.json()["entries"].clone()), (200, json!([])));
}

#[test]
fn help_has_examples_and_every_name_that_can_be_set() {
    let help = |flag: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_boxfs")).args(["emulator", flag]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for text in [help("-h"), help("--help")] {
        assert!(text.contains("Examples:") && text.contains("boxfs emulator --listen 127.0.0.1:8080 --data"), "{text}");
    }
    assert!(help("--help").contains("realtime_max_retries=COUNT"));
}

#[test]
fn options_are_set_by_name() {
    let running =
        Running::start(&["--set", "download-202=1", "--set", "space_amount=1000", "--set", "calls_a_minute=6"]);
    let caller = running.caller();
    assert_eq!(caller.get("/2.0/users/me").json()["space_amount"], 1000);
    let file = caller.new_file("a", b"x");
    let content = format!("/2.0/files/{}/content", file["id"].as_str().unwrap());
    assert_eq!([caller.get(&content).status, caller.get(&content).status], [202, 302]);
    assert_eq!(
        [caller.get(&content).status, caller.get(&content).status, caller.get(&content).status],
        [302, 302, 429]
    );
    let wrong = Command::new(env!("CARGO_BIN_EXE_boxfs")).args(["emulator", "--set", "plan=perhaps"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("write yes or no"));
}

#[test]
fn keys_tokens_and_the_account_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("account"), dir.path().join("config.json"));
    let log = dir.path().join("calls.jsonl");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let running = Running::start(&[
        "--data",
        &text(&data),
        "--jwt-config",
        &text(&config),
        "--request-log",
        &text(&log),
        "--tls",
        "--ca-file",
        &text(&dir.path().join("ca.pem")),
    ]);
    let written = || std::fs::read_to_string(&config).is_ok_and(|text| text.ends_with("}\n"));
    eventually("the configuration is written", written);
    let read: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    assert!(read["boxAppSettings"]["appAuth"]["privateKey"].as_str().unwrap().starts_with("-----BEGIN ENCRYPTED"));
    for path in [config, log, data.join("journal"), data.join("app-key.der"), data.join("ca-key.pem")] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&data), 0o700);
    drop(running);
}
