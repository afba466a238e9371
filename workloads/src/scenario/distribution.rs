//! How long something takes, as a scenario says it: a service, a way over a link.

use headcount_engine::contract::Nanos;
use headcount_sim::{Jittered, Sampler};

use super::bad_input::BadInput;
use super::form::Form;
use super::measured::{LATENCY_MS_MAX, Quantiles};

/// A distribution of durations [ns].
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// A fixed part and a lognormal one on top. Of both together the 99th percentile is above the mean; of what is above `min`
    /// it is at most 14 times the mean.
    Lognormal {
        min: Nanos,
        mean: Nanos,
        p99: Nanos,
    },
    Constant {
        time: Nanos,
    },
    Exponential {
        mean: Nanos,
    },
    /// Quantiles, of a file or written down.
    Quantiles(Quantiles),
}

/// Where a distribution is from that stands where nobody said another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What a document or a public table says.
    Documents(&'static str),
    /// They say nothing: what was assumed instead.
    Assumed(&'static str),
}

/// A duration's range [ms].
const MS: (f64, f64) = (0.0001, 60_000.0);
/// What no lognormal distribution reaches: p99/mean = exp(2.326 s - s^2/2) is largest at s = 2.326, exp(2.706) = 14.97.
const TAIL_MAX: u64 = 14;

impl Distribution {
    /// Lognormal from 0.
    pub const fn lognormal(mean: Nanos, p99: Nanos) -> Self {
        Self::Lognormal { min: 0, mean, p99 }
    }

    /// As a preset has it.
    pub fn of_preset(preset: Jittered) -> Self {
        Self::Lognormal { min: preset.min_ns, mean: preset.mean_ns, p99: preset.p99_ns }
    }

    /// Ready to draw from.
    pub fn sampler(&self) -> Sampler {
        let checked = "the scenario's distributions are checked";
        match self {
            &Self::Lognormal { min: min_ns, mean: mean_ns, p99: p99_ns } => {
                let above = Sampler::lognormal_p99(mean_ns - min_ns, p99_ns - min_ns).expect(checked);
                if min_ns == 0 { above } else { above.shifted(min_ns) }
            }
            Self::Constant { time } => Sampler::constant(*time),
            Self::Exponential { mean } => Sampler::exponential(*mean).expect(checked),
            Self::Quantiles(quantiles) => Sampler::empirical(&quantiles.points).expect(checked),
        }
    }

    /// Every duration so many times as long, the mean at least a microsecond.
    pub fn stretched(&self, times: f64) -> Self {
        let stretch = |ns: Nanos| (ns as f64 * times) as Nanos;
        let mean_of = |ns: Nanos| stretch(ns).max(1_000);
        match self {
            Self::Lognormal { min, mean, p99 } => {
                let longer = mean_of(*mean);
                let ratio = longer as f64 / *mean as f64;
                Self::Lognormal { min: stretch(*min), mean: longer, p99: (*p99 as f64 * ratio) as Nanos }
            }
            Self::Constant { time } => Self::Constant { time: mean_of(*time) },
            Self::Exponential { mean } => Self::Exponential { mean: mean_of(*mean) },
            Self::Quantiles(quantiles) => Self::Quantiles(quantiles.stretched(times)),
        }
    }

    /// The keys of the inline table. `quantiles` is what `measured` becomes when it is written out.
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        let now = match self {
            Self::Lognormal { .. } => "lognormal",
            Self::Constant { .. } => "constant",
            Self::Exponential { .. } => "exponential",
            Self::Quantiles(_) => "quantiles",
        };
        let kind = form.kind(now, &["lognormal", "constant", "exponential", "measured", "quantiles"])?;
        if kind != now {
            *self = match kind {
                "lognormal" => Self::lognormal(0, 0),
                "constant" => Self::Constant { time: 0 },
                "exponential" => Self::Exponential { mean: 0 },
                _ => Self::Quantiles(Quantiles::default()),
            };
            form.need(match kind {
                "lognormal" => &[("mean_ms", "milliseconds"), ("p99_ms", "milliseconds")],
                "constant" => &[("ms", "milliseconds")],
                "exponential" => &[("mean_ms", "milliseconds")],
                "measured" => &[],
                _ => &[("quantiles_ms", "a list of [probability, milliseconds], from probability 0 to 1")],
            })?;
        }
        match self {
            Self::Lognormal { min, mean, p99 } => {
                form.millis("min_ms", min, 0.0, MS.1)?;
                form.millis("mean_ms", mean, MS.0, MS.1)?;
                form.millis("p99_ms", p99, MS.0, MS.1 * TAIL_MAX as f64)?;
                if mean <= min {
                    return Err(
                        form.bad("mean_ms", "must be above min_ms, the part that never varies (0 if there is none)")
                    );
                }
                if p99 <= mean || *p99 - *min > TAIL_MAX * (*mean - *min) {
                    let right = "must be above mean_ms and at most 14 times mean_ms (no lognormal has a longer tail), min_ms \
                                 taken off both";
                    return Err(form.bad("p99_ms", right));
                }
                Ok(())
            }
            Self::Constant { time } => form.millis("ms", time, MS.0, MS.1),
            Self::Exponential { mean } => form.millis("mean_ms", mean, MS.0, MS.1),
            Self::Quantiles(quantiles) if kind == "measured" => {
                *quantiles = Quantiles::of_file(form)?;
                Ok(())
            }
            Self::Quantiles(quantiles) => {
                let right = "a line of at most 300 characters: what the quantiles were measured on";
                form.text("source", &mut quantiles.source, right, |text| {
                    text.chars().count() <= 300 && !text.contains('\n')
                })?;
                let mut points = quantiles.points.to_vec();
                form.quantiles("quantiles_ms", &mut points, LATENCY_MS_MAX)?;
                quantiles.points = points.into();
                Ok(())
            }
        }
    }
}
