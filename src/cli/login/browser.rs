//! The way through a browser: an address to open, and a listener on this machine that the browser comes back to.
//!
//! `state` ties the answer to the question: what comes back without it began elsewhere, and is turned away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::Url;
use rsa::rand_core::{OsRng, RngCore};

use crate::base::Secret;
use crate::box_api::{App, SignIn, SignInClient};
use crate::cli::exit::Failure;
use crate::cli::prompt::ask_secret;

use super::page::{answer, page};

/// Bytes of chance in `state`.
const STATE_BYTES: usize = 16;
/// A person finds a password and a second factor within this.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// A browser that connects and says nothing (some do, to be quick later) is let go.
const SILENCE: Duration = Duration::from_secs(10);
/// A request line with a code is far shorter.
const MAX_HEAD_BYTES: u64 = 16 * 1024;
/// Connections that are looked at in one sign-in; whoever makes more is no browser.
const MAX_CONNECTIONS: usize = 200;

/// A sign-in page that somebody is on.
pub(super) struct Visit {
    url: Url,
    redirect: String,
    state: String,
    listener: TcpListener,
}

/// Somebody who came back from it.
pub(super) struct Visitor {
    answer: Result<Secret, String>,
    redirect: String,
    /// Still waits for its page.
    browser: Option<TcpStream>,
}

impl Visit {
    pub(super) fn begin(door: &SignInClient, app: &App, port: u16) -> Result<Visit, Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(format!("cannot listen on port {port} of this machine: {e}; choose another with --port"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let redirect = format!("http://127.0.0.1:{port}/");
        let mut chance = [0; STATE_BYTES];
        OsRng.fill_bytes(&mut chance);
        let state = hex::encode(chance);
        let url = door.authorize_url(&app.client_id, &redirect, &state);
        Ok(Visit { url, redirect, state, listener })
    }

    /// Opens the browser and waits until it comes back.
    pub(super) fn wait(self) -> Result<Visitor, Failure> {
        println!("Sign in with the browser. If none opens, go to\n\n  {}\n", self.url);
        println!("(On a machine without a browser: 'boxfs login --no-browser'.)");
        open_browser(&self.url);
        let (found, visitors) = mpsc::channel();
        let (listener, state, redirect) = (self.listener, self.state, self.redirect);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take(MAX_CONNECTIONS) {
                let (found, state, redirect) = (found.clone(), state.clone(), redirect.clone());
                // A thread for each: one that says nothing does not keep the others waiting.
                std::thread::spawn(move || {
                    if let Some(visitor) = look_at(stream, &state, &redirect) {
                        // Nobody waits any more: the first one was taken.
                        let _ = found.send(visitor);
                    }
                });
            }
        });
        let late = || Failure::sign_in(format!("nobody signed in within {} minutes", PATIENCE.as_secs() / 60));
        visitors.recv_timeout(PATIENCE).map_err(|_| late())
    }

    /// Lets a person carry the answer here.
    pub(super) fn paste(self) -> Result<Visitor, Failure> {
        println!("Open this address in a browser on any machine, and sign in:\n\n  {}\n", self.url);
        println!(
            "The browser then goes to an address that begins with {} and shows an error there, which is right.\n\
             Copy that whole address from its address bar and paste it here, within half a minute.",
            self.redirect
        );
        let pasted = ask_secret("Address or code")?;
        let answer = read_pasted(pasted.reveal(), &self.state)?;
        Ok(Visitor { answer, redirect: self.redirect, browser: None })
    }
}

impl Visitor {
    pub(super) fn redirect(&self) -> &str {
        &self.redirect
    }

    /// # Errors
    /// What Box said instead of a code.
    pub(super) fn code(&self) -> Result<Secret, Failure> {
        let refused =
            |why: &String| Failure::sign_in(format!("Box did not sign you in: {why}; run 'boxfs login' again"));
        self.answer.as_ref().cloned().map_err(refused)
    }

