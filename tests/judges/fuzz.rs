//! Calls that nobody would make, made up from Box's API description: no 500, no hang, and the emulator lives on.

use std::process::Command;
use std::time::Duration;

use boxfs::emulator::Options;
use serde_json::Value;

use super::court::{Court, description};
use super::run::run;
use super::tools;

/// How long calls are made up, in seconds; long with `BOXFS_TEST_LONG`.
const SHORT_SECS: u64 = 20;
const LONG_SECS: u64 = 600;
/// Beyond the making of calls: reading the description on two busy cores.
const MARGIN: Duration = Duration::from_secs(180);
/// What the emulator has; the rest of the description is not fuzzed.
const PLACES: [&str; 10] = [
    "/files",
    "/folders",
    "/events",
    "/users/me",
    "/search",
    "/collaborations",
    "/web_links",
    "/shared_items",
    "/zip_downloads",
    "/folder_locks",
];

/// Box answers 500 to a copy of the root, and so does the emulator.
const COPY: &str = "/folders/{folder_id}/copy";

/// The description with the calls of one host only.
fn narrowed(uploads: bool) -> Value {
    let mut document: Value = serde_json::from_slice(&std::fs::read(description()).unwrap()).unwrap();
    document["paths"].as_object_mut().unwrap().retain(|path, operations| {
        let for_uploads = path.contains("upload_sessions") || path.ends_with("/content");
        let here = PLACES.iter().any(|place| path == place || path.starts_with(&format!("{place}/")));
        operations.as_object_mut().unwrap().retain(|method, _| !for_uploads || (method == "get") != uploads);
        here && path != COPY && !path.contains('#') && (for_uploads || !uploads)
    });
    document
}

fn fuzz(base: &str, uploads: bool) {
    let secs = if std::env::var_os("BOXFS_TEST_LONG").is_some() { LONG_SECS } else { SHORT_SECS };
    let court = Court::open(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, narrowed(uploads).to_string()).unwrap();
    let tools = tools::python("fuzz.txt");
    // Named to its own interpreter: the script's first line has the place where it was installed.
    let mut command = Command::new(tools.join("bin/python"));
    command
        .arg(tools.join("bin/st"))
        .current_dir(dir.path())
        .arg("run")
        .arg(&file)
        .arg("--url")
        .arg(format!("{}{base}", court.emulator.url()));
    command.args(["--header", &format!("Authorization: Bearer {}", court.emulator.token())]);
    command.args(["--checks", "not_a_server_error", "--phases", "fuzzing", "--suppress-health-check", "all"]);
    command.args(["--request-timeout", "30", "--no-color", "--warnings", "off", "--continue-on-failure"]);
    command.args(["--max-time", &secs.to_string()]).env("NO_PROXY", "*");
    println!("{}", run(&mut command, Duration::from_secs(secs) + MARGIN));
    let worst = court.emulator.requests().into_iter().max_by_key(|record| record.status).unwrap();
    assert!(worst.status < 500, "{worst:?}");
}

#[test]
fn made_up_calls_of_the_api_are_answered() {
    fuzz("/2.0", false);
}

#[test]
fn made_up_uploads_are_answered() {
    fuzz("/api/2.0", true);
}
