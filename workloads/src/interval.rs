//! Confidence intervals of a mean from a few values, by Student's t.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean, and how far from it the true one may well lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub mean: f64,
    /// The interval is `mean` less this to `mean` plus this.
    pub half_width: f64,
    /// How many values it is made of, at least 2.
    pub values: usize,
}

impl Interval {
    /// The interval in which the mean of a normal population lies with probability `confidence`, 0 to 1; `None` of fewer
    /// than two values.
    pub fn student_t(values: &[f64], confidence: f64) -> Option<Self> {
        let count = values.len();
        if count < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let error = libm::sqrt(squares / (count - 1) as f64 / count as f64);
        Some(Self { mean, half_width: quantile(confidence, count - 1) * error, values: count })
    }

    /// Whether `value` lies in it, or no more than `slack` beside it.
    pub fn covers(&self, value: f64, slack: f64) -> bool {
        (value - self.mean).abs() <= self.half_width + slack
    }
}

/// How many standard errors hold a `confidence` of Student's t with so many degrees of freedom. Rounded to 10^-6, so that
/// every machine's floating-point functions give the same.
fn quantile(confidence: f64, freedom: usize) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom as f64).expect("one degree of freedom or more");
    libm::round(student.inverse_cdf((1.0 + confidence) / 2.0) * 1e6) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published tables: t(0.975; 4) = 2.776, t(0.975; 29) = 2.045, t(0.9995; 29) = 3.659, t(0.975; 1) = 12.706.
    #[test]
    fn quantiles_are_the_published_ones() {
        for (confidence, freedom, t) in [(0.95, 4, 2.776), (0.95, 29, 2.045), (0.999, 29, 3.659), (0.95, 1, 12.706)] {
            assert!((quantile(confidence, freedom) - t).abs() < 5.1e-4, "{freedom}: {}", quantile(confidence, freedom));
        }
    }

    #[test]
    fn an_interval_is_the_mean_and_its_standard_errors() {
        // 1, 2, 3: mean 2, deviation 1, error 1 / sqrt(3) = 0.577350; t(0.975; 2) = 4.302653: 2.484138.
        let interval = Interval::student_t(&[1.0, 2.0, 3.0], 0.95).unwrap();
        assert!((interval.mean, interval.values) == (2.0, 3) && (interval.half_width - 2.484_138).abs() < 1e-5);
        assert!(interval.covers(4.4, 0.0) && !interval.covers(4.6, 0.0) && interval.covers(4.6, 0.2));
        assert_eq!(Interval::student_t(&[1.0], 0.95), None);
        assert_eq!(Interval::student_t(&[5.0, 5.0], 0.95).unwrap().half_width, 0.0);
    }
}
