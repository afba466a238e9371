//! One metric in two sets of runs: differences seed by seed, and whether they are more than chance.

use headcount_workloads::interval::Interval;
use headcount_workloads::metric::{Better, Metric};
use serde::Serialize;

/// How probable it is that an interval holds the true mean.
pub const CONFIDENCE: f64 = 0.95;

/// A promise that is broken is no noise: one more of these in one seed is worse.
const PROMISES: [&str; 3] = ["lost", "violated", "votes.lost"];

/// What became of a metric from A to B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Worse,
    Better,
    /// Clearly another, and nobody says which is better.
    Moved,
    /// Some runs differ, but on average by no more than chance may do.
    Unclear,
    /// To the last digit, in every seed.
    Same,
}

/// A's and B's value of one seed.
pub type Pair = (Option<f64>, Option<f64>);

/// A metric in both. Differences are B less A, of the seeds in which both have a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub metric: Metric,
    /// For each seed.
    pub values: Vec<Pair>,
    /// Means over the pairs; `None` where there is no pair.
    pub mean_a: Option<f64>,
    pub mean_b: Option<f64>,
    pub pairs: usize,
    /// Pairs without any difference.
    pub equal: usize,
    /// Of the mean difference; `None` with less than two pairs.
    pub half_width: Option<f64>,
}

impl Compared {
    /// Sets the values of a metric side by side.
    pub fn of(metric: Metric, values: Vec<Pair>) -> Self {
        let pairs: Vec<(f64, f64)> = values.iter().filter_map(|(a, b)| a.zip(*b)).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| {
            (!pairs.is_empty()).then(|| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64)
        };
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        Self {
            mean_a: mean(|(a, _)| *a),
            mean_b: mean(|(_, b)| *b),
            pairs: pairs.len(),
            equal: differences.iter().filter(|difference| **difference == 0.0).count(),
            half_width: Interval::student_t(&differences, CONFIDENCE).map(|interval| interval.half_width),
            metric,
            values,
        }
    }

    /// The mean difference; 0 where there is no pair.
    pub fn difference(&self) -> f64 {
        self.mean_a.zip(self.mean_b).map_or(0.0, |(a, b)| b - a)
    }

    /// The mean difference as a share of A's mean; `None` if that is 0.
    pub fn relative(&self) -> Option<f64> {
        self.share(self.difference())
    }

    /// Half the width of the interval as a share of A's mean.
    pub fn relative_half_width(&self) -> Option<f64> {
        self.share(self.half_width?)
    }

    fn share(&self, of: f64) -> Option<f64> {
        self.mean_a.filter(|mean| *mean != 0.0).map(|mean| of / mean.abs())
    }

    /// What became of it. One pair has no interval: its difference stands as it is.
    pub fn change(&self) -> Change {
        if self.values.iter().all(|(a, b)| a == b) {
            return Change::Same;
        }
        if self.difference().abs() <= self.half_width.unwrap_or(0.0) {
            return Change::Unclear;
        }
        match self.worsening() {
            None => Change::Moved,
            Some(worse) if worse > 0.0 => Change::Worse,
            Some(_) => Change::Better,
        }
    }

    /// The mean difference to the worse; `None` for what is neither better nor worse.
    fn worsening(&self) -> Option<f64> {
        match self.metric.better {
            Better::Less => Some(self.difference()),
            Better::More => Some(-self.difference()),
            Better::Neither => None,
        }
    }

    /// Whether it got worse by more than `limit` (0.05 is 5 %) of A's mean, beyond chance: the whole interval lies beyond the
    /// limit. Of what was 0, whatever is clearly more than 0; of a broken promise, one in any seed.
    pub fn fails(&self, limit: f64) -> bool {
        let Some(worse) = self.worsening() else { return false };
        if PROMISES.contains(&self.metric.name.as_str()) {
            return self.values.iter().any(|(a, b)| a.zip(*b).is_some_and(|(a, b)| b > a));
        }
        let least = worse - self.half_width.unwrap_or(0.0);
        match self.share(least) {
            Some(share) => share > limit,
            None => self.pairs > 0 && least > 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(name: &str, better: Better, pairs: &[(f64, f64)]) -> Compared {
        let metric = Metric { name: name.into(), unit: "", better };
        Compared::of(metric, pairs.iter().map(|(a, b)| (Some(*a), Some(*b))).collect())
    }

    #[test]
    fn pairs_tell_what_means_alone_would_not() {
        // Seeds differ by 100, the two sides by 10, 11 and 12: mean 11, deviation 1, t(0.975; 2) = 4.303:
        // 4.303 / sqrt(3) = 2.484.
        let paired = compared("ack.p99_ms", Better::Less, &[(100.0, 110.0), (200.0, 211.0), (300.0, 312.0)]);
        assert_eq!((paired.difference(), paired.equal, paired.pairs), (11.0, 0, 3));
        assert!((paired.half_width.unwrap() - 2.484).abs() < 1e-3);
        assert_eq!(paired.change(), Change::Worse);
        // 11 of 200 is 5.5 %, but no more than 4.3 % is sure.
        assert!((paired.relative().unwrap() - 0.055).abs() < 1e-12);
        assert!(!paired.fails(0.05) && paired.fails(0.04));
    }

    #[test]
    fn what_scatters_around_nothing_is_unclear_and_what_is_equal_is_the_same() {
        let scattered = compared("ack.p99_ms", Better::Less, &[(100.0, 130.0), (100.0, 80.0), (100.0, 100.0)]);
        assert_eq!((scattered.change(), scattered.equal), (Change::Unclear, 1));
        assert!(!scattered.fails(0.0));
        let same = compared("ack.p99_ms", Better::Less, &[(100.0, 100.0), (7.0, 7.0)]);
        assert_eq!((same.change(), same.difference(), same.half_width), (Change::Same, 0.0, Some(0.0)));
    }

    #[test]
    fn more_is_better_or_worse_or_neither() {
        let of = |better| compared("x", better, &[(10.0, 12.0)]);
        assert_eq!(of(Better::Less).change(), Change::Worse);
        assert_eq!(of(Better::More).change(), Change::Better);
        assert_eq!(of(Better::Neither).change(), Change::Moved);
        // One seed has no interval: 20 % is 20 %.
        assert!(of(Better::Less).fails(0.19) && !of(Better::Less).fails(0.21));
        assert!(!of(Better::More).fails(0.0) && !of(Better::Neither).fails(0.0));
        assert!(compared("x", Better::More, &[(10.0, 8.0)]).fails(0.19));
    }

    #[test]
    fn of_nothing_anything_is_too_much_once_it_is_clear() {
        assert!(compared("kv.failed", Better::Less, &[(0.0, 3.0), (0.0, 3.0)]).fails(10.0));
        assert!(!compared("kv.failed", Better::Less, &[(0.0, 1.0), (0.0, 0.0)]).fails(0.0));
        assert_eq!(compared("kv.failed", Better::Less, &[(0.0, 3.0)]).relative(), None);
        // A vote lost in one of three seeds is not chance.
        assert!(compared("lost", Better::Less, &[(0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]).fails(10.0));
    }

    #[test]
    fn a_value_that_only_one_side_has_is_no_pair() {
        let metric = Metric { name: "ack.p99_ms".into(), unit: "ms", better: Better::Less };
        let one = Compared::of(metric, vec![(Some(5.0), None)]);
        assert_eq!((one.pairs, one.mean_a, one.difference()), (0, None, 0.0));
        assert_eq!(one.change(), Change::Unclear);
        assert!(!one.fails(0.0));
    }
}
