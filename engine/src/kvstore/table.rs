//! The keys and values of one replica: dense entries and a small index, about 67 bytes a key beside the texts.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::chunks::Chunks;
use crate::contract::Nanos;

/// One key's latest write, or what is left of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Arc<str>,
    /// `None`: removed or expired; the entry stays for a while to beat older writes that come late.
    pub value: Option<Arc<str>>,
    /// When it was written, by the writer's clock.
    pub written: Nanos,
    /// When a value expires, or when what is left of it is forgotten, by this replica's clock.
    pub expires: Nanos,
    pub writer: u32,
}

impl Entry {
    /// The value, unless it has expired by `now`.
    pub fn live(&self, now: Nanos) -> Option<&Arc<str>> {
        self.value.as_ref().filter(|_| now < self.expires)
    }
}

/// Entries by key.
#[derive(Debug, Default)]
pub struct Table {
    entries: Chunks<Entry>,
    /// Positions in `entries`.
    index: HashTable<u32>,
}

impl Table {
    /// All entries, in no order that means anything, though always the same one.
    pub fn entries(&self) -> &Chunks<Entry> {
        &self.entries
    }

    /// The entry of this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let at = *self.index.find(hash(key), |at| &*self.entries[*at as usize].key == key)?;
        Some(&self.entries[at as usize])
    }

    /// The same, to change; its key must stay.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let at = *self.index.find(hash(key), |at| &*self.entries[*at as usize].key == key)?;
        Some(&mut self.entries[at as usize])
    }

    /// Adds an entry whose key is not in the table.
    pub fn insert_new(&mut self, entry: Entry) {
        let at = u32::try_from(self.entries.len()).expect("fewer than 2^32 keys");
        let Self { entries, index } = self;
        index.insert_unique(hash(&entry.key), at, |at| hash(&entries[*at as usize].key));
        entries.push(entry);
    }

    /// Shows every entry to `keep`, which may change all but the key, and drops those it does not want.
    pub fn retain(&mut self, keep: impl FnMut(&mut Entry) -> bool) {
        let before = self.entries.len();
        self.entries.retain_mut(keep);
        if self.entries.len() == before {
            return;
        }
        let entries = &self.entries;
        self.index.clear();
        for (at, entry) in entries.iter().enumerate() {
            self.index.insert_unique(hash(&entry.key), at as u32, |at| hash(&entries[*at as usize].key));
        }
        self.index.shrink_to(entries.len(), |at| hash(&entries[*at as usize].key));
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(key.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u32) -> Entry {
        Entry { key: format!("key-{n}").into(), value: None, written: u64::from(n), expires: 0, writer: 0 }
    }

    #[test]
    fn an_entry_takes_56_bytes() {
        // 16 + 16 for two shared texts, 8 + 8 for two times, 4 for the writer, padded to 8. With at most
        // 5 * 16/7 = 11.4 bytes of index: 67.4 bytes a key.
        assert_eq!(size_of::<Entry>(), 56);
    }

    #[test]
    fn keys_are_found_after_growth_and_after_a_sweep() {
        let mut table = Table::default();
        (0..5_000).for_each(|n| table.insert_new(entry(n)));
        table.retain(|entry| entry.written % 3 == 0);
        assert_eq!(table.entries().len(), 1_667); // 0, 3, …, 4,998
        for n in 0..5_000 {
            assert_eq!(table.get(&format!("key-{n}")).is_some(), n % 3 == 0, "{n}");
        }
        table.get_mut("key-3").unwrap().written = 77;
        assert_eq!(table.get("key-3").unwrap().written, 77);
    }
}
