//! Counting latencies, hundreds of millions of them: plain buckets, a histogram only at the end.

use hdrhistogram::Histogram;

use crate::client::second;

/// Buckets an octave: a value is known to 1 / 128 = 0.8 %.
const BUCKETS_PER_OCTAVE: u32 = 64;
const SHIFT: u32 = BUCKETS_PER_OCTAVE.trailing_zeros();

/// Counts of values in microseconds, log-linear: exact below 64 us, then 64 buckets for each doubling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    counts: Vec<u32>,
}

impl Buckets {
    /// Counts one value [us].
    pub fn record(&mut self, micros: u64) {
        self.record_many(micros, 1);
    }

    /// Counts one value [us] so many times.
    pub fn record_many(&mut self, micros: u64, count: u32) {
        let at = Self::index(micros);
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += count;
    }

    fn index(micros: u64) -> usize {
        let octave = (63 - (micros | 1).leading_zeros()).saturating_sub(SHIFT - 1);
        let within = (micros >> octave.saturating_sub(1).min(63)) as u32;
        if octave == 0 { micros as usize } else { ((octave - 1) * BUCKETS_PER_OCTAVE + within) as usize }
    }

    /// The middle of a bucket [us].
    fn middle(index: usize) -> u64 {
        let index = index as u64;
        let per = u64::from(BUCKETS_PER_OCTAVE);
        if index < 2 * per {
            return index;
        }
        let shift = index / per - 1;
        let low = (per + index % per) << shift;
        low + (1 << shift) / 2
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, n) in self.counts.iter_mut().zip(&other.counts) {
            *sum += n;
        }
    }

    /// As a histogram with so many digits, 1 to 5. Two are enough for a second: a run has thousands of those.
    pub fn to_histogram(&self, digits: u8) -> Histogram<u64> {
        let mut histogram = Histogram::new(digits).expect("1 to 5 digits are possible");
        for (index, &count) in self.counts.iter().enumerate() {
            if count > 0 {
                histogram.record_n(Self::middle(index), u64::from(count)).expect("the histogram grows");
            }
        }
        histogram
    }
}

/// A latency by virtual second.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    seconds: Vec<Buckets>,
}

impl Recorder {
    /// Counts a latency of `micros` in the second of `at_ns`.
    pub fn record(&mut self, at_ns: u64, micros: u64) {
        self.second(at_ns).record(micros);
    }

    /// The buckets of the second of `at_ns`, for counting many at once.
    pub fn second(&mut self, at_ns: u64) -> &mut Buckets {
        second(&mut self.seconds, at_ns)
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        if other.seconds.len() > self.seconds.len() {
            self.seconds.resize(other.seconds.len(), Buckets::default());
        }
        for (sum, n) in self.seconds.iter_mut().zip(&other.seconds) {
            sum.add(n);
        }
    }

    /// Each second's buckets.
    pub fn seconds(&self) -> &[Buckets] {
        &self.seconds
    }

    /// All of them together.
    pub fn total(&self) -> Buckets {
        let mut total = Buckets::default();
        self.seconds.iter().for_each(|second| total.add(second));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_a_128th_of_its_buckets_middle() {
        let mut value = 1u64;
        while value < 1 << 40 {
            for near in [value, value + 1, value * 3 / 2] {
                let middle = Buckets::middle(Buckets::index(near));
                assert!(middle.abs_diff(near) * 128 <= near, "{near} in the bucket of {middle}");
            }
            value *= 2;
        }
    }

    #[test]
    fn buckets_come_in_order_and_none_twice() {
        let indices: Vec<usize> = (0..10_000).map(Buckets::index).collect();
        assert!(indices.windows(2).all(|w| w[1] == w[0] || w[1] == w[0] + 1));
    }

    #[test]
    fn a_histogram_holds_what_was_counted() {
        let mut buckets = Buckets::default();
        (1..=1_000).for_each(|ms| buckets.record(ms * 1_000));
        let histogram = buckets.to_histogram(3);
        assert_eq!(histogram.len(), 1_000);
        let p99 = histogram.value_at_quantile(0.99) as f64;
        assert!((p99 / 990_000.0 - 1.0).abs() < 0.01, "{p99}");
    }
}
