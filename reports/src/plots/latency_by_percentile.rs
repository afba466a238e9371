//! All latencies along HdrHistogram's percentile axis: each step to the right is ten times rarer.

use headcount_workloads::outcome::{Latency, Outcome};

use super::canvas::{COLOURS, Colour};
use super::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use super::scale::Scale;
use crate::latency_files::percentile_points;

pub const TITLE: &str = "Latency by percentile";

/// The axis ends here unless a histogram is larger: 99.9 %.
const NINES_MIN: f64 = 3.0;

/// Every latency over the whole run, on a logarithmic axis.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let recorded = outcome.latencies.iter().filter(|latency| !latency.histogram.is_empty());
    let shown: Vec<&Latency> = recorded.take(COLOURS).collect();
    let most = shown.iter().map(|latency| latency.histogram.len()).max()?;
    // One value of n is the (1 - 1/n) quantile: beyond it nothing was seen.
    let nines = libm::ceil(libm::log10(most as f64)).max(NINES_MIN);
    let lines: Vec<Vec<(f64, f64)>> = shown.iter().map(|latency| line(latency, nines)).collect();
    let values = || lines.iter().flatten().map(|(_, y)| *y);
    let (lowest, highest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let legend = shown.iter().enumerate().map(|(i, latency)| LegendEntry {
        text: format!("{}: {}", latency.name, latency.title),
        colour: Colour::Hue(i, 1.0),
    });
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: "over the whole run, faults included; every step to the right is ten times rarer".to_string(),
        x: Axis {
            label: "percentile (%)".to_string(),
            scale: Scale::Linear { from: 0.0, to: nines },
            ticks: (0..=nines as usize).map(|n| (n as f64, percentile_text(n))).collect(),
        },
        y: Axis::new("latency (ms, logarithmic)", Scale::decades(lowest.max(0.01), highest)),
        legend: legend.collect(),
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    for (i, points) in lines.iter().enumerate() {
        frame.line(points, Colour::Hue(i, 1.0), 1.6);
    }
    Some(frame.finish())
}

/// Points (nines, milliseconds); what lies beyond the last percentile that was seen is left out.
fn line(latency: &Latency, nines: f64) -> Vec<(f64, f64)> {
    let points = percentile_points(&latency.histogram).into_iter();
    let placed = points.map(|point| (-libm::log10(1.0 - (point.percentile / 100.0).min(1.0 - 1e-12)), point.value_ms));
    placed.filter(|(x, _)| *x <= nines).collect()
}

/// 0, 90, 99, 99.9, …
fn percentile_text(nines: usize) -> String {
    match nines {
        0 => "0".to_string(),
        1 => "90".to_string(),
        2 => "99".to_string(),
        more => format!("99.{}", "9".repeat(more - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_axis_counts_nines() {
        let texts: Vec<String> = (0..5).map(percentile_text).collect();
        assert_eq!(texts, ["0", "90", "99", "99.9", "99.99"]);
    }

    #[test]
    fn a_line_rises_and_ends_with_what_was_seen() {
        // 590 s x 40 samples = 23,600 values: rarer than one in 10^5 was never seen.
        let outcome = fixture::outcome();
        let points = line(&outcome.latencies[0], 5.0);
        assert!(points.is_sorted_by(|one, other| one.0 <= other.0 && one.1 <= other.1));
        assert!(points.last().unwrap().0 > 4.0);
    }
}
