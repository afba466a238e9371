//! How busy the stations are.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::scale::Scale;
use super::series::{self, Bucket};

pub const TITLE: &str = "Utilisation of the busiest stations";

/// Lines of group `utilisation`, from 0 (idle) to 1 (no server ever free).
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "utilisation (ratio)",
        bucket: Bucket::Max,
        y_scale: Some(Scale::Linear { from: 0.0, to: 1.0 }),
        nested: false,
        caption: "1 means that no server was free",
    };
    lines.draw(outcome, series::group(outcome, "utilisation"))
}
