//! The arrival process: when each vote is meant to begin. It knows the scenario's shape and a source of random bits, and
//! nothing of faults, so the same seed brings the same votes under every fault plan.
//!
//! A rate that changes over time is a steady one on a bent clock: if votes come at rate 1 at the marks `m`, they come at
//! rate r(t) at the times t where r has added up to m. Marks one apart give even spacing and an exact count; marks
//! exponentially far apart give a Poisson process.

use headcount_engine::contract::{Nanos, SECOND};

use crate::scenario::{ArrivalKind, Arrivals as Spec, Spacing};

/// Intended starts [ns], sorted, at most one for each user.
#[derive(Debug)]
pub struct Arrivals<B> {
    bits: B,
    left: u32,
    from: Nanos,
    to: Nanos,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    /// Marks on the bent clock.
    Bent { pieces: Vec<Piece>, mark: f64, poisson: bool },
    /// `left` uniform moments in order; `log_rest` is the logarithm of the share of the window still ahead.
    Spread { log_rest: f64 },
    /// Counts by second; `now` holds the current second's moments, latest first.
    PerSecond { counts: Vec<u32>, next: usize, now: Vec<Nanos> },
}

/// A stretch of time over which the rate changes linearly.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: Nanos,
    length_s: f64,
    rate: f64,
    rate_end: f64,
}

impl Piece {
    fn new(from: Nanos, to: Nanos, rate: f64, rate_end: f64) -> Self {
        Self { from, length_s: to.saturating_sub(from) as f64 / SECOND as f64, rate, rate_end }
    }

    /// Votes in this stretch.
    fn total(&self) -> f64 {
        (self.rate + self.rate_end) / 2.0 * self.length_s
    }

    /// When the rate has added up to `mark`: the root of rate t + (rate_end - rate) t^2 / 2 length = mark, in the form
    /// that loses no digits when the rate is steady.
    fn time(&self, mark: f64) -> Nanos {
        let bend = 2.0 * (self.rate_end - self.rate) / self.length_s * mark;
        let t = 2.0 * mark / (self.rate + libm::sqrt((self.rate * self.rate + bend).max(0.0)));
        self.from + (t * SECOND as f64) as Nanos
    }
}

impl<B: FnMut() -> u64> Arrivals<B> {
    /// The process of `spec` for `users` users; `bits` gives random 64-bit words.
    pub fn new(spec: &Spec, users: u32, bits: B) -> Self {
        let (from, to) = (spec.from, spec.to);
        let bent = |pieces: Vec<Piece>, spacing: Spacing| Shape::Bent {
            pieces,
            // Even votes stand in the middle of their intervals.
            mark: if spacing == Spacing::Even { -0.5 } else { 0.0 },
            poisson: spacing == Spacing::Poisson,
        };
        let steady = |rate: f64| vec![Piece::new(from, to, rate, rate)];
        let shape = match &spec.kind {
            ArrivalKind::Constant { rate_per_s } => bent(steady(*rate_per_s), Spacing::Even),
            ArrivalKind::Poisson { rate_per_s } => bent(steady(*rate_per_s), Spacing::Poisson),
            ArrivalKind::Ramp { from_per_s, to_per_s, spacing } => {
                bent(vec![Piece::new(from, to, *from_per_s, *to_per_s)], *spacing)
            }
            ArrivalKind::Burst { base_per_s, burst_per_s, burst_at, burst_for, spacing } => {
                let burst_end = burst_at + burst_for;
                let pieces = [
                    (from, *burst_at, *base_per_s),
                    (*burst_at, burst_end, *burst_per_s),
                    (burst_end, to, *base_per_s),
                ];
                bent(pieces.map(|(from, to, rate)| Piece::new(from, to, rate, rate)).to_vec(), *spacing)
            }
            ArrivalKind::Spread => Shape::Spread { log_rest: 0.0 },
            ArrivalKind::PerSecond { counts } => Shape::PerSecond { counts: counts.clone(), next: 0, now: Vec::new() },
        };
        Self { bits, left: users, from, to, shape }
    }

