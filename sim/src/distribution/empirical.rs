//! A distribution as it was measured: its quantile function, straight between the points that are given, with a jump where
//! two points share a probability. Nothing is smoothed over: a table of equidistant probabilities would blur jumps, and what
//! one request in 10,000 takes would be anywhere in its last cell.

use super::{DistributionError, NS_MAX, PER_WORD};
use crate::contract::Nanos;

/// Probabilities are looked up by their upper bits first.
const GUIDE_BITS: u32 = 10;

/// A stretch of the quantile function.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Probability at which it begins.
    from: f64,
    /// 1 / its width.
    per_width: f64,
    low_ns: f64,
    high_ns: f64,
}

/// A quantile function in stretches.
#[derive(Clone, Debug)]
pub(super) struct Empirical {
    stretches: Box<[Stretch]>,
    /// For each value of the upper bits of a word: the stretch in which the smallest such word lies; and one more.
    guide: Box<[u32]>,
    mean_ns: f64,
}

impl Empirical {
    /// See [`super::Sampler::empirical`].
    pub fn new(quantiles: &[(f64, Nanos)]) -> Result<Self, DistributionError> {
        let (Some(first), Some(last)) = (quantiles.first(), quantiles.last()) else {
            return Err(DistributionError::NotRising);
        };
        // A probability that is not a number is in no order.
        let rising = quantiles.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1);
        if first.0 != 0.0 || last.0 != 1.0 || !rising {
            return Err(DistributionError::NotRising);
        }
        if last.1 as f64 > NS_MAX {
            return Err(DistributionError::OutOfRange);
        }
        let wide = quantiles.windows(2).filter(|w| w[0].0 < w[1].0);
        let stretch = |w: &[(f64, Nanos)]| Stretch {
            from: w[0].0,
            per_width: 1.0 / (w[1].0 - w[0].0),
            low_ns: w[0].1 as f64,
            high_ns: w[1].1 as f64,
        };
        let stretches: Box<[Stretch]> = wide.map(stretch).collect();
        let at = |cell: u64| {
            let p = cell as f64 / (1u64 << GUIDE_BITS) as f64;
            stretches.partition_point(|stretch| stretch.from <= p) as u32 - 1
        };
        let guide = (0..=1 << GUIDE_BITS).map(at).collect();
        // The sum of the trapezia under the function.
        let mean_ns = stretches.iter().map(|one| (one.low_ns + one.high_ns) / 2.0 / one.per_width).sum();
        Ok(Self { stretches, guide, mean_ns })
    }

    /// The same distribution, `shift_ns` later.
    pub fn shifted(&self, shift_ns: Nanos) -> Self {
        let mut later = self.clone();
        for stretch in &mut later.stretches {
            stretch.low_ns += shift_ns as f64;
            stretch.high_ns += shift_ns as f64;
        }
        later.mean_ns += shift_ns as f64;
        later
    }

    #[inline]
    pub fn sample(&self, bits: u64) -> Nanos {
        let p = bits as f64 * PER_WORD;
        let cell = (bits >> (64 - GUIDE_BITS)) as usize;
        let (first, last) = (self.guide[cell] as usize, self.guide[cell + 1] as usize);
        let within = self.stretches[first + 1..=last].partition_point(|stretch| stretch.from <= p);
        let stretch = &self.stretches[first + within];
        let part = ((p - stretch.from) * stretch.per_width).min(1.0);
        (stretch.low_ns + (stretch.high_ns - stretch.low_ns) * part) as Nanos
    }

    pub fn mean_ns(&self) -> f64 {
        self.mean_ns
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::*;
    use crate::contract::MS;

    fn sampler(points: &[(f64, Nanos)]) -> Sampler {
        Sampler::empirical(points).expect("it rises")
    }

    /// 999 in 1,000 take 1 ms, the others a second: 0.999 + 1 = 1.999 ms in the mean, nothing between the two.
    #[test]
    fn a_jump_stays_a_jump() {
        let rare = sampler(&[(0.0, MS), (0.999, MS), (0.999, 1_000 * MS), (1.0, 1_000 * MS)]);
        assert!((rare.mean_ns() / MS as f64 - 1.999).abs() < 1e-9);
        let words = (0..1_000_000_u64).map(|i| i * (u64::MAX / 1_000_000));
        let slow = words.clone().filter(|bits| rare.sample(*bits) == 1_000 * MS).count();
        assert!(words.into_iter().all(|bits| [MS, 1_000 * MS].contains(&rare.sample(bits))));
        assert!(slow.abs_diff(1_000) <= 1, "{slow}");
    }

    /// Straight between (0.9999, 10) and (1, 1010): half way is 510, at 99.995 %.
    #[test]
    fn the_far_tail_is_as_it_was_given() {
        let tail = sampler(&[(0.0, MS), (0.999_9, 10 * MS), (1.0, 1_010 * MS)]);
        assert!((tail.quantile_ns(0.999_95) as f64 / (510 * MS) as f64 - 1.0).abs() < 1e-6);
        // Arithmetic in doubles, cut to whole nanoseconds: the end may be one short.
        assert!(tail.min_ns() == MS && tail.sample(u64::MAX).abs_diff(1_010 * MS) <= 1);
        assert!(tail.shifted(MS).quantile_ns(1.0).abs_diff(1_011 * MS) <= 1);
    }

    /// 3,000 stretches, more than a guide's cell apart and less: every word finds its own, and samples rise with words.
    #[test]
    fn samples_rise_with_their_bits_however_the_points_lie() {
        let points: Vec<(f64, Nanos)> =
            (0..=3_000_u64).map(|i| (1.0 - libm::pow(1.0 - i as f64 / 3_000.0, 4.0), i * i)).collect();
        let many = sampler(&points);
        let words = |n: u64| (0..n).map(move |i| i * (u64::MAX / n));
        assert!(words(200_000).map(|bits| many.sample(bits)).is_sorted());
        for (p, ns) in &points {
            assert!(many.quantile_ns(*p).abs_diff(*ns) <= 1, "{p}: {ns}, {}", many.quantile_ns(*p));
        }
    }

    #[test]
    fn points_that_are_no_quantiles_are_refused() {
        use DistributionError::*;
        for wrong in [
            &[][..],
            &[(0.0, 5)],
            &[(0.0, 5), (0.5, 4), (1.0, 6)],
            &[(0.0, 5), (0.5, 5), (0.4, 6), (1.0, 6)],
            &[(0.1, 5), (1.0, 6)],
            &[(0.0, 5), (f64::NAN, 5), (1.0, 6)],
        ] {
            assert_eq!(Sampler::empirical(wrong).err(), Some(NotRising), "{wrong:?}");
        }
        assert_eq!(Sampler::empirical(&[(0.0, 5), (1.0, u64::MAX)]).err(), Some(OutOfRange));
    }
}
