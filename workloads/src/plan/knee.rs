//! Where a curve turns from flat to steep: the Kneedle of Satopaa et al. (2011), "Finding a Kneedle in a haystack".

/// The knee of a convex rising curve: the point that lies farthest below the straight from its first to its last point,
/// both axes stretched to 0..1. Latencies are taken by their logarithm: a curve that ends in overload would otherwise
/// have its knee at its last points, whatever came before. `None` for fewer than four points, or if none lies at least a
/// tenth below.
pub fn knee(points: &[(f64, f64)]) -> Option<usize> {
    let usable = points.iter().filter(|(_, y)| *y > 0.0).count();
    if points.len() < 4 || usable < points.len() {
        return None;
    }
    let log: Vec<(f64, f64)> = points.iter().map(|(x, y)| (*x, libm::log(*y))).collect();
    let (first, last) = (log[0], log[log.len() - 1]);
    if last.0 <= first.0 || last.1 <= first.1 {
        return None;
    }
    let below = |(x, y): &(f64, f64)| (x - first.0) / (last.0 - first.0) - (y - first.1) / (last.1 - first.1);
    let (index, depth) = log.iter().map(below).enumerate().max_by(|one, other| one.1.total_cmp(&other.1))?;
    (depth >= 0.1).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M/M/1: sojourn 1 / (1 - rho). Its logarithm, -ln(1 - rho), over 0.05..0.95 runs from 0.051 to 2.996; the straight has the
    /// slope (2.996 - 0.051) / 0.9 = 3.27, and the curve's own slope 1 / (1 - rho) is that at rho = 1 - 1 / 3.27 = 0.694.
    #[test]
    fn the_knee_of_a_single_queue_is_at_seven_tenths() {
        let curve: Vec<(f64, f64)> = (1..20).map(|n| f64::from(n) / 20.0).map(|rho| (rho, 1.0 / (1.0 - rho))).collect();
        let knee = knee(&curve).unwrap();
        assert!((curve[knee].0 - 0.694).abs() <= 0.026, "{}", curve[knee].0);
    }

    #[test]
    fn a_straight_and_a_flat_line_have_none() {
        let straight: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), libm::exp(f64::from(n)))).collect();
        assert_eq!(knee(&straight), None);
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 5.0), (3.0, 5.0), (4.0, 5.0)]), None);
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 9.0)]), None);
    }

    #[test]
    fn a_step_has_its_knee_before_it() {
        let curve = [(1.0, 100.0), (2.0, 101.0), (3.0, 103.0), (4.0, 110.0), (5.0, 2_000.0)];
        assert_eq!(knee(&curve), Some(3));
    }
}
