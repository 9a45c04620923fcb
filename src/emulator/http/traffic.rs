//! What is said on the wire, for those who judge it: one JSON line for each call, with the bodies that are JSON or forms
//! and the attributes of uploads. Never bytes of files, nor who
//! asks; tokens stand in answers that hand them out. Off unless a directory for it is named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::private::open_private;
use super::super::requests::RequestRecord;
use super::answer::{Answer, Payload};
use super::call::Call;

/// The directory where the options name none; each emulator of each process makes a file of its own in it.
const VARIABLE: &str = "BOX_EMULATOR_TRAFFIC";

/// Headers that say who asks, and nobody else's business.
const SECRET_HEADERS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "boxapi"];

/// The emulators of this process, counted for the names of their files.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Where it is written down.
#[derive(Debug)]
pub(in crate::emulator) struct Traffic(Option<Mutex<File>>);

impl Traffic {
    pub(in crate::emulator) fn open(dir: Option<&Path>) -> io::Result<Traffic> {
        let named = dir.map(Path::to_owned).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        let Some(dir) = named else { return Ok(Traffic(None)) };
        fs::create_dir_all(&dir)?;
        let name = format!("{}-{}.jsonl", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let file = open_private(&dir.join(name), File::options().append(true).create(true))?;
        Ok(Traffic(Some(Mutex::new(file))))
    }

    pub(in crate::emulator) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes down a call and its answer. `made_up`: the answer is a fault's.
    pub(super) fn tell(&self, call: &Call, record: &RequestRecord, answer: &Answer, made_up: bool) {
        let Some(file) = &self.0 else { return };
        if record.path.starts_with("/_emulator") {
            return;
        }
        let answered = match &answer.payload {
            Payload::Empty => Some(String::new()),
            Payload::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            Payload::Content(_) => None,
        };
        let mut line = json!({
            "door": record.door,
            "method": record.method,
            "path": record.path,
            "headers": plain(&call.headers),
            "request": call.inbox.kept().map(String::from_utf8_lossy),
            "status": answer.status,
            "made_up": made_up,
            "answer_headers": plain(&answer.headers),
            "answer": answered,
        })
        .to_string();
        line.push('\n');
        let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        if let Err(error) = written {
            log::warn!("emulator: traffic: {error}");
        }
    }
}

/// Headers by name; of several with one name the last. Of a secret one it is told that it was there.
fn plain(headers: &HeaderMap) -> Map<String, Value> {
    let told = |(name, value): (&HeaderName, &HeaderValue)| match SECRET_HEADERS.contains(&name.as_str()) {
        true => (name.to_string(), json!("(secret)")),
        false => (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))),
    };
    headers.iter().map(told).collect()
}