    /// In (0, 1], so that its logarithm is finite.
    fn unit(&mut self) -> f64 {
        (((self.bits)() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn next_mark(&mut self) -> Option<Nanos> {
        let poisson = matches!(self.shape, Shape::Bent { poisson: true, .. });
        let step = if poisson { -libm::log(self.unit()) } else { 1.0 };
        let Shape::Bent { pieces, mark, .. } = &mut self.shape else { return None };
        *mark += step;
        let mut rest = *mark;
        for piece in pieces.iter() {
            let total = piece.total();
            if rest < total {
                return Some(piece.time(rest).min(self.to - 1));
            }
            rest -= total;
        }
        None
    }

    /// The smallest of n uniform moments in what is ahead leaves the share u^(1/n) of it.
    fn next_spread(&mut self) -> Option<Nanos> {
        let step = libm::log(self.unit()) / f64::from(self.left);
        let Shape::Spread { log_rest } = &mut self.shape else { return None };
        *log_rest += step;
        let share = -libm::expm1(*log_rest);
        let window = (self.to - self.from) as f64;
        Some((self.from + (share * window) as Nanos).min(self.to - 1))
    }

    fn next_of_second(&mut self) -> Option<Nanos> {
        let Shape::PerSecond { counts, next, now } = &mut self.shape else { return None };
        while now.is_empty() {
            let count = *counts.get(*next)?;
            let start = self.from + *next as Nanos * SECOND;
            // The high half of bits x SECOND is uniform below SECOND.
            now.extend((0..count).map(|_| start + ((u128::from((self.bits)()) * u128::from(SECOND)) >> 64) as Nanos));
            now.sort_unstable_by(|a, b| b.cmp(a));
            *next += 1;
        }
        now.pop()
    }
}

impl<B: FnMut() -> u64> Iterator for Arrivals<B> {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        if self.left == 0 {
            return None;
        }
        let time = match &self.shape {
            Shape::Bent { .. } => self.next_mark(),
            Shape::Spread { .. } => self.next_spread(),
            Shape::PerSecond { .. } => self.next_of_second(),
        };
        match time {
            Some(_) => self.left -= 1,
            None => self.left = 0,
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: any full-period source will do here.
    fn bits(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }
    }

    fn votes(kind: ArrivalKind, from_s: u64, to_s: u64, users: u32) -> Vec<Nanos> {
        let spec = Spec { kind, from: from_s * SECOND, to: to_s * SECOND };
        let votes: Vec<_> = Arrivals::new(&spec, users, bits(7)).collect();
        assert!(votes.is_sorted(), "intended starts come in order");
        assert!(votes.iter().all(|t| (spec.from..spec.to).contains(t)), "inside the window");
        votes
    }

    fn between(votes: &[Nanos], from_s: u64, to_s: u64) -> usize {
        votes.iter().filter(|t| (from_s * SECOND..to_s * SECOND).contains(t)).count()
    }

    #[test]
    fn a_constant_rate_is_exact_in_every_second() {
        // 100/s x 10 s = 1,000; the first in the middle of its 10 ms.
        let votes = votes(ArrivalKind::Constant { rate_per_s: 100.0 }, 5, 15, 1_000_000);
        assert_eq!(votes.len(), 1_000);
        assert_eq!(votes[0], 5 * SECOND + 5_000_000);
        assert!((5..15).all(|s| between(&votes, s, s + 1) == 100));
    }

    #[test]
    fn a_poisson_rate_has_its_mean_and_its_variance() {
        // 1,000/s x 100 s = 100,000, standard deviation sqrt(100,000) = 316; 5 of them are 1,580.
        let votes = votes(ArrivalKind::Poisson { rate_per_s: 1_000.0 }, 0, 100, 5_000_000);
        assert!(votes.len().abs_diff(100_000) < 1_580, "{}", votes.len());
        // Counts of a second have variance = mean = 1,000; over 100 s its estimate has a deviation of sqrt(2/99) = 14 %.
        let variance = (0..100).map(|s| between(&votes, s, s + 1) as f64 - 1_000.0).map(|d| d * d).sum::<f64>() / 100.0;
        assert!((500.0..1_700.0).contains(&variance), "{variance}");
    }

    #[test]
    fn a_ramp_brings_the_area_under_its_line() {
        // (0 + 200)/2 x 10 s = 1,000; the first half has (0 + 100)/2 x 5 s = 250 of them.
        let even = ArrivalKind::Ramp { from_per_s: 0.0, to_per_s: 200.0, spacing: Spacing::Even };
        let votes = votes(even, 0, 10, 5_000_000);
        assert_eq!((votes.len(), between(&votes, 0, 5)), (1_000, 250));
    }

    #[test]
    fn a_falling_ramp_is_the_rising_one_backwards() {
        let even = ArrivalKind::Ramp { from_per_s: 200.0, to_per_s: 0.0, spacing: Spacing::Even };
        let votes = votes(even, 0, 10, 5_000_000);
        assert_eq!((votes.len(), between(&votes, 0, 5)), (1_000, 750));
    }

    #[test]
    fn a_burst_stands_on_its_base() {
        // 10/s x 10 s + 1,000/s x 2 s + 10/s x 8 s = 2,180.
        let kind = ArrivalKind::Burst {
            base_per_s: 10.0,
            burst_per_s: 1_000.0,
            burst_at: 10 * SECOND,
            burst_for: 2 * SECOND,
            spacing: Spacing::Even,
        };
        let votes = votes(kind, 0, 20, 5_000_000);
        assert_eq!((votes.len(), between(&votes, 10, 12), between(&votes, 0, 10)), (2_180, 2_000, 100));
    }

    #[test]
    fn spread_brings_every_user_once_and_evenly() {
        // 100,000 over 10 s: a tenth has 10,000, deviation sqrt(100,000 x 0.1 x 0.9) = 95; 5 of them are 475.
        let votes = votes(ArrivalKind::Spread, 10, 20, 100_000);
        assert_eq!(votes.len(), 100_000);
        assert!((10..20).all(|s| between(&votes, s, s + 1).abs_diff(10_000) < 475));
    }

    #[test]
    fn counts_by_second_are_exact() {
        let votes = votes(ArrivalKind::PerSecond { counts: vec![3, 0, 5] }, 2, 5, 100);
        assert_eq!([2, 3, 4].map(|s| between(&votes, s, s + 1)), [3, 0, 5]);
    }

    #[test]
    fn no_user_votes_twice_and_no_rate_means_no_votes() {
        assert_eq!(votes(ArrivalKind::Constant { rate_per_s: 100.0 }, 0, 10, 42).len(), 42);
        assert_eq!(votes(ArrivalKind::PerSecond { counts: vec![30, 30] }, 0, 2, 42).len(), 42);
        assert_eq!(votes(ArrivalKind::Constant { rate_per_s: 0.0 }, 0, 10, 42).len(), 0);
        let flat = ArrivalKind::Ramp { from_per_s: 0.0, to_per_s: 0.0, spacing: Spacing::Poisson };
        assert_eq!(votes(flat, 0, 10, 42).len(), 0);
    }

    #[test]
    fn the_same_bits_bring_the_same_votes() {
        let kind = || ArrivalKind::Poisson { rate_per_s: 50.0 };
        assert_eq!(votes(kind(), 0, 10, 1_000), votes(kind(), 0, 10, 1_000));
    }
}
