//! Users who come and go.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Users who come and go, per second";

/// Lines of group `moves`: who opened the app, who closed it, whose device fell silent.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "users per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: false,
        names: &[("users_come", "come"), ("users_leave", "leave"), ("users_lost", "lost without a word")],
        caption: "",
    };
    lines.draw(outcome, series::group(outcome, "moves"))
}
