//! The keys and values of one replica: dense entries and a small index, about 29 bytes a key beside the writes themselves,
//! which all replicas of one process share.

use std::sync::Arc;

use crate::chunks::Chunks;
use crate::chunks::index::Index;
use crate::message::KvWrite;

/// Entries by key.
#[derive(Debug, Default)]
pub struct Table {
    entries: Chunks<Arc<KvWrite>>,
    /// Positions in `entries`.
    index: Index,
}

impl Table {
    /// All entries, in no order that means anything, though always the same one.
    pub fn entries(&self) -> &Chunks<Arc<KvWrite>> {
        &self.entries
    }

    /// The entry of this key.
    pub fn get(&self, key: &str) -> Option<&KvWrite> {
        let at = self.index.find(key, |at| &*self.entries[at].key == key)?;
        Some(&self.entries[at as usize])
    }

    /// The same, to change; its key must stay.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Arc<KvWrite>> {
        let at = self.index.find(key, |at| &*self.entries[at].key == key)?;
        Some(&mut self.entries[at as usize])
    }

    /// Adds an entry whose key is not in the table.
    pub fn insert_new(&mut self, entry: Arc<KvWrite>) {
        self.index.insert(&*entry.key, self.entries.len());
        self.entries.push(entry);
    }

    /// Shows every entry to `keep`, which may change all but the key, and drops those it does not want.
    pub fn retain(&mut self, keep: impl FnMut(&mut Arc<KvWrite>) -> bool) {
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

    fn entry(n: u32) -> Arc<KvWrite> {
        let key = format!("key-{n}").into();
        Arc::new(KvWrite { key, value: None, written: u64::from(n), expires: 0, writer: 0 })
    }

    #[test]
    fn a_write_takes_56_bytes() {
        // 16 + 16 for two shared texts, 8 + 8 for two times, 4 for the writer, padded to 8. A replica has a pointer to it
        // of 8, and at most 9 * 16/7 = 20.6 bytes of index: 28.6 bytes a key.
        assert_eq!(size_of::<KvWrite>(), 56);
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
        Arc::make_mut(table.get_mut("key-3").unwrap()).written = 77;
        assert_eq!(table.get("key-3").unwrap().written, 77);
    }
}
