//! What telling one change costs: inboxes against channel groups, as written, as reckoned, as measured.

use headcount_workloads::outcome::Outcome;

use super::canvas::Colour;
use super::frame::{Axis, Frame, LegendEntry, Spec};
use super::scale::Scale;
use crate::number::three_digits;
use crate::scale::FanOut;

pub const TITLE: &str = "What one status change costs: inboxes against channel groups";

/// Height of a bar's row, in points.
const ROW_HEIGHT: f64 = 24.0;
/// The axis begins at or below a tenth: a change that is debounced takes less than a publish.
const LOWEST: f64 = 0.1;

/// Who says so: text and colour of the legend.
const SAID: [(&str, Colour); 3] = [
    ("the document, what its arithmetic gives", Colour::Hue(0, 1.0)),
    ("the document, as written", Colour::Hue(3, 1.0)),
    ("this run", Colour::Hue(2, 1.0)),
];

/// Bars on a logarithmic axis: all figures of friends-online.md 11.1 and of the run as numbers for one status change.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let run = FanOut::of(outcome).filter(|run| run.changes > 0)?;
    let bars: Vec<(String, f64, usize)> = rows(&run).into_iter().filter(|(_, value, _)| *value > 0.0).collect();
    let highest = bars.iter().map(|(_, value, _)| *value).fold(1.0, f64::max);
    let lowest = bars.iter().map(|(_, value, _)| *value).fold(LOWEST, f64::min);
    let rows_count = bars.len() as f64;
    let scale = Scale::decades(lowest, highest);
    let Scale::Log { from, .. } = scale else { return None };
    let ticks = bars.iter().enumerate();
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption:
            "friends-online.md 11.1, third row: 100,000 x 10 % = 10,000 changes an hour; its 5 billion and 10 million \
                  publishes an hour are 1,000 times what 500 publishes and 1 for each of them come to"
                .to_string(),
        x: Axis::new("for one status change (logarithmic)", scale),
        y: Axis {
            label: String::new(),
            scale: Scale::Linear { from: rows_count, to: 0.0 },
            ticks: ticks
                .map(|(row, (text, value, _))| (row as f64 + 0.5, format!("{text}: {}", three_digits(*value))))
                .collect(),
        },
        legend: SAID.map(|(text, colour)| LegendEntry { text: text.to_string(), colour }).to_vec(),
        over_time: None,
        plot_height: rows_count * ROW_HEIGHT,
        grid: false,
    });
    for (row, (_, value, said)) in bars.iter().enumerate() {
        frame.cell((from, row as f64 + 0.82), (*value, row as f64 + 0.18), SAID[*said].1);
    }
    Some(frame.finish())
}

/// What each bar says, its value for one status change, and who says it.
fn rows(run: &FanOut) -> Vec<(String, f64, usize)> {
    let mut rows = Vec::new();
    for (what, written) in [("inboxes", true), ("groups", false)] {
        // The first two rows of the document say the same for one change; the third is off.
        for (name, line, said) in [("11.1, rows 1 and 2", 0, 0), ("11.1, row 3", 2, 1)] {
            let document = &crate::scale::DOCUMENT[line];
            let publishes = if written { document.inbox_written } else { document.groups_written };
            rows.push((format!("publishes, {what}, {name}"), publishes as f64 / document.changes as f64, said));
        }
        let measured = if written { run.inbox_per_change() } else { run.publishes_per_change() };
        rows.push((format!("publishes, {what}, this run"), measured, 2));
    }
    rows.push(("deliveries, either way, this run".to_string(), run.deliveries_per_change(), 2));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_documents_third_row_is_a_thousand_times_its_first() {
        let rows = rows(&FanOut::of(&fixture::friends()).unwrap());
        let value = |text: &str| rows.iter().find(|(name, ..)| name == text).unwrap().1;
        // 5,000,000,000 / 10,000 changes; 10,000,000 / 10,000.
        assert_eq!(value("publishes, inboxes, 11.1, row 3"), 500_000.0);
        assert_eq!(value("publishes, groups, 11.1, row 3"), 1_000.0);
        assert_eq!(value("publishes, inboxes, 11.1, rows 1 and 2"), 500.0);
        assert_eq!(value("publishes, groups, 11.1, rows 1 and 2"), 1.0);
    }

    #[test]
    fn every_bar_has_its_number_and_a_vote_has_no_bars() {
        let svg = draw(&fixture::friends()).unwrap();
        assert!(svg.contains(">publishes, inboxes, 11.1, row 3: 500,000</text>"));
        // Seven bars, and three in the legend.
        assert_eq!(svg.matches("<rect").count(), 10);
        assert!(draw(&fixture::outcome()).is_none());
    }
}