    /// Shows the browser how it went.
    pub(super) fn show(mut self, done: &Result<SignIn, Failure>) {
        let Some(stream) = &mut self.browser else { return };
        let html = match done {
            Ok(sign_in) => {
                let text = format!("boxfs is signed in as {}. You can close this window.", sign_in.account.login);
                page("It worked", &text)
            }
            Err(failure) => page("Not signed in", &failure.message),
        };
        let written = stream.write_all(answer("200 OK", &html).as_bytes()).and_then(|()| stream.flush());
        if let Err(error) = written {
            log::debug!("the browser did not wait for its page: {error}");
        }
    }
}

/// One connection; `None` where it is not the answer that is waited for.
fn look_at(mut stream: TcpStream, state: &str, redirect: &str) -> Option<Visitor> {
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    stream.set_write_timeout(Some(SILENCE)).ok()?;
    let target = read_target(&stream)?;
    let url = Url::parse("http://127.0.0.1/").ok()?.join(&target).ok()?;
    match read_answer(&url, state) {
        Some(answer) => Some(Visitor { answer, redirect: redirect.to_owned(), browser: Some(stream) }),
        None => {
            let html = page("Not here", "This is not the sign-in that boxfs waits for.");
            // Whoever that was may be gone.
            let _ = stream.write_all(answer_to_strangers(&html).as_bytes());
            None
        }
    }
}

fn answer_to_strangers(html: &str) -> String {
    answer("404 Not Found", html)
}

/// What is asked for, `/?code=...`; the headers after it are read so that the browser sees its page and no reset.
fn read_target(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.take(MAX_HEAD_BYTES)).lines();
    let first = lines.next()?.ok()?;
    for line in lines {
        if line.ok()?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    (words.next() == Some("GET")).then_some(())?;
    words.next().map(str::to_owned)
}

/// The code, or Box's reason for none; `None` if the answer does not belong to this question.
fn read_answer(url: &Url, state: &str) -> Option<Result<Secret, String>> {
    let get = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if url.path() != "/" || get("state").as_deref() != Some(state) {
        return None;
    }
    match (get("code"), get("error_description").or_else(|| get("error"))) {
        (Some(code), _) if !code.is_empty() => Some(Ok(Secret::new(code))),
        (_, Some(why)) => Some(Err(why)),
        _ => None,
    }
}

/// The whole address or the code alone.
fn read_pasted(text: &str, state: &str) -> Result<Result<Secret, String>, Failure> {
    if !text.contains("://") {
        return Ok(Ok(Secret::new(text)));
    }
    let strange = || Failure::usage("that is not the address that the browser came back to: run 'boxfs login' again");
    let url = Url::parse(text).map_err(|_| strange())?;
    read_answer(&url, state).ok_or_else(strange)
}

/// By the desktop's own way; whether it works is seen by whoever sits before it.
fn open_browser(url: &Url) {
    let program =
        std::env::var("BROWSER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "xdg-open".to_owned());
    let opened = Command::new(&program)
        .arg(url.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = opened {
        log::debug!("{program}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(text: &str) -> Option<Result<Secret, String>> {
        read_answer(&Url::parse(text).unwrap(), "right")
    }

    #[test]
    fn only_the_answer_to_this_question_counts() {
        let code = Secret::new("c d");
        assert_eq!(answer_of("http://127.0.0.1:1/?code=c%20d&state=right"), Some(Ok(code)));
        let denied = answer_of("http://127.0.0.1:1/?error=access_denied&error_description=No+way&state=right");
        assert_eq!(denied, Some(Err("No way".to_owned())));
        for other in ["/?code=c", "/?code=c&state=wrong", "/favicon.ico?code=c&state=right", "/?state=right", "/"] {
            assert_eq!(answer_of(&format!("http://127.0.0.1:1{other}")), None, "{other}");
        }
    }

    #[test]
    fn a_person_may_paste_the_address_or_the_code() {
        assert_eq!(read_pasted("abc", "s").unwrap(), Ok(Secret::new("abc")));
        assert_eq!(read_pasted("http://127.0.0.1:9/?code=abc&state=s", "s").unwrap(), Ok(Secret::new("abc")));
        assert!(read_pasted("http://127.0.0.1:9/?code=abc&state=other", "s").is_err());
    }
}
