//! From what was counted to a quantile function of few points.

use headcount_engine::contract::Nanos;

use super::Bin;

/// How far off the function may be, at any probability, as a share of its own value there. What is known of a latency on
/// another day is less.
const TOLERANCE: f64 = 0.005;
/// The tolerance doubles until there are no more points than this: a scenario file is for reading, too.
const POINTS_MAX: usize = 1_000;
/// What is shorter is not told apart any finer than this would be [ns].
const SCALE_MIN: f64 = 1_000.0;

type Point = (f64, Nanos);

/// The quantile function of sorted bins: within a bin every value is as likely as any other, between two of them it jumps.
pub(super) fn of(bins: &[Bin]) -> Vec<Point> {
    let all: u64 = bins.iter().map(|bin| bin.count).sum();
    let mut below = 0;
    let mut points = Vec::with_capacity(2 * bins.len());
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        points.push((below as f64 / all as f64, bin.low));
        below += bin.count;
        points.push((below as f64 / all as f64, bin.high));
    }
    let mut tolerance = TOLERANCE;
    loop {
        let few = thinned(&points, tolerance);
        if few.len() <= POINTS_MAX {
            return few;
        }
        tolerance *= 2.0;
    }
}

/// The points that are needed for straight lines between them to be within the tolerance of all others (Ramer, Douglas and
/// Peucker, with the distance taken along the values): first and last, and between two of them always the worst.
fn thinned(points: &[Point], tolerance: f64) -> Vec<Point> {
    let mut kept = vec![false; points.len()];
    let mut open = vec![(0, points.len() - 1)];
    while let Some((from, to)) = open.pop() {
        (kept[from], kept[to]) = (true, true);
        let worst =
            (from + 1..to).map(|at| (at, off(points, from, to, at))).max_by(|one, other| one.1.total_cmp(&other.1));
        if let Some((at, off)) = worst
            && off > tolerance
        {
            open.extend([(from, at), (at, to)]);
        }
    }
    points.iter().zip(kept).filter(|(_, kept)| *kept).map(|(point, _)| *point).collect()
}

/// How far a point is from the line between two others, as a share of its value; one between the two ends of a jump is on it.
fn off(points: &[Point], from: usize, to: usize, at: usize) -> f64 {
    let ((p0, low), (p1, high), (p, ns)) = (points[from], points[to], points[at]);
    if p0 == p1 {
        return 0.0;
    }
    let line = low as f64 + (high as f64 - low as f64) * ((p - p0) / (p1 - p0));
    (ns as f64 - line).abs() / (ns as f64).max(SCALE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn single(low: Nanos, count: u64) -> Bin {
        Bin { low, high: low, count }
    }

    #[test]
    fn two_values_are_two_steps() {
        let points = of(&[single(5 * MS, 3), single(100 * MS, 1)]);
        assert_eq!(points, [(0.0, 5 * MS), (0.75, 5 * MS), (0.75, 100 * MS), (1.0, 100 * MS)]);
    }

    /// 100,000 values of an exponential distribution with mean 10 ms: few points, and everywhere within the tolerance.
    #[test]
    fn a_smooth_distribution_needs_few_points() {
        let n = 100_000;
        let value = |i: u64| (-10e6 * libm::log(1.0 - (i as f64 + 0.5) / n as f64)) as Nanos;
        let bins: Vec<Bin> = (0..n).map(|i| single(value(i), 1)).collect();
        let points = of(&bins);
        assert!(points.len() < 500, "{}", points.len());
        assert!(points.is_sorted_by(|one, other| one.0 <= other.0 && one.1 <= other.1));
        let sampler = headcount_sim::Sampler::empirical(&points).unwrap();
        for i in (0..n).step_by(7) {
            let (is, should) = (sampler.quantile_ns((i as f64 + 0.5) / n as f64) as f64, value(i) as f64);
            assert!((is - should).abs() <= TOLERANCE * should.max(SCALE_MIN) + 1.0, "{i}: {is} for {should}");
        }
        let mean = bins.iter().map(|bin| bin.low as f64).sum::<f64>() / n as f64;
        assert!((sampler.mean_ns() / mean - 1.0).abs() < TOLERANCE, "{} for {mean}", sampler.mean_ns());
    }

    /// 3,000 steps, each 1 % above the one before in its turn: 0.5 % lets few of them go, so the tolerance grows.
    #[test]
    fn there_are_never_too_many_points() {
        let mut value = 1_000.0;
        let bins: Vec<Bin> = (0..3_000)
            .map(|i| {
                value *= if i % 2 == 0 { 1.01 } else { 1.000_1 };
                single(value as Nanos, 1 + i % 3)
            })
            .collect();
        let few = of(&bins).len();
        assert!((2..=POINTS_MAX).contains(&few), "{few}");
    }
}
