//! Items as JSON, in Box's representations (API.md 3.3) and as one user sees them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::clock;
use super::access::{Act, Who};
use super::model::*;
use super::{Store, names};

/// How much of an item is written where no fields are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::emulator) enum Detail {
    Base,
    Mini,
    Standard,
    Full,
}

/// For whom, and how much.
#[derive(Debug, Clone, Copy)]
pub(in crate::emulator) struct View<'a> {
    pub(in crate::emulator) who: &'a Who,
    pub(in crate::emulator) detail: Detail,
    /// `?fields=`: these instead of the detail's.
    pub(in crate::emulator) fields: Option<&'a [String]>,
}

const FILE_MINI: &[&str] = &["sequence_id", "name", "sha1", "file_version"];
const FOLDER_MINI: &[&str] = &["sequence_id", "name"];
const WEB_LINK_MINI: &[&str] = &["sequence_id", "name", "url"];
const STANDARD: &[&str] = &[
    "description",
    "path_collection",
    "created_at",
    "modified_at",
    "trashed_at",
    "purged_at",
    "created_by",
    "modified_by",
    "owned_by",
    "shared_link",
    "parent",
    "item_status",
];
const FILE_STANDARD: &[&str] = &["size", "content_created_at", "content_modified_at"];
const FOLDER_STANDARD: &[&str] =
    &["size", "content_created_at", "content_modified_at", "folder_upload_email", "item_collection"];
const FILE_FULL: &[&str] = &[
    "version_number",
    "comment_count",
    "permissions",
    "tags",
    "lock",
    "extension",
    "is_package",
    "watermark_info",
    "is_externally_owned",
    "has_collaborations",
    "expires_at",
    "allowed_invitee_roles",
];
const FOLDER_FULL: &[&str] = &[
    "sync_state",
    "has_collaborations",
    "permissions",
    "tags",
    "can_non_owners_invite",
    "is_externally_owned",
    "allowed_shared_link_access_levels",
    "allowed_invitee_roles",
];

/// Children in the `item_collection` of a folder.
const EMBEDDED_CHILDREN: usize = 100;
const DAYS_IN_TRASH: i64 = 30;
const DAY_SECS: i64 = 86_400;

