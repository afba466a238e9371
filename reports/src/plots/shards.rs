//! How the load spreads over the shards: lines for a few, a heat map for many.

use headcount_workloads::outcome::{Outcome, Series};

use super::canvas::Colour;
use super::frame::{Axis, Frame, LegendEntry, Spec};
use super::lanes::Marks;
use super::lines::Lines;
use super::scale::{Scale, tick_text};
use super::series::{self, Bucket};

pub const TITLE: &str = "Load per shard";

/// Up to this many shards are drawn as lines.
const LINES_MAX: usize = 4;
/// Steps of the heat map's colour.
const LEVELS: usize = 8;
/// The most rectangles a heat map gets, equal neighbours joined: seconds are put together until it has no more.
const CELLS_MAX: usize = 1_200;
/// The most columns: about one for each point of the plot's width.
const COLUMNS_MAX: usize = 600;
/// Height of a shard's row in points, and the least and the most the whole plot gets.
const ROW_HEIGHT: f64 = 16.0;
const HEIGHT_MIN: f64 = 120.0;
const HEIGHT_MAX: f64 = 420.0;
/// With more shards several share a row: thinner ones cannot be told apart.
const ROWS_MAX: usize = 105;

/// Group `shards`, a series each: what shards were asked, or what they said.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let busy = series::group(outcome, "shards");
    // Of many shards those without any load belong into the picture.
    let all: Vec<&Series> = outcome.series.iter().filter(|series| series.group == "shards").collect();
    let unit = if busy.first()?.name.ends_with("_events") { EVENTS } else { REQUESTS };
    if all.len() > LINES_MAX {
        return heat_map(Axis::time(outcome), outcome.into(), &all, unit);
    }
    let lines = Lines {
        title: TITLE,
        y_label: unit,
        bucket: Bucket::Mean,
        y_scale: None,
        nested: false,
        names: &[],
        caption: "a line for each shard",
    };
    lines.draw(outcome, busy)
}

pub(super) const REQUESTS: &str = "requests per second (1/s)";
pub(super) const EVENTS: &str = "presence events per second (1/s)";

/// What is drawn: a row for each shard or for several, its cells as levels.
struct Map {
    shards_per_row: usize,
    seconds_per_cell: usize,
    top: f64,
    rows: Vec<Vec<Option<usize>>>,
}

impl Map {
    /// As fine in time as [`CELLS_MAX`] allows.
    fn of(all: &[&Series], len: usize) -> Option<Self> {
        let shards_per_row = all.len().div_ceil(ROWS_MAX);
        let mut seconds_per_cell = series::seconds_per_point(len, COLUMNS_MAX);
        loop {
            let map = Self::with(all, shards_per_row, seconds_per_cell)?;
            if map.cells().count() <= CELLS_MAX || seconds_per_cell >= len {
                return Some(map);
            }
            seconds_per_cell += seconds_per_cell.div_ceil(4);
        }
    }

    fn with(all: &[&Series], shards_per_row: usize, seconds_per_cell: usize) -> Option<Self> {
        let rows: Vec<Vec<f64>> = all.chunks(shards_per_row).map(|row| busiest(row, seconds_per_cell)).collect();
        let highest = rows.iter().flatten().copied().fold(0.0, f64::max);
        let Scale::Linear { to: top, .. } = Scale::from_zero(highest) else {
            return None;
        };
        let rows = rows.iter().map(|row| row.iter().map(|value| level(*value, top)).collect()).collect();
        Some(Self { shards_per_row, seconds_per_cell, top, rows })
    }

    /// Row, level, first column and the one after the last: equal neighbours joined.
    fn cells(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> + '_ {
        self.rows.iter().enumerate().flat_map(|(row, levels)| {
            let mut from = 0;
            levels.chunk_by(|one, other| one == other).filter_map(move |run| {
                let start = from;
                from += run.len();
                run[0].map(|level| (row, level, start, from))
            })
        })
    }
}

/// For each cell the mean of the shard that has most to do.
fn busiest(shards: &[&Series], seconds_per_cell: usize) -> Vec<f64> {
    let rows = shards.iter().map(|one| series::points(&one.values, seconds_per_cell, Bucket::Mean));
    rows.map(|row| row.into_iter().map(|(_, y)| y).collect::<Vec<f64>>())
        .reduce(|most, row| most.iter().zip(&row).map(|(a, b)| a.max(*b)).collect())
        .unwrap_or_default()
}

