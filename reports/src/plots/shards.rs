//! How the load spreads over the shards: lines for a few, a heat map for many.

use headcount_workloads::outcome::{Outcome, Series};

use super::canvas::Colour;
use super::frame::{Axis, Frame, LegendEntry, Spec};
use super::lines::Lines;
use super::scale::{Scale, tick_text};
use super::series::{self, Bucket};

pub const TITLE: &str = "Load per shard";

/// Up to this many shards are drawn as lines.
const LINES_MAX: usize = 4;
/// Steps of the heat map's colour.
const LEVELS: usize = 8;
/// The most cells a heat map gets, before equal neighbours are joined.
const CELLS_MAX: usize = 3_200;
/// Height of a shard's row in points, and the least and the most the whole plot gets.
const ROW_HEIGHT: f64 = 16.0;
const HEIGHT_MIN: f64 = 120.0;
const HEIGHT_MAX: f64 = 420.0;

/// Group `shards`, a series each, in requests per second.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "shards");
    if all.len() > LINES_MAX {
        return heat_map(outcome, &all);
    }
    let lines = Lines {
        title: TITLE,
        y_label: "requests per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: false,
        names: &[],
        caption: "a line for each shard",
    };
    lines.draw(outcome, all)
}

fn heat_map(outcome: &Outcome, all: &[&Series]) -> Option<String> {
    let len = all.iter().map(|series| series.values.len()).max()?;
    let seconds = series::seconds_per_point(len, CELLS_MAX / all.len());
    let rows: Vec<_> = all.iter().map(|one| series::points(&one.values, seconds, Bucket::Mean)).collect();
    let highest = rows.iter().flatten().map(|(_, y)| *y).filter(|y| y.is_finite()).fold(0.0, f64::max);
    let Scale::Linear { to: top, .. } = Scale::from_zero(highest) else {
        return None;
    };
    let rows_count = rows.len() as f64;
    // With many shards only every second, fifth, … has room for its name.
    let every = (1..).find(|every| rows_count / f64::from(*every) <= HEIGHT_MAX / ROW_HEIGHT).unwrap_or(1) as usize;
    let names = series::short_names(all).into_iter().enumerate().step_by(every);
    let levels = (0..LEVELS)
        .map(|level| LegendEntry { text: format!("≤ {}", tick_text(top * share(level + 1))), colour: colour(level) });

    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: ["requests per second (1/s) as colour".to_string(), Bucket::Mean.caption(seconds)]
            .into_iter()
            .filter(|caption| !caption.is_empty())
            .collect::<Vec<_>>()
            .join("; ")
            .replace("point", "cell"),
        x: Axis::time(outcome),
        y: Axis {
            label: "shard".to_string(),
            scale: Scale::Linear { from: rows_count, to: 0.0 },
            ticks: names.map(|(row, name)| (row as f64 + 0.5, name)).collect(),
        },
        legend: levels.collect(),
        over_time: Some(outcome),
        plot_height: (rows_count * ROW_HEIGHT).clamp(HEIGHT_MIN, HEIGHT_MAX),
        grid: false,
    });
    for (row, points) in rows.iter().enumerate() {
        let levels: Vec<Option<usize>> = points.iter().map(|(_, y)| level(*y, top)).collect();
        let mut start = 0;
        for end in 1..=levels.len() {
            if end < levels.len() && levels[end] == levels[start] {
                continue;
            }
            if let Some(level) = levels[start] {
                let (from, to) = ((start * seconds) as f64, (end * seconds).min(len) as f64);
                frame.cell((from, row as f64 + 0.95), (to, row as f64 + 0.05), colour(level));
            }
            start = end;
        }
    }
    Some(frame.finish())
}

/// The step of the colour for `value`; `None` for nothing at all.
fn level(value: f64, top: f64) -> Option<usize> {
    let is_something = value.is_finite() && value > 0.0;
    is_something.then(|| (1..LEVELS).take_while(|level| value > top * share(*level)).count())
}

/// Where a step ends, as a share of the highest. Squares: steps are finer where a vote spends its time, below its peak.
fn share(steps: usize) -> f64 {
    let share = steps as f64 / LEVELS as f64;
    share * share
}

/// One hue, from faint to full: darker on white and brighter on black both mean more.
fn colour(level: usize) -> Colour {
    Colour::Hue(2, 0.12 + 0.88 * level as f64 / (LEVELS - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn few_shards_are_lines_and_many_a_heat_map() {
        let mut outcome = fixture::outcome();
        outcome.faults.clear();
        assert!(draw(&outcome).unwrap().matches("<rect").count() > 100);
        let mut shards = 0;
        outcome.series.retain(|series| {
            shards += usize::from(series.group == "shards");
            series.group != "shards" || shards <= LINES_MAX
        });
        // One rectangle a line, in the legend.
        assert_eq!(draw(&outcome).unwrap().matches("<rect").count(), LINES_MAX);
    }

    #[test]
    fn levels_end_where_the_legend_says() {
        // Level i of eight ends at 800 * (i / 8)^2: 12.5, 50, 112.5, …; the end belongs to the level.
        assert_eq!(level(12.5, 800.0), Some(0));
        assert_eq!(level(12.6, 800.0), Some(1));
        assert_eq!(level(50.1, 800.0), Some(2));
        assert_eq!(level(800.0, 800.0), Some(7));
        assert_eq!(level(0.0, 800.0), None);
        assert_eq!(level(f64::NAN, 800.0), None);
    }
}
