//! The slowest percent of each latency as virtual time goes by.

use headcount_workloads::outcome::Outcome;

use super::canvas::{COLOURS, Colour};
use super::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use super::latency_over_time::over_time;
use super::scale::Scale;
use super::series::{self, POINTS_MAX};

pub const TITLE: &str = "Latencies beside each other, p99";

/// The 99th percentile of every latency, on a logarithmic axis; of one latency alone `latency` says as much.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let mut shown: Vec<_> = outcome.latencies.iter().filter(|latency| !latency.histogram.is_empty()).collect();
    shown.truncate(COLOURS);
    if shown.len() < 2 {
        return None;
    }
    let len = shown.iter().map(|latency| latency.by_second.len()).max()?;
    let seconds = series::seconds_per_point(len, POINTS_MAX);
    let lines: Vec<_> = shown.iter().map(|latency| over_time(latency, seconds, [0.99]).concat()).collect();
    let values = || lines.iter().flatten().map(|(_, y)| *y).filter(|y| y.is_finite());
    let (lowest, highest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if !lowest.is_finite() {
        return None;
    }
    let legend = shown.iter().enumerate().map(|(i, latency)| LegendEntry {
        text: format!("{}: {}", latency.name, latency.title),
        colour: Colour::Hue(i, 1.0),
    });
    let caption = if seconds > 1 { format!("each point is the percentile over {seconds} s") } else { String::new() };
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption,
        x: Axis::time(outcome),
        y: Axis::new("p99 (ms, logarithmic)", Scale::decades(lowest.max(0.01), highest)),
        legend: legend.collect(),
        over_time: Some(outcome.into()),
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    for (i, points) in lines.iter().enumerate() {
        frame.line(points, Colour::Hue(i, 1.0), 1.6);
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_latency_has_its_line_and_one_alone_has_no_plot() {
        let mut outcome = fixture::friends();
        let svg = draw(&outcome).unwrap();
        for latency in &outcome.latencies {
            assert!(svg.contains(&format!(">{}: {}</text>", latency.name, latency.title)));
        }
        outcome.latencies.truncate(1);
        assert!(draw(&outcome).is_none());
    }
}
