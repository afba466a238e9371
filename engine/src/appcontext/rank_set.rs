//! A set of small numbers, dense or sparse.

use std::collections::BTreeMap;

/// Numbers in order, 64 to a word, the words that are not 0 in a B-tree: a set of most of half a million numbers is
/// 8,000 words, which stay in the cache of a core, and one of numbers far apart takes 12 to 20 bytes a number.
#[derive(Debug, Default)]
pub(super) struct RankSet {
    words: BTreeMap<u32, u64>,
    len: usize,
}

impl RankSet {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Puts a number in; whether it was not there before.
    pub fn insert(&mut self, number: u32) -> bool {
        let word = self.words.entry(number / 64).or_insert(0);
        let bit = 1 << (number % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a number out; whether it was there before.
    pub fn remove(&mut self, number: u32) -> bool {
        let Some(word) = self.words.get_mut(&(number / 64)) else { return false };
        let bit = 1 << (number % 64);
        let was_there = *word & bit != 0;
        *word &= !bit;
        if *word == 0 {
            self.words.remove(&(number / 64));
        }
        self.len -= usize::from(was_there);
        was_there
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dice::{below, draw};

    #[test]
    fn it_agrees_with_a_plain_set() {
        for bound in [100, 100_000] {
            let (mut set, mut model) = (RankSet::default(), BTreeSet::new());
            for step in 0..4_000 {
                let number = below(bound, draw(3, 2 * step)) as u32;
                if below(3, draw(3, 2 * step + 1)) > 0 {
                    assert_eq!(set.insert(number), model.insert(number));
                } else {
                    assert_eq!(set.remove(number), model.remove(&number));
                }
            }
            assert!(set.iter().eq(model.iter().copied()));
            assert_eq!(set.len(), model.len());
            for number in &model {
                assert!(set.remove(*number));
            }
            assert!(set.len() == 0 && set.words.is_empty());
        }
    }
}
