//! What hangs on a document in Box beside its bytes, over HTTP as another client of Box does it.

use serde_json::{Value, json};

use crate::support::{TOKEN, World, http_client};

/// What people have attached to a document: it hangs on the id.
#[derive(Debug, PartialEq, Eq)]
pub struct Attached {
    pub link: String,
    pub description: String,
    pub created: String,
}

const FIELDS: &str = "fields=shared_link,description,content_created_at";
const CREATED: &str = "2010-01-02T03:04:05Z";

/// Gives a file an open shared link, a description, and the time at which somebody began it.
pub fn attach(world: &World, id: &str) -> Attached {
    let body = json!({
        "shared_link": { "access": "open" },
        "description": "what it is about",
        "content_created_at": CREATED,
    });
    read(&call(world, reqwest::Method::PUT, id, Some(&body)))
}

pub fn attached(world: &World, id: &str) -> Attached {
    read(&call(world, reqwest::Method::GET, id, None))
}

fn read(item: &Value) -> Attached {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{item:#}")).to_owned();
    Attached {
        link: text(&item["shared_link"]["url"]),
        description: text(&item["description"]),
        created: text(&item["content_created_at"]),
    }
}

fn call(world: &World, method: reqwest::Method, id: &str, body: Option<&Value>) -> Value {
    let url = format!("{}/2.0/files/{id}?{FIELDS}", world.emulator.url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = http_client().request(method, url).bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    })
}
