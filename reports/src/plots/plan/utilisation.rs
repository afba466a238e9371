//! How full everything is: a pair of bars for each resource, the fullest first.

use crate::number::percent;
use crate::plan::Plan;
use crate::plots::canvas::Colour;
use crate::plots::frame::{Axis, Frame, LegendEntry, Spec};
use crate::plots::scale::Scale;

pub const TITLE: &str = "Utilisation: what fills first";

/// Height of a resource's row, in points.
const ROW_HEIGHT: f64 = 26.0;
/// More rows say nothing: they are the emptiest.
const ROWS_MAX: usize = 20;
const LOAD: Colour = Colour::Hue(0, 1.0);
const HEADROOM: Colour = Colour::Hue(1, 1.0);

/// Bars from 0 to 100 %: with the load, and with headroom.
pub fn draw(plan: &Plan<'_>) -> Option<String> {
    let answer = plan.found.ok()?;
    let all = answer.resources();
    let rows = &all[..all.len().min(ROWS_MAX)];
    if rows.is_empty() {
        return None;
    }
    let heavy = |row: &(&_, Option<&headcount_workloads::plan::Resource>)| row.1.map_or(0.0, |one| one.utilisation);
    let highest = rows.iter().map(|row| row.0.utilisation.max(heavy(row))).fold(1.0, f64::max);
    let mut caption = "mean over the window and the seeds, of the busiest node or channel of a name".to_string();
    if all.len() > rows.len() {
        caption.push_str(&format!("; utilisation.csv has {} more, all emptier", all.len() - rows.len()));
    }
    let mut legend = vec![LegendEntry { text: "with the load".into(), colour: LOAD }];
    legend.push(LegendEntry { text: "with headroom".into(), colour: HEADROOM });
    let scale = if highest > 1.0 { Scale::from_zero(highest * 100.0) } else { Scale::Linear { from: 0.0, to: 100.0 } };
    let text =
        |row: &(&headcount_workloads::plan::Resource, _)| format!("{}: {}", row.0.name, percent(row.0.utilisation));
    let mut frame = Frame::open(Spec {
        title: TITLE,
        caption,
        x: Axis::new("utilisation (%)", scale),
        y: Axis {
            label: String::new(),
            scale: Scale::Linear { from: rows.len() as f64, to: 0.0 },
            ticks: rows.iter().enumerate().map(|(place, row)| (place as f64 + 0.5, text(row))).collect(),
        },
        legend,
        over_time: None,
        plot_height: rows.len() as f64 * ROW_HEIGHT,
        grid: false,
    });
    for (place, row) in rows.iter().enumerate() {
        let top = place as f64;
        frame.cell((0.0, top + 0.5), (row.0.utilisation * 100.0, top + 0.14), LOAD);
        frame.cell((0.0, top + 0.86), (heavy(row) * 100.0, top + 0.5), HEADROOM);
    }
    Some(frame.finish())
}
