//! At which loads, and after how large a storm, goodput comes back, and when.

use headcount_workloads::plan::metastability::{Cell, LOADS};
use headcount_workloads::plan::storm::Storms;

use crate::number::{duration_s, grouped, whole_percent};
use crate::plan::Plan;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "Metastability: does goodput come back after the storm?";

const ROW_HEIGHT: f64 = 36.0;
/// Later than this is late [s].
const SOON_S: f64 = 60.0;

/// What the colours say. They leave a cell's text readable, and it says the same.
const SOON: Colour = Colour::Hue(0, 0.25);
const LATE: Colour = Colour::Hue(0, 0.6);
const NEVER: Colour = Colour::Hue(3, 0.6);
const TOO_MUCH: Colour = Colour::Ink(0.15);

fn colour(cell: &Cell) -> Colour {
    match cell.back_s {
        _ if !cell.carried => TOO_MUCH,
        Some(back_s) if back_s <= SOON_S => SOON,
        Some(_) => LATE,
        None => NEVER,
    }
}

fn says(cell: &Cell) -> String {
    match cell.back_s {
        _ if !cell.carried => "too much".to_string(),
        Some(0.0) => "at once".to_string(),
        Some(back_s) => duration_s(back_s),
        None => "no".to_string(),
    }
}

/// A cell for each load and size of the storm.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    plan.storms.and_then(map)
}

fn map(storms: &Storms) -> Option<String> {
    let map = &storms.map;
    let mut shares: Vec<f64> = map.cells.iter().map(|cell| cell.share).collect();
    shares.sort_by(f64::total_cmp);
    shares.dedup();
    if shares.is_empty() {
        return None;
    }
    let rows = shares.len() as f64;
    let watched = duration_s(f64::from(storms.says.watched_s));
    let mut legend = vec![
        (format!("within {}", duration_s(SOON_S)), SOON),
        (format!("within {watched}"), LATE),
        (format!("not within {watched}"), NEVER),
    ];
    if map.cells.iter().any(|cell| !cell.carried) {
        legend.push(("not carried in the calm".to_string(), TOO_MUCH));
    }
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption: format!(
            "{} people, one server a station, slowed down until the fullest is as full as the axis says; from the end of the cut \
             until goodput ({}) is nine tenths of the calm's and stays there",
            grouped(u64::from(map.users)),
            storms.says.goodput
        ),
        x: Axis {
            label: "utilisation of the fullest station in the calm".to_string(),
            scale: Scale::Linear { from: 0.0, to: LOADS.len() as f64 },
            ticks: LOADS.iter().enumerate().map(|(place, load)| (place as f64 + 0.5, whole_percent(*load))).collect(),
        },
        y: Axis {
            label: "people cut off".to_string(),
            scale: Scale::Linear { from: 0.0, to: rows },
            ticks: shares.iter().enumerate().map(|(row, share)| (row as f64 + 0.5, whole_percent(*share))).collect(),
        },
        legend: legend.into_iter().map(|(text, colour)| LegendEntry { text, colour }).collect(),
        over_time: None,
        plot_height: rows * ROW_HEIGHT,
        grid: false,
    });
    for cell in &map.cells {
        let row = shares.iter().position(|share| *share == cell.share).map(|row| row as f64);
        let column = LOADS.iter().position(|load| *load == cell.load).map(|place| place as f64);
        if let (Some(row), Some(column)) = (row, column) {
            frame.cell((column + 0.03, row + 0.05), (column + 0.97, row + 0.95), colour(cell));
            frame.inside((column + 0.5, row + 0.5), &says(cell));
        }
    }
    Some(frame.finish())
}

#[cfg(test)]
mod tests {
    use headcount_workloads::plan::metastability::Map;

    use super::*;
    use crate::plan::fixture::storms;

    #[test]
    fn every_cell_has_its_colour_and_its_words() {
        let svg = map(&storms()).unwrap();
        // Four sizes at five loads, and three in the legend.
        assert_eq!(svg.matches("<rect").count(), 4 * 5 + 3);
        // At 95 % the larger two are never over, the smaller two after two minutes; at the other loads all are at once.
        assert_eq!([">no<", ">2 min<", ">at once<"].map(|text| svg.matches(text).count()), [2, 2, 16], "{svg}");
        assert!(!svg.contains("NaN"));
        let mut crowded = storms();
        crowded.map.cells[0].carried = false;
        let svg = map(&crowded).unwrap();
        assert!(svg.contains(">too much<") && svg.contains(">not carried in the calm<"), "{svg}");
        assert_eq!(map(&Storms { map: Map::default(), ..storms() }), None);
    }
}
