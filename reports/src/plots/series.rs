//! Series made small enough to draw: at most [`POINTS_MAX`] points, and the caption says how they were made.

use headcount_workloads::outcome::{Outcome, Series};

/// The most points a line gets: about one for each point of a plot's width.
pub const POINTS_MAX: usize = 600;

/// How the values of a bucket of seconds become one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// For what hurts at its worst: utilisation, queues.
    Max,
    /// For rates: the area under the line stays true.
    Mean,
    /// For what only ever stands somewhere: tallies, connections.
    Last,
}

impl Bucket {
    fn of(self, values: &[f64]) -> f64 {
        let mut known = values.iter().copied().filter(|value| value.is_finite());
        match self {
            Self::Max => known.fold(f64::NAN, f64::max),
            Self::Mean => {
                let (sum, count) = known.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
                if count == 0 { f64::NAN } else { sum / f64::from(count) }
            }
            Self::Last => known.next_back().unwrap_or(f64::NAN),
        }
    }

    /// What a caption says of points that stand for `seconds` each; empty when each second has its own.
    pub fn caption(self, seconds: usize) -> String {
        let what = match self {
            Self::Max => "highest",
            Self::Mean => "mean",
            Self::Last => "last",
        };
        if seconds > 1 { format!("each point is the {what} of {seconds} s") } else { String::new() }
    }
}

/// How many seconds a point must stand for so that `len` seconds become at most `points_max` points.
pub fn seconds_per_point(len: usize, points_max: usize) -> usize {
    len.div_ceil(points_max).max(1)
}

/// Points (virtual seconds, value) of `values`, one for each `seconds` of them, each at the middle of its seconds.
/// NaN where a bucket had nothing to say.
pub fn points(values: &[f64], seconds: usize, bucket: Bucket) -> Vec<(f64, f64)> {
    let chunks = values.chunks(seconds).enumerate();
    chunks.map(|(i, chunk)| ((i * seconds) as f64 + chunk.len() as f64 / 2.0, bucket.of(chunk))).collect()
}

/// The series of a group that have anything to show, in the outcome's order.
pub fn group<'a>(outcome: &'a Outcome, group: &str) -> Vec<&'a Series> {
    let has_data = |series: &&Series| series.values.iter().any(|value| value.is_finite() && *value != 0.0);
    outcome.series.iter().filter(|series| series.group == group).filter(has_data).collect()
}

/// The `count` series of the highest peaks, in their own order, and how many were left out.
pub fn highest(mut all: Vec<&Series>, count: usize) -> (Vec<&Series>, usize) {
    let left_out = all.len().saturating_sub(count);
    if left_out > 0 {
        let mut peaks: Vec<(f64, usize)> = all.iter().enumerate().map(|(i, series)| (peak(series), i)).collect();
        // Of equal peaks the first one stays: the order is the outcome's, whatever sort does.
        peaks.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut kept: Vec<usize> = peaks[..count].iter().map(|(_, i)| *i).collect();
        kept.sort_unstable();
        all = kept.into_iter().map(|i| all[i]).collect();
    }
    (all, left_out)
}

/// The greatest finite value, 0 if there is none above it.
pub fn peak(series: &Series) -> f64 {
    series.values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// The names of a group for its legend: what all share at either end, cut at underscores, is left out, and
/// underscores become spaces. `shard_03_submits` and `shard_04_submits` are `03` and `04`.
pub fn short_names(series: &[&Series]) -> Vec<String> {
    let words: Vec<Vec<&str>> = series.iter().map(|series| series.name.split('_').collect()).collect();
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    let shared = |pick: &dyn Fn(&[&'_ str], usize) -> String| {
        // A name keeps at least one word of its own, and one series alone its whole name.
        let most = if words.len() > 1 { shortest.saturating_sub(1) } else { 0 };
        (0..most).take_while(|&i| words.iter().all(|word| pick(word, i) == pick(&words[0], i))).count()
    };
    let front = shared(&|word, i| word[i].to_string());
    let back = shared(&|word, i| word[word.len() - 1 - i].to_string()).min(shortest.saturating_sub(front + 1));
    words.iter().map(|word| word[front..word.len() - back].join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        Series { name: name.into(), unit: "1", group: "g", values: values.to_vec() }
    }

    #[test]
    fn buckets_stand_in_the_middle_of_their_seconds() {
        // 660 s in at most 600 points: 2 s a point, 330 points.
        assert_eq!(seconds_per_point(660, POINTS_MAX), 2);
        let values = [1.0, 3.0, f64::NAN, 5.0, 7.0];
        assert_eq!(points(&values, 2, Bucket::Mean), [(1.0, 2.0), (3.0, 5.0), (4.5, 7.0)]);
        assert_eq!(points(&values, 2, Bucket::Max)[0], (1.0, 3.0));
        assert_eq!(points(&values, 5, Bucket::Last), [(2.5, 7.0)]);
        assert!(points(&[f64::NAN], 1, Bucket::Max)[0].1.is_nan());
        assert_eq!(seconds_per_point(0, POINTS_MAX), 1);
    }

    #[test]
    fn names_lose_what_they_share() {
        let all = [series("shard_03_submits", &[]), series("shard_04_submits", &[])];
        assert_eq!(short_names(&all.iter().collect::<Vec<_>>()), ["03", "04"]);
        let all = [series("votes_submitted", &[]), series("votes_acknowledged", &[])];
        assert_eq!(short_names(&all.iter().collect::<Vec<_>>()), ["submitted", "acknowledged"]);
        let alone = [series("online_us-east", &[])];
        assert_eq!(short_names(&alone.iter().collect::<Vec<_>>()), ["online us-east"]);
        let nested = [series("a_b", &[]), series("a_b_b", &[])];
        assert_eq!(short_names(&nested.iter().collect::<Vec<_>>()), ["b", "b b"]);
    }

    #[test]
    fn the_highest_peaks_stay_in_their_order() {
        let all = [series("a", &[1.0]), series("b", &[9.0]), series("c", &[5.0, f64::NAN]), series("d", &[5.0])];
        let (kept, left_out) = highest(all.iter().collect(), 2);
        assert_eq!(kept.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(left_out, 2);
    }
}
