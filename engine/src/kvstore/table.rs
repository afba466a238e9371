//! The keys and values of one replica: dense entries and a small index, about 77 bytes a key beside the texts.

use std::sync::Arc;

use crate::chunks::Chunks;
use crate::chunks::index::Index;
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
    index: Index,
}

impl Table {
    /// All entries, in no order that means anything, though always the same one.
    pub fn entries(&self) -> &Chunks<Entry> {
        &self.entries
    }

    /// The entry of this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let at = self.index.find(key, |at| &*self.entries[at].key == key)?;
        Some(&self.entries[at as usize])
    }

    /// The same, to change; its key must stay.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let at = self.index.find(key, |at| &*self.entries[at].key == key)?;
        Some(&mut self.entries[at as usize])
    }

    /// Adds an entry whose key is not in the table.
    pub fn insert_new(&mut self, entry: Entry) {
        self.index.insert(&*entry.key, self.entries.len());
        self.entries.push(entry);
    }

    /// Shows every entry to `keep`, which may change all but the key, and drops those it does not want.
    pub fn retain(&mut self, keep: impl FnMut(&mut Entry) -> bool) {
        let before = self.entries.len();
        self.entries.retain_mut(keep);
        if self.entries.len() == before {
            return;
        }
        self.index.clear();
        for (at, entry) in self.entries.iter().enumerate() {
            self.index.insert(&*entry.key, at);
        }
        self.index.shrink_to(self.entries.len());
    }
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
        // 9 * 16/7 = 20.6 bytes of index: 76.6 bytes a key.
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
