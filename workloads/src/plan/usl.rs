//! The Universal Scalability Law (Gunther): what `n` of something carry together,
//! `X(n) = lambda n / (1 + sigma (n - 1) + kappa n (n - 1))`: sigma for what they queue at together, kappa for what they
//! tell each other.

use serde::{Deserialize, Serialize};

/// A fit of the law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// What one carries alone [1/s].
    pub lambda: f64,
    /// Share of the work that is done one after the other, 0 to 1.
    pub sigma: f64,
    /// Cost of keeping each pair in step.
    pub kappa: f64,
    /// Root of the mean squared error of `X` [1/s].
    pub error_rms: f64,
}

impl Usl {
    /// Fits points (n, X). With the point of least `n` as a unit the law is a line in two unknowns,
    /// `n lambda / X - 1 = sigma (n - 1) + kappa n (n - 1)`, which least squares solve in closed form; `lambda` is then
    /// refined by trying values around, since the first point errs like any other. Negative sigma or kappa (more than
    /// linear growth is noise here) are set to 0 and the other one fitted alone. `None` below three different `n`.
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let usable = |(n, x): &&(f64, f64)| *n >= 1.0 && *x > 0.0;
        let points: Vec<(f64, f64)> = points.iter().filter(usable).copied().collect();
        let mut different: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        if different.len() < 3 {
            return None;
        }
        let per_one = points.iter().map(|(n, x)| x / n).fold(0.0, f64::max);
        // From half to twice the best of all in 1,201 even steps of the logarithm: 0.1 % apart; then around the best one, finer.
        let mut best = (1..=1_201)
            .map(|step| Self::at(&points, per_one * libm::pow(2.0, f64::from(step) / 600.0 - 1.0)))
            .min_by(|one, other| one.error_rms.total_cmp(&other.error_rms))?;
        for width in [1e-3, 1e-5, 1e-7] {
            let around =
                (-100..=100).map(|step| Self::at(&points, best.lambda * (1.0 + width * f64::from(step) / 50.0)));
            best = around.chain([best]).min_by(|one, other| one.error_rms.total_cmp(&other.error_rms))?;
        }
        Some(best)
    }

    /// The least squares of sigma and kappa for a given `lambda`.
    fn at(points: &[(f64, f64)], lambda: f64) -> Self {
        let (mut aa, mut ab, mut bb, mut ay, mut by) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, x) in points {
            let (a, b, y) = (n - 1.0, n * (n - 1.0), n * lambda / x - 1.0);
            // Errors of y = n lambda / X grow with y / X: weighed by its inverse, they are errors of X.
            let weight = (x / (y + 1.0)) * (x / (y + 1.0));
            aa += weight * a * a;
            ab += weight * a * b;
            bb += weight * b * b;
            ay += weight * a * y;
            by += weight * b * y;
        }
        let determinant = aa * bb - ab * ab;
        let (mut sigma, mut kappa) = ((ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant);
        if !kappa.is_finite() || kappa < 0.0 {
            (sigma, kappa) = (ay / aa, 0.0);
        }
        if !sigma.is_finite() || sigma < 0.0 {
            (sigma, kappa) = (0.0, (by / bb).max(0.0));
        }
        let mut law = Self { lambda, sigma: sigma.min(1.0), kappa, error_rms: 0.0 };
        let squares: f64 = points.iter().map(|(n, x)| (law.carries(*n) - x) * (law.carries(*n) - x)).sum();
        law.error_rms = libm::sqrt(squares / points.len() as f64);
        law
    }

    /// What `n` carry together [1/s].
    pub fn carries(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The `n` beyond which more carry less; `None` if there is none (kappa is 0).
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 1e-12).then(|| libm::sqrt((1.0 - self.sigma) / self.kappa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(law: &Usl, at: &[f64]) -> Vec<(f64, f64)> {
        at.iter().map(|n| (*n, law.carries(*n))).collect()
    }

    const AT: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

    #[test]
    fn the_fit_recovers_the_law_it_was_given() {
        let law = Usl { lambda: 995.65, sigma: 0.0267, kappa: 0.000_769, error_rms: 0.0 };
        let fit = Usl::fit(&points(&law, &AT)).unwrap();
        assert!((fit.lambda / law.lambda - 1.0).abs() < 1e-4, "{fit:?}");
        assert!((fit.sigma - law.sigma).abs() < 1e-4 && (fit.kappa - law.kappa).abs() < 1e-5, "{fit:?}");
        // sqrt((1 - 0.0267) / 0.000769) = 35.6.
        assert!((fit.peak().unwrap() - 35.6).abs() < 0.1, "{fit:?}");
    }

    #[test]
    fn what_grows_evenly_has_neither_contention_nor_a_peak() {
        let fit = Usl::fit(&AT.map(|n| (n, 1_000.0 * n))).unwrap();
        assert!(fit.sigma.abs() < 1e-6 && fit.kappa.abs() < 1e-9 && fit.peak().is_none(), "{fit:?}");
    }

    #[test]
    fn noise_of_a_hundredth_moves_the_law_by_little() {
        let law = Usl { lambda: 1_000.0, sigma: 0.05, kappa: 0.0, error_rms: 0.0 };
        let noisy: Vec<(f64, f64)> =
            points(&law, &AT).iter().zip([1.01, 0.99, 1.01, 0.99, 1.01, 0.99]).map(|((n, x), e)| (*n, x * e)).collect();
        let fit = Usl::fit(&noisy).unwrap();
        assert!((fit.sigma - 0.05).abs() < 0.01, "{fit:?}");
    }

    #[test]
    fn two_points_are_no_curve() {
        assert_eq!(Usl::fit(&[(1.0, 10.0), (2.0, 20.0), (2.0, 19.0)]), None);
    }
}
