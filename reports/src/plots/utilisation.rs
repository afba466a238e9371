//! How busy the stations are.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::scale::Scale;
use super::series::{self, Bucket};

pub const TITLE: &str = "Utilisation of the busiest stations";

/// Below this the axis ends where the data does: a run that loads nothing would be a line on the floor.
const FULL_AXIS_FROM: f64 = 0.1;

/// Lines of group `utilisation`, from 0 (idle) to 1 (no server ever free).
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "utilisation");
    let highest = all.iter().map(|one| series::peak(one)).fold(0.0, f64::max);
    let lines = Lines {
        title: TITLE,
        y_label: "utilisation (ratio)",
        bucket: Bucket::Max,
        y_scale: (highest >= FULL_AXIS_FROM).then_some(Scale::Linear { from: 0.0, to: 1.0 }),
        nested: false,
        names: &[],
        caption: "1 means that no server was free",
    };
    lines.draw(outcome, all)
}
