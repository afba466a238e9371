//! Friends who come back together: the work that it makes, and at which loads the system comes back at all.

use headcount_workloads::plan::storm::{Cell, LOADS, Storm, Storms};

use crate::plots::Drawn;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, PLOT_HEIGHT, Spec};
use crate::plots::scale::Scale;

const TITLE_DRAIN: &str = "Storm drain: work by second";
const TITLE_JITTER: &str = "The largest storm, with jitter and in step";
const TITLE_MAP: &str = "Metastability: does goodput come back after the storm?";
const BACK: Colour = Colour::Hue(0, 0.9);
const GONE: Colour = Colour::Hue(3, 0.9);
const ROW_HEIGHT: f64 = 36.0;

/// Every plot that has data.
pub fn draw_all(storms: &Storms) -> Vec<Drawn> {
    let drawn = [
        ("storm", TITLE_DRAIN, drain(storms)),
        ("jitter", TITLE_JITTER, jitter(storms)),
        ("metastability", TITLE_MAP, map(storms)),
    ];
    drawn.into_iter().filter_map(|(name, title, svg)| Some(Drawn { name, title, svg: svg? })).collect()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A line for each size of the storm.
fn drain(storms: &Storms) -> Option<String> {
    let lines = storms.storms.iter().map(|storm| (format!("{} of the people cut off", percent(storm.share)), storm));
    work(TITLE_DRAIN, storms, lines.collect())
}

/// The largest storm, by how clients wait before they try again.
fn jitter(storms: &Storms) -> Option<String> {
    let (apart, in_step) = (storms.storms.last()?, storms.in_step.as_ref()?);
    let lines = [("each client waits for a time of its own", apart), ("all wait for the same time", in_step)];
    work(TITLE_JITTER, storms, lines.map(|(text, storm)| (text.to_string(), storm)).to_vec())
}

/// Work by second of some storms, each with its name.
fn work(title: &str, storms: &Storms, lines: Vec<(String, &Storm)>) -> Option<String> {
    let seconds = lines.iter().map(|(_, storm)| storm.work_per_s.len()).max().filter(|seconds| *seconds > 1)?;
    let highest = lines.iter().flat_map(|(_, storm)| &storm.work_per_s).copied().fold(0.0, f64::max);
    let colour = |place: usize| Colour::Hue(place, 1.0);
    let entry =
        |(place, (text, _)): (usize, &(String, &Storm))| LegendEntry { text: text.clone(), colour: colour(place) };
    let mut frame = Frame::open(Spec {
        title,
        caption: "presence events and published statuses; the dashed lines are the beginning and the end of the cut"
            .to_string(),
        x: Axis::seconds(seconds as f64),
        y: Axis::new("work per second (1/s)", Scale::from_zero(highest)),
        legend: lines.iter().enumerate().map(entry).collect(),
        over_time: None,
        plot_height: PLOT_HEIGHT,
        grid: true,
    });
    frame.upright(storms.cut_s);
    frame.upright(storms.healed_s);
    for (place, (_, storm)) in lines.iter().enumerate() {
        frame.line(&by_second(&storm.work_per_s), colour(place), 1.6);
    }
    Some(frame.finish())
}

/// Each second's value in its middle.
fn by_second(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(second, value)| (second as f64 + 0.5, *value)).collect()
}

/// A cell for each load and size of the storm.
fn map(storms: &Storms) -> Option<String> {
    let mut shares: Vec<f64> = storms.map.iter().map(|cell| cell.share).collect();
    shares.sort_by(f64::total_cmp);
    shares.dedup();
    if shares.is_empty() {
        return None;
    }
    let rows = shares.len() as f64;
    let column = |cell: &Cell| LOADS.iter().position(|load| *load == cell.load).map(|place| place as f64);
    let legend = [("goodput comes back", BACK), ("it stays below nine tenths of the calm", GONE)];
    let mut frame = Frame::open(Spec {
        title: TITLE_MAP,
        caption: format!(
            "{} people, one server a station, slowed down until the fullest is as full as the axis says; judged by the last ten \
             of sixty seconds after the cut",
            storms.map_users
        ),
        x: Axis {
            label: "utilisation of the fullest station in the calm".to_string(),
            scale: Scale::Linear { from: 0.0, to: LOADS.len() as f64 },
            ticks: LOADS.iter().enumerate().map(|(place, load)| (place as f64 + 0.5, percent(*load))).collect(),
        },
        y: Axis {
            label: "people cut off".to_string(),
            scale: Scale::Linear { from: 0.0, to: rows },
            ticks: shares.iter().enumerate().map(|(row, share)| (row as f64 + 0.5, percent(*share))).collect(),
        },
        legend: legend.map(|(text, colour)| LegendEntry { text: text.to_string(), colour }).to_vec(),
        over_time: None,
        plot_height: rows * ROW_HEIGHT,
        grid: false,
    });
    for cell in &storms.map {
        let row = shares.iter().position(|share| *share == cell.share).map(|row| row as f64);
        if let (Some(row), Some(column)) = (row, column(cell)) {
            let colour = if cell.comes_back { BACK } else { GONE };
            frame.cell((column + 0.03, row + 0.05), (column + 0.97, row + 0.95), colour);
        }
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::storms;

    #[test]
    fn a_storm_has_its_drain_and_its_map() {
        let drawn = draw_all(&storms());
        assert_eq!(drawn.iter().map(|plot| plot.name).collect::<Vec<_>>(), ["storm", "jitter", "metastability"]);
        for plot in &drawn {
            assert!(plot.svg.contains(&format!("<title>{}</title>", plot.title)) && !plot.svg.contains("NaN"));
        }
        // Four sizes at five loads, and two in the legend.
        assert_eq!(drawn[2].svg.matches("<rect").count(), 4 * 5 + 2);
    }
}
