//! Connections that are up.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Connections online";

/// Lines of group `online`: a region each, or all together.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines =
        Lines { title: TITLE, y_label: "connections", bucket: Bucket::Last, y_scale: None, nested: false, caption: "" };
    lines.draw(outcome, series::group(outcome, "online"))
}
