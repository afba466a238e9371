//! Who is paired with whom: a random perfect matching of stubs that needs no list of them.
//!
//! A stub's number is written as (hi, lo) in mixed radix. Turning `lo` into `f(hi) - lo` is its own inverse, and so is
//! turning `hi` into `g(lo) - hi`. Five such turns in the order F G H G F are their own inverse too: the middle one
//! pairs, the outer ones strew, as in a Feistel cipher. So the partner of a stub's partner is the stub itself,
//! whichever of the two asks, and a user's row can be written at one place in one go.

use headcount_sim::Stream;

use super::degrees::Divisor;

/// The matching of the numbers below `stubs`. `highs * lows` is a little more: the partners of few stubs lie in that
/// rest, and they go without.
pub(super) struct Pairing {
    stubs: u32,
    highs: u32,
    lows: u32,
    by_lows: Divisor,
    /// By hi: values below `lows`.
    outer: Vec<u16>,
    /// By lo: values below `highs`.
    inner: Vec<u16>,
    /// By hi: odd values below `lows`, which is even: so no stub is its own partner.
    middle: Vec<u16>,
}

/// Tables by hi of so many entries stay in a first-level cache.
const HIGHS: u64 = 4_096;

impl Pairing {
    /// A matching of so many stubs, at most [`super::degrees::EDGES_MAX`].
    pub fn new(stubs: u32, seed: u64) -> Self {
        let (highs, lows) = sides(u64::from(stubs));
        let mut stream = Stream::new(seed, "friends: pairing", 0);
        let mut table = |entries: u32, below: u32| -> Vec<u16> {
            (0..entries).map(|_| stream.below(u64::from(below)) as u16).collect()
        };
        let (outer, inner) = (table(highs, lows), table(lows, highs));
        let middle = table(highs, lows / 2).into_iter().map(|half| half * 2 + 1).collect();
        Self { stubs, highs, lows, by_lows: Divisor::new(lows), outer, inner, middle }
    }

    /// The partners of the stubs `first .. first + count`, of those that have one, handed to `some` in portions.
    ///
    /// A portion goes through one short loop after the other, here and at whoever takes it: a processor works at many
    /// turns of a short loop at once, and at few of a long one.
    #[inline]
    pub fn partners(&self, first: u32, count: u32, mut some: impl FnMut(&mut [u32])) {
        let mut portion = [0; PORTION as usize];
        let mut hi = self.by_lows.divide(first);
        let mut lo = first - hi * self.lows;
        let mut left = count;
        while left > 0 {
            // A user's stubs have the same hi, or two or three.
            let run = left.min(self.lows - lo).min(PORTION);
            let outer = u32::from(self.outer[hi as usize]);
            let mut found = 0;
            for lo in lo..lo + run {
                let lo = turned(outer, lo, self.lows);
                let strewn = turned(u32::from(self.inner[lo as usize]), hi, self.highs);
                let lo = turned(u32::from(self.middle[strewn as usize]), lo, self.lows);
                let hi = turned(u32::from(self.inner[lo as usize]), strewn, self.highs);
                let lo = turned(u32::from(self.outer[hi as usize]), lo, self.lows);
                let stub = u64::from(hi) * u64::from(self.lows) + u64::from(lo);
                portion[found % PORTION as usize] = stub as u32;
                found += usize::from(stub < u64::from(self.stubs));
            }
            some(&mut portion[..found]);
            left -= run;
            lo += run;
            if lo == self.lows {
                (hi, lo) = (hi + 1, 0);
            }
        }
    }
}

/// Stubs in a portion: few enough for a first-level cache.
const PORTION: u32 = 256;

/// `by - value` modulo `modulus`, both below it.
#[inline]
fn turned(by: u32, value: u32, modulus: u32) -> u32 {
    let difference = by.wrapping_sub(value);
    difference.wrapping_add(modulus & (difference as i32 >> 31) as u32)
}

/// How many values hi and lo have: lo an even number, both of 16 bits, their product as little above `stubs` as a
/// short search finds.
fn sides(stubs: u64) -> (u32, u32) {
    let low = stubs.isqrt().min(HIGHS).max(stubs.div_ceil(u64::from(u16::MAX - 1))).max(1);
    let lows = |highs: u64| stubs.div_ceil(2 * highs).max(1) * 2;
    let best = (low..=low + low / 4).min_by_key(|highs| highs * lows(*highs)).unwrap_or(low);
    (best as u32, lows(best) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_are_mutual_nobody_is_alone_but_a_few_and_nobody_is_its_own() {
        for stubs in [1, 2, 3, 10, 101, 5_000, 99_991] {
            let pairing = Pairing::new(stubs, 3);
            let mut partner = vec![None; stubs as usize];
            for stub in 0..stubs {
                pairing.partners(stub, 1, |some| partner[stub as usize] = some.first().copied());
            }
            let mut alone = 0;
            for (stub, other) in partner.iter().enumerate() {
                match other {
                    None => alone += 1,
                    Some(other) => {
                        assert_ne!(*other as usize, stub);
                        assert_eq!(partner[*other as usize], Some(stub as u32));
                    }
                }
            }
            assert!(alone <= pairing.highs * pairing.lows - stubs, "{alone} of {stubs} are alone");
        }
    }

    #[test]
    fn asking_for_many_is_asking_for_each() {
        let pairing = Pairing::new(10_000, 3);
        let (mut together, mut each) = (Vec::new(), Vec::new());
        pairing.partners(1_000, 777, |some| together.extend_from_slice(some));
        (1_000..1_777).for_each(|stub| pairing.partners(stub, 1, |some| each.extend_from_slice(some)));
        assert_eq!(together, each);
    }

    #[test]
    fn sizes_are_met_almost_exactly() {
        for stubs in [250_000_000, 249_999_999, 338_123_457, 4_000_000_000, 77] {
            let (highs, lows) = sides(stubs);
            assert!(highs <= 1 << 16 && lows <= 1 << 16 && lows % 2 == 0);
            let rest = u64::from(highs) * u64::from(lows) - stubs;
            assert!(rest < 500, "{rest} more than {stubs}");
        }
    }

    #[test]
    fn partners_are_strewn_evenly() {
        // 200,000 stubs in 100 cells: 2,000 each, standard deviation 45. Those of one user of 500 as well: 5 each.
        let pairing = Pairing::new(200_000, 11);
        let mut cells = [0u32; 100];
        pairing.partners(40_000, 500, |some| some.iter().for_each(|stub| cells[*stub as usize / 2_000] += 1));
        // Chi-square with 99 degrees of freedom: mean 99, standard deviation 14; six of them make 183.
        let chi: u32 = cells.iter().map(|seen| seen.abs_diff(5).pow(2)).sum::<u32>() / 5;
        assert!(chi < 183, "{chi}");
    }
}
