//! Plots of a comparison: what changed with its interval, and the first latency seed by seed.

use super::change::Pair;
use super::{Change, Compared, Comparison};
use crate::number::{digits, three_digits};
use crate::plots::Drawn;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

/// Metrics in the plot of changes.
const ROWS_MAX: usize = 16;
/// Height of a row, in points.
const ROW_HEIGHT: f64 = 24.0;
/// Seeds whose numbers are written below the axis.
const SEEDS_MAX: usize = 24;

const A: Colour = Colour::Hue(0, 1.0);
const B: Colour = Colour::Hue(3, 1.0);

/// Every plot that has something to show.
pub fn draw_all(comparison: &Comparison) -> Vec<Drawn> {
    let drawn = [
        ("changes", "What changed, of A, with 95 % intervals", changes(comparison)),
        ("by-seed", "Seed by seed", by_seed(comparison)),
    ];
    drawn.into_iter().filter_map(|(name, title, svg)| Some(Drawn { name, title, svg: svg? })).collect()
}

/// What got worse and better, as much of each, in the order of the page.
fn shown(comparison: &Comparison) -> Vec<&Compared> {
    let ranked = |change| comparison.with(change).filter(|one| one.relative().is_some()).collect::<Vec<&Compared>>();
    let (worse, better) = (ranked(Change::Worse), ranked(Change::Better));
    let room = ROWS_MAX.saturating_sub(better.len()).max(ROWS_MAX / 2);
    let mut all: Vec<&Compared> = worse.into_iter().take(room).collect();
    let room = ROWS_MAX - all.len();
    all.extend(better.into_iter().take(room));
    all
}

/// Percentages that are written below the axis, to either side.
const PERCENTS: [f64; 9] = [0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0];

/// Where a percentage stands: even steps up to about 1 %, even ratios beyond, so that 5 % and 3,000 % can stand side by side.
fn bent(percent: f64) -> f64 {
    libm::asinh(percent)
}

/// A row for each metric: its interval, its mean, and every seed.
fn changes(comparison: &Comparison) -> Option<String> {
    let rows = shown(comparison);
    if rows.is_empty() {
        return None;
    }
    let of_seed = |one: &Compared, (a, b): &Pair| Some((b.as_ref()? - a.as_ref()?) / one.mean_a?.abs() * 100.0);
    let interval = |one: &Compared| {
        let (mean, width) = (one.relative().unwrap_or(0.0) * 100.0, one.relative_half_width().unwrap_or(0.0) * 100.0);
        (mean - width, mean, mean + width)
    };
    let limit = comparison.gate.as_ref().map(|gate| gate.limit * 100.0);
    let ends = rows.iter().flat_map(|one| {
        let (low, _, high) = interval(one);
        [low, high].into_iter().chain(one.values.iter().filter_map(|pair| of_seed(one, pair)))
    });
    let (low, high) = ends.chain(limit).fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let (low, high) = (bent(low), bent(high));
    let room = ((high - low) * 0.04).max(0.01);
    let scale = Scale::Linear { from: low - room, to: high + room };
    let x_ticks = PERCENTS
        .iter()
        .flat_map(|percent| [-percent, *percent])
        .filter(|at| (low - room..=high + room).contains(&bent(*at)));
    let mut x_ticks: Vec<(f64, String)> = x_ticks.map(|at| (bent(at), digits(at, 4))).collect();
    x_ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
    x_ticks.dedup();
    let count = rows.len() as f64;
    let ticks = rows.iter().enumerate().map(|(row, one)| (row as f64 + 0.5, one.metric.name.clone()));
    let mut legend = vec![
        LegendEntry { text: "worse".into(), colour: B },
        LegendEntry { text: "better".into(), colour: A },
        LegendEntry { text: "a seed".into(), colour: Colour::Ink(0.45) },
    ];
    if limit.is_some() {
        legend.push(LegendEntry { text: "the gate, where less is better".into(), colour: Colour::Ink(0.8) });
    }
    let mut frame = Frame::open(Spec {
        title: "What changed, of A, with 95 % intervals",
        caption: "each bar is the interval of the mean paired difference (Student's t); a bar that does not reach 0 is no chance"
            .to_string(),
        x: Axis { label: "B less A, in % of A's mean (logarithmic beyond 1 %)".into(), scale, ticks: x_ticks },
        y: Axis { label: String::new(), scale: Scale::Linear { from: count, to: 0.0 }, ticks: ticks.collect() },
        legend,
        over_time: None,
        plot_height: count * ROW_HEIGHT,
        grid: false,
    });
    frame.line(&[(0.0, 0.0), (0.0, count)], Colour::Ink(0.5), 1.0);
    if let Some(limit) = limit {
        frame.line(&[(bent(limit), 0.0), (bent(limit), count)], Colour::Ink(0.8), 1.5);
    }
    for (row, one) in rows.iter().enumerate() {
        let middle = row as f64 + 0.5;
        let colour = if one.change() == Change::Worse { B } else { A };
        let (low, mean, high) = interval(one);
        let (low, mean, high) = (bent(low), bent(mean), bent(high));
        frame.line(&[(low, middle), (high, middle)], colour, 5.0);
        for pair in &one.values {
            if let Some(at) = of_seed(one, pair) {
                frame.line(&[(bent(at), middle)], Colour::Ink(0.45), 1.5);
            }
        }
        frame.line(&[(mean, middle - 0.32), (mean, middle + 0.32)], colour, 2.5);
    }
    Some(frame.finish())
}

