//! A list that never moves what it holds: half a million rows that grow by one must not be copied to a larger place, nor
//! leave the smaller one behind. (A `Vec` that doubles touches three times the memory that it ends up with.)

pub mod index;

use std::iter::Flatten;
use std::slice::Iter;

/// Rows in a chunk, a power of two. At 56 bytes a row a chunk is 56 KiB; the first one grows as a `Vec` does, so that a
/// small list stays small.
const ROWS: usize = 1 << 10;

/// A list in chunks of 1,024.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a row behind the last.
    pub fn push(&mut self, row: T) {
        if self.len == self.chunks.len() * ROWS {
            self.chunks.push(if self.len == 0 { Vec::new() } else { Vec::with_capacity(ROWS) });
        }
        let chunk = self.chunks.last_mut().expect("there is room in the last chunk");
        chunk.push(row);
        self.len += 1;
    }

    /// The row at this place.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / ROWS)?.get(at % ROWS)
    }

    /// All rows, in order.
    pub fn iter(&self) -> Flatten<Iter<'_, Vec<T>>> {
        self.chunks.iter().flatten()
    }

    /// Takes the row at this place out; the last row takes its place.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn swap_remove(&mut self, at: usize) -> T {
        let chunk = self.chunks.last_mut().expect("a list with a row has a chunk");
        let last = chunk.pop().expect("the last chunk has a row");
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len -= 1;
        if at == self.len { last } else { std::mem::replace(&mut self[at], last) }
    }

    /// Shows every row to `keep`, which may change it, and drops those it does not want. The others keep their order.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        // Chunk by chunk, so that a list that loses most of its rows never exists twice.
        let before = std::mem::take(self);
        for mut chunk in before.chunks {
            chunk.retain_mut(&mut keep);
            chunk.into_iter().for_each(|row| self.push(row));
        }
    }
}

impl<'a, T> IntoIterator for &'a Chunks<T> {
    type Item = &'a T;
    type IntoIter = Flatten<Iter<'a, Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> std::ops::Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.chunks[at / ROWS][at % ROWS]
    }
}

impl<T> std::ops::IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / ROWS][at % ROWS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_places_and_their_order() {
        let mut list = Chunks::default();
        (0..5_000).for_each(|n| list.push(n));
        assert_eq!((list.len(), list[1_023], list[1_024], list.get(5_000)), (5_000, 1_023, 1_024, None));
        list[1_024] = 7;
        assert!(list.iter().copied().eq((0..5_000).map(|n| if n == 1_024 { 7 } else { n })));
    }

    #[test]
    fn what_is_kept_closes_up() {
        let mut list = Chunks::default();
        (0..5_000).for_each(|n| list.push(n));
        list.retain_mut(|n| {
            *n += 1;
            *n % 3 == 0
        });
        // 3, 6, …, 4,998
        assert_eq!(list.len(), 1_666);
        assert!(list.iter().copied().eq((1..=1_666).map(|n| 3 * n)));
        list.push(1);
        assert_eq!(list[1_666], 1);
    }

    #[test]
    fn the_last_row_takes_the_place_of_one_that_goes() {
        let mut list = Chunks::default();
        (0..1_025).for_each(|n| list.push(n));
        assert_eq!((list.swap_remove(3), list[3], list.len()), (3, 1_024, 1_024));
        assert_eq!((list.swap_remove(1_023), list.get(1_023)), (1_023, None));
        list.push(9);
        assert_eq!((list[1_023], list.len()), (9, 1_024));
    }

    #[test]
    fn rows_do_not_move_when_the_list_grows() {
        let mut list = Chunks::default();
        (0..2_048).for_each(|n| list.push(n));
        let place = &raw const list[1_500];
        (0..100_000).for_each(|n| list.push(n));
        assert_eq!(place, &raw const list[1_500]);
    }
}
