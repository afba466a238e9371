//! Votes submitted and acknowledged, per second.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Votes and acknowledgements per second";

/// Lines of group `votes`: what was submitted, what was answered.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "votes per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: true,
        names: &[],
        caption: "lines that lie on each other are equal",
    };
    lines.draw(outcome, series::group(outcome, "votes"))
}
