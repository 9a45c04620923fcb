//! Calls that nobody would make, made up from Box's API description: no 500, no hang, and the emulator lives on.

use std::process::Command;
use std::time::Duration;

use boxfs::emulator::{Emulator, Options};
use serde_json::{Value, json};

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
    "/users",
    "/search",
    "/collaborations",
    "/web_links",
    "/shared_items",
    "/zip_downloads",
    "/folder_locks",
];
const SIGN_IN: [&str; 2] = ["/oauth2/token", "/oauth2/revoke"];
const COPY: &str = "/folders/{folder_id}/copy";

/// Which of the emulator's hosts is called.
#[derive(Clone, Copy, PartialEq)]
enum Host {
    Api,
    Uploads,
    SignIn,
    /// The API's, for copies of folders alone.
    Copies,
}

impl Host {
    fn base(self) -> &'static str {
        match self {
            Host::Api | Host::Copies => "/2.0",
            Host::Uploads => "/api/2.0",
            Host::SignIn => "",
        }
    }

    fn has(self, path: &str, method: &str) -> bool {
        if self == Host::SignIn || SIGN_IN.contains(&path) {
            return self == Host::SignIn && SIGN_IN.contains(&path);
        }
        if self == Host::Copies || path == COPY {
            return self == Host::Copies && path == COPY;
        }
        let for_uploads = path.contains("upload_sessions") || (path.ends_with("/content") && method == "post");
        let within = |place: &&str| path == *place || path.starts_with(&format!("{place}/"));
        let here = PLACES.iter().any(within);
        here && !path.contains('#') && for_uploads == (self == Host::Uploads)
    }
}

/// Things for the calls to hit: a file, a folder with something in it, and a folder to copy it to.
struct Targets {
    file: String,
    folder: String,
    copies: String,
}

impl Targets {
    fn make(emulator: &Emulator) -> Targets {
        let actor = emulator.act();
        for path in ["/file", "/folder/inner/file", "/copies/file"] {
            actor.write_file(path, path.as_bytes()).unwrap();
        }
        let id = |path: &str| emulator.find(path).unwrap().id;
        Targets { file: id("/file"), folder: id("/folder"), copies: id("/copies") }
    }

    /// Makes calls meet what is there now and then. One folder is copied to one place only: copies of copies would grow
    /// without bounds.
    fn aim(&self, path: &str, operation: &mut Value) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let ids = match (parameter["in"].as_str(), parameter["name"].as_str()) {
                (Some("path"), Some("file_id")) => json!([self.file, "987654321", "x"]),
                (Some("path"), Some("folder_id")) if path == COPY => json!([self.folder]),
                (Some("path"), Some("folder_id")) => json!([self.folder, self.copies, "0", "987654321", "x"]),
                _ => continue,
            };
            parameter["schema"] = json!({"type": "string", "enum": ids});
        }
        if path == COPY {
            let parent = &mut operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["parent"];
            parent["properties"]["id"] = json!({"type": "string", "enum": [self.copies]});
        }
    }

    /// The description with the calls of one host only.
    fn narrowed(&self, host: Host) -> Value {
        let mut document: Value = serde_json::from_slice(&std::fs::read(description()).unwrap()).unwrap();
        document["paths"].as_object_mut().unwrap().retain(|path, operations| {
            let operations = operations.as_object_mut().unwrap();
            operations.retain(|method, _| host.has(path, method));
            operations.values_mut().for_each(|operation| self.aim(path, operation));
            !operations.is_empty()
        });
        document
    }
}

fn fuzz(host: Host) {
    let secs = if std::env::var_os("BOXFS_TEST_LONG").is_some() { LONG_SECS } else { SHORT_SECS };
    let court = Court::open(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, Targets::make(&court.emulator).narrowed(host).to_string()).unwrap();
    let tools = tools::python("fuzz.txt");
    // By its own interpreter: the script's first line has the place where it was installed.
    let mut command = Command::new(tools.join("bin/python"));
    command.arg(tools.join("bin/st")).arg("run").arg(&file).current_dir(dir.path());
    command.args(["--url", &format!("{}{}", court.emulator.url(), host.base())]);
    command.args(["--header", &format!("Authorization: Bearer {}", court.emulator.token())]);
    command.args(["--checks", "not_a_server_error", "--phases", "fuzzing", "--suppress-health-check", "all"]);
    command.args(["--request-timeout", "30", "--no-color", "--warnings", "off", "--continue-on-failure"]);
    command.args(["--max-time", &secs.to_string()]).env("NO_PROXY", "*");
    // What is not in the description may name the root, of whose copy Box answers 500.
    command.args(["--mode", if host == Host::Copies { "positive" } else { "all" }]);
    println!("{}", run(&mut command, Duration::from_secs(secs) + MARGIN));
    let calls = court.emulator.requests();
    let worst = calls.iter().max_by_key(|record| record.status).unwrap();
    assert!(worst.status < 500, "{worst:?}");
    let slowest = calls.iter().max_by_key(|record| record.duration_ms).unwrap();
    println!("{} calls; the slowest: {slowest:?}", calls.len());
}

#[test]
fn made_up_calls_of_the_api_are_answered() {
    fuzz(Host::Api);
}

#[test]
fn made_up_copies_of_folders_are_answered() {
    fuzz(Host::Copies);
}

#[test]
fn made_up_uploads_are_answered() {
    fuzz(Host::Uploads);
}

#[test]
fn made_up_sign_ins_are_answered() {
    fuzz(Host::SignIn);
}