impl Store {
    /// The item as the view asks; an item that does not exist is only its type and id.
    pub(in crate::emulator) fn render(&self, view: &View, key: Key) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), json!(key.kind.word()));
        object.insert("id".to_owned(), json!(id_text(key)));
        let Some(item) = self.items.get(&key) else { return Value::Object(object) };
        let etag = if key.is_root() { Value::Null } else { json!(item.etag.to_string()) };
        object.insert("etag".to_owned(), etag);
        let detail = match view.fields {
            Some(_) if self.options.fields_add_to_mini => Detail::Mini,
            Some(_) => Detail::Base,
            None => view.detail,
        };
        for name in fields_of(key.kind, detail) {
            if let Some(value) = self.field(view.who, key, item, name) {
                object.insert((*name).to_owned(), value);
            }
        }
        for name in view.fields.unwrap_or_default() {
            if let Some(path) = name.strip_prefix("metadata.") {
                self.add_metadata(&mut object, key, item, path);
            } else if let Some(value) = self.field(view.who, key, item, name) {
                object.insert(name.clone(), value);
            }
        }
        Value::Object(object)
    }

    /// One property, `None` where this type has none of that name.
    fn field(&self, who: &Who, key: Key, item: &Item, name: &str) -> Option<Value> {
        let root = key.is_root();
        let time = |at: i64| if root { Value::Null } else { json!(self.time(at)) };
        let extra = item.extra.as_deref();
        Some(match name {
            "name" => json!(item.name),
            "sequence_id" => {
                if root {
                    Value::Null
                } else {
                    json!(item.sequence.to_string())
                }
            }
            "description" => json!(extra.map_or("", |extra| extra.description.as_str())),
            "created_at" => time(item.created_at),
            "modified_at" => time(item.modified_at),
            "trashed_at" => item.trashed.as_ref().map_or(Value::Null, |trashed| time(trashed.at)),
            "purged_at" => item.trashed.as_ref().map_or(Value::Null, |t| time(t.at + DAYS_IN_TRASH * DAY_SECS)),
            "created_by" => self.user_mini(item.created_by),
            "modified_by" => self.user_mini(item.modified_by),
            "owned_by" => self.user_mini(self.owner_of(key)),
            "parent" => self.parent_json(who, key),
            "path_collection" => self.path_json(who, key, item),
            "item_status" => json!(if self.in_trash(key) { "trashed" } else { "active" }),
            "shared_link" => self.shared_link_json(key, item),
            "tags" => json!(extra.map_or(&[][..], |extra| &extra.tags)),
            "has_collaborations" => json!(self.shared_with.contains_key(&key)),
            "is_externally_owned" => json!(false),
            "allowed_invitee_roles" => json!([
                "editor",
                "viewer",
                "previewer",
                "uploader",
                "previewer uploader",
                "viewer uploader",
                "co-owner"
            ]),
            "permissions" => self.permissions(who, key),
            "size" if key.kind != Kind::WebLink => json!(self.size_of(key)),
            "content_created_at" if key.kind != Kind::WebLink => time(item.content_created_at),
            "content_modified_at" if key.kind != Kind::WebLink => time(item.content_modified_at),
            "is_accessible_via_shared_link" => json!(extra.is_some_and(|extra| extra.shared_link.is_some())),
            _ => match key.kind {
                Kind::File => self.file_field(key, item, name)?,
                Kind::Folder => self.folder_field(who, key, name)?,
                Kind::WebLink => (name == "url").then(|| json!(extra.map_or("", |extra| extra.url.as_str())))?,
            },
        })
    }

    fn file_field(&self, key: Key, item: &Item, name: &str) -> Option<Value> {
        let (id, version) = self.current(key.id)?;
        Some(match name {
            "sha1" => json!(version.content.sha1),
            "file_version" => json!({"type": "file_version", "id": id.to_string(), "sha1": version.content.sha1}),
            "version_number" => json!(version.number.to_string()),
            "comment_count" => json!(0),
            "lock" => self.lock_json(key),
            "extension" => json!(item.name.rsplit_once('.').map_or("", |(_, extension)| extension)),
            "is_package" => json!(false),
            "watermark_info" => json!({"is_watermarked": false}),
            "uploader_display_name" => json!(self.users.get(&version.by).map_or("", |user| user.name.as_str())),
            "expires_at" | "disposition_at" | "classification" => Value::Null,
            "representations" => json!({"entries": []}),
            _ => return None,
        })
    }

    fn folder_field(&self, who: &Who, key: Key, name: &str) -> Option<Value> {
        Some(match name {
            "item_collection" => self.item_collection(who, key),
            "folder_upload_email" | "classification" => Value::Null,
            "sync_state" => json!("not_synced"),
            "can_non_owners_invite" | "can_non_owners_view_collaborators" => json!(true),
            "is_collaboration_restricted_to_enterprise" => json!(false),
            "allowed_shared_link_access_levels" => json!(["collaborators", "open", "company"]),
            "watermark_info" => json!({"is_watermarked": false}),
            _ => return None,
        })
    }

    fn item_collection(&self, who: &Who, key: Key) -> Value {
        let view = View { who, detail: Detail::Mini, fields: None };
        let children = self.listing(who, key.id);
        let first: Vec<Value> =
            children.iter().take(EMBEDDED_CHILDREN).map(|child| self.render(&view, *child)).collect();
        json!({
            "total_count": children.len(),
            "entries": first,
            "offset": 0,
            "limit": EMBEDDED_CHILDREN,
            "order": [{"by": "type", "direction": "ASC"}, {"by": "name", "direction": "ASC"}],
        })
    }

    /// What a user finds in a folder, in Box's order; in their root also what others share to them.
    pub(in crate::emulator) fn listing(&self, who: &Who, folder: u64) -> Vec<Key> {
        match self.listing_if_shared(who, folder) {
            Some(all) => all.into_values().collect(),
            None => self.children(folder).values().copied().collect(),
        }
    }

    /// A listing that is more than the folder's own children; `None` where it is not.
    pub(in crate::emulator) fn listing_if_shared(
        &self,
        who: &Who,
        folder: u64,
    ) -> Option<BTreeMap<(Kind, String), Key>> {
        if folder != root_of(who.user) || self.collaborations.len() == 0 {
            return None;
        }
        let mut all = self.children(folder).clone();
        for key in self.shared_to(who.user) {
            if let Some(item) = self.items.get(&key) {
                all.entry((key.kind, names::fold(&item.name))).or_insert(key);
            }
        }
        Some(all)
    }

    pub(in crate::emulator) fn time(&self, at: i64) -> String {
        clock::write(at, self.options.utc_offset_minutes)
    }

    pub(in crate::emulator) fn user_mini(&self, id: u64) -> Value {
        match self.users.get(&id) {
            Some(user) => json!({"type": "user", "id": id.to_string(), "name": user.name, "login": user.login}),
            None => json!({"type": "user", "id": id.to_string(), "name": "", "login": ""}),
        }
    }

    fn folder_mini(&self, who: &Who, folder: u64) -> Value {
        self.render(&View { who, detail: Detail::Mini, fields: None }, Key::folder(folder))
    }

    fn parent_json(&self, who: &Who, key: Key) -> Value {
        if key.is_root() {
            return Value::Null;
        }
        self.folder_mini(who, self.parent_seen(who, key))
    }

    fn path_json(&self, who: &Who, key: Key, item: &Item) -> Value {
        let trash = json!({"type": "folder", "id": "1", "sequence_id": null, "etag": null, "name": "Trash"});
        let mut entries = Vec::new();
        if item.trashed.is_some() {
            entries.push(trash);
        } else if !key.is_root() {
            let user = Who::user(who.user);
            let above = self.line_of(key).skip(1).map(|(above, _)| above);
            let seen: Vec<Key> =
                above.filter(|above| !above.is_root()).take_while(|above| self.may(&user, *above, Act::See)).collect();
            entries.push(self.folder_mini(who, root_of(who.user)));
            entries.extend(seen.iter().rev().map(|above| self.folder_mini(who, above.id)));
        }
        json!({"total_count": entries.len(), "entries": entries})
    }

    fn permissions(&self, who: &Who, key: Key) -> Value {
        let may = |act: Act| json!(self.may(who, key, act));
        let edits = !key.is_root();
        let mut all = json!({
            "can_delete": edits && self.may(who, key, Act::Delete),
            "can_download": may(Act::Download),
            "can_invite_collaborator": edits && self.may(who, key, Act::Invite),
            "can_rename": edits && self.may(who, key, Act::Rename),
            "can_set_share_access": edits && self.may(who, key, Act::Share),
            "can_share": edits && self.may(who, key, Act::Share),
        });
        if key.kind != Kind::WebLink {
            all["can_upload"] = may(Act::Upload);
        }
        if key.kind == Kind::File {
            all["can_annotate"] = may(Act::Rename);
            all["can_comment"] = may(Act::Download);
            all["can_preview"] = may(Act::See);
            all["can_view_annotations_all"] = may(Act::See);
            all["can_view_annotations_self"] = may(Act::See);
        }
        all
    }

    pub(in crate::emulator) fn lock_json(&self, key: Key) -> Value {
        let Some(lock) = self.lock_of(key) else { return Value::Null };
        let expires = lock.expires_at.map_or(Value::Null, |at| json!(self.time(at)));
        json!({
            "type": "lock",
            "id": lock.id.to_string(),
            "created_by": self.user_mini(lock.by),
            "created_at": self.time(lock.created_at),
            "expired_at": expires,
            "expires_at": expires,
            "is_download_prevented": lock.no_download,
            "app_type": null,
        })
    }

    fn shared_link_json(&self, key: Key, item: &Item) -> Value {
        let Some(link) = item.extra.as_ref().and_then(|extra| extra.shared_link.as_ref()) else { return Value::Null };
        let extension = item.name.rsplit_once('.').map(|(_, extension)| format!(".{extension}")).unwrap_or_default();
        let download = match key.kind {
            Kind::File => json!(format!("https://app.box.com/shared/static/{}{extension}", link.slug)),
            _ => Value::Null,
        };
        let vanity = link.vanity_name.as_ref().map(|name| format!("https://app.box.com/v/{name}"));
        let mut permissions = json!({"can_preview": true, "can_download": link.can_download});
        if key.kind == Kind::File {
            permissions["can_edit"] = json!(link.can_edit);
        }
        let strongest = match (link.can_edit, link.can_download) {
            (true, _) => "can_edit",
            (false, true) => "can_download",
            (false, false) => "can_preview",
        };
        json!({
            "url": format!("https://app.box.com/s/{}", link.slug),
            "download_url": download,
            "vanity_url": vanity,
            "vanity_name": link.vanity_name,
            "effective_access": link.access,
            "effective_permission": strongest,
            "is_password_enabled": link.password.is_some(),
            "unshared_at": link.unshared_at.map(|at| self.time(at)),
            "download_count": 0,
            "preview_count": 0,
            "access": link.access,
            "permissions": permissions,
        })
    }

    /// `path` is `scope.template`; an item without that instance gets nothing.
    fn add_metadata(&self, object: &mut Map<String, Value>, key: Key, item: &Item, path: &str) {
        let Some((scope, template)) = path.split_once('.') else { return };
        let instance = item.extra.as_ref().and_then(|extra| extra.metadata.get(path));
        if let Some(instance) = instance {
            let metadata = object.entry("metadata").or_insert_with(|| json!({}));
            metadata[scope][template] = self.instance_json(key, path, instance);
        }
    }

    /// A metadata instance with the keys that Box adds.
    pub(in crate::emulator) fn instance_json(&self, key: Key, path: &str, instance: &Instance) -> Value {
        let (scope, template) = path.split_once('.').unwrap_or((path, ""));
        let mut all: Map<String, Value> = instance.values.clone().into_iter().collect();
        all.insert("$id".to_owned(), json!(instance.id));
        all.insert("$type".to_owned(), json!(format!("{template}-{}", instance.id)));
        all.insert("$parent".to_owned(), json!(format!("{}_{}", key.kind.word(), id_text(key))));
        all.insert("$version".to_owned(), json!(instance.version));
        all.insert("$typeVersion".to_owned(), json!(0));
        all.insert("$template".to_owned(), json!(template));
        all.insert("$scope".to_owned(), json!(scope));
        all.insert("$canEdit".to_owned(), json!(true));
        Value::Object(all)
    }
}

/// An id as Box writes it: "0" for every root.
pub(in crate::emulator) fn id_text(key: Key) -> String {
    if key.is_root() { "0".to_owned() } else { key.id.to_string() }
}

fn fields_of(kind: Kind, detail: Detail) -> impl Iterator<Item = &'static &'static str> {
    let (mini, own, full) = match kind {
        Kind::File => (FILE_MINI, FILE_STANDARD, FILE_FULL),
        Kind::Folder => (FOLDER_MINI, FOLDER_STANDARD, FOLDER_FULL),
        Kind::WebLink => (WEB_LINK_MINI, &[][..], &[][..]),
    };
    let level = detail as u8;
    let from = |least: Detail, names: &'static [&'static str]| if level >= least as u8 { names } else { &[] };
    let mini = from(Detail::Mini, mini).iter();
    let standard = from(Detail::Standard, STANDARD).iter().chain(from(Detail::Standard, own));
    mini.chain(standard).chain(from(Detail::Full, full))
}
