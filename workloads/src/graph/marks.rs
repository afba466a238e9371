//! A set of places that gives them back in order: what makes a row sorted and free of duplicates.

/// A bitset of two levels: a bit for each place, and a bit for each word that has any.
pub(super) struct Marks {
    words: Vec<u64>,
    summary: Vec<u64>,
    /// Words that have any, while they are taken out.
    filled: Vec<u32>,
}

impl Marks {
    /// An empty set of places below `places`.
    pub fn new(places: u32) -> Self {
        let words = places as usize / 64 + 1;
        Self { words: vec![0; words], summary: vec![0; words / 64 + 1], filled: vec![0; words + 8] }
    }

    #[inline]
    pub fn insert(&mut self, place: u32) {
        self.words[place as usize / 64] |= 1 << (place % 64);
        self.summary[place as usize / 4_096] |= 1 << (place / 64 % 64);
    }

    #[inline]
    pub fn remove(&mut self, place: u32) {
        self.words[place as usize / 64] &= !(1 << (place % 64));
    }

    /// Takes all places out, lowest first.
    #[inline]
    pub fn drain(&mut self, mut place: impl FnMut(u32)) {
        let mut filled = 0;
        for (at, summary) in self.summary.iter_mut().enumerate() {
            let mut bits = std::mem::take(summary);
            let (count, base) = (ones(bits), at as u32 * 64);
            // Eight at a time, wanted or not: cheaper than a jump that nobody can foresee.
            let mut end = filled;
            while end < filled + count {
                let some: &mut [u32; 8] = self.filled[end..].first_chunk_mut().expect("it has 8 more than words");
                for slot in some {
                    *slot = base + bits.trailing_zeros();
                    bits &= bits.wrapping_sub(1);
                }
                end += 8;
            }
            filled += count;
        }
        for &at in &self.filled[..filled] {
            let mut bits = std::mem::take(&mut self.words[at as usize]);
            while bits != 0 {
                place(at * 64 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

/// `count_ones` without a table, for machines whose baseline has no instruction for it.
#[inline]
fn ones(bits: u64) -> usize {
    bits.count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_out_in_order_each_once_and_the_set_is_empty_then() {
        let mut marks = Marks::new(10_000);
        for round in 1..4u32 {
            let mut wanted: Vec<u32> = (0..5_000).map(|n| n * n * round % 10_000).collect();
            wanted.iter().for_each(|place| marks.insert(*place));
            marks.remove(wanted[7]);
            wanted.sort_unstable();
            wanted.dedup();
            wanted.retain(|place| *place != 49 * round % 10_000);
            let mut got = Vec::new();
            marks.drain(|place| got.push(place));
            assert_eq!(got, wanted);
            marks.drain(|place| panic!("{place} is still there"));
        }
    }

    #[test]
    fn a_full_set_comes_out_whole() {
        let mut marks = Marks::new(4_096 * 3);
        (0..4_096 * 3).for_each(|place| marks.insert(place));
        let mut next = 0;
        marks.drain(|place| {
            assert_eq!(place, next);
            next += 1;
        });
        assert_eq!(next, 4_096 * 3);
    }
}
