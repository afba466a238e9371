//! How many wait.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Who waits for a server";

/// Lines of group `queue`: how many waited, averaged over each second.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "queue");
    let lines = Lines {
        title: TITLE,
        y_label: all.first()?.unit,
        bucket: Bucket::Max,
        y_scale: None,
        nested: false,
        names: &[],
        caption: "averaged over each second",
    };
    lines.draw(outcome, all)
}
