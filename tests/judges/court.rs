//! An emulator with two users, and what a judge is told about it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boxfs::emulator::{Emulator, Options, UserOptions};
use serde_json::json;

use super::run::run;
use super::tools;

/// Several times what thousands of calls take.
const CHECK_LIMIT: Duration = Duration::from_secs(120);
/// A user beside the first.
const OTHER_TOKEN: &str = "other-developer-token";

/// Box's description of its API.
pub fn description() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openapi.json")
}

/// Any free port.
pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub struct Court {
    pub emulator: Emulator,
    client_id: String,
    client_secret: String,
    enterprise_id: String,
    /// What is said is written down here.
    traffic: tempfile::TempDir,
}

impl Court {
    pub fn open(options: Options) -> Court {
        let other = UserOptions {
            name: "Other User".to_owned(),
            login: "other.user@example.com".to_owned(),
            token: OTHER_TOKEN.to_owned(),
        };
        let traffic = tempfile::tempdir().unwrap();
        let traffic_dir = Some(traffic.path().to_owned());
        let options = Options { users: vec![other], traffic: traffic_dir, ..options };
        let (client_id, client_secret) = (options.client_id.clone(), options.client_secret.clone());
        let enterprise_id = options.enterprise_id.clone();
        Court { emulator: Emulator::start(options).unwrap(), client_id, client_secret, enterprise_id, traffic }
    }

    /// Checks all that was said against Box's description of its API.
    pub fn check_traffic(&self) {
        let mut command = Command::new(tools::python("python.txt").join("bin/python"));
        command.arg("-B").arg(tools::sources().join("python/validate.py"));
        command.arg(description()).arg(self.traffic.path());
        println!("{}", run(&mut command, CHECK_LIMIT));
    }

    /// The application: its id and secret.
    pub fn client(&self) -> (&str, &str) {
        (&self.client_id, &self.client_secret)
    }

    /// What the scripts read from the environment variable `JUDGE`.
    pub fn brief(&self, proxied: bool) -> String {
        json!({
            "url": self.emulator.url(),
            "token": self.emulator.token(),
            "other_token": OTHER_TOKEN,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "enterprise_id": self.enterprise_id,
            "proxied": proxied,
        })
        .to_string()
    }
}