/// The latency that changed most, or the first that both have: A and B for every seed.
fn by_seed(comparison: &Comparison) -> Option<String> {
    if comparison.seeds.len() < 2 {
        return None;
    }
    let p99 = |one: &&Compared| one.metric.name.ends_with(".p99_ms") && one.pairs == one.values.len();
    let changed = [Change::Worse, Change::Better, Change::Moved, Change::Unclear].into_iter();
    let one = changed.flat_map(|change| comparison.with(change)).find(p99)?;
    let side = |of: fn(&Pair) -> Option<f64>| -> Vec<(f64, f64)> {
        one.values.iter().enumerate().filter_map(|(at, pair)| Some((at as f64 + 0.5, of(pair)?))).collect()
    };
    let (a, b) = (side(|pair| pair.0), side(|pair| pair.1));
    let most = a.iter().chain(&b).map(|(_, value)| *value).fold(0.0, f64::max);
    let seeds = comparison.seeds.iter().enumerate();
    let step = comparison.seeds.len().div_ceil(SEEDS_MAX);
    let ticks = seeds.filter(|(at, _)| at % step == 0).map(|(at, seed)| (at as f64 + 0.5, seed.to_string())).collect();
    let name = &one.metric.name;
    let mean = |side: &str, mean: Option<f64>| format!("{side}, mean {} ms", three_digits(mean.unwrap_or(f64::NAN)));
    let mut frame = Frame::open(Spec {
        title: &format!("{name}, seed by seed"),
        caption: "the same seed brings the same people at the same moments: each pair differs by the two sides alone"
            .to_string(),
        x: Axis { label: "seed".into(), scale: Scale::Linear { from: 0.0, to: comparison.seeds.len() as f64 }, ticks },
        y: Axis::new(format!("{name} (ms)"), Scale::from_zero(most)),
        legend: vec![
            LegendEntry { text: mean("A", one.mean_a), colour: A },
            LegendEntry { text: mean("B", one.mean_b), colour: B },
        ],
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    for (a, b) in a.iter().zip(&b) {
        frame.line(&[*a, *b], Colour::Ink(0.35), 1.0);
    }
    for (points, colour) in [(a, A), (b, B)] {
        points.iter().for_each(|point| frame.line(&[*point], colour, 3.0));
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gate, side};
    use super::*;

    #[test]
    fn what_differs_is_drawn_with_its_names_and_numbers() {
        let (a, b) = (side("a", &[(100.0, 5.0), (200.0, 5.0)]), side("b", &[(150.0, 4.0), (251.0, 4.0)]));
        let drawn = draw_all(&Comparison::of(a, b, gate(0.05)).unwrap());
        assert_eq!(drawn.iter().map(|one| one.name).collect::<Vec<_>>(), ["changes", "by-seed"]);
        for text in [">ack.p99_ms</text>", ">kv.gets</text>", ">the gate, where less is better</text>"] {
            assert!(drawn[0].svg.contains(text), "{text}");
        }
        // (150 + 251) / 2 = 200.5, three digits of which are 201 or 200.
        assert!(drawn[1].svg.contains("A, mean 150 ms") && drawn[1].svg.contains("B, mean 20"));
        assert!(drawn.iter().all(|one| !one.svg.contains("NaN") && !one.svg.contains("inf")));
    }

    #[test]
    fn nothing_that_differs_is_nothing_to_draw_and_one_seed_has_no_row_of_seeds() {
        let same = Comparison::of(side("a", &[(1.0, 2.0)]), side("b", &[(1.0, 2.0)]), None).unwrap();
        assert!(draw_all(&same).is_empty());
        let one = Comparison::of(side("a", &[(1.0, 2.0)]), side("b", &[(2.0, 2.0)]), None).unwrap();
        assert_eq!(draw_all(&one).len(), 1);
    }
}
