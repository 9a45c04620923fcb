//! Somebody with a home directory who signs in, and what a browser does for them.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use boxfs::base::Timestamp;
use serde_json::Value;

use super::mounter::{Mounter, boxfs};
use super::run::{Ran, run_told};
use super::{PROGRAM_LIMIT, World};

/// The application that every emulator knows.
pub const CLIENT_ID: &str = "emulator-client-id";
pub const CLIENT_SECRET: &str = "emulator-client-secret";

pub struct Person<'w> {
    pub home: PathBuf,
    world: &'w World,
}

impl<'w> Person<'w> {
    pub fn new(world: &'w World, name: &str) -> Person<'w> {
        Person { home: world.make_dir(name), world }
    }

    /// A command of this person, with the emulator in Box's place and the application in the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = boxfs(&self.home);
        command.args(arguments).env("BOXFS_SERVER", self.world.emulator.url()).env("BOXFS_API_LIMITS", "off");
        command.env("BOXFS_CLIENT_ID", CLIENT_ID).env("BOXFS_CLIENT_SECRET", CLIENT_SECRET);
        command
    }

    /// Runs a command that reads `input`.
    #[track_caller]
    pub fn says(&self, arguments: &[&str], input: &str) -> Ran {
        run_told(&mut self.command(arguments), input, PROGRAM_LIMIT)
    }

    /// Signs in by a browser's way, without a browser.
    #[track_caller]
    pub fn sign_in(&self) -> &Person<'w> {
        let login = self.begin_login(&["login"]);
        let page = browse(&login.url, Some(&format!("user={}", self.world.emulator.first_user())));
        let back = browse(page.location.as_deref().unwrap(), None);
        assert!(back.body.contains("It worked"), "{}", back.body);
        login.ended().ok();
        self
    }

    /// Starts a command that waits for a browser.
    #[track_caller]
    pub fn begin_login(&self, arguments: &[&str]) -> Login {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("/oauth2/authorize?")).expect("the command shows an address");
        let rest = std::thread::spawn(move || lines.map(|line| line + "\n").collect());
        Login { child: Some(child), url: line.trim().to_owned(), rest: Some(rest) }
    }

    pub fn mounter(&self, name: &str) -> Mounter {
        Mounter::new(&self.home, name, self.world.mode, self.world.emulator.url(), String::new())
    }

    pub fn sign_in_file(&self) -> PathBuf {
        self.home.join(".local/state/boxfs/sign-in/default.json")
    }

    /// What is stored, word by word.
    #[track_caller]
    pub fn stored(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.sign_in_file()).unwrap()).unwrap()
    }

    /// Makes this machine believe that the access token is over.
    pub fn let_token_expire(&self) {
        let mut stored = self.stored();
        stored["tokens"]["expires_at"] = Timestamp::now().secs.into();
        self.store(&stored);
    }

    /// Puts a sign-in into its place, for nobody else's eyes.
    pub fn store(&self, sign_in: &Value) {
        std::fs::write(self.sign_in_file(), sign_in.to_string()).unwrap();
        std::fs::set_permissions(self.sign_in_file(), Permissions::from_mode(0o600)).unwrap();
    }

    /// A file in the home directory.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// `boxfs login` before its end; killed when dropped.
pub struct Login {
    child: Option<Child>,
    /// The sign-in page, as the command shows it.
    pub url: String,
    /// What it says after that, read on so that it never waits for a reader.
    rest: Option<JoinHandle<String>>,
}

impl Login {
    /// Types a line.
    pub fn paste(&mut self, text: &str) {
        let mut stdin = self.child.as_mut().unwrap().stdin.take().unwrap();
        stdin.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    pub fn is_waiting(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// What became of it.
    #[track_caller]
    pub fn ended(mut self) -> Ran {
        let started = Instant::now();
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: self.rest.take().unwrap().join().unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            took: started.elapsed(),
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a browser gets.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

/// `GET`, or `POST` of a form whose other fields stand in the address.
#[track_caller]
pub fn browse(url: &str, form: Option<&str>) -> Page {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = http_client();
        let request = match form {
            None => client.get(url),
            Some(form) => {
                let kind = "application/x-www-form-urlencoded";
                client.post(url).header("content-type", kind).body(form.to_owned())
            }
        };
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        Page { status: answer.status().as_u16(), location, body: answer.text().await.unwrap() }
    })
}

/// Follows nothing by itself.
pub fn http_client() -> reqwest::Client {
    // Refused where another client of this process has set it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The mode of a file, its permissions alone.
pub fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}
