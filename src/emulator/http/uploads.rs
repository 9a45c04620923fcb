//! Simple uploads of new files and versions, and preflight (API.md section 4).

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::super::contents::Written;
use super::super::desk::Desk;
use super::super::refusal::Refusal;
use super::super::store::{Detail, Key, Kind, Store, Upload, View, Who, random_token};
use super::answer::Answer;
use super::call::{Call, folder_in, item_key, number, text, time};
use super::multipart::{Head, Multipart};

/// The JSON before the file.
const MAX_ATTRIBUTES_BYTES: usize = 256 * 1024;
/// Boundaries and attributes around the largest file.
const FORM_OVERHEAD_BYTES: u64 = 512 * 1024;

/// A name that is held while its bytes come in.
struct Reservation {
    desk: Arc<Desk>,
    folder: u64,
    name: String,
    held: bool,
}

impl Reservation {
    /// Frees the name within the transaction that uses it.
    fn release(&mut self, store: &mut Store) {
        if std::mem::take(&mut self.held) {
            store.unreserve(self.folder, &self.name);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.held {
            let freed = self.desk.write(|store| {
                store.unreserve(self.folder, &self.name);
                Ok(())
            });
            if let Err(refusal) = freed {
                log::warn!("emulator: {}", refusal.message);
            }
        }
    }
}

/// `POST /files/content`.
pub(super) async fn new_file(call: &mut Call) -> Result<Answer, Refusal> {
    super::only(call, Method::POST)?;
    let who = call.who()?;
    check_announced(call)?;
    let (fields, desk, digest) = (call.fields(), call.desk.clone(), sent_digest(call));
    let content_type = call.header("content-type").map(str::to_owned);
    let mut form = Multipart::new(&mut call.inbox, content_type.as_deref())?;
    let Some(attributes) = attributes(&mut form).await? else {
        return Err(Refusal::new(400, "metadata_after_file_contents", "Metadata must come before the file contents"));
    };
    let (name, folder) = (text(&attributes, "name")?, folder_in(&attributes["parent"]["id"], "parent", &who)?);
    let name = name.ok_or_else(|| Refusal::bad("name", "'name' is required"))?.to_owned();
    let folder = folder.ok_or_else(|| Refusal::bad("parent", "'parent' is required"))?;
    let upload = upload_in(&attributes)?;
    let name = desk.write(|store| {
        let name = store.check_new_file(&who, folder, &name, 0)?;
        store.reserve(folder, &name);
        Ok(name)
    })?;
    let mut reservation = Reservation { desk: desk.clone(), folder, name: name.clone(), held: true };
    let written = receive(&mut form, &desk, None).await?;
    let blob = written.blob;
    let done = check_digest(&digest, &written).and_then(|()| {
        desk.write(|store| {
            reservation.release(store);
            let name = store.check_new_file(&who, folder, &name, written.len)?;
            let file = store.new_file(&who, folder, &name, written.into_content(), &upload);
            Ok(uploaded(store, &who, file, &fields, 201))
        })
    });
    kept_or_removed(&desk, blob, done)
}

/// `POST /files/:id/content`.
pub(super) async fn new_version(call: &mut Call, id: &str) -> Result<Answer, Refusal> {
    super::only(call, Method::POST)?;
    let who = call.who()?;
    let file = item_key(Kind::File, id, &who)?.id;
    check_announced(call)?;
    let (fields, desk, digest) = (call.fields(), call.desk.clone(), sent_digest(call));
    let (precondition, content_type) = (call.if_match(), call.header("content-type").map(str::to_owned));
    desk.read(|store| store.check_new_version(&who, file, None, 0, &precondition))?;
    let mut form = Multipart::new(&mut call.inbox, content_type.as_deref())?;
    let mut first = None;
    let attributes = match form.next_part().await? {
        Some(head) if head.filename.is_none() && head.name == "attributes" => read_attributes(&mut form).await?,
        head => {
            first = head;
            json!({})
        }
    };
    let name = text(&attributes, "name")?.map(str::to_owned);
    let upload = upload_in(&attributes)?;
    desk.read(|store| store.check_new_version(&who, file, name.as_deref(), 0, &precondition))?;
    let written = receive(&mut form, &desk, first).await?;
    let blob = written.blob;
    let status = desk.options.version_upload_status;
    let done = check_digest(&digest, &written).and_then(|()| {
        desk.write(|store| {
            let name = store.check_new_version(&who, file, name.as_deref(), written.len, &precondition)?;
            store.new_version(&who, file, name.as_deref(), written.into_content(), &upload);
            Ok(uploaded(store, &who, file, &fields, status))
        })
    });
    kept_or_removed(&desk, blob, done)
}

/// A blob that no file took is removed.
fn kept_or_removed(desk: &Desk, blob: u64, done: Result<Answer, Refusal>) -> Result<Answer, Refusal> {
    if done.is_err() {
        desk.contents.remove(blob);
    }
    done
}

/// Refuses by the length alone what is too large in any case.
fn check_announced(call: &Call) -> Result<(), Refusal> {
    let largest = call.desk.options.max_simple_bytes + FORM_OVERHEAD_BYTES;
    match call.inbox.announced() {
        Some(bytes) if bytes > largest => Err(Refusal::too_large()),
        _ => Ok(()),
    }
}

fn sent_digest(call: &Call) -> Option<String> {
    call.header("content-md5").map(|digest| digest.trim().to_ascii_lowercase())
}

/// `Content-MD5` is the SHA-1 in hex, whatever its name (API.md 4.1).
fn check_digest(sent: &Option<String>, written: &Written) -> Result<(), Refusal> {
    match sent {
        Some(sent) if *sent != hex::encode(written.sha1) => Err(Refusal::bad_digest()),
        _ => Ok(()),
    }
}

/// The attributes, where they are the first part.
async fn attributes(form: &mut Multipart<'_>) -> Result<Option<Value>, Refusal> {
    match form.next_part().await? {
        Some(head) if head.filename.is_none() => read_attributes(form).await.map(Some),
        Some(_) => Ok(None),
        None => Err(Refusal::bad("attributes", "'attributes' is required")),
    }
}

async fn read_attributes(form: &mut Multipart<'_>) -> Result<Value, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = form.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ATTRIBUTES_BYTES {
            return Err(Refusal::bad("attributes", "too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    form.keep(&bytes);
    let value: Option<Value> = serde_json::from_slice(&bytes).ok();
    value.filter(Value::is_object).ok_or_else(|| Refusal::bad("attributes", "not a JSON object"))
}

/// What else the attributes say.
pub(super) fn upload_in(attributes: &Value) -> Result<Upload, Refusal> {
    Ok(Upload {
        content_created_at: time(attributes, "content_created_at")?,
        content_modified_at: time(attributes, "content_modified_at")?,
        description: text(attributes, "description")?.map(str::to_owned),
    })
}

/// Writes the file part to disk. `first` is its head where it is read already.
async fn receive(form: &mut Multipart<'_>, desk: &Desk, first: Option<Head>) -> Result<Written, Refusal> {
    let head = match first {
        Some(head) => Some(head),
        None => form.next_part().await?,
    };
    if head.is_none_or(|head| head.filename.is_none()) {
        return Err(Refusal::bad("file", "'file' is required"));
    }
    let mut pen = desk.contents.create()?;
    while let Some(chunk) = form.chunk().await? {
        pen.write(&chunk)?;
        if pen.len() > desk.options.max_simple_bytes {
            return Err(Refusal::too_large());
        }
    }
    while form.next_part().await?.is_some() {}
    Ok(pen.finish())
}

/// `{"total_count": 1, "entries": [file]}`.
pub(super) fn uploaded(store: &Store, who: &Who, file: u64, fields: &Option<Vec<String>>, status: u16) -> Answer {
    let view = View { who, detail: Detail::Standard, fields: fields.as_deref() };
    let entry = store.render(&view, Key::file(file));
    Answer::json(status, &json!({"total_count": 1, "entries": [entry]}))
}

/// `OPTIONS /files/content` and `OPTIONS /files/:id/content` on the API's side.
pub(super) async fn preflight(call: &mut Call, id: Option<&str>) -> Result<Answer, Refusal> {
    super::only(call, Method::OPTIONS)?;
    let who = call.who()?;
    let body = call.json().await?;
    let size = number(&body, "size")?.unwrap_or(0);
    let name = text(&body, "name")?;
    let places = call.places.clone();
    let path = match id {
        None => {
            let name = name.ok_or_else(|| Refusal::bad("name", "'name' is required"))?;
            let folder = folder_in(&body["parent"]["id"], "parent", &who)?;
            let folder = folder.ok_or_else(|| Refusal::bad("parent", "'parent' is required"))?;
            call.desk.read(|store| store.check_new_file(&who, folder, name, size))?;
            "files/content".to_owned()
        }
        Some(id) => {
            let file = item_key(Kind::File, id, &who)?.id;
            let precondition = call.if_match();
            call.desk.read(|store| store.check_new_version(&who, file, name, size, &precondition))?;
            format!("files/{file}/content")
        }
    };
    let session = super::hex_id(32).to_uppercase();
    Ok(Answer::ok(&json!({
        "upload_url": format!("{}/api/2.0/{path}?upload_session_id={session}", places.uploads),
        "upload_token": random_token(),
    })))
}
