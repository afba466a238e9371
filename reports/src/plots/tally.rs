//! How the tally on people's screens follows the votes counted.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Tally: counted, broadcast, shown";

/// Lines of group `tally`, one over the other: where they part, the screen was behind.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "votes in the tally",
        bucket: Bucket::Last,
        y_scale: None,
        nested: true,
        names: &[],
        caption: "lines that lie on each other are equal",
    };
    lines.draw(outcome, series::group(outcome, "tally"))
}
