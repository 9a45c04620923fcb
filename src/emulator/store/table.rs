//! One kind of record by key, which remembers what changed since the last journal line.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

/// An ordered map; every way to change a value marks it for the journal.
#[derive(Debug)]
pub(in crate::emulator) struct Table<K, V> {
    name: &'static str,
    rows: BTreeMap<K, V>,
    dirty: BTreeSet<K>,
}

impl<K: Ord + Clone + Serialize, V: Serialize> Table<K, V> {
    /// `name` is the record's name in the journal.
    pub(in crate::emulator) fn new(name: &'static str) -> Table<K, V> {
        Table { name, rows: BTreeMap::new(), dirty: BTreeSet::new() }
    }

    pub(in crate::emulator) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub(in crate::emulator) fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    pub(in crate::emulator) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.dirty.insert(key.clone());
        Some(row)
    }

    pub(in crate::emulator) fn insert(&mut self, key: K, value: V) {
        self.dirty.insert(key.clone());
        self.rows.insert(key, value);
    }

    pub(in crate::emulator) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.dirty.insert(key.clone());
        Some(row)
    }

    pub(in crate::emulator) fn rows(&self) -> &BTreeMap<K, V> {
        &self.rows
    }

    pub(in crate::emulator) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Puts rows as the journal tells them: `None` was removed.
    pub(in crate::emulator) fn replay(&mut self, rows: Vec<(K, Option<V>)>) {
        for (key, value) in rows {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// Appends `"name":[[key,value],...],` with all changed rows, and forgets that they changed.
    pub(in crate::emulator) fn write_changes(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let dirty = std::mem::take(&mut self.dirty);
        self.write_rows(dirty.iter(), out)
    }

    /// As [`Table::write_changes`], for rows of the caller's choice.
    pub(in crate::emulator) fn write_rows<'a>(
        &self,
        keys: impl Iterator<Item = &'a K>,
        out: &mut Vec<u8>,
    ) -> io::Result<()>
    where
        K: 'a,
    {
        out.extend_from_slice(format!("\"{}\":[", self.name).as_bytes());
        for (index, key) in keys.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &(key, self.rows.get(key)))?;
        }
        out.extend_from_slice(b"],");
        Ok(())
    }

    pub(in crate::emulator) fn forget_changes(&mut self) {
        self.dirty.clear();
    }
}
