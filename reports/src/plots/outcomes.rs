//! What the answers said, per second, one kind on top of the other.

use headcount_workloads::outcome::{Outcome, Series};

use super::canvas::{COLOURS, Colour};
use super::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use super::scale::Scale;
use super::series::{self, Bucket, POINTS_MAX};

pub const TITLE: &str = "Acknowledgements by outcome";

/// Stacked areas of group `outcomes`; kinds beyond the colours are summed up as `other`.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "outcomes");
    let len = all.iter().map(|series| series.values.len()).max()?;
    let seconds = series::seconds_per_point(len, POINTS_MAX);
    let (kept, left_out) = series::highest(all.clone(), if all.len() > COLOURS { COLOURS - 1 } else { COLOURS });
    let mut names = series::short_names(&kept);
    let mut layers: Vec<Vec<f64>> = kept.iter().map(|one| heights(one, len, seconds)).collect();
    if left_out > 0 {
        let is_kept = |one: &&&Series| kept.iter().any(|other| other.name == one.name);
        let others = all.iter().filter(|one| !is_kept(one)).map(|one| heights(one, len, seconds));
        let sum = others.fold(vec![0.0; len.div_ceil(seconds)], |sum, heights| added(&sum, &heights));
        layers.push(sum);
        names.push("other".to_string());
    }
    let total = layers.iter().fold(vec![0.0; len.div_ceil(seconds)], |sum, layer| added(&sum, layer));
    let highest = total.iter().copied().fold(0.0, f64::max);

    let legend = names.into_iter().enumerate();
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: [Bucket::Mean.caption(seconds), "areas stand on each other".to_string()]
            .into_iter()
            .filter(|caption| !caption.is_empty())
            .collect::<Vec<_>>()
            .join("; "),
        x: Axis::time(outcome),
        y: Axis::new("acknowledgements per second (1/s)", Scale::from_zero(highest)),
        legend: legend.map(|(i, text)| LegendEntry { text, colour: Colour::Hue(i, 0.85) }).collect(),
        over_time: Some(outcome.into()),
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    let middles: Vec<f64> = series::points(&vec![0.0; len], seconds, Bucket::Mean).iter().map(|(x, _)| *x).collect();
    let mut floor = vec![0.0; middles.len()];
    for (i, layer) in layers.iter().enumerate() {
        let ceiling = added(&floor, layer);
        let points: Vec<(f64, f64, f64)> =
            middles.iter().zip(floor.iter().zip(&ceiling)).map(|(x, (low, high))| (*x, *low, *high)).collect();
        frame.area(&points, Colour::Hue(i, 0.85));
        floor = ceiling;
    }
    Some(frame.finish())
}

/// The layer's height at each point; nothing where the series says nothing.
fn heights(series: &Series, len: usize, seconds: usize) -> Vec<f64> {
    let points = series::points(&series.values, seconds, Bucket::Mean);
    let mut heights: Vec<f64> = points.into_iter().map(|(_, y)| if y.is_finite() { y } else { 0.0 }).collect();
    heights.resize(len.div_ceil(seconds), 0.0);
    heights
}

fn added(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(a, b)| a + b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn kinds_beyond_the_colours_are_summed_up() {
        let mut outcome = fixture::outcome();
        outcome.series.retain(|series| series.group == "outcomes");
        let first = outcome.series[0].clone();
        outcome.series.extend((0..5).map(|i| Series { name: format!("acks_kind{i}"), ..first.clone() }));
        let svg = draw(&outcome).unwrap();
        assert_eq!(svg.matches("<polygon").count(), COLOURS);
        assert!(svg.contains(">other</text>"));
    }
}
