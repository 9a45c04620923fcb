//! The browser flow with a real browser: sign-in form, consent, redirect, the page that says it worked; then the main job.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Mode, Person, SOON, World, eventually_ok, http_client};

/// Starting a browser on busy cores.
const START_LIMIT: Duration = Duration::from_secs(60);
/// W3C WebDriver's name for the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless Chromium, driven over WebDriver.
struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    fn start(world: &World) -> Browser {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("TMPDIR", world.dir())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is there: scripts/setup --tests installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("started successfully on port")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let port: String = line.chars().filter(char::is_ascii_digit).collect();
        let mut browser = Browser { driver, session: format!("http://127.0.0.1:{port}/session") };
        let profile = format!("--user-data-dir={}", world.make_dir("browser").display());
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-proxy-server",
            profile,
        ]);
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let begun = eventually_ok(START_LIMIT, || call("POST", &browser.session, Some(&wanted)));
        browser.session = format!("{}/{}", browser.session, begun["sessionId"].as_str().unwrap());
        browser
    }

    fn go(&self, url: &str) {
        call("POST", &format!("{}/url", self.session), Some(&json!({"url": url}))).unwrap();
    }

    /// Clicks on what a CSS selector finds.
    fn click(&self, selector: &str) {
        let using = json!({"using": "css selector", "value": selector});
        let found = call("POST", &format!("{}/element", self.session), Some(&using)).unwrap();
        let id = found[ELEMENT].as_str().unwrap();
        call("POST", &format!("{}/element/{id}/click", self.session), Some(&json!({}))).unwrap();
    }

    fn title(&self) -> String {
        call("GET", &format!("{}/title", self.session), None).unwrap().as_str().unwrap().to_owned()
    }

    fn text(&self) -> String {
        let source = call("GET", &format!("{}/source", self.session), None).unwrap();
        source.as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser goes with its session; one that never came up goes with its driver.
        let _ = std::panic::catch_unwind(|| call("DELETE", &self.session, None));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// One WebDriver command: its value, or what went wrong.
fn call(method: &str, url: &str, body: Option<&Value>) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut request = http_client().request(method.parse().unwrap(), url).timeout(START_LIMIT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer: Value = request.send().await.map_err(|e| e.to_string())?.json().await.map_err(|e| e.to_string())?;
        match answer["value"].get("error") {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    })
}

#[test]
fn a_person_signs_in_with_a_real_browser_and_copies_a_file() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let browser = Browser::start(&world);
    let login = person.begin_login(&["login"]);
    browser.go(&login.url);
    assert_eq!(browser.title(), "Sign in to the emulator");
    browser.click("button[name=user]");
    eventually_ok(SOON, || match browser.title() {
        title if title == "boxfs: It worked" => Ok(()),
        other => Err(other),
    });
    assert!(browser.text().contains("signed in as first.user@example.com"));
    login.ended().ok();
    drop(browser);

    let mount = person.mounter("main").start();
    let source = person.file("letter", "written by a person");
    crate::support::run_in(&person.home, "cp", [source.as_path(), &mount.root]);
    mount.wait();
    assert!(mount.command(&["status"], "").ok().stdout.contains("all is in Box"));
    mount.umount();
    world.expect_bytes("/letter", b"written by a person");
}

#[test]
fn a_person_who_says_no_sees_it_in_the_browser() {
    let world = World::new(Mode::Copying);
    let person = Person::new(&world, "ada");
    let browser = Browser::start(&world);
    let login = person.begin_login(&["login"]);
    browser.go(&login.url);
    browser.click("button[name=deny]");
    eventually_ok(SOON, || match browser.title() {
        title if title == "boxfs: Not signed in" => Ok(()),
        other => Err(other),
    });
    login.ended().expect_code(5);
    assert!(!person.sign_in_file().exists());
}
