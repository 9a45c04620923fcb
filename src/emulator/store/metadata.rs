//! Metadata instances of `global/properties`: free text by key (API.md 8.5), and folder locks (8.2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::refusal::Refusal;
use super::Store;
use super::access::{Act, Who};
use super::model::*;

/// The one template that every account has.
pub(in crate::emulator) const PROPERTIES: &str = "global.properties";

impl Store {
    /// The instance of a template on an item.
    pub(in crate::emulator) fn instance(&self, who: &Who, key: Key, path: &str) -> Result<&Instance, Refusal> {
        let item = self.allow(who, key, Act::See)?;
        let found = item.extra.as_ref().and_then(|extra| extra.metadata.get(path));
        found.ok_or_else(|| Refusal::new(404, "instance_not_found", "Instance not found"))
    }

    pub(in crate::emulator) fn create_instance(
        &mut self,
        who: &Who,
        key: Key,
        path: &str,
        values: BTreeMap<String, Value>,
    ) -> Result<(), Refusal> {
        if path != PROPERTIES {
            return Err(Refusal::new(404, "instance_not_found", "Template not found"));
        }
        if key.is_root() {
            return Err(Refusal::bad("folder_id", "Metadata is not supported on the root folder"));
        }
        let item = self.allow(who, key, Act::Rename)?;
        if item.extra.as_ref().is_some_and(|extra| extra.metadata.contains_key(path)) {
            return Err(Refusal::new(409, "tuple_already_exists", "Tuple already exists"));
        }
        check_values(&values)?;
        self.put_instance(key, path, Instance { id: uuid(), version: 0, values }, who.user);
        Ok(())
    }

    /// Applies a JSON patch: all of it or nothing.
    pub(in crate::emulator) fn patch_instance(
        &mut self,
        who: &Who,
        key: Key,
        path: &str,
        patch: &[Value],
    ) -> Result<(), Refusal> {
        let mut instance = self.instance(who, key, path)?.clone();
        self.allow(who, key, Act::Rename)?;
        for operation in patch {
            apply(&mut instance.values, operation)?;
        }
        check_values(&instance.values)?;
        instance.version += 1;
        self.put_instance(key, path, instance, who.user);
        Ok(())
    }

    pub(in crate::emulator) fn delete_instance(&mut self, who: &Who, key: Key, path: &str) -> Result<(), Refusal> {
        self.instance(who, key, path)?;
        self.allow(who, key, Act::Rename)?;
        if let Some(item) = self.items.get_mut(&key) {
            item.extra_mut().metadata.remove(path);
        }
        self.touch(key, who.user);
        Ok(())
    }

    fn put_instance(&mut self, key: Key, path: &str, instance: Instance, user: u64) {
        if let Some(item) = self.items.get_mut(&key) {
            item.extra_mut().metadata.insert(path.to_owned(), instance);
        }
        self.touch(key, user);
    }

    /// Refuses a move or deletion that a folder lock forbids.
    pub(in crate::emulator) fn check_folder_lock(&self, key: Key) -> Result<(), Refusal> {
        match self.items.get(&key).and_then(|item| item.extra.as_ref()).and_then(|extra| extra.folder_lock.as_ref()) {
            Some(_) => Err(Refusal::no_permission()),
            None => Ok(()),
        }
    }

    /// Sets or removes the lock of a folder; only its owner may.
    pub(in crate::emulator) fn set_folder_lock(
        &mut self,
        who: &Who,
        folder: u64,
        lock: Option<FolderLock>,
    ) -> Result<(), Refusal> {
        let key = Key::folder(folder);
        self.allow(who, key, Act::Delete)?;
        if self.owner_of(key) != who.user || key.is_root() {
            return Err(Refusal::no_permission());
        }
        if let Some(item) = self.items.get_mut(&key) {
            item.extra_mut().folder_lock = lock;
        }
        Ok(())
    }

    /// The folder that a folder lock is on.
    pub(in crate::emulator) fn folder_of_lock(&self, lock: u64) -> Option<u64> {
        let has = |item: &Item| item.extra.as_ref()?.folder_lock.as_ref().map(|lock| lock.id);
        self.items.rows().iter().find(|(_, item)| has(item) == Some(lock)).map(|(key, _)| key.id)
    }
}

/// Keys that begin with `$` are Box's own, and values are text.
fn check_values(values: &BTreeMap<String, Value>) -> Result<(), Refusal> {
    for (key, value) in values {
        if key.starts_with('$') {
            return Err(Refusal::bad(key, "keys that begin with $ are reserved"));
        }
        if !value.is_string() {
            return Err(Refusal::bad(key, "values of this template are texts"));
        }
    }
    Ok(())
}

fn uuid() -> String {
    let hex: String = std::iter::repeat_with(|| fastrand::digit(16)).take(32).collect();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// One operation of a JSON patch on a flat object.
fn apply(values: &mut BTreeMap<String, Value>, operation: &Value) -> Result<(), Refusal> {
    let key_in = |name: &str| -> Result<String, Refusal> {
        let pointer = operation[name].as_str().and_then(|text| text.strip_prefix('/'));
        let pointer = pointer.filter(|text| !text.contains('/')).ok_or_else(|| Refusal::bad(name, "not a path"))?;
        Ok(pointer.replace("~1", "/").replace("~0", "~"))
    };
    let value = || operation.get("value").cloned().ok_or_else(|| Refusal::bad("value", "'value' is required"));
    let missing = || Refusal::bad("path", "no such key");
    let path = key_in("path")?;
    match operation["op"].as_str() {
        Some("add") => {
            values.insert(path, value()?);
        }
        Some("replace") => *values.get_mut(&path).ok_or_else(missing)? = value()?,
        Some("remove") => {
            values.remove(&path).ok_or_else(missing)?;
        }
        Some("test") if values.get(&path) == Some(&value()?) => {}
        Some("test") => return Err(Refusal::bad("test", "the value is another")),
        Some("move") => {
            let moved = values.remove(&key_in("from")?).ok_or_else(missing)?;
            values.insert(path, moved);
        }
        Some("copy") => {
            let copied = values.get(&key_in("from")?).cloned().ok_or_else(missing)?;
            values.insert(path, copied);
        }
        _ => return Err(Refusal::bad("op", "not an operation")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut values: BTreeMap<String, Value> = [("a".to_owned(), json!("1"))].into();
        for (operation, good) in [
            (json!({"op": "test", "path": "/a", "value": "1"}), true),
            (json!({"op": "test", "path": "/a", "value": "2"}), false),
            (json!({"op": "add", "path": "/x~1y", "value": "3"}), true),
            (json!({"op": "replace", "path": "/b", "value": "3"}), false),
            (json!({"op": "move", "from": "/a", "path": "/b"}), true),
            (json!({"op": "copy", "from": "/b", "path": "/c"}), true),
            (json!({"op": "remove", "path": "/c"}), true),
            (json!({"op": "remove", "path": "/c"}), false),
            (json!({"op": "jump", "path": "/c"}), false),
        ] {
            assert_eq!(apply(&mut values, &operation).is_ok(), good, "{operation}");
        }
        assert_eq!(values.keys().collect::<Vec<_>>(), ["b", "x/y"]);
    }
}
