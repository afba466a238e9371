//! A latency's percentiles as virtual time goes by.

use hdrhistogram::Histogram;
use headcount_workloads::outcome::{Latency, Outcome};

use super::canvas::Colour;
use super::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use super::scale::Scale;
use super::series::{self, POINTS_MAX};
use crate::latency_files::quantile_ms;

pub const TITLE: &str = "Latency over time";

/// Quantiles drawn, from the highest, so that the usual case lies on top: its name, its colour and its width in points.
/// Where little was recorded several are the same: a wider line shows on both sides of a narrower one.
const QUANTILES: [(f64, &str, Colour, f64); 4] = [
    (1.0, "max", Colour::Hue(4, 0.8), 3.6),
    (0.99, "p99", Colour::Hue(3, 1.0), 2.8),
    (0.90, "p90", Colour::Hue(1, 1.0), 2.1),
    (0.50, "p50", Colour::Hue(0, 1.0), 1.5),
];

/// The latency the plot is about: submit to acknowledgement, or publish to screen, or the first one where a pattern has none
/// of these names.
fn shown(outcome: &Outcome) -> Option<&Latency> {
    let named = |name: &str| outcome.latencies.iter().find(|latency| latency.name == name);
    named("ack").or_else(|| named("notice")).or(outcome.latencies.first())
}

/// The percentiles of one latency.
pub fn draw(outcome: &Outcome) -> Option<String> {
    percentiles(outcome, shown(outcome)?, TITLE, "")
}

/// Percentiles on a logarithmic axis; seconds that share a point are merged before the percentile is taken. What `said` says
/// goes into the caption.
pub fn percentiles(outcome: &Outcome, latency: &Latency, title: &str, said: &str) -> Option<String> {
    if latency.histogram.is_empty() {
        return None;
    }
    let seconds = series::seconds_per_point(latency.by_second.len(), POINTS_MAX);
    let lines = over_time(latency, seconds, QUANTILES.map(|(quantile, _, _, _)| quantile));
    let values = || lines.iter().flatten().map(|(_, y)| *y).filter(|y| y.is_finite());
    let (lowest, highest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if !lowest.is_finite() {
        return None;
    }
    let mut caption = format!("{}: {}; lines that lie on each other are equal", latency.name, latency.title);
    if !said.is_empty() {
        caption.push_str(&format!("; {said}"));
    }
    if seconds > 1 {
        caption.push_str(&format!("; each point is the percentile over {seconds} s"));
    }
    let legend = QUANTILES.iter().rev();
    let mut frame = Frame::open(Spec {
        title,
        caption,
        x: Axis::time(outcome),
        // A recorded 0 has no place on a logarithmic axis: it is drawn at its lower edge.
        y: Axis::new("latency (ms, logarithmic)", Scale::decades(lowest.max(0.01), highest)),
        legend: legend.map(|(_, name, colour, _)| LegendEntry { text: name.to_string(), colour: *colour }).collect(),
        over_time: Some(outcome.into()),
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    for (points, (_, _, colour, width)) in lines.iter().zip(QUANTILES) {
        frame.line(points, colour, width);
    }
    Some(frame.finish())
}

/// For each quantile its points (virtual seconds, milliseconds), one for each `seconds`; NaN where nothing was recorded.
pub fn over_time<const N: usize>(latency: &Latency, seconds: usize, quantiles: [f64; N]) -> [Vec<(f64, f64)>; N] {
    let merged: Vec<(f64, Option<Histogram<u64>>)> = latency
        .by_second
        .chunks(seconds)
        .enumerate()
        .map(|(i, chunk)| ((i * seconds) as f64 + chunk.len() as f64 / 2.0, merge(chunk)))
        .collect();
    quantiles.map(|quantile| {
        let value = |histogram: &Option<Histogram<u64>>| histogram.as_ref().and_then(|own| quantile_ms(own, quantile));
        merged.iter().map(|(x, own)| (*x, value(own).unwrap_or(f64::NAN))).collect()
    })
}

fn merge(seconds: &[Option<Histogram<u64>>]) -> Option<Histogram<u64>> {
    let mut known = seconds.iter().flatten().filter(|histogram| !histogram.is_empty());
    let first = known.next()?.clone();
    Some(known.fold(first, |mut sum, histogram| {
        sum += histogram;
        sum
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_merged_before_the_percentile_is_taken() {
        let second = |value_us: u64, count: u64| {
            let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
            histogram.record_n(value_us, count).unwrap();
            Some(histogram)
        };
        // 99 of 1 ms and 1 of 1 s: the median of both seconds together is 1 ms, not half of each.
        let both = merge(&[second(1_000, 99), None, second(1_000_000, 1)]).unwrap();
        assert_eq!(quantile_ms(&both, 0.5), Some(1.0));
        assert_eq!(both.len(), 100);
        assert!(merge(&[None, None]).is_none());
    }
}