/// A row for each shard, or for several, over virtual time; with the marks of its run.
pub(super) fn heat_map(time: Axis, marks: Marks<'_>, all: &[&Series], unit: &str) -> Option<String> {
    let len = all.iter().map(|series| series.values.len()).max()?;
    let map = Map::of(all, len)?;
    let rows_count = map.rows.len() as f64;
    // With many shards only every second, fifth, … has room for its name.
    let room = |every: &usize| rows_count / *every as f64 <= HEIGHT_MAX / ROW_HEIGHT;
    let every = [1, 2, 5, 10, 20, 50].into_iter().find(room).unwrap_or(100);
    let names = series::short_names(all).into_iter().step_by(map.shards_per_row).enumerate().step_by(every);
    let levels = (0..LEVELS).map(|level| LegendEntry {
        text: format!("≤ {}", level_text(map.top * share(level + 1))),
        colour: colour(level),
    });
    let mut caption = vec![format!("{unit} as colour")];
    if map.shards_per_row > 1 {
        caption.push(format!("a row is {} shards, and shows the busiest of them", map.shards_per_row));
    }
    caption.push(Bucket::Mean.caption(map.seconds_per_cell).replace("point", "cell"));
    caption.retain(|caption| !caption.is_empty());

    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: caption.join("; "),
        x: time,
        y: Axis {
            label: "shard".to_string(),
            scale: Scale::Linear { from: rows_count, to: 0.0 },
            ticks: names.map(|(row, name)| (row as f64 + 0.5, name)).collect(),
        },
        legend: levels.collect(),
        over_time: Some(marks),
        plot_height: (rows_count * ROW_HEIGHT).clamp(HEIGHT_MIN, HEIGHT_MAX),
        grid: false,
    });
    for (row, level, from, to) in map.cells() {
        let second = |cell: usize| (cell * map.seconds_per_cell).min(len) as f64;
        frame.cell((second(from), row as f64 + 0.95), (second(to), row as f64 + 0.05), colour(level));
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

/// A step's end in three digits: a share of the highest is no round number.
fn level_text(end: f64) -> String {
    let unit = libm::pow(10.0, libm::floor(libm::log10(end)) - 2.0);
    tick_text((end / unit).round() * unit)
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

    /// Friends with so many presence shards, of which each third says something in every second, some more than others.
    fn many(shards: usize) -> headcount_workloads::outcome::Outcome {
        let mut outcome = fixture::friends();
        outcome.faults.clear();
        outcome.series.retain(|series| series.group != "shards");
        outcome.series.extend((0..shards).map(|shard| {
            Series {
                name: format!("shard_{shard:03}_events"),
                unit: "1/s",
                group: "shards",
                values: (0..130)
                    .map(|second| if shard % 3 == 0 { ((shard * 31 + second * 17) % 101) as f64 } else { 0.0 })
                    .collect(),
            }
        }));
        outcome
    }

    #[test]
    fn ten_to_five_hundred_shards_are_rows_that_can_be_read() {
        for (shards, rows, per_row) in [(10, 10, 1), (100, 100, 1), (200, 100, 2), (500, 100, 5)] {
            let outcome = many(shards);
            let all: Vec<&Series> = outcome.series.iter().filter(|series| series.group == "shards").collect();
            let map = Map::of(&all, 130).unwrap();
            assert_eq!((map.rows.len(), map.shards_per_row), (rows, per_row), "{shards}");
            // 420 points / 105 rows: none is thinner than 4 points.
            assert!(HEIGHT_MAX / map.rows.len() as f64 >= 4.0);
            assert!(map.cells().count() <= CELLS_MAX);
            let svg = draw(&outcome).unwrap();
            assert!(svg.len() < 150_000, "{shards} shards take {} bytes", svg.len());
            // The first shard has its name, and every text is 12 points high: names are 16 points apart at least.
            assert!(svg.contains(">000</text>"));
            let names = svg.matches(">0").count() + svg.matches(">1").count() + svg.matches(">2").count();
            assert!(names < 60, "{shards} shards have {names} texts that may be names");
            assert_eq!(svg.contains("and shows the busiest of them"), per_row > 1);
        }
    }

    #[test]
    fn a_row_of_several_shards_shows_the_busiest_and_an_idle_shard_keeps_its_row() {
        let outcome = many(500);
        let all: Vec<&Series> = outcome.series.iter().filter(|series| series.group == "shards").collect();
        // Shards 0 to 4: 0 and 3 have something, (0 * 31 + 0 * 17) % 101 = 0 and 3 * 31 = 93 in the first second.
        assert_eq!(busiest(&all[..5], 1)[0], 93.0);
        // Of the second and third row of ten shards nobody has anything; they are there all the same.
        let outcome = many(10);
        let all: Vec<&Series> = outcome.series.iter().filter(|series| series.group == "shards").collect();
        let map = Map::of(&all, 130).unwrap();
        assert!(map.rows[1].iter().chain(&map.rows[2]).all(Option::is_none));
        assert!(map.rows[3].iter().any(Option::is_some));
    }

    #[test]
    fn what_says_little_is_drawn_second_by_second() {
        let mut outcome = many(100);
        // One second with something: 100 rectangles at the most, so nothing has to be put together.
        outcome.series.iter_mut().filter(|series| series.group == "shards").for_each(|series| {
            series.values.iter_mut().enumerate().for_each(|(second, value)| *value *= f64::from(second == 60));
        });
        let all: Vec<&Series> = outcome.series.iter().filter(|series| series.group == "shards").collect();
        assert_eq!(Map::of(&all, 130).unwrap().seconds_per_cell, 1);
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
        let ends = [3.0 * share(1), 3.0 * share(5), 150.0 * share(7), 10_000.0 * share(3), 10_000.0];
        // 3 / 64 = 0.046875; 3 x 25 / 64 = 1.171875; 150 x 49 / 64 = 114.84375; 10,000 x 9 / 64 = 1,406.25.
        assert_eq!(ends.map(level_text), ["0.0469", "1.17", "115", "1.41k", "10k"]);
    }
}
