//! Which row has a key: an open-addressed table of row numbers with a part of their hash beside them, in one array.
//!
//! With half a million users every look at memory is a cache miss. A slot and its neighbours are in one line, and a
//! table that grows or closes a gap looks at no row.

use super::rows::NONE;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    /// [`NONE`]: the slot is free.
    row: u32,
}

const FREE: Slot = Slot { hash: 0, row: NONE };

/// Row numbers by hash. Three quarters of the slots are used at most, three eighths at least while it grows.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// A power of two, or none.
    slots: Vec<Slot>,
    used: usize,
}

impl Index {
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// The rows with this hash.
    #[inline]
    pub fn all(&self, hash: u32) -> impl Iterator<Item = u32> {
        let mask = self.mask();
        let mut at = hash as usize & mask;
        let used = std::iter::from_fn(move || {
            let slot = self.slots.get(at).filter(|slot| slot.row != NONE)?;
            at = (at + 1) & mask;
            Some(slot)
        });
        used.filter(move |slot| slot.hash == hash).map(|slot| slot.row)
    }

    /// The row with this hash that `is_it`.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.all(hash).find(|row| is_it(*row))
    }

    /// Adds a row that is not there.
    pub fn insert(&mut self, hash: u32, row: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![FREE; (self.slots.len() * 2).max(16)];
            let smaller = std::mem::replace(&mut self.slots, larger);
            smaller.into_iter().filter(|slot| slot.row != NONE).for_each(|slot| self.place(slot));
        }
        self.place(Slot { hash, row });
        self.used += 1;
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.mask();
        let mut at = slot.hash as usize & mask;
        while self.slots[at].row != NONE {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Takes a row out. Those behind it that stand away from their own place close the gap.
    ///
    /// # Panics
    /// If the row is not there.
    pub fn remove(&mut self, hash: u32, row: u32) {
        let mask = self.mask();
        let mut gap = hash as usize & mask;
        while self.slots[gap].row != row {
            assert_ne!(self.slots[gap].row, NONE, "row {row} is in the index");
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot.row == NONE {
                break;
            }
            let away = at.wrapping_sub(slot.hash as usize) & mask;
            if away >= at.wrapping_sub(gap) & mask {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = FREE;
        self.used -= 1;
    }

    /// Memory in use [bytes].
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::{below, draw};

    /// 20,000 insertions and removals of 200 rows whose hashes are one of 40, so that most stand away from their place,
    /// against a list of what should be there.
    #[test]
    fn what_was_inserted_and_not_removed_is_found() {
        let (mut index, mut there) = (Index::default(), [false; 200]);
        let hash = |row: u32| (row % 40).wrapping_mul(0x9E37_79B9);
        assert_eq!(index.find(0, |_| true), None);
        for step in 0..20_000 {
            let row = below(200, draw(5, step)) as u32;
            let place = &mut there[row as usize];
            if std::mem::replace(place, !*place) {
                index.remove(hash(row), row);
            } else {
                index.insert(hash(row), row);
            }
            let asked = below(200, draw(6, step)) as u32;
            let found = index.find(hash(asked), |row| row == asked);
            assert_eq!(found, there[asked as usize].then_some(asked), "step {step}");
        }
        assert_eq!(index.used, there.iter().filter(|there| **there).count());
        // 200 rows at most need 200 * 4 / 3 = 267 slots, so 512.
        assert!(index.slots.len() <= 512);
    }
}
