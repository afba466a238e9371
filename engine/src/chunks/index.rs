//! Where the row of a key stands in a [`Chunks`](super::Chunks): numbers of rows, found by a hash of the key. The keys stay
//! in the rows, so half a million of them take 8 to 18 bytes each here.
//!
//! A part of the hash stands beside each number. An index that grows then moves its numbers about without a look at the
//! rows, each of which would be a cache miss or two: that was 3 % of a run with half a million voters.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

/// Row numbers by key. Which row has a key is the caller's to tell: hashes of different keys may be the same.
#[derive(Clone, Debug, Default)]
pub struct Index {
    slots: HashTable<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    row: u32,
}

impl Slot {
    /// What the table wants: its upper bits and its lower bits are both of use.
    fn spread(self) -> u64 {
        spread(self.hash)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash(key: impl Hash) -> u32 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    (hash ^ hash >> 32) as u32
}

impl Index {
    /// The row of this key that `is_it`.
    pub fn find(&self, key: impl Hash, mut is_it: impl FnMut(usize) -> bool) -> Option<u32> {
        let hash = hash(key);
        let found = self.slots.find(spread(hash), |slot| slot.hash == hash && is_it(slot.row as usize));
        found.map(|slot| slot.row)
    }

    /// All rows whose key has the hash of this one, in no order that means anything.
    pub fn candidates(&self, key: impl Hash) -> impl Iterator<Item = u32> {
        let hash = hash(key);
        self.slots.iter_hash(spread(hash)).filter(move |slot| slot.hash == hash).map(|slot| slot.row)
    }

    /// Adds the row of a key.
    ///
    /// # Panics
    /// If there are 2^32 rows.
    pub fn insert(&mut self, key: impl Hash, row: usize) {
        let slot = Slot { hash: hash(key), row: u32::try_from(row).expect("fewer than 2^32 rows") };
        self.slots.insert_unique(slot.spread(), slot, |slot| slot.spread());
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// Gives memory back that `rows` rows do not need.
    pub fn shrink_to(&mut self, rows: usize) {
        self.slots.shrink_to(rows, |slot| slot.spread());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100,000 keys in 2^32 hashes: 100,000^2 / 2 / 2^32, about one pair with the same hash, which the rows tell apart.
    #[test]
    fn every_row_is_found_by_its_key_and_no_other() {
        let keys: Vec<String> = (0..100_000).map(|n| format!("key-{n}")).collect();
        let mut index = Index::default();
        keys.iter().enumerate().for_each(|(row, key)| index.insert(key.as_str(), row));
        for (row, key) in keys.iter().enumerate() {
            assert_eq!(index.find(key.as_str(), |at| keys[at] == *key), Some(row as u32));
        }
        assert_eq!(index.find("key-100000", |at| keys[at] == "key-100000"), None);
        index.clear();
        assert_eq!(index.find("key-7", |_| true), None);
    }

    #[test]
    fn one_key_may_have_several_rows() {
        let mut index = Index::default();
        [3, 5].into_iter().for_each(|row| index.insert((1, "user"), row));
        index.insert((2, "user"), 4);
        let mut rows: Vec<_> = index.candidates((1, "user")).collect();
        rows.sort_unstable();
        assert_eq!(rows, [3, 5]);
    }
}
