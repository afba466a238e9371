//! From values to places on an axis, and which values to write beside it.

/// How an axis maps values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Even steps from `from` to `to`.
    Linear { from: f64, to: f64 },
    /// Even steps for equal ratios; both ends above 0.
    Log { from: f64, to: f64 },
}

impl Scale {
    /// From 0 to a round number at or above `max`.
    pub fn from_zero(max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = round_step(max / 5.0);
        Self::Linear { from: 0.0, to: (max / step).ceil() * step }
    }

    /// Whole decades around `min..max`; at least one decade.
    pub fn decades(min: f64, max: f64) -> Self {
        let low = libm::floor(libm::log10(min.max(1e-6)));
        let high = libm::ceil(libm::log10(max.max(1e-6))).max(low + 1.0);
        Self::Log { from: libm::pow(10.0, low), to: libm::pow(10.0, high) }
    }

    /// Where `value` stands, 0 at the start of the axis and 1 at its end; what lies outside is put on the edge.
    pub fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => {
                let log = libm::log10;
                (log(value.max(from)) - log(from)) / (log(to) - log(from))
            }
        };
        share.clamp(0.0, 1.0)
    }

    /// Values to write beside the axis, at most about six for a linear one.
    pub fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => {
                let step = round_step((to - from) / 5.0);
                let first = (from / step).ceil();
                let count = ((to - first * step) / step + 1e-9).floor().max(0.0) as usize;
                (0..=count).map(|i| (first + i as f64) * step).collect()
            }
            Self::Log { from, to } => {
                let decades = libm::round(libm::log10(to) - libm::log10(from)) as usize;
                (0..=decades).map(|i| from * libm::pow(10.0, i as f64)).collect()
            }
        }
    }

    /// Values between the ticks that get a faint line: 2 to 9 in each decade of a logarithmic axis.
    pub fn minor_ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { .. } => Vec::new(),
            Self::Log { .. } => {
                let ticks = self.ticks();
                let decades = ticks.iter().take(ticks.len() - 1);
                decades.flat_map(|decade| (2..10).map(move |i| decade * f64::from(i))).collect()
            }
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let decade = libm::pow(10.0, libm::floor(libm::log10(least)));
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| decade * factor >= least * 0.999_999);
    decade * factor.unwrap_or(10.0)
}

/// A unit for a time axis: how many seconds it is, and its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeUnit {
    pub seconds: f64,
    pub name: &'static str,
}

/// Seconds up to 20 minutes, minutes up to five hours, then hours.
pub fn time_unit(span_s: f64) -> TimeUnit {
    match span_s {
        s if s <= 1_200.0 => TimeUnit { seconds: 1.0, name: "s" },
        s if s <= 18_000.0 => TimeUnit { seconds: 60.0, name: "min" },
        _ => TimeUnit { seconds: 3600.0, name: "h" },
    }
}

/// Ticks of a time axis that starts at 0, in its unit: steps people count time in, at most about a dozen.
pub fn time_ticks(span_s: f64) -> Vec<f64> {
    let span = span_s / time_unit(span_s).seconds;
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
    let step = steps.into_iter().find(|step| span / step <= 12.0).unwrap_or_else(|| round_step(span / 12.0));
    let count = (span / step + 1e-9).floor() as usize;
    (0..=count).map(|i| i as f64 * step).collect()
}

/// A tick's text: `0`, `250`, `1.5k`, `20k`, `1.2M`, `0.01`.
pub fn tick_text(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        v if v >= 999_999.5 => (value / 1e6, "M"),
        v if v >= 999.5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Ticks are small multiples of a power of ten: rounding takes away what adding floats left.
    let text = format!("{scaled:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_from_zero_ends_on_a_round_number() {
        // 9,999 / 5 = 1,999.8, next round step 2,000, five of them.
        assert_eq!(Scale::from_zero(9_999.0), Scale::Linear { from: 0.0, to: 10_000.0 });
        assert_eq!(Scale::from_zero(10_000.0).ticks(), [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0]);
        assert_eq!(Scale::from_zero(0.0), Scale::Linear { from: 0.0, to: 1.0 });
    }

    #[test]
    fn decades_enclose_what_they_show() {
        let scale = Scale::decades(3.0, 4_200.0);
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(scale.minor_ticks().len(), 4 * 8);
        // sqrt(10,000) = 100 stands half way.
        assert!((scale.place(100.0) - 0.5).abs() < 1e-12);
        assert_eq!(scale.place(0.0), 0.0);
        // One value alone still gives an axis.
        assert_eq!(Scale::decades(10.0, 10.0).ticks().len(), 2);
    }

    #[test]
    fn time_is_counted_in_steps_people_know() {
        assert_eq!(time_ticks(660.0)[..3], [0.0, 60.0, 120.0]);
        assert_eq!(time_unit(660.0).name, "s");
        // 4,000 s = 66.7 min: ten-minute steps.
        assert_eq!(time_ticks(4_000.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(time_unit(90_000.0).name, "h");
        assert!(time_ticks(3e9).len() <= 13);
    }

    #[test]
    fn ticks_are_short() {
        let cases = [(0.0, "0"), (0.01, "0.01"), (1500.0, "1.5k"), (20_000.0, "20k"), (1.2e6, "1.2M")];
        for (value, text) in cases {
            assert_eq!(tick_text(value), text);
        }
        assert_eq!(tick_text(0.1 + 0.2), "0.3");
    }
}
